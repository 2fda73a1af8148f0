"""What people read when a sign-in is refused: the same words at the portal and at every instance."""

from __future__ import annotations

from typing import Final

from language import N_, _

WRONG: Final = N_("That name and password do not match. Use the ones that you use to sign in to the network.")
"""For an unknown name and for a wrong password alike: neither is given away."""

REASONS: Final = {
    "password_expired": N_("Your network password has expired. Change it on a school computer, then sign in here."),
    "must_change": N_("Your network password must be changed first. Do that on a school computer, then sign in here."),
    "disabled": N_("Your network account is disabled. Ask the people who look after the network."),
    "account_expired": N_("Your network account has expired. Ask the people who look after the network."),
    "not_now": N_("Your network account may not be used at this hour. Try again at another time."),
    "not_here": N_("Your network account may not be used from here. Ask the people who look after the network."),
}
"""For who typed the right password and may not come in; see directory.interface.REFUSAL_REASONS."""


def refusal_in_words(reason: str) -> str:
    """Return what is said to who was refused; `reason` as BadCredentialsError has it."""
    return _(REASONS.get(reason, WRONG))
