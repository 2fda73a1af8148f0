"""May somebody go online, for how long and how much: what FreeRADIUS asks once it has checked the password."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy.orm import Session

from app.internet import rates
from app.internet.models import UsagePeriod
from app.internet.rates import Plan, Use
from app.internet.rules import MB, may_go_on
from app.people.models import User
from app.purse import service as purses
from app.radius import rules
from app.settings import Settings
from app.settings_tables import RadiusSection
from language import N_, _

UNKNOWN: Final = N_("Nobody here has this name.")
DISABLED: Final = N_("This network account may not be used. Ask the help desk.")
LIMITS: Final = {
    "chillispot": ("ChilliSpot-Max-Total-Octets", "ChilliSpot-Max-Total-Gigawords"),
    "mikrotik": ("Mikrotik-Total-Limit", "Mikrotik-Total-Limit-Gigawords"),
    "pfsense": ("pfSense-Max-Total-Octets", ""),
}
"""By maker: the attributes of FreeRADIUS' dictionaries that limit the bytes of a session, low and high 32 bits."""
REAUTHENTICATE: Final = "RADIUS-Request"
"""Termination-Action (RFC 3580, 3.17): at Session-Timeout ask again, rather than end the session."""


@dataclass(frozen=True)
class Admission:
    """The answer. `seconds` and `bytes` None: no limit. `refusal`: why not, in words, "" for yes."""

    refusal: str = ""
    seconds: int | None = None
    bytes: int | None = None
    slow: bool = False
    more: dict[str, Any] = field(default_factory=dict)


def admit(session: Session, *, user: User | None, settings: Settings, now: datetime) -> Admission:
    """Say whether a person may go online now, and within what their purse pays for. `user` None: a name of nobody."""
    if not settings.enforces:
        return Admission()
    if user is None:
        return Admission(refusal=_(UNKNOWN))
    if not user.is_active:
        return Admission(refusal=_(DISABLED))
    at_empty, _running = rates.policies(session)
    purse = purses.look_into(session, user=user, settings=settings, now=now)
    floor = purse.account.floor
    if may_go_on(available=purse.available, floor=floor):
        if floor is None or at_empty != "stop":
            return Admission()
        return _within(session, user, purse.available - floor, rates.load(session, settings), now)
    if at_empty == "stop":
        return Admission(refusal=purses.internet_message(purse, settings))
    return Admission(slow=at_empty == "slow")


def _within(session: Session, user: User, left: int, plan: Plan, now: datetime) -> Admission:
    """Bound a session by what is left, at the prices of now; whichever way of use costs more decides."""
    instant = int(now.timestamp())
    percent = rates.percents(session, user_ids=[user.id], plan=plan)[user.id]
    dearest = max(plan.price(Use(instant, download=MB), percent), plan.price(Use(instant, upload=MB), percent))
    seconds = None
    if plan.period_s:
        start = instant // plan.period_s * plan.period_s
        seconds = rules.seconds_for(
            left=left,
            price_of_period=plan.price(Use(instant, periods=(start,)), percent),
            period_s=plan.period_s,
            into_period_s=instant - start,
            paid=session.get(UsagePeriod, (user.id, start)) is not None,
        )
    return Admission(seconds=seconds, bytes=rules.bytes_for(left=left, price_per_mb=dearest))


def as_attributes(admission: Admission, section: RadiusSection) -> dict[str, Any]:
    """Return the answer as rlm_rest reads it: attribute -> operator and value."""
    if admission.refusal:
        return {
            "control:Auth-Type": _set("Reject"),
            "reply:Reply-Message": _set(rules.cut(admission.refusal)),
        }
    recheck_s = section.recheck_minutes * 60
    seconds = recheck_s if admission.seconds is None else min(recheck_s, admission.seconds)
    found: dict[str, Any] = {
        "reply:Session-Timeout": _set(seconds),
        "reply:Termination-Action": _set(REAUTHENTICATE),
        "reply:Acct-Interim-Interval": _set(section.interim_seconds),
    }
    if admission.bytes is not None:
        high, low = divmod(admission.bytes, rules.WRAP)
        for maker in section.data_limits:
            octets, gigawords = LIMITS[maker]
            found[f"reply:{octets}"] = _set(low if gigawords or not high else rules.WRAP - 1)
            if gigawords and high:
                found[f"reply:{gigawords}"] = _set(high)
    if admission.slow:
        found["reply:WISPr-Bandwidth-Max-Down"] = _set(section.slow_kbits * 1000)
        found["reply:WISPr-Bandwidth-Max-Up"] = _set(section.slow_kbits * 1000)
    return found


def _set(value: int | str) -> dict[str, Any]:
    return {"op": ":=", "value": [value]}
