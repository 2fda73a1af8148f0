"""Whose names many names are, looked up together: a log brings thousands of them at once."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

from app.db import reading
from app.errors import NotFoundError, UnavailableError
from app.people import aliases
from app.people.credentials import look_up
from app.settings import settings_of_app
from directory.interface import is_plausible_username

LONGEST_S: Final = 10.0
"""For so long the directory is asked, one name after the other, about names that nobody has here."""


def user_ids_of(names: Sequence[str], *, longest_s: float = LONGEST_S) -> dict[str, int | None]:
    """Return name -> the id of whose it is, None for nobody's; as `credentials.identify` finds each.

    The directory is asked about names that are nobody's own here, for `longest_s` seconds at most and until it does not
    answer; about the same name once a minute. What it could not be asked about counts as it is known here.
    """
    domains = settings_of_app().config.directory.domains
    plausible = [name for name in dict.fromkeys(names) if is_plausible_username(name)]
    found = aliases.find_ids(reading(), typed=plausible, domains=domains)
    unsure = [name for name in plausible if name not in found or found[name][1] != "own"]
    unsure = [name for name in unsure if not aliases.was_asked(name)]
    if unsure:
        _ask(unsure, longest_s)
        found.update(aliases.find_ids(reading(), typed=unsure, domains=domains))
    return {name: found[name][0] if name in found else None for name in names}


def _ask(names: Sequence[str], longest_s: float) -> None:
    """Have the directory make known who has these names now."""
    until = time.monotonic() + longest_s
    for name in names:
        if time.monotonic() >= until:
            return
        try:
            look_up(name)
        except NotFoundError:
            aliases.note_asked(name)
        except UnavailableError:
            return
