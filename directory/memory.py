"""The in-memory twin of the directory, for tests of the rooms that ask it. It keeps the same contract."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from directory.accounts import account_name, name_key
from directory.interface import (
    BadCredentialsError,
    DirectoryError,
    DirectoryUnavailableError,
    Person,
    is_plausible_username,
    require_plausible,
)
from directory.roster import Changes, Listed, PlaceLostError, Progress, Reading


@dataclass(frozen=True)
class MemoryPerson:
    """A person and the password that the twin accepts for them.

    With a `reason` (one of REFUSAL_REASONS) the right password is refused for it.
    """

    person: Person
    password: str
    reason: str = ""


class MemoryDirectory:
    """A directory that lives in the process. Set `failure` to have every question fail as a real outage would."""

    def __init__(self, people: Iterable[MemoryPerson], *, domains: Sequence[str] = ()) -> None:
        """Hold `people`, who may write one of `domains` around their name.

        Raises ValueError when two have the same name, or a name is not casefolded.
        """
        self.failure: DirectoryError | None = None
        self._domains = domains
        self._people: dict[str, MemoryPerson] = {}
        self._dates: dict[str, int] = {}
        self._date = 0
        for entry in people:
            self.put(entry)

    def put(self, entry: MemoryPerson) -> None:
        """Add a person. Raises ValueError for a name that is taken or not casefolded."""
        username = entry.person.username
        if username != username.casefold():
            raise ValueError(f"{username!r} is not casefolded")
        if username in self._people:
            raise ValueError(f"{username!r} is there twice")
        self._people[username] = entry
        self._date += 1
        self._dates[username] = self._date

    def remove(self, username: str) -> None:
        """Let a person leave. Raises KeyError for an unknown name."""
        del self._people[username.casefold()]

    def authenticate(self, username: str, password: str) -> Person:
        """Return the person whose name and password these are; see Directory.authenticate."""
        require_plausible(username, password)
        self._fail_when_told()
        entry = self._entry(username)
        if entry is None or entry.password != password:
            raise BadCredentialsError
        if entry.reason or entry.person.disabled:
            raise BadCredentialsError(entry.reason or "disabled")
        return entry.person

    def find(self, username: str) -> Person | None:
        """Return the person with this name; see Directory.find."""
        if not is_plausible_username(username):
            return None
        self._fail_when_told()
        entry = self._entry(username)
        return None if entry is None else entry.person

    def check(self) -> list[str]:
        """Return the failure that was set, if any; see Directory.check."""
        return [] if self.failure is None else [str(self.failure)]

    def everybody(self, *, since: int = 0) -> list[Person]:
        """Return all people who were put here after the date `since`, in the order of their names."""
        self._fail_when_told()
        return [self._people[name].person for name in sorted(self._people) if self._dates[name] > since]

    @property
    def date(self) -> int:
        """A number that grows with every person who is put here."""
        return self._date

    def _entry(self, username: str) -> MemoryPerson | None:
        """Whose account name this is, with or without a domain, else whose address for mail."""
        for name in map(name_key, (username, account_name(username, self._domains))):
            if name in self._people:
                return self._people[name]
        having = [entry for entry in self._people.values() if name_key(entry.person.email) == name_key(username)]
        return having[0] if len(having) == 1 else None

    def _fail_when_told(self) -> None:
        if self.failure is not None:
            raise self.failure


class MemoryRoster:
    """The roster of a MemoryDirectory. With `dies_after` a reading of everybody fails after so many pages."""

    def __init__(self, directory: MemoryDirectory, *, page_size: int = 1000) -> None:
        """List the people of `directory`, as they are when they are asked for."""
        self.dies_after: int | None = None
        self._directory = directory
        self._page_size = page_size

    def everyone(self, progress: Progress | None = None) -> Reading:
        """Return pages of all people; see Roster.everyone."""
        return Reading(self._pages(progress), lambda: 0)

    def place(self) -> str | None:
        """Return where changes after now begin; see Roster.place."""
        self._directory.everybody()
        return str(self._directory.date)

    def changes(self, place: str) -> Changes:
        """Return who changed since a place; see Roster.changes."""
        if not place.isdecimal() or int(place) > self._directory.date:
            raise PlaceLostError("the place cannot be read")
        people = self._directory.everybody(since=int(place))
        return Changes([_listed(person) for person in people], str(self._directory.date))

    def found(self, directory_ids: Sequence[str]) -> dict[str, Listed]:
        """Return those who are still there; see Roster.found."""
        there = {person.directory_id: _listed(person) for person in self._directory.everybody()}
        return {identifier: there[identifier] for identifier in directory_ids if identifier in there}

    def _pages(self, progress: Progress | None) -> Iterator[list[Listed]]:
        people = self._directory.everybody()
        for number, start in enumerate(range(0, len(people), self._page_size)):
            if number == self.dies_after:
                raise DirectoryUnavailableError("the directory went away in the middle")
            page = [_listed(person) for person in people[start : start + self._page_size]]
            if progress is not None:
                progress(start + len(page))
            yield page


def _listed(person: Person) -> Listed:
    return Listed(
        person.directory_id, person.username, person.display_name, person.email, person.disabled, person.groups
    )
