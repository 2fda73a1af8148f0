"""Verbs about people. The directory is asked by the doors, outside any transaction; here its answer is kept."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from app.errors import NotFoundError
from app.ledger import accounts
from app.ledger.models import Account
from app.people import rules
from app.people.models import Group, Membership, User
from directory.interface import Person


class FirstSeen(Protocol):
    """What another room does in the transaction in which somebody becomes known."""

    def __call__(self, session: Session, *, user: User, now: datetime) -> None: ...


_first_seen: list[FirstSeen] = []


def when_first_seen(do: FirstSeen) -> None:
    """Have `do` called for everybody who becomes known, with their groups and purse. Asking again changes nothing."""
    if do not in _first_seen:
        _first_seen.append(do)


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
    new = user is None
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
    accounts.open_account(session, user_id=user.id, name=username, now=now)
    for do in _first_seen if new else ():
        do(session, user=user, now=now)
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
        .where(User.username > after, *matching(query))
        .order_by(User.username)
        .limit(limit)
    )
    return [(user, account) for user, account in session.execute(statement)]


def count_users(session: Session, *, query: str) -> int:
    """Return how many users `list_users` would list for `query`, page by page."""
    return int(session.scalar(select(func.count()).select_from(User).where(*matching(query))) or 0)


def matching(query: str) -> list[ColumnElement[bool]]:
    """Return what a user fulfils whose name, user name or group has `query` in it; nothing for an empty one."""
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
