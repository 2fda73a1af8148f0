"""What CUPS hands over, what a device backend says, and the counting program's limits, without a CUPS."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.cups import main
from edge.cups_count import CountError, count_pages
from edge.cups_device import PageTally
from edge.cups_job import JobError, device_uri, read_job, spooled_documents
from edge.spool import CaptureSpool, Settlement
from tests.edge.instance_stub import TOKEN, InstanceStub

PROJECT = Path(__file__).resolve().parents[2]

OPTIONS = "finishings=3 job-uuid=urn:uuid:4624b251 time-at-creation=1795388729"
ENVIRON = {"DEVICE_URI": device_uri(Path("/etc/twin purse/e.toml"), "ipp://h:631/ipp/print?x=1&y=2"), "PRINTER": "lab"}


def argv(*files: str, number: str = "5", copies: str = "2", options: str = OPTIONS) -> list[str]:
    return ["twinpurse:/x", number, "anna", "essay", copies, options, *files]


def test_the_device_uri_holds_config_and_printer() -> None:
    job = read_job(argv(), ENVIRON)
    assert job.config == Path("/etc/twin purse/e.toml")
    assert job.wrapped_uri == "ipp://h:631/ipp/print?x=1&y=2"


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "twinpurse:/e.toml",
        "twinpurse:e.toml?wrap=ipp://h",
        "other:/e.toml?wrap=ipp://h",
        "twinpurse:/e.toml?wrap=twinpurse:/e.toml",
        "twinpurse:/e.toml?wrap=../../bin/sh:x",
        "twinpurse:/e.toml?wrap=/bin/sh",
    ],
)
def test_a_wrong_device_uri_is_refused(uri: str) -> None:
    with pytest.raises(JobError):
        read_job(argv(), {"DEVICE_URI": uri})


def test_a_job_is_the_same_in_every_retry_and_never_another() -> None:
    first = read_job(argv(), ENVIRON).uuid
    assert first == read_job(argv(), ENVIRON).uuid
    others = [
        read_job(argv(number="6"), ENVIRON).uuid,
        read_job(argv(), {**ENVIRON, "PRINTER": "hall"}).uuid,
        read_job(argv(options=OPTIONS.replace("4624", "4625")), ENVIRON).uuid,
        read_job(argv(options="time-at-creation=1"), ENVIRON).uuid,
        read_job(argv(options="time-at-creation=2"), ENVIRON).uuid,
        read_job(argv(options=""), ENVIRON).uuid,
    ]
    assert len({first, *others}) == 7


@pytest.mark.parametrize(
    ("wrapped", "content_type", "files", "copies"),
    [
        ("ipp://h", "application/pdf", (), 2),
        ("ipp://h", "image/pwg-raster", (), 1),
        ("ipp://h", "image/urf", ("/doc",), 2),
        ("socket://h", "application/pdf", (), 1),
        ("socket://h", "application/pdf", ("/doc",), 2),
    ],
)
def test_who_makes_the_copies(wrapped: str, content_type: str, files: tuple[str, ...], copies: int) -> None:
    environ = {"DEVICE_URI": device_uri(Path("/e.toml"), wrapped), "FINAL_CONTENT_TYPE": content_type}
    assert read_job(argv(*files), environ).printed_copies == copies


def test_a_title_that_is_not_text_becomes_text() -> None:
    words = argv()
    words[3] = "a\nb\udcff" + "x" * 500
    title = read_job(words, ENVIRON).title
    assert title.startswith("a b\ufffdx")
    assert len(title) == 255


@pytest.mark.parametrize(
    ("has_files", "lines", "pages"),
    [
        (False, ["PAGE: total 1", "PAGE: total 3"], 3),
        (False, ["PAGE: 1 2", "PAGE: 2 2"], 4),
        (False, ["PAGE: 1 1", "PAGE: total 7"], 7),
        (False, ["PAGE: total 0"], 0),
        (False, ["DEBUG: PAGE: total 5", "PAGE: total many"], 0),
        (True, ["PAGE: 1 1"], 0),
        (True, ["PAGE: 1 1", "PAGE: total 4"], 4),
        (True, ["PAGE: 1 1", "PAGE: total 4", "PAGE: 1 1", "PAGE: total 4"], 8),
    ],
)
def test_what_a_backend_says_about_pages(has_files: bool, lines: list[str], pages: int) -> None:
    tally = PageTally(has_files)
    for line in lines:
        tally.hear(line.encode() + b"\n")
    assert tally.pages == pages


@pytest.fixture
def document(tmp_path: Path) -> Iterator[int]:
    path = tmp_path / "document"
    path.write_bytes(b"words")
    descriptor = os.open(path, os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


def counted_by(code: str, document: int, time_s: float = 5) -> int:
    return count_pages([sys.executable, "-S", "-c", code], document, time_s, 256, lambda: False).pages


def test_a_count_is_read(document: int) -> None:
    code = "import sys; assert open(sys.argv[1]).read() == 'words'; print('{\"pages\": 4}')"
    assert counted_by(code, document) == 4


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("import sys; print('it is encrypted', file=sys.stderr); sys.exit(3)", "it is encrypted"),
        ("import sys; sys.exit(1)", "failed"),
        ("print('{\"pages\": 0}')", "failed"),
        ("print('{\"pages\": true}')", "failed"),
        ('print(\'{"pages": "3"}\')', "failed"),
        ("print('[]')", "failed"),
        ("bytearray(10**9)", "failed"),
        ("import os; print('{\"pages\": %d}' % (1 if os.environ.get('PATH') else 0))", "failed"),
        ("open('/tmp/twinpurse-never', 'w').write('x')", "too much|failed"),
    ],
)
def test_anything_else_is_no_count(document: int, code: str, why: str) -> None:
    with pytest.raises(CountError, match=why):
        counted_by(code, document)


@pytest.mark.parametrize("code", ["import time; time.sleep(60)", "while True: print('x' * 9999)"])
def test_a_counter_that_does_not_end_is_ended(document: int, code: str) -> None:
    begun = time.monotonic()
    with pytest.raises(CountError, match="too"):
        counted_by(code, document, 1)
    assert time.monotonic() - begun < 4


def test_a_missing_counter_is_no_count(document: int) -> None:
    for program in ((), ("/nowhere/count",)):
        with pytest.raises(CountError):
            count_pages(program, document, 1, 64, lambda: False)


def test_a_linked_document_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc/hostname")
    with pytest.raises(JobError), spooled_documents(read_job(argv(str(tmp_path / "link")), ENVIRON)):
        pass


def test_discovery_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["twinpurse"]) == 0
    assert capsys.readouterr().out == 'direct twinpurse "Unknown" "Charged printing"\n'


def run_backend(environ: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "edge.cups", *arguments],
        env={"PATH": "/usr/bin", **environ},
        cwd=Path(__file__).resolve().parents[2],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


@pytest.mark.parametrize("environ", [{}, {"DEVICE_URI": "twinpurse:/nowhere/e.toml?wrap=ipp://h", "TMPDIR": "/tmp"}])
def test_whatever_is_wrong_the_job_is_held_with_a_reason(environ: dict[str, str]) -> None:
    done = run_backend(environ, "5", "anna", "essay", "1", "")
    assert done.returncode == 3
    assert done.stderr.startswith("ERROR: This job is held: ")
    assert "Traceback" not in done.stderr


def test_what_waits_can_be_delivered_without_a_job(tmp_path: Path) -> None:
    instance = InstanceStub()
    (tmp_path / "token").write_text(TOKEN)
    (tmp_path / "token").chmod(0o600)
    config = tmp_path / "e.toml"
    config.write_text(
        f'instance_url = "{instance.url}"\ntoken_file = "{tmp_path}/token"\nserver = "s"\n'
        f'[cups]\nspool_dir = "{tmp_path}/spool"\ndeliver_s = 0.5\n'
    )
    CaptureSpool(tmp_path / "spool").put(Settlement(4, 1, 9))
    assert run_backend({}, "--deliver", str(config)).returncode == 1
    instance.up()
    assert run_backend({}, "--deliver", str(config)).returncode == 0
    instance.down()
    assert instance.settled[(4, 1)]["pages"] == 9


def test_it_loads_no_heavy_part_of_the_standard_library_to_start() -> None:
    """What makes a start slow: a backend is started for each job, and each time CUPS looks for devices."""
    code = "import sys, edge.cups_passage; print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-S", "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    heavy = {"asyncio", "email", "http", "inspect", "multiprocessing", "ssl", "sqlite3"}
    assert heavy.isdisjoint(loaded.stdout.split())
