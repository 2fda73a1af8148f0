"""The people of a real OpenLDAP: a thousand in the quick tests; a hundred thousand and a killed worker in the long."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import ldap3
import pytest
from flask import Flask
from sqlalchemy import func, select

from app import clock
from app.db import reading, writing
from app.ledger.models import Account
from app.ledger.verify import verify
from app.people import sync, sync_watch, sync_work
from app.people.models import Membership, User
from app.people.sync_models import DirectorySync, SyncPerson
from app.settings import settings_of_app
from directory.roster import LdapRoster
from tests.people.roll import former, known, look_up
from tests.servers.population import (
    account,
    changing,
    effective_groups_of,
    group_dn,
    lasting_id,
    person_dn,
    populated,
)
from tests.servers.slapd import Slapd

PEOPLE, GROUPS, DEMO_PEOPLE = 1_000, 40, 4
ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-c", "from app.cli import main; main()", "sync"]


@pytest.fixture(scope="module")
def crowd() -> Iterator[Slapd]:
    """A thousand people, who are changed here."""
    with populated(PEOPLE, GROUPS) as server:
        yield server


@pytest.fixture
def instance_of(make_instance: Callable[..., Flask]) -> Callable[..., Flask]:
    """A function that makes an instance with the people of an OpenLDAP."""

    def make(server: Slapd, **plan: object) -> Flask:
        app = make_instance(
            servers=(server.ldaps_url,),
            ca_file=str(server.ca_file),
            bind_dn=server.bind_dn,
            base_dn=server.base_dn,
            secrets={"directory.password": server.bind_password},
            **plan,
        )
        settings = app.extensions["twinpurse.settings"]
        app.extensions["twinpurse.roster"] = LdapRoster(settings.config.directory, settings.directory_password)
        return app

    return make


def read_everybody(app: Flask) -> DirectorySync:
    made = writing(lambda session: sync.begin(session, kind="full", asked_by="", now=clock.now()))
    roster: LdapRoster = app.extensions["twinpurse.roster"]
    sync_work.work(made.id, roster=roster, settings=settings_of_app().config.directory)
    return look_up(made.id)


def look(app: Flask) -> bool:
    roster: LdapRoster = app.extensions["twinpurse.roster"]
    return sync_watch.look(roster=roster, settings=settings_of_app().config.directory)


def test_a_thousand_people_a_rename_a_group_and_somebody_who_leaves(
    crowd: Slapd, instance_of: Callable[..., Flask]
) -> None:
    app = instance_of(crowd)
    with app.app_context():
        done = read_everybody(app)
        assert (done.state, done.read, done.added) == ("done", PEOPLE + DEMO_PEOPLE, PEOPLE + DEMO_PEOPLE)
        people = known()
        for number in (0, 1, 499, 999):
            user = people[account(number)]
            assert user.directory_id == lasting_id(number)
            assert tuple(sorted(group.name for group in user.groups)) == effective_groups_of(number, GROUPS)
        with changing(crowd.port) as connection:
            connection.modify_dn(person_dn(7), "uid=renamed")
            connection.delete(person_dn(8))
            connection.modify(group_dn("g005"), {"member": [(ldap3.MODIFY_DELETE, [person_dn(5)])]})
        assert look(app)  # the server tells who changed, not who left
        people = known()
        assert people["renamed"].directory_id == lasting_id(7)
        assert former() == {account(7): people["renamed"].id}
        assert "g005" not in {group.name for group in people[account(5)].groups}
        assert people[account(8)].status == "active"
        done = read_everybody(app)
        assert (done.gone, done.renamed, done.groups, done.added) == (1, 0, 0, 0)
        assert known()[account(8)].status == "gone"
        crowd.child.stop()
        try:
            assert read_everybody(app).state == "failed"
            assert reading().scalar(select(func.count()).where(User.status == "gone")) == 1
        finally:
            crowd.child.start()


@pytest.mark.long
def test_a_hundred_thousand_people_and_a_worker_that_is_killed_once(
    database_url: str, instance_of: Callable[..., Flask]
) -> None:
    people, groups = 100_000, 400
    with populated(people, groups) as server:
        app = instance_of(server, database_url=database_url)
        folder = str(app.extensions["twinpurse.settings"].folder)
        with app.app_context():
            process = subprocess.Popen([*COMMAND, folder, "--full"], cwd=ROOT)
            try:
                wait_until_applied(process, people // 5)
            finally:
                os.kill(process.pid, signal.SIGKILL)
                process.wait()
            killed = newest()
            assert (killed.state, killed.read) == ("applying", people + DEMO_PEOPLE)
            assert 0 < (reading().scalar(select(func.count()).select_from(User)) or 0) < people
            long_ago = clock.now() - timedelta(minutes=2)
            writing(lambda session: session.get_one(DirectorySync, killed.id).__setattr__("alive_at", long_ago))
            assert sync.unattended(reading(), now=clock.now()) == [killed.id]
            began = time.monotonic()
            roster: LdapRoster = app.extensions["twinpurse.roster"]
            assert sync_work.work(killed.id, roster=roster, settings=settings_of_app().config.directory)
            print(f"the rest was applied in {time.monotonic() - began:.1f} s")
            assert (look_up(killed.id).state, look_up(killed.id).applied) == ("done", people + DEMO_PEOPLE)
            for table, count in ((User, people + DEMO_PEOPLE), (Account, people + DEMO_PEOPLE), (SyncPerson, 0)):
                assert reading().scalar(select(func.count()).select_from(table)) == count
            wanted = sum(len(effective_groups_of(number, groups)) for number in range(people))
            assert abs((reading().scalar(select(func.count()).select_from(Membership)) or 0) - wanted) <= DEMO_PEOPLE
            assert verify(reading()).differences == []
            reading().rollback()
            memory_mb = memory_of([*COMMAND, folder, "--full"])
            assert newest().applied == 0
        assert memory_mb < 300


def newest() -> DirectorySync:
    reading().rollback()
    found = sync.newest(reading())
    assert found is not None
    return look_up(found.id)


def wait_until_applied(process: subprocess.Popen[bytes], people: int) -> None:
    """Wait until a pass has applied so many changes."""
    deadline = time.monotonic() + 300
    while True:
        reading().rollback()
        last = sync.newest(reading())
        if last is not None and last.applied >= people:
            return
        assert process.poll() is None, "the command ended by itself"
        assert time.monotonic() < deadline, "the pass did not go on"
        time.sleep(0.01)


def memory_of(command: list[str]) -> float:
    """Run a command and return the most memory it had, in MB."""
    program = (
        "import resource, subprocess, sys;"
        "subprocess.run(sys.argv[1:], check=True);"
        "print('KIB', resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *command], cwd=ROOT, capture_output=True, text=True, check=True
    )
    found = re.search(r"KIB (\d+)", done.stdout)
    assert found, done.stdout
    return int(found.group(1)) / 1000
