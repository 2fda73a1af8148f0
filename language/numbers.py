"""Figures as people of a language write them."""

from __future__ import annotations

from language.speech import _, current, written


def count(number: int) -> str:
    """Return a whole number with its thousands apart: 1,240 in English, 1.240 in German."""
    return written(number)


def figure(english: str) -> str:
    """Return a figure that is written in English, such as "1,234.50", as the language spoken now writes it."""
    language = current()
    if language.point == ".":
        return english
    return language.grouping.join(part.replace(".", language.point) for part in english.split(","))


def plain(figure: str) -> str:
    """Return a figure without grouping, such as "1234.50", with the decimal sign of the language: for form fields."""
    return figure.replace(".", current().point)


def percent(number: int | str) -> str:
    """Return a share: 50% in English, 50 % in German (CLDR's percent pattern)."""
    text = written(number) if isinstance(number, int) else figure(number)
    return str(current().locale.percent_formats[None].pattern).replace("#,##0", text)


def symbol_is_after() -> bool:
    """Whether a currency's symbol stands behind its figure."""
    return current().symbol_is_after


def read(text: str) -> str:
    """Return what people wrote as a figure with a point before its decimals.

    In a language with a decimal comma "3,40" becomes "3.40". There "1.000" may mean a thousand as well as one: raises
    ValueError with a sentence for people. What is no figure is returned as it is.
    """
    cleaned = text.strip()
    if current().point != ",":
        return cleaned
    if "," in cleaned:
        return cleaned.replace(",", ".") if cleaned.count(",") == 1 and "." not in cleaned else cleaned
    _whole, dot, decimals = cleaned.partition(".")
    if dot and len(decimals) == 3:
        raise ValueError(_("Write it without a point between thousands, and decimals behind a comma"))
    return cleaned
