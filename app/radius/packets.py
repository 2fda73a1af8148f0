"""What FreeRADIUS' rlm_rest sends, read into values: names in any form, counters, times. Pure functions."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final

NAME_MAX: Final = 256
TEXT_MAX: Final = 253  # a RADIUS attribute holds no more octets (RFC 2865, 5)
STATION_MAX: Final = 64
OCTETS_MAX: Final = 2**32
SESSION_MAX: Final = timedelta(days=31)
"""A longer session is taken for this long: one impossible number must not make a hundred thousand periods."""
LATE_MAX: Final = timedelta(days=7)
AHEAD_MAX: Final = timedelta(minutes=5)

STATUSES: Final = {
    "1": "start", "start": "start",
    "2": "stop", "stop": "stop",
    "3": "interim", "interim-update": "interim", "alive": "interim",
    "7": "on", "accounting-on": "on",
    "8": "off", "accounting-off": "off",
}  # fmt: skip
"""Acct-Status-Type (RFC 2866, 5.1) by number and by the names that dictionaries have for it."""


@dataclass(frozen=True)
class Nas:
    """A network access server as its packets describe it: an identifier, an address, or both."""

    identifier: str
    address: str

    @property
    def key(self) -> str:
        """What it is called in the books."""
        return self.identifier or self.address


@dataclass(frozen=True)
class Login:
    """An Access-Request, without its password: nobody here needs that."""

    names: tuple[str, ...]
    nas: Nas


@dataclass(frozen=True)
class Packet:
    """An Accounting-Request. Octets are the counters as sent, below 2**32; None: the packet does not say.

    `status` "": one that accounts for nothing here. `names`: the user's, the likeliest first; empty when there is none.
    `input` is what came from the user (RFC 2866, 5.3), an upload. `at`: when what it tells of happened. `at_is_sure`:
    the NAS itself said so.
    """

    status: str
    nas: Nas
    session_id: str
    names: tuple[str, ...]
    at: datetime
    at_is_sure: bool
    session_s: int | None = None
    input: int | None = None
    output: int | None = None
    input_gigawords: int | None = None
    output_gigawords: int | None = None
    station: str = ""
    address: str = ""
    cause: str = ""

    @property
    def name(self) -> str:
        """The name as it was sent."""
        return self.names[0] if self.names else ""

    @property
    def began(self) -> datetime:
        """When the session began, as far as this packet tells."""
        return self.at - timedelta(seconds=self.session_s or 0)


def read_login(body: Mapping[str, Any]) -> Login:
    """Read an Access-Request."""
    return Login(_names(body), _nas(body))


def read_packet(body: Mapping[str, Any], *, now: datetime, zone: tzinfo) -> Packet:
    """Read an Accounting-Request. What cannot be understood counts as not said."""
    at, sure = _event_at(body, now, zone)
    seconds = _number(body, "Acct-Session-Time")
    return Packet(
        status=STATUSES.get(_text(body, "Acct-Status-Type").lower(), ""),
        nas=_nas(body),
        session_id=_text(body, "Acct-Session-Id")[:TEXT_MAX],
        names=_names(body),
        at=at,
        at_is_sure=sure,
        session_s=None if seconds is None else min(seconds, int(SESSION_MAX.total_seconds())),
        input=_number(body, "Acct-Input-Octets"),
        output=_number(body, "Acct-Output-Octets"),
        input_gigawords=_number(body, "Acct-Input-Gigawords"),
        output_gigawords=_number(body, "Acct-Output-Gigawords"),
        station=_text(body, "Calling-Station-Id")[:STATION_MAX],
        address=_address(body, "Framed-IP-Address") or _address(body, "Framed-IPv6-Address"),
        cause=_text(body, "Acct-Terminate-Cause")[:40],
    )


def mended(text: str) -> str:
    """Return text whose UTF-8 was taken for Latin-1, as rlm_rest writes what lies beyond ASCII, as it was meant.

    Other text is left as it is: a real "é" alone is no UTF-8.
    """
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text


def _names(body: Mapping[str, Any]) -> tuple[str, ...]:
    """The name that the device sent, then the one that FreeRADIUS has taken a realm off."""
    found = (_text(body, name)[:NAME_MAX].strip() for name in ("User-Name", "Stripped-User-Name"))
    return tuple(dict.fromkeys(name for name in found if name))


def _nas(body: Mapping[str, Any]) -> Nas:
    address = next(
        (found for name in ("NAS-IP-Address", "NAS-IPv6-Address", "Packet-Src-IP-Address")
         if (found := _address(body, name))), ""
    )  # fmt: skip
    return Nas(_text(body, "NAS-Identifier")[:TEXT_MAX].strip(), address)


def _event_at(body: Mapping[str, Any], now: datetime, zone: tzinfo) -> tuple[datetime, bool]:
    """When it happened: the NAS' own time where that is possible, else now less the delay (RFC 2866, 5.2)."""
    delay = _number(body, "Acct-Delay-Time")
    told = _date(_text(body, "Event-Timestamp"), zone)
    if told is not None and now - LATE_MAX <= told <= now + AHEAD_MAX:
        return min(told, now), True
    late = min(timedelta(seconds=min(delay or 0, 10**7)), LATE_MAX)
    return now - late, bool(delay)


def _date(text: str, zone: tzinfo) -> datetime | None:
    """Read seconds since 1970, or "Nov 22 2026 22:55:30 UTC" as FreeRADIUS writes it, in its machine's own zone."""
    if text.isdigit() and len(text) <= 10:
        return datetime.fromtimestamp(int(text), UTC)
    words, _, name = text.rpartition(" ")
    try:
        local = datetime.strptime(words, "%b %d %Y %H:%M:%S")  # noqa: DTZ007 - its zone follows
    except ValueError:
        return None
    if name in ("UTC", "GMT"):
        return local.replace(tzinfo=UTC)
    for fold in (0, 1):  # the hour that a clock change repeats has two names
        there = local.replace(tzinfo=zone, fold=fold)
        if there.tzname() == name:
            return there.astimezone(UTC)
    return None


def _value(body: Mapping[str, Any], name: str) -> Any:
    """The first value of an attribute: {"type": ..., "value": [...]}, or the bare value."""
    found = body.get(name)
    if isinstance(found, Mapping):
        found = found.get("value")
    if isinstance(found, list):
        found = found[0] if found else None
    return found


def _text(body: Mapping[str, Any], name: str) -> str:
    found = _value(body, name)
    if isinstance(found, bool) or not isinstance(found, str | int):
        return ""
    return mended(str(found)).replace("\0", "\N{REPLACEMENT CHARACTER}")


def _number(body: Mapping[str, Any], name: str) -> int | None:
    found = _text(body, name)
    if not (found.isascii() and found.isdigit()) or len(found) > 10:
        return None
    number = int(found)
    return number if number < OCTETS_MAX else None


def _address(body: Mapping[str, Any], name: str) -> str:
    try:
        return str(ipaddress.ip_address(_text(body, name).partition("/")[0]))
    except ValueError:
        return ""
