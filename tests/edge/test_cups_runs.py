"""Which run the pages of a job are charged to, and whether they are, with device backends of our own making."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.client import InstanceAwayError
from edge.cups import Decision, Stop, _decide, device_uri
from edge.cups_job import read_job
from edge.settings import load_cups
from edge.settle import deliver, deliver_run
from edge.spool import CaptureSpool, Settlement
from tests.edge.instance_stub import TOKEN, InstanceStub
from tests.edge.test_cups_client import client_for
from tests.servers.process import make_dir

NOBODY = 65534
PROJECT = Path(__file__).resolve().parents[2]
SYSTEM_PYTHON = "/usr/bin/python3"  # nobody can run Debian's Python; a developer's own one often lies under /root
COUNT = "#!/bin/sh\necho '{\"pages\": 3}'\n"


@pytest.fixture
def stub() -> Iterator[InstanceStub]:
    instance = InstanceStub().up()
    yield instance
    instance.down()


@pytest.fixture
def folder(stub: InstanceStub) -> Path:
    """A folder with a config, a token, a counter, a document and room for a device backend, all for nobody."""
    folder = make_dir("twinpurse-runs-")
    (folder / "bin" / "backend").mkdir(parents=True)
    (folder / "token").write_text(TOKEN)
    (folder / "token").chmod(0o600)
    write_program(folder / "count", COUNT)
    (folder / "essay").write_text("words")
    (folder / "edge.toml").write_text(
        f'instance_url = "{stub.url}"\ntoken_file = "{folder}/token"\nserver = "s"\n'
        f'[cups]\nspool_dir = "{folder}/spool"\ncount_program = ["{folder}/count"]\ndeliver_s = 0.5\n'
    )
    for path in (folder, folder / "token"):
        os.chown(path, NOBODY, NOBODY)
    return folder


def write_program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def ask(stub: InstanceStub, folder: Path) -> Decision | None:
    """Ask about a job as the backend does, with the test's own spool."""
    environ = {"DEVICE_URI": device_uri(folder / "edge.toml", "fake:/x")}
    job = read_job(["twinpurse", "5", "anna", "essay", "1", "job-uuid=urn:uuid:1"], environ)
    spool = CaptureSpool(folder / "mine")
    return _decide(client_for(stub.url), load_cups(folder / "edge.toml"), spool, job, 3, Stop())


@pytest.fixture
def as_nobody(folder: Path) -> Iterator[None]:
    """The token must belong to who reads it: become nobody, as the backend becomes lp."""
    assert os.geteuid() == 0, "these tests change the user as CUPS does, so they must run as root"
    os.seteuid(NOBODY)
    yield
    os.seteuid(0)


@pytest.mark.usefixtures("as_nobody")
def test_an_answer_about_a_run_whose_capture_still_waits_is_asked_for_again(stub: InstanceStub, folder: Path) -> None:
    assert ask(stub, folder) == Decision("print", "The job is held.", 1, 1)
    CaptureSpool(folder / "mine").put(Settlement(1, 1, 3))
    assert ask(stub, folder) == Decision("print", "The job is held.", 2, 2)
    assert stub.charged() == [3]


@pytest.mark.usefixtures("as_nobody")
def test_an_answer_about_a_run_whose_release_still_waits_is_asked_for_again(stub: InstanceStub, folder: Path) -> None:
    ask(stub, folder)
    spool = CaptureSpool(folder / "mine")
    spool.put(Settlement(1, 1, None, "it failed"))
    spool.put(Settlement(9, 1, 2))
    decision = ask(stub, folder)
    assert decision is not None
    assert (decision.job, decision.run) == (1, 1)
    assert [request.path.rsplit("/", 1)[-1] for request in stub.requests] == ["jobs", "jobs", "release", "jobs"]
    assert [settlement.job for _, settlement in spool.waiting()] == [9]
    spool.put(Settlement(1, 1, 3))
    deliver(spool, client_for(stub.url), 1, 0.1)
    assert stub.charged() == [2, 3]


@pytest.mark.usefixtures("as_nobody")
def test_an_earlier_end_that_is_refused_for_good_is_set_aside(stub: InstanceStub, folder: Path) -> None:
    ask(stub, folder)
    CaptureSpool(folder / "mine").put(Settlement(1, 1, 3))
    stub.settled[(1, 1)] = {"how": "release"}
    spool = CaptureSpool(folder / "mine")
    done = deliver_run(spool, client_for(stub.url), 1, 1)
    assert (done.sent, len(done.refused)) == (0, 1)
    assert list(spool.waiting()) == []
    assert len(list((folder / "mine").glob("*.json.refused"))) == 1


def test_a_refused_token_is_no_reason_to_go_on(stub: InstanceStub, tmp_path: Path) -> None:
    spool = CaptureSpool(tmp_path / "spool")
    spool.put(Settlement(1, 1, 3))
    with pytest.raises(InstanceAwayError, match="401"):
        deliver_run(spool, client_for(stub.url, token="tpm_old"), 1, 1)
    assert len(list(spool.waiting())) == 1


def test_what_another_backend_is_sending_is_not_sent_twice(stub: InstanceStub, tmp_path: Path) -> None:
    spool = CaptureSpool(tmp_path / "spool")
    spool.put(Settlement(1, 1, None))
    ((name, _),) = spool.waiting()
    with (tmp_path / "spool" / name).open() as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert deliver(spool, client_for(stub.url), 0, 0.1).sent == 0
        with pytest.raises(InstanceAwayError, match="another backend"):
            deliver_run(spool, client_for(stub.url), 1, 1)
    assert stub.requests == []
    assert deliver(spool, client_for(stub.url), 0, 0.1).sent == 1
    with spool.claim(name) as mine:
        assert not mine


def print_and_cancel(folder: Path, device: str) -> subprocess.CompletedProcess[str]:
    """Print the document with a device backend that is this shell script; cancel when it has made `begun`."""
    write_program(folder / "bin" / "backend" / "fake", f"#!/bin/sh\n{device}\n")
    environ = {
        "DEVICE_URI": device_uri(folder / "edge.toml", "fake:/x"),
        "CUPS_SERVERBIN": str(folder / "bin"),
        "TMPDIR": str(folder),
        "PATH": "/usr/bin:/bin",
        "BEGUN": str(folder / "begun"),
    }
    command = [SYSTEM_PYTHON, "-m", "edge.cups", "5", "anna", "essay", "1", "job-uuid=urn:uuid:1"]
    with (folder / "essay").open() as document:
        backend = subprocess.Popen(
            command,
            env=environ,
            cwd=PROJECT,
            user=NOBODY,
            group=NOBODY,
            extra_groups=[],
            stdin=document,
            stderr=subprocess.PIPE,
            text=True,
        )
        deadline = time.monotonic() + 10
        while not (folder / "begun").exists() and backend.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        backend.send_signal(signal.SIGTERM)
        said = backend.communicate(timeout=20)[1]
    assert (folder / "begun").exists(), said
    return subprocess.CompletedProcess(command, backend.returncode, "", said)


@pytest.mark.parametrize(
    ("device", "charged"),
    [
        ("trap 'exit 0' TERM; touch $BEGUN; while :; do sleep 0.1; done", []),
        ("touch $BEGUN; exec sleep 10", []),
        ("trap '' TERM; touch $BEGUN; cat; sleep 0.5", [3]),
        ("trap '' TERM; touch $BEGUN; sleep 0.5; exit 1", []),
        ("trap 'exit 0' TERM; echo 'PAGE: total 2' >&2; touch $BEGUN; while :; do sleep 0.1; done", [2]),
    ],
    ids=["ends", "killed", "prints to the end", "fails", "counts"],
)
def test_a_cancelled_job_is_charged_what_is_known_to_be_printed(
    stub: InstanceStub, folder: Path, device: str, charged: list[int]
) -> None:
    print_and_cancel(folder, device)
    assert stub.charged() == charged
    assert len(stub.asked("/release")) == (0 if charged else 1)
    assert list((folder / "spool").iterdir()) == []
