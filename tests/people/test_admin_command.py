"""`twinpurse admin`: the administrator who needs no directory, made on the server and nowhere else."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from flask import Flask

from app import cli
from app.db import writing
from app.people import throttle
from directory.ldap import LdapDirectory
from directory.settings import DirectorySettings
from tests.people.conftest import make_local
from tests.servers.process import free_port
from tests.servers.slapd import Slapd
from tests.web.browsing import Browser, signed_in, words_of

PASSWORD = "correct horse battery"


@dataclass(frozen=True)
class Ended:
    """How the command ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def admin(
    print_app: Flask, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Ended]:
    """Run `twinpurse admin FOLDER ...` with a line on standard input."""
    folder = print_app.extensions["twinpurse.settings"].folder

    def run(*arguments: str, typed: str = PASSWORD) -> Ended:
        monkeypatch.setattr(sys, "argv", ["twinpurse", "admin", str(folder), *arguments])
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed + "\n"))
        try:
            cli.main()
            code = 0
        except SystemExit as exc:
            code = exc.code if isinstance(exc.code, int) else 1
        return Ended(code, *capsys.readouterr())

    return run


def test_it_signs_in_while_the_directory_is_dead(
    print_app: Flask, admin: Callable[..., Ended], real_slapd: Slapd
) -> None:
    """The directory is a port where nobody listens."""
    settings = DirectorySettings(
        servers=[f"ldap://127.0.0.1:{free_port()}"], base_dn=real_slapd.base_dn, plaintext_on_loopback=True
    )
    print_app.extensions["twinpurse.directory"] = LdapDirectory(settings, "")
    ended = admin("Rescue")
    assert (ended.code, ended.err) == (0, "")
    assert "rescue was made. Sign in at http://127.0.0.1:8001/sign-in, directory or not." in ended.out
    assert Browser(print_app).sign_in("alice").status_code == 503
    browser = Browser(print_app)
    assert browser.sign_in("rescue", PASSWORD).status_code == 303
    words = browser.text("/admin/health")
    assert "Local administrator 1 exists rescue: signs in with a password kept here" in words
    assert browser.get("/admin/people").status_code == 200
    assert browser.get("/").status_code == 200


def test_the_health_page_is_silent_when_there_is_none(print_app: Flask) -> None:
    assert "Local administrator" not in signed_in(print_app, "admin").text("/admin/health")


def test_another_password_ends_old_sessions_and_old_waits(print_app: Flask, admin: Callable[..., Ended]) -> None:
    admin("rescue")
    browser = Browser(print_app)
    browser.sign_in("rescue", PASSWORD)
    for _ in range(5):
        Browser(print_app).sign_in("rescue", "wrong")
    assert Browser(print_app).sign_in("rescue", PASSWORD).status_code == 429
    ended = admin("rescue", typed="another battery staple")
    assert "rescue has another password" in ended.out
    assert browser.get("/").status_code == 302
    assert Browser(print_app).sign_in("rescue", "another battery staple").status_code == 303


def test_removed_is_removed_and_the_name_is_free(print_app: Flask, admin: Callable[..., Ended]) -> None:
    admin("rescue")
    browser = Browser(print_app)
    browser.sign_in("rescue", PASSWORD)
    assert admin("rescue", "--remove").out == "rescue is no administrator any more, and is signed out.\n"
    assert browser.get("/").status_code == 302
    assert Browser(print_app).sign_in("rescue", PASSWORD).status_code == 401
    again = admin("rescue", "--remove")
    assert (again.code, again.err) == (4, "twinpurse: There is no local administrator rescue.\n")
    assert admin("rescue").code == 0
    assert Browser(print_app).sign_in("rescue", PASSWORD).status_code == 303


def test_what_is_refused(
    print_app: Flask, admin: Callable[..., Ended], known: Callable[..., dict[str, int]], tmp_path: Path
) -> None:
    make_local(print_app, "visitor")
    with print_app.app_context():
        known()
        writing(lambda session: throttle.forgive_name(session, name="nobody"))
    for arguments, typed, said in (
        (("alice",), PASSWORD, "Somebody here has this name already"),
        (("visitor",), PASSWORD, "visitor is a guest. Choose another name."),
        (("a b",), PASSWORD, "Use letters from a to z, figures, dots and dashes for the user name."),
        (("rescue",), "short", "Use 12 to 128 characters for the password."),
        (("rescue",), "", "Use 12 to 128 characters for the password."),
        (("rescue",), "my-rescue-password", "That password is too easy"),
    ):
        ended = admin(*arguments, typed=typed)
        assert ended.code == 2, arguments
        assert said in ended.err
    assert admin("rescue", "--password-file", str(tmp_path / "none")).code == 2
    assert "Local administrator" not in words_of(signed_in(print_app, "admin").get("/admin/health").text)


def test_the_password_may_come_from_a_file(print_app: Flask, admin: Callable[..., Ended], tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("file battery staple\nand another line\n")
    assert admin("rescue", "--password-file", str(file), typed="not this one at all").code == 0
    assert Browser(print_app).sign_in("rescue", "file battery staple").status_code == 303
