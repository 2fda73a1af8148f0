"""What can go wrong, by cause; doors turn causes into statuses with `error_map`.

TwinpurseError
 +-- NotFoundError             the thing named does not exist, or is not yours to see
 +-- InvalidInputError         one or more fields are wrong; all of them are listed
 +-- NotAllowedError           you are known, but this is not for you
 +-- NotSignedInError          we do not know who you are
 +-- DailyLimitError           a helper has adjusted as much as one may in a day
 +-- InsufficientBalanceError  a guarded entry or a hold would pass the account's floor
 +-- KeyReusedError            the same key came with other content
 +-- WrongStateError           the thing is no longer (or not yet) in the state that this needs
 +-- TooManyAttemptsError      wait before the next try
 +-- UnavailableError          something we depend on does not answer; try again
SettingsError                  the configuration is wrong; the start stops
"""

from __future__ import annotations

from typing import ClassVar

from language import N_, _


class TwinpurseError(Exception):
    """Something went wrong."""

    code: ClassVar[str] = "error"
    usual: ClassVar[str] = N_("Something went wrong.")

    def __init__(self, message: str | None = None, **facts: object) -> None:
        """Args: message: a sentence for people (default: the class's usual one); facts: values for machines."""
        self.message = message or _(self.usual)
        self.facts = facts
        super().__init__(self.message)


class NotFoundError(TwinpurseError):
    """There is no such thing here."""

    code = "not_found"
    usual = N_("There is no such thing here.")


class InvalidInputError(TwinpurseError):
    """Some of what was sent is wrong."""

    code = "invalid_input"
    usual = N_("Some of what was sent is wrong.")


class NotAllowedError(TwinpurseError):
    """This is not allowed for you."""

    code = "not_allowed"
    usual = N_("This is not allowed for you.")


class NotSignedInError(TwinpurseError):
    """Sign in first."""

    code = "not_signed_in"
    usual = N_("Sign in first.")


class DailyLimitError(TwinpurseError):
    """That is more than you may adjust today."""

    code = "daily_limit"
    usual = N_("That is more than you may adjust today.")


class InsufficientBalanceError(TwinpurseError):
    """There is not enough in the purse."""

    code = "insufficient_balance"
    usual = N_("There is not enough in the purse.")


class KeyReusedError(TwinpurseError):
    """This key was used before with other content."""

    code = "key_reused"
    usual = N_("This key was used before with other content.")


class WrongStateError(TwinpurseError):
    """This can't be done in the present state."""

    code = "wrong_state"
    usual = N_("This can't be done in the present state.")


class TooManyAttemptsError(TwinpurseError):
    """Too many attempts; wait a little."""

    code = "too_many_attempts"
    usual = N_("Too many attempts; wait a little.")


class UnavailableError(TwinpurseError):
    """Something that is needed does not answer; try again soon."""

    code = "unavailable"
    usual = N_("Something that is needed does not answer; try again soon.")


class SettingsError(Exception):
    """The configuration of a folder is wrong. `problems` lists every one, a line each."""

    def __init__(self, folder: str, problems: list[str]) -> None:
        self.folder = folder
        self.problems = problems
        super().__init__(f"{folder}: " + "; ".join(problems))
