"""Codes of cards, as functions of values: made to be typed from paper, with a last letter that finds typing errors."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from typing import Final

from language import _, numbers

LETTERS: Final = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
"""32 signs; 0, 1, I and O are left out, since on paper they look like others."""

LENGTH: Final = 16
GROUP: Final = 4
WRONG_MAX: Final = 20
WRONG_WINDOW: Final = timedelta(hours=1)
"""So many wrong codes in an hour, then wait. A code has 75 bits of chance; this is for quiet logs, not for safety."""


def make_code() -> str:
    """Return a new code of 16 signs: 15 of chance and a check sign."""
    chance = "".join(secrets.choice(LETTERS) for _sign in range(LENGTH - 1))
    return chance + check_sign(chance)


def check_sign(chance: str) -> str:
    """Return the sign that makes the code whole: Luhn's algorithm with base 32 (ISO/IEC 7812-1, annex B, for 10)."""
    total, double = 0, True
    for sign in reversed(chance):
        value = LETTERS.index(sign) * (2 if double else 1)
        total += value // len(LETTERS) + value % len(LETTERS)
        double = not double
    return LETTERS[-total % len(LETTERS)]


def grouped(code: str) -> str:
    """Return the code as it is printed: "ABCD-EFGH-JKLM-NPQR"."""
    return "-".join(code[at : at + GROUP] for at in range(0, len(code), GROUP))


def read_code(typed: str) -> str:
    """Return the code that somebody typed, without spaces and hyphens, in capitals.

    Raises ValueError with a sentence for people: the wrong length, a sign that no code has, or a typing error.
    """
    code = "".join(sign for sign in typed.upper() if sign not in " -\N{EN DASH}\N{NO-BREAK SPACE}\t").strip()
    if not code:
        raise ValueError(_("Type the code of your card"))
    strange = sorted({sign for sign in code if sign not in LETTERS})
    if strange:
        raise ValueError(
            _(
                "No code has any of these signs in it: %(signs)s. Look at it again",
                signs=" ".join(f"“{sign}”" for sign in strange[:3]),
            )
            if len(strange) > 1
            else _("No code has “%(sign)s” in it. Look at it again", sign=strange[0])
        )
    if len(code) != LENGTH:
        raise ValueError(
            _(
                "A code has %(length)s letters and figures; this has %(found)s",
                length=LENGTH,
                found=numbers.count(len(code)),
            )
        )
    if check_sign(code[:-1]) != code[-1]:
        raise ValueError(_("Something in this code was typed wrong. Look at it again"))
    return code


def code_hash(code: str) -> str:
    """Return what is kept of a code, in hex. Codes are chance, not passwords: a plain hash cannot be turned around."""
    return hashlib.sha256(f"twinpurse card {code}".encode("ascii")).hexdigest()
