"""One verified connection to one directory server, over ldap3: every step has a time limit and one kind of error."""

from __future__ import annotations

import math
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType

import ldap3

from directory.interface import DirectoryConfigError, DirectoryError, DirectoryUnavailableError
from directory.settings import DirectorySettings, ServerAddress

# Result codes: RFC 4511 appendix A.1.
SUCCESS = 0
SIZE_LIMIT_EXCEEDED = 4
# "This name with this password: no." Besides invalidCredentials (49) servers say it as: the account is locked or
# expired (19, 53), has no password (48), may not sign in (50), is not there (32), or has an impossible DN (34).
REFUSED_CREDENTIALS = frozenset({19, 32, 34, 48, 49, 50, 53})
ENCRYPTION_DEMANDED = frozenset({8, 13})
# A search that our own settings make impossible: unknown base (32, 34), or no right to search (48, 50, 53).
REFUSED_SEARCH = frozenset({32, 34, 48, 50, 53})

_PAGE_SIZE = 500
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


def make_tls_context(ca_file: str) -> ssl.SSLContext:
    """Return a context that verifies the server's certificate and host name, TLS 1.2 or newer.

    `ca_file` (PEM) holds the only trusted authorities; empty: those of the operating system. Raises
    DirectoryConfigError when the file cannot be used.
    """
    try:
        return ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=ca_file or None)
    except (OSError, ssl.SSLError) as error:
        reason = getattr(error, "strerror", None) or "it holds no certificate"
        raise DirectoryConfigError(f"ca_file {ca_file}: {reason}") from None


class _VerifyingTls(ldap3.Tls):
    """ldap3's TLS with the certificate and the host name checked by Python's ssl module itself.

    ldap3 2.9.1 verifies nothing by default, and checks names with a function that left Python in 3.12; its own copy
    of it does not know the IP addresses of a certificate.
    """

    def __init__(self, context: ssl.SSLContext, connection: LdapConnection) -> None:
        super().__init__(validate=ssl.CERT_REQUIRED)
        self._context = context
        self._owner = connection
        self.problem = ""

    def wrap_socket(self, connection: ldap3.Connection, do_handshake: bool = False) -> None:
        """Shake hands within the time that is left; the name that must be in the certificate is the configured one."""
        try:
            connection.socket.settimeout(self._owner.time_for_answer())
            connection.socket = self._context.wrap_socket(connection.socket, server_hostname=connection.server.host)
        except ssl.SSLCertVerificationError as error:
            self.problem = f"TLS: the server's certificate is not accepted: {error.verify_message}"
            raise
        except TimeoutError:
            self.problem = "TLS: no answer in time"
            raise
        except (OSError, ValueError):
            self.problem = "TLS: the handshake failed"
            raise


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
        self._tls = None if context is None else _VerifyingTls(context, self)
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

    def bind(self, dn: str, password: str) -> int:
        """Sign in with a simple bind; return the result code, success or one of REFUSED_CREDENTIALS.

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
                self._ldap.bind(read_server_info=False)
            finally:
                self._ldap.password = None
            code = self._code()
        if code in ENCRYPTION_DEMANDED:
            raise DirectoryConfigError(f"{self._address.url}: the server demands an encrypted connection")
        if code != SUCCESS and code not in REFUSED_CREDENTIALS:
            raise self._unavailable("signing in", f"the server answered {self._described()}")
        return code

    def search(
        self, base: str, search_filter: str, attributes: list[str], *, only_base: bool = False, size_limit: int = 0
    ) -> list[Entry]:
        """Return the entries that match; references to other servers are neither returned nor followed.

        With a `size_limit` up to so many entries are returned, whether or not there are more; without one, all.
        Raises DirectoryConfigError when the base is not there or may not be searched, else DirectoryUnavailableError.
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
            if code in REFUSED_SEARCH:
                raise DirectoryConfigError(
                    f"{self._address.url}: {base} is not there or may not be searched ({self._described()})"
                )
            if code != SUCCESS and not (size_limit and code == SIZE_LIMIT_EXCEEDED):
                raise self._unavailable("searching", f"the server answered {self._described()}")
            if not cookie:
                return entries

    def who_am_i(self) -> str | None:
        """Return who the server takes us for (RFC 4532), "" for nobody, None when the server does not tell."""
        with self._step("asking who we are"):
            identity = self._ldap.extend.standard.who_am_i()
            if self._code() != SUCCESS:
                return None
        return identity or ""

    def time_for_answer(self) -> float:
        """Return the seconds that the next answer may take. Raises DirectoryUnavailableError when time is up."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise self._unavailable("waiting", "no answer in time")
        return min(self._settings.receive_timeout_s, left)

    def _next_page(self) -> bytes | None:
        controls = self._ldap.result.get("controls") or {}
        page = controls.get(_PAGED_RESULTS)
        return page["value"]["cookie"] or None if page else None

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
