"""What the instance says, read strictly: a card with one balance, and messages. What is not as agreed is not shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

TEXT_MAX: Final = 300
MESSAGES_MAX: Final = 20
POLL_LEAST_S: Final = 1
POLL_MOST_S: Final = 3600


class NotAsAgreedError(ValueError):
    """The answer is not what an instance says."""


@dataclass(frozen=True)
class Card:
    """One purse. Texts are ready to be shown; `as_of` is the instance's clock, `poll_s` how often it may be asked."""

    instance: str
    name: str
    person: str
    username: str
    as_of: datetime
    balance: str
    state: str
    state_text: str
    means: str
    held: str
    lasts: str
    credit_when: str
    credit_amount: str
    details_url: str
    poll_s: int
    news: str


@dataclass(frozen=True)
class Message:
    """Something that its owner should hear of once. `id` tells messages apart, `kind` what it is about."""

    id: str
    kind: str
    title: str
    text: str


def read_card(body: Mapping[str, Any], *, server_url: str) -> Card:
    """Return the card of a balance answer. Raises NotAsAgreedError.

    Fields that are not known are passed over: an instance may be newer than we are. A link elsewhere is not followed.
    """
    person = body.get("user")
    credit = body.get("next_credit")
    if not isinstance(person, dict) or not (credit is None or isinstance(credit, dict)):
        raise NotAsAgreedError("the balance has another shape")
    state = _text(body, "state")
    if state not in ("ok", "low", "empty") or type(body.get("balance_micro")) is not int:
        raise NotAsAgreedError("the balance has another shape")
    poll_s = body.get("poll_seconds", 60)
    if type(poll_s) is not int:
        raise NotAsAgreedError("the interval is no number")
    held = body.get("held_micro", 0)
    return Card(
        instance=_text(body, "instance"),
        name=_text(body, "name"),
        person=_text(person, "display_name"),
        username=_text(person, "username", ""),
        as_of=_moment(body),
        balance=_text(body, "balance_text"),
        state=state,
        state_text=_text(body, "state_text"),
        means=_text(body, "means"),
        held=_text(body, "held_text", "") if type(held) is int and held > 0 else "",
        lasts=_text(body, "lasts_text", ""),
        credit_when=_text(credit, "when_text") if credit else "",
        credit_amount=_text(credit, "amount_text") if credit else "",
        details_url=_link(body, server_url),
        poll_s=min(max(poll_s, POLL_LEAST_S), POLL_MOST_S),
        news=_text(body, "news", ""),
    )


def read_messages(body: Mapping[str, Any]) -> tuple[list[Message], str]:
    """Return the messages of an answer, oldest first, and where later ones begin. Raises NotAsAgreedError."""
    items = body.get("messages")
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise NotAsAgreedError("the messages have another shape")
    found = [
        Message(_text(item, "id"), _text(item, "kind"), _text(item, "title"), _text(item, "text"))
        for item in items[-MESSAGES_MAX:]
    ]
    return found, _text(body, "next")


def clean(text: str) -> str:
    """Return foreign text as one line without control characters, not too long."""
    plain = "".join(letter if letter.isprintable() else " " for letter in text[: 2 * TEXT_MAX])
    return " ".join(plain.split(" ")).strip()[:TEXT_MAX]


def _text(body: Mapping[str, Any], name: str, otherwise: str | None = None) -> str:
    text = body.get(name, otherwise)
    if not isinstance(text, str):
        raise NotAsAgreedError(f"{name} is no text")
    return clean(text)


def _moment(body: Mapping[str, Any]) -> datetime:
    try:
        at = datetime.fromisoformat(_text(body, "as_of"))
    except ValueError:
        raise NotAsAgreedError("as_of is no time") from None
    if at.tzinfo is None:
        raise NotAsAgreedError("as_of has no zone")
    return at


def _link(body: Mapping[str, Any], server_url: str) -> str:
    """Where the details are: at the server that we were told of, whatever the answer says."""
    link = body.get("details_url")
    if isinstance(link, str) and _same_place(link, server_url):
        return link
    return f"{server_url}/"


def _same_place(link: str, server_url: str) -> bool:
    try:
        one, other = urlsplit(link), urlsplit(server_url)
        return (one.scheme, one.hostname, one.port) == (
            other.scheme,
            other.hostname,
            other.port,
        ) and one.username is None
    except ValueError:
        return False
