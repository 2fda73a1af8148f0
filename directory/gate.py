"""A gate before a directory: one that hangs keeps only a few threads waiting, and is left alone for a while."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from directory.interface import (
    Directory,
    DirectoryUnavailableError,
    Person,
    is_plausible_username,
    require_plausible,
)

log = logging.getLogger(__name__)

PLACES = 2
"""Questions at once. A server that hangs keeps each of them for up to six seconds, and its thread with it."""

WAIT_FOR_PLACE_S = 0.2
LONGEST_WAIT_FOR_PLACE_S = 2.0
REST_S = 5.0

_NO_PLACE = "it is being waited for"
_RESTING = "it gave no answer a moment ago"


class GatedDirectory:
    """A Directory that asks another one, with few questions at once. One object serves all threads."""

    def __init__(
        self,
        directory: Directory,
        places: int = PLACES,
        *,
        rest_s: float = REST_S,
        clock: Callable[[], float] | None = None,
    ) -> None:
        """Ask `directory` at most `places` questions at once, and no `find` for `rest_s` seconds after one failed.

        `clock` gives seconds that only grow. Raises ValueError when there is no place at all.
        """
        if places < 1:
            raise ValueError("a directory needs at least one place")
        self._directory = directory
        self._places = threading.BoundedSemaphore(places)
        self._rest_s = rest_s
        self._clock = clock or time.monotonic
        self._lock = threading.Lock()
        self._resting_until = float("-inf")
        self._questions_ended = 0

    def authenticate(self, username: str, password: str) -> Person:
        """Return the person whose name and password these are; see Directory.authenticate.

        Always tried, for a person waits for it; DirectoryUnavailableError at once when every place is taken.
        """
        require_plausible(username, password)
        with self._place():
            person = self._directory.authenticate(username, password)
        self._end_rest()
        return person

    def find(self, username: str) -> Person | None:
        """Return the person with this name; see Directory.find.

        DirectoryUnavailableError at once while the directory rests, and when every place is taken.
        """
        if not is_plausible_username(username):
            return None
        self._refuse_while_resting()
        with self._place():
            self._refuse_while_resting()  # it may have failed while this question waited for its place
            try:
                person = self._directory.find(username)
            except DirectoryUnavailableError:
                self._begin_rest()
                raise
        self._end_rest()
        return person

    def check(self) -> list[str]:
        """Return what is wrong with the directory; see Directory.check."""
        try:
            with self._place():
                return self._directory.check()
        except DirectoryUnavailableError as error:
            return [str(error)]

    @contextmanager
    def _place(self) -> Iterator[None]:
        """Take a place for one question, waiting a moment for it. A queue that moves is waited in somewhat longer."""
        give_up = self._clock() + LONGEST_WAIT_FOR_PLACE_S
        ended = self._questions_ended
        while not self._places.acquire(timeout=WAIT_FOR_PLACE_S):
            if ended == self._questions_ended or self._clock() >= give_up:
                raise DirectoryUnavailableError(_NO_PLACE)
            ended = self._questions_ended
        try:
            yield
        finally:
            with self._lock:
                self._questions_ended += 1
            self._places.release()

    def _refuse_while_resting(self) -> None:
        with self._lock:
            resting = self._clock() < self._resting_until
        if resting:
            raise DirectoryUnavailableError(_RESTING)

    def _begin_rest(self) -> None:
        with self._lock:
            self._resting_until = self._clock() + self._rest_s
        log.warning("the directory gives no answer: people are not looked for during %.0f seconds", self._rest_s)

    def _end_rest(self) -> None:
        with self._lock:
            self._resting_until = float("-inf")
