"""What a run counted is compared with the entries that stand under its keys."""

from __future__ import annotations

from sqlalchemy import select

from app.db import db, one_moment
from app.ledger import tasks
from app.ledger.models import Entry
from app.money import MICRO
from app.schedules.checks import totals_of_runs
from tests.ledger.thief import Thief
from tests.schedules.pupils import credit, make_run


def test_a_credit_that_a_run_made_and_that_is_gone_is_named(pupils: dict[str, int]) -> None:
    run_id = make_run()
    credit(run_id)
    make_run(name="Another")
    assert tasks.verify_and_keep()[0].difference_count == 0
    thief = Thief(db.engine)
    thief.remember()
    with one_moment() as session:
        entry = session.scalars(select(Entry).where(Entry.key.like("allocation:%")).order_by(Entry.id)).all()[3]
    thief.remove(entry)
    with one_moment() as session:
        found = [(one.what, one.expected, one.found, one.text) for one in totals_of_runs(session)]
    assert [row[:3] for row in found] == [("entries of a run", 7, 6), ("total of a run", 14 * MICRO, 12 * MICRO)]
    assert all(f"run {run_id}: schedule 1, " in row[3] for row in found)
    report = tasks.verify_and_keep()[0]
    assert ("entry was deleted", entry.account_id, entry.id) in {
        (one.what, one.account_id, one.entry_id) for one in report.differences
    }
    thief.undo()
    with one_moment() as session:
        assert list(totals_of_runs(session)) == []
