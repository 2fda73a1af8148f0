"""The forms of refunds: ask, approve, refuse, give unasked."""

from __future__ import annotations

from typing import Any

from flask_wtf import FlaskForm
from wtforms import Field, StringField
from wtforms.validators import ValidationError

from app.money import Unit, parse_amount, plain
from app.refunds.rules import problem_of_text


def _said(what: str) -> Any:
    def check(_form: FlaskForm, field: Field) -> None:
        problem = problem_of_text(field.data or "", what=what)
        if problem:
            raise ValidationError(problem)

    return check


def _said_or_nothing(_form: FlaskForm, field: Field) -> None:
    if (field.data or "").strip():
        _said("")(_form, field)


def _amount(_form: FlaskForm, field: Field) -> None:
    try:
        amount = parse_amount(field.data or "")
    except ValueError as exc:
        raise ValidationError(str(exc)) from None
    if amount <= 0:
        raise ValidationError("The amount must be more than 0")


class AskForm(FlaskForm):
    """A user asks for the charge of a job back."""

    reason: Any = StringField("What went wrong?", validators=[_said("a reason")])


class ApproveForm(FlaskForm):
    """Somebody gives back what was asked for, whole or in part."""

    amount: Any = StringField("Give back", validators=[_amount])
    answer: Any = StringField("Words for who asked", validators=[_said_or_nothing])

    def fill(self, amount: int, unit: Unit) -> None:
        """Begin with an amount, exact."""
        self.amount.data = plain(amount, unit.decimals)


class RefuseForm(FlaskForm):
    """Somebody refuses, with words."""

    words: Any = StringField("Why not?", validators=[_said("the reason, for who asked")])


class GiveForm(FlaskForm):
    """An administrator gives back unasked."""

    amount: Any = StringField("Give back", validators=[_amount])
    why: Any = StringField("Reason", validators=[_said("a reason")])

    def fill(self, amount: int, unit: Unit) -> None:
        """Begin with an amount, exact."""
        self.amount.data = plain(amount, unit.decimals)
