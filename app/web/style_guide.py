"""What the style guide shows its parts with: a form with a fault, and charts of made-up numbers."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any, Final

from wtforms import Form, RadioField, StringField
from wtforms.fields.choices import SelectChoice

from app.money import MICRO, plain
from app.settings import settings_of_app
from app.web.bars import bar_chart
from app.web.charts import balance_chart
from language import N_, _, dates

BALANCES: Final = (3, 3, 2, 4, 4, 3, 1, 1, 3, 2)
LAST_DAY: Final = date(2026, 11, 16)
USED: Final = (4, 0, 7, 3, 1, 0, 5)


class ExampleForm(Form):
    """A form with one field of each kind."""

    amount = StringField(N_("Amount"))
    reason = StringField(N_("Reason"))
    way = RadioField(
        N_("Way"), choices=[SelectChoice("add", N_("Add")), SelectChoice("take", N_("Take"))], default="add"
    )


def examples() -> dict[str, Any]:
    """Return what the template needs: a form as it comes back with a fault, a chart of a balance, and one of use."""
    unit, form = settings_of_app().unit, ExampleForm()
    form.amount.data = plain(2 * MICRO)
    form.reason.errors = [_("Write a reason.")]
    points = [(LAST_DAY - timedelta(days=age), balance * MICRO) for age, balance in enumerate(reversed(BALANCES))][::-1]
    return {
        "form": form,
        "days": [dates.weekday_and_day(LAST_DAY + timedelta(days=days)) for days in (0, 6, 7)],
        "chart": balance_chart(
            points,
            name=settings_of_app().config.name,
            text=unit.text,
            change=unit.change,
            low=MICRO,
            credited=[points[3][0]],
        ),
        "bars_chart": bar_chart(
            [(dates.short_weekday(day), used * MICRO, "") for day, used in enumerate(USED)],
            title=_("Use by day"),
            text=unit.text,
            columns=(_("Day"), _("Cost"), ""),
        ),
    }
