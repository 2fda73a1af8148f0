"""The directory over LDAP: find the one entry, sign in as it, make sure who was signed in, read the groups."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future
from datetime import UTC, datetime
from typing import TypeVar

from directory import lockout
from directory.accounts import account_name, composed, entries_named, name_key
from directory.connection import Entry, LdapConnection
from directory.groups import effective_groups, filled, group_attributes
from directory.interface import (
    BadCredentialsError,
    DirectoryConfigError,
    DirectoryError,
    DirectoryNearLockoutError,
    DirectoryUnavailableError,
    Person,
    is_plausible_username,
    require_plausible,
)
from directory.names import own_name, same_dn
from directory.nobody import Nobody
from directory.settings import DirectorySettings, ServerAddress
from directory.states import state_attributes, why_unusable
from directory.tls import make_tls_context

log = logging.getLogger(__name__)

ANSWER_LIMIT_S = 5.5
"""Every question is answered within this time, over all servers together."""

REST_AFTER_FAILURE_S = 30.0
"""A server that failed is asked last for this long, so that one dead server does not slow down every sign-in."""

_ANY_ENTRY = "(objectClass=*)"
_ENTRIES_MAX = 10
"""More entries than one person's: those that have the name as an address, or almost have it."""
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
        self._nobody = Nobody(settings.base_dn)
        self._turns = lockout.Turns()
        self._resting_until: dict[ServerAddress, float] = {}

    def authenticate(self, username: str, password: str) -> Person:
        """Return the person whose name and password these are; see Directory.authenticate."""
        require_plausible(username, password)
        return self._ask(lambda connection: self.sign_in(connection, username, password))

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
                with self.connection_to(address, deadline=deadline) as connection:
                    outcome.set_result(work(connection))
            except BaseException as error:
                outcome.set_exception(error)

        threading.Thread(target=run, name=f"directory {address.host}", daemon=True).start()
        try:
            return outcome.result(limit_s)
        except TimeoutError:
            raise DirectoryUnavailableError(f"{address.url}: no answer in time") from None

    # -- the steps on one connection, which directory.walk makes one by one

    def connection_to(self, address: ServerAddress, *, deadline: float) -> LdapConnection:
        """Return a connection to one server, not opened yet."""
        return LdapConnection(address, self._settings, self._context, deadline=deadline)

    def sign_in(self, connection: LdapConnection, username: str, password: str) -> Person:
        """Find the one entry, sign in as it, confirm it. Groups are read afterwards, as the service account again."""
        self.become_service(connection)
        seen_at = time.monotonic()
        entry = self._single_entry(connection, username)
        if entry is None:
            self._nobody.bind(connection, password)
            raise BadCredentialsError
        with self._turns.turn(entry.dn, limit_s=connection.time_for_answer(), seen_at=seen_at) as changed:
            if changed:
                entry = self._single_entry(connection, username) or entry
            if lockout.is_near(connection, entry, self._settings):
                self._nobody.bind(connection, password)
                raise DirectoryNearLockoutError
            answer = self._nobody.timed_bind(connection, entry.dn, password)
        if not answer.accepted or answer.reason:
            raise BadCredentialsError(answer.reason)
        self._confirm_identity(connection, entry)
        unusable = why_unusable(entry, self._settings, datetime.now(UTC))
        if unusable:
            raise BadCredentialsError(unusable)
        self.become_service(connection)
        return self._person(connection, entry)

    def _look_up(self, connection: LdapConnection, username: str) -> Person | None:
        self.become_service(connection)
        entries = self.entries_of(connection, username)
        if len(entries) > 1:
            raise DirectoryConfigError("more than one entry has the same name")
        return self._person(connection, entries[0]) if entries else None

    def become_service(self, connection: LdapConnection) -> None:
        """Be the service account from here on. Raises DirectoryConfigError where it is refused."""
        if not self._settings.bind_dn:
            connection.become_nobody()
        elif not connection.bind(self._settings.bind_dn, self._bind_password).accepted:
            raise DirectoryConfigError("the directory refuses the service account (bind_dn and its password)")

    def _single_entry(self, connection: LdapConnection, username: str) -> Entry | None:
        """The one entry with a DN that has the name; None for none and for several: nobody is signed in by a guess."""
        entries = self.entries_of(connection, username)
        if len(entries) > 1:
            log.warning("more than one entry has the same name: sign-in refused")
            return None
        if not entries or not entries[0].dn:
            return None
        self._username_of(entries[0])
        return entries[0]

    def entries_of(self, connection: LdapConnection, username: str) -> list[Entry]:
        """The entries that have this name: one, none, or several."""
        settings = self._settings
        names = dict.fromkeys((composed(username), account_name(username, settings.domains)))
        either = "".join(filled(settings.user_filter, username=name, dn="") for name in names)
        attributes = [
            *(settings.username_attribute, settings.name_attribute, settings.email_attribute, settings.id_attribute),
            *(attribute for attribute, _ in settings.name_comparisons),
            *state_attributes(settings),
            *lockout.count_attributes(settings),
            *group_attributes(settings),
        ]
        found = connection.search(
            settings.base_dn,
            f"(|{either})" if len(names) > 1 else either,
            list(dict.fromkeys(attributes)),
            size_limit=_ENTRIES_MAX,
        )
        return entries_named(found, username, settings) if len(found) < _ENTRIES_MAX else found

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

    def _person(self, connection: LdapConnection, entry: Entry) -> Person:
        settings = self._settings
        account = self._username_of(entry)
        names, emails = entry.texts(settings.name_attribute), entry.texts(settings.email_attribute)
        return Person(
            directory_id=lasting_id(entry, settings.id_attribute),
            dn=entry.dn,
            username=name_key(account),
            display_name=names[0] if names else account,
            email=emails[0] if emails else "",
            groups=effective_groups(connection, settings, entry, account),
            disabled=bool(why_unusable(entry, settings, datetime.now(UTC))),
        )

    def _inspect(self, connection: LdapConnection) -> list[str]:
        """What is wrong as seen on this connection; connecting and TLS have gone well by now."""
        settings = self._settings
        self.become_service(connection)
        for base in dict.fromkeys((settings.base_dn, settings.groups_below)):
            connection.search(base, _ANY_ENTRY, [], only_base=True, size_limit=1)
        anybody = settings.people_filter or settings.user_filter.replace("{username}", "*")
        attributes = [settings.username_attribute, settings.id_attribute]
        people = connection.search(settings.base_dn, anybody, attributes, size_limit=1)
        if not people:
            return [f"nobody below {settings.base_dn} matches {'people' if settings.people_filter else 'user'}_filter"]
        return lockout.problems(connection, settings) + [
            f"people have no readable {attribute}"
            for attribute in (settings.username_attribute, settings.id_attribute)
            if not people[0].values.get(attribute.lower())
        ]


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
