"""Applying what a pass found, chunk by chunk, by set-based SQL. A chunk that is done again changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final, cast

from sqlalchemy import ColumnElement, Select, String, Table, and_, delete, func, insert, literal, select, update
from sqlalchemy import cast as sql_cast
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Session, aliased

from app.db import is_postgresql
from app.ledger import accounts
from app.people import service
from app.people.models import Group, Membership, User, UserName
from app.people.sync_compare import KINDS, NAME_TAKEN, groups_read, unseen_since
from app.people.sync_models import SYNC_CHANGES, DirectorySync, SyncChange, SyncGroup, SyncPerson

CHUNK: Final = 10_000
"""Changes a transaction; so many take a quarter of a second, and a charge waits no longer."""

USERS, GROUPS, MEMBERSHIPS = (cast(Table, row.__table__) for row in (User, Group, Membership))

JOINED: Final = ("user_id", "group_id")

Apply = Callable[[Session, DirectorySync, ColumnElement[bool], datetime], None]


def apply_chunk(session: Session, *, sync: DirectorySync, now: datetime, chunk: int = CHUNK) -> bool:
    """Apply the next changes of a pass; True while there is more to do. The pass notes how far it is.

    Names come first and all at once: who swaps names with somebody must not be without one for longer than a moment.
    """
    if sync.cursor is None:
        _make_groups(session, sync)
        sync.cursor = _give_names(session, sync, now)
        sync.applied = sync.renamed
        return True
    for what in KINDS:
        if what not in APPLIED:
            continue
        upto, size = _next(session, sync, what, chunk)
        if size:
            some = (SyncChange.sync_id == sync.id) & (SyncChange.what == what) & (SyncChange.id > sync.cursor)
            APPLIED[what](session, sync, some & (SyncChange.id <= upto), now)
            sync.cursor, sync.applied = upto, sync.applied + size
            return True
    return False


def _next(session: Session, sync: DirectorySync, what: str, limit: int) -> tuple[int, int]:
    """Return the id of the last of the next changes of a kind, and how many these are."""
    mine = (SyncChange.sync_id == sync.id, SyncChange.what == what, SyncChange.id > sync.cursor)
    ids = select(SyncChange.id).where(*mine).order_by(SyncChange.id).limit(limit).subquery()
    upto, size = session.execute(select(func.max(ids.c.id), func.count()).select_from(ids)).one()
    return int(upto or 0), int(size)


def _make_groups(session: Session, sync: DirectorySync) -> None:
    """Make the groups that are new here. Of two that differ in case alone one is made."""
    found = select(SyncGroup.name, SyncGroup.name_key).where(SyncGroup.sync_id == sync.id).order_by(SyncGroup.number)
    session.execute(_insert_new(session, GROUPS, ("name", "name_key"), found))


def _give_names(session: Session, sync: DirectorySync, now: datetime) -> int:
    """Take names away from whom the directory gives others, give the new ones, and keep the old as former names.

    Return the id of the last change that this applied.
    """
    mine = SyncChange.sync_id == sync.id
    renamed = (mine, SyncChange.what == "renamed")
    claims = select(SyncChange.username).where(mine, SyncChange.what.in_(("renamed", "added")))
    holder = aliased(User)
    robbed = (
        select(holder.id)
        .join_from(SyncChange, holder, holder.username == SyncChange.username)
        .where(mine, SyncChange.what.in_(("renamed", "added")), holder.directory_id != SyncChange.directory_id)
    )
    # func.substr, since a name may be as long as its column.
    parked = func.substr(User.username, 1, service.PARKED_LENGTH_MAX) + literal("#", String) + sql_cast(User.id, String)
    _update(session, User.id.in_(robbed), User.origin == "directory", unseen_since(sync, now), username=parked)
    free = ~select(holder.id).where(holder.username == SyncChange.now).correlate(SyncChange).exists()
    same = User.directory_id == SyncChange.directory_id
    values = {"username": SyncChange.now, "refreshed_at": sync.started_at}
    _update(session, *renamed, same, free, unseen_since(sync, now), **values)
    named = select(User.id).where(same, User.username == SyncChange.now).correlate(SyncChange)
    _keep_former_names(session, claims, renamed, now)
    _leave_out(session, (*renamed, ~named.exists()))
    return int(session.scalar(select(func.max(SyncChange.id)).where(*renamed)) or 0)


def _keep_former_names(
    session: Session, claims: Select[str], renamed: Sequence[ColumnElement[bool]], now: datetime
) -> None:
    """Let old names lead to their people, where nobody has them now or is about to, and only there."""
    session.execute(
        delete(UserName)
        .where(UserName.kind == "former", UserName.name_key.in_(claims))
        .execution_options(synchronize_session=False)
    )
    holder = aliased(User)
    is_parked = SyncChange.was.endswith(literal("#", String) + sql_cast(User.id, String))
    former = (
        select(SyncChange.was, User.id, literal("former"), literal(""), literal(now, UserName.created_at.type))
        .join_from(SyncChange, User, User.directory_id == SyncChange.directory_id)
        .where(*renamed, ~is_parked, User.username == SyncChange.now, SyncChange.was.not_in(claims))
        .where(~select(holder.id).where(holder.username == SyncChange.was).correlate(SyncChange).exists())
        .order_by(SyncChange.id)
    )
    dialect_insert: Any = postgresql_insert if is_postgresql(session) else sqlite_insert
    names = dialect_insert(UserName).from_select(["name_key", "user_id", "kind", "made_by", "created_at"], former)
    renew = {"user_id": names.excluded.user_id, "created_at": names.excluded.created_at}
    # An alias that an administrator gave to somebody else stays theirs.
    session.execute(
        names.on_conflict_do_update(index_elements=["name_key"], set_=renew, where=UserName.kind == "former")
    )


def _add(session: Session, sync: DirectorySync, some: ColumnElement[bool], now: datetime) -> None:
    """Make users with purse and groups, and what other rooms do for newcomers. Who has signed in since is there."""
    moment = literal(now, User.created_at.type)
    person = (SyncPerson.directory_id, SyncPerson.username, SyncPerson.display_name, SyncPerson.email, SyncPerson.role)
    rows = (
        select(*person, literal("active"), literal("directory"), moment, moment)
        .join_from(SyncChange, SyncPerson, _read_of_change())
        .where(some)
        .order_by(SyncChange.id)
    )
    columns = ("directory_id", "username", "display_name", "email", "role", "status", "origin")
    insert_new = _insert_new(session, USERS, (*columns, "created_at", "refreshed_at"), rows)
    made = list(session.scalars(insert_new.returning(USERS.c.id)))
    if made:
        # By their range and not one by one: SQLite would try each of ten thousand numbers for each person.
        mine = and_(User.id.between(min(made), max(made)), User.created_at == moment)
        # Plainly, since they are in no group yet: to look for conflicts costs PostgreSQL a quarter more.
        session.execute(
            insert(MEMBERSHIPS).from_select(JOINED, _groups_of(session, SyncPerson.sync_id == sync.id, mine))
        )
        accounts.open_many(session, owners=select(User.id, User.username).where(mine), now=now)
        service.welcome(session, user_ids=made, now=now)
    if len(made) < (session.scalar(select(func.count()).select_from(SyncChange).where(some)) or 0):
        known = select(User.id).where(User.directory_id == SyncChange.directory_id).correlate(SyncChange)
        _leave_out(session, (some, ~known.exists()))


def _change(session: Session, sync: DirectorySync, some: ColumnElement[bool], now: datetime) -> None:
    values = {"display_name": SyncPerson.display_name, "email": SyncPerson.email, "refreshed_at": sync.started_at}
    _update(session, *_of(sync, some, now), **values)


def _regroup(session: Session, sync: DirectorySync, some: ColumnElement[bool], now: datetime) -> None:
    wanted = (
        select(Group.id)
        .select_from(groups_read(session))
        .join(User, User.directory_id == SyncPerson.directory_id)
        .join(Group, Group.name_key == SyncGroup.name_key)
        .where(SyncPerson.sync_id == sync.id, User.id == Membership.user_id, Group.id == Membership.group_id)
        .correlate(Membership)
    )
    mine = select(User.id).join_from(SyncChange, User, User.directory_id == SyncChange.directory_id)
    left = MEMBERSHIPS.c.user_id.in_(mine.where(some, unseen_since(sync, now)))
    session.execute(delete(MEMBERSHIPS).where(left, ~wanted.exists()).execution_options(synchronize_session=False))
    changed = select(SyncChange.directory_id).where(some)
    joined = _groups_of(session, *_people(sync, now), SyncPerson.directory_id.in_(changed))
    session.execute(_insert_new(session, MEMBERSHIPS, JOINED, joined))
    _update(session, *_of(sync, some, now), role=SyncPerson.role, refreshed_at=sync.started_at)


def _disable(session: Session, sync: DirectorySync, some: ColumnElement[bool], now: datetime) -> None:
    _set_status(session, sync, some, now, "disabled")


def _let_go(session: Session, sync: DirectorySync, some: ColumnElement[bool], now: datetime) -> None:
    _set_status(session, sync, some, now, "gone")


def _take_back(session: Session, sync: DirectorySync, some: ColumnElement[bool], now: datetime) -> None:
    _set_status(session, sync, some, now, "active")


APPLIED: Final[dict[str, Apply]] = {
    "added": _add,
    "changed": _change,
    "groups": _regroup,
    "disabled": _disable,
    "gone": _let_go,
    "back": _take_back,
}


def _set_status(session: Session, sync: DirectorySync, some: ColumnElement[bool], now: datetime, status: str) -> None:
    """Give people a status. Who is not active any more loses sessions and devices in the same transaction."""
    changed = select(SyncChange.directory_id).where(some)
    mine = (User.directory_id.in_(changed), User.origin == "directory", unseen_since(sync, now))
    _update(session, *mine, status=status, status_since=now, refreshed_at=sync.started_at)
    if status != "active":
        service.end_access(session, user_ids=select(User.id).where(*mine, User.status == status), now=now)


def _groups_of(session: Session, *conditions: ColumnElement[bool]) -> Select[int, int]:
    """Return what makes memberships of the groups that were read of people."""
    return (
        select(User.id, Group.id)
        .select_from(groups_read(session))
        .join(User, User.directory_id == SyncPerson.directory_id)
        .join(Group, Group.name_key == SyncGroup.name_key)
        .where(*conditions)
    )


def _leave_out(session: Session, conditions: Sequence[ColumnElement[bool]]) -> None:
    """Note that changes could not be applied since the name had been taken meanwhile; the next pass looks again."""
    left_out = update(SYNC_CHANGES).where(*conditions).values(what="left_out", now=NAME_TAKEN)
    session.execute(left_out.execution_options(synchronize_session=False))


def _people(sync: DirectorySync, now: datetime) -> tuple[ColumnElement[bool], ...]:
    """Return what joins a person who was read with the user, and leaves out those of whom something newer is known."""
    same = User.directory_id == SyncPerson.directory_id
    return SyncPerson.sync_id == sync.id, same, User.origin == "directory", unseen_since(sync, now)


def _of(sync: DirectorySync, some: ColumnElement[bool], now: datetime) -> tuple[ColumnElement[bool], ...]:
    return *_people(sync, now), _read_of_change(), some


def _read_of_change() -> ColumnElement[bool]:
    return and_(SyncPerson.sync_id == SyncChange.sync_id, SyncPerson.directory_id == SyncChange.directory_id)


def _update(session: Session, *conditions: ColumnElement[bool], **values: Any) -> None:
    session.execute(update(USERS).where(*conditions).values(values).execution_options(synchronize_session=False))


def _insert_new(session: Session, table: Table, columns: Sequence[str], rows: Any) -> Any:
    """Return the statement that inserts rows, but for those that are there already."""
    dialect_insert: Any = postgresql_insert if is_postgresql(session) else sqlite_insert
    return dialect_insert(table).from_select(list(columns), rows, include_defaults=False).on_conflict_do_nothing()
