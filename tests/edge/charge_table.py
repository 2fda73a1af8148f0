"""The table of printed jobs: case, what must be charged, what was seen."""

from __future__ import annotations

from dataclasses import dataclass, field

CENT = 10_000
MOST_WORDS = 90


@dataclass(frozen=True)
class Seen:
    """What was seen of one case: pages by the printers' own word, and what the books say. `money` in millionths."""

    charged: int
    money: int
    entries: int
    holds: int
    state: str
    users: str = ""
    came_out: int = 0
    why: str = ""

    def __str__(self) -> str:
        open_holds = f", {self.holds} HOLDS OPEN" if self.holds else ""
        counted = f"{self.came_out} out, {self.charged} for {_money(self.money)} in {self.entries}{open_holds}"
        return f"{counted}, {self.state}" + (f": {self.why[:MOST_WORDS]}" if self.state != "completed" else "")


@dataclass(frozen=True)
class Case:
    """What must be seen. `pages` None: whatever came out, if it was charged once and for just that."""

    name: str
    queue: str
    pages: int | None
    money: int | None = None
    entries: int | None = None
    states: tuple[str, ...] = ("completed",)
    user: str = "alice"

    def __str__(self) -> str:
        if self.pages is None:
            return f"what came out, {'/'.join(self.states)}"
        money = "" if self.money is None else f" for {_money(self.money)}"
        return f"{self.pages}{money} in {self.wanted_entries(self.pages)}, {'/'.join(self.states)}"

    def wanted_entries(self, came_out: int) -> int:
        """How many entries charge it."""
        return self.entries if self.entries is not None else int(came_out > 0)

    def holds_for(self, seen: Seen) -> bool:
        """Whether what was seen is what must be."""
        pages = seen.came_out if self.pages is None else self.pages
        return (
            seen.came_out == seen.charged == pages
            and self.money in (None, seen.money)
            and seen.entries == self.wanted_entries(pages)
            and seen.holds == 0
            and seen.state in self.states
            and (not seen.entries or seen.users == self.user)
        )


@dataclass
class Table:
    """The rows, and what is wrong with them."""

    title: str
    rows: list[tuple[Case, Seen]] = field(default_factory=list)

    def add(self, case: Case, seen: Seen) -> None:
        """Add a row."""
        self.rows.append((case, seen))

    def __str__(self) -> str:
        head = ("", "case", "queue", "must be charged", "seen")
        lines = [head]
        lines += [("ok" if c.holds_for(s) else "NO", c.name, c.queue, str(c), str(s)) for c, s in self.rows]
        widths = [max(len(line[at]) for line in lines) for at in range(len(head))]
        text = "\n".join(
            "  ".join(f"{cell:{width}}" for cell, width in zip(line, widths, strict=True)) for line in lines
        )
        return f"{self.title}\n{text}"

    def check(self) -> None:
        """Print the table; fail when a row is not as it must be."""
        print(f"\n{self}")
        wrong = [case.name for case, seen in self.rows if not case.holds_for(seen)]
        assert not wrong, f"charged otherwise than what came out: {', '.join(wrong)}\n{self}"


def _money(micro: int) -> str:
    return f"{micro / 1_000_000:.2f}"
