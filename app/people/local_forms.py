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
from language import N_, _

LONGEST: Final = timedelta(days=731)
WAYS: Final = [SelectChoice("make", N_("Make one and show it once")), SelectChoice("type", N_("I type one"))]


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
        raise ValidationError(_("Choose the last day, such as 2026-12-31"))
    if day < today:
        raise ValidationError(_("Choose today or a later day"))
    if day > today + LONGEST:
        raise ValidationError(_("Choose a day in the next two years; you can extend it later"))


def _password(form: FlaskForm, field: Field) -> None:
    """What stands in the field is looked at only where somebody types a password."""
    if form.way.data == "type":
        try:
            local.check_password(field.data or "", name=form.name_in_use)
        except ValueError as exc:
            raise ValidationError(str(exc)) from None


class PasswordForm(FlaskForm):
    """Another password. `name_in_use`: the user name, which no password may hold."""

    way: Any = RadioField(N_("Password"), choices=WAYS, default="make")
    password: Any = PasswordField(N_("The password"), validators=[_password])
    name_in_use = ""

    def choose(self) -> str:
        """Return the password that was typed, or a new one; only of a form that is valid."""
        return self.password.data if self.way.data == "type" else local.make_password()


class UntilForm(FlaskForm):
    """The last day on which somebody may sign in."""

    until: Any = StringField(N_("Last day"), validators=[_until])

    def expires_at(self, zone: ZoneInfo) -> datetime:
        """Return the moment at which the last day ends, by the instance's clock; only of a form that is valid."""
        return end_of(read_day(self.until.data.strip()) or date.min, zone)


class GuestForm(PasswordForm, UntilForm):
    """A new guest. The fields stand in the order of the page, and so do the errors over it."""

    display_name: Any = StringField(N_("Name"), validators=[_display_name])
    username: Any = StringField(N_("User name"), validators=[_username])
    until: Any = StringField(N_("Last day"), validators=[_until])
    way: Any = RadioField(N_("Password"), choices=WAYS, default="make")
    password: Any = PasswordField(N_("The password"), validators=[_password])

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
