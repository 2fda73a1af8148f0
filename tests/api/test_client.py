"""The door for desktop clients: signed in once, one's own balance alone, and out at once when revoked or disabled."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from app import clock
from app.db import reading, writing
from app.errors import NotFoundError
from app.money import MICRO
from app.people import devices
from app.people.models import Device, SignInFailure, User
from tests.api.conftest import INTERNET, PRINT, Instance, job, portal_token
from tests.web.browsing import signed_in

CLIENT = "/api/v1/client"


@pytest.fixture
def shop(make_api: Callable[..., Instance], database_url: str) -> Instance:
    """An instance that charges print; alice has 1.00."""
    instance = make_api(database_url=database_url)
    instance.credit("alice", MICRO)
    return instance


def let_in(instance: Instance, name: str = "alice", password: str = "") -> Any:
    body = {"name": "  Mac in\troom 5 ", "username": name, "password": password or f"demo-{name}"}
    return instance.call("POST", f"{CLIENT}/devices", body, token="")


def balance(instance: Instance, token: str, **headers: str) -> Any:
    return instance.call("GET", f"{CLIENT}/balance", token=token, headers=headers)


def reason(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.get_json()["reason"]


def test_a_client_signs_in_once_and_reads_its_persons_balance(shop: Instance) -> None:
    made = let_in(shop)
    told = made.get_json()
    assert (made.status_code, told["name"]) == (201, "Mac in room 5")
    assert told["user"] == {"username": "alice", "display_name": "Alice Andersson"}
    assert told["token"].startswith("tpd_")
    assert "Set-Cookie" not in made.headers
    card = balance(shop, told["token"])
    assert (card.get_json()["balance_text"], card.get_json()["user"]) == ("$1.00", told["user"])
    tag = card.headers["ETag"]
    same = balance(shop, told["token"], **{"If-None-Match": tag})
    assert (same.status_code, same.get_data()) == (304, b"")
    asked = shop.ok("POST", PRINT, job())
    assert balance(shop, told["token"], **{"If-None-Match": tag}).get_json()["held_text"] == "$0.15"
    shop.ok("POST", f"{PRINT}/{asked['job']}/capture", {"run": 1, "pages": 3})
    assert balance(shop, told["token"]).get_json()["balance_micro"] == MICRO - 150_000
    with shop.app.app_context():
        assert not any(told["token"] in str(vars(row)) for row in reading().scalars(select(Device)))


def test_wrong_credentials_are_refused_and_counted_as_those_of_the_page(shop: Instance) -> None:
    for name, password in (("alice", "wrong"), ("nobody", "wrong"), ("", "x"), ("alice", " ")):
        refused = let_in(shop, name, password)
        assert (refused.status_code, refused.get_json()["error"]) == (401, "not_signed_in"), name
        assert "token" not in refused.get_json()
    with shop.app.app_context():
        assert "alice" in set(reading().scalars(select(SignInFailure.name_key)))
    statuses = [let_in(shop, "carol", "wrong").status_code for _ in range(12)]
    assert 429 in statuses
    bodies: list[object] = [
        {},
        {"name": "", "username": "alice", "password": "x"},
        {"name": "\u202e", "username": "alice", "password": "x"},
    ]
    for body in bodies:
        assert shop.call("POST", f"{CLIENT}/devices", body, token="").status_code == 422


def test_a_revoked_device_and_a_disabled_person_are_refused_at_the_next_call(shop: Instance) -> None:
    first, second = (let_in(shop).get_json()["token"] for _ in range(2))
    assert shop.call("DELETE", f"{CLIENT}/device", token=first).status_code == 200
    assert reason(balance(shop, first)) == (401, "revoked")
    assert reason(shop.call("DELETE", f"{CLIENT}/device", token=first)) == (401, "revoked")
    assert balance(shop, second).status_code == 200
    for status in ("disabled", "gone"):
        with shop.app.app_context():
            change = update(User).where(User.username == "alice").values(status=status)
            writing(lambda session, change=change: session.execute(change))
        assert reason(balance(shop, second)) == (401, "disabled")
    assert reason(balance(shop, "tpd_unknown")) == (401, "unknown")


def test_a_devices_token_opens_nothing_else_and_nothing_else_opens_it(shop: Instance) -> None:
    token = let_in(shop).get_json()["token"]
    doors = [("POST", PRINT), ("GET", "/api/v1/purse"), ("POST", "/api/v1/enter-codes")]
    for method, path in doors:
        assert shop.call(method, path, token=token).status_code == 401
    for other in ("", shop.tokens["print"], shop.tokens["internet"], portal_token(), token[4:], token + "x"):
        assert balance(shop, other).status_code == 401
    assert shop.call("GET", f"{INTERNET}/standing", token=token).status_code == 404  # this one charges print alone
    page = shop.app.test_client().get("/", headers={"Authorization": f"Bearer {token}"})
    assert page.status_code == 302


def test_people_see_and_sign_out_their_own_devices(shop: Instance) -> None:
    mine, others = let_in(shop).get_json(), let_in(shop, "bob").get_json()
    browser = signed_in(shop.app, "alice")
    page = browser.text("/me/sessions")
    assert "Desktop clients" in page
    assert page.count("Mac in room 5") == 2  # the row, and its button for those who cannot see it
    path = "/me/devices/{}/revoke"
    assert browser.send(path.format(others["device"]), "/me/sessions").status_code == 404
    assert browser.send(path.format(mine["device"]), "/me/sessions").status_code == 303
    assert "“Mac in room 5” is signed out." in browser.text("/me/sessions")
    assert (balance(shop, mine["token"]).status_code, balance(shop, others["token"]).status_code) == (401, 200)
    asked = {"user_id": shop.users["alice"], "device_id": others["device"], "now": clock.now()}
    with shop.app.app_context(), pytest.raises(NotFoundError):
        writing(lambda session: devices.revoke(session, **asked))


def test_a_person_has_so_many_devices_and_the_oldest_gives_way(shop: Instance) -> None:
    with shop.app.app_context():
        user_id, now = shop.users["alice"], clock.now()
        tokens = [
            writing(
                lambda session, number=number: devices.make(
                    session, user_id=user_id, name=f"Mac {number}", now=now + timedelta(seconds=number)
                )
            )[1]
            for number in range(devices.DEVICES_MAX + 2)
        ]
        assert len(devices.list_devices(reading(), user_id=user_id)) == devices.DEVICES_MAX
    found = [balance(shop, token).status_code for token in tokens]
    assert found == [401, 401] + [200] * devices.DEVICES_MAX


def test_the_last_use_is_noted_once_an_hour(shop: Instance) -> None:
    token = let_in(shop).get_json()["token"]
    with shop.app.app_context():
        before = clock.now() - timedelta(hours=2)
        writing(lambda session: session.execute(update(Device).values(seen_at=before)))
    for _twice in range(2):
        balance(shop, token)
    with shop.app.app_context():
        [seen] = reading().scalars(select(Device.seen_at))
        assert clock.now() - seen < timedelta(minutes=1)
