"""Verbs of RADIUS sessions: account for a packet exactly once, and what a NAS has restarted from."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import and_, or_, select, update
from sqlalchemy.orm import Session

from app.internet.rates import Plan
from app.people.models import User
from app.people.rules import name_key
from app.radius import charging, rules
from app.radius.charging import Growth
from app.radius.models import RadiusSession
from app.radius.packets import Nas, Packet

R = RadiusSession


def account(session: Session, *, packet: Packet, user_id: int | None, plan: Plan, now: datetime) -> int:
    """Account for one packet and return how many bytes it brought that were not counted yet.

    `user_id`: whose its name is, None when nobody's. The same packet again, or an older one, brings nothing. A packet
    that names no session brings nothing either.
    """
    if packet.status in ("on", "off"):
        _close(session, packet.nas, packet.at)
        return 0
    if not packet.status or not packet.session_id:
        return 0
    found = _generations(session, packet, user_id)
    place = rules.whose(packet, [_heard(row) for row in found])
    row = found[place] if place is not None else _begin(session, packet, found, user_id, now)
    if row.user_id is None:
        row.user_id = user_id
    growth = _hear(row, packet, now)
    if growth.bytes or growth.until_s > growth.from_s:
        row.counted += 1
        session.flush()
        if row.user_id is None:
            charging.keep_aside(session, row=row, growth=growth, plan=plan, at=packet.at)
        else:
            charging.charge(session, row=row, user_id=row.user_id, growth=growth, plan=plan, at=packet.at, now=now)
    _note_state(row, packet)
    if row.ended_at is None:
        _replace(found, row, packet.at)
    session.flush()
    return growth.bytes


def _generations(session: Session, packet: Packet, user_id: int | None) -> Sequence[RadiusSession]:
    """The session and what had its id before, newest first, locked: of two packets of it, one waits.

    Whose it is does not depend on the form of the name; a packet without a name belongs to the only one there is.
    """
    rows = session.scalars(
        select(R)
        .where(R.nas == packet.nas.key, R.session_id == packet.session_id)
        .order_by(R.id.desc())
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()
    if not packet.names:
        return rows if len({row.name_key for row in rows}) == 1 else []
    keys = {_key(name) for name in packet.names}
    return [row for row in rows if row.name_key in keys or (user_id is not None and row.user_id == user_id)]


def _begin(
    session: Session, packet: Packet, before: Sequence[RadiusSession], user_id: int | None, now: datetime
) -> RadiusSession:
    user = None if user_id is None else session.get(User, user_id)
    row = R(
        nas=packet.nas.key,
        nas_identifier=packet.nas.identifier,
        nas_address=packet.nas.address,
        session_id=packet.session_id,
        name_key=_key(user.username if user else packet.name),
        generation=1 + max((each.generation for each in before), default=0),
        username=packet.name,
        user_id=user_id,
        started_at=packet.began,
        last_at=packet.at,
        seen_at=now,
        upload=0,
        download=0,
        session_s=0,
        cost=0,
        counted=0,
    )
    session.add(row)
    session.flush()
    return row


def _hear(row: RadiusSession, packet: Packet, now: datetime) -> Growth:
    """Move the session's counters to what the packet tells, never back; return by how much they grew."""
    order = rules.order(heard_s=row.session_s, told_s=packet.session_s)
    upload = rules.counter(heard=row.upload, octets=packet.input, gigawords=packet.input_gigawords, order=order)
    download = rules.counter(heard=row.download, octets=packet.output, gigawords=packet.output_gigawords, order=order)
    seconds = max(row.session_s, packet.session_s or 0)
    growth = Growth(upload - row.upload, download - row.download, row.session_s, seconds)
    row.upload, row.download, row.session_s = upload, download, seconds
    row.last_at, row.seen_at = max(row.last_at, packet.at), now
    if packet.status == "start":
        row.started_at = min(row.started_at, packet.at)
    return growth


def _note_state(row: RadiusSession, packet: Packet) -> None:
    """Keep whether the session runs, and which device it is for as long as it does."""
    if row.ended_at is not None and rules.runs_again(packet, ended_at=row.ended_at, cause=row.end_cause):
        row.ended_at, row.end_cause = None, ""
    if packet.status == "stop":
        row.ended_at = min(row.ended_at or packet.at, packet.at)
        row.end_cause = packet.cause or row.end_cause or "Stop"
    if row.ended_at is None:
        row.station, row.address = packet.station or row.station, packet.address or row.address
    else:
        row.station = row.address = ""


def _replace(generations: Sequence[RadiusSession], running: RadiusSession, at: datetime) -> None:
    """End what had the id of the session that runs: a NAS has one of a name and id at a time."""
    for row in generations:
        if row is not running and row.ended_at is None:
            row.ended_at, row.end_cause = at, rules.REPLACED
            row.station = row.address = ""


def _close(session: Session, nas: Nas, at: datetime) -> None:
    """End what ran at a NAS that was switched on or off at `at` (RFC 2866, 5.1): there will be no Stop for it."""
    if not nas.key:
        return
    is_its = []
    if nas.identifier:
        is_its.append(R.nas_identifier == nas.identifier)
    if nas.address:
        mine = R.nas_address == nas.address
        is_its.append(and_(mine, R.nas_identifier == "") if nas.identifier else mine)
    session.execute(
        update(R)
        .where(R.ended_at.is_(None), R.started_at <= at + rules.SECOND, or_(*is_its))
        .values(ended_at=at, end_cause=rules.REBOOTED, station="", address="")
        .execution_options(synchronize_session=False)
    )


def _heard(row: RadiusSession) -> rules.Heard:
    return rules.Heard(row.started_at, row.last_at, row.ended_at, row.end_cause == rules.REBOOTED)


def _key(name: str) -> str:
    return name_key(name)[:256]
