"""Where a price list or a limit holds: on all printers, on those of a group, or on one. Pure values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from language import _


@dataclass(frozen=True)
class Place:
    """A printer, as prices and limits see it. `title`: what people call it."""

    server: str
    name: str
    group: str = ""
    title: str = ""

    @property
    def words(self) -> str:
        """What people call it."""
        return self.title or self.name


@dataclass(frozen=True, order=True)
class Scope:
    """All printers when everything is empty; else those of a group, or one printer of a print server."""

    group: str = ""
    server: str = ""
    printer: str = ""

    @property
    def rank(self) -> int:
        """How narrow it is: 0 all, 1 a group, 2 one printer."""
        return 2 if self.printer else 1 if self.group else 0

    @property
    def key(self) -> str:
        """What it is called in addresses and forms. ":" stands in no server's name."""
        if self.printer:
            return f"printer:{self.server}:{self.printer}"
        return f"group:{self.group}" if self.group else "all"

    def fits(self, place: Place) -> bool:
        """Whether it holds there."""
        if self.printer:
            return (self.server, self.printer) == (place.server, place.name)
        return not self.group or self.group.casefold() == place.group.casefold()

    @property
    def words(self) -> str:
        """Where it holds, in words."""
        if self.printer:
            return f"{self.printer} ({self.server})"
        return _("printers of %(group)s", group=self.group) if self.group else _("all printers")

    def to_list(self) -> list[str]:
        """Return it as JSON keeps it."""
        return [self.group, self.server, self.printer]

    @classmethod
    def from_list(cls, kept: Iterable[Any]) -> Scope:
        """Return what `to_list` wrote."""
        return cls(*map(str, kept))

    @classmethod
    def read(cls, key: str) -> Scope:
        """Return the scope of a `key`. Raises ValueError."""
        kind, _colon, rest = key.partition(":")
        server, _colon, printer = rest.partition(":")
        if kind == "all" and not rest:
            return cls()
        if kind == "group" and rest:
            return cls(group=rest)
        if kind == "printer" and server and printer:
            return cls(server=server, printer=printer)
        raise ValueError(_("Choose where it holds"))


EVERYWHERE: Final = Scope()
