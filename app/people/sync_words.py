"""The words of passes over the directory: kinds of changes, what is kept of a pass in codes, and reports in a line."""

from __future__ import annotations

import re
from typing import Final

from app.people.sync_models import DirectorySync
from language import N_, _, _n, current

WHAT: Final[dict[str, str]] = {
    "added": N_("New"),
    "renamed": N_("Renamed"),
    "changed": N_("Other name or mail address"),
    "groups": N_("Other groups or role"),
    "disabled": N_("Disabled"),
    "gone": N_("Gone"),
    "back": N_("Back again"),
    "left_out": N_("Left out"),
}
"""Kinds of changes in words, in the order in which people read them."""

SKIPPED: Final = "skipped:"
"""How a pass's message begins that passed entries over; their number follows."""

UNFORESEEN: Final = "unforeseen:"
"""How the message begins of a pass that an error of ours ended; the error's name follows."""

_ROLE: Final = re.compile("role (user|auditor|helper|admin); ")
"""What stands before the groups where a role changes too; see sync_compare."""

STATUS: Final = {"active": N_("active"), "disabled": N_("disabled"), "gone": N_("gone")}
STATUS_CHANGES: Final = ("disabled", "gone", "back")
"""Whether somebody may be here, and the changes that say how that was before."""

ROLES: Final = {
    "user": N_("role user; "),
    "auditor": N_("role auditor; "),
    "helper": N_("role helper; "),
    "admin": N_("role admin; "),
}


def message_in_words(one: DirectorySync) -> str:
    """Return what is kept as a pass's message, as a sentence of its own; "" for none."""
    return _as_sentence(message_within(one))


def message_within(one: DirectorySync) -> str:
    """Return what is kept as a pass's message, as it stands within a sentence. What a server said stays as it is.

    What is kept is no sentence of one language: it is a code with a value, or a text that the catalogues know.
    """
    kept = one.message
    if kept.startswith(SKIPPED) and kept[len(SKIPPED) :].isdigit():
        return _n(
            "%(num)s entry has no single identifier or user name and was passed over",
            "%(num)s entries have no single identifier or user name and were passed over",
            int(kept[len(SKIPPED) :]),
        )
    if kept.startswith(UNFORESEEN):
        return _("An error that nobody foresaw (%(name)s); the log has more", name=kept[len(UNFORESEEN) :])
    return current().texts.gettext(kept) if kept else ""


def reason_in_words(kept: str) -> str:
    """Return why somebody was left out, as a sentence."""
    return _as_sentence(current().texts.gettext(kept) if kept else "")


def _as_sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:].removesuffix('.')}." if text else ""


def groups_in_words(kept: str) -> str:
    """Return which groups are left or joined, with the role before them where that changes too."""
    match = _ROLE.match(kept)
    return _(ROLES[match[1]]) + kept[match.end() :] if match else kept


def cells_in_words(what: str, was: str, now: str) -> tuple[str, str]:
    """Return how somebody was and is, as a file says it; `what`: the kind of the change."""
    if what == "groups":
        return groups_in_words(was), groups_in_words(now)
    if what == "left_out":
        return was, current().texts.gettext(now) if now else ""
    return (_(STATUS[was]) if was in STATUS and what in STATUS_CHANGES else was), now


def count_in_words(what: str, count: int) -> str:
    """Return how many people a pass changed in one way: "12 new", "3 renamed"."""
    match what:
        case "added":
            return _n("%(num)s new", "%(num)s new", count)
        case "renamed":
            return _n("%(num)s renamed", "%(num)s renamed", count)
        case "changed":
            return _n("%(num)s with another name or address", "%(num)s with another name or address", count)
        case "groups":
            return _n("%(num)s with other groups", "%(num)s with other groups", count)
        case "disabled":
            return _n("%(num)s disabled", "%(num)s disabled", count)
        case "gone":
            return _n("%(num)s gone", "%(num)s gone", count)
        case "back":
            return _n("%(num)s back again", "%(num)s back again", count)
    return _n("%(num)s left out", "%(num)s left out", count)
