"""What the portal sends to an instance, and what it makes of the way in that it gets."""

from __future__ import annotations

import hashlib
import time

import pytest
from flask.testing import FlaskClient
from itsdangerous import BadSignature, SignatureExpired, URLSafeTimedSerializer

from portal.settings import Instance
from portal.tokens import make_token
from tests.portal.conftest import text_of
from tests.portal.instance_stub import InstanceStub

INSTANCE = Instance("net", "Internet", "net", "http://127.0.0.1:1", "http://127.0.0.1:1", "k" * 40)


def reader(key: str) -> URLSafeTimedSerializer:
    """Reads tokens as an instance does."""
    return URLSafeTimedSerializer(
        key, salt="twinpurse.portal", signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256}
    )


def test_a_token_names_one_instance_and_one_person_and_lives_sixty_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    token = make_token(INSTANCE, username="mara", directory_id="id-mara")
    assert token.startswith("tpp_")
    text = token.removeprefix("tpp_")
    claims = reader(INSTANCE.key).loads(text, max_age=60)
    assert (claims["aud"], claims["sub"], claims["did"]) == ("net", "mara", "id-mara")
    again = make_token(INSTANCE, username="mara", directory_id="id-mara").removeprefix("tpp_")
    assert reader(INSTANCE.key).loads(again)["jti"] != claims["jti"]
    with pytest.raises(BadSignature):
        reader("o" * 40).loads(text)
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 62)
    with pytest.raises(SignatureExpired):
        reader(INSTANCE.key).loads(text, max_age=60)


def test_each_instance_gets_its_own_token_and_no_cookie(
    mara: FlaskClient, print_stub: InstanceStub, net_stub: InstanceStub
) -> None:
    mara.get("/")
    for stub in (print_stub, net_stub):
        (seen,) = stub.seen
        assert (seen.method, seen.path) == ("GET", "/api/v1/purse")
        assert "cookie" not in seen.headers
        assert seen.headers["accept-encoding"] == "identity"
        token = seen.headers["authorization"].removeprefix("Bearer tpp_")
        assert reader(f"key-of-{stub.id}-" + "k" * 40).loads(token)["aud"] == stub.id


def test_a_proxy_of_the_environment_is_not_used(
    mara: FlaskClient, net_stub: InstanceStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    assert "$0.85" in text_of(mara.get("/"))


def test_a_redirect_is_not_followed(mara: FlaskClient, net_stub: InstanceStub) -> None:
    net_stub.mood = "redirect"
    mara.get("/")
    assert [seen.path for seen in net_stub.seen] == ["/api/v1/purse"]


def test_go_takes_the_browser_into_the_instance(mara: FlaskClient, net_stub: InstanceStub) -> None:
    answer = mara.get("/go/net")
    assert answer.status_code == 302
    assert answer.location == f"{net_stub.url}/enter?code=one-time"
    assert [(seen.method, seen.path) for seen in net_stub.seen] == [("POST", "/api/v1/enter-codes")]
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/enter?code=1",
        "//evil.example/enter",
        "{url}.evil.example/enter?code=1",
        "{url}@evil.example/enter?code=1",
        "{url}0/enter?code=1",
        "{url}/\\evil.example",
        "{url}/enter?code=1\r\nSet-Cookie: a=b",
        "{url}",
        "javascript:alert(1)",
        "",
    ],
)
def test_a_way_in_outside_the_instance_is_refused(mara: FlaskClient, net_stub: InstanceStub, address: str) -> None:
    net_stub.code_url = address.format(url=net_stub.url) or " "
    answer = mara.get("/go/net")
    assert answer.location == "/"
    assert "Internet could not be opened" in text_of(mara.get("/"))


@pytest.mark.parametrize("mood", ["error", "html", "redirect", "unknown person"])
def test_an_instance_that_gives_no_way_in(mara: FlaskClient, net_stub: InstanceStub, mood: str) -> None:
    net_stub.mood = mood
    assert mara.get("/go/net").location == "/"
    net_stub.mood = "good"
    assert "Internet could not be opened" in text_of(mara.get("/"))


def test_an_unknown_instance_is_no_page(mara: FlaskClient) -> None:
    assert mara.get("/go/elsewhere").status_code == 404
