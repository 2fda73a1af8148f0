"""A backend that is killed at every point of a print: what came out is charged once, and does not come out twice."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from edge.spool import CaptureSpool
from tests.edge.instance_stub import InstanceStub
from tests.edge.lone_backend import LoneBackend


@pytest.fixture
def backend() -> Iterator[LoneBackend]:
    stub = InstanceStub().up()
    lone = LoneBackend(stub)
    yield lone
    lone.remove()
    stub.released.set()
    stub.down()


def test_killed_between_hold_and_print_the_retry_is_the_same_run(backend: LoneBackend) -> None:
    backend.stub.orders.lose["jobs"] = 99  # the price is held, and the backend never hears of it
    backend.kill_when(lambda: len(backend.stub.asked("/print/jobs")) >= 1)
    backend.stub.orders.lose.clear()
    assert backend.print()[0] == 0
    assert (backend.printed, backend.stub.charged()) == (1, [3])
    assert list(backend.stub.settled) == [(1, 1)]


def test_killed_while_the_device_prints_the_retry_neither_prints_nor_pays_again(backend: LoneBackend) -> None:
    backend.device = "touch $BEGUN; sleep 0.4; echo out >> $OUT"
    backend.kill_when((backend.folder / "begun").exists)
    assert backend.printed == 0
    code, said = backend.print()
    assert (code, backend.printed) == (0, 1)
    assert "not printed again" in said
    assert backend.stub.charged() == [3]
    assert backend.stub.settled[(1, 1)]["estimated"]
    assert backend.print()[0] == 0  # and whoever wants it again gets it again, and pays
    assert (backend.printed, backend.stub.charged()) == (2, [3, 3])


def test_killed_after_two_pages_they_are_paid_and_the_retry_as_well(backend: LoneBackend) -> None:
    backend.device = "echo 'PAGE: total 2' >&2; touch $BEGUN; sleep 0.3; exit 1"
    backend.kill_when(lambda: b"\n2\n" in b"".join(path.read_bytes() for path in backend.spool.glob("*.open")))
    backend.device = "echo 'PAGE: total 3' >&2; echo out >> $OUT"
    backend.wait(lambda: backend.print()[0] == 0, "the retry prints")
    assert (backend.printed, backend.stub.charged()) == (1, [2, 3])


@pytest.mark.long
def test_another_job_settles_it_and_the_retry_still_does_not_print_again(backend: LoneBackend) -> None:
    backend.device = "touch $BEGUN; echo out >> $OUT; sleep 0.3"
    backend.kill_when((backend.folder / "begun").exists)
    backend.wait(lambda: backend.print(job=6)[0] == 0 and backend.left() == ["whole"], "another job settles it")
    charged = backend.stub.charged()
    printed = backend.printed
    assert "not printed again" in backend.print()[1]
    assert (backend.printed, backend.stub.charged()) == (printed, charged)
    assert backend.left() == []


def test_killed_before_the_capture_was_heard_it_is_sent_again(backend: LoneBackend) -> None:
    backend.stub.orders.lose["capture"] = 99
    backend.kill_when(lambda: len(backend.stub.asked("/capture")) >= 1)
    backend.stub.orders.lose.clear()
    backend.device = "echo other >> $OUT"
    assert backend.print(job=6)[0] == 0
    assert backend.stub.charged() == [3, 3]
    assert sorted(backend.stub.settled) == [(1, 1), (2, 1)]
    assert backend.left() == []


def test_a_crash_of_the_machine_leaves_no_free_print(backend: LoneBackend) -> None:
    """After a power cut nothing is known of a device that cannot be asked: the retry prints, and is charged."""
    backend.device = "touch $BEGUN; sleep 0.2"
    backend.kill_when((backend.folder / "begun").exists)
    (journal,) = backend.spool.glob("*.open")
    lines = journal.read_text().replace('"boot": "', '"boot": "before-')
    journal.write_text(lines)
    backend.device = "echo out >> $OUT"
    backend.wait(lambda: backend.print()[0] == 0, "the retry prints")
    assert (backend.printed, backend.stub.charged()) == (1, [3])


def test_a_settlement_without_a_key_is_set_aside(backend: LoneBackend) -> None:
    backend.print()
    (backend.spool / "0.json").write_text('{"job": 0, "run": 0, "pages": 3, "reason": "", "unasked": {"user": "anna"}}')
    assert list(CaptureSpool.waiting(_spool_of(backend))) == []
    assert (backend.spool / "0.json.refused").exists()


def _spool_of(backend: LoneBackend) -> CaptureSpool:
    import os

    os.seteuid(65534)
    try:
        return CaptureSpool(backend.spool)
    finally:
        os.seteuid(0)


@pytest.mark.parametrize(
    ("user", "told"),
    [
        ("DOM\\alice", "DOM\\alice"),
        ("alice\nJOBSTATE: +x", "alice\ufffdJOBSTATE: +x"),
        (b"m\xfcller", "m\ufffdller"),
        ("'; rm -rf /; '", "'; rm -rf /; '"),
        ("\N{GRINNING FACE}", "\N{GRINNING FACE}"),
    ],
)
def test_strange_users_are_told_as_they_are(backend: LoneBackend, user: str | bytes, told: str) -> None:
    code, said = backend.print(user=user, title=b"a\nERROR: x\xff'; rm -rf \xf0\x9f\x98\x80" + b"y" * 4000)
    assert code == 0, said
    (question,) = backend.stub.asked("/print/jobs")
    assert question.body["user"] == told
    assert question.body["title"].startswith("a ERROR: x\ufffd'; rm -rf \N{GRINNING FACE}y")
    assert len(question.body["title"]) == 255
    assert backend.stub.charged() == [3]


def test_a_name_that_is_too_long_is_nobody_elses(backend: LoneBackend) -> None:
    for last in ("x", "y"):
        assert backend.print(user="a" * 3999 + last)[0] == 0
    first, second = (request.body["user"] for request in backend.stub.asked("/print/jobs"))
    assert first != second
    assert len(first) <= 256
    assert first.startswith("aaa")
