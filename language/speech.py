"""Which language is spoken now, and texts in it. Texts stand in the code in English, which needs no catalogue."""

from __future__ import annotations

import gettext
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from babel import Locale

CATALOG: Final = Path(__file__).parent / "catalog"


@dataclass(frozen=True, eq=False)
class Language:
    """A language. `code` as in `<html lang>`; `name` in itself; `has_catalog` is false where texts are as written."""

    code: str
    name: str
    has_catalog: bool = True

    @cached_property
    def texts(self) -> gettext.NullTranslations:
        """The texts, read once. Raises FileNotFoundError where the compiled catalogue is missing."""
        if not self.has_catalog:
            return gettext.NullTranslations()
        return gettext.translation("messages", str(CATALOG), [self.code])

    @cached_property
    def locale(self) -> Locale:
        """What the Unicode Common Locale Data Repository knows about it."""
        return Locale.parse(self.code)

    @cached_property
    def point(self) -> str:
        """What stands before decimals."""
        return str(self.locale.number_symbols["latn"]["decimal"])

    @cached_property
    def grouping(self) -> str:
        """What stands between thousands."""
        return str(self.locale.number_symbols["latn"]["group"])

    @cached_property
    def symbol_is_after(self) -> bool:
        """Whether a currency's symbol stands behind its figure (CLDR's standard currency pattern)."""
        return str(self.locale.currency_formats["standard"].pattern).split(";")[0].endswith("\N{CURRENCY SIGN}")

    @cached_property
    def months(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """January to December, in full and short."""
        names = self.locale.months["format"]
        return tuple(names["wide"][n] for n in range(1, 13)), tuple(names["abbreviated"][n] for n in range(1, 13))

    @cached_property
    def weekdays(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Monday to Sunday, in full and short."""
        names = self.locale.days["format"]
        return tuple(names["wide"][n] for n in range(7)), tuple(names["abbreviated"][n] for n in range(7))


ENGLISH: Final = Language("en", "English", has_catalog=False)
LANGUAGES: Final = {each.code: each for each in (ENGLISH, Language("de", "Deutsch"))}
"""Every language that is complete, by code."""

_spoken: ContextVar[Language] = ContextVar("language", default=ENGLISH)


def current() -> Language:
    """Return the language that is spoken now: the request's, or that of `speaking`; English where nobody chose."""
    return _spoken.get()


def language_of(code: str | None) -> Language:
    """Return the language with this code; English for any other."""
    return LANGUAGES.get(code or "", ENGLISH)


def choose(language: Language) -> None:
    """Speak `language` in this thread from now on. For doors only, which choose at every request."""
    _spoken.set(language)


@contextmanager
def speaking(code: str) -> Iterator[None]:
    """Speak the language with this code inside."""
    before = _spoken.get()
    _spoken.set(language_of(code))
    try:
        yield
    finally:
        _spoken.set(before)


def _(message: str, /, **values: object) -> str:
    """Return `message` in the language spoken now, with `values` at `%(name)s`. A percent sign is written `%%`."""
    return _spoken.get().texts.gettext(message) % values


def _n(one: str, many: str, number: int, /, **values: object) -> str:
    """Return `one` or `many`, as `number` asks for; `%(num)s` is the number as people write it."""
    values.setdefault("num", written(number))
    return _spoken.get().texts.ngettext(one, many, number) % values


def N_(message: str, /) -> str:  # noqa: N802 - the name that gettext's tools look for
    """Mark a text that is kept as it stands here and translated by `_` where it is shown."""
    return message


def written(number: int) -> str:
    """Return a whole number as people write it: 1,240 or 1.240."""
    text, grouping = f"{number:,}", _spoken.get().grouping
    return text if grouping == "," else text.replace(",", grouping)
