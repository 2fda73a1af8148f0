"""The form in which somebody says from where down their purse is low to them, and how they are told."""

from __future__ import annotations

from typing import Any, Final

from flask_wtf import FlaskForm
from wtforms import BooleanField, Field, RadioField, SelectField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import ValidationError

from app.money import parse_amount
from app.settings import settings_of_app
from language import LANGUAGES, N_, _

USUAL: Final = "usual"
OWN: Final = "own"
NEVER: Final = "never"


def _amount(form: FlaskForm, field: Field) -> None:
    if form.low.data != OWN:
        return
    try:
        amount = parse_amount(field.data or "")
    except ValueError as exc:
        raise ValidationError(str(exc)) from None
    decimals = settings_of_app().unit.decimals
    if amount <= 0:
        raise ValidationError(_("The amount must be more than 0"))
    if amount % 10 ** (6 - decimals):
        raise ValidationError(_("Use at most %(count)s figures after the point", count=decimals))


class NoticesForm(FlaskForm):
    """What somebody chooses. The page shows `by_email` and `language` only where e-mails can reach them."""

    low: Any = RadioField(
        N_("When your purse is called low"),
        choices=[
            SelectChoice(USUAL, ""),
            SelectChoice(OWN, N_("From an amount of my own down")),
            SelectChoice(NEVER, N_("Never")),
        ],
        default=USUAL,
    )
    amount: Any = StringField(N_("My own amount"), validators=[_amount])
    by_email: Any = BooleanField(N_("Tell me by e-mail"))
    language: Any = SelectField(
        N_("Language of the e-mails"), choices=[SelectChoice(code, each.name) for code, each in LANGUAGES.items()]
    )

    @property
    def threshold(self) -> int | None:
        """What was chosen, as `choices.choose` wants it."""
        if self.low.data == OWN:
            return parse_amount(self.amount.data)
        return 0 if self.low.data == NEVER else None
