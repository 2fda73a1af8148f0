"""The portal's words: pure functions of what is known. Nothing is claimed that is not known."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from portal.cards import Card
from portal.purses import Purse

_NUMBERS = {2: "two", 3: "three", 4: "four", 5: "five", 6: "six"}


def heading(count: int) -> str:
    """Return the title of the page for so many purses."""
    return "Your purse" if count == 1 else f"Your {_NUMBERS.get(count, count)} purses"


def first_name(display_name: str) -> str:
    """Return how to greet: "Mara Lindqvist" -> "Mara"; "Lindqvist, Mara" -> "Mara"."""
    family, comma, given = display_name.partition(",")
    words = (given if comma and given.strip() else family).split()
    return words[0] if words else display_name


def initials(display_name: str) -> str:
    """Return one or two capitals for a round badge: "Mara Lindqvist" -> "ML"."""
    letters = [word[0] for word in display_name.replace(",", " ").split() if word[0].isalnum()]
    return "".join([letters[0], letters[-1]] if len(letters) > 1 else letters).upper()


def day(moment: datetime) -> str:
    """Return "Thursday 19 November"."""
    return f"{moment:%A} {moment.day} {moment:%B}"


def clock(moment: datetime, now: datetime, zone: ZoneInfo) -> str:
    """Return the time of day, "12:04"; with the day, "19 Nov 12:04", when that is not today."""
    local, today = moment.astimezone(zone), now.astimezone(zone)
    if local.date() == today.date():
        return f"{local:%H:%M}"
    year = "" if local.year == today.year else f" {local.year}"
    return f"{local.day} {local:%b}{year} {local:%H:%M}"


def age(heard_at: datetime, now: datetime) -> str:
    """Return how long ago: "less than a minute ago", "33 minutes ago", "about 2 hours ago", "3 days ago"."""
    minutes = max(0, int((now - heard_at).total_seconds() // 60))
    if minutes < 1:
        return "less than a minute ago"
    if minutes < 120:
        return _counted(minutes, "minute") + " ago"
    if minutes < 48 * 60:
        return f"about {_counted(minutes // 60, 'hour')} ago"
    return _counted(minutes // 1440, "day") + " ago"


def wait_in_words(seconds: float) -> str:
    """Return a wait, rounded up: "30 seconds", "31 minutes"."""
    if seconds <= 90:
        return _counted(max(1, -int(-seconds // 1)), "second")
    return _counted(-int(-seconds // 60), "minute")


def trend_label(card: Card) -> str:
    """Describe the small line for those who do not see it."""
    first, last = card.trend[0].balance_micro, card.trend[-1].balance_micro
    direction = "lower than" if last < first else "higher than" if last > first else "the same as"
    return f"The last {len(card.trend)} days: now {card.balance_text}, {direction} at the start"


def what_still_works(purse: Purse, purses: Sequence[Purse]) -> str:
    """Return a sentence for an empty purse: which other one surely still pays; "" where that is not sure."""
    card = purse.card
    if not purse.is_fresh or card is None or card.state != "empty" or card.mode == "monitor":
        return ""
    words = {"print": "Printing", "internet": "The Internet"}
    for other in purses:
        if other is purse or not other.is_fresh or other.card is None or other.card.state == "empty":
            continue
        paid = [what for what in other.card.charges if what not in card.charges]
        if paid:
            return (
                f"{' and '.join(words[what] for what in paid)} still {'work' if len(paid) > 1 else 'works'}: "
                f"{other.instance.name} is a purse of its own."
            )
    return ""


def together(purses: Sequence[Purse]) -> str:
    """Return what all purses hold together, "$14.20"; "" unless each is known now and all count in one currency."""
    cards = [purse.card for purse in purses if purse.is_fresh and purse.card is not None]
    if len(cards) < 2 or len(cards) < len(purses):
        return ""
    units = {(card.amount_symbol, card.symbol_is_after, len(card.amount_figure.partition(".")[2])) for card in cards}
    if len(units) > 1:
        return ""
    return amount_like(cards[0], sum(card.balance_micro for card in cards))


def amount_like(card: Card, micro: int) -> str:
    """Return an amount (millionths) written as the card's own balance is: "$14.20", "120 MB".

    As the instances show a balance: it never says more than there is.
    """
    decimals = len(card.amount_figure.partition(".")[2])
    whole, rest = divmod(abs(micro // 10 ** (6 - decimals)), 10**decimals)
    figure = f"{whole:,}.{rest:0{decimals}d}" if decimals else f"{whole:,}"
    sign = "\N{MINUS SIGN}" if micro < 0 else ""
    if card.symbol_is_after:
        return f"{sign}{figure}\N{NO-BREAK SPACE}{card.amount_symbol}"
    return f"{sign}{card.amount_symbol}{figure}"


def foot_note(purses: Sequence[Purse], *, moves: bool = False) -> str:
    """Say what each purse pays for, as far as it is known; "" for a single purse. `moves`: value can be moved."""
    if len(purses) < 2:
        return ""
    pays: dict[tuple[str, ...], str] = {("print",): "printing", ("internet",): "the Internet"}
    sentences = [
        f"{purse.instance.name} money pays only for {pays[tuple(purse.card.charges)]}."
        for purse in purses
        if purse.card is not None and tuple(purse.card.charges) in pays
    ]
    return " ".join(sentences if moves else [*sentences, "Money cannot move from one purse to another."])


def _counted(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
