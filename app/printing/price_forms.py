"""What is typed about prices becomes a price list or shares of groups; what is wrong with it stands at its field."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from app.money import Unit, parse_amount, plain
from app.people.rules import name_key, printable
from app.printing import documents, prices
from app.printing.prices import Adjustment, Line, PriceBook, PriceList
from app.printing.scope import EVERYWHERE, Scope
from app.settings_tables import PRICE_MAX
from app.web.addresses import read_text
from language import _

SPARE: Final = 3
"""So many empty rows stand under those that are filled."""

ANSWERS: Final = {"yes": True, "no": False, "": None}
GROUP_LENGTH_MAX: Final = 256
AMOUNT_LENGTH_MAX: Final = 40


@dataclass
class Row:
    """A line as it was typed: `colour` and `duplex` "yes", "no" or "" for any."""

    paper: str = ""
    colour: str = ""
    duplex: str = ""
    price: str = ""


@dataclass
class ListForm:
    """A price list as it was typed. `after`: the version that it was made from."""

    scope: str = EVERYWHERE.key
    per: str = "page"
    base: str = ""
    free: bool = False
    after: int = 0
    rows: list[Row] = field(default_factory=list)
    wrong: dict[str, str] = field(default_factory=dict)

    def read(self, unit: Unit) -> PriceList | None:
        """Return the list, None where something is wrong: that stands in `wrong` then."""
        self.wrong, lines = {}, []
        for number, row in enumerate(self.rows):
            if row.price:
                price = self._amount(f"price-{number}", row.price, unit)
                paper = documents.paper_key(row.paper)
                lines.append(Line(price or 0, paper, ANSWERS.get(row.colour), ANSWERS.get(row.duplex)))
        base = self._amount("base", self.base, unit) if self.base else 0
        if self.per not in ("page", "sheet"):
            self.wrong["per"] = _("Choose one of the list")
        try:
            scope = Scope.read(self.scope)
        except ValueError as exc:
            self.wrong["scope"] = str(exc)
            return None
        found = PriceList(tuple(lines), scope, self.per, base or 0, self.free)
        if not self.wrong:
            problems = prices.check(found)
            self.wrong |= {"lines": problems[0]} if problems else {}
        return None if self.wrong else found

    def _amount(self, name: str, text: str, unit: Unit) -> int | None:
        return read_amount(self.wrong, name, text, unit)


@dataclass
class SharesForm:
    """Who pays less or more, as it was typed: rows of (group, percent)."""

    after: int = 0
    rows: list[tuple[str, str]] = field(default_factory=list)
    wrong: dict[str, str] = field(default_factory=dict)

    def read(self) -> tuple[Adjustment, ...] | None:
        """Return the shares, None where something is wrong."""
        self.wrong, found = {}, []
        for number, (group, percent) in enumerate(self.rows):
            if not group and not percent:
                continue
            if not group:
                self.wrong[f"group-{number}"] = _("Name the group")
            text = percent.removesuffix("%").strip()
            if not re.fullmatch("[0-9]{1,3}", text, re.ASCII) or int(text) > prices.PERCENT_MAX:
                self.wrong[f"percent-{number}"] = _("Write percent, from 0 (free) to %(most)s", most=prices.PERCENT_MAX)
            else:
                found.append(Adjustment(group, int(text)))
        keys = [name_key(one.group) for one in found]
        if len(set(keys)) != len(keys):
            self.wrong["shares"] = _("A group stands here twice")
        return None if self.wrong else tuple(found)


def read_amount(wrong: dict[str, str], name: str, text: str, unit: Unit) -> int | None:
    """Return a price in millionths; None, with a sentence in `wrong`, for what is none."""
    try:
        amount = parse_amount(text.strip().removeprefix(unit.symbol).removesuffix(unit.symbol))
    except ValueError as exc:
        wrong[name] = str(exc)
        return None
    if not 0 <= amount <= PRICE_MAX:
        wrong[name] = _("A price is not below 0") if amount < 0 else _("The price is too high")
        return None
    return amount


def list_typed(form: Mapping[str, str], *, scope: str, more: bool = False) -> ListForm:
    """Return a price list as it was sent. `more`: with further empty rows."""
    rows = [
        Row(
            paper=printable(read_text(form, f"paper-{number}", documents.PAPER_LENGTH_MAX), documents.PAPER_LENGTH_MAX),
            colour=read_text(form, f"colour-{number}", 3),
            duplex=read_text(form, f"duplex-{number}", 3),
            price=read_text(form, f"price-{number}", AMOUNT_LENGTH_MAX).strip(),
        )
        for number in range(prices.LINES_MAX)
        if f"price-{number}" in form
    ]
    typed = ListForm(
        scope=scope,
        per=read_text(form, "per", 10),
        base=read_text(form, "base", AMOUNT_LENGTH_MAX).strip(),
        free="free" in form,
        after=version(form),
        rows=rows,
    )
    if more:
        typed.rows += [Row() for _spare in range(min(SPARE, prices.LINES_MAX - len(rows)))]
    return typed


def list_shown(found: PriceList, unit: Unit, after: int) -> ListForm:
    """Return a price list as its form shows it, with spare rows."""
    words = {True: "yes", False: "no", None: ""}
    rows = [
        Row(
            documents.paper_in_words(line.paper) if line.paper else "",
            words[line.colour],
            words[line.duplex],
            plain(line.price, unit.decimals),
        )
        for line in prices.in_order(found.lines)
    ]
    spare = [Row() for _spare in range(min(SPARE, prices.LINES_MAX - len(rows)))]
    base = plain(found.base, unit.decimals) if found.base else ""
    return ListForm(found.scope.key, found.per, base, found.free, after, rows + spare)


def shares_typed(form: Mapping[str, str]) -> SharesForm:
    """Return the shares of groups as they were sent."""
    rows = [
        (read_text(form, f"group-{number}", GROUP_LENGTH_MAX).strip(), read_text(form, f"percent-{number}", 10).strip())
        for number in range(SHARES_MAX)
        if f"group-{number}" in form
    ]
    return SharesForm(version(form), rows)


def shares_shown(book: PriceBook, after: int) -> SharesForm:
    """Return the shares of groups as their form shows them, with spare rows."""
    rows = [(one.group, str(one.percent)) for one in book.adjustments]
    return SharesForm(after, rows + [("", "")] * SPARE)


def version(form: Mapping[str, str]) -> int:
    """Return the version that a form was made from."""
    text = form.get("after", "")
    return int(text) if re.fullmatch("[0-9]{1,9}", text, re.ASCII) else -1


SHARES_MAX: Final = 100
