"""Everybody in the directory: all people with their groups a page at a time, who changed, and who is still there."""

from __future__ import annotations

import logging
import math
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Protocol

from ldap3.utils.conv import escape_filter_chars

from directory.answers import RawEntry
from directory.connection import Entry, LdapConnection
from directory.groups import effective_groups
from directory.interface import DirectoryConfigError, DirectoryUnavailableError
from directory.roster_changes import changed_since, place_now
from directory.roster_groups import read_groups
from directory.roster_people import GroupsOf, Listed, PeopleReader
from directory.roster_places import Place, PlaceLostError
from directory.settings import IN_CHAIN, DirectorySettings, ServerAddress
from directory.tls import make_tls_context

__all__ = ["Changes", "LdapRoster", "Listed", "PlaceLostError", "Reading", "Roster"]

log = logging.getLogger(__name__)

FEW, FEW_IN_CHAIN = 25, 1
"""The groups of so many people are asked for one by one; for more, all groups are read. Following a link through all
groups between takes a server the better part of a second for each."""

_CHUNK = 100

Progress = Callable[[int], None]


@dataclass(frozen=True)
class Changes:
    """Who changed: `people` as they are now, and the `place` where the next changes begin.

    `regrouped` are the names of groups that changed. Who was in one of them until now, and is not among `people`, may
    have left it: ask for them with `found`.
    """

    people: list[Listed]
    place: str
    regrouped: tuple[str, ...] = ()
    skipped: int = 0


class Reading(Iterator[list[Listed]]):
    """The pages of one reading of everybody. `skipped` counts those left out so far, for want of an id or a name."""

    def __init__(self, pages: Iterator[list[Listed]], skipped: Callable[[], int]) -> None:
        self._pages = pages
        self._skipped = skipped

    @property
    def skipped(self) -> int:
        """How many entries were left out so far."""
        return self._skipped()

    def __next__(self) -> list[Listed]:
        """Return the next page; raises what `Roster.everyone` says."""
        return next(self._pages)


class Roster(Protocol):
    """Everybody in the directory. Every question may take long, but never gives less than there is in silence."""

    def everyone(self, progress: Progress | None = None) -> Reading:
        """Return pages of all people, about a thousand each; `progress` is told how many were read so far.

        The pages raise DirectoryUnavailableError or DirectoryConfigError at any time: what came before is then not
        everybody.
        """
        ...

    def place(self) -> str | None:
        """Return where changes after now begin, None when the server offers none. Ask before reading everybody.

        Raises DirectoryUnavailableError or DirectoryConfigError.
        """
        ...

    def changes(self, place: str) -> Changes:
        """Return who changed since a place; people who left are not told: those are found by reading everybody.

        Raises PlaceLostError when everybody must be read, DirectoryUnavailableError or DirectoryConfigError.
        """
        ...

    def found(self, directory_ids: Sequence[str]) -> dict[str, Listed]:
        """Return those people, by their id, who are still there.

        Raises DirectoryUnavailableError or DirectoryConfigError: "not there" is never said for "not answered".
        """
        ...


class LdapRoster:
    """The roster of a directory that speaks LDAP version 3. One object serves all threads."""

    def __init__(self, settings: DirectorySettings, bind_password: str) -> None:
        """`bind_password` belongs to settings.bind_dn; both empty: people are read anonymously.

        Raises DirectoryConfigError when the file with the authorities cannot be used.
        """
        self._settings = settings
        self._bind_password = bind_password
        encrypted = settings.start_tls or any(address.tls for address in settings.addresses)
        self._context = make_tls_context(settings.ca_file) if encrypted else None

    def everyone(self, progress: Progress | None = None) -> Reading:
        """Return pages of all people; see Roster.everyone."""
        reader = PeopleReader(self._settings)
        return Reading(self._everyone(reader, progress), lambda: reader.skipped)

    def place(self) -> str | None:
        """Return where changes after now begin; see Roster.place."""
        with self._connected() as connection:
            place = place_now(connection, self._settings)
            return None if place is None else place.to_text()

    def changes(self, place: str) -> Changes:
        """Return who changed since a place; see Roster.changes."""
        since = Place.from_text(place)
        reader = PeopleReader(self._settings)
        with self._connected() as connection:
            entries, names, following = changed_since(connection, self._settings, since, reader.attributes)
            people = self._listed(connection, reader, entries)
        return Changes(list(people.values()), following.to_text(), names, reader.skipped)

    def found(self, directory_ids: Sequence[str]) -> dict[str, Listed]:
        """Return those who are still there; see Roster.found."""
        filters = {identifier: self._id_filter(identifier) for identifier in directory_ids}
        wanted = [identifier for identifier, id_filter in filters.items() if id_filter]
        if not wanted:
            return {}
        reader = PeopleReader(self._settings)
        entries: list[RawEntry] = []
        with self._connected() as connection:
            for start in range(0, len(wanted), _CHUNK):
                either = "".join(filters[identifier] for identifier in wanted[start : start + _CHUNK])
                search_filter = f"(&(|{either}){self._settings.everybody_filter})"
                for page in connection.pages(self._settings.base_dn, search_filter, reader.attributes):
                    entries += page
            people = self._listed(connection, reader, entries)
        return {identifier: people[identifier] for identifier in wanted if identifier in people}

    def _everyone(self, reader: PeopleReader, progress: Progress | None) -> Iterator[list[Listed]]:
        settings = self._settings
        with self._connected() as connection:
            groups = read_groups(connection, settings, alive=lambda: progress(0) if progress is not None else None)
            count = 0
            for page in connection.pages(settings.base_dn, settings.everybody_filter, reader.attributes):
                people = [one for entry in page if (one := reader.listed(entry, groups.of)) is not None]
                count += len(people)
                if progress is not None:
                    progress(count)
                if people:
                    yield people

    def _listed(
        self, connection: LdapConnection, reader: PeopleReader, entries: Sequence[RawEntry]
    ) -> dict[str, Listed]:
        """The people whose entries these are, by id."""
        groups_of: GroupsOf
        if len(entries) > (FEW_IN_CHAIN if IN_CHAIN in self._settings.group_filter else FEW):
            groups_of = read_groups(connection, self._settings).of
        else:

            def groups_of(entry: RawEntry, account: str) -> tuple[str, ...]:
                person = Entry(entry[0].decode("utf-8"), entry[1])
                return effective_groups(connection, self._settings, person, account)

        people = [one for entry in entries if (one := reader.listed(entry, groups_of)) is not None]
        return {person.directory_id: person for person in people}

    def _id_filter(self, identifier: str) -> str:
        """The filter for one id, as lasting_id writes it; "" for what no entry can have as its id."""
        attribute = self._settings.id_attribute
        if attribute.lower() != "objectguid":
            return f"({attribute}={escape_filter_chars(identifier)})"
        try:
            raw = uuid.UUID(identifier).bytes_le
        except ValueError:
            return ""
        return f"({attribute}={''.join(f'{chr(92)}{byte:02x}' for byte in raw)})"

    @contextmanager
    def _connected(self) -> Iterator[LdapConnection]:
        """A connection to the first server that answers, signed in as the service account."""
        problems: list[str] = []
        for address in self._settings.addresses:
            with ExitStack() as stack:
                try:
                    connection = stack.enter_context(self._connection_to(address))
                    if self._settings.bind_dn:
                        answer = connection.bind(self._settings.bind_dn, self._bind_password)
                        if not answer.accepted:
                            raise DirectoryConfigError(
                                "the directory refuses the service account (bind_dn and its password)"
                            )
                except DirectoryUnavailableError as error:
                    log.warning("directory server unavailable: %s", error)
                    problems.append(str(error))
                    continue
                yield connection
                return
        raise DirectoryUnavailableError("; ".join(problems))

    def _connection_to(self, address: ServerAddress) -> LdapConnection:
        return LdapConnection(address, self._settings, self._context, deadline=math.inf)
