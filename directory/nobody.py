"""The entry that nobody has: an unknown name is tried as it, and takes as long as a wrong password does."""

from __future__ import annotations

import secrets
import threading
import time
from collections import deque
from statistics import median

from directory.connection import BindAnswer, LdapConnection

LONGEST_WAIT_S = 1.0
_REMEMBERED = 32


class Nobody:
    """An entry that nobody can know or create, and how much longer sign-ins as real entries took lately.

    A directory refuses an unknown entry at once; for a real one it computes a hash, which is made to be slow, and
    writes down that the password was wrong. So an unknown name waits for the difference between the medians.
    """

    def __init__(self, base_dn: str) -> None:
        self.dn = f"cn=nobody-{secrets.token_hex(16)},{base_dn}"
        self._nobodys_s: deque[float] = deque(maxlen=_REMEMBERED)
        self._others_s: deque[float] = deque(maxlen=_REMEMBERED)
        self._lock = threading.Lock()

    def bind(self, connection: LdapConnection, password: str) -> None:
        """Sign in as nobody; whatever the answer, it means nothing."""
        began = time.monotonic()
        connection.bind(self.dn, password)
        with self._lock:
            self._nobodys_s.append(time.monotonic() - began)
            longer_s = median(self._others_s) - median(self._nobodys_s) if self._others_s else 0.0
        time.sleep(min(max(longer_s, 0.0), LONGEST_WAIT_S))

    def timed_bind(self, connection: LdapConnection, dn: str, password: str) -> BindAnswer:
        """Sign in as a real entry and remember how long a refusal took; see LdapConnection.bind."""
        began = time.monotonic()
        answer = connection.bind(dn, password)
        if not answer.accepted:
            with self._lock:
                self._others_s.append(time.monotonic() - began)
        return answer
