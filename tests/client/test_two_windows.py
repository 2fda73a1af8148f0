"""Two copies side by side, as the site configured them: nobody confuses which balance is which."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import update

from app import clock
from app.db import writing
from app.money import MICRO
from app.people.models import Device, User
from tests.api.conftest import PRINT, Instance, job
from tests.client.conftest import Copy, Desk

POLL_S = 2  # shorter than a config.toml may say, or the test would only wait
WITHIN_S = POLL_S * 1.5 * 1.15 + 1
"""An interval that has grown once and is spread, and a second for a busy machine."""


@pytest.fixture
def both(make_api: Callable[..., Instance]) -> tuple[Instance, Instance]:
    """A print and an Internet instance that let clients ask often; alice has 1.00 and 2.50."""
    instances = make_api(), make_api(charges=("internet",))
    for instance, amount in zip(instances, (MICRO, 2_500_000), strict=True):
        settings = instance.app.extensions["twinpurse.settings"]
        often = settings.config.client.model_copy(update={"poll_seconds": POLL_S})
        settings.config = settings.config.model_copy(update={"client": often, "low_balance": 0})
        instance.credit("alice", amount)
    return instances


def test_two_windows_with_their_own_title_place_colour_and_balance(
    both: tuple[Instance, Instance], serve: Callable[[Flask], str], desk: Desk
) -> None:
    printing, net = start_both(both, serve, desk)
    printing.wait_seen("$1.00")
    net.wait_seen("$2.50")
    screen = desk.display
    left, right = printing.place, net.place
    assert (screen.title(printing.window), screen.title(net.window)) == ("Print Balance", "Internet Balance")
    assert (left.x, left.y) == (0, 0)
    assert (right.x + right.width, right.y) == (screen.width, 0)
    for place, colour in ((left, "f5e6ff"), (right, "d8efeb")):
        found = screen.colours(place)
        assert max(found, key=lambda name: found[name]) == colour
        assert found[colour] > 0.6 * place.width * place.height

    shop, before = both[0], time.monotonic()
    asked = shop.ok("POST", PRINT, job())
    shop.ok("POST", f"{PRINT}/{asked['job']}/capture", {"run": 1, "pages": 3})
    printing.wait_seen("$0.85", timeout_s=WITHIN_S)
    assert time.monotonic() - before < WITHIN_S
    assert "$2.50" in net.seen()

    refused = shop.ok("POST", PRINT, job(job_uuid="urn:uuid:2", pages=100))
    assert refused["decision"] == "cancel"
    popup = screen.wait_window("Print Balance: Not printed", timeout_s=WITHIN_S)
    assert screen.title(popup) == "Print Balance: Not printed"
    [said] = [line for line in printing.lines() if "message under" in line]
    assert "Essay.pdf, printer Library 1. 100 pages cost $5.00, and $0.85 is left. Nothing was charged." in said
    assert not screen.windows("Internet Balance:.*")

    revoke_and_disable(both)
    assert "$" not in printing.wait_seen("This device was signed out. Sign in again.", timeout_s=WITHIN_S)
    assert "$" not in net.wait_seen("This network account is disabled.", timeout_s=2 * WITHIN_S)


def revoke_and_disable(both: tuple[Instance, Instance]) -> None:
    """Revoke alice's device at the print instance, and disable her at the Internet's."""
    with both[0].app.app_context():
        writing(lambda session: session.execute(update(Device).values(revoked_at=clock.now())))
    with both[1].app.app_context():
        writing(lambda session: session.execute(update(User).values(status="disabled")))


def start_both(both: tuple[Instance, Instance], serve: Callable[[Flask], str], desk: Desk) -> tuple[Copy, Copy]:
    """Configure both copies as a site would, start them, and sign alice in at each."""
    looks = (
        ("print", "Print Balance", "top-left", "F5E6FF"),
        ("net", "Internet Balance", "top-right", "D8EFEB"),
    )
    copies = []
    for instance, (profile, title, position, colour) in zip(both, looks, strict=True):
        address = serve(instance.app).removeprefix("http://").split(":")
        desk.configure(
            profile,
            server_ip=address[0],
            server_port=address[1],
            windowtitle=title,
            windowposition=position,
            background_color=colour,
        )
        copies.append(desk.start(profile, title))
    for copy in copies:
        copy.wait_window()
        copy.sign_in("alice")
    return copies[0], copies[1]
