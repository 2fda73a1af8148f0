"""What a run would do now: to how many, how much in all, and to whom. Counted by the database; nothing is changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, String, case, cast, exists, func, literal, select
from sqlalchemy.orm import Session

from app.ledger import rules as ledger_rules
from app.ledger.models import Account, Entry
from app.money import MICRO
from app.people import service as people
from app.people.models import Membership, User
from app.schedules.models import Run
from app.schedules.reach import Credit, credit_of_terms
from app.schedules.terms import Terms, distinct_names


@dataclass(frozen=True)
class Preview:
    """What a run would do now. Amounts in millionths; with "reset" and "lower" a purse may also lose what it has.

    `people` are reached, `credited` of them gain or lose something, `total` in all. `lowered` of these lose, `taken`
    (>= 0) in all. `cut` is what the cap keeps back from `cut_people`, some of whom get nothing. `empty` are the named
    groups that nobody is in: nobody has signed in from them yet, or the name is wrong.
    """

    people: int
    credited: int
    total: int
    lowered: int = 0
    taken: int = 0
    cut_people: int = 0
    cut: int = 0
    empty: tuple[str, ...] = ()


@dataclass(frozen=True)
class Difference:
    """Beside the schedule's last run: `new` get something that got nothing then, `gone` the other way round.

    `same` get something both times; `more` (millionths, below 0: less) is credited in all.
    """

    last: Run
    new: int
    gone: int
    same: int
    more: int


@dataclass(frozen=True)
class PersonForecast:
    """What a run would do to one person, in millionths. `through` are the groups that make it reach them."""

    user: User
    reached: bool
    through: tuple[str, ...]
    balance: int
    moved: int
    cut: int

    @property
    def after(self) -> int:
        """The balance afterwards."""
        return self.balance + self.moved


@dataclass(frozen=True)
class Line:
    """One person of the list. Amounts in millionths; `compared`: "new", "gone" or "same" beside the last run."""

    user_id: int
    username: str
    name: str
    balance: int
    moved: int
    compared: str


def preview(session: Session, *, terms: Terms) -> Preview:
    """Say what one run would do with today's balances."""
    return _count(session, credit_of_terms(session, terms=terms), () if terms.everyone else _empty(session, terms))


def preview_credit(session: Session, *, credit: Credit) -> Preview:
    """Say what one run of a schedule that is kept would do with today's balances."""
    return _count(session, credit, ())


def compare(session: Session, *, credit: Credit, expected: Preview, last: Run) -> Difference:
    """Say what is different from the run `last`, of which `expected` is the successor."""
    both = select(func.count()).where(*credit.reached, credit.moved != 0, Account.id.in_(_credited_by(last)))
    same = session.scalar(both) or 0
    return Difference(
        last, new=expected.credited - same, gone=last.credited - same, same=same, more=expected.total - last.total
    )


def last_run(session: Session, *, schedule_id: int) -> Run | None:
    """Return the schedule's newest run that came to its end, to compare the next with; None before the first."""
    done = select(Run).where(Run.schedule_id == schedule_id, Run.state == "done")
    return session.scalar(done.order_by(Run.id.desc()).limit(1))


def for_person(session: Session, *, credit: Credit, user: User) -> PersonForecast | None:
    """Say what a run would do to one person; None for somebody without a purse."""
    balance = session.scalar(select(Account.balance).where(Account.user_id == user.id))
    if balance is None:
        return None
    through = tuple(group.name for group in user.groups if group.id in credit.group_ids and not credit.everyone)
    if not user.is_active or (not credit.everyone and not through):
        return PersonForecast(user, False, (), balance, 0, 0)
    moved = ledger_rules.credit(balance=balance, amount=credit.amount, top_up=credit.top_up, cap=credit.cap)
    cut = credit.amount - moved if credit.top_up == "cap" else 0
    return PersonForecast(user, True, through, balance, moved, cut)


def lines(session: Session, *, credit: Credit, last: Run | None, after: int, limit: int) -> list[Line]:
    """Return the people that a run would reach, by user id, those above the id `after`."""
    query = (
        select(User.id, User.username, User.display_name, Account.balance, credit.moved, _was_credited(last))
        .join_from(Account, User, User.id == Account.user_id)
        .where(*credit.reached, Account.user_id > after)
        .order_by(Account.user_id)
        .limit(limit)
    )
    return [Line(*row[:5], compared=_compared(last, bool(row[4]), row[5])) for row in session.execute(query)]


def lines_gone(session: Session, *, credit: Credit, last: Run, after: str, limit: int) -> tuple[list[Line], str]:
    """Return the people whom the run `last` credited and a run would not reach now, and the key to go on after.

    The key is "" when there are no more; begin with "".
    """
    prefix = last.key_prefix
    query = (
        select(User.id, User.username, User.display_name, Account.balance, Entry.key)
        .join_from(Entry, Account, Account.id == Entry.account_id)
        .join(User, User.id == Account.user_id)
        .where(Entry.key > max(after, prefix), Entry.key < ledger_rules.prefix_end(prefix))
        .where(credit.not_reached)
        .order_by(Entry.key)
        .limit(limit)
    )
    rows = session.execute(query).all()
    gone = [Line(*row[:4], moved=0, compared="gone") for row in rows]
    return gone, rows[-1][4] if len(rows) == limit else ""


def _count(session: Session, credit: Credit, empty: tuple[str, ...]) -> Preview:
    moved = credit.moved
    columns = [func.count(), func.count().filter(moved != 0), *_exact_sum(moved)]
    takes = credit.top_up in ("reset", "lower")
    if takes:
        columns += [func.count().filter(moved < 0), *_exact_sum(case((moved < 0, -moved), else_=0))]
    elif credit.top_up == "cap":
        missing = literal(credit.amount, Account.balance.type) - moved
        columns += [func.count().filter(missing > 0), *_exact_sum(missing)]
    row = session.execute(select(*columns).select_from(Account).where(*credit.reached)).one()
    people, credited, total = row[0], row[1], _put_together(row[2:4])
    if takes:
        return Preview(people, credited, total, lowered=row[4], taken=_put_together(row[5:7]), empty=empty)
    if credit.top_up == "cap":
        return Preview(people, credited, total, cut_people=row[4], cut=_put_together(row[5:7]), empty=empty)
    return Preview(people, credited, total, empty=empty)


def _exact_sum(amount: ColumnElement[int]) -> tuple[ColumnElement[int], ColumnElement[int]]:
    """Sum whole units and what is left of them each for itself: SQLite refuses a sum of amounts beyond 2**63."""
    whole = amount // MICRO
    return func.sum(whole), func.sum(amount - whole * MICRO)


def _put_together(parts: Any) -> int:
    whole, rest = parts
    return int(whole or 0) * MICRO + int(rest or 0)


def _empty(session: Session, terms: Terms) -> tuple[str, ...]:
    groups = {name: people.find_group(session, name=name) for name in distinct_names(terms.groups)}
    return tuple(
        name
        for name, group in groups.items()
        if group is None or not session.scalar(select(exists().where(Membership.group_id == group.id)))
    )


def _credited_by(run: Run) -> Any:
    prefix = run.key_prefix
    return select(Entry.account_id).where(Entry.key >= prefix, Entry.key < ledger_rules.prefix_end(prefix))


def _was_credited(last: Run | None) -> ColumnElement[bool]:
    if last is None:
        return literal(False)
    key = literal(last.key_prefix, String) + cast(Account.user_id, String)
    return exists().where(Entry.key == key)


def _compared(last: Run | None, gets: bool, got: bool) -> str:
    if last is None or gets == got:
        return "same" if last else ""
    return "new" if gets else "gone"
