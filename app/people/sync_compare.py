"""What a pass would change: what it read beside the people known here, by set-based SQL. Nobody is changed here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    JSON,
    BigInteger,
    ColumnElement,
    String,
    and_,
    case,
    func,
    insert,
    literal,
    or_,
    select,
    true,
    update,
)
from sqlalchemy import cast as sql_cast
from sqlalchemy.orm import Session, aliased, join

from app.db import is_postgresql, one_of
from app.people.models import Group, Membership, User
from app.people.sync_models import SYNC_CHANGES, SYNC_PEOPLE, DirectorySync, SyncGroup, SyncPerson
from language import N_

WRITTEN: Final = ("sync_id", "directory_id", "what", "username", "name", "was", "now")
KINDS: Final = ("renamed", "added", "changed", "groups", "disabled", "gone", "back", "left_out")
"""In the order in which they are applied; the last are only told."""

LEAVERS_MAX: Final = 20
LEAVERS_SHARE_MAX: Final = 0.05
"""A pass that would end the access of more people than both of these wants an administrator's yes."""

CLOCKS: Final = timedelta(minutes=1)
"""Somebody seen later than now by more than this was seen before the clock was set back."""

NO_NAME: Final = N_("has no user name that can be used")
TWO_OF_A_NAME: Final = N_("another person in the directory has the same user name")
NAME_TAKEN: Final = N_("somebody else has this user name here")
"""Why somebody is left out: kept as it stands here, and translated where it is shown."""

Step = Callable[[Session, DirectorySync, datetime], None]


def unseen_since(sync: DirectorySync, now: datetime) -> ColumnElement[bool]:
    """Return the condition that what the pass read of a user is the newest: sign-ins may have brought newer."""
    return or_(User.refreshed_at <= sync.started_at, User.refreshed_at > now + CLOCKS)


def prepare(session: Session, sync: DirectorySync, now: datetime) -> None:
    """Let nobody bear a name that is not theirs alone, and have PostgreSQL look at what it is going to join."""
    if is_postgresql(session):
        session.connection().exec_driver_sql("ANALYZE sync_people, sync_groups")
    mine = SyncPerson.sync_id == sync.id
    holder = aliased(User)
    newer = ~or_(holder.refreshed_at <= sync.started_at, holder.refreshed_at > now + CLOCKS)
    taken = select(holder.username).where(or_(holder.origin == "local", newer))
    known = select(User.username).where(User.directory_id == SyncPerson.directory_id)
    known_by_it = known.where(User.username == SyncPerson.username).correlate(SyncPerson).exists()
    for shared in (taken, _borne_twice(sync)):
        session.execute(
            update(SYNC_PEOPLE).where(mine, SyncPerson.username.in_(shared), ~known_by_it).values(named=False)
        )


def find_renamed(session: Session, sync: DirectorySync, now: datetime) -> None:
    """Note who has another user name now."""
    found = (SyncPerson.named.is_(True), User.username != SyncPerson.username)
    _note_known(session, sync, now, "renamed", found, was=User.username, becomes=SyncPerson.username)


def find_added(session: Session, sync: DirectorySync, now: datetime) -> None:
    """Note who is new. Somebody new who is disabled is passed over until they are enabled."""
    known = select(User.id).where(User.directory_id == SyncPerson.directory_id).correlate(SyncPerson)
    found = select(*_columns(sync, "added")).where(
        SyncPerson.sync_id == sync.id, SyncPerson.named.is_(True), SyncPerson.disabled.is_(False), ~known.exists()
    )
    _note(session, found.order_by(SyncPerson.username))


def find_changed(session: Session, sync: DirectorySync, now: datetime) -> None:
    """Note whose name or mail address is another one."""
    found = or_(User.display_name != SyncPerson.display_name, User.email != SyncPerson.email)
    was, becomes = _card(User.display_name, User.email), _card(SyncPerson.display_name, SyncPerson.email)
    _note_known(session, sync, now, "changed", (found,), was=was, becomes=becomes)


def find_regrouped(session: Session, sync: DirectorySync, now: datetime) -> None:
    """Note whose groups or role are others: which they leave, which they join."""
    staged = (
        select(User.id.label("user_id"), Group.id.label("group_id"))
        .select_from(groups_read(session))
        .join(User, User.directory_id == SyncPerson.directory_id)
        .outerjoin(Group, Group.name_key == SyncGroup.name_key)
        .where(SyncPerson.sync_id == sync.id)
        .subquery()
    )
    same = and_(Membership.user_id == staged.c.user_id, Membership.group_id == staged.c.group_id)
    joining = select(staged.c.user_id).join_from(staged, Membership, same, isouter=True)
    joining = joining.where(Membership.user_id.is_(None))
    count = select(func.count()).where(Membership.user_id == User.id).correlate(User).scalar_subquery()
    found = or_(User.role != SyncPerson.role, count != SyncPerson.group_count, User.id.in_(joining))
    was, becomes = _left_and_joined(session)
    _note_known(session, sync, now, "groups", (found,), was=was, becomes=becomes)


def find_disabled(session: Session, sync: DirectorySync, now: datetime) -> None:
    """Note who is disabled in the directory and not yet here."""
    found = (SyncPerson.disabled.is_(True), User.status != "disabled")
    _note_known(session, sync, now, "disabled", found, was=User.status)


def find_gone(session: Session, sync: DirectorySync, now: datetime) -> None:
    """Note who is known here and was not read."""
    read = select(SyncPerson.directory_id).where(
        SyncPerson.sync_id == sync.id, SyncPerson.directory_id == User.directory_id
    )
    _note_gone(session, sync, now, ~read.correlate(User).exists())


def gone_of(directory_ids: Sequence[str]) -> Step:
    """Return the step that notes these people as gone, for a pass that did not read everybody."""

    def find(session: Session, sync: DirectorySync, now: datetime) -> None:
        if directory_ids:
            _note_gone(session, sync, now, one_of(session, User.directory_id, list(directory_ids)))

    return find


def find_back(session: Session, sync: DirectorySync, now: datetime) -> None:
    """Note who was disabled or gone and is there again."""
    found = (SyncPerson.disabled.is_(False), User.status != "active")
    _note_known(session, sync, now, "back", found, was=User.status)


def find_left_out(session: Session, sync: DirectorySync, now: datetime) -> None:
    """Note who cannot have the name that the directory gives them, and why. Who is known keeps the name of before."""
    reason = case(
        (SyncPerson.username == "", NO_NAME),
        (SyncPerson.username.in_(_borne_twice(sync)), TWO_OF_A_NAME),
        else_=NAME_TAKEN,
    )
    new, other = User.id.is_(None), User.username != SyncPerson.username
    found = (
        select(*_columns(sync, "left_out", func.coalesce(User.username, ""), reason))
        .join_from(SyncPerson, User, User.directory_id == SyncPerson.directory_id, isouter=True)
        .where(SyncPerson.sync_id == sync.id, SyncPerson.named.is_(False))
        .where(or_(and_(new, SyncPerson.disabled.is_(False)), other))
    )
    _note(session, found.order_by(SyncPerson.username))


FULL: Final[tuple[Step, ...]] = (
    prepare,
    find_renamed,
    find_added,
    find_changed,
    find_regrouped,
    find_disabled,
    find_gone,
    find_back,
    find_left_out,
)
"""The steps for a pass that read everybody, each its own transaction, in the order of KINDS."""


def of_some(gone: Sequence[str]) -> tuple[Step, ...]:
    """Return the steps for a pass that read some people, and found that those of `gone` are not there any more."""
    return tuple(gone_of(gone) if step is find_gone else step for step in FULL)


def wants_yes(sync: DirectorySync, *, leavers: int) -> bool:
    """Whether what a pass would change is so much that an administrator has to look first.

    `leavers`: active people whose access would end. An empty answer always is too much, but where nobody is known.
    """
    if sync.kind != "changes" and sync.read == 0:
        return sync.active > 0
    return are_too_many(leavers, of=sync.active)


def are_too_many(leavers: int, *, of: int) -> bool:
    """Whether so many of the active people are too many to lose their access without an administrator's yes."""
    return leavers > LEAVERS_MAX and leavers > LEAVERS_SHARE_MAX * of


def count_active(session: Session) -> int:
    """Return how many active people of the directory are known."""
    active = select(func.count()).select_from(User).where(User.status == "active", User.origin == "directory")
    return int(session.scalar(active) or 0)


def count(session: Session, *, sync: DirectorySync) -> int:
    """Count what was found into the pass; return how many active people would lose their access."""
    if is_postgresql(session):
        session.connection().exec_driver_sql("ANALYZE sync_changes")
    what, was = SYNC_CHANGES.c.what, SYNC_CHANGES.c.was
    mine = SYNC_CHANGES.c.sync_id == sync.id
    counted = session.execute(select(what, func.count()).where(mine).group_by(what))
    for kind, number in counted:
        setattr(sync, kind, int(number))
    sync.active = count_active(session)
    leaving = select(func.count()).where(mine, what.in_(("disabled", "gone")), was == "active")
    return int(session.scalar(leaving) or 0)


def groups_read(session: Session, person: Any = SyncPerson) -> Any:
    """Return people who were read with their groups, to select from: JSON is taken apart by the database."""
    column = person.group_numbers
    if is_postgresql(session):
        each = func.json_array_elements_text(sql_cast(column, JSON)).table_valued("value")
        number: Any = sql_cast(each.c.value, BigInteger)
    else:
        each = func.json_each(column).table_valued("value")
        number = each.c.value
    return join(join(person, each, true()), SyncGroup, SyncGroup.number == number)


def _borne_twice(sync: DirectorySync) -> Any:
    person = aliased(SyncPerson)
    names = select(person.username).where(person.sync_id == sync.id)
    return names.group_by(person.username).having(func.count() > 1)


def _note(session: Session, found: Any) -> None:
    session.execute(insert(SYNC_CHANGES).from_select(WRITTEN, found))


def _note_known(
    session: Session,
    sync: DirectorySync,
    now: datetime,
    what: str,
    conditions: Sequence[ColumnElement[bool]],
    *,
    was: Any,
    becomes: Any = "",
) -> None:
    """Note those who were read, are known and fulfil the conditions, but for those of whom something newer is known."""
    found = (
        select(*_columns(sync, what, was, becomes))
        .join_from(SyncPerson, User, User.directory_id == SyncPerson.directory_id)
        .where(SyncPerson.sync_id == sync.id, User.origin == "directory", unseen_since(sync, now), *conditions)
    )
    _note(session, found.order_by(SyncPerson.username))


def _note_gone(session: Session, sync: DirectorySync, now: datetime, missing: ColumnElement[bool]) -> None:
    columns = (literal(sync.id), User.directory_id, literal("gone"), User.username, User.display_name, User.status)
    found = select(*columns, literal("")).where(
        User.origin == "directory", User.status != "gone", unseen_since(sync, now), missing
    )
    _note(session, found.order_by(User.username))


def _columns(sync: DirectorySync, what: str, was: Any = "", becomes: Any = "") -> tuple[Any, ...]:
    """Return the columns of WRITTEN of a person who was read."""
    texts = (literal(text, String) if isinstance(text, str) else text for text in (was, becomes))
    person = (SyncPerson.username, SyncPerson.display_name)
    return (literal(sync.id), SyncPerson.directory_id, literal(what), *person, *texts)


def _card(name: Any, email: Any) -> ColumnElement[str]:
    return case((email != "", name + literal(", ", String) + email), else_=name)


def _left_and_joined(session: Session) -> tuple[ColumnElement[str], ColumnElement[str]]:
    """Return, over SyncPerson and User, the names of the groups that are left and joined, after a role that changes."""
    this, person = SyncPerson, aliased(SyncPerson)
    read = groups_read(session, person)
    mine = (person.sync_id == this.sync_id, person.directory_id == this.directory_id)
    keys = select(SyncGroup.name_key).select_from(read).where(*mine).correlate(this)
    had = select(Group.name_key).join_from(Membership, Group, Group.id == Membership.group_id)
    had = had.where(Membership.user_id == User.id).correlate(User)
    left = (
        select(func.aggregate_strings(Group.name, ", "))
        .join_from(Membership, Group, Group.id == Membership.group_id)
        .where(Membership.user_id == User.id, Group.name_key.not_in(keys))
        .correlate(User, this)
    )
    joined = (
        select(func.aggregate_strings(SyncGroup.name, ", "))
        .select_from(read)
        .where(*mine, SyncGroup.name_key.not_in(had))
        .correlate(User, this)
    )
    return _with_role(User.role, left), _with_role(SyncPerson.role, joined)


def _with_role(role: Any, names: Any) -> ColumnElement[str]:
    word = literal("role ", String) + func.coalesce(func.nullif(role, ""), "user") + literal("; ", String)
    return case((User.role != SyncPerson.role, word), else_="") + func.coalesce(names.scalar_subquery(), "")
