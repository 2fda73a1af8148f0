"""The capture spool: private, durable, and settled by whoever comes next when its owner is gone."""

from __future__ import annotations

import os
import signal
import stat
from pathlib import Path

import pytest

from edge.cups_end import End
from edge.cups_journal import Header, PrintJournal, settle_abandoned, settlement_of
from edge.cups_passage import _settle
from edge.settle import deliver
from edge.spool import CaptureSpool, Settlement, SpoolError
from tests.edge.instance_stub import TOKEN, InstanceStub
from tests.edge.test_cups_client import client_for


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "spool"


def waiting(spool: CaptureSpool) -> list[Settlement]:
    return [settlement for _, settlement in spool.waiting()]


def names(folder: Path) -> list[str]:
    return sorted(path.name.split(".", 1)[1] for path in folder.iterdir())


def test_what_is_put_is_private_and_kept_in_order(folder: Path) -> None:
    spool = CaptureSpool(folder)
    put = [Settlement(1, 1, 3), Settlement(2, 1, None, "cancelled"), Settlement(1, 2, 4)]
    for settlement in put:
        spool.put(settlement)
    assert waiting(CaptureSpool(folder)) == put
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_a_folder_open_to_others_is_refused(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o750)
    with pytest.raises(SpoolError, match="0700"):
        CaptureSpool(folder)


def test_a_link_is_refused(folder: Path, tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.mkdir(mode=0o700)
    folder.symlink_to(real)
    with pytest.raises(SpoolError):
        CaptureSpool(folder)


def test_another_users_folder_is_refused(folder: Path) -> None:
    folder.mkdir(mode=0o700)
    if os.geteuid() == 0:
        os.chown(folder, 65534, 65534)
    else:
        folder = Path("/")
    with pytest.raises(SpoolError, match="must belong"):
        CaptureSpool(folder)


def test_a_link_in_the_spool_is_not_followed(folder: Path, tmp_path: Path) -> None:
    spool = CaptureSpool(folder)
    secret = tmp_path / "secret"
    secret.write_text('{"job": 1, "run": 1, "pages": 3, "reason": ""}')
    (folder / "0.json").symlink_to(secret)
    with pytest.raises(OSError, match="symbolic link"):
        list(spool.waiting())
    assert secret.exists()


def test_a_damaged_file_is_set_aside_and_does_not_block(folder: Path) -> None:
    spool = CaptureSpool(folder)
    (folder / "0.json").write_text("{")
    spool.put(Settlement(1, 1, 3))
    assert waiting(spool) == [Settlement(1, 1, 3)]
    assert (folder / "0.json.refused").exists()


HEADER = Header(7, 2, "urn:uuid:7", "anna", "essay", "socket://printer", 3)


def test_a_journal_of_the_living_is_left_alone(folder: Path) -> None:
    spool = CaptureSpool(folder)
    journal = PrintJournal(spool, HEADER)
    journal.note(2)
    assert settle_abandoned(CaptureSpool(folder)) == 0
    journal.settle(settlement_of(HEADER, 3))
    assert waiting(spool) == [Settlement(7, 2, 3, uuid="urn:uuid:7")]
    assert names(folder) == ["json"]


def die_while_printing(folder: Path, *notes: int) -> None:
    """Let another process begin a print, note some pages, and be killed."""
    ready, tell = os.pipe()
    child = os.fork()
    if child == 0:
        journal = PrintJournal(CaptureSpool(folder), HEADER)
        for pages in notes:
            journal.note(pages)
        os.write(tell, b"x")
        signal.pause()
    os.close(tell)
    assert os.read(ready, 1) == b"x"
    os.close(ready)
    assert settle_abandoned(CaptureSpool(folder)) == 0
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def test_the_pages_of_a_killed_print_are_captured(folder: Path) -> None:
    die_while_printing(folder, 1, 2)
    spool = CaptureSpool(folder)
    assert settle_abandoned(spool) == 1
    assert waiting(spool) == [Settlement(7, 2, 2, uuid="urn:uuid:7")]
    assert settle_abandoned(spool) == 0


def test_a_print_killed_before_the_first_page_is_given_back(folder: Path) -> None:
    die_while_printing(folder)
    spool = CaptureSpool(folder)
    settle_abandoned(spool)
    (settlement,) = waiting(spool)
    assert settlement.pages is None
    assert "interrupted" in settlement.reason


def test_an_unfinished_last_number_does_not_count(folder: Path) -> None:
    die_while_printing(folder, 2)
    (journal,) = folder.glob("*.open")
    with journal.open("a") as file:
        file.write("30")
    spool = CaptureSpool(folder)
    settle_abandoned(spool)
    assert waiting(spool) == [Settlement(7, 2, 2, uuid="urn:uuid:7")]


@pytest.fixture
def stub() -> InstanceStub:
    return InstanceStub().up()


def test_a_refused_settlement_does_not_hold_back_the_others(folder: Path, stub: InstanceStub) -> None:
    spool = CaptureSpool(folder)
    spool.put(Settlement(1, 1, 3))
    spool.put(Settlement(2, 1, 4))
    stub.orders.fail.append((404, "not_found"))
    done = deliver(spool, client_for(stub.url), 1, 0.1)
    stub.down()
    assert (done.sent, done.away, len(done.refused)) == (1, "", 1)
    assert names(folder) == ["json.refused"]


def test_a_refused_token_keeps_everything(folder: Path, stub: InstanceStub) -> None:
    spool = CaptureSpool(folder)
    spool.put(Settlement(1, 1, 3))
    done = deliver(spool, client_for(stub.url, token="tpm_old"), 1, 0.1)
    stub.down()
    assert (done.sent, len(done.refused)) == (0, 1)
    assert names(folder) == ["json"]


def test_a_full_disk_after_the_print_is_told_at_once(
    folder: Path, stub: InstanceStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = CaptureSpool(folder)
    journal = PrintJournal(spool, HEADER)
    journal.note(2)

    def full(*_: object) -> None:
        raise SpoolError("the spool cannot be written: No space left on device")

    monkeypatch.setattr(spool, "put", full)
    _settle(spool, journal, client_for(stub.url), End(0, settlement_of(HEADER, 3)), 1)
    stub.down()
    assert stub.settled[(7, 2)]["pages"] == 3
    assert names(folder) == ["open"]


def test_a_release_is_delivered(stub: InstanceStub, folder: Path) -> None:
    spool = CaptureSpool(folder)
    spool.put(Settlement(1, 1, None, "cancelled"))
    assert deliver(spool, client_for(stub.url, token=TOKEN), 1, 0.1).sent == 1
    stub.down()
    assert stub.settled[(1, 1)]["how"] == "release"
    assert names(folder) == []
