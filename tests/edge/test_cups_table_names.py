"""Hostile names and titles on real queues: the right person is charged, once, or nobody is."""

from __future__ import annotations

import pytest

from tests.edge.charge_table import CENT, Case, Table
from tests.edge.charged_place import ChargedPlace
from tests.servers.documents import pdf

TITLES = {
    "newline": "essay\nERROR: free\nPAGE: total 1",
    "shell": "'; rm -rf / #$(reboot)`id`",
    "emoji": "essay \U0001f389\u202e\u0000".replace("\0", ""),
    "4,000 characters": "x" * 4_000,
    "markup": "<script>alert(1)</script>&amp;",
    "no UTF-8": "essay \udcff\udcfe \udcc3",
    "blanks": "   ",
    "options": "-o copies=1 job-uuid=urn:uuid:0",
}
NAMES = {
    "SCHOOL\\alice": "alice",
    "DOM\\alice": "",
    "ALICE": "alice",
    "alice@EXAMPLE.ORG": "alice",
    "alice\nbob": "",
    "'; rm -rf /": "",
    "\U0001f389": "",
    "x" * 4_000: "",
    "alice\udcff": "",
    "../alice": "",
    "alice bob": "",
}


def print_with(place: ChargedPlace, title: str, user: str) -> str:
    return place.finish(place.print("socket-raw", place.write("name.pdf", pdf(1)), user=user, title=title))


@pytest.mark.long
def test_hostile_titles(charged_place: ChargedPlace) -> None:
    table = Table("Hostile titles")
    for name, title in TITLES.items():
        case = Case(f"title: {name}", "socket-raw", 1, 5 * CENT)
        table.add(case, charged_place.see(lambda title=title: print_with(charged_place, title, "alice")))
    table.check()


@pytest.mark.long
def test_hostile_names(charged_place: ChargedPlace) -> None:
    """Whose name it is nobody knows: nothing is printed for nobody."""
    table = Table("Hostile names")
    for name, owner in NAMES.items():
        states = ("completed",) if owner else ("canceled", "held", "aborted", "refused")
        case = Case(f"name: {ascii(name)[:30]}", "socket-raw", int(bool(owner)), None, None, states)
        table.add(case, charged_place.see(lambda name=name: print_with(charged_place, "essay", name)))
    table.check()
