"""The forms of guests: who, until when, and which password."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from flask_wtf import FlaskForm
from wtforms import Field, PasswordField, RadioField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import ValidationError

from app import clock
from app.people import local
from app.settings import settings_of_app
from app.web.addresses import read_day

LONGEST: Final = timedelta(days=731)
WAYS: Final = [SelectChoice("make", "Make one and show it once"), SelectChoice("type", "I type one")]


def _username(_form: FlaskForm, field: Field) -> None:
    _say(local.clean_name, field.data)


def _display_name(_form: FlaskForm, field: Field) -> None:
    _say(local.clean_display_name, field.data)


def _say(clean: Any, typed: str | None) -> None:
    try:
        clean(typed or "")
    except ValueError as exc:
        raise ValidationError(str(exc)) from None


def _until(_form: FlaskForm, field: Field) -> None:
    day = read_day((field.data or "").strip())
    today = clock.now().astimezone(settings_of_app().zone).date()
    if day is None:
        raise ValidationError("Choose the last day, such as 2026-12-31")
    if day < today:
        raise ValidationError("Choose today or a later day")
    if day > today + LONGEST:
        raise ValidationError("Choose a day in the next two years; you can extend it later")


def _password(form: FlaskForm, field: Field) -> None:
    """What stands in the field is looked at only where somebody types a password."""
    if form.way.data == "type":
        try:
            local.check_password(field.data or "", name=form.name_in_use)
        except ValueError as exc:
            raise ValidationError(str(exc)) from None


class PasswordForm(FlaskForm):
    """Another password. `name_in_use`: the user name, which no password may hold."""

    way: Any = RadioField("Password", choices=WAYS, default="make")
    password: Any = PasswordField("The password", validators=[_password])
    name_in_use = ""

    def choose(self) -> str:
        """Return the password that was typed, or a new one; only of a form that is valid."""
        return self.password.data if self.way.data == "type" else local.make_password()


class UntilForm(FlaskForm):
    """The last day on which somebody may sign in."""

    until: Any = StringField("Last day", validators=[_until])

    def expires_at(self, zone: ZoneInfo) -> datetime:
        """Return the moment at which the last day ends, by the instance's clock; only of a form that is valid."""
        return end_of(read_day(self.until.data.strip()) or date.min, zone)


class GuestForm(PasswordForm, UntilForm):
    """A new guest."""

    username: Any = StringField("User name", validators=[_username])
    display_name: Any = StringField("Name", validators=[_display_name])

    def validate(self, *arguments: Any, **more: Any) -> bool:
        """Check every field."""
        self.name_in_use = (self.username.data or "").strip().casefold() or "\0"
        return bool(super().validate(*arguments, **more))


def end_of(day: date, zone: ZoneInfo) -> datetime:
    """Return the moment at which a day ends: midnight in `zone`."""
    return datetime.combine(day + timedelta(days=1), time(), zone).astimezone(UTC)


def last_day(expires_at: datetime, zone: ZoneInfo) -> date:
    """Return the day whose end that is."""
    return (expires_at.astimezone(zone) - timedelta(microseconds=1)).date()
