"""The door for the portal: one user's card, and a code that lets their browser in, once."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest

from app import clock
from app.db import reading, writing
from app.money import MICRO
from app.people import service as people
from app.people import sessions
from app.schedules import service as schedules
from directory.interface import DirectoryUnavailableError
from directory.memory import MemoryDirectory, MemoryPerson
from tests.api.conftest import Instance, portal_serializer, portal_token
from tests.conftest import person

PURSE = "/api/v1/purse"
KEYS = {
    "instance", "name", "look", "charges", "mode", "as_of", "user", "balance_micro", "balance_text", "amount_symbol",
    "amount_figure", "available_micro", "held_text", "state", "state_text", "means", "next_credit", "lasts_text",
    "trend", "details_url", "language", "unit",
}  # fmt: skip


@pytest.fixture
def printing_purse(make_api: Callable[..., Instance]) -> Instance:
    """An instance that charges print, where alice has 3.40."""
    instance = make_api()
    instance.credit("alice", 3_400_000)
    return instance


def test_the_card_says_everything_that_the_portal_shows(printing_purse: Instance) -> None:
    with printing_purse.app.app_context():
        terms = schedules.Terms(
            name="Weekly print money",
            everyone=False,
            groups=("Students",),
            amount=2 * MICRO,
            top_up="add",
            cap=None,
            period="weekly",
            weekdays=(0,),
            month_day=None,
            time_of_day="07:00",
            time_zone="Europe/Berlin",
        )
        writing(lambda session: schedules.create(session, terms=terms, now=clock.now()))
    card = printing_purse.ok("GET", PURSE, token=portal_token())
    assert set(card) == KEYS
    assert (card["instance"], card["name"], card["look"], card["charges"]) == ("print", "Print", "print", ["print"])
    assert (card["balance_micro"], card["balance_text"], card["available_micro"]) == (3_400_000, "$3.40", 3_400_000)
    assert (card["amount_symbol"], card["amount_figure"], card["held_text"]) == ("$", "3.40", "$0.00")
    assert (card["state"], card["state_text"], card["means"]) == ("ok", "Fine", "Enough for about 68 pages")
    assert card["user"] == {"display_name": "Alice Andersson"}
    assert (card["mode"], card["details_url"]) == ("enforce", "http://127.0.0.1:8001/")
    assert datetime.fromisoformat(card["as_of"]).utcoffset() is not None
    assert (card["next_credit"]["amount_text"], card["next_credit"]["schedule"]) == ("+$2.00", "Weekly print money")
    assert card["next_credit"]["when_text"].endswith("07:00")
    assert datetime.fromisoformat(card["next_credit"]["at"]) > clock.now()
    assert [set(day) for day in card["trend"]] == [{"on", "balance_micro"}] * 14
    assert [day["on"] for day in card["trend"]] == sorted(day["on"] for day in card["trend"])
    assert card["trend"][-1]["balance_micro"] == 3_400_000


def test_each_person_sees_their_own_purse(printing_purse: Instance) -> None:
    card = printing_purse.ok("GET", PURSE, token=portal_token(username="bob"))
    assert (card["user"]["display_name"], card["balance_micro"], card["state"]) == ("Bob Brown", 0, "empty")
    assert (card["next_credit"], card["lasts_text"]) == (None, "")


def test_a_person_unknown_to_the_directory_or_another_of_the_same_name_is_not_found(printing_purse: Instance) -> None:
    for token in (portal_token(username="mallory"), portal_token(directory_id="another-alice")):
        answer = printing_purse.call("GET", PURSE, token=token)
        assert (answer.status_code, answer.get_json()["error"]) == (404, "not_found")


def bad_tokens() -> dict[str, str]:
    """Return a token for each way of being wrong."""
    good = portal_token()
    body, stamp, signature = good.rsplit(".", 2)
    claims = json.dumps({"aud": "print", "sub": "admin", "did": "x", "jti": "y"}).encode()
    return {
        "another instance's": portal_token(audience="net"),
        "another key": portal_token(key="another-key-of-the-tests-0123456789abcd"),
        "empty key": portal_token(key=""),
        "another purpose": "tpp_" + portal_serializer(salt="itsdangerous").dumps({"aud": "print", "sub": "alice"}),
        "tampered body": f"tpp_{base64.urlsafe_b64encode(claims).decode().rstrip('=')}.{stamp}.{signature}",
        "tampered signature": f"{body}.{stamp}.{signature[:-2]}AA",
        "no signature": body,
        "no prefix": good.removeprefix("tpp_"),
        "audience is a list": portal_token(aud=["print"]),
        "no name": portal_token(sub=None),
        "no directory id": portal_token(did=None),
        "not an object": "tpp_" + portal_serializer().dumps(["print", "alice"]),
        "words": "tpp_" + portal_serializer().dumps("print"),
        "nothing": "tpp_",
        "empty": "",
    }


def test_a_token_that_is_not_good_is_refused(printing_purse: Instance) -> None:
    for why, token in bad_tokens().items():
        for method, path in (("GET", PURSE), ("POST", "/api/v1/enter-codes")):
            answer = printing_purse.call(method, path, token=token)
            assert (answer.status_code, answer.get_json()["error"]) == (401, "not_signed_in"), why


def test_a_token_lives_a_minute(printing_purse: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    token = portal_token()
    assert printing_purse.call("GET", PURSE, token=token).status_code == 200
    issued = clock.now()
    for seconds, status in ((59, 200), (62, 401), (-20, 200), (-120, 401)):
        at = issued + timedelta(seconds=seconds)
        monkeypatch.setattr(clock, "now", lambda at=at: at)
        assert printing_purse.call("GET", PURSE, token=token).status_code == status


def test_without_a_shared_key_nobody_is_the_portal(make_api: Callable[..., Instance]) -> None:
    lonely = make_api(secrets={})
    assert lonely.call("GET", PURSE, token=portal_token(key="")).status_code == 401
    assert lonely.call("GET", PURSE, token=lonely.tokens["print"]).status_code == 401


def test_an_enter_code_signs_one_browser_in_once(printing_purse: Instance) -> None:
    made = printing_purse.ok("POST", "/api/v1/enter-codes", {}, token=portal_token(username="bob"))
    assert made["url"] == f"http://127.0.0.1:8001/enter?code={made['code']}"
    path = f"/enter?code={made['code']}"

    def enter(_number: int) -> str:
        return printing_purse.app.test_client().get(path).headers["Location"]

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(enter, range(4))) == ["/", "/sign-in", "/sign-in", "/sign-in"]


def test_an_enter_code_is_too_old_after_a_minute(printing_purse: Instance) -> None:
    with printing_purse.app.app_context():
        now = clock.now()

        def make(age_s: int) -> str:
            at = now - timedelta(seconds=age_s)
            user_id = printing_purse.users["alice"]
            return writing(lambda session: sessions.make_enter_code(session, user_id=user_id, now=at))

        young, old = make(50), make(61)
    client = printing_purse.app.test_client()
    assert client.get(f"/enter?code={old}").headers["Location"] == "/sign-in"
    assert client.get(f"/enter?code={young}").headers["Location"] == "/"
    assert printing_purse.call("GET", "/enter?code=", token="").headers["Location"] == "/sign-in"


@pytest.mark.parametrize("moved_to", [None, ("Staff",)])
def test_coming_in_renews_groups_and_rights(
    printing_purse: Instance, cast: MemoryDirectory, moved_to: tuple[str, ...] | None
) -> None:
    """Somebody who always comes by the portal types no password here: this is where a change is noticed."""
    cast.remove("admin")
    if moved_to is not None:
        cast.put(MemoryPerson(person("admin", "Ada Min", moved_to), "demo-admin"))
    answer = printing_purse.call("POST", "/api/v1/enter-codes", {}, token=portal_token(username="admin"))
    assert answer.status_code == (200 if moved_to else 404)
    if moved_to:
        with printing_purse.app.app_context():
            user = people.get_user(reading(), user_id=printing_purse.users["admin"])
            assert (user.is_admin, [group.name for group in user.groups]) == (False, ["Staff"])


def test_while_the_directory_is_away_people_come_in_and_administrators_do_not(
    printing_purse: Instance, cast: MemoryDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = clock.now() + timedelta(hours=1)
    monkeypatch.setattr(clock, "now", lambda: later)
    monkeypatch.setattr("itsdangerous.timed.time.time", lambda: later.timestamp())
    cast.failure = DirectoryUnavailableError("away")
    for name, status in (("alice", 200), ("admin", 503)):
        assert (
            printing_purse.call("POST", "/api/v1/enter-codes", {}, token=portal_token(username=name)).status_code
            == status
        )
