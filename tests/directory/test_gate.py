"""The gate keeps a directory that hangs from taking every thread, and leaves it alone for a while."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from directory.gate import PLACES, REST_S, GatedDirectory
from directory.interface import (
    BadCredentialsError,
    Directory,
    DirectoryConfigError,
    DirectoryError,
    DirectoryUnavailableError,
    Person,
)
from directory.memory import MemoryDirectory, MemoryPerson

ALICE = Person("id-alice", "uid=alice", "alice", "Alice", "", ())


class SlowDirectory:
    """A fake: it hangs until it is let go, or takes `takes_s` for each question. No real server can be timed so.

    It counts its questions, and the most that it had at once.
    """

    def __init__(self, takes_s: float | None = None) -> None:
        self.takes_s = takes_s
        self.let_go = threading.Event()
        self.asked = self.at_once = self.most_at_once = 0
        self._lock = threading.Lock()

    def authenticate(self, username: str, password: str) -> Person:
        """Answer in the end."""
        self._take_long()
        return ALICE

    def find(self, username: str) -> Person | None:
        """Answer in the end."""
        self._take_long()
        return ALICE

    def check(self) -> list[str]:
        """Answer in the end."""
        self._take_long()
        return []

    def _take_long(self) -> None:
        with self._lock:
            self.asked += 1
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        self.let_go.wait(20 if self.takes_s is None else self.takes_s)
        with self._lock:
            self.at_once -= 1


class Clock:
    """Seconds that a test moves by hand."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def hanging() -> Iterator[SlowDirectory]:
    """A directory that hangs until the test is over."""
    directory = SlowDirectory()
    yield directory
    directory.let_go.set()


@pytest.fixture
def memory() -> MemoryDirectory:
    """A directory that answers."""
    return MemoryDirectory([MemoryPerson(ALICE, "right")])


def in_background(questions: list[Callable[[], object]]) -> tuple[list[threading.Thread], list[object]]:
    """Ask all at once; return the threads, and the list in which answers and errors arrive."""
    outcomes: list[object] = []

    def ask(question: Callable[[], object]) -> None:
        try:
            outcomes.append(question())
        except DirectoryError as error:
            outcomes.append(error)

    threads = [threading.Thread(target=ask, args=(question,), daemon=True) for question in questions]
    for thread in threads:
        thread.start()
    return threads, outcomes


def fill(gate: GatedDirectory, directory: SlowDirectory, places: int) -> list[threading.Thread]:
    """Have every place taken by a sign-in that hangs."""
    threads, _ = in_background([lambda: gate.authenticate("alice", "right")] * places)
    until = time.monotonic() + 5
    while directory.at_once < places and time.monotonic() < until:
        time.sleep(0.005)
    assert directory.at_once == places
    return threads


@pytest.mark.parametrize("places", [1, PLACES, 5])
def test_no_more_questions_at_once_than_places(hanging: SlowDirectory, places: int) -> None:
    gate: Directory = GatedDirectory(hanging, places)
    began = time.monotonic()
    sign_in, look_up = (lambda: gate.authenticate("alice", "right")), (lambda: gate.find("alice"))
    threads, outcomes = in_background([sign_in, look_up] * 6)
    while len(outcomes) < 12 - places and time.monotonic() < began + 5:
        time.sleep(0.01)
    assert time.monotonic() - began < 3
    assert len(outcomes) == 12 - places
    assert all(isinstance(outcome, DirectoryUnavailableError) for outcome in outcomes)
    assert {str(outcome) for outcome in outcomes} == {"it is being waited for"}
    hanging.let_go.set()
    for thread in threads:
        thread.join(5)
    assert hanging.most_at_once == places
    assert outcomes.count(ALICE) == places


def test_two_places_unless_told_otherwise(hanging: SlowDirectory) -> None:
    gate = GatedDirectory(hanging)
    fill(gate, hanging, 2)
    with pytest.raises(DirectoryUnavailableError):
        gate.authenticate("alice", "right")
    assert hanging.asked == 2


def test_a_gate_without_a_place_is_refused(memory: MemoryDirectory) -> None:
    with pytest.raises(ValueError, match="place"):
        GatedDirectory(memory, 0)


def test_a_directory_that_works_is_waited_for_by_a_whole_class() -> None:
    directory = SlowDirectory(takes_s=0.05)
    gate = GatedDirectory(directory, 1)
    threads, outcomes = in_background([lambda: gate.authenticate("alice", "right")] * 12)
    for thread in threads:
        thread.join(10)
    assert outcomes == [ALICE] * 12
    assert directory.most_at_once == 1


@pytest.mark.parametrize("failure", [DirectoryUnavailableError("away"), DirectoryConfigError("odd"), None])
def test_a_place_is_free_again_after_every_end(memory: MemoryDirectory, failure: DirectoryError | None) -> None:
    gate = GatedDirectory(memory, 1)
    memory.failure = failure
    for _ in range(3):
        with pytest.raises(type(failure) if failure else BadCredentialsError):
            gate.authenticate("alice", "wrong")
    memory.failure = None
    assert gate.authenticate("alice", "right") == ALICE


def test_after_no_answer_nobody_is_looked_for_during_five_seconds(memory: MemoryDirectory) -> None:
    clock = Clock()
    gate = GatedDirectory(memory, clock=clock)
    memory.failure = DirectoryUnavailableError("away")
    with pytest.raises(DirectoryUnavailableError, match="away"):
        gate.find("alice")
    memory.failure = None
    clock.now += REST_S - 0.1
    with pytest.raises(DirectoryUnavailableError, match="a moment ago"):
        gate.find("alice")
    clock.now += 0.2
    assert gate.find("alice") == ALICE


def test_who_waits_for_a_place_is_turned_away_when_the_rest_begins(hanging: SlowDirectory) -> None:
    class Failing(SlowDirectory):
        """A fake that gives up after a moment, as a directory does whose server hangs."""

        def find(self, username: str) -> Person | None:
            """Fail after 0.1 seconds."""
            self._take_long()
            raise DirectoryUnavailableError("no answer in time")

    directory = Failing(takes_s=0.1)
    gate = GatedDirectory(directory, 1)
    threads, outcomes = in_background([lambda: gate.find("alice")] * 4)
    for thread in threads:
        thread.join(5)
    assert directory.asked == 1
    assert len(outcomes) == 4


def test_a_sign_in_is_always_tried_and_a_good_one_ends_the_rest(memory: MemoryDirectory) -> None:
    gate = GatedDirectory(memory, clock=Clock())
    memory.failure = DirectoryUnavailableError("away")
    with pytest.raises(DirectoryUnavailableError):
        gate.find("alice")
    with pytest.raises(DirectoryUnavailableError, match="away"):
        gate.authenticate("alice", "right")
    memory.failure = None
    assert gate.authenticate("alice", "right") == ALICE
    assert gate.find("alice") == ALICE


def test_only_no_answer_begins_a_rest(memory: MemoryDirectory) -> None:
    gate = GatedDirectory(memory, clock=Clock())
    assert gate.find("nobody") is None
    with pytest.raises(BadCredentialsError):
        gate.authenticate("alice", "wrong")
    memory.failure = DirectoryConfigError("two of that name")
    with pytest.raises(DirectoryConfigError):
        gate.find("alice")
    memory.failure = None
    assert gate.find("alice") == ALICE


def test_what_no_server_is_asked_about_needs_no_place(hanging: SlowDirectory) -> None:
    gate = GatedDirectory(hanging, 1)
    fill(gate, hanging, 1)
    assert gate.find("") is None
    with pytest.raises(BadCredentialsError):
        gate.authenticate("alice", "")
    assert hanging.asked == 1


def test_a_check_says_what_is_wrong(hanging: SlowDirectory, memory: MemoryDirectory) -> None:
    assert GatedDirectory(memory).check() == []
    memory.failure = DirectoryConfigError("odd")
    assert GatedDirectory(memory).check() == ["odd"]
    gate = GatedDirectory(hanging, 1)
    fill(gate, hanging, 1)
    assert gate.check() == ["it is being waited for"]
