"""A portal in a folder of its own, with two fake instances and the in-memory directory."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from directory.interface import Person
from directory.memory import MemoryDirectory, MemoryPerson
from portal.factory import create_app
from tests.portal.instance_stub import InstanceStub

PASSWORD = "demo-mara"
CONFIG = """\
id = "portal"
organisation = "Northfield College"
public_url = "{public_url}"
time_zone = "Europe/Berlin"
demo = true
[directory]
servers = ["ldaps://127.0.0.1"]
base_dn = "dc=example,dc=org"
"""
INSTANCE = """\
[[instance]]
id = "{id}"
name = "{name}"
look = "{look}"
url = "{url}"
public_url = "{url}"
"""


@dataclass
class Clock:
    """A clock that tests move by hand. It begins now, because tokens carry real times."""

    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **spans: float) -> None:
        """Let time pass."""
        self.now += timedelta(**spans)


def write_folder(folder: Path, stubs: list[InstanceStub], public_url: str = "http://127.0.0.1:8000") -> Path:
    """Make a portal's folder with its secrets."""
    names = {"print": ("Print", "print"), "net": ("Internet", "net")}
    text = CONFIG.format(public_url=public_url)
    secrets = folder / "secrets"
    secrets.mkdir(parents=True, mode=0o700)
    keys = {"secret.key": "portal-secret-" + "s" * 40}
    for stub in stubs:
        name, look = names.get(stub.id, (stub.id.title(), "portal"))
        text += INSTANCE.format(id=stub.id, name=name, look=look, url=stub.url)
        keys[f"instance-{stub.id}.key"] = f"key-of-{stub.id}-" + "k" * 40
    for name, key in keys.items():
        (secrets / name).write_text(key + "\n")
        (secrets / name).chmod(0o600)
    (folder / "portal.toml").write_text(text)
    return folder


def text_of(response: TestResponse) -> str:
    """The page's words without its marks."""
    body = re.sub(r"<(script|style|svg)\b.*?</\1>", "", response.get_data(as_text=True), flags=re.S)
    return re.sub(r"\s+", " ", re.sub(r"</?(span|b|time|a)\b[^>]*>", "", body).replace("<", " <"))


def csrf_of(page: TestResponse) -> str:
    """The token of the page's form."""
    found = re.search(r'name="csrf_token" value="([^"]+)"', page.get_data(as_text=True))
    assert found, "the page has no form with a token"
    return found.group(1)


def sign_in(client: FlaskClient, username: str = "mara", password: str = PASSWORD, **more: str) -> TestResponse:
    """Sign in as a browser does, by the form."""
    token = csrf_of(client.get("/sign-in"))
    return client.post("/sign-in", data={"csrf_token": token, "username": username, "password": password, **more})


@pytest.fixture
def directory() -> MemoryDirectory:
    """Mara and Ben."""
    people = [("mara", "Mara Lindqvist", "id-mara"), ("ben", "Castellanos, Ben", "id-ben")]
    return MemoryDirectory(
        [
            MemoryPerson(Person(number, f"uid={name}", name, shown, "", ("Students",)), f"demo-{name}")
            for name, shown, number in people
        ]
    )


@pytest.fixture
def clock() -> Clock:
    """The portal's clock."""
    return Clock()


@pytest.fixture
def print_stub() -> Iterator[InstanceStub]:
    """The fake print instance."""
    with InstanceStub("print") as stub:
        yield stub


@pytest.fixture
def net_stub() -> Iterator[InstanceStub]:
    """The fake Internet instance."""
    with InstanceStub("net") as stub:
        yield stub


@pytest.fixture
def app(
    tmp_path: Path, directory: MemoryDirectory, clock: Clock, print_stub: InstanceStub, net_stub: InstanceStub
) -> Flask:
    """The portal before the two fakes."""
    return create_app(write_folder(tmp_path / "portal", [print_stub, net_stub]), directory=directory, clock=clock)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A browser that has not signed in."""
    return app.test_client()


@pytest.fixture
def mara(client: FlaskClient) -> FlaskClient:
    """A browser in which Mara has signed in."""
    assert sign_in(client).status_code == 303
    return client
