"""Whom a run reaches and what it gives each of them, as SQL over their accounts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, exists, func, or_, select
from sqlalchemy.orm import Session

from app.ledger.bulk import credit_of
from app.ledger.models import Account
from app.people import service as people
from app.people.models import Group, Membership, User
from app.schedules import rules
from app.schedules.models import Run, RunGroup, Schedule
from app.schedules.terms import Terms, distinct_names
from language import _


@dataclass(frozen=True)
class Credit:
    """Who gets how much from one run. Amounts in millionths; `group_ids` count only where it is not for everyone."""

    everyone: bool
    group_ids: tuple[int, ...]
    amount: int
    top_up: str
    cap: int | None

    @property
    def reached(self) -> tuple[ColumnElement[bool], ...]:
        """What an account fulfils that the run reaches."""
        return (*reached_by(everyone=self.everyone, group_ids=self.group_ids), _of_active())

    @property
    def not_reached(self) -> ColumnElement[bool]:
        """What an account fulfils that the run does not reach, in a form that is quick for one account."""
        if self.everyone:
            return or_(Account.user_id.is_(None), ~_of_active())
        in_group = Membership.user_id == Account.user_id, Membership.group_id.in_(self.group_ids)
        return or_(~exists().where(*in_group), ~_of_active())

    @property
    def moved(self) -> ColumnElement[int]:
        """What the run moves on an account, in millionths."""
        return credit_of(amount=self.amount, top_up=self.top_up, cap=self.cap)


def credit_of_terms(session: Session, *, terms: Terms) -> Credit:
    """Return what terms that are not kept yet would give; groups that nobody is in yet reach nobody."""
    found = [people.find_group(session, name=name) for name in distinct_names(terms.groups)]
    group_ids = tuple(group.id for group in found if group is not None)
    return Credit(terms.everyone, group_ids, terms.amount, terms.top_up, terms.cap)


def credit_of_schedule(schedule: Schedule) -> Credit:
    """Return what a schedule gives each time."""
    group_ids = tuple(group.id for group in schedule.groups)
    return Credit(schedule.everyone, group_ids, schedule.amount, schedule.top_up, schedule.cap)


def credit_of_run(session: Session, *, run: Run) -> Credit:
    """Return what a run gives, on the terms that it was made with."""
    group_ids = session.scalars(select(RunGroup.group_id).where(RunGroup.run_id == run.id)).all()
    return Credit(run.everyone, tuple(group_ids), run.amount, run.top_up, run.cap)


def groups_of_run(session: Session, *, run: Run) -> list[str]:
    """Return the names of the groups that a run credits."""
    query = select(Group.name).join(RunGroup, RunGroup.group_id == Group.id).where(RunGroup.run_id == run.id)
    return list(session.scalars(query.order_by(Group.name_key)))


def reached_by(*, everyone: bool, group_ids: Sequence[int]) -> tuple[ColumnElement[bool], ...]:
    """Return what an account fulfils that belongs to everyone, or to somebody in one of the groups."""
    if everyone:
        return (Account.user_id.is_not(None),)
    return (Account.user_id.in_(select(Membership.user_id).where(Membership.group_id.in_(group_ids))),)


def count(session: Session, *, reached: Sequence[ColumnElement[bool]]) -> int:
    """Return how many accounts fulfil `reached`."""
    return session.scalar(select(func.count()).select_from(Account).where(*reached)) or 0


def count_people(session: Session) -> int:
    """Return how many people "everyone" is now."""
    return count(session, reached=(*reached_by(everyone=True, group_ids=()), _of_active()))


def _of_active() -> ColumnElement[bool]:
    """What an account fulfils whose owner is active: who is disabled or gone gets nothing until they are back."""
    return Account.user_id.not_in(select(User.id).where(User.status.in_(("disabled", "gone"))))


def in_words(*, everyone: bool, names: Sequence[str]) -> str:
    """Return whom it reaches as people say it: "everyone", or the names of the groups."""
    return _("everyone") if everyone else rules.list_in_words(names)
