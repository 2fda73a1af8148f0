"""Verbs about people. The directory is asked by the doors, outside any transaction; here its answer is kept."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from app.errors import KeyReusedError, NotFoundError
from app.ledger import service as ledger
from app.ledger import statement as statement_of
from app.ledger.models import Account, Entry
from app.people import rules
from app.people.models import Group, Membership, User
from directory.interface import Person


def remember(session: Session, *, person: Person, admin_groups: Sequence[str], now: datetime) -> User:
    """Keep what the directory says of a person, and open their purse. Keyed by the directory's own identifier.

    Somebody else who still has the name here has lost it in the directory: they keep purse and history under a name
    that nobody can sign in with, since a recycled name is another person.
    """
    user = session.scalar(select(User).where(User.directory_id == person.directory_id).with_for_update())
    username = rules.name_key(person.username)
    holder = session.scalar(select(User).where(User.username == username))
    if holder is not None and holder is not user:
        holder.username = f"{username}#{holder.id}"
        session.flush()
    if user is None:
        user = User(directory_id=person.directory_id, username=username, created_at=now, groups=[])
        session.add(user)
    user.username = username
    user.display_name = person.display_name or person.username
    user.email = person.email
    user.refreshed_at = now
    user.is_admin = rules.is_admin(person.groups, admin_groups)
    user.groups = [group_named(session, name=name) for name in person.groups]
    session.flush()
    ledger.open_account(session, user_id=user.id, name=username, now=now)
    return user


def group_named(session: Session, *, name: str) -> Group:
    """Return the group of that name, compared without case; made where it is new."""
    group = find_group(session, name=name)
    if group is None:
        group = Group(name=name.strip(), name_key=rules.name_key(name))
        session.add(group)
        session.flush()
    return group


def find_group(session: Session, *, name: str) -> Group | None:
    """Return the group of that name, compared without case, or None."""
    return session.scalar(select(Group).where(Group.name_key == rules.name_key(name)))


def find_user(session: Session, *, username: str) -> User | None:
    """Return the user of that name, compared without case, or None."""
    return session.scalar(select(User).where(User.username == rules.name_key(username)))


def get_user(session: Session, *, user_id: int) -> User:
    """Return the user. Raises NotFoundError."""
    user = session.get(User, user_id)
    if user is None:
        raise NotFoundError("There is no such person here.", user_id=user_id)
    return user


def list_groups(session: Session) -> list[tuple[Group, int]]:
    """Return every known group with the number of its users, by name."""
    counted = (
        select(Group, func.count(Membership.user_id))
        .outerjoin(Membership, Membership.group_id == Group.id)
        .group_by(Group.id)
        .order_by(Group.name_key)
    )
    return [(group, count) for group, count in session.execute(counted)]


def list_users(session: Session, *, query: str, after: str, limit: int) -> list[tuple[User, Account]]:
    """Return users with their accounts, by name, after the name `after`; `query` searches names and groups."""
    statement = (
        select(User, Account)
        .join(Account, Account.user_id == User.id)
        .where(User.username > after, *_matching(query))
        .order_by(User.username)
        .limit(limit)
    )
    return [(user, account) for user, account in session.execute(statement)]


def count_users(session: Session, *, query: str) -> int:
    """Return how many users `list_users` would list for `query`, page by page."""
    return int(session.scalar(select(func.count()).select_from(User).where(*_matching(query))) or 0)


def adjust(session: Session, *, user_id: int, amount: int, reason: str, by: str, form_id: str, now: datetime) -> Entry:
    """Add to a purse or, with `amount` (millionths) below 0, take from it; `by` is named on the statement.

    `form_id`: the hidden id of the form that asks, so that sending it twice books it once. Raises NotFoundError,
    InsufficientBalanceError when less is there than shall be taken, KeyReusedError when the form was already used
    for something else.
    """
    account = ledger.get_account(session, user_id=user_id)
    key = f"adjustment:{user_id}:{form_id}"
    entry = ledger.post(
        session,
        account_id=account.id,
        amount=amount,
        source="adjustment",
        key=key,
        now=now,
        title=reason,
        detail=f"by {by}",
    )
    booked = statement_of.line(session, account_id=account.id, entry_id=entry.id)
    if booked is None or booked.title != reason:
        raise KeyReusedError(key=key)
    return entry


def reverse(session: Session, *, user_id: int, entry_id: int, reason: str, by: str, now: datetime) -> Entry:
    """Undo an entry of this user's purse, at most once; doing it again returns the first reversal.

    Raises NotFoundError for an entry that is not of this purse, WrongStateError for a reversal.
    """
    account = ledger.get_account(session, user_id=user_id)
    line = statement_of.line(session, account_id=account.id, entry_id=entry_id)
    if line is None:
        raise NotFoundError("There is no such line on this statement.", entry_id=entry_id)
    return ledger.reverse(
        session,
        entry_id=entry_id,
        key=f"reversal:{entry_id}",
        now=now,
        title=f"Reversed: {line.title}",
        detail=f"{reason}, by {by}",
    )


def _matching(query: str) -> list[ColumnElement[bool]]:
    if not query:
        return []
    pattern = rules.name_key(query)
    in_group = (
        select(Membership.user_id)
        .join(Group, Group.id == Membership.group_id)
        .where(Group.name_key.contains(pattern, autoescape=True))
    )
    return [
        or_(
            User.username.contains(pattern, autoescape=True),
            func.lower(User.display_name).contains(pattern, autoescape=True),
            # SQLite's lower() knows ASCII only: a name with other letters is found as it was typed.
            User.display_name.contains(query.strip(), autoescape=True),
            User.id.in_(in_group),
        )
    ]
