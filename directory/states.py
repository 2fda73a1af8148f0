"""Whether an entry's account may be used now: what each kind of directory writes about it. Pure functions of values."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from directory.connection import Entry
from directory.settings import DirectorySettings

_AD_STATES = ("userAccountControl", "accountExpires")
_OTHER_STATES = ("pwdAccountLockedTime", "pwdEndTime", "shadowExpire", "nsAccountLock", "krbPrincipalExpiration")

_AD_DISABLED = 0x2  # MS-ADTS section 2.2.16, ADS_UF_ACCOUNT_DISABLE
_AD_NEVER = (0, 0x7FFFFFFFFFFFFFFF)  # MS-ADA1 section 2.3, accountExpires
_LOCKED_FOR_EVER = b"000001010000Z"  # draft-behera-ldap-password-policy-10 section 5.3.3: by an administrator
_FILE_TIME_BEGINS = datetime(1601, 1, 1, tzinfo=UTC)
_GENERALIZED = re.compile(r"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)?(?:[.,](\d+))?Z")


def state_attributes(settings: DirectorySettings) -> tuple[str, ...]:
    """Return the attributes that `why_unusable` reads; what a server does not know, it leaves out."""
    return _AD_STATES if settings.is_active_directory else _OTHER_STATES


def why_unusable(entry: Entry, settings: DirectorySettings, now: datetime) -> str:
    """Return "disabled", "account_expired", or "" for an account that may be used at `now` (aware).

    A lock after wrong passwords is none of these: it passes. What cannot be read or is not there disables nobody.
    """
    if settings.is_active_directory:
        control, expires = whole_number(entry, "userAccountControl") or 0, whole_number(entry, "accountExpires") or 0
        if control & _AD_DISABLED:
            return "disabled"
        ends = None if expires in _AD_NEVER else file_time(expires)
        return "account_expired" if ends is not None and ends <= now else ""
    locked = entry.values.get("pwdaccountlockedtime", [])
    if _LOCKED_FOR_EVER in locked or "true" in (text.lower() for text in entry.texts("nsAccountLock")):
        return "disabled"
    moments = [*entry.texts("krbPrincipalExpiration"), *entry.texts("pwdEndTime")]
    if any(end <= now for end in map(generalized_time, moments) if end is not None):
        return "account_expired"
    day = whole_number(entry, "shadowExpire")  # days since 1970-01-01, -1 for never (shadow(5))
    return "account_expired" if day is not None and 0 <= day <= now.timestamp() // 86400 else ""


def whole_number(entry: Entry, attribute: str) -> int | None:
    """Return the value of an attribute as a number; None when it is not there, not alone, or no number."""
    texts = entry.texts(attribute)
    if len(texts) != 1 or not re.fullmatch(r"-?[0-9]{1,20}", texts[0]):
        return None
    return int(texts[0])


def file_time(ticks: int) -> datetime | None:
    """Return the moment that Active Directory writes as 100 ns since 1601; None for one beyond the calendar."""
    try:
        return _FILE_TIME_BEGINS + timedelta(microseconds=ticks // 10)
    except OverflowError:
        return None


def generalized_time(text: str) -> datetime | None:
    """Return the moment that LDAP writes as 20261123080000Z, with or without a fraction; None for anything else."""
    match = _GENERALIZED.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    return moment + timedelta(microseconds=int((match[7] or "0")[:6].ljust(6, "0")))
