"""Moving value between two real instances: done or undone wherever somebody dies, never half, with the record."""

from __future__ import annotations

import os
import re
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from app import clock as real_clock
from app.db import reading, writing
from app.ledger import accounts
from app.ledger import service as ledger
from app.ledger.verify import verify
from app.money import MICRO
from directory.memory import MemoryDirectory
from portal.calls import Call, CallError, SilentError
from portal.exchange_records import Exchange, Records
from portal.exchanges import GIVE_UP, Exchanges
from portal.factory import create_app
from portal.settings import ExchangeSection, Instance, PortalSettingsError
from portal.store import Store
from tests.conftest import PORTAL_KEY
from tests.portal.conftest import Clock, sign_in, text_of, write_folder
from tests.portal.instance_stub import InstanceStub
from tests.servers.web import WebServer

ID = "0123456789abcdef0123456789abcdef"
PAIR = ExchangeSection.model_validate({"from": "print", "to": "net", "rate": "100"})


@dataclass
class Purses:
    """Alice's two purses, each in a real instance; the first holds 5.00."""

    apps: dict[str, Flask]
    webs: dict[str, WebServer]
    folder: Path
    clock: Clock = field(default_factory=Clock)

    def exchanges(self) -> Exchanges:
        """A portal's exchanges, as after a start; nothing goes on in the background."""
        instances = tuple(
            Instance(name, name.title(), "print", web.url, web.url, PORTAL_KEY) for name, web in self.webs.items()
        )
        made = Exchanges(instances, (PAIR,), Records(Store(self.folder).path), self.clock)
        made.keep_going = lambda: None  # type: ignore[method-assign]
        return made

    def begin(self, exchanges: Exchanges, amount: int = 2 * MICRO) -> Exchange:
        """Alice moves an amount."""
        return exchanges.begin(
            exchange_id=ID, username="alice", directory_id=self.directory_id, pair=PAIR, amount=amount, words="x"
        )

    @property
    def directory_id(self) -> str:
        """Alice's identifier."""
        from app.people.credentials import identify

        with self.apps["print"].app_context():
            return identify("alice").directory_id

    def figures(self) -> dict[str, tuple[float, float]]:
        """(balance, set aside) of each purse, in units."""
        found = {}
        for name, app in self.apps.items():
            with app.app_context():
                from app.people.credentials import identify

                account = accounts.get_account(reading(), user_id=identify("alice").id)
                found[name] = (account.balance / MICRO, account.reserved / MICRO)
                assert verify(reading()).differences == []
        return found


DONE = {"print": (3, 0), "net": (200, 0)}
UNDONE = {"print": (5, 0), "net": (0, 0)}


@pytest.fixture
def purses(
    tmp_path: Path, make_instance: Callable[..., Flask], known: Callable[..., dict[str, int]]
) -> Iterator[Purses]:
    apps = {}
    for name, charges in (("print", "print"), ("net", "internet")):
        app = make_instance(charges=(charges,))
        settings = app.extensions["twinpurse.settings"]
        allowed = settings.config.exchange.model_copy(update={"out": True, "into": True})
        settings.config = settings.config.model_copy(update={"id": name, "exchange": allowed})
        app.config["INSTANCE_ID"] = name
        with app.app_context():
            users = known()
            if name == "print":
                account = accounts.get_account(reading(), user_id=users["alice"]).id
                writing(
                    lambda session, account=account: ledger.post(
                        session,
                        account_id=account,
                        amount=5 * MICRO,
                        source="adjustment",
                        key="test",
                        now=real_clock.now(),
                        title="Start",
                    )
                )
        apps[name] = app
    with ExitStack() as stack:
        webs = {name: stack.enter_context(WebServer(app)) for name, app in apps.items()}
        yield Purses(apps, webs, tmp_path)


def test_what_leaves_one_purse_arrives_in_the_other_once(purses: Purses) -> None:
    exchanges = purses.exchanges()
    assert purses.begin(exchanges).state == "done"
    assert purses.figures() == DONE
    assert purses.begin(exchanges).state == "done"  # the form was sent twice
    assert purses.figures() == DONE


@pytest.mark.long
@pytest.mark.parametrize(
    ("instance", "part", "reason"),
    [("print", "out", "takes no part"), ("net", "into", "takes no part")],
)
def test_a_purse_that_takes_no_part_moves_nothing(purses: Purses, instance: str, part: str, reason: str) -> None:
    settings = purses.apps[instance].extensions["twinpurse.settings"]
    off = settings.config.exchange.model_copy(update={part: False})
    settings.config = settings.config.model_copy(update={"exchange": off})
    found = purses.begin(purses.exchanges())
    assert (found.state, reason in found.reason) == ("undone", True)
    assert purses.figures() == UNDONE


def test_more_than_there_is_moves_nothing(purses: Purses) -> None:
    found = purses.begin(purses.exchanges(), 6 * MICRO)
    assert (found.state, found.reason) == ("undone", "There was not enough in the purse.")
    assert purses.figures() == UNDONE


class _Boundary:
    """Calls something at one chosen moment: before or after each request and each line of the record."""

    def __init__(self, exchanges: Exchanges, at: int, then: Callable[[], object]) -> None:
        self.count, self.at, self.then = 0, at, then
        caller, records = exchanges._caller, exchanges.records
        caller.run = self._around(caller.run)  # type: ignore[method-assign]
        records.move = self._around(records.move)  # type: ignore[method-assign]
        records.begin = self._around(records.begin)  # type: ignore[method-assign]

    def _around(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **more: Any) -> Any:
            self._pass()
            result = real(*args, **more)
            self._pass()
            return result

        return wrapped

    def _pass(self) -> None:
        self.count += 1
        if self.count == self.at:
            self.then()


BOUNDARIES = 14  # one record begun, three requests and three lines, before and after each


@pytest.mark.long
def test_the_number_of_boundaries_is_right(purses: Purses) -> None:
    exchanges = purses.exchanges()
    boundary = _Boundary(exchanges, 0, lambda: None)
    purses.begin(exchanges)
    assert boundary.count == BOUNDARIES


@pytest.mark.parametrize("at", [pytest.param(n, marks=() if n == 9 else pytest.mark.long) for n in range(1, 15)])
def test_a_portal_killed_at_each_step_ends_done_or_undone(purses: Purses, at: int) -> None:
    """A real process and a real SIGKILL; the next portal finds the record and goes on."""
    pid = os.fork()
    if not pid:
        exchanges = purses.exchanges()
        _Boundary(exchanges, at, lambda: os.kill(os.getpid(), signal.SIGKILL))
        purses.begin(exchanges)
        os._exit(0)
    assert os.WTERMSIG(os.waitpid(pid, 0)[1]) == signal.SIGKILL
    purses.clock.forward(seconds=31)  # the dead process's claim has ended
    after = purses.exchanges()
    assert after.go_on_with_all() == 0
    record = after.records.get(ID)
    if at == 1:
        assert record is None
        assert purses.figures() == UNDONE
    else:
        assert record is not None
        assert record.state == "done"
        assert purses.figures() == DONE


@pytest.mark.long
@pytest.mark.parametrize("lost", ["hold", "credit", "capture"])
@pytest.mark.parametrize("heard", [True, False])
def test_an_answer_or_a_request_that_is_lost_is_told_again(purses: Purses, lost: str, heard: bool) -> None:
    exchanges = purses.exchanges()
    real = exchanges._caller.run

    def run(calls: list[Call], **options: Any) -> dict[str, bytes | CallError]:
        if calls[0].path.endswith(lost):
            if heard:
                real(calls, **options)
            return {calls[0].instance.id: SilentError("lost")}
        return real(calls, **options)

    exchanges._caller.run = run  # type: ignore[method-assign]
    assert purses.begin(exchanges).is_open
    exchanges._caller.run = real  # type: ignore[method-assign]
    assert exchanges.go_on_with_all() == 0
    assert purses.figures() == DONE


def test_a_credit_that_was_made_is_never_taken_for_refused(purses: Purses) -> None:
    """The answer is lost, and meanwhile the target is switched off: what was credited counts."""
    exchanges = purses.exchanges()
    boundary = _Boundary(exchanges, 9, lambda: (_ for _ in ()).throw(KeyboardInterrupt))  # the credit is made
    with pytest.raises(KeyboardInterrupt):
        purses.begin(exchanges)
    assert boundary.count == 9
    settings = purses.apps["net"].extensions["twinpurse.settings"]
    off = settings.config.exchange.model_copy(update={"into": False})
    settings.config = settings.config.model_copy(update={"exchange": off})
    assert purses.exchanges().go_on_with_all() == 0
    assert purses.figures() == DONE


@pytest.mark.long
def test_what_nobody_answered_for_minutes_is_undone(purses: Purses) -> None:
    exchanges = purses.exchanges()
    real = exchanges._caller.run

    def lose(calls: list[Call], **options: Any) -> dict[str, bytes | CallError]:
        real(calls, **options)
        return {calls[0].instance.id: SilentError("lost")}

    exchanges._caller.run = lose  # type: ignore[method-assign]
    assert purses.begin(exchanges).state == "begun"
    assert purses.figures()["print"] == (5, 2)
    exchanges._caller.run = real  # type: ignore[method-assign]
    purses.clock.forward(seconds=(GIVE_UP + timedelta(seconds=1)).total_seconds())
    assert exchanges.go_on_with_all() == 0
    assert purses.figures() == UNDONE


@pytest.mark.long
def test_many_portals_at_once_move_it_once(purses: Purses) -> None:
    many = [purses.exchanges() for _ in range(6)]
    threads = [threading.Thread(target=purses.begin, args=(exchanges,)) for exchanges in many]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert many[0].go_on_with_all() == 0
    assert purses.figures() == DONE


MORE = '\n[[exchange]]\nfrom = "{source}"\nto = "{target}"\nrate = "{rate}"\n'


def write(
    folder: Path, purses: Purses | None = None, source: str = "print", target: str = "net", rate: str = "100"
) -> Path:
    """A portal's folder before the two instances."""
    ports = {name: web.url.rpartition(":")[2] for name, web in purses.webs.items()} if purses else {}
    write_folder(
        folder, [InstanceStub(name, port=int(ports.get(name, n))) for n, name in enumerate(("print", "net"), 1)]
    )
    for name in ("print", "net"):
        if purses:
            (folder / "secrets" / f"instance-{name}.key").write_text(f"{PORTAL_KEY}\n")
    path = folder / "portal.toml"
    path.write_text(path.read_text() + MORE.format(source=source, target=target, rate=rate))
    return folder


def test_the_pages_show_the_rate_ask_do_and_keep_the_record(
    purses: Purses, cast: MemoryDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write(tmp_path / "portal", purses)
    # Both instances of the test share one key, which a real portal refuses.
    monkeypatch.setattr("portal.settings._repeated", lambda values: [])
    client = create_app(folder, directory=cast).test_client()
    assert sign_in(client, "alice", "demo-alice").status_code == 303
    page = client.get("/exchange")
    assert "Print to Internet: $1.00 becomes $100.00" in text_of(page)
    token = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
    assert token
    fields = {"csrf_token": token[1], "pair": "print-net", "amount": "2"}
    shown = client.post("/exchange", data=fields)
    assert "$2.00 from Print becomes $200.00 in Internet." in text_of(shown)
    form_id = re.search(r'name="form_id" value="([^"]+)"', shown.text)
    assert form_id
    for _ in range(2):
        assert client.post("/exchange/now", data=fields | {"form_id": form_id[1]}).status_code == 303
    text = text_of(client.get("/exchange"))
    assert "$2.00 from Print became $200.00 in Internet" in text
    assert "Done" in text
    assert purses.figures() == DONE
    assert "You have $3.00 to move" in text_of(client.post("/exchange", data=fields | {"amount": "4"}))
    assert client.post("/exchange", data=fields | {"amount": "1,5"}).status_code == 422


def test_without_a_direction_there_is_no_page(mara: Any) -> None:
    assert mara.get("/exchange").status_code == 404
    assert "Move value" not in mara.get("/").text


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"source": "print", "target": "print"}, "not two of the instances"),
        ({"target": "cafeteria"}, "not two of the instances"),
        ({"rate": "0"}, "over 0"),
        ({"rate": "-1"}, "over 0"),
    ],
)
def test_a_direction_that_cannot_be_stops_the_start(tmp_path: Path, more: dict[str, str], words: str) -> None:
    with pytest.raises(PortalSettingsError, match=words):
        create_app(write(tmp_path / "portal", None, **more))
