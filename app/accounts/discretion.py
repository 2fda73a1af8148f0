"""What administrators do not read on other people's statements: other rooms say which lines' words are private."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from sqlalchemy.orm import Session

from app.ledger.statement import Line
from language import _

Asked = Callable[[Session], bool]

_private: Final[dict[str, tuple[str, Asked]]] = {}


def keep_private(source: str, *, words: str, when: Asked) -> None:
    """Have `words`, a text marked by N_, stand for the titles of lines of a source while `when` says so.

    Asking again changes nothing.
    """
    _private[source] = (words, when)


def as_others_read(session: Session, *, lines: Sequence[Line]) -> list[Line]:
    """Return lines as somebody reads them whose account it is not."""
    hidden = {source: _(words) for source, (words, when) in _private.items() if lines and when(session)}
    return [replace(line, title=hidden[line.source]) if line.source in hidden else line for line in lines]
