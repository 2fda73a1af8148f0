"""Keeping away from the directory's own lock-out: no password is tried where it may be the one too many."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from directory.connection import Entry, LdapConnection
from directory.interface import DirectoryConfigError, DirectoryUnavailableError
from directory.names import domain_of
from directory.settings import DirectorySettings
from directory.states import file_time, generalized_time, whole_number

log = logging.getLogger(__name__)

MARGIN = 2
"""So many tries before the lock-out none is made: another program of ours may try at the same moment."""

_AD_COUNTS = ("badPwdCount", "badPasswordTime")
_OTHER_COUNTS = ("pwdFailureTime", "pwdPolicySubentry")
_AD_POLICY = ["lockoutThreshold", "lockOutObservationWindow"]
_OTHER_POLICY = ["pwdLockout", "pwdMaxFailure", "pwdFailureCountInterval"]
_ANY_ENTRY = "(objectClass=*)"
_STRIPES = 64


def count_attributes(settings: DirectorySettings) -> tuple[str, ...]:
    """Return the attributes in which the directory counts wrong passwords; who may not read them, gets none."""
    return _AD_COUNTS if settings.is_active_directory else _OTHER_COUNTS


def is_near(connection: LdapConnection, entry: Entry, settings: DirectorySettings) -> bool:
    """Whether one more wrong password may lock the account, or so few that others may use them up meanwhile.

    Only a count that is high has the directory's policy read: what it has forgotten, and whether it locks at all. A
    policy that cannot be read forgets nothing. Where the count cannot be read this is never true.
    """
    if settings.lockout_after == 0:
        return False
    limit = settings.lockout_after - MARGIN
    failures = _failures(entry, settings)
    if len(failures) < limit:
        return False
    policies = _policies(connection, entry, settings)
    return not policies or any(policy.counted(failures) >= limit for policy in policies)


def locks_sooner_after(connection: LdapConnection, settings: DirectorySettings) -> int:
    """Return after how many wrong passwords the directory locks, when that is sooner than `lockout_after` says.

    0 when it is not, and where the directory does not tell.
    """
    policies = _policies(connection, Entry(settings.base_dn, {}), settings)
    lowest = min((policy.locks_after for policy in policies if policy.locks_after), default=0)
    return lowest if lowest and not 0 < settings.lockout_after <= lowest else 0


def problems(connection: LdapConnection, settings: DirectorySettings) -> list[str]:
    """Return a sentence when the directory locks sooner than `lockout_after` says; nothing where it does not tell."""
    lowest = locks_sooner_after(connection, settings)
    return (
        [f"the directory locks accounts after {lowest} wrong passwords: set lockout_after = {lowest}"] if lowest else []
    )


@dataclass(frozen=True)
class _Policy:
    """After how many wrong passwords accounts are locked (0: never, None: not told), and when one is forgotten."""

    locks_after: int | None
    forgets_after: timedelta | None

    def counted(self, failures: list[datetime | None]) -> int:
        """How many of these wrong passwords count now."""
        if self.locks_after == 0:
            return 0
        if self.forgets_after is None:
            return len(failures)
        begins = datetime.now(UTC) - self.forgets_after
        return sum(moment is None or moment >= begins for moment in failures)


class Turns:
    """One try at a time for one entry: two at the same moment would both see a count that allows one more."""

    def __init__(self) -> None:
        self._locks = [threading.Lock() for _ in range(_STRIPES)]
        self._ended_at = [float("-inf")] * _STRIPES

    @contextmanager
    def turn(self, dn: str, *, limit_s: float, seen_at: float) -> Iterator[bool]:
        """Wait for this entry's turn; give whether it may have changed since `seen_at` (a time.monotonic() value).

        Raises DirectoryUnavailableError after `limit_s` seconds.
        """
        stripe = hash(dn.casefold()) % _STRIPES
        if not self._locks[stripe].acquire(timeout=limit_s):
            raise DirectoryUnavailableError("another sign-in of the same name gave no answer in time")
        try:
            yield self._ended_at[stripe] >= seen_at
        finally:
            self._ended_at[stripe] = time.monotonic()
            self._locks[stripe].release()


def _failures(entry: Entry, settings: DirectorySettings) -> list[datetime | None]:
    """When each wrong password was that the directory counts; None for a moment that it does not tell."""
    if settings.is_active_directory:
        last = whole_number(entry, "badPasswordTime")
        return [file_time(last) if last else None] * (whole_number(entry, "badPwdCount") or 0)
    return [generalized_time(text) for text in entry.texts("pwdFailureTime")]


def _policies(connection: LdapConnection, entry: Entry, settings: DirectorySettings) -> list[_Policy]:
    """The policies that may hold for this entry: its own one where it names it, else all that can be read."""
    try:
        if settings.is_active_directory:
            found = connection.search(domain_of(entry.dn), _ANY_ENTRY, _AD_POLICY, only_base=True, size_limit=1)
            return [_policy_of_domain(domain) for domain in found]
        own = entry.texts("pwdPolicySubentry")
        if own:
            found = connection.search(own[0], _ANY_ENTRY, _OTHER_POLICY, only_base=True, size_limit=1)
        else:
            found = connection.search(settings.base_dn, "(objectClass=pwdPolicy)", _OTHER_POLICY)
    except DirectoryConfigError:
        return []
    return [_policy_of_subentry(policy) for policy in found]


def _policy_of_domain(domain: Entry) -> _Policy:
    """What the domain's own entry says (MS-ADTS section 3.1.1.5.2.1); the window is negative, in units of 100 ns."""
    ticks = whole_number(domain, "lockOutObservationWindow")
    return _Policy(
        locks_after=whole_number(domain, "lockoutThreshold"),
        forgets_after=timedelta(microseconds=-ticks // 10) if ticks else None,
    )


def _policy_of_subentry(policy: Entry) -> _Policy:
    """What a pwdPolicy entry says; without pwdLockout TRUE it locks nobody, without an interval it forgets nothing."""
    locks = policy.texts("pwdLockout") == ["TRUE"]
    seconds = whole_number(policy, "pwdFailureCountInterval")
    return _Policy(
        locks_after=(whole_number(policy, "pwdMaxFailure") or 0) if locks else 0,
        forgets_after=timedelta(seconds=seconds) if seconds else None,
    )
