"""What is kept about a person and for how long, in plain words, as this instance is set up now."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from app.internet import use_privacy
from app.mail import outbox
from app.people import rules as people
from app.printing import titles
from app.radius import tasks as radius
from app.settings import Settings
from directory.throttle import FORGET_AFTER_S
from language import _, _n


@dataclass(frozen=True)
class Kept:
    """One kind of data: what it is, for how long it is kept, and what else is to be known of it ("" for nothing)."""

    what: str
    how_long: str
    more: str = ""


def kept(session: Session, settings: Settings) -> list[Kept]:
    """Return what this instance keeps."""
    found = [
        Kept(
            _("Your name, user name, e-mail address and groups"),
            _("Always; brought up to date by the network’s directory"),
            _("Also names that you had before, and other names that were given to you."),
        ),
        Kept(
            _("Your purse: every credit and every charge"),
            _("Always"),
            _("Books are not changed afterwards: a mistake is put right by one more line."),
        ),
    ]
    found += _of_printing(session) if settings.charges_print else []
    found += _of_internet(session) if settings.charges_internet else []
    hours, days = int(people.ABSOLUTE.total_seconds() // 3600), outbox.KEPT.days
    return [
        *found,
        Kept(
            _("Where you are signed in: browser and network address"),
            _n("Until you sign out, at most %(num)s hour", "Until you sign out, at most %(num)s hours", hours),
            _("It is deleted in the night after."),
        ),
        Kept(
            _("Wrong passwords typed under your name, and from where"),
            _n("%(num)s hour at most", "%(num)s hours at most", max(1, int(FORGET_AFTER_S // 3600))),
            _("Then deleted in the night after. The passwords themselves are never kept."),
        ),
        Kept(_("Your desktop clients: their names and when they asked last"), _("Always"), ""),
        Kept(
            _("Your choice of notices, and e-mails that were sent to you"),
            _n("Your choice always; e-mails %(num)s day", "Your choice always; e-mails %(num)s days", days),
            _("The text of an e-mail is deleted when it has been sent."),
        ),
    ]


def _of_printing(session: Session) -> list[Kept]:
    privacy = titles.privacy(session)
    readers = _("Only you read them.") if privacy.hidden else _("Who looks after printing can read them too.")
    return [
        Kept(
            _("Your print jobs: printer, pages, time and price"),
            _("Always"),
            _("Also what you wrote when you asked for a refund."),
        ),
        Kept(
            _("Titles of your documents"),
            _n("%(num)s day", "%(num)s days", privacy.keep_days) if privacy.keep_days else _("Always"),
            readers,
        ),
    ]


def _of_internet(session: Session) -> list[Kept]:
    on, days = use_privacy.is_kept(session)
    addresses = _("No addresses of pages are ever kept.")
    domains = Kept(_("Which sites you visit"), _("Not kept"), addresses)
    if on:
        much = _("How much came from which domain, by day")
        domains = Kept(much, _n("%(num)s day", "%(num)s days", days), addresses)
    return [
        Kept(_("How much you use the Internet, by hour"), _("Always"), ""),
        domains,
        Kept(
            _("What you have open on the Internet just now"),
            _("Until it is closed"),
            _("Who looks after the network sees the site’s name meanwhile."),
        ),
        Kept(
            _("Your sessions of Wi-Fi"),
            _n("%(num)s day after they end", "%(num)s days after they end", radius.KEPT.days),
            _("The address of your device is deleted when the session ends."),
        ),
    ]
