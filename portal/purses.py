"""Every purse of one person, as the instances say now or as they said last. Unknown is never shown as zero."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import ValidationError

from language import current
from portal.calls import PATIENT_S, Call, Caller, CallError, SilentError, UnknownPersonError, UnusableError
from portal.cards import Card, EnterCode
from portal.settings import Instance
from portal.store import Store
from portal.tokens import make_token

log = logging.getLogger(__name__)

Problem = Literal["", "silent", "unusable", "unknown_person"]

_NEVER = (None, None)


@dataclass(frozen=True)
class Purse:
    """One card of the page. Without a problem `card` is fresh; with one it is the last known, or None.

    `heard_at` is when the instance said what `card` says, by the portal's clock.
    """

    instance: Instance
    card: Card | None
    heard_at: datetime | None
    problem: Problem = ""

    @property
    def is_fresh(self) -> bool:
        """Whether the instance has just said this."""
        return self.problem == ""

    @property
    def may_come_back(self) -> bool:
        """Whether asking again may help."""
        return self.problem in ("silent", "unusable")


class EntranceError(Exception):
    """The instance gave no way in; `problem` says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.problem: Problem = problem


class Purses:
    """Asks the instances on behalf of people."""

    def __init__(self, instances: tuple[Instance, ...], store: Store, clock: Callable[[], datetime]) -> None:
        """`clock` gives the present time, aware."""
        self.instances = instances
        self._store = store
        self._clock = clock
        self._caller = Caller(instances)

    def of(self, *, username: str, directory_id: str, insist: bool = False) -> list[Purse]:
        """Return the person's purse in every instance, in the configured order, after at most 2.5 seconds.

        `insist`: ask an instance too that kept a page waiting a moment ago.
        """
        calls = [
            Call(
                instance,
                "GET",
                "/purse",
                make_token(instance, username=username, directory_id=directory_id),
                language=current().code,
            )
            for instance in self.instances
        ]
        answers = self._caller.run(calls, insist=insist)
        now = self._clock()
        fresh: dict[str, tuple[Card, str]] = {}
        problems: dict[str, Problem] = {}
        for instance in self.instances:
            try:
                fresh[instance.id] = _read_card(instance, answers[instance.id])
            except CallError as error:
                problems[instance.id] = _problem(error)
                log.warning("instance %s: %s", instance.id, error)
        self._keep(directory_id, {instance_id: text for instance_id, (_card, text) in fresh.items()}, now)
        last = self._last(directory_id) if problems else {}
        purses = []
        for instance in self.instances:
            card, heard_at = (fresh[instance.id][0], now) if instance.id in fresh else last.get(instance.id, _NEVER)
            purses.append(Purse(instance, card, heard_at, problems.get(instance.id, "")))
        return purses

    def way_in(self, instance: Instance, *, username: str, directory_id: str) -> str:
        """Return an address of `instance` that lets the person's browser in, once. Raises EntranceError.

        An address anywhere else than at the instance's configured public_url is refused.
        """
        token = make_token(instance, username=username, directory_id=directory_id)
        call = Call(instance, "POST", "/enter-codes", token)
        answer = self._caller.run([call], insist=True, within_s=PATIENT_S)[instance.id]
        try:
            if isinstance(answer, CallError):
                raise answer
            return _checked_address(instance, EnterCode.model_validate_json(answer).url)
        except (ValidationError, ValueError) as error:
            log.warning("instance %s: its way in cannot be used: %s", instance.id, type(error).__name__)
            raise EntranceError("unusable") from error
        except CallError as error:
            log.warning("instance %s: no way in: %s", instance.id, error)
            raise EntranceError(_problem(error)) from error

    def _keep(self, directory_id: str, texts: dict[str, str], now: datetime) -> None:
        try:
            if texts:
                self._store.keep_cards(directory_id, texts, now)
        except sqlite3.Error:
            # What was just heard can be shown all the same.
            log.exception("the last known values could not be kept")

    def _last(self, directory_id: str) -> dict[str, tuple[Card, datetime]]:
        try:
            kept = self._store.last_cards(directory_id)
        except sqlite3.Error:
            log.exception("the last known values could not be read")
            return {}
        last = {}
        for instance_id, row in kept.items():
            try:
                last[instance_id] = (Card.model_validate_json(row.text).remembered(), row.heard_at)
            except ValidationError:  # kept by another version
                log.warning("the last known value of %s cannot be read any more", instance_id)
        return last


def _read_card(instance: Instance, answer: bytes | CallError) -> tuple[Card, str]:
    """Return the card and the text that may be kept. Raises CallError."""
    if isinstance(answer, CallError):
        raise answer
    try:
        card = Card.model_validate_json(answer)
    except ValidationError as error:
        places = sorted({".".join(str(part) for part in detail["loc"]) for detail in error.errors()})
        raise UnusableError(f"its answer is not as agreed: {', '.join(places)[:200]}") from None
    if card.instance != instance.id:
        raise UnusableError(f"it calls itself {card.instance[:40]!r}")
    return card, card.model_dump_json()


def _problem(error: CallError) -> Problem:
    if isinstance(error, UnknownPersonError):
        return "unknown_person"
    return "silent" if isinstance(error, SilentError) else "unusable"


def _checked_address(instance: Instance, address: str) -> str:
    """Return `address` when a browser will surely go to the instance with it. Raises ValueError."""
    plain = all(0x20 < ord(character) < 0x7F for character in address) and "\\" not in address
    if not plain or not address.startswith(f"{instance.public_url}/"):
        raise ValueError("not at the instance's public_url")
    return address
