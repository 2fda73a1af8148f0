"""Rows of the bench: medians of several runs, the reference's between ours, as a table and as bench.tsv."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

COLUMNS = ("row", "unit", "ours", "reference", "ratio", "bar", "holds")


@dataclass(frozen=True)
class Row:
    """One thing measured. `bar`: the least ratio of ours to the reference, or, where `less_is_better`, the highest."""

    name: str
    unit: str
    ours: float
    reference: float | None = None
    bar: float | None = None
    less_is_better: bool = False

    @property
    def cells(self) -> tuple[str, ...]:
        """The row as text, in the order of COLUMNS."""
        ratio = self.ours / self.reference if self.reference else None
        numbers = (_number(self.ours), _number(self.reference) if self.reference else "")
        if ratio is None or self.bar is None:
            return (self.name, self.unit, *numbers, f"{ratio:.2f}" if ratio else "", "", "")
        holds = ratio <= self.bar if self.less_is_better else ratio >= self.bar
        bar = f"{'at most' if self.less_is_better else 'at least'} {self.bar:g}"
        return (self.name, self.unit, *numbers, f"{ratio:.2f}", bar, "yes" if holds else "no")


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.2f}"


def side_by_side(
    ours: Callable[[], float], reference: Callable[[], float] | None, *, runs: int = 3
) -> tuple[float, float | None]:
    """Return the medians of `runs` measurements of each, taken in turns, so that a noisy minute meets both."""
    found: list[float] = []
    beside: list[float] = []
    for _ in range(runs):
        found.append(ours())
        if reference is not None:
            beside.append(reference())
    return statistics.median(found), statistics.median(beside) if beside else None


def per_second(work: Callable[[], object], seconds: float) -> float:
    """Do `work` again and again for so many seconds; return how often a second."""
    count, start = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < seconds:
        work()
        count += 1
    return count / elapsed


def show(rows: list[Row]) -> str:
    """Return the rows as a table for people."""
    lines = [COLUMNS, *(row.cells for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(COLUMNS))]
    left = {0, 1, 6}
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column in left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def write(rows: list[Row], path: Path) -> None:
    """Write the rows as tab-separated text with a line of names."""
    path.write_text("".join("\t".join(line) + "\n" for line in [COLUMNS, *(row.cells for row in rows)]), "utf-8")
