"""The portal's words: pure functions of what is known. Nothing is claimed that is not known."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, TypeVar
from zoneinfo import ZoneInfo

from language import N_, _, _n, current, dates, numbers
from portal.cards import Card
from portal.purses import Purse
from portal.settings import LinkSection, NoticeSection

Said = TypeVar("Said", LinkSection, NoticeSection)

_HEADINGS: Final = {
    1: N_("Your purse"),
    2: N_("Your two purses"),
    3: N_("Your three purses"),
    4: N_("Your four purses"),
    5: N_("Your five purses"),
    6: N_("Your six purses"),
}


def heading(count: int) -> str:
    """Return the title of the page for so many purses."""
    if count in _HEADINGS:
        return _(_HEADINGS[count])
    return _("Your %(number)s purses", number=numbers.count(count))


def first_name(display_name: str) -> str:
    """Return how to greet: "Mara Lindqvist" -> "Mara"; "Lindqvist, Mara" -> "Mara"."""
    family, comma, given = display_name.partition(",")
    words = (given if comma and given.strip() else family).split()
    return words[0] if words else display_name


def initials(display_name: str) -> str:
    """Return one or two capitals for a round badge: "Mara Lindqvist" -> "ML"."""
    letters = [word[0] for word in display_name.replace(",", " ").split() if word[0].isalnum()]
    return "".join([letters[0], letters[-1]] if len(letters) > 1 else letters).upper()


def clock(moment: datetime, now: datetime, zone: ZoneInfo) -> str:
    """Return the time of day, "12:04"; with the day, "19 Nov 12:04", when that is not today."""
    local, today = moment.astimezone(zone), now.astimezone(zone)
    if local.date() == today.date():
        return dates.clock(local)
    return f"{dates.short_day(local, year=local.year != today.year)} {dates.clock(local)}"


def age(heard_at: datetime, now: datetime) -> str:
    """Return how long ago: "less than a minute ago", "33 minutes ago", "about 2 hours ago", "3 days ago"."""
    minutes = max(0, int((now - heard_at).total_seconds() // 60))
    if minutes < 1:
        return _("less than a minute ago")
    if minutes < 120:
        return _n("%(num)s minute ago", "%(num)s minutes ago", minutes)
    if minutes < 48 * 60:
        return _n("about %(num)s hour ago", "about %(num)s hours ago", minutes // 60)
    return _n("%(num)s day ago", "%(num)s days ago", minutes // 1440)


def too_many_tries(seconds: float) -> str:
    """Return how long to wait, rounded up: "30 seconds", "31 minutes"."""
    if seconds <= 90:
        whole = max(1, -int(-seconds // 1))
        return _n(
            "Too many tries. Wait %(num)s second, then try again.",
            "Too many tries. Wait %(num)s seconds, then try again.",
            whole,
        )
    whole = -int(-seconds // 60)
    return _n(
        "Too many tries. Wait %(num)s minute, then try again.",
        "Too many tries. Wait %(num)s minutes, then try again.",
        whole,
    )


def trend_label(card: Card) -> str:
    """Describe the small line for those who do not see it."""
    first, last = card.trend[0].balance_micro, card.trend[-1].balance_micro
    values = {"days": numbers.count(len(card.trend)), "balance": card.balance_text}
    if last < first:
        return _("The last %(days)s days: now %(balance)s, lower than at the start", **values)
    if last > first:
        return _("The last %(days)s days: now %(balance)s, higher than at the start", **values)
    return _("The last %(days)s days: now %(balance)s, the same as at the start", **values)


def what_still_works(purse: Purse, purses: Sequence[Purse]) -> str:
    """Return a sentence for an empty purse: which other one surely still pays; "" where that is not sure."""
    card = purse.card
    if not purse.is_fresh or card is None or card.state != "empty" or card.mode == "monitor":
        return ""
    for other in purses:
        if other is purse or not other.is_fresh or other.card is None or other.card.state == "empty":
            continue
        paid = tuple(what for what in ("print", "internet") if what in other.card.charges and what not in card.charges)
        if paid:
            return _(_STILL[paid], name=other.instance.name)
    return ""


def together(purses: Sequence[Purse]) -> str:
    """Return what all purses hold together, "$14.20"; "" unless each is known now and all count in one currency."""
    cards = [purse.card for purse in purses if purse.is_fresh and purse.card is not None]
    if len(cards) < 2 or len(cards) < len(purses):
        return ""
    if len({(card.amount_symbol, card.kind, card.decimals) for card in cards}) > 1:
        return ""
    return cards[0].amount(sum(card.balance_micro for card in cards))


def in_language(said: Said) -> Said:
    """Return a link or notice of the administrators with its words in the language spoken now, where there are any."""
    ending = f"_{current().code}"
    own = {name.removesuffix(ending): words for name, words in said if name.endswith(ending) and words}
    return said.model_copy(update=own)


def foot_note(purses: Sequence[Purse], *, moves: bool = False) -> str:
    """Say what each purse pays for, as far as it is known; "" for a single purse. `moves`: value can be moved."""
    if len(purses) < 2:
        return ""
    sentences = [
        _(_PAYS[purse.card.charges[0]], name=purse.instance.name)
        for purse in purses
        if purse.card is not None and len(purse.card.charges) == 1
    ]
    return " ".join(sentences if moves else [*sentences, _("Money cannot move from one purse to another.")])


_STILL: Final = {
    ("print",): N_("Printing still works: %(name)s is a purse of its own."),
    ("internet",): N_("The Internet still works: %(name)s is a purse of its own."),
    ("print", "internet"): N_("Printing and the Internet still work: %(name)s is a purse of its own."),
}
_PAYS: Final = {
    "print": N_("%(name)s money pays only for printing."),
    "internet": N_("%(name)s money pays only for the Internet."),
}
