"""What an instance says of one person's purse: the card, read strictly; what is not as agreed is not shown."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from language import ENGLISH, current, numbers

_MICRO_MAX = 2**63 - 1

Micro = Annotated[int, Field(ge=-_MICRO_MAX, le=_MICRO_MAX)]
"""An amount in millionths of the instance's unit."""

Text = Annotated[str, Field(max_length=300)]


class _Part(BaseModel):
    """No silent conversion. Unknown fields are left out: an instance may be newer than the portal."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


def _near(moment: datetime) -> datetime:
    # Moments at the ends of the calendar cannot be told in another time zone.
    if not 2000 <= moment.year < 2200:
        raise ValueError("is no moment of our time")
    return moment


Moment = Annotated[AwareDatetime, AfterValidator(_near)]


class NextCredit(_Part):
    """The next money in."""

    at: Moment
    when_text: Text
    amount_text: Text
    schedule: Text


class Unit(_Part):
    """What a purse counts in."""

    kind: Literal["currency", "other"]
    symbol: Text
    decimals: int = Field(ge=0, le=6)


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
    language: Annotated[str, Field(max_length=20)] = ENGLISH.code
    unit: Unit | None = None
    as_of: Moment
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
        """True where the unit stands behind its figure, as in "12 pages"."""
        return not self.balance_text.lstrip("-\N{MINUS SIGN}").startswith(self.amount_symbol)

    @property
    def kind(self) -> str:
        """ "currency", or another kind; an instance that is older than this does not say it, and speaks English."""
        return self.unit.kind if self.unit else "other" if self.symbol_is_after else "currency"

    @property
    def decimals(self) -> int:
        """How many decimals its figures have."""
        return self.unit.decimals if self.unit else min(6, len(self.amount_figure.partition(".")[2]))

    def figure(self, micro: int) -> str:
        """Write an amount (millionths) as this purse's figures are, in the language spoken now.

        As the instances show a balance: it never says more than there is.
        """
        whole, rest = divmod(abs(micro // 10 ** (6 - self.decimals)), 10**self.decimals)
        sign = "\N{MINUS SIGN}" if micro < 0 else ""
        return sign + numbers.figure(f"{whole:,}.{rest:0{self.decimals}d}" if self.decimals else f"{whole:,}")

    def amount(self, micro: int) -> str:
        """The same with the unit: "$14.20", "120 MB"; in German "14,20 $"."""
        figure = self.figure(micro)
        if self.kind != "currency" or numbers.symbol_is_after():
            return f"{figure}\N{NO-BREAK SPACE}{self.amount_symbol}"
        sign = figure[: -len(figure.lstrip("\N{MINUS SIGN}"))]
        return f"{sign}{self.amount_symbol}{figure.removeprefix(sign)}"

    def remembered(self) -> Card:
        """Return what this card still says to somebody who reads now, after it was heard, perhaps in another language.

        Its words cannot be translated here, so they are left out then; its figures are written anew.
        """
        if self.language == current().code:
            return self
        words = {"state_text": "", "means": "", "lasts_text": "", "held_text": "", "next_credit": None}
        text, figure = self.amount(self.balance_micro), self.figure(self.balance_micro)
        return self.model_copy(update={**words, "balance_text": text, "amount_figure": figure})


class EnterCode(_Part):
    """The answer to a request for a way in."""

    code: str = Field(min_length=1, max_length=200)
    url: str = Field(min_length=1, max_length=1000)
