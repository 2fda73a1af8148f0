"""The forms of refunds: ask, approve, refuse, give unasked."""

from __future__ import annotations

from typing import Any

from flask_wtf import FlaskForm
from wtforms import Field, StringField
from wtforms.validators import ValidationError

from app.money import Unit, parse_amount, plain
from app.refunds.rules import NO_ANSWER, NO_REASON, problem_of_text
from language import N_, _


def _said(missing: str = "") -> Any:
    def check(_form: FlaskForm, field: Field) -> None:
        problem = problem_of_text(field.data or "", missing=missing)
        if problem:
            raise ValidationError(problem)

    return check


def _amount(_form: FlaskForm, field: Field) -> None:
    try:
        amount = parse_amount(field.data or "")
    except ValueError as exc:
        raise ValidationError(str(exc)) from None
    if amount <= 0:
        raise ValidationError(_("The amount must be more than 0"))


class AskForm(FlaskForm):
    """A user asks for the charge of a job back."""

    reason: Any = StringField(N_("What went wrong?"), validators=[_said(NO_REASON)])


class ApproveForm(FlaskForm):
    """Somebody gives back what was asked for, whole or in part."""

    amount: Any = StringField(N_("Give back"), validators=[_amount])
    answer: Any = StringField(N_("Words for who asked"), validators=[_said()])

    def fill(self, amount: int, unit: Unit) -> None:
        """Begin with an amount, exact."""
        self.amount.data = plain(amount, unit.decimals)


class RefuseForm(FlaskForm):
    """Somebody refuses, with words."""

    words: Any = StringField(N_("Why not?"), validators=[_said(NO_ANSWER)])


class GiveForm(FlaskForm):
    """An administrator gives back unasked."""

    amount: Any = StringField(N_("Give back"), validators=[_amount])
    why: Any = StringField(N_("Reason"), validators=[_said(NO_REASON)])

    def fill(self, amount: int, unit: Unit) -> None:
        """Begin with an amount, exact."""
        self.amount.data = plain(amount, unit.decimals)
