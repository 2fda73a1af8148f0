"""How long a sync of 100,000 people takes, beside ldap3 alone reading them, and one after which little changed."""

from __future__ import annotations

import multiprocessing
import re
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import ldap3
from sqlalchemy import func, select

from app import clock
from app.db import db, reading, writing
from app.factory import create_app
from app.people import sync, sync_watch, sync_work
from app.people.models import Membership, User
from app.settings import Settings
from directory.memory import MemoryDirectory
from directory.roster import LdapRoster
from directory.roster_groups import group_search
from directory.roster_people import PeopleReader
from directory.settings import DirectorySettings
from tests.bench.place import Place, filled
from tests.bench.table import Row, side_by_side
from tests.servers.population import changing, effective_groups_of, lasting_id, person_dn, populated
from tests.servers.postgres import Postgres

PEOPLE, GROUPS = 100_000, 400
DEMO_PEOPLE = 4
PAGE = 500
CHANGED = 10
MEMORY_MB = 300
CHANGES_S = 3


@dataclass(frozen=True)
class Source:
    """The directory, as every process is told of it."""

    settings: DirectorySettings
    password: str
    port: int


@dataclass(frozen=True)
class Done:
    """What a process did: seconds, and the most memory it had in MB; for a sync also a second one of what changed."""

    seconds: float
    memory_mb: float
    changes_s: float = 0.0


def rows(server: Postgres) -> list[Row]:
    """Measure both databases."""
    with populated(PEOPLE, GROUPS) as directory:
        settings = DirectorySettings(
            servers=[directory.ldaps_url],
            ca_file=str(directory.ca_file),
            bind_dn=directory.bind_dn,
            base_dn=directory.base_dn,
        )
        source = Source(settings, directory.bind_password, directory.port)
        ours, beside = side_by_side(
            lambda: _in_process(_list, source).seconds, lambda: _in_process(_ldap3_alone, source).seconds
        )
        what = f"reading {PEOPLE:,} people with their groups from LDAP, beside ldap3 alone"
        listed = Row(what, "s", ours, beside, bar=1.0, less_is_better=True)
        return [listed, *_rows("SQLite", None, source), *_rows("PostgreSQL", server, source)]


def _rows(name: str, server: Postgres | None, source: Source) -> list[Row]:
    done: list[Done] = []

    def full(place: Place) -> float:
        done.append(_in_process(_sync, source, place.fresh()))
        return done[-1].seconds

    with filled(server, lambda: None) as place:
        ours, beside = side_by_side(lambda: full(place), lambda: _in_process(_ldap3_alone, source).seconds)
    what = f"a sync of {PEOPLE:,} people, {name}"
    memory, changes = max(one.memory_mb for one in done), max(one.changes_s for one in done)
    return [
        Row(f"{what} (beside ldap3 alone reading them)", "s", ours, beside, bar=1.5, less_is_better=True),
        Row(f"{what}: memory", "MB", memory, MEMORY_MB, 1.0, less_is_better=True),
        Row(f"{what}: the next one, {CHANGED} changed", "s", changes, CHANGES_S, 1.0, less_is_better=True),
    ]


def _in_process(work: Callable[..., Done], *values: object) -> Done:
    """Do the work in a process of its own."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_send, args=(theirs, work, values))
    process.start()
    theirs.close()
    try:
        done: Done = ours.recv()
    finally:
        process.join()
    return done


def _send(pipe: Connection, work: Callable[..., Done], values: tuple[object, ...]) -> None:
    pipe.send(work(*values))


def _ldap3_alone(source: Source) -> Done:
    """All groups with their members and all people with the attributes that a sync needs, and nothing made of them."""
    (address,) = source.settings.addresses
    tls = ldap3.Tls(validate=ssl.CERT_REQUIRED, ca_certs_file=source.settings.ca_file)
    where = ldap3.Server(address.host, port=address.port, use_ssl=True, tls=tls, get_info=ldap3.NONE)
    search = group_search(source.settings)
    group_attributes = [source.settings.group_name_attribute, *search.dn_attributes, *search.account_attributes]
    questions = [
        (search.base, search.filter, group_attributes),
        (source.settings.base_dn, source.settings.everybody_filter, PeopleReader(source.settings).attributes),
    ]
    start = time.perf_counter()
    connection = ldap3.Connection(
        where, source.settings.bind_dn, source.password, auto_bind=True, check_names=False, raise_exceptions=True
    )
    counts = [
        sum(
            1
            for _ in connection.extend.standard.paged_search(
                base, search_filter, attributes=attributes, paged_size=PAGE, generator=True
            )
        )
        for base, search_filter, attributes in questions
    ]
    seconds = time.perf_counter() - start
    connection.unbind()
    if counts[1] != PEOPLE + DEMO_PEOPLE:
        raise RuntimeError(f"ldap3 read {counts[1]} people")
    return Done(seconds, _peak_memory_mb())


def _list(source: Source) -> Done:
    start = time.perf_counter()
    count = sum(len(page) for page in LdapRoster(source.settings, source.password).everyone())
    seconds = time.perf_counter() - start
    if count != PEOPLE + DEMO_PEOPLE:
        raise RuntimeError(f"{count} people were listed")
    return Done(seconds, _peak_memory_mb())


def _sync(source: Source, folder: Path) -> Done:
    """A full pass into an empty instance; then some change, and those are followed."""
    app = create_app(Settings.load(folder), directory=MemoryDirectory([]))
    roster = LdapRoster(source.settings, source.password)
    with app.app_context():
        reading().execute(select(1))
        start = time.perf_counter()
        made = writing(lambda session: sync.begin(session, kind="full", asked_by="bench", now=clock.now()).id)
        sync_work.work(made, roster=roster, settings=source.settings)
        seconds = time.perf_counter() - start
        memory = _peak_memory_mb()
        _check_everybody()
        address = f"{time.time_ns()}@northfield.example"
        with changing(source.port) as admin:
            for number in range(CHANGED):
                admin.modify(person_dn(number), {"mail": [(ldap3.MODIFY_REPLACE, [address])]})
        reading().rollback()
        start = time.perf_counter()
        sync_watch.look(roster=roster, settings=source.settings)
        changes_s = time.perf_counter() - start
        reading().rollback()
        if reading().scalar(select(func.count(User.id)).where(User.email == address)) != CHANGED:
            raise RuntimeError("the changes did not arrive")
        db.session.remove()
        db.engine.dispose()
    return Done(seconds, memory, changes_s)


def _check_everybody() -> None:
    people = reading().scalar(select(func.count(User.id)))
    some = reading().scalars(select(User).where(User.directory_id == lasting_id(400))).one()
    if people != PEOPLE + DEMO_PEOPLE or tuple(group.name for group in some.groups) != effective_groups_of(400, GROUPS):
        raise RuntimeError(f"{people} people arrived")
    if not (reading().scalar(select(func.count()).select_from(Membership)) or 0) > 2 * PEOPLE:
        raise RuntimeError("memberships are missing")
    reading().rollback()


def _peak_memory_mb() -> float:
    """Return the most memory that this process had at any time: what getrusage says begins with its parent's."""
    found = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text("ascii"))
    if found is None:
        raise RuntimeError("/proc/self/status has no VmHWM")
    return int(found[1]) / 1024
