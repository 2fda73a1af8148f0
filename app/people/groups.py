"""The groups of the directory that are known here, with how many people are in each."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.orm import Session

from app.people import rules
from app.people.models import Group, Membership, User


def list_groups(session: Session, *, query: str = "", after: str = "", limit: int = 0) -> list[tuple[Group, int]]:
    """Return groups with the number of their active people, by name.

    `query`: a part of the name; `after`: the `name_key` behind which to begin; `limit`: how many at most, 0 for all.
    """
    chosen = _counted().where(Group.name_key > after, *_matching(query)).order_by(Group.name_key)
    return [(group, count) for group, count in session.execute(chosen.limit(limit) if limit else chosen)]


def count_groups(session: Session, *, query: str = "") -> int:
    """Return how many groups `list_groups` would list for `query` without a limit."""
    return int(session.scalar(select(func.count()).select_from(Group).where(*_matching(query))) or 0)


def choose_groups(
    session: Session, *, names: Collection[str], query: str, limit: int
) -> tuple[list[tuple[Group, int]], int]:
    """Return the groups called `names` and then others that match `query`, `limit` at most; and how many match.

    For a form in which some are chosen already: those stay in it, whatever is looked for.
    """
    keys = {rules.name_key(name) for name in names}
    chosen = _counted().where(Group.name_key.in_(keys)).order_by(Group.name_key)
    others = _counted().where(Group.name_key.not_in(keys), *_matching(query)).order_by(Group.name_key).limit(limit)
    found = [(group, count) for part in (chosen, others) for group, count in session.execute(part)]
    return found, count_groups(session, query=query)


def _counted() -> Select[Group, int]:
    active = and_(User.id == Membership.user_id, User.status == "active")
    return (
        select(Group, func.count(User.id))
        .outerjoin(Membership, Membership.group_id == Group.id)
        .outerjoin(User, active)
        .group_by(Group.id)
    )


def _matching(query: str) -> list[ColumnElement[bool]]:
    pattern = rules.name_key(query)
    if not pattern:
        return []
    return [or_(Group.name_key.contains(pattern, autoescape=True), Group.name.contains(query.strip(), autoescape=True))]
