"""The forms of accounts: adjust, reverse, limit, and those of shared accounts."""

from __future__ import annotations

from typing import Any, Final

from flask_wtf import FlaskForm
from wtforms import Field, HiddenField, RadioField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import ValidationError

from app.accounts import rules
from app.accounts.rules import Limit
from app.money import Unit, parse_amount, plain
from app.web.form_ids import check_form_id, new_form_id
from language import N_, _

REASON_LENGTH_MAX: Final = 200
WAYS: Final = [SelectChoice("add", N_("Add")), SelectChoice("take", N_("Take"))]
OWN_LIMITS: Final = [
    SelectChoice("restricted", N_("Restricted: stops at zero")),
    SelectChoice("overdraft", N_("Overdraft: may go below zero, down to a limit")),
    SelectChoice("unrestricted", N_("Unrestricted: never stopped")),
]
LIMITS: Final = [SelectChoice("default", N_("As for everybody")), *OWN_LIMITS]


def _reason(_form: FlaskForm, field: Field) -> None:
    text = (field.data or "").strip()
    if not text:
        raise ValidationError(_("Give a reason"))
    if len(text) > REASON_LENGTH_MAX:
        raise ValidationError(_("Use at most %(most)s characters for the reason", most=REASON_LENGTH_MAX))
    if any(ord(char) < 0x20 for char in text):
        raise ValidationError(_("Write the reason in one line"))


def _amount(_form: FlaskForm, field: Field) -> None:
    try:
        amount = parse_amount(field.data or "")
    except ValueError as exc:
        raise ValidationError(str(exc)) from None
    if amount <= 0:
        raise ValidationError(_("The amount must be more than 0"))


def _overdraft(form: FlaskForm, field: Field) -> None:
    """What stands in a field that the choice above it makes meaningless is not looked at."""
    if form.limit.data == "overdraft":
        _amount(form, field)


def _name(_form: FlaskForm, field: Field) -> None:
    try:
        rules.clean_name(field.data or "")
    except ValueError as exc:
        raise ValidationError(str(exc)) from None


class AdjustForm(FlaskForm):
    """Add money to an account, or take some. `form_id` makes sending it twice the same as once."""

    way: Any = RadioField(N_("What to do"), choices=WAYS, default="add")
    amount: Any = StringField(N_("Amount"), validators=[_amount])
    reason: Any = StringField(N_("Reason"), validators=[_reason])
    form_id: Any = HiddenField(validators=[check_form_id], default=new_form_id)

    @property
    def signed_amount(self) -> int:
        """The amount in millionths, minus for taking; only of a form that is valid."""
        return parse_amount(self.amount.data) * (-1 if self.way.data == "take" else 1)

    def renew(self) -> None:
        """Give the form another id: what it asks for now is another adjustment."""
        self.form_id.data = new_form_id()


class ReverseForm(FlaskForm):
    """Undo one line."""

    reason: Any = StringField(N_("Reason for the reversal"), validators=[_reason])


class DefaultLimitForm(FlaskForm):
    """How far everybody may go down who has no limit of their own."""

    limit: Any = RadioField(N_("Everybody is"), choices=OWN_LIMITS, default="restricted")
    overdraft: Any = StringField(N_("How far below zero"), validators=[_overdraft])

    @property
    def chosen(self) -> Limit:
        """What was chosen; only of a form that is valid."""
        kind = self.limit.data
        return Limit(kind, parse_amount(self.overdraft.data) if kind == "overdraft" else 0)

    def fill(self, limit: Limit, unit: Unit) -> None:
        """Show a limit as it is kept."""
        self.limit.data = limit.kind
        self.overdraft.data = plain(limit.overdraft, unit.decimals) if limit.kind == "overdraft" else ""


class LimitForm(DefaultLimitForm):
    """How far one account may go down. `form_id` makes sending it twice the same as once."""

    limit: Any = RadioField(N_("This account is"), choices=LIMITS, default="default")
    form_id: Any = HiddenField(validators=[check_form_id], default=new_form_id)


class NewForm(DefaultLimitForm):
    """A new shared account."""

    name: Any = StringField(N_("Name"), validators=[_name])
    limit: Any = RadioField(N_("This account is"), choices=LIMITS, default="default")


class NameForm(FlaskForm):
    """Another name for a shared account."""

    name: Any = StringField(N_("Name"), validators=[_name])
