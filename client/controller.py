"""The life of one copy, without a window: when it asks, what becomes of the answers, and what is to be said once."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Final

from client import worker as asked
from client.answers import Message, NotAsAgreedError, read_card
from client.config import Config
from client.pace import Pace
from client.remembered import Remembered
from client.state import Known, View, view
from client.worker import Asker, Result, Worker

LOOKED_AT_AFTER_S: Final = 10.0
"""Looking at the window asks at once when the last answer is older."""

Clock = Callable[[], float]

log = logging.getLogger(__name__)


class Controller:
    """Everything that the window is about but the drawing. Call `tick` often; nothing here ever waits."""

    def __init__(
        self,
        *,
        config: Config,
        asker: Asker,
        remembered: Remembered,
        keep: Callable[[Remembered], None],
        pace: Pace | None = None,
        clock: Clock = time.time,
    ) -> None:
        """`keep` stores what is remembered; `clock` is in epoch seconds."""
        self._config, self._asker, self._remembered, self._keep = config, asker, remembered, keep
        self._worker, self._pace, self._clock = Worker(asker), pace or Pace(), clock
        self._under_way = 0
        self._next_at = self._pause = 0.0
        self._asked_at = 0.0
        self._messages: list[Message] = []
        self._known = self._last_known()

    @property
    def view(self) -> View:
        """What is to be seen now."""
        return view(self._known, now=self._clock(), server=self._asker.connection.place)

    @property
    def title(self) -> str:
        """The window's title: as configured, with the user's name in it."""
        card = self._known.card
        username = card.username if card else self._config.user
        return self._config.title_for(username, f"{card.name} Balance" if card else "Balance")

    @property
    def is_waiting(self) -> bool:
        """Whether a question is under way."""
        return self._under_way > 0

    @property
    def zoom(self) -> float:
        """How large the text is, 1 for the desktop's own size."""
        return self._remembered.zoom

    @zoom.setter
    def zoom(self, factor: float) -> None:
        self._remembered.zoom = factor
        self.keep()

    def tick(self) -> None:
        """Take in what was answered, and ask when it is time."""
        while (results := self._worker.results()) is not None:
            self._under_way -= 1
            for result in results:
                self._take(result)
        now = self._clock()
        # A clock that was set back must not mean a long silence; one that leapt while the computer slept asks at once.
        is_time = not self._next_at - self._pause <= now < self._next_at
        if is_time and not self._under_way and (self._known.sign_in != "needed" or self._asker.login_name):
            self._poll()

    def refresh(self) -> None:
        """Somebody wants to know now."""
        self._pace.somebody_looks()
        if not self._under_way and self._known.sign_in != "needed":
            self._poll()

    def looked_at(self) -> None:
        """Somebody looks at the window: what they see should be of now."""
        self._pace.somebody_looks()
        if self._clock() - max(self._asked_at, self._known.heard_at) > LOOKED_AT_AFTER_S:
            self.refresh()

    def sign_in(self, username: str, password: str) -> None:
        """Try these; the outcome comes by `tick`."""
        if username and password:
            self._do(lambda: self._asker.sign_in(username, password))
        else:
            self._known = self._known.sign_in_failed("Type your network name and its password.")

    def sign_out(self) -> None:
        """Give the token up."""
        self._do(self._asker.sign_out)

    def take_messages(self) -> list[Message]:
        """Return what is to be shown now; each message once."""
        waiting, self._messages = self._messages, []
        return waiting

    def keep(self) -> None:
        """Store what is remembered."""
        self._remembered.heard_at = self._known.heard_at
        try:
            self._keep(self._remembered)
        except OSError as error:
            log.warning("nothing can be remembered: %s", error)

    def _poll(self) -> None:
        kept = self._remembered
        self._do(lambda: self._asker.poll(kept.etag, kept.news, kept.after))

    def _do(self, question: Callable[[], list[Result]]) -> None:
        self._asked_at = self._clock()
        self._known = self._known.ask(self._asked_at)
        self._under_way += 1
        self._worker.do(question)

    def _take(self, result: Result) -> None:
        now, pause = self._clock(), 0.0
        if isinstance(result, asked.Fresh):
            self._take_card(result, now)
            pause = self._pace.after_change(result.card.poll_s)
        elif isinstance(result, asked.Same) and (card := self._known.card):
            self._known = self._known.still_true(now)
            pause = self._pace.after_same(card.poll_s)
        elif isinstance(result, asked.News):
            self._take_news(result)
            return
        elif isinstance(result, asked.Trouble):
            self._known = self._known.failed(result.words)
            pause = self._pace.after_failure(result.retry_s)
        elif isinstance(result, asked.Out):
            self._take_out(result)
            pause = self._pace.after_refusal()
        elif isinstance(result, asked.SignInFailed):
            self._known = self._known.sign_in_failed(result.words)
            pause = self._pace.after_refusal()
        elif isinstance(result, asked.SignedIn):
            self._remembered.forget_person()
            self._known = Known()
        self._next_at, self._pause = now + pause, pause
        log.debug("next question in %.1f s", pause)

    def _take_card(self, fresh: asked.Fresh, now: float) -> None:
        kept, card = self._remembered, fresh.card
        self._known = self._known.heard(card, now)
        kept.body, kept.etag, kept.news = fresh.body, fresh.etag, card.news
        # A person's day is the one of their own clock, so without a zone.
        if card.state == "low" and kept.first_low_today(datetime.fromtimestamp(now).date()):  # noqa: DTZ006
            text = f"{card.balance} left. {card.means}." + (
                f" Next credit {card.credit_amount}: {card.credit_when}." if card.credit_when else ""
            )
            self._messages.append(Message("low", "low", "Low balance", text))
        self.keep()

    def _take_news(self, news: asked.News) -> None:
        kept = self._remembered
        kept.after = news.after
        self._messages += [message for message in news.messages if kept.first_time(message.id)]
        self.keep()

    def _take_out(self, out: asked.Out) -> None:
        hopeless = out.hopeless or self._config.neverrequestidentity
        words = "You are not signed in, and this copy does not ask who you are." if hopeless else out.words
        self._known = self._known.not_signed_in(out.words if out.hopeless else words, hopeless=hopeless)
        self._messages.clear()
        self._remembered.forget_person()
        self.keep()

    def _last_known(self) -> Known:
        kept = self._remembered
        try:
            card = read_card(kept.body, server_url=self._asker.server_url) if kept.body else None
        except NotAsAgreedError:
            card = None
        if card is None:
            kept.etag = ""
            return Known()
        return replace(Known(), card=card, heard_at=kept.heard_at)
