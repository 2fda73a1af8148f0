"""The rotating log: every line once, whatever happens to the files."""

from __future__ import annotations

import os
import random
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge import squid_tail
from edge.squid_files import Place
from edge.squid_lines import line_time_ms
from edge.squid_tail import LogTail
from tests.edge.squid_written_log import WrittenLog


@pytest.fixture
def log(tmp_path: Path) -> WrittenLog:
    return WrittenLog(tmp_path / "access.log")


def place_of(tail: LogTail) -> Place:
    place = tail.place
    assert place is not None
    return place


def test_reads_what_grows_and_goes_on_after_a_restart(log: WrittenLog) -> None:
    log.write(5)
    tail = log.tail()
    assert log.numbers(tail.read(3)) == [0, 1, 2]
    assert log.all_of(log.tail(place_of(tail))) == [3, 4]
    assert log.all_of(tail) == [3, 4]
    log.write(2)
    assert log.all_of(tail) == [5, 6]
    assert log.all_of(tail) == []
    assert Place.from_json(place_of(tail).as_json()) == place_of(tail)


def test_a_half_line_waits_for_its_rest(log: WrittenLog) -> None:
    log.write()
    tail = log.tail()
    half = log.line(1)
    with log.path.open("ab", buffering=0) as file:
        file.write(half[:10])
        assert log.all_of(tail) == [0]
        restarted = log.tail(place_of(tail))
        assert log.all_of(restarted) == []
        file.write(half[10:] + b"\n")
    assert log.all_of(tail) == [1]
    assert log.all_of(restarted) == [1]


def test_rotation_while_it_runs(log: WrittenLog) -> None:
    tail = log.tail()
    log.write(2)
    assert log.all_of(tail) == [0, 1]
    log.write(2)
    log.rotate()
    log.write(2)
    assert log.all_of(tail) == [2, 3, 4, 5]
    for _ in range(3):  # three rotations between two looks, one of them of an empty log
        log.rotate()
        log.write(2)
    log.rotate()
    assert log.all_of(tail) == [6, 7, 8, 9, 10, 11]
    assert log.warnings == []


def test_rotations_while_it_was_stopped(log: WrittenLog) -> None:
    log.write(5)
    tail = log.tail()
    tail.read(2)
    place = place_of(tail)
    for _ in range(3):
        log.rotate()
        log.write(3)
    assert log.all_of(log.tail(place)) == list(range(2, 14))
    assert log.warnings == []


def test_squid_still_writes_to_the_renamed_file(log: WrittenLog) -> None:
    """As logrotate does it: rename first, tell Squid later; with `create` an empty new file is there meanwhile."""
    log.write(2)
    tail = log.tail()
    assert log.all_of(tail) == [0, 1]
    log.rename()
    assert log.all_of(tail) == []
    old = log.path.with_name("access.log.0")
    log.write(2, path=old)
    assert log.all_of(tail) == [2, 3]
    log.path.touch()
    log.write(1, path=old)
    assert log.all_of(tail) == [4]
    log.write(1, path=old)
    log.write(1)
    assert log.all_of(tail) == [5, 6]
    assert log.warnings == []


def test_lines_that_come_between_the_last_look_and_the_rotation(
    log: WrittenLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.write(2)
    tail = log.tail()
    assert log.all_of(tail) == [0, 1]
    look = squid_tail.list_files
    log.rename()
    log.path.touch()

    def look_late(path: Path) -> Any:
        monkeypatch.undo()
        log.write(2, path=log.path.with_name("access.log.0"))
        log.write(1)
        return look(path)

    monkeypatch.setattr(squid_tail, "list_files", look_late)
    assert log.all_of(tail) == [2, 3, 4]


def test_the_log_is_lost_and_no_other_is_there_yet(log: WrittenLog) -> None:
    log.write(5)
    tail = log.tail()
    log.all_of(tail)
    log.path.unlink()
    lost = log.tail(place_of(tail))
    assert log.all_of(lost) == []
    place = place_of(lost)
    assert (place.inode, place.offset) == (0, 0)
    log.path.write_bytes(log.line(4) + b"\n")
    log.write(2)
    assert log.all_of(log.tail(place)) == log.all_of(lost) == [5, 6]


def test_dated_names_are_older_than_the_log(log: WrittenLog) -> None:
    log.write(4)
    tail = log.tail()
    tail.read(2)
    log.path.rename(log.path.with_name("access.log-20261121"))
    log.write(1)
    log.path.rename(log.path.with_name("access.log-20261122"))
    log.write(1)
    (log.path.with_name("access.log-20261120.gz")).write_bytes(b"\x1f\x8b")
    assert log.all_of(log.tail(place_of(tail))) == [2, 3, 4, 5]


def test_truncated_and_begun_anew(log: WrittenLog) -> None:
    log.write(50)
    tail = log.tail()
    assert len(log.all_of(tail)) == 50
    place = place_of(tail)
    os.truncate(log.path, 0)
    assert log.all_of(tail) == []
    log.write(3)
    assert log.all_of(tail) == [50, 51, 52]
    assert "truncated" in log.warnings[0]
    assert log.all_of(log.tail(place)) == [50, 51, 52]


def test_overwritten_by_something_longer_between_two_looks(log: WrittenLog) -> None:
    log.write(5)
    tail = log.tail()
    log.all_of(tail)
    os.truncate(log.path, 0)
    log.write(20)
    assert log.all_of(tail) == list(range(5, 25))


def test_truncated_in_the_middle_charges_nothing_twice(log: WrittenLog) -> None:
    log.write(20)
    tail = log.tail()
    log.all_of(tail)
    os.truncate(log.path, 5 * (len(log.line(0)) + 1))
    log.write(3)
    assert log.all_of(tail) == [20, 21, 22]


def test_copied_and_truncated(log: WrittenLog) -> None:
    """As logrotate's `copytruncate` does it: the copy is another file with the same lines."""
    log.write(5)
    tail = log.tail()
    tail.read(3)
    place = place_of(tail)
    shutil.copy2(log.path, log.path.with_name("access.log.1"))
    os.truncate(log.path, 0)
    log.write(2)
    assert log.all_of(tail) == [3, 4, 5, 6]
    assert log.all_of(log.tail(place)) == [3, 4, 5, 6]


def test_the_file_of_the_place_is_gone(log: WrittenLog) -> None:
    log.write(5)
    tail = log.tail()
    tail.read(3)
    place = place_of(tail)
    tail.close()
    log.rotate(keep=1)
    log.write(4)
    log.rotate(keep=2)
    log.write(1)
    log.path.with_name("access.log.1").unlink(missing_ok=True)
    assert log.all_of(log.tail(place)) == [5, 6, 7, 8, 9]
    assert "is gone" in log.warnings[0]


def test_the_log_is_deleted_but_older_ones_stay(log: WrittenLog) -> None:
    """The older file was read and booked: taking it for a new one would charge everybody twice."""
    log.write(5)
    log.rotate()
    log.write(5)
    tail = log.tail()
    assert log.all_of(tail) == list(range(10))
    place = place_of(tail)
    tail.close()
    log.path.unlink()
    log.written = 10
    log.write(2)
    assert log.all_of(log.tail(replace(place, inode=place.inode + 7_000_000))) == [10, 11]


def test_an_inode_used_again_is_not_the_same_file(log: WrittenLog) -> None:
    log.write(5)
    tail = log.tail()
    log.all_of(tail)
    place = place_of(tail)
    content = b"".join(log.line(number) + b"\n" for number in range(5, 30))
    log.path.write_bytes(content)  # same inode, longer, other lines
    assert place_of(tail).inode == log.path.stat().st_ino
    assert log.all_of(log.tail(place)) == list(range(5, 30))


def test_without_a_time_only_what_comes_from_now_on_counts(log: WrittenLog) -> None:
    log.write(5)
    tail = log.tail(Place(inode=1, head="0" * 64, offset=10, path="elsewhere", newest_ms=0))
    assert log.all_of(tail) == []
    log.write(2)
    assert log.all_of(tail) == [5, 6]
    assert "not charged" in log.warnings[0]


def test_a_place_kept_between_loss_and_the_first_new_line(log: WrittenLog) -> None:
    log.write(5)
    tail = log.tail()
    log.all_of(tail)
    lost = log.tail(replace(place_of(tail), inode=1))
    assert log.numbers(lost.read(2)) == []
    log.write(2)
    assert log.all_of(log.tail(place_of(lost))) == [5, 6]


def test_a_giant_line_is_left_out(log: WrittenLog) -> None:
    tail = log.tail(chunk=100)
    log.write(2)
    with log.path.open("ab") as file:
        file.write(b"x" * 1050)
    assert log.all_of(tail) == [0, 1]
    place = place_of(tail)
    with log.path.open("ab") as file:
        file.write(b"\n")
    log.write(2)
    assert log.all_of(tail) == [2, 3]
    assert tail.given_up == 1
    assert log.all_of(log.tail(place, chunk=100)) == [2, 3]


def test_a_torn_last_line_of_a_rotated_log_is_left_out(log: WrittenLog) -> None:
    log.write(2)
    with log.path.open("ab") as file:
        file.write(b"1795000000.020 torn")
    tail = log.tail()
    log.rotate()
    log.write(1)
    assert log.all_of(tail) == [0, 1, 2]
    assert tail.given_up == 1


def test_no_log_yet(log: WrittenLog) -> None:
    log.path.unlink()
    tail = log.tail()
    assert log.all_of(tail) == []
    assert tail.place is None
    log.write(1)
    assert log.all_of(tail) == [0]


def test_only_new_lines_when_asked(log: WrittenLog) -> None:
    log.write(5)
    half = log.line(5) + b"\n"
    with log.path.open("ab") as file:
        file.write(half[:8])
    tail = LogTail(log.path, time_of=line_time_ms, warn=log.warnings.append, chunk=16)
    tail.begin(at_end=True)
    with log.path.open("ab") as file:
        file.write(half[8:])
    assert log.all_of(log.tail(place_of(tail))) == [5]


GOOD = {"inode": 1, "head": "", "offset": 0}


@pytest.mark.parametrize("change", [{"inode": "1"}, {"inode": True}, {"inode": None}, {"head": 2}, {"offset": -1}])
def test_what_is_no_place(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="not a place"):
        Place.from_json({**GOOD, **change})


@pytest.mark.parametrize("seed", range(30))
def test_any_order_of_writing_rotating_and_restarting(log: WrittenLog, seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311 (the same dice each time)
    chunk = dice.choice([64, 200, 1000, 100_000])
    tail = log.tail(chunk=chunk)
    seen: list[int] = []
    half = b""
    for _ in range(60):
        step = dice.choice(["write", "write", "half", "rotate", "read", "read", "restart", "late"])
        if step in ("write", "rotate", "late") and half:
            with log.path.open("ab") as file:
                file.write(half)
            half = b""
        if step == "write":
            log.write(dice.randrange(1, 8))
        elif step == "half" and not half:
            line = log.line(log.written) + b"\n"
            log.written += 1
            cut = dice.randrange(1, len(line))
            with log.path.open("ab") as file:
                file.write(line[:cut])
            half = line[cut:]
        elif step == "rotate":
            log.rotate(keep=50)
        elif step == "late":
            log.rename(keep=50)
            log.write(dice.randrange(0, 3), path=log.path.with_name("access.log.0"))
            log.path.touch()
        elif step == "read":
            seen += log.numbers(tail.read(dice.choice([1, 5, 100])))
        elif step == "restart":
            place = place_of(tail)
            tail.close()
            tail = log.tail(place, chunk=chunk)
    if half:
        with log.path.open("ab") as file:
            file.write(half)
    seen += log.all_of(tail)
    assert seen == list(range(log.written))
    assert log.warnings == []
