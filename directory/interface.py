"""What the product asks of a directory, whichever one it is: the person, the errors, and three questions."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Protocol

MAX_USERNAME_CHARACTERS = 256
MAX_PASSWORD_CHARACTERS = 1024

# Control characters, lone surrogates (they cannot be sent as UTF-8), and line and paragraph separators.
_REFUSED_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})


@dataclass(frozen=True)
class Person:
    """One person as the directory knows them.

    `directory_id` never changes, even when the person is renamed; `username` is the account name, casefolded; `groups`
    are the names of all groups that count, sorted: direct, nested and primary ones. `disabled`: the account exists and
    may not be used now, because it was disabled or has expired.
    """

    directory_id: str
    dn: str
    username: str
    display_name: str
    email: str
    groups: tuple[str, ...]
    disabled: bool = False


class DirectoryError(Exception):
    """A question to the directory was not answered. The message has no password and no typed name: it may be logged."""

    retryable: bool = False


REFUSAL_REASONS = ("password_expired", "must_change", "disabled", "account_expired", "not_now", "not_here")
"""Why the right password is refused: it is too old; it must be changed first; the account was disabled, or has
expired; signing in is not allowed at this hour, or not from here."""


class BadCredentialsError(DirectoryError):
    """Nobody is signed in with this name and password.

    `reason` is one of REFUSAL_REASONS, and only there when the server gave it together with proof that the password
    was the right one: then it may be told to who typed it. Else it is "", and nothing more is known or may be told.
    """

    def __init__(self, reason: str = "") -> None:
        super().__init__("the name or the password is wrong")
        self.reason = reason


class DirectoryNearLockoutError(BadCredentialsError):
    """The password was not tried: the directory has counted so many wrong ones that it may soon lock the account.

    It forgets them by itself, or when the person signs in elsewhere with the right one. The same is said of an account
    that it has locked. Whoever only knows BadCredentialsError treats it as any refusal.
    """


class DirectoryUnavailableError(DirectoryError):
    """No server gave a usable answer: refused, too slow, TLS not verified, or not LDAP. The same may work later."""

    retryable = True


class DirectoryConfigError(DirectoryError):
    """The settings and the directory do not fit; only an administrator can mend it."""


class Directory(Protocol):
    """The three questions. Each answers within six seconds, also when every server hangs."""

    def authenticate(self, username: str, password: str) -> Person:
        """Return the person whose name and password these are; never one who is disabled.

        Raises BadCredentialsError (with a reason where one may be told; DirectoryNearLockoutError is one of them),
        DirectoryUnavailableError or DirectoryConfigError.
        """
        ...

    def find(self, username: str) -> Person | None:
        """Return the person with this name, a disabled one too (`disabled` says so), None when there is none.

        Raises DirectoryUnavailableError or DirectoryConfigError: "not known" is never said for "not answered".
        """
        ...

    def check(self) -> list[str]:
        """Return what is wrong with the directory, one plain sentence each; an empty list when all is well."""
        ...


def is_plausible_username(username: str) -> bool:
    """True when the name may be looked for: not blank, at most 256 characters, no control characters."""
    return (
        bool(username.strip())
        and len(username) <= MAX_USERNAME_CHARACTERS
        and (
            username.isprintable()
            or not any(unicodedata.category(character) in _REFUSED_CATEGORIES for character in username)
        )
    )


def is_plausible_password(password: str) -> bool:
    """True when the password may be tried: not empty, at most 1024 characters, no control characters.

    An empty password must never reach a server: RFC 4513 section 5.1.2 makes it an "unauthenticated" bind, which
    many servers answer with success.
    """
    return (
        bool(password)
        and len(password) <= MAX_PASSWORD_CHARACTERS
        and not any(unicodedata.category(character) in _REFUSED_CATEGORIES for character in password)
    )


def require_plausible(username: str, password: str) -> None:
    """Raise BadCredentialsError for a name or password that no server may be asked about."""
    if not (is_plausible_username(username) and is_plausible_password(password)):
        raise BadCredentialsError
