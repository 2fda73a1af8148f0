"""Tokens with which the portal asks an instance on one person's behalf: signed, for 60 seconds, for one instance."""

from __future__ import annotations

import hashlib
import secrets

from itsdangerous import URLSafeTimedSerializer

from portal.settings import Instance

PREFIX = "tpp_"
SALT = "twinpurse.portal"


def make_token(instance: Instance, *, username: str, directory_id: str) -> str:
    """Return a token that lets its bearer ask `instance` about this one person.

    The instance refuses it 60 seconds after now, with another audience, or signed with another key.
    """
    serializer = URLSafeTimedSerializer(
        instance.key, salt=SALT, signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256}
    )
    claims = {"aud": instance.id, "sub": username, "did": directory_id, "jti": secrets.token_urlsafe(12)}
    return PREFIX + str(serializer.dumps(claims))
