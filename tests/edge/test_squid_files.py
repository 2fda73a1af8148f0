"""Files of the log that logrotate has compressed, and copies of it: nothing is read twice, and nothing left out."""

from __future__ import annotations

import bz2
import gzip
import lzma
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.squid_files import list_files
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


def zstd(data: bytes) -> bytes:
    return subprocess.run(["zstd", "-qc"], input=data, capture_output=True, check=True).stdout


@pytest.mark.parametrize("packed", [*PACKERS, ".zst"])
def test_the_readable_part_of_a_small_truncated_file_counts(log: WrittenLog, packed: str) -> None:
    if packed == ".zst" and shutil.which("zstd") is None:
        pytest.skip("needs zstd")
    pack: Callable[[bytes], bytes] = PACKERS.get(packed, zstd)
    log.write(500)
    log.rotate()
    old = log.path.with_name("access.log.0")
    data = pack(old.read_bytes())
    old.unlink()
    log.path.with_name(f"access.log.0{packed}").write_bytes(data[:-5])
    log.write(2)
    numbers = log.all_of(log.tail())
    assert numbers[-2:] == [500, 501]
    assert numbers[:-2] == list(range(len(numbers) - 2))
    if packed == ".gz":
        assert len(numbers) > 480  # the others hold only whole blocks
    assert "damaged" in log.warnings[0]


ROTATED = {
    "plain": ["access.log.2", "access.log.1.gz", "access.log.0"],
    "dateext": ["access.log-20261120.gz", "access.log-20261121", "access.log-20261122"],
    "dashes": ["access.log-2026-11-20.xz", "access.log-2026-11-21", "access.log-2026-12-01"],
    "dot": ["access.log.20251231", "access.log.20261121.bz2", "access.log.20261122"],
    "hours": ["access.log-2026112022.gz", "access.log-2026112023", "access.log-2026112100"],
    "hours apart": ["access.log-20261120-22", "access.log-20261120-23.gz", "access.log-20261121-00"],
    "seconds": ["access.log-20261120-1795132800", "access.log-20261121-1795219200", "access.log-20261121-1795219201"],
    "only seconds": ["access.log-1795132800", "access.log-1795219200.gz", "access.log-1795219201"],
    "times": ["access.log-20261120T070000", "access.log-20261120T080000", "access.log-20261121T000000"],
    "extension": ["access-20261120.log.gz", "access-20261121.log", "access-20261122.log"],
    "extension, dashes": ["access-2026-11-20.log", "access-2026-11-21.log.zst", "access-2026-11-22.log"],
    "extension, dot": ["access.20261120.log", "access.20261121.log", "access.20261122.log"],
    "extension, numbers": ["access.10.log.gz", "access.2.log", "access.1.log"],
}


@pytest.mark.parametrize("names", list(ROTATED.values()), ids=list(ROTATED))
def test_what_logrotate_names_is_known_and_in_order(tmp_path: Path, names: list[str]) -> None:
    strangers = [
        "access.log.bak",
        "access-old.log",
        "access.log.gz",
        "other-20261120.log",
        "access.log-20261399",
        "acc",
    ]
    for name in [*names, *strangers, "access.log"]:
        (tmp_path / name).touch()
    files = list_files(tmp_path / "access.log")
    assert [file.path.name for file in files] == [*names, "access.log"]
    assert [file.packed for file in files] == [
        name[name.rindex(".") :] if name.endswith((".gz", ".xz", ".bz2", ".zst")) else "" for name in [*names, ""]
    ]


def test_what_was_unread_when_it_was_rotated_with_an_extension(log: WrittenLog) -> None:
    log.write(5)
    tail = log.tail()
    tail.read(2)
    place = tail.place
    assert place is not None
    log.path.with_name("access-20261122.log.gz").write_bytes(gzip.compress(log.path.read_bytes()))
    log.path.unlink()
    log.path.touch()
    log.write(2)
    assert log.all_of(log.tail(place)) == log.all_of(tail) == [2, 3, 4, 5, 6]
