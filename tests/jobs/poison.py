"""What a poisoned job would like to call: it leaves a mark, so that a test can see whether it was called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

marks: list[tuple[Any, ...]] = []


def leave_mark(*arguments: Any) -> None:
    """Remember that this was called; with a path, make the file."""
    marks.append(arguments)
    if arguments and isinstance(arguments[0], str):
        Path(arguments[0]).touch()
