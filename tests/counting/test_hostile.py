"""Documents that are made to deceive or to hurt: refused, in bounded time, and nothing is left behind."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import pikepdf
import pytest

from tests.counting.test_pages import DOUBT, PROJECT, found, refusal
from tests.servers import documents

MIB = 1 << 20
PROGRAM = [sys.executable, "-m", "counting.pages", "--colour"]


def limited(path: Path, seconds: int = 10) -> subprocess.CompletedProcess[str]:
    """Run the program with colour as the print backend does: 512 MiB, no file larger than the document."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (512 * MIB, 512 * MIB))
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size,) * 2)
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))

    return subprocess.run(
        [*PROGRAM, str(path)], cwd=PROJECT, capture_output=True, text=True, timeout=180, check=False, preexec_fn=limit
    )  # fmt: skip


def tree(build: str) -> bytes:
    """A PDF whose page tree is no tree: "loop", or "bomb" (each of 40 nodes has the next one twice)."""
    objects = ["<< /Type /Catalog /Pages 2 0 R >>"]
    if build == "loop":
        objects.append("<< /Type /Pages /Count 2 /Kids [3 0 R 2 0 R] >>")
    else:
        objects += [f"<< /Type /Pages /Count 2 /Kids [{n + 1} 0 R {n + 1} 0 R] >>" for n in range(2, 42)]
    objects.append("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] >>")
    return documents.pdf_of_objects(objects)


@pytest.mark.parametrize("build", ["loop", "bomb"])
def test_a_page_tree_that_is_none_is_refused(tmp_path: Path, build: str) -> None:
    path = tmp_path / "tree.pdf"
    path.write_bytes(tree(build))
    begun = time.monotonic()
    done = limited(path)
    assert (done.returncode, done.stdout) == (DOUBT, ""), done
    assert time.monotonic() - begun < 15


@pytest.mark.long
def test_five_thousand_pages_in_other_colours_each(tmp_path: Path) -> None:
    document = pikepdf.Pdf.new()
    red, black = (document.make_stream(b"%d 0 0 rg 0 0 9 9 re f" % value) for value in (1, 0))
    for number in range(5_000):
        document.add_blank_page(page_size=(595, 842)).obj.Contents = (red, black)[number % 2]
    document.save(tmp_path / "many.pdf")
    done = limited(tmp_path / "many.pdf", 120)
    assert done.stdout.count("true") == 2_500, done.stderr
    assert done.stdout.startswith('{"pages":5000,')


@pytest.mark.parametrize(
    "program",
    [
        b"(/etc/passwd) (r) file 100 string readstring pop =",
        b"(%pipe%touch /tmp/twinpurse-was-here) (w) file",
        b"(/tmp/twinpurse-was-here) (w) file closefile",
        b"<</OutputFile (/tmp/twinpurse-was-here)>> setpagedevice showpage",
        b"showpage (not closed",
        b"nothing-of-that-name showpage",
    ],
)
def test_postscript_that_wants_out_is_refused(tmp_path: Path, program: bytes) -> None:
    assert "errors" in refusal(tmp_path, b"%!PS\n" + program + b"\n", "--colour")
    assert not Path("/tmp/twinpurse-was-here").exists()


@pytest.mark.long
def test_postscript_without_end_ends_with_its_limits(tmp_path: Path) -> None:
    path = tmp_path / "endless.ps"
    path.write_bytes(b"%!PS\n{} loop\n")
    begun = time.monotonic()
    assert limited(path, 2).returncode == DOUBT
    assert time.monotonic() - begun < 20


def test_ghostscript_dies_with_the_counter(tmp_path: Path) -> None:
    path = tmp_path / "endless.ps"
    path.write_bytes(b"%!PS\n{} loop\n")
    counter = subprocess.Popen([*PROGRAM, str(path)], cwd=PROJECT)
    children = Path(f"/proc/{counter.pid}/task/{counter.pid}/children")
    deadline = time.monotonic() + 10
    while not (born := children.read_text().split()) and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.3)
    counter.kill()
    counter.wait()
    while _lives(int(born[0])) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _lives(int(born[0]))


def _lives(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def test_copies_in_postscript_are_pages(tmp_path: Path) -> None:
    page = b"100 100 moveto 200 200 lineto stroke showpage\n"
    assert found(tmp_path, b"%!PS\n/#copies 3 def " + page)["pages"] == 3
    paper = b"%!PS\n<</NumCopies 2 /PageSize [595 842]>> setpagedevice "
    assert found(tmp_path, paper + page + b"1 0 0 setrgbcolor " + page, "--colour")["runs"] == [
        [2, False, "a4"],
        [2, True, "a4"],
    ]
    assert found(tmp_path, b"%!PS\n" + page)["runs"] == [[1, None, ""]]


def pjl(content: bytes, language: bytes, *lines: bytes) -> bytes:
    uel = b"\x1b%-12345X"
    commands = b"".join(b"@PJL " + line + b"\r\n" for line in (b"JOB", *lines, b"ENTER LANGUAGE=" + language))
    return uel + commands + content + uel + b"@PJL EOJ\r\n" + uel


def test_pjl_says_copies_sides_and_grey(tmp_path: Path) -> None:
    red = b"%!PS\n1 0 0 setrgbcolor 0 0 300 300 rectfill showpage\n"
    answer = found(tmp_path, pjl(red, b"POSTSCRIPT", b"SET COPIES=3", b"SET DUPLEX=ON"), "--colour")
    assert answer == {"pages": 3, "duplex": True, "runs": [[3, True, ""]]}
    assert found(tmp_path, pjl(red, b"POSTSCRIPT", b"SET RENDERMODE=GRAYSCALE"))["runs"] == [[1, False, ""]]
    document = documents.pdf(2)
    assert found(tmp_path, pjl(document, b"PDF") + pjl(document, b"PDF"))["pages"] == 4
    assert found(tmp_path, pjl(document, b"PDF", *[b"SET PAPER=A4"] * 100))["pages"] == 2
    for line in (b"SET HOLD=ON", b"SET COPIES=0", b"SET COPIES=x", b"DEFAULT COPIES=9", b"SET NUP=2"):
        assert refusal(tmp_path, pjl(document, b"PDF", line))
    assert refusal(tmp_path, pjl(document, b"ZJS"))
    assert refusal(tmp_path, pjl(document, b"PCL"))
    assert refusal(tmp_path, pjl(b"%!PS\n/#copies 2 def showpage\n", b"POSTSCRIPT", b"SET COPIES=3"))


RASTER = b"\x1b*t300R\x1b*r1A\x1b*b4W\x0c\x1bE\x0c\x1b*rC"  # four bytes of a picture that look like page ends


@pytest.mark.parametrize(
    ("content", "runs", "duplex"),
    [
        (b"\x1bE\x1b&l26A" + RASTER + b"\x0c\x1bE", [[1, False, "a4"]], None),
        (b"\x1bE\x1b&l26a2x1S" + (RASTER + b"\x0c") * 3 + b"\x1bE", [[6, False, "a4"]], True),
        (
            b"\x1bE\x1b&l27A" + RASTER + b"\x1b&l2A" + RASTER + b"\x1bE",
            [[1, False, "a3"], [1, False, "na_letter"]],
            None,
        ),
        (b"\x1bEa line\r\nand one\r\n\x0c\x0c", [[2, False, ""]], None),
        (b"\x1bE\x1b*r3U" + RASTER, [[1, None, ""]], None),
    ],
    ids=["raster", "copies", "papers", "text and an empty page", "colours"],
)
def test_pcl_is_followed(tmp_path: Path, content: bytes, runs: list[object], duplex: bool | None) -> None:
    assert found(tmp_path, content, "--colour") == {
        "pages": sum(run[0] for run in runs),
        "duplex": duplex,
        "runs": runs,
    }  # type: ignore[index]


@pytest.mark.parametrize(
    "content",
    [
        b"\x1bE" + b"line\r\n" * 60,
        b"\x1bE\x1b%0BPG;PG;",
        b"\x1bE\x1b&f3X\x0c",
        b"\x1bE\x1b&s0Ctext\x0c",
        b"\x1bE\x1b*b99Wx",
        b"\x1bE",
    ],
    ids=["long text", "HP-GL/2", "macro", "wrapped lines", "cut off", "nothing"],
)
def test_pcl_that_cannot_be_followed_is_refused(tmp_path: Path, content: bytes) -> None:
    assert refusal(tmp_path, content)


@pytest.mark.parametrize("device", ["ljet4", "pxlmono", "pxlcolor"])
def test_what_ghostscript_writes_in_printers_languages(tmp_path: Path, device: str) -> None:
    source, out = documents.write_pdf(tmp_path / "four.pdf", 4), tmp_path / "out"
    command = ["gs", "-q", "-dSAFER", "-dBATCH", "-dNOPAUSE", f"-sDEVICE={device}", "-r75", "-o", str(out), str(source)]
    subprocess.run(command, check=True, timeout=60, env={"PATH": os.defpath})
    answer = found(tmp_path, out.read_bytes(), "--colour")
    assert (answer["pages"], answer["runs"][0][1:]) == (4, [False, "a4"])
    assert refusal(tmp_path, out.read_bytes()[:-300])
