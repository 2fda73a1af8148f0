"""The demo's directory: speaks LDAP on a loopback address, can be read and signed in to, and cannot be changed."""

from __future__ import annotations

import argparse
import hmac
import ipaddress
import signal
import sys
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ldaptor.inmemory import ReadOnlyInMemoryLDAPEntry
from ldaptor.interfaces import IConnectedLDAPEntry
from ldaptor.protocols import pureldap
from ldaptor.protocols.ldap import ldaperrors
from ldaptor.protocols.ldap.ldapserver import LDAPServer
from twisted.internet import reactor
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import ServerFactory

from demo.people import BASE_DN, GROUPS, PEOPLE, SERVICE_DN
from directory.names import RelativeName, relative_names

WHO_AM_I = b"1.3.6.1.4.1.4203.1.11.3"  # RFC 4532


def build_tree() -> ReadOnlyInMemoryLDAPEntry:
    """Return the directory's entries. None holds a password, so no search can find one out."""
    root = ReadOnlyInMemoryLDAPEntry(
        BASE_DN, {"objectClass": ["organization", "dcObject"], "dc": ["northfield"], "o": ["Northfield College"]}
    )
    people = root.addChild("ou=people", {"objectClass": ["organizationalUnit"], "ou": ["people"]})
    groups = root.addChild("ou=groups", {"objectClass": ["organizationalUnit"], "ou": ["groups"]})
    for person in PEOPLE:
        people.addChild(
            f"uid={person.username}",
            {
                "objectClass": ["inetOrgPerson"],
                "uid": [person.username],
                "cn": [person.full_name],
                "givenName": [person.given_name],
                "sn": [person.surname],
                "mail": [person.email],
                "entryUUID": [person.entry_uuid],
            },
        )
    for name in GROUPS:
        groups.addChild(
            f"cn={name}",
            {
                "objectClass": ["groupOfNames"],
                "cn": [name],
                "member": [person.dn for person in PEOPLE if person.group == name],
                "entryUUID": [str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{name}.northfield.example"))],
            },
        )
    return root


class DemoDirectoryServer(LDAPServer):
    """One client's connection: simple bind, search after a bind, and "Who am I?"; everything else is refused."""

    factory: DemoDirectoryFactory
    identity: str = ""

    def handle_LDAPBindRequest(self, request: Any, controls: Any, reply: Callable[[Any], None]) -> Any:  # noqa: N802
        """Sign in; no name is nobody, and a name without its password is refused as wrong."""
        self.identity = ""
        self.checkControls(controls)
        if request.version != 3:
            raise ldaperrors.LDAPProtocolError("only version 3 is spoken")
        if request.sasl:
            raise ldaperrors.LDAPAuthMethodNotSupported
        dn = request.dn.decode("utf-8")
        if dn and not self.factory.accepts(dn, request.auth):
            raise ldaperrors.LDAPInvalidCredentials
        self.identity = dn
        return pureldap.LDAPBindResponse(resultCode=ldaperrors.Success.resultCode)

    def handle_LDAPSearchRequest(self, request: Any, controls: Any, reply: Callable[[Any], None]) -> Any:  # noqa: N802
        """Search; only for those who have signed in, except for the server's own entry."""
        if not self.identity and request.baseObject != b"":
            raise ldaperrors.LDAPInsufficientAccessRights
        return super().handle_LDAPSearchRequest(request, controls, reply)

    def handle_LDAPExtendedRequest(self, request: Any, controls: Any, reply: Callable[[Any], None]) -> Any:  # noqa: N802
        """Answer "Who am I?"; nothing else is offered."""
        self.checkControls(controls)
        if request.requestName != WHO_AM_I:
            raise ldaperrors.LDAPProtocolError("not offered")
        identity = f"dn:{self.identity}" if self.identity else ""
        return pureldap.LDAPExtendedResponse(
            resultCode=ldaperrors.Success.resultCode, matchedDN="", errorMessage="", response=identity.encode("utf-8")
        )

    def _refuse_change(self, request: Any, controls: Any, reply: Callable[[Any], None]) -> Any:
        raise ldaperrors.LDAPUnwillingToPerform("the demo's directory cannot be changed")

    handle_LDAPAddRequest = _refuse_change  # noqa: N815 (the names are ldaptor's)
    handle_LDAPDelRequest = _refuse_change  # noqa: N815
    handle_LDAPModifyRequest = _refuse_change  # noqa: N815
    handle_LDAPModifyDNRequest = _refuse_change  # noqa: N815


class DemoDirectoryFactory(ServerFactory):
    """Makes the connections of one demo directory, and knows the passwords."""

    protocol = DemoDirectoryServer
    noisy = False

    def __init__(self, service_password: str) -> None:
        """`service_password` is that of the service account, with which people are looked for."""
        self.tree = build_tree()
        self._passwords = {relative_names(person.dn): person.password for person in PEOPLE}
        self._passwords[relative_names(SERVICE_DN)] = service_password

    def __conform__(self, interface: object) -> object | None:
        """zope.interface's hook: asked for a directory, the factory gives its entries."""
        return self.tree if interface is IConnectedLDAPEntry else None

    def accepts(self, dn: str, password: bytes) -> bool:
        """True when the password is this entry's; never for an empty one."""
        try:
            name: tuple[RelativeName, ...] = relative_names(dn)
        except ValueError:
            return False
        expected = self._passwords.get(name, "")
        return bool(expected) and hmac.compare_digest(expected.encode("utf-8"), password)


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the options and serve; return the exit code. Wrong options end the program with code 2, as argparse does."""
    parser = argparse.ArgumentParser(prog="python -m demo.ldap_server", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="the TCP port")
    parser.add_argument("--address", default="127.0.0.1", type=_loopback, help="a loopback address")
    parser.add_argument("--password-file", type=Path, required=True, help="holds the service account's password")
    options = parser.parse_args(arguments)
    try:
        service_password = options.password_file.read_text(encoding="utf-8").strip()
    except OSError as error:
        parser.error(f"the password file cannot be read: {error.strerror}")
    if not service_password:
        parser.error("the password file is empty")
    return serve(DemoDirectoryFactory(service_password), options.address, options.port)


def serve(factory: DemoDirectoryFactory, address: str, port: int) -> int:
    """Serve until SIGTERM or SIGINT; return the exit code, 1 when the port cannot be used."""
    failures: list[CannotListenError] = []

    def listen() -> None:
        try:
            reactor.listenTCP(port, factory, interface=address)
        except CannotListenError as error:
            failures.append(error)
            reactor.stop()

    # A shell's background job starts with SIGINT ignored, and Twisted would leave it so.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # Only now, so that the port never answers before the signals are heeded.
    reactor.callWhenRunning(listen)
    reactor.run()
    for failure in failures:
        print(f"{address}:{port} cannot be used: {failure.socketError}", file=sys.stderr)
    return 1 if failures else 0


def _loopback(text: str) -> str:
    """argparse type: an address that no other machine can reach, because the demo's passwords are public."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not an IP address") from None
    if not address.is_loopback:
        raise argparse.ArgumentTypeError(f"{text} is not a loopback address; the demo's passwords are public")
    return text


if __name__ == "__main__":
    sys.exit(main())
