"""The pages of the people sync: started, watched, agreed to, read by an auditor, downloaded; and the health page."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from flask import Flask

from app import cli, clock
from app.db import reading, writing
from app.people import sync
from app.people.sync_models import DirectorySync
from directory.memory import MemoryDirectory, MemoryPerson
from tests.conftest import person
from tests.people.conftest import Hand
from tests.people.roll import Roll, go, id_of, known, look_up
from tests.web.browsing import Browser, signed_in, words_of

PAGE = "/admin/people/sync"


@pytest.fixture
def roll() -> Roll:
    """A directory of thirty, the cast's administrator among them."""
    roll = Roll(*(f"p{number:02}" for number in range(30)))
    known_as = person("admin", "Ada Min", ("Administrators",))
    roll.put("admin", directory_id=known_as.directory_id, display_name="Ada Min", groups=("Administrators",))
    return roll


@pytest.fixture
def site(make_instance: Callable[..., Flask], roll: Roll) -> Flask:
    """An instance with that roster, whose people are known."""
    app = make_instance()
    app.extensions["twinpurse.roster"] = roll
    with app.app_context():
        go(roll)
    return app


@pytest.fixture
def ada(site: Flask) -> Browser:
    """An administrator's browser."""
    return signed_in(site, "admin")


def work_off(app: Flask) -> None:
    """Do what waits in the queue."""
    with app.app_context():
        for job in app.extensions["twinpurse.jobs"].queue.jobs:
            job.func(*job.args)
            job.delete()


def newest(app: Flask) -> DirectorySync:
    with app.app_context():
        found = sync.newest(reading())
        assert found is not None
        return look_up(found.id)


def test_an_administrator_has_everybody_read_and_sees_what_changed(site: Flask, ada: Browser, roll: Roll) -> None:
    roll.put("p01", username="robin", groups=("Choir",))
    roll.put("new", display_name="Nina <New>")
    roll.put("p02", disabled=True)
    roll.remove("p03")
    answer = ada.send(PAGE, PAGE, kind="full")
    assert answer.status_code == 303
    address = answer.location
    waits = ada.get(address).text
    assert "It waits for a worker." in waits
    assert '<meta http-equiv="refresh" content="2">' in waits
    assert "refresh" not in ada.get(f"{address}?still=1").text.split("</head>")[0]
    assert "still=1" in ada.get(PAGE).text
    work_off(site)
    text = ada.text(address)
    for said in ("Nina <New> new", "p01 robin", "Students Choir", "Disabled 1", "Gone 1", "Person p03 p03 active"):
        assert said in text, said
    assert "<New>" not in ada.get(address).text.replace("&lt;New&gt;", "")
    with site.app_context():
        assert f"/admin/people/{known()['robin'].id}" in ada.get(address).text
    assert "1 new, 1 renamed, 1 with other groups, 1 disabled, 1 gone" in ada.text(PAGE)
    assert ada.text("/admin/people?status=gone").count("Person p03") == 1
    assert "Person p04" not in ada.text("/admin/people?status=gone")
    assert "Disabled" in ada.text("/admin/people?q=p02")


def test_a_pass_that_waits_is_shown_in_full_and_applied_or_discarded(site: Flask, ada: Browser, roll: Roll) -> None:
    for number in range(25):
        roll.put(f"p{number:02}", disabled=True)
    address = ada.send(PAGE, PAGE, kind="full").location
    work_off(site)
    assert "25 people would lose their access." in ada.text(PAGE)
    text = ada.text(address)
    assert "25 people of 31 active would lose their access." in text
    assert "All 25" in text
    first = ada.text(f"{address}?what=disabled")
    assert "25 people of 25" in first
    assert "Waits for you" in ada.text("/admin/health")
    assert ada.send(f"{address}/approve", address).status_code == 303
    work_off(site)
    assert "Agreed" in ada.text(address)
    with site.app_context():
        assert sum(user.status == "disabled" for user in known().values()) == 25
    answer = ada.client.post(f"{address}/discard", data={"csrf_token": ada.token(PAGE)}, follow_redirects=True)
    assert "does not wait for an answer any more" in words_of(answer.text)


def test_discarding_changes_nobody(site: Flask, ada: Browser, roll: Roll) -> None:
    roll.people = {"admin": roll.people["admin"]}
    address = ada.send(PAGE, PAGE, kind="full").location
    work_off(site)
    ada.send(f"{address}/discard", address)
    assert "Discarded" in ada.text(address)
    assert "Waits for you" not in ada.text("/admin/health")
    with site.app_context():
        assert {user.status for user in known().values()} == {"active"}


def test_a_preview_says_would_and_one_at_work_can_be_stopped(site: Flask, ada: Browser, roll: Roll) -> None:
    roll.put("=new", display_name="=SUM(A1)")
    address = ada.send(PAGE, PAGE, kind="preview").location
    refused = ada.client.post(PAGE, data={"csrf_token": ada.token(PAGE), "kind": "full"}, follow_redirects=True)
    assert "are being read already" in words_of(refused.text)
    work_off(site)
    assert "What it would change" in ada.text(address)
    with site.app_context():
        assert "=new" not in known()
    table = list(csv.reader(io.StringIO(ada.get(f"{address}/people.csv").text.lstrip("\ufeff"))))
    assert table[0][:2] == ["what", "username"]
    assert table[1] == ["New", "'=new", "'=SUM(A1)", "", "", id_of("=new")]
    again = ada.send(PAGE, PAGE, kind="full").location
    assert ada.send(f"{again}/cancel", again).status_code == 303
    assert newest(site).state == "cancelled"
    work_off(site)
    assert "Stopped" in ada.text(again)


def test_an_auditor_reads_and_changes_nothing_and_others_see_nothing(
    site: Flask, ada: Browser, roll: Roll, cast: MemoryDirectory
) -> None:
    site.extensions["twinpurse.settings"].config.directory.auditor_groups.append("Auditors")
    cast.put(MemoryPerson(person("audrey", "Audrey", ("Auditors",)), "demo-audrey"))
    audrey, alice = signed_in(site, "audrey"), signed_in(site, "alice")
    text = audrey.text(PAGE)
    assert "Passes" in text
    assert "Read everybody now" not in text
    token = ada.token(PAGE)
    assert audrey.client.post(PAGE, data={"kind": "full", "csrf_token": token}).status_code in (400, 403)
    for address in (PAGE, f"{PAGE}/1", f"{PAGE}/1/people.csv"):
        assert alice.get(address).status_code == 403
        assert audrey.get(address).status_code == 200
    assert ada.get(f"{PAGE}/999").status_code == 404
    assert ada.get(f"{PAGE}/1?what=nonsense&after=x").status_code == 200


def test_the_health_page_says_how_old_what_is_known_is(site: Flask, roll: Roll, hand: Hand) -> None:
    with site.app_context():
        go(roll)
    ada = signed_in(site, "admin")
    assert "People sync Up to date 31 people of the directory were read" in ada.text("/admin/health")
    roll.away = True
    with site.app_context():
        go(roll)
    assert "failed: no server answers" in ada.text("/admin/health")
    with site.app_context():
        writing(lambda session: session.delete(session.get_one(DirectorySync, newest(site).id)))
        last = newest(site)
        old = last.started_at - timedelta(days=3)
        writing(lambda session: session.get_one(DirectorySync, last.id).__setattr__("started_at", old))
    assert "People sync Old" in ada.text("/admin/health")


def test_the_command_reads_everybody_previews_and_follows_changes(
    site: Flask, roll: Roll, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(cli, "_ready_app", lambda _settings: site)
    folder = str(site.extensions["twinpurse.settings"].folder)
    roll.put("new")

    def run(*options: str) -> tuple[int, str]:
        done = CliRunner().invoke(cli.cli, ["sync", folder, *options])
        return done.exit_code, done.output

    code, said = run("--preview")
    assert code == 0
    assert "1 new" in said
    assert "this was a preview" in said
    assert run()[1] == "Who changed in the directory is up to date.\n"
    assert run()[1] == "Nobody changed.\n"
    code, said = run("--full")
    assert (code, "32 people read." in said, "0 changes applied." in said) == (0, True, True)
    for number in range(25):
        roll.remove(f"p{number:02}")
    code, said = run("--full")
    assert code == 3
    assert f"{PAGE}/" in said
    roll.away = True
    code, said = run("--full")
    assert code not in (0, 3)
    assert "No server answers." in said
    assert "nobody was changed" in said
    with site.app_context():
        assert clock.now() > look_up(1).started_at
