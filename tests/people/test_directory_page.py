"""The page and the command that walk through the directory: shown to administrators, counted, and nothing kept."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from flask import Flask
from sqlalchemy import select

from app import directory_pages
from app.db import reading
from app.directory_command import directory_commands
from app.folder import make_portal_folder, write_secret
from app.people.models import SignInFailure
from tests.servers.process import free_port
from tests.servers.slapd import SERVICE_PASSWORD, Slapd
from tests.web.browsing import Browser, signed_in, words_of

PAGE = "/admin/directory"


@pytest.fixture(scope="module")
def slapd() -> Iterator[Slapd]:
    """A directory with the demo's people."""
    with Slapd() as server:
        yield server


@pytest.fixture
def office(make_instance: Callable[..., Flask], slapd: Slapd) -> Browser:
    """An administrator of an instance whose settings name the real directory."""
    return signed_in(make_instance(**plan(slapd)), "admin")


def plan(slapd: Slapd, **changes: object) -> dict[str, object]:
    """What an instance says of the directory."""
    given = {"servers": (slapd.ldaps_url,), "ca_file": str(slapd.ca_file)}
    given |= {"bind_dn": slapd.bind_dn, "base_dn": slapd.base_dn}
    return given | {"secrets": {"directory.password": SERVICE_PASSWORD}} | changes


def failures(app: Flask) -> list[int]:
    """How often each name and address was refused."""
    with app.app_context():
        reading().rollback()
        return [row.failures for row in reading().scalars(select(SignInFailure))]


def test_the_page_shows_every_step(office: Browser) -> None:
    assert "Test the directory" in office.text(PAGE)
    words = words_of(office.send(PAGE, PAGE, name="admin").text)
    for step in ("Connect Well", "TLS Look here", "Service account Well", "Role Well Would be an administrator"):
        assert step in words
    assert "Every step went well" in words
    assert "Password" not in words.partition("Every step went well")[2]


def test_a_password_is_used_once_and_not_kept(office: Browser) -> None:
    page = office.send(PAGE, PAGE, name="alice", password="demo-alice").text
    assert "The password is accepted." in page
    assert "demo-alice" not in page
    assert failures(office.app) == []
    refused = office.send(PAGE, PAGE, name="alice", password="a-wrong-one").text
    assert "Stopped at “Password”" in refused
    assert "a-wrong-one" not in refused
    assert failures(office.app), "it counts as any other wrong password does"


def test_wrong_passwords_are_braked_as_at_the_sign_in_page(office: Browser) -> None:
    for _ in range(20):
        response = office.send(PAGE, PAGE, name="alice", password="a-wrong-one")
        if response.status_code == 429:
            break
    assert "This name was tried too often." in response.text
    assert "Everybody" in office.send(PAGE, PAGE, name="alice").text, "without a password nothing is counted"


def test_a_name_with_markup_is_text(office: Browser) -> None:
    page = office.send(PAGE, PAGE, name="<b>x</b>\x00").text
    assert "Stopped at “Person”" in page
    assert "<b>x" not in page


def test_one_test_at_a_time(office: Browser) -> None:
    with directory_pages.ONE_AT_A_TIME:
        response = office.send(PAGE, PAGE, name="alice")
    assert (response.status_code, "Another test is under way" in response.text) == (409, True)
    assert office.send(PAGE, PAGE, name="alice").status_code == 200


def test_the_page_works_while_the_directory_is_down(make_instance: Callable[..., Flask], slapd: Slapd) -> None:
    servers = (f"ldaps://localhost:{free_port()}", slapd.ldaps_url)
    browser = signed_in(make_instance(**plan(slapd, servers=servers)), "admin")
    began = time.monotonic()
    words = words_of(browser.send(PAGE, PAGE).text)
    assert time.monotonic() - began < 6
    assert "Nothing listens" in words
    assert words.count("Every step went well") == 1, "the second server is walked through all the same"


# -- the command


def run(folder: Path, *arguments: str, typed: str = "") -> Result:
    """Run `twinpurse directory test`."""
    return CliRunner().invoke(directory_commands, ["test", str(folder), *arguments], input=typed)


def test_the_command_says_each_step_and_ends_with_1_where_one_fails(office: Browser) -> None:
    folder = office.app.extensions["twinpurse.settings"].folder
    good = run(folder, "admin")
    assert good.exit_code == 0, good.output
    assert "  ok    Role             Would be an administrator here." in good.output
    (folder / "secrets" / "directory.password").write_text("wrong\n")
    bad = run(folder, "admin")
    assert bad.exit_code == 1
    assert "  STOP  Service account" in bad.output
    assert "-> Correct bind_dn" in bad.output
    told = run(folder, "admin", "--json")
    assert (told.exit_code, json.loads(told.output)["ok"]) == (1, False)
    assert json.loads(told.output)["steps"][-1]["name"] == "Service account"


def test_the_command_asks_for_the_password_and_never_shows_it(office: Browser) -> None:
    folder = office.app.extensions["twinpurse.settings"].folder
    good = run(folder, "alice", "--password", typed="demo-alice\n")
    assert (good.exit_code, "The password is accepted." in good.output) == (0, True)
    refused = run(folder, "alice", "--password", typed="a-wrong-one\n")
    assert (refused.exit_code, "The password is refused." in refused.output) == (1, True)
    assert "demo-alice" not in good.output
    assert "a-wrong-one" not in refused.output
    assert run(folder, "--password").exit_code == 2


def test_the_command_works_on_the_portals_folder(office: Browser, slapd: Slapd, tmp_path: Path) -> None:
    portal, folder = tmp_path / "portal", office.app.extensions["twinpurse.settings"].folder
    make_portal_folder(portal, organisation="", public_url="")
    config = (portal / "portal.toml").read_text()
    directory = re.search(r"\[directory\].*?(?=\n\[|\Z)", (folder / "config.toml").read_text(), re.DOTALL)
    assert directory
    (portal / "portal.toml").write_text(
        re.sub(r"\[directory\].*?(?=\n# One table)", directory.group(), config, flags=re.DOTALL)
    )
    for name, key in (
        ("directory.password", SERVICE_PASSWORD),
        ("instance-print.key", "p" * 40),
        ("instance-net.key", "n" * 40),
    ):
        write_secret(portal / "secrets" / name, key)
    told = run(portal, "admin")
    assert told.exit_code == 0, told.output
    assert "Groups           1 group: Administrators." in told.output
    assert "Role " not in told.output, "the portal has no roles"
