"""A month of plausible activity, made by the same services that real charges go through.

The same at every start on the same day, but for what chance must make: the codes of cards, and keys.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import takewhile

from app import clock
from app.accounts import service as account_service
from app.accounts.rules import Limit
from app.cards import rules as card_rules
from app.cards import service as cards
from app.db import reading, writing
from app.ledger import accounts
from app.money import MICRO
from app.people import devices, local
from app.people.credentials import identify
from app.people.models import User
from app.schedules import rules as schedule_rules
from app.schedules import runs
from app.schedules import service as schedules
from app.schedules.models import Schedule
from app.schedules.rules import Occurrence
from app.schedules.terms import Terms
from app.settings import Settings, settings_of_app
from app.transfers import service as transfers
from demo import browsing, printing
from demo.people import GUEST, PEOPLE

CARDS = 20
CENT = MICRO // 100


@dataclass(frozen=True, order=True)
class Event:
    """What happened when. Of two at the same moment the one that was thought of first comes first."""

    at: datetime
    work: Callable[[], object] = field(compare=False)


@dataclass(frozen=True)
class Scene:
    """Who is there, in which time everything happens, and who has said what holds."""

    settings: Settings
    users: dict[str, User]
    begin: datetime
    now: datetime

    @property
    def by(self) -> str:
        """The administrator, as they are named beside what they did."""
        admin = self.users["admin"]
        return f"{admin.display_name} ({admin.username})"

    def school_days(self, count: int) -> list[datetime]:
        """Return midnight of the last `count` school days before today, the latest last."""
        today = self.now.astimezone(self.settings.zone).replace(hour=0, minute=0, second=0, microsecond=0)
        days = [today - timedelta(days=back) for back in range(1, count * 2 + 4)]
        return [day for day in days if day.weekday() < 5][:count][::-1]


def fill(*, now: datetime | None = None) -> str:
    """Make the demo's people known to the present instance, give it what administrators decide, and a month of use.

    It begins with the month before the present one, so that a monthly credit lies behind everything. Returns the code
    of a card that nobody has redeemed.
    """
    settings, now = settings_of_app(), now or clock.now()
    begin = _month_before(now.astimezone(settings.zone))
    users = {person.username: identify(person.username) for person in PEOPLE}
    scene = Scene(settings, users, begin, now)
    room = printing if settings.charges_print else browsing
    room.decide(scene)
    schedule = writing(lambda session: schedules.create(session, terms=_terms(settings), now=begin))
    writing(lambda session: schedules.create(session, terms=_welcome(settings), now=begin))
    first_day = scene.school_days(15)[0]
    codes = _make_cards(scene, first_day)
    due = takewhile(lambda moment: moment < now, (found.due_at for found in _occurrences(schedule, begin)))
    credits = [Event(moment, partial(_credit_due, moment)) for moment in due]
    events = [*credits, *_of_purses(scene, codes), *(Event(at, work) for at, work in room.happen(scene))]
    for event in sorted(event for event in events if begin <= event.at <= now):
        event.work()
    return card_rules.grouped(codes[-1])


def freshen(*, now: datetime | None = None) -> None:
    """Have somebody's job wait at the printer that releases jobs: an older one has gone since."""
    settings, now = settings_of_app(), now or clock.now()
    if settings.charges_print:
        printing.wait_for_release(settings, identify("alice"), now)


def _month_before(local_time: datetime) -> datetime:
    first = local_time.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (first - timedelta(days=1)).replace(day=1, tzinfo=local_time.tzinfo)


def _occurrences(schedule: Schedule, begin: datetime) -> Iterator[Occurrence]:
    return schedule_rules.occurrences(schedules.recurrence(schedule), after=begin)


def _terms(settings: Settings) -> Terms:
    weekly = settings.charges_print
    return Terms(
        name="Weekly print money" if weekly else "Monthly Internet money",
        everyone=False,
        groups=("Students",),
        amount=(2 if weekly else 10) * MICRO,
        top_up="add",
        cap=None,
        period="weekly" if weekly else "monthly",
        weekdays=(0,) if weekly else (),
        month_day=None if weekly else 1,
        time_of_day="07:00" if weekly else "00:05",
        time_zone=settings.config.time_zone,
    )


def _welcome(settings: Settings) -> Terms:
    return Terms(
        name="Welcome",
        everyone=True,
        groups=(),
        amount=MICRO,
        top_up="add",
        cap=None,
        period="first_seen",
        weekdays=(),
        month_day=None,
        time_of_day="00:00",
        time_zone=settings.config.time_zone,
    )


def _credit_due(now: datetime) -> None:
    for run_id in writing(partial(schedules.plan_due, now=now)):
        while writing(partial(runs.credit_chunk, run_id=run_id, now=now)):
            pass


def _of_purses(scene: Scene, codes: list[str]) -> Iterator[Event]:
    """Yield what happens to purses beside use: money from an administrator, cards, a gift, a guest, a device."""
    days = scene.school_days(15)
    yield Event(scene.begin + timedelta(hours=1), partial(_adjust, scene, "carol", 12))
    yield Event(scene.begin + timedelta(hours=2), partial(_adjust, scene, "alice", 1))
    yield Event(scene.begin + timedelta(hours=3), partial(_share, scene))
    for day, name, code in ((days[6], "alice", codes[0]), (days[8], "carol", codes[1])):
        at = day + timedelta(hours=12, minutes=20)
        yield Event(at, partial(_redeem, scene.users[name].id, code, at))
    at = days[9] + timedelta(hours=13, minutes=40)
    yield Event(at, partial(_give, scene.users["carol"].id, scene.users["alice"].id, at))
    at = days[13] + timedelta(hours=8, minutes=15)
    yield Event(at, partial(_welcome_guest, scene, at))
    at = days[14] + timedelta(hours=9, minutes=30)
    yield Event(at, partial(_add_device, scene.users["alice"].id, at))


def _adjust(scene: Scene, name: str, units: int) -> None:
    account = accounts.get_account(reading(), user_id=scene.users[name].id)
    writing(
        lambda session: account_service.adjust(
            session,
            account_id=account.id,
            amount=units * MICRO,
            reason="Start of term",
            by=scene.by,
            form_id=f"demo-adjustment-{name}",
            now=scene.begin,
        )
    )


def _share(scene: Scene) -> None:
    """Make the account of a department, which may be overdrawn a little."""
    unit, limit = scene.settings.unit, Limit("overdraft", 20 * MICRO)
    writing(
        lambda session: account_service.make(
            session, name="Art department", limit=limit, by=scene.by, unit=unit, now=scene.begin
        )
    )


def _make_cards(scene: Scene, at: datetime) -> list[str]:
    _, codes = writing(
        lambda session: cards.make_batch(
            session,
            form_id="demo-cards-of-the-kiosk",
            name="School kiosk, autumn",
            amount=2 * MICRO,
            count=CARDS,
            expires_at=scene.now + timedelta(days=200),
            by=scene.by,
            now=at,
        )
    )
    return codes


def _redeem(user_id: int, code: str, at: datetime) -> None:
    language = settings_of_app().config.language
    writing(lambda session: cards.redeem(session, user_id=user_id, code=code, now=at, language=language))


def _give(giver: int, taker: int, at: datetime) -> None:
    if accounts.get_account(reading(), user_id=giver).available < 50 * CENT:
        return
    writing(
        lambda session: transfers.transfer(
            session,
            from_user_id=giver,
            to_user_id=taker,
            amount=50 * CENT,
            comment="",
            form_id="demo-transfer-of-carol",
            most_per_day=None,
            day_began=at,
            now=at,
            language=settings_of_app().config.language,
        )
    )


def _welcome_guest(scene: Scene, at: datetime) -> None:
    writing(
        lambda session: local.create(
            session,
            username=GUEST.username,
            display_name=GUEST.full_name,
            password=GUEST.password,
            expires_at=scene.now + timedelta(days=30),
            made_by=scene.by,
            now=at,
        )
    )


def _add_device(user_id: int, at: datetime) -> None:
    writing(lambda session: devices.make(session, user_id=user_id, name="Alice's laptop", now=at))
