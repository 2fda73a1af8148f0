"""The page counter: what it counts, and that it refuses to guess."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
from pathlib import Path

import pikepdf
import pytest

from tests.servers import documents

PROJECT = Path(__file__).resolve().parents[2]
DOUBT = 3


def run(path: Path | str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "counting.pages", str(path)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def count(tmp_path: Path, content: bytes) -> int:
    path = tmp_path / "document"
    path.write_bytes(content)
    done = run(path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert list(found) == ["pages"]
    return int(found["pages"])


def refusal(tmp_path: Path, content: bytes) -> str:
    path = tmp_path / "document"
    path.write_bytes(content)
    done = run(path)
    assert (done.returncode, done.stdout) == (DOUBT, "")
    assert "Traceback" not in done.stderr
    assert str(tmp_path) not in done.stderr
    return done.stderr.strip()


@pytest.mark.parametrize("pages", [1, 3, 200])
def test_pdf_pages_are_counted(tmp_path: Path, pages: int) -> None:
    assert count(tmp_path, documents.pdf(pages)) == pages


def test_a_lying_count_in_the_page_tree_is_not_believed(tmp_path: Path) -> None:
    content = documents.pdf(3).replace(b"/Count 3", b"/Count 1")
    assert count(tmp_path, content) == 3


def test_object_streams_are_read(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with pikepdf.open(io.BytesIO(documents.pdf(4))) as document:
        document.save(packed, object_stream_mode=pikepdf.ObjectStreamMode.generate)
    assert count(tmp_path, packed.getvalue()) == 4


@pytest.mark.parametrize("password", ["secret", ""])
def test_an_encrypted_pdf_is_refused(tmp_path: Path, password: str) -> None:
    locked = io.BytesIO()
    with pikepdf.open(io.BytesIO(documents.pdf(3))) as document:
        document.save(locked, encryption=pikepdf.Encryption(owner="owner", user=password))
    assert "encrypted" in refusal(tmp_path, locked.getvalue())


@pytest.mark.parametrize("left", [20, 300, -9, -200])
def test_a_truncated_pdf_is_refused(tmp_path: Path, left: int) -> None:
    assert "damaged" in refusal(tmp_path, documents.pdf(3)[:left])


def test_two_pdfs_in_one_file_are_refused(tmp_path: Path) -> None:
    assert "several" in refusal(tmp_path, documents.pdf(3) + documents.pdf(3))
    assert "several" in refusal(tmp_path, documents.pdf(3) + b"\n\n" + documents.pdf(2))


def test_a_pdf_without_pages_is_refused(tmp_path: Path) -> None:
    assert "no pages" in refusal(tmp_path, documents.pdf(0))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello\n" * 100,
        b"%!PS-Adobe-3.0\n%%Pages: 1\n",
        b"\x1b%-12345X@PJL SET COPIES=99\n%PDF-1.4",
        b"RaS3" + bytes(2000),
        b"2SaR" + bytes(2000),
    ],
)
def test_other_formats_are_refused(tmp_path: Path, content: bytes) -> None:
    assert "neither PDF" in refusal(tmp_path, content)


@pytest.mark.parametrize("pages", [1, 3, 50])
@pytest.mark.parametrize("make", [documents.pwg_raster, documents.apple_raster])
def test_raster_pages_are_walked(tmp_path: Path, make: type, pages: int) -> None:
    assert count(tmp_path, make(pages)) == pages
    assert count(tmp_path, make(pages, stated=pages)) == pages


def test_copies_inside_pwg_raster_count(tmp_path: Path) -> None:
    assert count(tmp_path, documents.pwg_raster(3, copies=4)) == 12
    assert count(tmp_path, documents.pwg_raster(3, copies=0)) == 3


@pytest.mark.parametrize("make", [documents.pwg_raster, documents.apple_raster])
def test_a_raster_total_that_is_wrong_is_refused(tmp_path: Path, make: type) -> None:
    assert "total" in refusal(tmp_path, make(3, stated=1))


@pytest.mark.parametrize("make", [documents.pwg_raster, documents.apple_raster])
def test_a_raster_without_pages_is_refused(tmp_path: Path, make: type) -> None:
    assert "no pages" in refusal(tmp_path, make(0))


@pytest.mark.parametrize("make", [documents.pwg_raster, documents.apple_raster])
def test_a_raster_cut_anywhere_is_refused(tmp_path: Path, make: type) -> None:
    whole = make(2)
    first_page_ends = (len(whole) + len(make(0))) // 2
    for left in (len(whole) - 1, len(whole) - 10, first_page_ends + 5, first_page_ends - 1):
        assert "damaged" in refusal(tmp_path, whole[:left])
    assert "damaged" in refusal(tmp_path, whole + b"x")


@pytest.mark.parametrize("lines", [2**32 - 1, 0])
def test_a_senseless_raster_header_is_refused_at_once(tmp_path: Path, lines: int) -> None:
    content = bytearray(documents.pwg_raster(1))
    content[4 + 376 : 4 + 380] = lines.to_bytes(4, "big")
    begun = time.monotonic()
    assert "damaged" in refusal(tmp_path, bytes(content))
    assert time.monotonic() - begun < 15


def test_a_missing_file_and_wrong_usage() -> None:
    done = run("/nowhere/document")
    assert (done.returncode, done.stdout) == (DOUBT, "")
    usage = subprocess.run([sys.executable, "-m", "counting.pages"], cwd=PROJECT, capture_output=True, check=False)
    assert usage.returncode == 2


def test_the_samples_are_what_the_generator_writes() -> None:
    for name, pages in documents.SAMPLES.items():
        assert (PROJECT / "tests" / "samples" / name).read_bytes() == documents.pdf(pages)
