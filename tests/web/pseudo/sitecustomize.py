"""Puts every translated text of English into brackets, so that a test sees what is not translated.

Python runs this by itself wherever this folder stands in PYTHONPATH.
"""

from __future__ import annotations

import gettext

from language import speech

OPENS, CLOSES = "⟦", "⟧"


class Bracketed(gettext.NullTranslations):
    """Gives every text back in brackets."""

    def gettext(self, message: str) -> str:
        """Return the text in brackets."""
        return OPENS + message + CLOSES if message else ""

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        """Return one of both texts in brackets."""
        return OPENS + (msgid1 if n == 1 else msgid2) + CLOSES


def _bracketed(names: tuple[tuple[str, ...], ...]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(OPENS + name + CLOSES for name in some) for some in names)


vars(speech.ENGLISH).update(  # what is reckoned once stands there
    texts=Bracketed(), months=_bracketed(speech.ENGLISH.months), weekdays=_bracketed(speech.ENGLISH.weekdays)
)
