"""Which run the pages of a job are charged to, and whether they are, with device backends of our own making."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.client import InstanceAwayError
from edge.cups_ask import Decision, decide
from edge.cups_plan import Plan
from edge.cups_talk import Stop
from edge.settings import load_cups
from edge.settle import deliver, deliver_job
from edge.spool import CaptureSpool, Settlement
from tests.edge.instance_stub import InstanceStub
from tests.edge.lone_backend import NOBODY, LoneBackend
from tests.edge.test_cups_client import client_for

UUID = "urn:uuid:1"


@pytest.fixture
def stub() -> Iterator[InstanceStub]:
    instance = InstanceStub().up()
    yield instance
    instance.down()


@pytest.fixture
def backend(stub: InstanceStub) -> Iterator[LoneBackend]:
    lone = LoneBackend(stub)
    yield lone
    lone.remove()


@pytest.fixture
def spool(backend: LoneBackend) -> Iterator[CaptureSpool]:
    """A spool of nobody's, and who uses it: the token must belong to who reads it, so become as the backend is."""
    assert os.geteuid() == 0, "these tests change the user as CUPS does, so they must run as root"
    os.seteuid(NOBODY)
    yield CaptureSpool(backend.folder / "mine")
    os.seteuid(0)


def ask(backend: LoneBackend, spool: CaptureSpool) -> Decision:
    """Ask about a job as the backend does, with the test's own spool."""
    settings = load_cups(backend.folder / "edge.toml")
    return decide(client_for(backend.stub.url), settings, spool, Plan(), {"job_uuid": UUID, "pages": 3}, Stop())


def test_a_capture_that_waits_is_told_before_the_question(backend: LoneBackend, spool: CaptureSpool) -> None:
    assert ask(backend, spool) == Decision("print", "", 1, 1)
    spool.put(Settlement(1, 1, 3, uuid=UUID))
    assert ask(backend, spool) == Decision("print", "", 2, 2)
    assert backend.stub.charged() == [3]


def test_a_release_that_waits_is_told_before_the_question_and_no_other(
    backend: LoneBackend, spool: CaptureSpool
) -> None:
    ask(backend, spool)
    spool.put(Settlement(1, 1, None, "it failed", uuid=UUID))
    spool.put(Settlement(9, 1, 2, uuid="urn:uuid:2"))
    assert ask(backend, spool) == Decision("print", "", 1, 1)
    asked = [request.path.rsplit("/", 1)[-1] for request in backend.stub.requests]
    assert asked == ["jobs", "release", "jobs"]
    assert [settlement.job for _, settlement in spool.waiting()] == [9]
    spool.put(Settlement(1, 1, 3, uuid=UUID))
    deliver(spool, client_for(backend.stub.url), 1, 0.1)
    assert backend.stub.charged() == [2, 3]


def test_an_earlier_end_that_is_refused_for_good_is_set_aside(backend: LoneBackend, spool: CaptureSpool) -> None:
    ask(backend, spool)
    spool.put(Settlement(1, 1, 3, uuid=UUID))
    backend.stub.settled[(1, 1)] = {"how": "release"}
    done = deliver_job(spool, client_for(backend.stub.url), UUID)
    assert (done.sent, len(done.refused)) == (0, 1)
    assert list(spool.waiting()) == []
    assert spool.refused() == 1


def test_a_refused_token_is_no_reason_to_go_on(stub: InstanceStub, tmp_path: Path) -> None:
    spool = CaptureSpool(tmp_path / "spool")
    spool.put(Settlement(1, 1, 3, uuid=UUID))
    with pytest.raises(InstanceAwayError, match="401"):
        deliver_job(spool, client_for(stub.url, token="tpm_old"), UUID)
    assert len(list(spool.waiting())) == 1


def test_what_another_backend_is_sending_is_not_sent_twice(stub: InstanceStub, tmp_path: Path) -> None:
    spool = CaptureSpool(tmp_path / "spool")
    spool.put(Settlement(1, 1, None, uuid=UUID))
    ((name, _),) = spool.waiting()
    with (tmp_path / "spool" / name).open() as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert deliver(spool, client_for(stub.url), 0, 0.1).sent == 0
        with pytest.raises(InstanceAwayError, match="another backend"):
            deliver_job(spool, client_for(stub.url), UUID)
    assert stub.requests == []
    assert deliver(spool, client_for(stub.url), 0, 0.1).sent == 1
    with spool.claim(name) as mine:
        assert not mine


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
    backend: LoneBackend, device: str, charged: list[int]
) -> None:
    backend.device = device
    backend.print_and_cancel()
    assert backend.stub.charged() == charged
    assert len(backend.stub.asked("/release")) == (0 if charged else 1)
    assert backend.left() == []
