"""The jobs of RADIUS: sessions that ended long ago are forgotten; what they cost stays in the books."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from app import clock
from app.db import writing
from app.radius import ending

KEPT = timedelta(days=31)
"""As long as a session can last: until then a packet of an ended one may still come."""


def forget_ended() -> int:
    """Delete sessions that ended long ago; return how many that were."""
    before = clock.now() - KEPT
    gone = 0
    while part := writing(partial(ending.forget_ended, before=before)):
        gone += part
    return gone
