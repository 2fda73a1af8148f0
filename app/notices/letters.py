"""The words of the e-mails that tell people of their purse, in the language spoken now. Short, plain, no pictures."""

from __future__ import annotations

from typing import Final

from app.mail.letters import Words, compose
from app.mail.tasks import NOTICES
from app.purse.service import Purse
from app.settings import Settings
from language import N_, _, dates

SUBJECTS: Final = {
    ("low", "print"): N_("Your print purse is low: %(left)s left"),
    ("low", "internet"): N_("Your Internet purse is low: %(left)s left"),
    ("low", ""): N_("Your purse is low: %(left)s left"),
    ("empty", "print"): N_("Your print purse is empty"),
    ("empty", "internet"): N_("Your Internet purse is empty"),
    ("empty", ""): N_("Your purse is empty"),
}
OPENINGS: Final = {
    ("low", "print"): N_("your print purse holds %(left)s (%(when)s). That is not much any more."),
    ("low", "internet"): N_("your Internet purse holds %(left)s (%(when)s). That is not much any more."),
    ("low", ""): N_("your purse holds %(left)s (%(when)s). That is not much any more."),
    ("empty", "print"): N_("nothing is left in your print purse: it holds %(left)s (%(when)s)."),
    ("empty", "internet"): N_("nothing is left in your Internet purse: it holds %(left)s (%(when)s)."),
    ("empty", ""): N_("nothing is left in your purse: it holds %(left)s (%(when)s)."),
}
REFUSED: Final = {
    "print": N_("Until more comes, print jobs are refused. Nothing is charged for them."),
    "internet": N_("Until more comes, web pages may be refused."),
    "": N_("Until more comes, print jobs and web pages may be refused."),
}


def tell(state: str, *, purse: Purse, settings: Settings) -> Words:
    """Return the e-mail that says that a purse is "low" or "empty"."""
    charges = settings.config.charges
    kind = charges[0] if len(charges) == 1 else ""
    left, at = settings.unit.text(purse.account.balance), purse.as_of.astimezone(settings.zone)
    when = f"{dates.day(at.date(), year=True)}, {dates.clock(at)}"
    opening, means = _(OPENINGS[state, kind], left=left, when=when), _means(state, kind, purse, settings)
    return compose(
        settings,
        subject=_(SUBJECTS[state, kind], left=left),
        paragraphs=[
            _("Hello %(name)s,", name=purse.user.display_name),
            "\n".join([opening, *means, _coming(purse, settings)]),
            _("Your balance, and what it was used for:\n%(link)s", link=f"{settings.config.public_url}/"),
            _("Be told earlier, later or not at all:\n%(link)s", link=f"{settings.config.public_url}{NOTICES}"),
        ],
    )


def _means(state: str, kind: str, purse: Purse, settings: Settings) -> list[str]:
    found = []
    if state == "low" and purse.means:
        found.append(f"{purse.means}.")
    if state == "low" and purse.lasts:
        found.append(_("At your usual pace it lasts %(how_long)s.", how_long=purse.lasts))
    if purse.account.floor:
        found.append(_("You may go down to %(limit)s.", limit=purse.limit))
    if state == "empty":
        found.append(_(REFUSED[kind]) if settings.enforces else _("At present it only counts, and nothing is refused."))
    return found


def _coming(purse: Purse, settings: Settings) -> str:
    coming = purse.next_credit
    if coming is None or coming.amount <= 0:
        return _("No credit is planned.")
    return _("Next credit: %(amount)s, %(when)s.", amount=settings.unit.change(coming.amount), when=purse.next_when)
