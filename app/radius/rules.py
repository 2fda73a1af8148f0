"""The arithmetic of RADIUS sessions: counters that wrap, packets out of order, what a purse still pays for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from app.radius.packets import Packet

WRAP: Final = 2**32
"""Acct-Input-Octets and Acct-Output-Octets count modulo this; Gigawords say how often (RFC 2869, 5.1)."""
HALF: Final = 2**31
SLACK: Final = timedelta(seconds=10)
"""Clocks and networks differ by so much: a Start within it is the same Start again."""
SECOND: Final = timedelta(seconds=1)
"""Times of packets have no fractions; ours have."""
MESSAGE_OCTETS_MAX: Final = 253
SECONDS_MAX: Final = 2**31 - 1
OUTLIVED: Final = timedelta(minutes=1)
REBOOTED: Final = "restart"
REPLACED: Final = "replaced"
DISCONNECTED: Final = "disconnected"
"""Why a session ended, where it was not its own Stop that said so."""


@dataclass(frozen=True)
class Heard:
    """What is known of one generation of a session, as far as it decides whose a packet is."""

    began: datetime
    last_at: datetime
    ended_at: datetime | None
    rebooted: bool


def counter(*, heard: int, octets: int | None, gigawords: int | None, order: int | None) -> int:
    """Return the cumulative count that a packet tells, in bytes, never less than what was `heard` before.

    `order`: whether the packet is later (1), earlier (-1) or of the same time (0) as the latest one heard of this
    session, None where nothing tells. Without Gigawords a smaller count is a wrap at the NAS if the packet is not an
    earlier one; where nothing tells, the shorter way round decides (RFC 1982, 3.2).
    """
    if octets is None:
        return heard
    if gigawords is not None:
        return max(heard, gigawords * WRAP + octets)
    turns, low = divmod(heard, WRAP)
    if octets >= low and turns == 0:
        return octets  # no counter was ever higher: there was no wrap before this packet
    forward = (octets - low) % WRAP
    is_later = order == 1 or (order != -1 and forward < HALF)
    return heard + forward if is_later else heard


def order(*, heard_s: int, told_s: int | None) -> int | None:
    """Return how a packet lies to the latest one heard by their session times, see `counter`."""
    if told_s is None or not heard_s:
        return None
    return (told_s > heard_s) - (told_s < heard_s)


def whose(packet: Packet, generations: Sequence[Heard]) -> int | None:
    """Return which generation a packet belongs to (the newest is 0), None when it begins a new one.

    A NAS may use a session's id again after a restart. Told apart is by when the session began as the packet has it:
    where that is not certain, the older one gets it, since counted twice is worse than counted once too few.
    """
    if not generations:
        return None
    newest = generations[0]
    if packet.status == "start":
        return _of_start(packet, newest)
    if newest.rebooted and newest.ended_at is not None:
        is_same = packet.session_s is None or abs(packet.began - newest.began) <= SLACK
        return 0 if is_same or packet.began < newest.ended_at - SLACK else None
    for place, heard in enumerate(generations):
        older = generations[place + 1] if place + 1 < len(generations) else None
        if older is None or packet.began >= heard.began - SLACK:
            return place
        if older.rebooted and not (packet.at_is_sure and packet.at < heard.began):
            return place  # the NAS itself has said that what ran before is over
    return len(generations) - 1


def _of_start(packet: Packet, newest: Heard) -> int | None:
    if newest.rebooted and newest.ended_at is not None:
        return None if packet.at >= newest.ended_at - SECOND else 0
    return None if packet.at > newest.last_at + SLACK else 0


def runs_again(packet: Packet, *, ended_at: datetime, cause: str) -> bool:
    """Whether a packet shows that a session goes on that was taken for ended: replaced by another, or disconnected."""
    if packet.status != "interim" or cause not in (REPLACED, DISCONNECTED):
        return False
    return packet.at > ended_at + (OUTLIVED if cause == DISCONNECTED else timedelta(0))


def instants(*, began: datetime, from_s: int, until_s: int, period_s: int) -> range:
    """Return an instant in each period that the session seconds from one to another touch, since 1970."""
    first, last = int(began.timestamp()) + from_s, int(began.timestamp()) + until_s
    if not period_s or last <= first:
        return range(0)
    return range(first // period_s * period_s, last, period_s)


def bytes_for(*, left: int, price_per_mb: int) -> int | None:
    """Return how many bytes an amount pays for at a price in millionths of a millionth per 1,000,000 bytes.

    `left` in millionths. None when data costs nothing.
    """
    return None if price_per_mb <= 0 else max(1, left * 10**12 // price_per_mb)


def seconds_for(*, left: int, price_of_period: int, period_s: int, into_period_s: int, paid: bool) -> int | None:
    """Return how many seconds an amount pays for, periods being paid as a whole; None when time costs nothing.

    `left` in millionths, `price_of_period` in millionths of a millionth. `into_period_s`: how far the present period
    has gone; `paid`: whether it is paid already. At least 1, since 0 means no limit to many servers.
    """
    if price_of_period <= 0 or not period_s:
        return None
    periods = left * 10**6 // price_of_period + (1 if paid else 0)
    return max(1, min(periods * period_s - into_period_s, SECONDS_MAX))


def cut(message: str) -> str:
    """Return as much of a message as one attribute holds (RFC 2865, 5.18)."""
    return message.encode()[:MESSAGE_OCTETS_MAX].decode("utf-8", "ignore")
