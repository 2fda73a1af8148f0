"""Files of the log that logrotate has compressed, and copies of it: nothing is read twice, and nothing left out."""

from __future__ import annotations

import bz2
import gzip
import lzma
import shutil
from pathlib import Path

import pytest

from tests.edge.squid_written_log import WrittenLog


@pytest.fixture
def log(tmp_path: Path) -> WrittenLog:
    return WrittenLog(tmp_path / "access.log")


PACKERS = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}


@pytest.mark.parametrize("packed", list(PACKERS))
def test_old_files_may_be_compressed_while_it_is_stopped_or_reads_them(log: WrittenLog, packed: str) -> None:
    log.write(6)
    tail = log.tail()
    assert log.numbers(tail.read(2)) == [0, 1]
    place = tail.place
    assert place is not None
    log.rotate()
    old = log.path.with_name("access.log.0")
    log.path.with_name(f"access.log.0{packed}").write_bytes(PACKERS[packed](old.read_bytes()))
    assert log.all_of(log.tail(place)) == [2, 3, 4, 5]  # both are there: it is being compressed
    old.unlink()
    log.write(2)
    assert log.all_of(log.tail(place)) == log.all_of(tail) == [2, 3, 4, 5, 6, 7]
    assert log.all_of(log.tail()) == list(range(8))
    assert log.warnings == []


def test_a_damaged_compressed_file_counts_as_far_as_it_goes(log: WrittenLog) -> None:
    log.write(5000)
    log.rotate()
    old = log.path.with_name("access.log.0")
    data = gzip.compress(old.read_bytes())
    old.unlink()
    log.path.with_name("access.log.0.gz").write_bytes(data[: len(data) // 2])
    log.write(2)
    numbers = log.all_of(log.tail())
    assert numbers[-2:] == [5000, 5001]
    assert numbers[:-2] == list(range(len(numbers) - 2))
    assert "damaged" in log.warnings[0]


def test_a_copy_beside_the_log_is_not_read_twice(log: WrittenLog) -> None:
    log.write(5)
    shutil.copy2(log.path, log.path.with_name("access.log.1"))
    log.write(2)
    assert log.all_of(log.tail()) == list(range(7))
