"""Tokens that let machines and the portal in: how they are made, found and refused."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime

from itsdangerous import BadData, URLSafeTimedSerializer
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.api.models import MachineToken
from app.errors import NotFoundError, NotSignedInError

MACHINE_PREFIX = "tpm_"
PORTAL_PREFIX = "tpp_"
PORTAL_SALT = "twinpurse.portal"
PORTAL_LIFE_S = 60
PORTAL_CLOCK_S = 30
"""How far the portal's clock may be ahead of ours."""


@dataclass(frozen=True)
class PortalCall:
    """On whose behalf the portal asks."""

    username: str
    directory_id: str


def make_machine_token(session: Session, *, name: str, scope: str, now: datetime) -> str:
    """Make a token for one machine and return it; it cannot be shown again."""
    token = MACHINE_PREFIX + secrets.token_urlsafe(32)
    session.add(MachineToken(name=name, scope=scope, token_hash=_digest(token), created_at=now))
    return token


def revoke_machine_token(session: Session, *, token_id: int, now: datetime) -> None:
    """Make a token useless from now on. Raises NotFoundError."""
    row = session.get(MachineToken, token_id)
    if row is None:
        raise NotFoundError("There is no such token.", token_id=token_id)
    row.revoked_at = row.revoked_at or now


def find_machine_token(session: Session, *, token: str) -> MachineToken:
    """Return the row of a token that is good. Raises NotSignedInError."""
    row = session.scalar(select(MachineToken).where(MachineToken.token_hash == _digest(token)))
    if row is None or row.revoked_at is not None:
        raise NotSignedInError("This token is not known here, or was revoked.")
    return row


def read_portal_token(token: str, *, key: str, instance_id: str, now: datetime) -> PortalCall:
    """Check a portal's token: signature, age (60 s at most, 30 s ahead at most), audience. Raises NotSignedInError."""
    serializer = URLSafeTimedSerializer(
        key, salt=PORTAL_SALT, signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256}
    )
    try:
        claims, made_at = serializer.loads(token, return_timestamp=True)
        audience, username, directory_id = claims["aud"], claims["sub"], claims["did"]
    except (BadData, KeyError, TypeError):
        raise NotSignedInError("The portal's token is not good here.") from None
    age_s = (now - made_at).total_seconds()
    if not -PORTAL_CLOCK_S <= age_s <= PORTAL_LIFE_S:
        raise NotSignedInError("The portal's token is too old, or its clock is wrong.")
    if not key or audience != instance_id or not isinstance(username, str) or not isinstance(directory_id, str):
        raise NotSignedInError("The portal's token is not good here.")
    return PortalCall(username, directory_id)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
