"""What a run would do is counted by the database, and the run then does exactly that."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from typing import Any

import pytest

from app.db import reading, writing
from app.ledger import rules as ledger_rules
from app.money import AMOUNT_MAX, MICRO
from app.people import service as people
from app.schedules import forecast, reach, run_files
from app.schedules.reach import Credit
from tests.schedules.conftest import WEEKLY
from tests.schedules.pupils import DUE, SEVEN, credit, give, make_run, remember, run_of

BEFORE = {name: number * 1_700_000 for number, name in enumerate(SEVEN)}


def credit_of(**changed: Any) -> Credit:
    """What the weekly schedule for Pupils gives, with something changed."""
    terms = replace(WEEKLY, **({"groups": ("Pupils",)} | changed))
    return reach.credit_of_terms(reading(), terms=terms)


def table(parts: Any) -> list[list[str]]:
    """The rows of a file, without its head."""
    text = "".join(parts)
    assert text.startswith("\N{ZERO WIDTH NO-BREAK SPACE}username,name,")
    return list(csv.reader(io.StringIO(text)))[1:]


@pytest.mark.parametrize(
    ("top_up", "cap"),
    [("add", None), ("cap", 4 * MICRO), ("cap", 1_500_000), ("cap", 100 * MICRO), ("reset", None), ("lower", None)],
)
def test_a_preview_counts_as_the_rule_says(pupils: dict[str, int], top_up: str, cap: int | None) -> None:
    for name, amount in BEFORE.items():
        give(pupils[name], amount)
    said = forecast.preview(reading(), terms=replace(WEEKLY, groups=("Pupils", "Nobody"), top_up=top_up, cap=cap))
    moved = [
        ledger_rules.credit(balance=balance, amount=2 * MICRO, top_up=top_up, cap=cap) for balance in BEFORE.values()
    ]
    cut = [2 * MICRO - one for one in moved] if top_up == "cap" else []
    assert (said.people, said.credited, said.total) == (7, sum(map(bool, moved)), sum(moved))
    assert (said.lowered, said.taken) == (sum(one < 0 for one in moved), -sum(min(0, one) for one in moved))
    assert (said.cut_people, said.cut) == (sum(map(bool, cut)), sum(cut))
    assert said.empty == ("Nobody",)
    run = run_of(make_run(top_up=top_up, cap=cap))
    credit(run.id)
    run = run_of(run.id)
    assert (said.people, said.credited, said.total) == (run.considered, run.credited, run.total)


def test_amounts_beyond_what_a_column_holds_are_still_counted(pupils: dict[str, int]) -> None:
    for name in SEVEN:
        give(pupils[name], -AMOUNT_MAX)
    kept = reach.Credit(True, (), 2**62, "add", None)
    assert forecast.preview_credit(reading(), credit=kept).total == 11 * 2**62


def test_the_list_has_everybody_whom_it_reaches_as_the_run_then_credits(pupils: dict[str, int]) -> None:
    for name, amount in BEFORE.items():
        give(pupils[name], amount)
    writing(lambda session: remember(session, "pupil6", ("Choir",)))
    chosen = credit_of(top_up="cap", cap=4 * MICRO)
    rows = table(run_files.forecast_parts(reading(), credit=chosen, last=None, decimals=2))
    assert rows[0] == ["pupil0", "pupil0", "0.00", "2.00", "2.00"]
    assert rows[2:4] == [["pupil2", "pupil2", "3.40", "0.60", "4.00"], ["pupil3", "pupil3", "5.10", "0.00", "5.10"]]
    assert [row[0] for row in rows] == [f"pupil{number}" for number in range(6)]


def test_the_list_is_made_part_by_part(pupils: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_files, "PART", 2)
    run_id = make_run()
    credit(run_id)
    parts = list(
        run_files.forecast_parts(reading(), credit=credit_of(groups=("Staff",)), last=run_of(run_id), decimals=2)
    )
    assert len(parts) == 1 + 1 + 4
    rows = table(parts)
    assert [row[0] for row in rows] == ["carol", *sorted(SEVEN, key=lambda name: str(pupils[name]))]
    assert [row[5] for row in rows] == ["new", *["gone"] * 7]
    found = table(run_files.credited_parts(reading(), run=run_of(run_id), zone=DUE.tzinfo, decimals=2))
    assert sorted(row[0] for row in found) == list(SEVEN)
    assert found[0][2:4] == ["2.00", "2.00"]


def test_names_that_look_like_formulas_are_text(house: dict[str, int]) -> None:
    writing(lambda session: remember(session, "=1+1"))
    (row,) = table(run_files.forecast_parts(reading(), credit=credit_of(), last=None, decimals=2))
    assert row[:2] == ["'=1+1", "'=1+1"]


def test_the_difference_from_the_last_run_names_who_is_new_gone_and_the_same(pupils: dict[str, int]) -> None:
    run_id = make_run(top_up="cap", cap=4 * MICRO)
    give(pupils["pupil5"], 9 * MICRO)
    credit(run_id)
    last = run_of(run_id)
    assert (last.credited, last.total) == (6, 12 * MICRO)
    writing(lambda session: remember(session, "pupil0", ("Choir",)))
    writing(lambda session: remember(session, "newcomer"))
    give(pupils["pupil1"], 1 * MICRO)
    give(pupils["pupil2"], 2 * MICRO)
    chosen = credit_of(top_up="cap", cap=4 * MICRO)
    expected = forecast.preview_credit(reading(), credit=chosen)
    found = forecast.compare(reading(), credit=chosen, expected=expected, last=last)
    assert (found.new, found.gone, found.same, found.more) == (1, 2, 4, -3 * MICRO)
    rows = {row[0]: row for row in table(run_files.forecast_parts(reading(), credit=chosen, last=last, decimals=2))}
    assert {name: row[5] for name, row in rows.items() if row[5] != "same"} == {
        "newcomer": "new",
        "pupil0": "gone",
        "pupil2": "gone",
    }
    assert rows["pupil0"][2:5] == ["2.00", "0.00", "2.00"]
    assert forecast.last_run(reading(), schedule_id=last.schedule_id).id == run_id  # type: ignore[union-attr]


def test_one_person_is_told_whether_and_why(pupils: dict[str, int], house: dict[str, int]) -> None:
    give(pupils["pupil3"], 3 * MICRO)

    def ask(name: str, **changed: Any) -> forecast.PersonForecast:
        user = people.find_user(reading(), username=name)
        assert user is not None
        found = forecast.for_person(reading(), credit=credit_of(**changed), user=user)
        assert found is not None
        return found

    capped = ask("pupil3", top_up="cap", cap=4 * MICRO)
    assert (capped.reached, capped.through) == (True, ("Pupils",))
    assert (capped.balance, capped.moved, capped.cut, capped.after) == (3 * MICRO, MICRO, MICRO, 4 * MICRO)
    writing(lambda session: remember(session, "pupil3", ("Pupils", "Choir")))
    assert ask("pupil3", groups=("Choir", "Pupils")).through == ("Choir", "Pupils")
    everyone = ask("carol", everyone=True, groups=())
    assert (everyone.reached, everyone.through, everyone.moved) == (True, (), 2 * MICRO)
    outside = ask("carol")
    assert (outside.reached, outside.moved, outside.after) == (False, 0, 0)
    assert ask("pupil3", top_up="reset").moved == -MICRO
