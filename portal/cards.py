"""What an instance says of one person's purse: the card, read strictly; what is not as agreed is not shown."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

_MICRO_MAX = 2**63 - 1

Micro = Annotated[int, Field(ge=-_MICRO_MAX, le=_MICRO_MAX)]
"""An amount in millionths of the instance's unit."""

Text = Annotated[str, Field(max_length=300)]


class _Part(BaseModel):
    """No silent conversion. Unknown fields are left out: an instance may be newer than the portal."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


class NextCredit(_Part):
    """The next money in."""

    at: AwareDatetime
    when_text: Text
    amount_text: Text
    schedule: Text


class Day(_Part):
    """The balance at the end of one day."""

    on: date
    balance_micro: Micro


class Card(_Part):
    """One purse, with ready words; the portal computes no amount of its own."""

    instance: Text
    name: Text
    charges: list[Literal["print", "internet"]] = Field(min_length=1, max_length=2)
    mode: Literal["enforce", "monitor"]
    as_of: AwareDatetime
    balance_micro: Micro
    balance_text: Text
    amount_symbol: Text
    amount_figure: Text
    available_micro: Micro
    held_text: Text
    state: Literal["ok", "low", "empty"]
    state_text: Text
    means: Text
    next_credit: NextCredit | None
    lasts_text: Text
    trend: list[Day] = Field(max_length=400)

    @property
    def symbol_is_after(self) -> bool:
        """True for a unit that stands behind its figure ("12 pages")."""
        return not self.balance_text.lstrip("-−").startswith(self.amount_symbol)


class EnterCode(_Part):
    """The answer to a request for a way in."""

    code: str = Field(min_length=1, max_length=200)
    url: str = Field(min_length=1, max_length=1000)
