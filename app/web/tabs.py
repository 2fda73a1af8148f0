"""The tabs of every page: what there is here for whoever asks, and the pages that share a tab."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import flask
from flask import request
from flask_login import current_user
from sqlalchemy.orm import Session

from app.db import reading
from app.settings import settings_of_app
from language import N_, _, numbers

Place = tuple[str, str, str]

PLACES: Final[tuple[Place, ...]] = (
    ("/admin/people", N_("People"), "auditor"),
    ("/admin/people/sync", N_("Sync"), "auditor"),
    ("/admin/people/unknown", N_("Unknown names"), "auditor"),
    ("/admin/people/leavers", N_("Leavers"), "auditor"),
    ("/admin/people/relink", N_("Relink"), "auditor"),
    ("/admin/groups", N_("Groups"), "auditor"),
    ("/admin/guests", N_("Guests"), "auditor"),
    ("/admin/directory", N_("Directory"), "admin"),
    ("/admin/client", N_("Desktop client"), "auditor"),
)
"""The pages around people and the directory, and who may open them; they share a tab."""

INTERNET_PLACES: Final[tuple[Place, ...]] = (
    ("/admin/internet-use", N_("Use"), "auditor"),
    ("/admin/internet-use/running", N_("Running now"), "auditor"),
    ("/admin/internet-use/wifi", N_("Wi-Fi now"), "auditor"),
    ("/admin/internet-rates", N_("Rates"), "auditor"),
    ("/admin/site-lists", N_("Site lists"), "auditor"),
    ("/admin/internet-rates/calculator", N_("Calculator"), "auditor"),
    ("/admin/internet-use/privacy", N_("Privacy"), "auditor"),
    ("/admin/internet-setup", N_("Set-up"), "auditor"),
)
"""The same around the Internet, where the instance charges it."""

PRINTING_PLACES: Final[tuple[Place, ...]] = (
    ("/admin/print-jobs", N_("Jobs"), "auditor"),
    ("/admin/printers", N_("Printers"), "auditor"),
    ("/admin/print-prices", N_("Prices"), "auditor"),
    ("/admin/print-limits", N_("Limits"), "auditor"),
    ("/admin/print-cost", N_("Calculator"), "auditor"),
    ("/admin/refunds", N_("Refunds"), "auditor"),
    ("/admin/print-privacy", N_("Privacy"), "auditor"),
)
"""The same around printing, where the instance charges it."""

ACCOUNTS_PLACES: Final[tuple[Place, ...]] = (
    ("/admin/accounts", N_("Shared accounts"), "auditor"),
    ("/admin/cards", N_("Cards"), "auditor"),
)
"""The same around what is no one person's."""

COUNTS: Final = "twinpurse.counts"
"""The extension that says of a page how many things wait there: address -> function of a reading session."""

GO: Final = {
    "/": ("b", N_("Go to the balance")),
    "/statement": ("s", N_("Go to the statement")),
    "/print-jobs": ("j", N_("Go to print jobs")),
    "/internet-use": ("u", N_("Go to Internet use")),
    "/admin/people": ("p", N_("Go to people")),
    "/admin/schedules": ("c", N_("Go to schedules")),
    "/admin/health": ("h", N_("Go to health")),
}
"""The tabs that a key opens after "g": address -> (key, what it does)."""


def tabs() -> list[tuple[str, str, bool]]:
    """Return the tabs that the visitor may open, as (address, text, whether this page is under it)."""
    if not current_user.is_authenticated:
        return []
    found = [("/", _("Balance")), ("/statement", _("Statement"))]
    if settings_of_app().charges_print:
        found.append(("/print-jobs", _("Print jobs")))
    if settings_of_app().charges_internet:
        found.append(("/internet-use", _("Internet use")))
    if current_user.may("auditor"):
        found.append(("/admin/schedules", _("Schedules")))
        found += [(places[0][0], _counted(_(text), places)) for text, places in _rooms()]
        found.append(("/admin/health", _("Health")))
    room = _room_here()
    here = room[0][0] if room else request.path
    return [(href, text, here == href or (href != "/" and here.startswith(href))) for href, text in found]


def places() -> list[tuple[str, str, bool]]:
    """Return the pages that share this one's tab and that the visitor may open: (address, text, is this one)."""
    open_to = [each for each in _room_here() if current_user.is_authenticated and current_user.may(each[2])]
    fits = [href for href, *_rest in open_to if request.path == href or request.path.startswith(f"{href}/")]
    here = max(fits, key=len, default="")
    return [(href, _counted(_(text), [(href, text, role)]), href == here) for href, text, role in open_to]


def keys(shown: Iterable[tuple[str, str, bool]]) -> list[tuple[str, str, str]]:
    """Return the keys that open one of the tabs after "g", as (key, what it does, address)."""
    found = [(*GO[href], href) for href, _text, _current in shown if href in GO]
    return [(key, _(what), href) for key, what, href in found]


def _rooms() -> list[tuple[str, tuple[Place, ...]]]:
    """What shares a tab, as (text of the tab, its pages)."""
    settings = settings_of_app()
    rooms: list[tuple[str, tuple[Place, ...]]] = [(N_("People"), PLACES)]
    rooms += [(N_("Printing"), PRINTING_PLACES)] if settings.charges_print else []
    rooms += [(N_("Internet"), INTERNET_PLACES)] if settings.charges_internet else []
    return [*rooms, (N_("Shared accounts"), ACCOUNTS_PLACES)]


def _counted(text: str, its_places: Iterable[Place]) -> str:
    """A text with how many things wait at the pages that it leads to: "Refunds (2)"."""
    counts: dict[str, Callable[[Session], int]] = flask.current_app.extensions.get(COUNTS, {})
    waiting = sum(counts[href](reading()) for href, _t, role in its_places if href in counts and current_user.may(role))
    return f"{text} ({numbers.count(waiting)})" if waiting else text


def _room_here() -> tuple[Place, ...]:
    """The pages that share a tab with the one that is open; () for one that shares none."""
    here = request.path
    for _text, its_places in _rooms():
        first = its_places[0][0]
        if any(here == href or (href != first and here.startswith(f"{href}/")) for href, *_rest in its_places):
            return its_places
    return ()
