"""Causes to HTTP statuses and exit codes: the one table that every door looks into."""

from __future__ import annotations

from app import errors

STATUSES: dict[type[errors.TwinpurseError], tuple[int, int]] = {
    errors.TwinpurseError: (500, 1),
    errors.NotFoundError: (404, 4),
    errors.InvalidInputError: (422, 2),
    errors.NotAllowedError: (403, 5),
    errors.DailyLimitError: (422, 5),
    errors.NotSignedInError: (401, 5),
    errors.InsufficientBalanceError: (402, 6),
    errors.KeyReusedError: (409, 7),
    errors.WrongStateError: (409, 7),
    errors.TooManyAttemptsError: (429, 8),
    errors.UnavailableError: (503, 8),
}


def http_status(error: errors.TwinpurseError) -> int:
    """Return the HTTP status of `error`, found along its classes."""
    return _row(error)[0]


def exit_code(error: errors.TwinpurseError) -> int:
    """Return the exit code of the command for `error`."""
    return _row(error)[1]


def _row(error: errors.TwinpurseError) -> tuple[int, int]:
    return next(STATUSES[cls] for cls in type(error).__mro__ if cls in STATUSES)
