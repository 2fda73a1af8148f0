"""The forms of rates and of a list of sites, read into what the services take; problems stand at their fields."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask_wtf import FlaskForm
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.datastructures import MultiDict
from wtforms import BooleanField, HiddenField, RadioField, SelectField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice

from app.internet import rate_words as words
from app.internet.rate_changes import HOURS_MAX, PERCENT_MAX, Rates
from app.internet.rate_rules import Hours
from app.internet.rate_sites import Read, problems_in_words, read_domains
from app.money import Unit, parse_amount, plain
from app.people import service as people
from app.people.models import Group, User
from language import N_, _

BLANK_LINES = 2
PRICES = ("down", "up", "per_period")
WEEKDAYS = tuple("1234567")
SHOWN_OF_A_LINE = 60


def choices_of(words_by_value: Mapping[str, str]) -> list[SelectChoice]:
    """Return what a field offers, from its values and their words, which are translated if they are constants."""
    return [SelectChoice(value, _(text)) for value, text in words_by_value.items()]


@dataclass(frozen=True)
class Line:
    """A line of hours as it was typed."""

    name: str = ""
    days: tuple[str, ...] = ("1", "2", "3", "4", "5")
    start: str = ""
    end: str = ""
    percent: str = ""

    @property
    def is_blank(self) -> bool:
        """Whether nothing was typed: such a line says nothing."""
        return not (self.name or self.start or self.end or self.percent)


class RatesForm(FlaskForm):
    """How use is charged, and what happens to who has nothing left."""

    model = RadioField(N_("What is charged"), choices=[], validate_choice=False, default="data")
    down = StringField(N_("1 MB received"))
    up = StringField(N_("1 MB sent"))
    cached_free = BooleanField(N_("What the proxy answers from its own store (cache) is free"))
    per_period = StringField(N_("Each period"))
    period_minutes = SelectField(N_("Length of a period"), validate_choice=False, default="15")
    groups = TextAreaField(N_("Groups that pay less or nothing"))
    users = TextAreaField(N_("People who pay less or nothing"))
    at_empty = RadioField(N_("Who has nothing left"), choices=[], validate_choice=False, default="stop")
    running = RadioField(N_("What runs at that moment"), choices=[], validate_choice=False, default="end")
    version = HiddenField()

    lines: Sequence[Line] = ()

    def __init__(self, **values: Any) -> None:
        """Offer the choices in the language spoken now."""
        super().__init__(**values)
        self.model.choices = choices_of(words.MODELS)
        self.at_empty.choices = choices_of(words.AT_EMPTY)
        self.running.choices = choices_of(words.RUNNING)

    def read(self, session: Session, unit: Unit, form: MultiDict[str, str]) -> tuple[Rates, dict[str, str]]:
        """Return what the fields say and, by field, what is wrong; the rates count only where nothing is."""
        wrong: dict[str, str] = {}
        self.lines = read_lines(form)
        hours = []
        for number, line in enumerate(self.lines, start=1):
            try:
                hours += [] if line.is_blank else [_hours(line)]
            except ValueError as exc:
                wrong.setdefault("hours", _("Line %(number)s of the hours: %(problem)s", number=number, problem=exc))
        amounts = {name: _amount(self[name], unit, wrong) for name in PRICES}
        length = str(self.period_minutes.data or "")
        for name, options in (("at_empty", words.AT_EMPTY), ("running", words.RUNNING), ("model", words.MODELS)):
            if self[name].data not in options:
                wrong[name] = _("Choose one of these")
        said = Rates(
            model=str(self.model.data),
            **amounts,
            period_minutes=int(length) if re.fullmatch("[0-9]{1,2}", length) else 0,
            cached_free=bool(self.cached_free.data),
            at_empty=str(self.at_empty.data),
            running=str(self.running.data),
            hours=tuple(hours),
            groups=_shares(self.groups, lambda name: _group_id(session, name), wrong),
            users=_shares(self.users, lambda name: _user_id(session, name), wrong),
        )
        return said, wrong

    def show(self, problems: Mapping[str, str]) -> None:
        """Put each problem at its field; the hours are shown apart."""
        for name, problem in problems.items():
            if name in self:
                self[name].errors = [problem]

    @property
    def shown_version(self) -> int:
        """The version of the rates that the form was filled from; -1, which none has, when it was tampered with."""
        return int(self.version.data) if re.fullmatch("[0-9]{1,9}", self.version.data or "") else -1


class SiteListForm(FlaskForm):
    """A list of sites."""

    name = StringField(N_("Name"))
    percent = StringField(N_("Share of the price"))
    always_open = BooleanField(N_("Always open: reachable also by who has nothing left"))
    domains = TextAreaField(N_("Sites"))

    def read(self, taken: Mapping[str, str]) -> tuple[int, Read, dict[str, str]]:
        """Return (percent, what was pasted, problems by field)."""
        wrong: dict[str, str] = {}
        name = _text(self.name)
        if not 0 < len(name) <= 80:
            wrong["name"] = _("Give the list a name of at most 80 characters")
        elif not name.isprintable():
            wrong["name"] = _("The name holds a character that cannot be shown; type it anew")
        try:
            percent = read_percent(_text(self.percent))
        except ValueError as exc:
            percent, wrong["percent"] = 0, str(exc)
        read = read_domains(str(self.domains.data or ""), taken=taken)
        if read.problems:
            wrong["domains"] = " ".join(problems_in_words(read.problems))
        return percent, read, wrong

    def show(self, problems: Mapping[str, str]) -> None:
        """Put each problem at its field."""
        for name, problem in problems.items():
            self[name].errors = [problem]


def values_of(session: Session, said: Rates, version: int, unit: Unit) -> dict[str, Any]:
    """Return what the form shows of rates."""
    return {
        "model": said.model,
        **{name: plain(getattr(said, name), unit.decimals) for name in PRICES},
        "period_minutes": str(said.period_minutes),
        "cached_free": said.cached_free,
        "at_empty": said.at_empty,
        "running": said.running,
        "groups": "\n".join(f"{name}: {percent}" for name, percent in group_shares(session, said)),
        "users": "\n".join(f"{name}: {percent}" for name, percent in user_shares(session, said)),
        "version": str(version),
    }


def lines_of(said: Rates) -> list[Line]:
    """Return the hours as the form shows them."""
    return [
        Line(
            each.name, tuple(each.weekdays), words.clock_text(each.start), words.clock_text(each.end), str(each.percent)
        )
        for each in said.hours
    ]


def group_shares(session: Session, said: Rates) -> list[tuple[str, int]]:
    """Return the groups that pay another share, by name."""
    rows = session.execute(select(Group.id, Group.name).where(Group.id.in_(said.groups)).order_by(Group.name_key))
    return [(name, said.groups[group_id]) for group_id, name in rows]


def user_shares(session: Session, said: Rates) -> list[tuple[str, int]]:
    """Return the people who pay another share, by name."""
    rows = session.execute(select(User.id, User.username).where(User.id.in_(said.users)).order_by(User.username))
    return [(name, said.users[user_id]) for user_id, name in rows]


def read_lines(form: MultiDict[str, str]) -> list[Line]:
    """Return the lines of hours that a form sends; those that are to go are left out."""
    lines = []
    for number in range(HOURS_MAX + BLANK_LINES):
        if f"h{number}_start" not in form or f"h{number}_gone" in form:
            continue
        texts = {name: form.get(f"h{number}_{name}", "").strip() for name in ("name", "start", "end", "percent")}
        line = Line(days=tuple(form.getlist(f"h{number}_day")), **texts)
        lines += [] if line.is_blank else [line]
    return lines


def read_percent(text: str) -> int:
    """Read "50", "50 %", "free" (also in the language spoken) as percent. Raises ValueError with a sentence."""
    cleaned = text.strip().removesuffix("%").strip().lower()
    if cleaned in ("free", "nothing", _("free").lower(), _("nothing").lower()):
        return 0
    if not re.fullmatch("[0-9]{1,4}", cleaned, re.ASCII) or int(cleaned) > PERCENT_MAX:
        raise ValueError(_("Write a whole number of percent, from 0 (free) to %(most)s", most=PERCENT_MAX))
    return int(cleaned)


def read_minute(text: str) -> int:
    """Read "18:15" or "24:00" as a minute of the day. Raises ValueError, with words that follow a colon."""
    found = re.fullmatch("([0-9]{1,2}):([0-9]{2})", text.strip(), re.ASCII)
    minute = int(found[1]) * 60 + int(found[2]) if found and int(found[2]) < 60 else -1
    if not 0 <= minute <= 1440:
        raise ValueError(_("write times as 18:00"))
    return minute


def _hours(line: Line) -> Hours:
    days = "".join(sorted({day for day in line.days if day in WEEKDAYS}))
    if not days:
        raise ValueError(_("tick at least one day"))
    try:
        percent = read_percent(line.percent)
    except ValueError:
        raise ValueError(_("write the share in percent, from 0 (free) to %(most)s", most=PERCENT_MAX)) from None
    return Hours(line.name, days, read_minute(line.start), read_minute(line.end), percent)


def _shares(field: Any, find: Callable[[str], int | None], wrong: dict[str, str]) -> dict[int, int]:
    """Read lines such as "Staff: 0"; names that are not known are named with their lines."""
    found: dict[int, int] = {}
    problems = []
    for number, line in enumerate(str(field.data or "").splitlines(), start=1):
        name, _colon, share = line.rpartition(":")
        if not line.strip():
            continue
        shown = line.strip()[:SHOWN_OF_A_LINE]
        try:
            percent = read_percent(share)
        except ValueError:
            problems.append((number, _no_share(share, shown)))
            continue
        known = find(name.strip()) if name.strip() else None
        if known is None:
            unknown = name.strip()[:SHOWN_OF_A_LINE]
            problems.append((number, _("nobody here is called “%(name)s”", name=unknown)))
        elif known in found:
            problems.append((number, _("“%(line)s” is there twice", line=shown)))
        else:
            found[known] = percent
    if problems:
        wrong[field.name] = " ".join(problems_in_words(problems))
    return found


def _no_share(share: str, shown: str) -> str:
    if share.strip().removesuffix("%").strip().isdecimal():
        return _("the share in “%(line)s” is not from 0 to %(most)s percent", line=shown, most=PERCENT_MAX)
    return _("“%(line)s” does not end with a share, such as “: 50” or “: free”", line=shown)


def _group_id(session: Session, name: str) -> int | None:
    group = people.find_group(session, name=name)
    return group.id if group else None


def _user_id(session: Session, name: str) -> int | None:
    user = people.find_user(session, username=name)
    return user.id if user else None


def _amount(field: Any, unit: Unit, wrong: dict[str, str]) -> int:
    text = _text(field)
    try:
        amount = parse_amount(text.removeprefix(unit.symbol).removesuffix(unit.symbol)) if text else 0
    except ValueError as exc:
        wrong[field.name] = str(exc)
        return 0
    if amount < 0:
        wrong[field.name] = _("A price is not below 0")
    return max(0, amount)


def _text(field: Any) -> str:
    return str(field.data or "").strip()
