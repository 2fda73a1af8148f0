"""The page counter: what it counts, and that it refuses to guess."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pikepdf
import pytest

from counting.pages import main
from tests.servers import documents

PROJECT = Path(__file__).resolve().parents[2]
DOUBT = 3


def run(path: Path | str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the program; in this process, because it starts three dozen times here."""
    said, why = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(why):
        code = main(["twinpurse-count", *options, str(path)])
    return subprocess.CompletedProcess([], code, said.getvalue(), why.getvalue())


def found(tmp_path: Path, content: bytes, *options: str) -> dict[str, Any]:
    path = tmp_path / "document"
    path.write_bytes(content)
    done = run(path, *options)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    assert list(answer) == ["pages", "duplex", "runs"]
    assert answer["pages"] == sum(run[0] for run in answer["runs"])
    return answer


def count(tmp_path: Path, content: bytes) -> int:
    return int(found(tmp_path, content)["pages"])


def refusal(tmp_path: Path, content: bytes, *options: str) -> str:
    path = tmp_path / "document"
    path.write_bytes(content)
    done = run(path, *options)
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


def test_pdfs_one_after_the_other_are_counted_together(tmp_path: Path) -> None:
    """CUPS joins files so: those of one job, and banner pages."""
    assert count(tmp_path, documents.pdf(3) + documents.pdf(3)) == 6
    assert count(tmp_path, documents.pdf(3) + b"\n\n" + documents.pdf(2) + documents.pdf(1)) == 6
    assert "damaged" in refusal(tmp_path, documents.pdf(3) + documents.pdf(2)[:300])
    assert "no pages" in refusal(tmp_path, documents.pdf(0) + documents.pdf(0))


def test_a_pdf_without_pages_is_refused(tmp_path: Path) -> None:
    assert "no pages" in refusal(tmp_path, documents.pdf(0))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello\n" * 100,
        b"PK\x03\x04" + bytes(500),
        b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(500),
        b"RaS3" + bytes(2000),
        b"2SaR" + bytes(2000),
    ],
    ids=["empty", "text", "Office", "JPEG", "old raster", "little-endian raster"],
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
def test_rasters_one_after_the_other_are_counted_together(tmp_path: Path, make: type) -> None:
    assert count(tmp_path, make(1, stated=1) + make(3) + make(2, stated=2)) == 6
    assert "total" in refusal(tmp_path, make(1, stated=1) + make(3, stated=1))
    assert "damaged" in refusal(tmp_path, make(1) + make(3)[:-5])


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
    assert main(["twinpurse-count"]) == main(["twinpurse-count", "--colours", "x"]) == main(["x", "a", "b"]) == 2


def test_the_program_loads_little_and_agrees_with_all_of_pikepdf(tmp_path: Path) -> None:
    """By itself it loads pikepdf's compiled part alone; here all of it is loaded."""
    path = documents.write_pdf(tmp_path / "seven.pdf", 7)
    code = "import sys; from counting.pages import main; main(); print(sorted(sys.modules), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-ISc", f"import sys; sys.path[:0] = {sys.path!r}; {code}", str(path)],
        capture_output=True, text=True, timeout=30, check=True)  # fmt: skip
    assert done.stdout == run(path).stdout
    assert "'pikepdf._core'" in done.stderr
    assert "'pikepdf.models'" not in done.stderr


def test_the_samples_are_what_the_generator_writes() -> None:
    for name, pages in documents.SAMPLES.items():
        assert (PROJECT / "tests" / "samples" / name).read_bytes() == documents.pdf(pages)
