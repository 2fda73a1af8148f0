"""What runs through the proxies now: who, how much so far, and which of it shall be ended."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.db import one_of
from app.errors import NotFoundError
from app.internet import rates, rules, standing
from app.internet.rate_models import SiteList
from app.internet.rate_sites import list_of
from app.internet.running_models import RunningEnd, RunningReport
from app.internet.standing import StandingTable, Word
from app.ledger.models import Account
from app.people.models import User
from app.people.rules import name_key
from app.settings import Settings
from directory.accounts import account_name
from language import _

FRESH: Final = timedelta(seconds=15)
"""A report counts for so long: a proxy says every second what runs, every ten that nothing does."""

KEPT: Final = timedelta(minutes=1)
WRITTEN_AGAIN: Final = timedelta(seconds=5)
MILLIONTHS: Final = 1_000_000


class Connection(NamedTuple):
    """A connection as a proxy reports it: sizes in bytes; of `pending_*` nothing is booked yet."""

    connection_id: str
    user: str
    host: str
    since: int
    download: int
    upload: int
    pending_download: int = 0
    pending_upload: int = 0


@dataclass(frozen=True)
class Run:
    """A connection that runs now, for the administrators' page.

    `user_id` None: nobody has the name that the proxy sent. `ending`: somebody asked that it ends.
    """

    source: str
    connection_id: str
    user_id: int | None
    name: str
    host: str
    since: datetime
    download: int
    upload: int
    ending: bool


def report(
    session: Session,
    *,
    source: str,
    connections: Sequence[Connection],
    table: StandingTable,
    settings: Settings,
    now: datetime,
) -> list[str]:
    """Keep what a proxy says runs, in place of what it said before; return the connections that it shall end.

    That are those of whose purse nothing is left where the policies are "stop" and "end" (what is metered and not yet
    booked counts as spent), and those that an administrator wants ended.
    """
    holders = _holders(session, connections, table, settings)
    _keep(session, source, connections, holders, now)
    wanted = set(_wishes(session, source, {each.connection_id for each in connections}, now))
    wanted |= _empty(session, connections, holders, table, settings, now)
    return sorted(wanted)


def list_running(session: Session, *, now: datetime) -> list[Run]:
    """Return what runs now, the connections that moved most first."""
    wishes = {tuple(row) for row in session.execute(select(RunningEnd.source, RunningEnd.connection_id))}
    reports = session.scalars(select(RunningReport).where(RunningReport.reported_at >= now - FRESH))
    rows = [(report.source, *each) for report in reports for each in json.loads(report.connections)]
    ids = {row[-1] for row in rows} - {None}
    names = dict(session.execute(select(User.id, User.display_name).where(one_of(session, User.id, sorted(ids)))).all())
    found = [
        Run(
            source,
            key,
            user_id,
            names.get(user_id) or name,
            host,
            datetime.fromtimestamp(since, UTC),
            download,
            upload,
            (source, key) in wishes,
        )
        for source, key, name, host, since, download, upload, user_id in rows
    ]
    return sorted(found, key=lambda run: (-run.download - run.upload, run.source, run.connection_id))


def ask_end(session: Session, *, connection_id: str, by: str, now: datetime, source: str = "") -> None:
    """Have a running connection ended with the proxy's next report; `source` where two proxies run one of that id.

    Raises NotFoundError for one that does not run (any more).
    """
    for run in list_running(session, now=now):
        if run.connection_id == connection_id and source in ("", run.source):
            session.merge(RunningEnd(source=run.source, connection_id=connection_id, asked_by=by[:600], asked_at=now))
            return
    raise NotFoundError(_("This connection has ended already."))


def anything_to_forget(session: Session, *, now: datetime) -> bool:
    """Whether a proxy that stays away has left a report behind, or a wish has come true."""
    old = select(RunningReport.source).where(RunningReport.reported_at < now - KEPT).limit(1)
    wish = select(RunningEnd.source).where(RunningEnd.asked_at < now - KEPT).limit(1)
    return session.scalar(old) is not None or session.scalar(wish) is not None


def forget(session: Session, *, now: datetime) -> None:
    """Remove the reports of proxies that stay away, and wishes that are a minute old."""
    session.execute(delete(RunningReport).where(RunningReport.reported_at < now - KEPT))
    session.execute(delete(RunningEnd).where(RunningEnd.asked_at < now - KEPT))


def _holders(
    session: Session, connections: Sequence[Connection], table: StandingTable, settings: Settings
) -> dict[str, tuple[int, Word] | None]:
    """Whose the names are that a proxy sends, and their standing."""
    domains = settings.config.directory.domains
    keys = {each.user: (name_key(each.user), name_key(account_name(each.user, domains))) for each in connections}
    found = table.look_up(session, settings=settings, names={key for pair in keys.values() for key in pair})
    return {name: found.get(pair[0]) or found.get(pair[1]) for name, pair in keys.items()}


def _keep(
    session: Session,
    source: str,
    connections: Sequence[Connection],
    holders: Mapping[str, tuple[int, Word] | None],
    now: datetime,
) -> None:
    rows = [[*each[:6], (holders[each.user] or (None, False))[0]] for each in connections]
    text = json.dumps(rows, separators=(",", ":"))
    row = session.get(RunningReport, source)
    if row is None:
        session.add(RunningReport(source=source, connections=text, reported_at=now))
    elif row.connections != text or now - row.reported_at >= WRITTEN_AGAIN:
        row.connections, row.reported_at = text, now


def _wishes(session: Session, source: str, running: set[str], now: datetime) -> list[str]:
    mine = session.scalars(
        select(RunningEnd.connection_id).where(RunningEnd.source == source, RunningEnd.asked_at >= now - KEPT)
    ).all()
    ended = [each for each in mine if each not in running]
    if ended:
        session.execute(
            delete(RunningEnd).where(RunningEnd.source == source, RunningEnd.connection_id.in_(ended[:1000]))
        )
    return [each for each in mine if each in running]


def _empty(
    session: Session,
    connections: Sequence[Connection],
    holders: Mapping[str, tuple[int, Word] | None],
    table: StandingTable,
    settings: Settings,
    now: datetime,
) -> set[str]:
    """The connections of whom nothing is left, without those to hosts that stay open."""
    _at_empty, at_running = rates.policies(session)
    if not settings.enforces or at_running != "end" or standing.word_for_empty(session, settings=settings) is not False:
        return set()
    open_hosts = table.open_hosts(session, settings=settings)
    counted = [
        (each, holder)
        for each in connections
        if (holder := holders[each.user]) is not None and not list_of(each.host, open_hosts)
    ]
    pending = _pending(session, [(each, holder[0]) for each, holder in counted if holder[1] is True], settings, now)
    spent = _spent(session, pending)
    return {each.connection_id for each, (user_id, word) in counted if word is False or user_id in spent}


def _pending(
    session: Session, counted: Sequence[tuple[Connection, int]], settings: Settings, now: datetime
) -> dict[int, int]:
    """What each person's use that is not booked yet will cost, in millionths."""
    moved = [(each, user_id) for each, user_id in counted if each.pending_download or each.pending_upload]
    if not moved:
        return {}
    plan = rates.load(session, settings)
    sites = {} if plan.is_flat else _sites(session)
    percents = rates.percents(session, user_ids={user_id for _, user_id in moved}, plan=plan)
    cost: dict[int, int] = {}
    for each, user_id in moved:
        site = list_of(each.host, sites)
        use = rates.Use(int(now.timestamp()), site, each.pending_download, each.pending_upload)
        cost[user_id] = cost.get(user_id, 0) + plan.price(use, percents[user_id])
    return {user_id: price // MILLIONTHS for user_id, price in cost.items()}


def _spent(session: Session, pending: Mapping[int, int]) -> set[int]:
    """Who of these has nothing left when what is pending is paid."""
    mine = one_of(session, Account.user_id, sorted(pending))
    rows = session.execute(select(Account.user_id, Account.balance - Account.reserved, Account.floor).where(mine))
    return {
        user_id
        for user_id, available, floor in rows
        if user_id is not None
        and pending[user_id]
        and not rules.may_go_on(available=available - pending[user_id], floor=floor)
    }


def _sites(session: Session) -> dict[str, int]:
    rows = session.execute(select(SiteList.id, SiteList.domains))
    return {domain: site_id for site_id, domains in rows for domain in domains.split("\n") if domain}
