"""The form of a transfer: to whom, how much, and a few words where the instance allows them."""

from __future__ import annotations

from typing import Any, Final

from flask_wtf import FlaskForm
from wtforms import Field, HiddenField, StringField
from wtforms.validators import ValidationError

from app.money import parse_amount
from app.settings import settings_of_app
from app.web.form_ids import check_form_id, new_form_id
from language import N_, _, _n

COMMENT_LENGTH_MAX: Final = 100
NAME_LENGTH_MAX: Final = 256


def _to(_form: FlaskForm, field: Field) -> None:
    if not (field.data or "").strip() or len(field.data) > NAME_LENGTH_MAX:
        raise ValidationError(_("Type the user name of the person"))


def _amount(_form: FlaskForm, field: Field) -> None:
    try:
        amount = parse_amount(field.data or "")
    except ValueError as exc:
        raise ValidationError(str(exc)) from None
    step = 10 ** (6 - settings_of_app().unit.decimals)
    if amount <= 0:
        raise ValidationError(_("The amount must be more than 0"))
    if amount % step:
        raise ValidationError(
            _n(
                "Use at most %(num)s figure after the point",
                "Use at most %(num)s figures after the point",
                settings_of_app().unit.decimals,
            )
        )


def _comment(_form: FlaskForm, field: Field) -> None:
    text = (field.data or "").strip()
    if text and not settings_of_app().config.transfers.comments:
        raise ValidationError(_("No words can be sent along here"))
    if len(text) > COMMENT_LENGTH_MAX or not text.isprintable():
        raise ValidationError(_("Use at most %(most)s characters, in one line", most=COMMENT_LENGTH_MAX))


class TransferForm(FlaskForm):
    """What is given to whom. `form_id` makes sending it twice the same as once."""

    to: Any = StringField(N_("User name of the person"), validators=[_to])
    amount: Any = StringField(N_("Amount"), validators=[_amount])
    comment: Any = StringField(N_("A few words (may stay empty)"), validators=[_comment])
    form_id: Any = HiddenField(validators=[check_form_id], default=new_form_id)
