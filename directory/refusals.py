"""What people read when a sign-in is refused: the same words at the portal and at every instance."""

from __future__ import annotations

from typing import Final

WRONG: Final = "That name and password do not match. Use the ones that you use to sign in to the network."
"""For an unknown name and for a wrong password alike: neither is given away."""

_ASK: Final = "Ask the people who look after the network."
REASONS: Final = {
    "password_expired": "Your network password has expired. Change it on a school computer, then sign in here.",
    "must_change": "Your network password must be changed first. Do that on a school computer, then sign in here.",
    "disabled": f"Your network account is disabled. {_ASK}",
    "account_expired": f"Your network account has expired. {_ASK}",
    "not_now": "Your network account may not be used at this hour. Try again at another time.",
    "not_here": f"Your network account may not be used from here. {_ASK}",
}
"""For who typed the right password and may not come in; see directory.interface.REFUSAL_REASONS."""


def refusal_in_words(reason: str) -> str:
    """Return what is said to who was refused; `reason` as BadCredentialsError has it."""
    return REASONS.get(reason, WRONG)
