"""What is decided and what happens at the demo's Internet instance: rates, lists of sites, use by the hour, Wi-Fi."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import datetime, time, timedelta
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from app.db import reading, writing
from app.internet import booking, rate_changes, rate_site_changes, rates
from app.internet.hours import Slot
from app.internet.rate_changes import Rates
from app.internet.rate_rules import Hours
from app.ledger import accounts
from app.money import MICRO
from app.people import service as people
from app.radius import packets
from app.radius import service as radius
from app.settings import Settings

if TYPE_CHECKING:
    from demo.activity import Scene

SOURCE = "proxy1"
MB = 1_000_000
HOUR_S = 3600
BY_THE_HOUR = 10
"""So many days back, use is booked in several batches a day; before, once a day, as from a log that came late."""

SITE_LISTS = (
    ("School sites", 0, True, ("northfield.example", "timetable.northfield.example")),
    ("Learning", 50, False, ("wikipedia.org", "khanacademy.org", "projekt-gutenberg.org")),
    ("Video", 150, False, ("youtube.com", "vimeo.com")),
)
HOURS = (
    Hours("Lunch break", "12345", 12 * 60, 13 * 60, 150),
    Hours("Evening", "1234567", 18 * 60, 6 * 60, 50),
)
HABITS = {"alice": (2, 9), "bob": (3, 12), "carol": (2, 8)}
"""Megabytes in an hour, from and to."""


def decide(scene: Scene) -> None:
    """Say what the Internet costs, and which sites are free, cheaper or dearer."""
    settings, by, now = scene.settings, scene.by, scene.begin

    def work(session: Session) -> None:
        staff = people.group_named(session, name="Staff").id
        price = settings.config.internet.price_per_mb
        said = Rates(down=price, up=price, hours=HOURS, groups={staff: 50})
        rate_changes.save(session, said=said, version=0, settings=settings, by=by, now=now)
        for name, percent, always_open, domains in SITE_LISTS:
            rate_site_changes.save_site_list(
                session,
                site_list_id=None,
                name=name,
                percent=percent,
                always_open=always_open,
                domains=domains,
                settings=settings,
                by=by,
                now=now,
            )

    writing(work)


def happen(scene: Scene) -> Iterator[tuple[datetime, Callable[[], object]]]:
    """Yield batches of use, and sessions of the Wi-Fi; each with the moment at which it is booked."""
    chance = random.Random(20121114)
    zone = scene.settings.zone
    days = (scene.now - scene.begin).days + 1
    for number in range(days):
        date = (scene.begin + timedelta(days=number)).astimezone(zone).date()
        slots = []
        for hour in range(8, 22):
            start = datetime.combine(date, time(hour), zone)
            end = start + timedelta(minutes=59)
            used = _hour(chance, school=date.weekday() < 5 and hour < 16)
            if used and end < scene.now:
                slots.append((start, used))
        together = 4 if days - number <= BY_THE_HOUR else 24
        for first in range(0, len(slots), together):
            some = slots[first : first + together]
            at = some[-1][0] + timedelta(minutes=59)
            yield at, partial(_book, scene, some, at)
    yield from _wifi(scene)
    at = scene.school_days(2)[1] + timedelta(hours=13)
    yield at, partial(_book, scene, [(at - timedelta(hours=1), [("n.grant", 0, 18 * MB)])], at)


def _hour(chance: random.Random, *, school: bool) -> list[tuple[str, int, int]]:
    """Return (name, place of the list of sites from 1 on or 0, bytes) of an hour; often nothing."""
    used = []
    for name, (least, most) in HABITS.items():
        for site in (0, 1, 2, 3):
            rarely = (0.12 if school else 0.06) / (3 if site == 3 else 1)
            if chance.random() < rarely * 2:
                used.append((name, site, chance.randrange(least * MB, most * MB)))
    return used


def _book(scene: Scene, slots: list[tuple[datetime, list[tuple[str, int, int]]]], at: datetime) -> None:
    """Book a batch; nothing of who has hardly anything left: the proxy would have refused it."""
    open_for = {name for name in HABITS if _has_some_left(scene.users[name].id)} | {"n.grant"}
    names = sorted({name for _, used in slots for name, _, _ in used} & open_for)
    if not names:
        return
    ids = [scene.users[name].id if name in scene.users else None for name in names]
    made = []
    for start, used in slots:
        rows = [row for row in used if row[0] in names]
        if rows:
            places = [names.index(row[0]) for row in rows]
            sizes = [row[2] for row in rows]
            second = int(start.timestamp()) // HOUR_S * HOUR_S
            requests = [size // 60_000 for size in sizes]
            made.append(Slot(second, places, [row[1] for row in rows], sizes, [], [], requests))
    usage = booking.Usage(names, ids, [int(at.timestamp())] * len(names), made)

    def work(session: Session) -> None:
        place, plan = booking.place(session, source=SOURCE).batch, rates.load(session, scene.settings)
        booking.book(session, source=SOURCE, batch=place + 1, position={}, usage=usage, plan=plan, now=at)

    writing(work)


def _has_some_left(user_id: int) -> bool:
    return accounts.get_account(reading(), user_id=user_id).balance > MICRO // 2


def _wifi(scene: Scene) -> Iterator[tuple[datetime, Callable[[], object]]]:
    """Yield two sessions at the Wi-Fi controller: one of yesterday, and one that began half an hour ago."""
    yesterday = scene.school_days(1)[0] + timedelta(hours=15, minutes=5)
    for session_id, status, at, size in (
        ("demo-1", "Start", yesterday - timedelta(minutes=48), 0),
        ("demo-1", "Stop", yesterday, 14 * MB),
        ("demo-2", "Start", scene.now - timedelta(minutes=31), 0),
        ("demo-2", "Interim-Update", scene.now - timedelta(minutes=1), 6 * MB),
    ):
        seconds = {"Stop": 48 * 60, "Interim-Update": 30 * 60}.get(status, 0)
        body = {
            "Acct-Status-Type": status,
            "Acct-Session-Id": session_id,
            "User-Name": "alice",
            "NAS-Identifier": "wifi-controller",
            "NAS-IP-Address": "127.0.0.1",
            "Calling-Station-Id": "5C-E9-1E-00-17-2A",
            "Framed-IP-Address": "10.20.3.44",
            "Acct-Session-Time": seconds,
            "Acct-Input-Octets": size // 10,
            "Acct-Output-Octets": size,
            "Acct-Terminate-Cause": "User-Request" if status == "Stop" else "",
        }
        yield at, partial(_account, scene.settings, scene.users["alice"].id, body, at)


def _account(settings: Settings, user_id: int, body: dict[str, object], at: datetime) -> None:
    def work(session: Session) -> None:
        packet = packets.read_packet(body, now=at, zone=settings.zone)
        plan = rates.load(session, settings)
        radius.account(session, packet=packet, user_id=user_id, plan=plan, now=at)

    writing(work)
