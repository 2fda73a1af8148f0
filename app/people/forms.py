"""The forms of the administrators' page of one person."""

from __future__ import annotations

import re
import secrets
from typing import Any, Final

from flask_wtf import FlaskForm
from wtforms import Field, HiddenField, RadioField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import ValidationError

from app.money import parse_amount

REASON_LENGTH_MAX: Final = 200
WAYS: Final = [SelectChoice("add", "Add"), SelectChoice("take", "Take")]


def _reason(_form: FlaskForm, field: Field) -> None:
    text = (field.data or "").strip()
    if not text:
        raise ValidationError("Give a reason")
    if len(text) > REASON_LENGTH_MAX:
        raise ValidationError(f"Use at most {REASON_LENGTH_MAX} characters for the reason")
    if any(ord(char) < 0x20 for char in text):
        raise ValidationError("Write the reason in one line")


def _amount(_form: FlaskForm, field: Field) -> None:
    try:
        amount = parse_amount(field.data or "")
    except ValueError as exc:
        raise ValidationError(str(exc)) from None
    if amount <= 0:
        raise ValidationError("The amount must be more than 0")


def _form_id(_form: FlaskForm, field: Field) -> None:
    sent = field.raw_data[0] if field.raw_data else ""  # `data` would be a new id where none was sent
    if not re.fullmatch(r"[A-Za-z0-9_-]{16,64}", sent, re.ASCII):
        raise ValidationError("The form was not complete. Nothing was changed; send it again")


class AdjustForm(FlaskForm):
    """Add money to a purse, or take some. `form_id` makes sending it twice the same as once."""

    way: Any = RadioField("What to do", choices=WAYS, default="add")
    amount: Any = StringField("Amount", validators=[_amount])
    reason: Any = StringField("Reason", validators=[_reason])
    form_id: Any = HiddenField(validators=[_form_id], default=lambda: secrets.token_urlsafe(18))

    @property
    def signed_amount(self) -> int:
        """The amount in millionths, minus for taking; only of a form that is valid."""
        return parse_amount(self.amount.data) * (-1 if self.way.data == "take" else 1)

    def renew(self) -> None:
        """Give the form another id: what it asks for now is another adjustment."""
        self.form_id.data = secrets.token_urlsafe(18)


class ReverseForm(FlaskForm):
    """Undo one line."""

    reason: Any = StringField("Reason for the reversal", validators=[_reason])
