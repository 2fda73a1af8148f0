"""What the window shows: what is known of a purse, how old that is, and what is wrong. Unknown is never shown as 0."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from client.answers import Card

OLD_AFTER_S: Final = 600
"""From this age on the value's age is said even where nothing failed."""


@dataclass(frozen=True)
class Known:
    """What is known now. `heard_at` (epoch s): when the card was last true; `trouble`: why it is not fresh, in words.

    `sign_in` "": the token is good or not tried yet; "needed": the form is shown, with `sign_in_words` over it;
    "hopeless": nobody can sign in by the form now (a disabled account), the words say why.
    """

    card: Card | None = None
    heard_at: float = 0.0
    trouble: str = ""
    sign_in: str = ""
    sign_in_words: str = ""
    asking: bool = True
    asking_since: float = 0.0

    def heard(self, card: Card, now: float) -> Known:
        """A new card came."""
        return Known(card=card, heard_at=now, asking=False)

    def still_true(self, now: float) -> Known:
        """The instance says that nothing changed."""
        return replace(self, heard_at=now, trouble="", sign_in="", sign_in_words="", asking=False)

    def failed(self, words: str) -> Known:
        """No usable answer came; what was known stays."""
        return replace(self, trouble=words, asking=False)

    def not_signed_in(self, words: str, *, hopeless: bool = False) -> Known:
        """The instance does not take the token: whose balance this was is no longer known, so it is not shown."""
        return Known(sign_in="hopeless" if hopeless else "needed", sign_in_words=words, asking=False)

    def sign_in_failed(self, words: str) -> Known:
        """Signing in did not work; the form stays."""
        return replace(self, sign_in="needed", sign_in_words=words, trouble="", asking=False)

    def ask(self, now: float) -> Known:
        """A question is under way."""
        return replace(self, asking=True, asking_since=now)


@dataclass(frozen=True)
class View:
    """One face of the window, ready to be drawn. `figure` "" stands for a balance that is not known."""

    caption: str
    figure: str
    lines: tuple[str, ...]
    as_of: str
    notice: str
    has_form: bool
    is_asking: bool
    mark: str
    link: str

    @property
    def spoken(self) -> str:
        """The whole as lines of text, for screen readers and scripts."""
        head = f"{self.caption}: {self.figure}" if self.figure else self.caption
        return "\n".join(filter(None, (head, *self.lines, self.as_of, self.notice)))


def view(known: Known, *, now: float, server: str, long_s: float = 12.0) -> View:
    """Return what is to be seen of `known` at `now` (epoch s); `server` is what the server is called."""
    card = known.card
    late = known.asking and known.asking_since and now - known.asking_since > long_s
    notice = known.trouble or (f"{server} does not answer yet." if late else "")
    if known.sign_in:
        return View(
            caption="Sign in to see your balance" if known.sign_in == "needed" else "Not available",
            figure="",
            lines=(),
            as_of="",
            notice=known.sign_in_words,
            has_form=known.sign_in == "needed",
            is_asking=known.asking,
            mark="",
            link="",
        )
    if card is None:
        asking = f"Asking {server} …" if known.asking and not late else ""
        return View("Balance not known", "", (), asking, notice, False, known.asking, "", "")
    return View(
        caption=" · ".join(filter(None, (card.name, card.person))),
        figure=card.balance,
        lines=_lines(card),
        as_of=_as_of(known, now, fresh=not notice),
        notice=notice,
        has_form=False,
        is_asking=known.asking,
        mark="" if card.state == "ok" else card.state_text,
        link=card.details_url,
    )


def age_in_words(seconds: float) -> str:
    """Return an age: "a moment ago", "5 minutes ago", "3 hours ago", "2 days ago"."""
    minutes = int(max(seconds, 0) // 60)
    if minutes < 1:
        return "a moment ago"
    if minutes < 60:
        return _counted(minutes, "minute")
    hours = minutes // 60
    return _counted(hours, "hour") if hours < 48 else _counted(hours // 24, "day")


def _lines(card: Card) -> tuple[str, ...]:
    lasts = f"Lasts {card.lasts}" if card.lasts else ""
    credit = f"Next credit {card.credit_amount}: {card.credit_when}" if card.credit_when else "No credit is planned"
    held = f"{card.held} of it is set aside" if card.held else ""
    return tuple(filter(None, (card.means, lasts, held, credit)))


def _as_of(known: Known, now: float, *, fresh: bool) -> str:
    at = datetime.fromtimestamp(known.heard_at)  # noqa: DTZ006 - the clock of whoever looks at the window
    today = datetime.fromtimestamp(now).date()  # noqa: DTZ006 - the day of the desktop's own clock
    moment = f"{at:%H:%M}" if at.date() == today else f"{at.day} {at:%B}, {at:%H:%M}"
    age = now - known.heard_at
    if fresh and age < OLD_AFTER_S:
        return f"As of {moment}"
    return f"Last known at {moment}, {age_in_words(age)}"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'} ago"
