"""The log that grows, where files begin alike or a line is dated in the future: still every line once."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.edge.squid_written_log import WrittenLog
from tests.edge.test_squid_tail import place_of


@pytest.fixture
def log(tmp_path: Path) -> WrittenLog:
    return WrittenLog(tmp_path / "access.log")


@pytest.mark.parametrize("first", [b"\n", b"x\n\n", b"# a header that is the same in every file\n"])
def test_files_that_begin_alike_are_not_one(log: WrittenLog, first: bytes) -> None:
    log.path.write_bytes(first)
    tail = log.tail()
    tail.read(10)
    log.write(5)
    place = place_of(tail)
    assert log.numbers(log.tail(place).read(10)[-5:]) == [0, 1, 2, 3, 4]
    assert log.all_of(tail) == [0, 1, 2, 3, 4]
    place = place_of(tail)
    log.rename()
    log.path.write_bytes(first)
    log.write(9)
    assert [line for line in tail.read(100) if b"line" in line] == [log.line(number) for number in range(5, 14)]
    resumed = log.tail(place)
    assert [line for line in resumed.read(100) if b"line" in line] == [log.line(number) for number in range(5, 14)]
    assert log.warnings == []


def test_a_line_of_the_far_future_is_not_the_newest(log: WrittenLog) -> None:
    log.write(3)
    with log.path.open("ab") as file:
        file.write(b"4070908800.000 line 999\n")
    log.write(2)
    tail = log.tail()
    assert log.all_of(tail) == [0, 1, 2, 999, 3, 4]
    place = place_of(tail)
    assert place.newest_ms == log.start_ms + 40
    tail.note_newest(4_070_908_800_000)
    assert place_of(tail) == place
    shutil.copy2(log.path, log.path.with_name("access.log.1"))
    log.path.write_bytes(b"")
    log.write(2)
    lost = replace(place, inode=1, head="0" * 64)
    assert log.all_of(log.tail(lost)) == [5, 6]  # nothing behind the line of the future is charged again
    kept = replace(lost, newest_ms=4_070_908_800_000)
    assert place_of(log.tail(kept)).newest_ms < 4_000_000_000_000
