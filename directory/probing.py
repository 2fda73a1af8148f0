"""Why there is no connection to a directory server: what answers at its address, and which certificate it shows.

No name and no password is ever sent from here.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from directory.connection import LdapConnection
from directory.interface import DirectoryError
from directory.settings import DirectorySettings, ServerAddress
from language import _

ANSWER_S = 1.0
"""Whoever is asked in a wrong protocol may stay silent for ever."""

# A search for the root of the directory by nobody (RFC 4511 section 4.5.1): message 1, base "", (objectClass=*).
_ROOT_SEARCH = bytes.fromhex("3025 020101 6320 0400 0a0100 0a0100 020100 020100 010100 870b") + b"objectClass\x30\x00"
_TELLING = 5
"""So many bytes of an answer say what speaks: "HTTP/", or the head of a record of TLS or LDAP."""
_LDAP, _TLS_ALERT, _TLS_HANDSHAKE = 0x30, 0x15, 0x16

# OpenSSL: take a certificate although its time has passed (x509_vfy.h); Python names the other flag, not this one.
_NO_CHECK_TIME = 0x200000
# Its reasons to refuse one (X509_V_ERR_...).
_EXPIRED = 10
_WRONG_TIME = frozenset({9, _EXPIRED})
_WRONG_NAME = frozenset({62, 64})
_UNKNOWN_AUTHORITY = frozenset({2, 18, 19, 20, 21})


@dataclass(frozen=True)
class Certificate:
    """What a server's certificate says of itself."""

    names: tuple[str, ...]
    issuer: str
    begins: datetime
    ends: datetime

    def days_left(self, now: datetime) -> int:
        """Return for how many whole days it is still good; below 0 when its time has passed."""
        return int((self.ends - now).total_seconds() // 86_400)


def read_certificate(facts: Mapping[str, Any]) -> Certificate:
    """Read what ssl says of a certificate (SSLSocket.getpeercert of one that was verified)."""
    names = [str(value) for kind, value in facts.get("subjectAltName", ()) if kind in ("DNS", "IP Address")]
    issuer = {key: value for part in facts.get("issuer", ()) for key, value in part}
    begins, ends = (
        datetime.fromtimestamp(ssl.cert_time_to_seconds(facts[key]), UTC) for key in ("notBefore", "notAfter")
    )
    named = issuer.get("commonName") or issuer.get("organizationName") or _("an authority without a name")
    return Certificate(tuple(dict.fromkeys(names)), str(named), begins, ends)


def shown_certificate(address: ServerAddress, settings: DirectorySettings, *, deadline: float) -> Certificate | None:
    """Return the certificate that a server shows, whatever is wrong with it; None where it cannot be had.

    Python reads only what it has verified. So it is fetched first, and then verified against itself alone.
    """
    anything = ssl.create_default_context(ssl.Purpose.SERVER_AUTH)
    anything.check_hostname = False
    anything.verify_mode = ssl.CERT_NONE
    try:
        with LdapConnection(address, settings, anything, deadline=deadline) as connection:
            shown = connection.certificate(whole=True)
        itself = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        itself.check_hostname = False
        itself.load_verify_locations(cadata=shown)
        itself.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | _NO_CHECK_TIME
        with LdapConnection(address, settings, itself, deadline=deadline) as connection:
            return read_certificate(connection.certificate())
    except (DirectoryError, ssl.SSLError, KeyError, ValueError):
        return None


def find_host(address: ServerAddress) -> bool:
    """Whether the name of the server leads to an address."""
    try:
        return bool(socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM))
    except (OSError, UnicodeError):
        return False


def what_answers(address: ServerAddress, *, deadline: float) -> str:
    """Return what answers at the port: "ldap" (without TLS), "tls", "http", "other", "silent", "refused" or "away".

    "silent": somebody takes the connection and says nothing. "away": no connection in time, or no way to the host.
    """
    try:
        first = _first_bytes(address, _ROOT_SEARCH, deadline)
    except ConnectionRefusedError:
        return "refused"
    except TimeoutError:
        return "away"
    except OSError:
        first = b""
    if first is None:
        return "tls" if _shakes_hands(address, deadline) else "silent"
    if first.startswith((b"HTTP/", b"<")):
        return "http"
    if first and first[0] == _LDAP:
        return "ldap"
    if (first and first[0] in (_TLS_ALERT, _TLS_HANDSHAKE)) or _shakes_hands(address, deadline):
        return "tls"
    return "other"


def _first_bytes(address: ServerAddress, question: bytes, deadline: float) -> bytes | None:
    """The beginning of an answer, b"" when the other side hangs up, None when nothing comes in time."""
    with socket.create_connection((address.host, address.port), timeout=_patience(deadline)) as stream:
        stream.sendall(question)
        stream.settimeout(_patience(deadline))
        first = b""
        try:
            while len(first) < _TELLING and (more := stream.recv(16)):  # an answer may come byte by byte
                first += more
        except TimeoutError:
            return first or None
        except OSError:
            if not first:
                raise
        return first


def _shakes_hands(address: ServerAddress, deadline: float) -> bool:
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with (
            socket.create_connection((address.host, address.port), timeout=_patience(deadline)) as stream,
            context.wrap_socket(stream, server_hostname=address.host),
        ):
            return True
    except (OSError, ValueError):
        return False


def _patience(deadline: float) -> float:
    return max(0.05, min(ANSWER_S, deadline - time.monotonic()))


@dataclass(frozen=True)
class Explanation:
    """Why there is no connection: at which step ("Connect" or "TLS"), what was found, and what to change."""

    step: str
    says: str
    advice: str


def explain(address: ServerAddress, settings: DirectorySettings, refusal: int, *, deadline: float) -> Explanation:
    """Return why a connection failed. `refusal`: LdapConnection.certificate_refusal of the one that failed."""
    if refusal:
        return _refused_certificate(address, settings, refusal, deadline)
    if not find_host(address):
        advice = _("Correct the name in servers, or look whether this machine's name server (DNS) knows it.")
        return Explanation("Connect", _("The name %(host)s leads to no address.", host=address.host), advice)
    return _wrong_protocol(address, settings, what_answers(address, deadline=deadline))


def _refused_certificate(
    address: ServerAddress, settings: DirectorySettings, refusal: int, deadline: float
) -> Explanation:
    shown = shown_certificate(address, settings, deadline=deadline)
    if refusal in _WRONG_NAME:
        names = ", ".join(shown.names) if shown and shown.names else _("other names")
        says = _("The certificate is for %(names)s, not for %(host)s.", names=names, host=address.host)
        advice = _(
            "Write a name of the certificate in servers, or give the server a certificate for %(host)s.",
            host=address.host,
        )
        return Explanation("TLS", says, advice)
    if refusal in _WRONG_TIME:
        expired = refusal == _EXPIRED
        says = _("The server's certificate has expired.") if expired else _("The server's certificate is not good yet.")
        if shown:
            begin, end = f"{shown.begins:%Y-%m-%d}", f"{shown.ends:%Y-%m-%d}"
            says = f"{says} {_('It is good from %(begin)s to %(end)s.', begin=begin, end=end)}"
        advice = _("Renew the certificate on the server. If the dates are right, set this machine's clock.")
        return Explanation("TLS", says, advice)
    if refusal in _UNKNOWN_AUTHORITY:
        trusted = f"ca_file ({settings.ca_file})" if settings.ca_file else _("the operating system's list")
        says = _(
            "The server's certificate is signed by %(issuer)s, which %(trusted)s does not have.",
            issuer=f"“{shown.issuer}”" if shown else _("an authority"),
            trusted=trusted,
        )
        advice = _("Put that authority's certificate (PEM) into a file, and its path into ca_file.")
        return Explanation("TLS", says, advice)
    advice = _("Give the server another certificate, signed by an authority that ca_file names.")
    says = _("The server's certificate is refused (OpenSSL's reason %(number)s).", number=refusal)
    return Explanation("TLS", says, advice)


def _wrong_protocol(address: ServerAddress, settings: DirectorySettings, found: str) -> Explanation:
    port, tls_wanted = address.port, address.tls or settings.start_tls
    host, usual = address.host, _("LDAP with TLS from the start is usually at port 636, other LDAP at 389.")
    if found == "refused":
        advice = f"{_('Look whether the directory server runs, and correct the port in servers.')} {usual}"
        return Explanation("Connect", _("Nothing listens at port %(port)s of %(host)s.", port=port, host=host), advice)
    if found == "away":
        advice = _("Look whether the server is up and a firewall lets this machine reach it, and correct servers.")
        says = _("%(host)s does not take a connection at port %(port)s.", host=host, port=port)
        return Explanation("Connect", says, advice)
    if found == "http":
        advice = f"{_('Correct the port in servers.')} {usual}"
        return Explanation("Connect", _("A web server answers at port %(port)s, no directory.", port=port), advice)
    if found == "ldap" and address.tls:
        advice = _(
            "Correct servers: ldaps:// with the server's port for TLS, or ldap://…:%(port)s with start_tls = true.",
            port=port,
        )
        return Explanation("TLS", _("Port %(port)s speaks LDAP, but not TLS from the start.", port=port), advice)
    if found == "ldap" and settings.start_tls:
        advice = _(
            "Set up TLS on the server, or write ldaps:// and its port for TLS in servers, with start_tls = false."
        )
        return Explanation("TLS", _("The server at port %(port)s does not start TLS.", port=port), advice)
    if found == "tls" and not address.tls:
        advice = _("Write %(address)s in servers, with start_tls = false.", address=f"ldaps://{host}:{port}")
        return Explanation("Connect", _("Port %(port)s speaks TLS from the start.", port=port), advice)
    if found == "tls":
        advice = _("The server must offer TLS 1.2 or newer; look at its own settings and log, or correct servers.")
        return Explanation("TLS", _("The server and this machine cannot agree on TLS."), advice)
    if found == "silent":
        advice = _("The server hangs, or something else listens there: restart it, or correct servers.")
        says = _("Port %(port)s takes connections and says nothing.", port=port)
        return Explanation("TLS" if tls_wanted else "Connect", says, advice)
    says = _("What answers at port %(port)s is no directory.", port=port)
    return Explanation("Connect", says, f"{_('Correct the port in servers.')} {usual}")
