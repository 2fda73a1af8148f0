"""The forms of cards: make a batch, redeem a card."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flask_wtf import FlaskForm
from wtforms import Field, HiddenField, StringField
from wtforms.validators import ValidationError

from app import clock
from app.cards import rules
from app.cards.service import COUNT_MAX
from app.money import parse_amount
from app.settings import settings_of_app
from app.web.addresses import read_day
from app.web.form_ids import check_form_id, new_form_id
from language import N_, _, numbers

NAME_LENGTH_MAX = 80


def _name(_form: FlaskForm, field: Field) -> None:
    text = (field.data or "").strip()
    if not text or len(text) > NAME_LENGTH_MAX or not text.isprintable():
        raise ValidationError(
            _("Give the cards a name of at most %(most)s characters, such as “Shop, autumn”", most=NAME_LENGTH_MAX)
        )


def _amount(_form: FlaskForm, field: Field) -> None:
    try:
        amount = parse_amount(field.data or "")
    except ValueError as exc:
        raise ValidationError(str(exc)) from None
    if amount <= 0:
        raise ValidationError(_("The amount must be more than 0"))


def _count(_form: FlaskForm, field: Field) -> None:
    text = (field.data or "").strip()
    if not re.fullmatch(r"[0-9]{1,6}", text, re.ASCII) or not 1 <= int(text) <= COUNT_MAX:
        raise ValidationError(_("Write how many cards, from 1 to %(most)s", most=numbers.count(COUNT_MAX)))


def _until(_form: FlaskForm, field: Field) -> None:
    text = (field.data or "").strip()
    day = read_day(text)
    if text and day is None:
        raise ValidationError(_("Choose the last day, such as 2027-07-31, or leave it empty"))
    if day is not None and day < clock.now().astimezone(settings_of_app().zone).date():
        raise ValidationError(_("Choose today or a later day"))


def _code(_form: FlaskForm, field: Field) -> None:
    try:
        rules.read_code(field.data or "")
    except ValueError as exc:
        raise ValidationError(str(exc)) from None


class BatchForm(FlaskForm):
    """New cards. `form_id` makes sending it twice the same as once."""

    name: Any = StringField(N_("Name"), validators=[_name])
    amount: Any = StringField(N_("Amount on each card"), validators=[_amount])
    count: Any = StringField(N_("How many"), validators=[_count])
    until: Any = StringField(N_("Valid until (may stay empty)"), validators=[_until])
    form_id: Any = HiddenField(validators=[check_form_id], default=new_form_id)

    def expires_at(self, zone: ZoneInfo) -> datetime | None:
        """Return when the last day ends, by the instance's clock; None for no end. Only of a form that is valid."""
        day: date | None = read_day((self.until.data or "").strip())
        if day is None:
            return None
        return datetime.combine(day + timedelta(days=1), time(), zone).astimezone(UTC)


class CardForm(FlaskForm):
    """A card to redeem."""

    code: Any = StringField(N_("Code"), validators=[_code])
