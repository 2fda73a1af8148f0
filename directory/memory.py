"""The in-memory twin of the directory, for tests of the rooms that ask it. It keeps the same contract."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from directory.interface import (
    BadCredentialsError,
    DirectoryError,
    Person,
    is_plausible_username,
    require_plausible,
)


@dataclass(frozen=True)
class MemoryPerson:
    """A person and the password that the twin accepts for them."""

    person: Person
    password: str


class MemoryDirectory:
    """A directory that lives in the process. Set `failure` to have every question fail as a real outage would."""

    def __init__(self, people: Iterable[MemoryPerson]) -> None:
        """Hold `people`. Raises ValueError when two have the same name, or a name is not casefolded."""
        self.failure: DirectoryError | None = None
        self._people: dict[str, MemoryPerson] = {}
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

    def remove(self, username: str) -> None:
        """Let a person leave. Raises KeyError for an unknown name."""
        del self._people[username.casefold()]

    def authenticate(self, username: str, password: str) -> Person:
        """Return the person whose name and password these are; see Directory.authenticate."""
        require_plausible(username, password)
        self._fail_when_told()
        entry = self._people.get(_comparable(username))
        if entry is None or entry.password != password:
            raise BadCredentialsError
        return entry.person

    def find(self, username: str) -> Person | None:
        """Return the person with this name; see Directory.find."""
        if not is_plausible_username(username):
            return None
        self._fail_when_told()
        entry = self._people.get(_comparable(username))
        return None if entry is None else entry.person

    def check(self) -> list[str]:
        """Return the failure that was set, if any; see Directory.check."""
        return [] if self.failure is None else [str(self.failure)]

    def _fail_when_told(self) -> None:
        if self.failure is not None:
            raise self.failure


def _comparable(username: str) -> str:
    """The name as a directory compares it: case does not count, nor do spaces around it (RFC 4518 section 2.6.1)."""
    return username.strip().casefold()
