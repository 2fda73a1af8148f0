"""The thread that waits for the instance, so that the window never does. Jobs go in, results come out, one by one."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from client.answers import Card, Message, NotAsAgreedError, read_card, read_messages
from client.connection import AwayError, Connection, RefusedError
from client.tokens import TokenStore

SIGN_IN: Final = "Sign in with your network name and password."
OUT: Final = 401
FORBIDDEN: Final = 403

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Fresh:
    """A card that differs from the last one, as an object and as it came, with its tag; and messages that came."""

    card: Card
    body: dict[str, Any]
    etag: str


@dataclass(frozen=True)
class Same:
    """The last card is still true."""


@dataclass(frozen=True)
class News:
    """Messages since the last time, oldest first, and where later ones begin."""

    messages: list[Message]
    after: str


@dataclass(frozen=True)
class Trouble:
    """No usable answer. `retry_s`: when the server wants to be asked again, 0 when it does not say."""

    words: str
    retry_s: int = 0


@dataclass(frozen=True)
class Out:
    """Not signed in (any more). `hopeless`: signing in again would not help now."""

    words: str = SIGN_IN
    hopeless: bool = False


@dataclass(frozen=True)
class SignedIn:
    """There is a new token."""


@dataclass(frozen=True)
class SignInFailed:
    """There is none, and why."""

    words: str


Result = Fresh | Same | News | Trouble | Out | SignedIn | SignInFailed


@dataclass
class Asker:
    """The questions of one copy, in the order that its life asks for. Each returns results; none raises."""

    connection: Connection
    tokens: TokenStore
    server_url: str
    device_name: str
    login_name: str = ""
    """Who to sign in as without a password where the instance allows that; "" not to try."""

    _token: str | None = field(default=None, repr=False)

    def poll(self, etag: str, news: str, after: str) -> list[Result]:
        """Ask for the balance, and for messages when there are any. `etag`, `news`, `after`: what was heard last."""
        try:
            token = self._token_at_hand()
            if not token:
                return [Out()]
            answer = self.connection.balance(token, etag)
            if answer.unchanged:
                return [Same()] if news == after else [Same(), *self._news(token, after)]
            card = read_card(answer.body, server_url=self.server_url)
            fresh = Fresh(card, dict(answer.body), answer.etag)
            return [fresh] if card.news == after else [fresh, *self._news(token, after)]
        except AwayError as error:
            return [Trouble(str(error), error.retry_s)]
        except NotAsAgreedError as error:
            log.warning("the answer is not as agreed: %s", error)
            return [Trouble(f"{self.connection.place} answers what cannot be understood.")]
        except RefusedError as error:
            return [self._refused(error)]
        except OSError as error:
            return [Trouble(f"The token cannot be kept: {error.strerror}.")]

    def sign_in(self, username: str, password: str) -> list[Result]:
        """Exchange network credentials for a token and keep it."""
        try:
            answer = self.connection.sign_in(name=self.device_name, username=username, password=password)
            self._keep(answer.body)
        except (AwayError, RefusedError) as error:
            return [SignInFailed(str(error) or "The sign-in was refused.")]
        except OSError as error:
            return [SignInFailed(f"Signed in, but the token cannot be kept: {error.strerror}.")]
        return [SignedIn()]

    def sign_out(self) -> list[Result]:
        """Forget the token, here and at the instance; when that is away it can still be revoked on the web."""
        try:
            token = self._token_at_hand()
            self._token = ""
            self.tokens.drop()
            if token:
                self.connection.sign_out(token)
        except RefusedError:
            pass  # it was no good any more
        except AwayError as error:
            return [Out(f"Signed out here. {error} End this device on the web, under “Where you are signed in”.")]
        except OSError as error:
            return [Out(f"The token could not be deleted: {error.strerror}.")]
        return [Out("You are signed out.")]

    def _token_at_hand(self) -> str:
        if self._token is None:
            self._token = self.tokens.get()
        if not self._token and self.login_name:
            try:
                answer = self.connection.sign_in_by_login_name(name=self.device_name, username=self.login_name)
                self._keep(answer.body)
            except RefusedError as error:
                log.info("the login name %s is not enough here: %s", self.login_name, error)
        return self._token or ""

    def _keep(self, body: Any) -> None:
        token = body.get("token")
        if not isinstance(token, str) or not token or not token.isascii() or not token.isprintable():
            raise AwayError("garbage", f"{self.connection.place} answers what cannot be understood.")
        self._token = token
        self.tokens.put(token)

    def _news(self, token: str, after: str) -> list[Result]:
        """What cannot be had now is asked for again with the next balance."""
        try:
            messages, following = read_messages(self.connection.messages(token, after).body)
        except (AwayError, RefusedError, NotAsAgreedError) as error:
            log.warning("the messages cannot be read: %s", error)
            return []
        return [News(messages, following)]

    def _refused(self, error: RefusedError) -> Result:
        if error.status == OUT and error.reason == "disabled":
            return Out(str(error), hopeless=True)  # the token may be good again tomorrow
        if error.status == OUT:
            self._token = ""
            try:
                self.tokens.drop()
            except OSError as problem:
                log.warning("the old token cannot be deleted: %s", problem)
            return Out(str(error))
        return Trouble(str(error) or f"{self.connection.place} refuses to say the balance.")


class Worker:
    """Runs questions one after the other in a thread that ends with the program."""

    def __init__(self, asker: Asker) -> None:
        self.asker = asker
        self._jobs: queue.SimpleQueue[Callable[[], list[Result]]] = queue.SimpleQueue()
        self._results: queue.SimpleQueue[list[Result]] = queue.SimpleQueue()
        threading.Thread(target=self._run, name="asker", daemon=True).start()

    def do(self, job: Callable[[], list[Result]]) -> None:
        """Have a question asked; returns at once."""
        self._jobs.put(job)

    def results(self) -> list[Result] | None:
        """Return what the oldest finished question brought, None while there is none."""
        try:
            return self._results.get_nowait()
        except queue.Empty:
            return None

    def _run(self) -> None:
        while True:
            job = self._jobs.get()
            try:
                found = job()
            except Exception:  # a fault of ours must not leave a window that never hears anything again
                log.exception("a question broke off")
                found = [Trouble("Something went wrong in this program. It tries again.")]
            self._results.put(found)
