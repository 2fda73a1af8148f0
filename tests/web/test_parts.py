"""The parts that pages are made of, drawn by themselves."""

from __future__ import annotations

import re
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from werkzeug.datastructures import MultiDict
from wtforms import Form, RadioField, SelectMultipleField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import InputRequired

import app.web
from app.money import MICRO, Unit
from app.web.charts import balance_chart
from language.requests import init_templates

TEMPLATES = Path(app.web.__file__).parent / "templates"


@pytest.fixture
def parts() -> Environment:
    """The templates, where a name that is not given is an error."""
    env = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    init_templates(env)
    return env


def draw(parts: Environment, module: str, macro: str, *given: Any, **named: Any) -> str:
    """Call one macro."""
    return str(getattr(parts.get_template(f"parts/{module}.html").module, macro)(*given, **named))


@pytest.mark.parametrize(
    ("given", "named", "text"),
    [
        (("$", "3.40"), {}, "$3.40"),
        (("$", "-0.15"), {}, "−$0.15"),
        (("$", "−0.15"), {}, "−$0.15"),
        (("pages", "68"), {"after": True}, "68&nbsp;pages"),
    ],
)
def test_amount_reads_as_one_word(parts: Environment, given: tuple[str, str], named: dict[str, Any], text: str) -> None:
    assert re.sub(r"<[^>]+>", "", draw(parts, "amount", "amount", *given, **named)) == text


def test_mark_fills_the_purse_that_is_meant(parts: Environment) -> None:
    filled = {look: draw(parts, "marks", "mark", look).count("mark-fill") for look in ("print", "net", "portal", "")}
    assert filled == {"print": 1, "net": 1, "portal": 2, "": 2}
    assert draw(parts, "marks", "mark", "print").index("mark-fill") < 100
    assert draw(parts, "marks", "mark", "net").index("mark-line") < 100


def test_pill_has_a_word_and_a_shape(parts: Environment) -> None:
    shapes = {re.sub(r".*?<svg[^>]*>(.*?)</svg>.*", r"\1", draw(parts, "pill", "pill", state, "Word"), flags=re.S)
              for state in ("ok", "low", "empty", "paused")}  # fmt: skip
    assert len(shapes) == 4
    assert draw(parts, "pill", "pill", "ok", "<b>").endswith("&lt;b&gt;</span>")


def test_meter_stays_in_its_frame_and_says_its_numbers(parts: Environment) -> None:
    for value, width in ((34, "34.0"), (-5, "0"), (500, "100")):
        meter = draw(parts, "meter", "meter", value, 100, "so much of 100")
        assert f'width="{width}"' in meter
        assert meter.count("so much of 100") == 2
    assert 'width="0"' in draw(parts, "meter", "meter", 5, 0, "no cap")


def test_trend_is_a_step_line_over_zero(parts: Environment) -> None:
    drawn = draw(parts, "chart", "trend", [0, 10, 10, 5], "up, then down", note="Last 4 days")
    assert 'class="plot-line" d="M0 40.0H40.0V2.0H80.0V2.0H120.0V21.0"' in drawn
    assert 'aria-label="up, then down"' in drawn
    assert "Last 4 days" in drawn
    assert 'class="plot-rule" d="M0 21.0H120"' in draw(parts, "chart", "trend", [-5, 5], "below zero")
    assert draw(parts, "chart", "trend", [0, 0], "nothing").count("40.0") > 1
    assert draw(parts, "chart", "trend", [5], "one day") == ""


def test_balance_chart_has_words_and_a_table(parts: Environment) -> None:
    unit, today = Unit(), date(2026, 11, 19)
    points = [(today - timedelta(days=2 - at), value * MICRO) for at, value in enumerate((1, 3, 2))]
    chart = balance_chart(points, name="Print", text=unit.text, change=unit.change, low=MICRO, credited=[points[1][0]])
    drawn = draw(parts, "chart", "balance", chart, id="chart")
    assert 'aria-labelledby="chart-t chart-d"' in drawn
    assert "Highest $3.00 on 18 November" in drawn
    assert drawn.count("plot-rule") == len(chart.rules)
    assert "Low, under $1.00" in drawn
    assert "Credit or card" in drawn
    assert drawn.count('scope="row"') == 3


class ExampleForm(Form):
    """A form with one of each."""

    amount = StringField("Amount", default="2.00")
    reason = StringField("Reason", validators=[InputRequired("Write a reason.")])
    groups = SelectMultipleField("Groups", choices=[SelectChoice("a", "Students"), SelectChoice("b", "Staff")])
    way = RadioField("Way", choices=[SelectChoice("add", "Add"), SelectChoice("take", "Take")])


@pytest.fixture
def form() -> ExampleForm:
    """The form as it comes back with faults."""
    form = ExampleForm(MultiDict({"amount": '2"><script>', "reason": ""}))
    assert not form.validate()
    return form


def test_a_fields_words_belong_to_it(parts: Environment, form: ExampleForm) -> None:
    drawn = draw(parts, "field", "field", form.reason, help="They read it.")
    assert 'aria-describedby="reason-h reason-e"' in drawn
    assert 'aria-invalid="true"' in drawn
    assert '<p class="error" id="reason-e">Write a reason.</p>' in drawn
    assert "aria-describedby" not in draw(parts, "field", "field", form.amount)


def test_the_symbol_before_an_amount_comes_from_the_unit(parts: Environment, form: ExampleForm) -> None:
    drawn = draw(parts, "field", "field", form.amount, symbol="€", maxlength="12")
    assert 'data-symbol="€"' in drawn
    assert 'inputmode="decimal"' in drawn
    assert 'maxlength="12"' in drawn
    assert "<script>" not in drawn


def test_the_summary_uses_the_words_of_the_field(parts: Environment, form: ExampleForm) -> None:
    drawn = draw(parts, "field", "error_summary", form)
    assert '<a href="#way">' in drawn
    assert '<a href="#reason">Write a reason.</a>' in drawn
    assert "2 things to correct before you can save" in drawn
    assert 'role="alert"' in drawn
    assert draw(parts, "field", "error_summary", ExampleForm(MultiDict({"reason": "x", "way": "add"}))) == ""


def test_choices_are_a_group_with_a_name(parts: Environment, form: ExampleForm) -> None:
    drawn = draw(parts, "field", "choices", form.way, help="Which way.")
    assert '<legend class="label">Way</legend>' in drawn
    assert drawn.count('type="radio"') == 2
    assert 'for="way-0"' in drawn


def test_table_parts_keep_their_roles(parts: Environment) -> None:
    drawn = draw(parts, "table", "head", ["When", ("Amount", "r")])
    assert drawn.count('role="columnheader"') == 2
    assert 'class="r">Amount' in drawn
    assert "plus" in draw(parts, "table", "change_cell", "+$2.00")
    assert "plus" not in draw(parts, "table", "change_cell", "−$2.00")
    assert 'href="/x"' in draw(parts, "table", "paging", "1 of 2", older="/x")
