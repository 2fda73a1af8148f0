"""One verified connection to one directory server, over ldap3: every step has a time limit and one kind of error."""

from __future__ import annotations

import math
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import ldap3
from ldap3.operation.search import search_operation
from ldap3.protocol.rfc2696 import paged_search_control
from ldap3.utils.asn1 import decode_message_fast

from directory.answers import Answers, RawEntry
from directory.interface import DirectoryConfigError, DirectoryError, DirectoryUnavailableError
from directory.reasons import POLICY_CONTROL, reason_in_control, reason_in_words
from directory.settings import DirectorySettings, ServerAddress
from directory.tls import VerifyingTls

# Result codes: RFC 4511 appendix A.1.
SUCCESS = 0
SIZE_LIMIT_EXCEEDED = 4
INVALID_CREDENTIALS = 49
ADMIN_LIMIT_EXCEEDED = 11
NO_SUCH_OBJECT = 32
# "This name with this password: no." Besides invalidCredentials (49) servers say it as: the account is locked or
# expired (19, 53), has no password (48), may not sign in (50), is not there (32), or has an impossible DN (34).
REFUSED_CREDENTIALS = frozenset({19, 32, 34, 48, 49, 50, 53})
ENCRYPTION_DEMANDED = frozenset({8, 13})
# A search that our own settings make impossible: unknown base (32, 34), or no right to search (48, 50, 53).
REFUSED_SEARCH = frozenset({32, 34, 48, 50, 53})

_PAGE_SIZE = 500
_LARGE_PAGE, _SMALL_PAGE = 1000, 10
_ANSWER_LIMIT = 12  # times receive_timeout_s: an answer of many entries may take longer than a silence within it
_PAGED_RESULTS = "1.2.840.113556.1.4.319"  # RFC 2696


@dataclass(frozen=True)
class Entry:
    """One entry of the directory: its DN and its raw values; attribute names are in lower case."""

    dn: str
    values: Mapping[str, list[bytes]]

    def texts(self, attribute: str) -> list[str]:
        """The values of an attribute as text, sorted; what is not UTF-8 or is blank is left out."""
        found = set()
        for raw in self.values.get(attribute.lower(), []):
            try:
                found.add(raw.decode("utf-8").strip())
            except UnicodeDecodeError:
                continue
        return sorted(found - {""})


@dataclass(frozen=True)
class BindAnswer:
    """What a server says to a name and a password: whether it accepts them, and why it wants nobody in nevertheless.

    `reason` is one of REFUSAL_REASONS, and only there together with proof that the password is right; with
    "must_change" the bind may have been accepted, for changing the password and nothing else.
    """

    accepted: bool
    reason: str = ""


class LdapConnection:
    """A connection to one server; use it in a `with` block, which always closes it.

    Whatever ldap3 raises (a KeyError, for an answer that is not LDAP) leaves as DirectoryUnavailableError, with a
    message of ours: those of ldap3 are not known to be free of secrets, and its Connection prints its password.
    """

    def __init__(
        self, address: ServerAddress, settings: DirectorySettings, context: ssl.SSLContext | None, *, deadline: float
    ) -> None:
        """`deadline` is a time.monotonic() value: nothing is begun after it. `context` is None for plain ldap://."""
        self._address = address
        self._settings = settings
        self._deadline = deadline
        self._page = _LARGE_PAGE
        self._tls = None if context is None else VerifyingTls(context, self.time_for_answer)
        server = ldap3.Server(
            address.host,
            port=address.port,
            use_ssl=address.tls,
            tls=self._tls,
            get_info=ldap3.NONE,
            connect_timeout=min(settings.connect_timeout_s, max(deadline - time.monotonic(), 0.01)),
        )
        self._ldap = ldap3.Connection(
            server,
            auto_bind=ldap3.AUTO_BIND_NONE,
            client_strategy=ldap3.SYNC,
            auto_referrals=False,
            auto_range=False,
            auto_escape=False,
            auto_encode=False,
            check_names=False,
            read_only=True,
            raise_exceptions=False,
        )

    def __enter__(self) -> LdapConnection:
        try:
            with self._step("connecting"):
                self._ldap.open(read_server_info=False)
                if self._settings.start_tls:
                    self._ldap.start_tls(read_server_info=False)
                    if not self._ldap.tls_started:
                        raise self._unavailable("StartTLS", "the server did not start TLS")
        except DirectoryError:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def bind(self, dn: str, password: str) -> BindAnswer:
        """Sign in with a simple bind; return what the server says, success or one of REFUSED_CREDENTIALS.

        Raises DirectoryConfigError when the server wants an encrypted connection, DirectoryUnavailableError for
        every other answer. Raises ValueError for an empty DN or password: both would be an anonymous bind.
        """
        if not dn or not password:
            raise ValueError("a bind needs a DN and a password")
        with self._step("signing in"):
            self._ldap.authentication = ldap3.SIMPLE
            self._ldap.user = dn
            # Bytes, because ldap3 would refuse characters that are younger than its tables.
            self._ldap.password = password.encode("utf-8")
            try:
                asked = None if self._settings.is_active_directory else [(POLICY_CONTROL, False, None)]
                self._ldap.bind(read_server_info=False, controls=asked)
            finally:
                self._ldap.password = None
            code, reason = self._code(), self._reason_of_bind()
        if code in ENCRYPTION_DEMANDED:
            raise DirectoryConfigError(f"{self._address.url}: the server demands an encrypted connection")
        if code != SUCCESS and code not in REFUSED_CREDENTIALS:
            raise self._unavailable("signing in", f"the server answered {self._described()}")
        return BindAnswer(code == SUCCESS, reason)

    def become_nobody(self) -> None:
        """Be nobody again, for searches that need no account; also when the server refuses it (RFC 4513 section 4)."""
        if self._ldap.user is None:
            return
        with self._step("signing out"):
            self._ldap.authentication = ldap3.ANONYMOUS
            self._ldap.user = None
            self._ldap.bind(read_server_info=False)

    def search(
        self, base: str, search_filter: str, attributes: list[str], *, only_base: bool = False, size_limit: int = 0
    ) -> list[Entry]:
        """Return the entries that match; references to other servers are neither returned nor followed.

        With a `size_limit` up to so many entries are returned, whether or not there are more; without one, all. Raises
        DirectoryConfigError when the base is not there or may not be searched, or when the server gives fewer than
        there are and than were asked for; else DirectoryUnavailableError.
        """
        entries: list[Entry] = []
        cookie: bytes | None = None
        while True:
            with self._step("searching"):
                self._ldap.search(
                    base,
                    search_filter,
                    search_scope=ldap3.BASE if only_base else ldap3.SUBTREE,
                    dereference_aliases=ldap3.DEREF_NEVER,
                    attributes=attributes,
                    size_limit=size_limit,
                    time_limit=math.ceil(self._settings.receive_timeout_s),
                    paged_size=None if size_limit else _PAGE_SIZE,
                    paged_cookie=cookie,
                )
                code = self._code()
                entries += [
                    Entry(item["dn"], {name.lower(): values for name, values in item["raw_attributes"].items()})
                    for item in self._ldap.response or []
                    if item["type"] == "searchResEntry"
                ]
                cookie = self._next_page()
            if size_limit and code == SIZE_LIMIT_EXCEEDED:
                if len(entries) < size_limit:
                    raise DirectoryConfigError(f"{self._address.url}: a search may give no more than {len(entries)}")
            else:
                self._require_success(base, code)
            if not cookie:
                return entries

    def pages(
        self,
        base: str,
        search_filter: str,
        attributes: list[str],
        *,
        only_base: bool = False,
        missing_is_empty: bool = False,
    ) -> Iterator[list[RawEntry]]:
        """Yield all entries that match, as the server sent them, a page of it at a time (RFC 2696).

        A page larger than the server allows is asked for again, smaller. The next page is asked for before one is
        yielded: while these pages are not at their end, nothing else may be asked on this connection. With
        `missing_is_empty` a base that is not there has no entries. Raises as `search` does; never ends early.
        """
        scope = ldap3.BASE if only_base else ldap3.SUBTREE
        asked = attributes or [ldap3.NO_ATTRIBUTES]
        with self._step("searching"):
            request = search_operation(base, search_filter, scope, ldap3.DEREF_NEVER, asked, 0, 0, False, False, False)
        reader: Answers | None = None
        cookie: bytes | None = None
        message_id = self._ask_page(request, None)
        while True:
            with self._step("reading"):
                reader = reader or Answers(self._ldap.socket, limit_s=_ANSWER_LIMIT * self._settings.receive_timeout_s)
                entries, last = reader.read(message_id)
                self._ldap.result = self._ldap.strategy.decode_response_fast(decode_message_fast(last))
                code = self._code()
            if code == ADMIN_LIMIT_EXCEEDED and cookie is None and self._page > _SMALL_PAGE:
                self._page = max(self._page // 2, _SMALL_PAGE)
                message_id = self._ask_page(request, None)
                continue
            if code == NO_SUCH_OBJECT and missing_is_empty:
                return
            self._require_success(base, code)
            cookie = self._next_page()
            if cookie:
                message_id = self._ask_page(request, cookie)
            yield entries
            if not cookie:
                return

    def who_am_i(self) -> str | None:
        """Return who the server takes us for (RFC 4532), "" for nobody, None when the server does not tell."""
        with self._step("asking who we are"):
            identity = self._ldap.extend.standard.who_am_i()
            if self._code() != SUCCESS:
                return None
        return identity or ""

    @property
    def certificate_refusal(self) -> int:
        """Why the server's certificate was refused, in OpenSSL's numbers (X509_V_ERR_...); 0 where it was not."""
        return self._tls.refusal if self._tls is not None else 0

    def certificate(self, *, whole: bool = False) -> Any:
        """Return what ssl says of the server's certificate (SSLSocket.getpeercert), or the `whole` of it in DER."""
        return self._ldap.socket.getpeercert(binary_form=whole)

    def time_for_answer(self) -> float:
        """Return the seconds that the next answer may take. Raises DirectoryUnavailableError when time is up."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise self._unavailable("waiting", "no answer in time")
        return min(self._settings.receive_timeout_s, left)

    def _ask_page(self, request: Any, cookie: bytes | None) -> int:
        """Ask for the first page, or for the one after `cookie`; return the number of the message."""
        with self._step("searching"):
            control = paged_search_control(False, self._page, cookie)
            return int(self._ldap.strategy.send("searchRequest", request, [control]))

    def _require_success(self, base: str, code: int) -> None:
        if code in REFUSED_SEARCH:
            raise DirectoryConfigError(
                f"{self._address.url}: {base} is not there or may not be searched ({self._described()})"
            )
        if code != SUCCESS:
            raise self._unavailable("searching", f"the server answered {self._described()}")

    def _next_page(self) -> bytes | None:
        controls = self._ldap.result.get("controls") or {}
        page = controls.get(_PAGED_RESULTS)
        return page["value"]["cookie"] or None if page else None

    def _reason_of_bind(self) -> str:
        """Why the server refuses a right password, or what must be done first; "" where it says nothing of that."""
        control = (self._ldap.result.get("controls") or {}).get(POLICY_CONTROL)
        if control and isinstance(control["value"], bytes):
            return reason_in_control(control["value"])
        if self._settings.is_active_directory and self._code() == INVALID_CREDENTIALS:
            return reason_in_words(self._ldap.result.get("message") or "")
        return ""

    def _code(self) -> int:
        return int(self._ldap.result["result"])

    def _described(self) -> str:
        """The last result code with its name; never the server's own words, which may quote what was typed."""
        return f"{self._ldap.result['description']} ({self._code()})"

    def _close(self) -> None:
        try:
            if self._ldap.socket is not None:
                self._ldap.socket.settimeout(1)
            self._ldap.unbind()
        except Exception:
            self._ldap.strategy.close()

    @contextmanager
    def _step(self, step: str) -> Iterator[None]:
        """Give one exchange its time, and turn whatever goes wrong in it into DirectoryUnavailableError."""
        limit = self.time_for_answer()
        if self._ldap.socket is not None:
            self._ldap.socket.settimeout(limit)
        try:
            yield
        except DirectoryError:
            raise
        except Exception as error:
            raise self._unavailable(step, self._reason(error)) from None

    def _reason(self, error: Exception) -> str:
        if self._tls is not None and self._tls.problem:
            return self._tls.problem
        if isinstance(error, TimeoutError):  # ldap3 mixes the operating system's class into its own
            return "no answer in time"
        if isinstance(error, ConnectionRefusedError):
            return "the connection was refused"
        return f"the connection failed ({type(error).__name__})"

    def _unavailable(self, step: str, reason: str) -> DirectoryUnavailableError:
        return DirectoryUnavailableError(f"{self._address.url}: {step}: {reason}")
