"""Devices: the tokens of desktop clients. Each shows one person's balance and does nothing else."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from app.errors import NotFoundError, NotSignedInError
from app.people.models import Device, User
from app.quick_read import QuickRow
from language import _

PREFIX: Final = "tpd_"
NAME_LENGTH_MAX: Final = 80
DEVICES_MAX: Final = 20
"""Devices of one person; one more revokes the one that was used longest ago."""

SEEN_EVERY: Final = timedelta(hours=1)
"""A client asks every minute or so, and there are many of them: its last use is noted no oftener."""


class Asking(NamedTuple):
    """A device that asks, and for whom."""

    device_id: int
    seen_at: datetime
    user_id: int
    username: str
    display_name: str


WHO_ASKS: Final = (
    select(Device.id, Device.seen_at, User.id, User.username, User.display_name)
    .add_columns(User.status, Device.revoked_at.is_not(None))
    .join_from(Device, User)
    .where(Device.token_hash == bindparam("digest"))
)
"""Who has the token of a digest, for `judge`."""

_WHO_ASKS: Final = QuickRow(WHO_ASKS)


def make(session: Session, *, user_id: int, name: str, now: datetime) -> tuple[Device, str]:
    """Make a device for a person and return it with its token, which cannot be shown again."""
    for old in list_devices(session, user_id=user_id)[DEVICES_MAX - 1 :]:
        old.revoked_at = now
    token = PREFIX + secrets.token_urlsafe(32)
    device = Device(user_id=user_id, name=name[:NAME_LENGTH_MAX], token_hash=digest(token), created_at=now, seen_at=now)
    session.add(device)
    session.flush()
    return device, token


def find(*, token: str) -> Asking:
    """Return who asks with this token. Raises NotSignedInError as `judge` does."""
    return judge(_WHO_ASKS.read(digest=digest(token)))


def judge(row: Sequence[Any] | None) -> Asking:
    """Return who asks, out of a row of WHO_ASKS.

    Raises NotSignedInError with `reason`: "unknown", "disabled" (the person is not active) or "revoked".
    """
    if row is None:
        raise NotSignedInError(_("This device is not known here. Sign in again."), reason="unknown")
    *asking, status, is_revoked = row
    if status != "active":
        raise NotSignedInError(_("This network account is disabled. Ask the help desk."), reason="disabled")
    if is_revoked:
        raise NotSignedInError(_("This device was signed out. Sign in again."), reason="revoked")
    return Asking(*asking)


def note_seen(session: Session, *, device_id: int, now: datetime) -> None:
    """Note that a device was used."""
    session.execute(
        update(Device).where(Device.id == device_id).values(seen_at=now).execution_options(synchronize_session=False)
    )


def list_devices(session: Session, *, user_id: int) -> list[Device]:
    """Return the devices of a person that are not revoked, the one that was used last first."""
    mine = select(Device).where(Device.user_id == user_id, Device.revoked_at.is_(None))
    return list(session.scalars(mine.order_by(Device.seen_at.desc(), Device.id.desc())))


def revoke(session: Session, *, user_id: int, device_id: int, now: datetime) -> Device:
    """Make the token of one of the person's devices useless from now on; doing it again changes nothing.

    Raises NotFoundError, also for a device of somebody else.
    """
    device = session.get(Device, device_id)
    if device is None or device.user_id != user_id:
        raise NotFoundError(_("There is no such device of yours."), device_id=device_id)
    device.revoked_at = device.revoked_at or now
    session.flush()
    return device


def digest(token: str) -> str:
    """Return what is kept of a token."""
    return hashlib.sha256(token.encode()).hexdigest()
