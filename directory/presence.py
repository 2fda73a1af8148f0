"""Whether somebody who is signed in is still there: a question that a page waits for, so it waits a bounded time."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from datetime import timedelta
from typing import Any, Final

from directory.interface import Directory, Person

ASK_AGAIN_AFTER: Final = timedelta(minutes=15)
"""So long what the directory said of the person of an open session counts."""

PATIENCE_S: Final = 2.0
"""So long a page waits for the answer about its reader; a directory that is slower lets them stay for now."""

REST_S: Final = 30.0
"""After no answer nobody is asked about for so long: each question would keep somebody's page waiting."""


def look_for(
    directory: Directory, roster: Any, username: str, directory_id: str, *, patience_s: float = PATIENCE_S
) -> tuple[bool, Person | None]:
    """Return (may still be here, what the directory says of them); None for somebody it has under another name.

    By name, which is quick; who is not there under it may have been renamed, and is looked for by the lasting id where
    there is a `roster` (directory.roster.Roster or None). In a thread of its own, which is left behind when the time is
    up. Raises DirectoryError, TimeoutError.
    """
    answer: Future[tuple[bool, Person | None]] = Future()

    def ask() -> None:
        try:
            answer.set_result(_ask(directory, roster, username, directory_id))
        except BaseException as exc:  # handed to the request, which waits for it
            answer.set_exception(exc)

    threading.Thread(target=ask, name="presence", daemon=True).start()
    return answer.result(patience_s)


def _ask(directory: Directory, roster: Any, username: str, directory_id: str) -> tuple[bool, Person | None]:
    person = directory.find(username)
    if person is not None and person.directory_id == directory_id:
        return not person.disabled, person
    renamed = roster.found([directory_id]).get(directory_id) if roster is not None else None
    return renamed is not None and not renamed.disabled, None
