"""The directory over LDAP: find the one entry, sign in as it, make sure who was signed in, read the groups."""

from __future__ import annotations

import logging
import re
import secrets
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from ldap3.utils.conv import escape_filter_chars

from directory.connection import SUCCESS, Entry, LdapConnection, make_tls_context
from directory.interface import (
    BadCredentialsError,
    DirectoryConfigError,
    DirectoryError,
    DirectoryUnavailableError,
    Person,
    is_plausible_username,
    require_plausible,
)
from directory.names import own_name, same_dn
from directory.settings import DirectorySettings, ServerAddress

log = logging.getLogger(__name__)

ANSWER_LIMIT_S = 5.5
"""Every question is answered within this time, over all servers together."""

REST_AFTER_FAILURE_S = 30.0
"""A server that failed is asked last for this long, so that one dead server does not slow down every sign-in."""

_ANY_ENTRY = "(objectClass=*)"
_PLACEHOLDER = re.compile(r"\{(username|dn)\}")
# What Active Directory calls a person when asked who is signed in.
_ACCOUNT_ATTRIBUTES = ("sAMAccountName", "userPrincipalName")

Answer = TypeVar("Answer")


class LdapDirectory:
    """A network directory that speaks LDAP version 3. One object serves all threads; each question has a connection."""

    def __init__(self, settings: DirectorySettings, bind_password: str) -> None:
        """`bind_password` belongs to settings.bind_dn; both empty: people are looked for anonymously.

        Raises DirectoryConfigError when the two do not fit, or the file with the authorities cannot be used.
        """
        if bool(settings.bind_dn) != bool(bind_password):
            missing = "its password is missing" if settings.bind_dn else "a password is there but bind_dn is empty"
            raise DirectoryConfigError(f"the service account is incomplete: {missing}")
        self._settings = settings
        self._bind_password = bind_password
        encrypted = settings.start_tls or any(address.tls for address in settings.addresses)
        self._context = make_tls_context(settings.ca_file) if encrypted else None
        # An unknown name is tried as this entry, which nobody can know or create: the same steps as for a known one.
        self._nobody_dn = f"cn=nobody-{secrets.token_hex(16)},{settings.base_dn}"
        self._resting_until: dict[ServerAddress, float] = {}

    def authenticate(self, username: str, password: str) -> Person:
        """Return the person whose name and password these are; see Directory.authenticate."""
        require_plausible(username, password)
        return self._ask(lambda connection: self._sign_in(connection, username, password))

    def find(self, username: str) -> Person | None:
        """Return the person with this name; see Directory.find.

        Raises DirectoryConfigError when several entries have it: that is not the same as nobody.
        """
        if not is_plausible_username(username):
            return None
        return self._ask(lambda connection: self._look_up(connection, username))

    def check(self) -> list[str]:
        """Return what is wrong, asking every server; see Directory.check."""
        problems: list[str] = []
        for address in self._settings.addresses:
            try:
                problems += self._within(address, ANSWER_LIMIT_S, self._inspect)
            except DirectoryError as error:
                problems.append(str(error))
        return problems

    # -- one question, asked of one server after the other

    def _ask(self, work: Callable[[LdapConnection], Answer]) -> Answer:
        """Return the first usable answer. Only an unavailable server passes the question on: a refusal is an answer."""
        deadline = time.monotonic() + ANSWER_LIMIT_S
        addresses = sorted(self._settings.addresses, key=self._rests)  # stable: as configured, resting ones last
        problems: list[str] = []
        for number, address in enumerate(addresses):
            share = (deadline - time.monotonic()) / (len(addresses) - number)
            try:
                answer = self._within(address, share, work)
            except DirectoryUnavailableError as error:
                self._resting_until[address] = time.monotonic() + REST_AFTER_FAILURE_S
                log.warning("directory server unavailable: %s", error)
                problems.append(str(error))
            else:
                self._resting_until.pop(address, None)
                return answer
        raise DirectoryUnavailableError("; ".join(problems))

    def _rests(self, address: ServerAddress) -> bool:
        return self._resting_until.get(address, 0.0) > time.monotonic()

    def _within(self, address: ServerAddress, limit_s: float, work: Callable[[LdapConnection], Answer]) -> Answer:
        """Do the work on a connection, in a thread of its own that is left behind when the time is up.

        The connection's own limits end every exchange; the thread is for what they cannot reach: a name server that
        hangs, several addresses of one host that all hang, or an answer that trickles in.
        """
        outcome: Future[Answer] = Future()

        def run() -> None:
            try:
                deadline = time.monotonic() + limit_s
                with LdapConnection(address, self._settings, self._context, deadline=deadline) as connection:
                    outcome.set_result(work(connection))
            except BaseException as error:
                outcome.set_exception(error)

        threading.Thread(target=run, name=f"directory {address.host}", daemon=True).start()
        try:
            return outcome.result(limit_s)
        except TimeoutError:
            raise DirectoryUnavailableError(f"{address.url}: no answer in time") from None

    # -- the steps on one connection

    def _sign_in(self, connection: LdapConnection, username: str, password: str) -> Person:
        self._sign_in_service(connection)
        entry = self._single_entry(connection, username)
        dn = self._nobody_dn if entry is None else entry.dn
        account = username if entry is None else self._username_of(entry)
        groups = self._groups(connection, dn, account)
        code = connection.bind(dn, password)
        if entry is None or code != SUCCESS:
            raise BadCredentialsError
        self._confirm_identity(connection, entry)
        return self._person(entry, account, groups)

    def _look_up(self, connection: LdapConnection, username: str) -> Person | None:
        self._sign_in_service(connection)
        entries = self._entries(connection, username)
        if len(entries) > 1:
            raise DirectoryConfigError("more than one entry matches user_filter for the same name")
        if not entries:
            return None
        account = self._username_of(entries[0])
        return self._person(entries[0], account, self._groups(connection, entries[0].dn, account))

    def _sign_in_service(self, connection: LdapConnection) -> None:
        if self._settings.bind_dn and connection.bind(self._settings.bind_dn, self._bind_password) != SUCCESS:
            raise DirectoryConfigError("the directory refuses the service account (bind_dn and its password)")

    def _single_entry(self, connection: LdapConnection, username: str) -> Entry | None:
        """The one entry with a DN that matches; None for none and for several: nobody is signed in by a guess."""
        entries = self._entries(connection, username)
        if len(entries) > 1:
            log.warning("more than one entry matches user_filter for the same name: sign-in refused")
            return None
        return entries[0] if entries and entries[0].dn else None

    def _entries(self, connection: LdapConnection, username: str) -> list[Entry]:
        """Up to two entries: enough to know whether there is exactly one."""
        settings = self._settings
        attributes = [
            settings.username_attribute,
            settings.name_attribute,
            settings.email_attribute,
            settings.id_attribute,
        ]
        search_filter = _filled(settings.user_filter, username=username, dn="")
        return connection.search(settings.base_dn, search_filter, attributes, size_limit=2)

    def _groups(self, connection: LdapConnection, dn: str, username: str) -> tuple[str, ...]:
        settings = self._settings
        search_filter = _filled(settings.group_filter, username=username, dn=dn)
        entries = connection.search(settings.groups_below, search_filter, [settings.group_name_attribute])
        names = (own_name(entry.dn, entry.texts(settings.group_name_attribute)) for entry in entries)
        return tuple(sorted({name for name in names if name}))

    def _confirm_identity(self, connection: LdapConnection, entry: Entry) -> None:
        """Make sure that the server now takes us for this entry: "success" alone is also said to nobody.

        Servers that do not answer "Who am I?" are asked for the person's own entry instead.
        """
        identity = connection.who_am_i()
        if identity is not None and identity.startswith("dn:"):
            confirmed = same_dn(identity[3:], entry.dn)
        elif identity is None or identity.startswith("u:"):
            attributes = [self._settings.username_attribute, *_ACCOUNT_ATTRIBUTES]
            own = connection.search(entry.dn, _ANY_ENTRY, attributes, only_base=True, size_limit=2)
            confirmed = len(own) == 1 and same_dn(own[0].dn, entry.dn)
            if confirmed and identity is not None:
                accounts = {text.casefold() for attribute in attributes for text in own[0].texts(attribute)}
                confirmed = identity[2:].rpartition("\\")[2].casefold() in accounts
        else:
            confirmed = False
        if not confirmed:
            raise DirectoryUnavailableError("the server accepted the sign-in but does not confirm who signed in")

    # -- from entries to people

    def _username_of(self, entry: Entry) -> str:
        attribute = self._settings.username_attribute
        name = own_name(entry.dn, entry.texts(attribute))
        if not name:
            raise DirectoryConfigError(f"an entry that matches user_filter has no readable {attribute}")
        return name

    def _person(self, entry: Entry, account: str, groups: tuple[str, ...]) -> Person:
        settings = self._settings
        names, emails = entry.texts(settings.name_attribute), entry.texts(settings.email_attribute)
        return Person(
            directory_id=lasting_id(entry, settings.id_attribute),
            dn=entry.dn,
            username=account.casefold(),
            display_name=names[0] if names else account,
            email=emails[0] if emails else "",
            groups=groups,
        )

    def _inspect(self, connection: LdapConnection) -> list[str]:
        """What is wrong as seen on this connection; connecting and TLS have gone well by now."""
        settings = self._settings
        self._sign_in_service(connection)
        for base in dict.fromkeys((settings.base_dn, settings.groups_below)):
            connection.search(base, _ANY_ENTRY, [], only_base=True, size_limit=1)
        anybody = _PLACEHOLDER.sub("*", settings.user_filter)
        people = connection.search(
            settings.base_dn, anybody, [settings.username_attribute, settings.id_attribute], size_limit=1
        )
        if not people:
            return [f"nobody below {settings.base_dn} matches user_filter"]
        return [
            f"people have no readable {attribute}"
            for attribute in (settings.username_attribute, settings.id_attribute)
            if not people[0].values.get(attribute.lower())
        ]


def _filled(template: str, *, username: str, dn: str) -> str:
    """Fill a search filter in one pass, each value escaped (RFC 4515 section 3)."""
    values = {"username": escape_filter_chars(username), "dn": escape_filter_chars(dn)}
    return _PLACEHOLDER.sub(lambda match: values[match[1]], template)


def lasting_id(entry: Entry, attribute: str) -> str:
    """Return the id that an entry keeps for ever, as text.

    Active Directory's objectGUID is 16 bytes, the first three fields little-endian (MS-DTYP section 2.3.4.2). Raises
    DirectoryConfigError when there is not exactly one readable value.
    """
    raw = entry.values.get(attribute.lower(), [])
    if len(raw) == 1 and attribute.lower() == "objectguid" and len(raw[0]) == 16:
        return str(uuid.UUID(bytes_le=raw[0]))
    texts = entry.texts(attribute)
    if len(texts) != 1:
        raise DirectoryConfigError(f"an entry that matches user_filter has no single readable {attribute}")
    return texts[0].casefold()
