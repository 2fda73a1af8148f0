"""The form of a schedule: what is typed becomes terms, and what is wrong with it stands at its field."""

from __future__ import annotations

import re
import secrets
from datetime import date
from typing import Any

from flask_wtf import FlaskForm
from wtforms import HiddenField, RadioField, SelectField, SelectMultipleField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice
from wtforms.widgets import CheckboxInput

from app.money import Unit, parse_amount, plain
from app.schedules import rules
from app.schedules.models import Schedule
from app.schedules.terms import Terms, check
from language import N_, _

REACH = [SelectChoice("groups", N_("People in these groups")), SelectChoice("everyone", N_("Everyone"))]
TOP_UP = [
    SelectChoice("add", N_("Add it to the balance")),
    SelectChoice("cap", N_("Add it, but never above a cap")),
    SelectChoice("reset", N_("Set the balance to it, whatever was left")),
    SelectChoice("lower", N_("Give nothing: take back what is above it, such as at the end of a term")),
]
PERIOD = [
    SelectChoice("daily", N_("Every day")),
    SelectChoice("weekly", N_("On days of the week")),
    SelectChoice("monthly", N_("On a day of the month")),
    SelectChoice("ordinal", N_("On a weekday of the month, such as the last Friday")),
    SelectChoice("dates", N_("On dates that you list, such as the first day of each term")),
    SelectChoice("first_seen", N_("Once, when a person is first seen here")),
]
CATCH_UP = [
    SelectChoice("last", N_("Run once when it is back")),
    SelectChoice("all", N_("Run each time that was missed")),
    SelectChoice("none", N_("Skip what is more than 15 minutes late")),
]
WEEKDAYS = [SelectChoice(str(number), name) for number, name in enumerate(rules.WEEKDAY_NAMES)]
ORDINALS = {1: N_("First"), 2: N_("Second"), 3: N_("Third"), 4: N_("Fourth"), -1: N_("Last")}
DEFAULT_TIME = "07:00"
BAD_DATE = N_("Write the day as 2027-03-01")
SHOWN_OF_A_BAD_DATE = 20


class ScheduleForm(FlaskForm):
    """What an administrator fills in. The words for what is wrong are those of the terms: every door says the same."""

    name = StringField(N_("Name"))
    reach = RadioField(N_("Who"), choices=REACH, validate_choice=False, default="groups")
    groups = SelectMultipleField(N_("Groups"), validate_choice=False, option_widget=CheckboxInput())
    other_groups = StringField(N_("Other groups"))
    amount = StringField(N_("Credit each time"))
    top_up = RadioField(N_("How it tops up"), choices=TOP_UP, validate_choice=False, default="add")
    cap = StringField(N_("Cap"))
    period = RadioField(N_("Repeats"), choices=PERIOD, validate_choice=False, default="weekly")
    weekdays = SelectMultipleField(
        N_("On these days"), choices=WEEKDAYS, validate_choice=False, default=["0"], option_widget=CheckboxInput()
    )
    every_weeks = StringField(N_("Every how many weeks"), default="1")
    month_day = StringField(N_("Day of the month"), default="1")
    ordinal = SelectField(
        N_("Which"),
        choices=lambda: [SelectChoice(str(number), _(name)) for number, name in ORDINALS.items()],
        validate_choice=False,
        default="1",
    )
    month_weekday = SelectField(
        N_("Weekday of the month"),
        choices=lambda: [SelectChoice(str(number), _(name)) for number, name in enumerate(rules.MONTH_DAY_NAMES)],
        validate_choice=False,
        default="0",
    )
    dates = TextAreaField(N_("Dates"))
    time_of_day = StringField(N_("At"), default=DEFAULT_TIME)
    time_zone = StringField(N_("Time zone"))
    starts_on = StringField(N_("First day"))
    ends_on = StringField(N_("Last day"))
    catch_up = RadioField(N_("If the server was off"), choices=CATCH_UP, validate_choice=False, default="last")
    version = HiddenField()
    form_id = HiddenField(default=lambda: secrets.token_urlsafe(18))

    def read(self, unit: Unit) -> tuple[Terms, dict[str, str]]:
        """Return the terms and, by field, what is wrong with them; the terms count only where nothing is.

        What stands in a field that the chosen period does not show is not looked at: it counts as if it were empty.
        """
        wrong: dict[str, str] = {}
        period = _text(self.period)
        everyone, once = self.reach.data == "everyone", period == "first_seen"
        top_up = "add" if once else _text(self.top_up)
        terms = Terms(
            name=_text(self.name),
            everyone=everyone,
            groups=() if everyone else self._group_names(),
            amount=_amount(self.amount, unit, wrong) or 0,
            top_up=top_up,
            cap=_amount(self.cap, unit, wrong) if top_up == "cap" and _text(self.cap) else None,
            period=period,
            weekdays=tuple(int(day) for day in self.weekdays.data or () if re.fullmatch("[0-6]", day)),
            every_weeks=_number(self.every_weeks),
            month_day=_number(self.month_day),
            ordinal=_number(self.ordinal),
            month_weekday=_number(self.month_weekday),
            dates=_dates(self.dates, wrong) if period == "dates" else (),
            time_of_day="00:00" if once else _text(self.time_of_day),
            time_zone=_text(self.time_zone),
            starts_on=_date(self.starts_on, wrong) if period != "dates" else None,
            ends_on=_date(self.ends_on, wrong) if period != "dates" else None,
            catch_up="last" if once else _text(self.catch_up),
        )
        return terms, check(terms) | wrong

    def show(self, problems: dict[str, str]) -> None:
        """Put each problem at its field."""
        for name, problem in problems.items():
            self[name].errors = [problem]

    @property
    def sent_id(self) -> str | None:
        """The id that makes sending the form twice the same as once; None when it was tampered with."""
        return self.form_id.data if re.fullmatch(r"[A-Za-z0-9_-]{16,64}", self.form_id.data or "", re.ASCII) else None

    @property
    def shown_version(self) -> int:
        """The version of the schedule that the form was filled from; 0, which none has, when it was tampered with."""
        return int(self.version.data) if re.fullmatch("[0-9]{1,9}", self.version.data or "") else 0

    def _group_names(self) -> tuple[str, ...]:
        typed = [name.strip() for name in _text(self.other_groups).split(",")]
        return (*(self.groups.data or ()), *(name for name in typed if name))


def values_of(schedule: Schedule, unit: Unit) -> dict[str, Any]:
    """Return what the form shows of a schedule."""
    return {
        "name": schedule.name,
        "reach": "everyone" if schedule.everyone else "groups",
        "groups": [group.name for group in schedule.groups],
        "amount": plain(schedule.amount, unit.decimals),
        "top_up": schedule.top_up,
        "cap": "" if schedule.cap is None else plain(schedule.cap, unit.decimals),
        "period": schedule.period,
        "weekdays": list(schedule.weekdays),
        "every_weeks": str(schedule.every_weeks),
        "month_day": str(schedule.month_day or 1),
        "ordinal": str(schedule.ordinal or 1),
        "month_weekday": str(schedule.month_weekday or 0),
        "dates": schedule.dates.replace(" ", "\n"),
        "time_of_day": DEFAULT_TIME if schedule.period == "first_seen" else schedule.time_of_day,
        "time_zone": schedule.time_zone,
        "starts_on": schedule.starts_on.isoformat() if schedule.starts_on else "",
        "ends_on": schedule.ends_on.isoformat() if schedule.ends_on else "",
        "catch_up": schedule.catch_up,
        "version": str(schedule.version),
    }


def _text(field: Any) -> str:
    return str(field.data or "").strip()


def _amount(field: Any, unit: Unit, wrong: dict[str, str]) -> int | None:
    text = _text(field)
    try:
        return parse_amount(text.removeprefix(unit.symbol).removesuffix(unit.symbol))
    except ValueError as exc:
        wrong[field.name] = str(exc)
        return None


def _number(field: Any) -> int | None:
    return int(_text(field)) if re.fullmatch("-?[0-9]{1,2}", _text(field)) else None


def _dates(field: Any, wrong: dict[str, str]) -> tuple[date, ...]:
    """Return the days of a text with one on each line, or with commas or blanks between."""
    days = []
    for typed in re.split(r"[\s,;]+", _text(field)):
        try:
            days += [date.fromisoformat(typed)] if typed else []
        except ValueError:
            shown = typed if len(typed) <= SHOWN_OF_A_BAD_DATE else typed[:SHOWN_OF_A_BAD_DATE] + "…"
            wrong[field.name] = _("“%(typed)s” is no day. Write each as 2027-03-01, one on a line", typed=shown)
            break
    return tuple(days)


def _date(field: Any, wrong: dict[str, str]) -> date | None:
    try:
        return date.fromisoformat(_text(field)) if _text(field) else None
    except ValueError:
        wrong[field.name] = _(BAD_DATE)
        return None
