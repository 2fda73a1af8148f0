"""The set-up page: lines with this instance's addresses in them, a token shown once, and Squid reads what it says."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from html import unescape
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from app.api.models import MachineToken
from app.db import reading
from app.internet import setup_texts
from app.internet.setup_texts import Site
from directory.settings import DirectorySettings
from edge.radius_settings import read_nas
from edge.settings import INSTANCE_KEYS, TOP, read_keys
from edge.squid_settings import LIVE, LIVE_KEYS
from tests.servers.squid import PROJECT, SQUID

DIRECTORY = DirectorySettings(
    kind="active-directory",
    servers=["ldaps://dc1.school.example.org"],
    base_dn="ou=All People,dc=school,dc=example,dc=org",
    bind_dn="cn=Squid Reader,dc=school,dc=example,dc=org",
)
SITE = Site(
    public_url="https://net.school.example.org",
    portal_url="https://purse.school.example.org",
    directory=DIRECTORY,
    server="proxy7",
)
"""A school whose names hold spaces."""


def texts(site: Site) -> dict[str, str]:
    return {each.name: each.text for each in setup_texts.squid_files(site) + setup_texts.radius_files(site)}


def test_the_lines_hold_this_instances_addresses_and_no_examples() -> None:
    found = texts(SITE)
    assert 'instance_url = "https://net.school.example.org"' in found["edge.toml"]
    assert 'server = "proxy7"' in found["edge.toml"]
    assert "allow_plain_http" not in found["edge.toml"]
    assert found["free-sites.txt"].splitlines()[1:] == ["purse.school.example.org", "net.school.example.org"]
    assert 'connect_uri = "https://net.school.example.org"' in found["rest-module"]
    assert '-R -H ldaps://dc1.school.example.org -b "ou=All People' in found["squid.conf"]
    assert 'href="https://net.school.example.org/"' in found["ERR_TWINPURSE_EMPTY"]
    for name, text in found.items():
        assert not re.search(r"(?<!school)\.example\.org|tpm_(?!PUT_THE_TOKEN_HERE)", text), name


def test_the_edge_reads_the_files_that_the_page_shows(tmp_path: Path) -> None:
    found = texts(SITE)
    (tmp_path / "edge.toml").write_text(found["edge.toml"])
    values, problems = read_keys(tmp_path / "edge.toml", {TOP: INSTANCE_KEYS, LIVE: LIVE_KEYS})
    assert problems == []
    assert values[LIVE]["manager"] == "http://127.0.0.1:3128"
    assert '"* - /etc/twinpurse/nas.secret"' in found["radius.toml"]
    (tmp_path / "secret").write_text("secret-of-the-nas")
    (tmp_path / "secret").chmod(0o600)
    assert read_nas([f"* - {tmp_path}/secret"], problems)["*"].port == 3799


def test_the_files_beside_the_programs_are_the_pages() -> None:
    for name in (
        "squid.conf",
        "ERR_TWINPURSE_EMPTY",
        "ERR_TWINPURSE_EMPTY_DE",
        "twinpurse-squid-log.service",
        "twinpurse-squid-end.service",
    ):
        assert (PROJECT / "deploy" / "squid" / name).read_text() == setup_texts._read(name)


@pytest.mark.parametrize("slow", [False, True])
def test_squid_itself_reads_the_lines(tmp_path: Path, slow: bool) -> None:
    site = Site(SITE.public_url, SITE.portal_url, DIRECTORY, SITE.server, slow=slow)
    shutil.copytree("/usr/share/squid-langpack/en", tmp_path / "squid-pages")
    for each in setup_texts.squid_files(site):
        target = tmp_path / "squid-pages" if each.name.startswith("ERR_") else tmp_path
        text = each.text.replace("/etc/twinpurse/", f"{tmp_path}/").replace("/var/log/squid/", f"{tmp_path}/")
        (target / each.name).write_text(text.replace("/usr/local/bin/twinpurse-squid-acl", "/bin/true"))
    conf = tmp_path / "squid.conf"
    conf.write_text("http_port 127.0.0.1:3128\ncache_log /dev/null\n" + conf.read_text())
    done = subprocess.run([SQUID, "-k", "parse", "-f", str(conf)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stderr.splitlines() if re.search("ERROR|WARNING|FATAL|Bungled", line)] == []
    assert ("Processing: delay_pools 1" in done.stderr) is slow


@pytest.fixture
def browser(make_instance: Callable[..., Flask], known: Callable[..., dict[str, int]]) -> FlaskClient:
    """The administrator, signed in."""
    app = make_instance(charges=("internet",))
    app.config["WTF_CSRF_ENABLED"] = False
    with app.app_context():
        known()
    client = app.test_client()
    headers = {"Sec-Fetch-Site": "same-origin"}
    answer = client.post("/sign-in", data={"username": "admin", "password": "demo-admin"}, headers=headers)
    assert answer.status_code in (302, 303), answer.get_data(as_text=True)
    return client


def shown(client: FlaskClient, query: str = "") -> list[str]:
    """The lines that the page shows, file by file."""
    page = client.get(f"/admin/internet-setup{query}").get_data(as_text=True)
    return [unescape(text) for text in re.findall(r'<pre class="lines"[^>]*><code>(.*?)</code>', page, re.DOTALL)]


def test_the_page_shows_what_can_be_downloaded(browser: FlaskClient) -> None:
    for kind in ("squid", "freeradius"):
        page = browser.get(f"/admin/internet-setup?for={kind}&server=box9").get_data(as_text=True)
        lines = shown(browser, f"?for={kind}&server=box9")
        links = [unescape(link) for link in re.findall(r'href="(/admin/internet-setup/file/[^"]+)"', page)]
        assert len(links) == len(lines) - 1 > 4  # and one of commands
        for link, text in zip(links, lines, strict=False):
            answer = browser.get(link)
            assert (answer.get_data(as_text=True).rstrip("\n"), answer.mimetype) == (text.rstrip("\n"), "text/plain")
            assert answer.headers["Content-Disposition"].startswith("attachment")
    assert browser.get("/admin/internet-setup/file/squid/none").status_code == 404
    assert browser.get("/admin/internet-setup/file/none/token").status_code == 404


def test_a_token_is_shown_once_with_the_lines(browser: FlaskClient) -> None:
    for kind, scope in (("squid", "internet"), ("freeradius", "radius")):
        assert "tpm_PUT_THE_TOKEN_HERE" in "".join(shown(browser, f"?for={kind}"))
        form = {"for": kind, "server": "box9"}
        answer = browser.post("/admin/internet-setup/token", data=form, headers={"Sec-Fetch-Site": "same-origin"})
        page = answer.get_data(as_text=True)
        assert re.search(r"tpm_[A-Za-z0-9_-]{43}", page)
        assert answer.headers["Cache-Control"] == "no-store"
        assert "tpm_PUT_THE_TOKEN_HERE" not in page
        with browser.application.app_context():
            made = reading().scalars(select(MachineToken).order_by(MachineToken.id.desc())).first()
            assert made is not None
            assert (made.name, made.scope) == ("box9", scope)


def test_no_token_is_made_for_a_name_that_no_server_can_have(browser: FlaskClient) -> None:
    form = {"for": "squid", "server": "bad name!"}
    answer = browser.post("/admin/internet-setup/token", data=form, headers={"Sec-Fetch-Site": "same-origin"})
    assert answer.status_code == 422
    with browser.application.app_context():
        assert reading().scalar(select(MachineToken.id)) is None


@pytest.mark.long
@pytest.mark.parametrize("name", ['x"\nserver = "y', "zz top", "<i>q</i>", "", "x" * 41])
def test_a_name_that_could_break_a_file_is_not_filled_in(browser: FlaskClient, name: str) -> None:
    lines = "".join(shown(browser, "?" + "&".join(("for=squid", f"server={name}")).replace("\n", "%0A")))
    assert 'server = "proxy1"' in lines
    assert name == "" or name not in lines
