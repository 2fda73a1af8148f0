"""A real Squid with our configuration, our helper and our follower, in front of a real web server."""

from __future__ import annotations

import html
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.edge.squid_stub import StubInstance
from tests.servers.origin import Origin
from tests.servers.process import Child, make_dir
from tests.servers.slapd import Slapd
from tests.servers.squid import LdapSignIn, Squid

USERS = {"alice": "demo-alice", "bob": "demo-bob", "a b": "blank", "josé": "accent", "dom\\u%41": "odd"}
MESSAGE = (
    "Your Internet purse is empty: €0.00 left & <nothing> more, déjà vu. Next credit: +$10.00 on 1 December 00:05."
)
GERMAN = "Ihr Internetkonto ist leer: 0,00 € übrig & <nichts> mehr. 50 % später: „+10,00 €“ \\ am 1. Dezember 00:05."
FIVE_MB = 5_000_000


class Site:
    """Everything that one school would have, on loopback."""

    def __init__(self, squid: Squid, origin: Origin, instance: StubInstance) -> None:
        self.squid, self.origin, self.instance = squid, origin, instance
        self.followers: list[Child] = []

    def follow(self, *options: str) -> Child:
        self.followers.append(self.squid.follower("--batch-seconds", "0.2", *options))
        return self.followers[-1].start()

    def get(self, user: str, path: str) -> int:
        return self.squid.fetch(user, USERS[user], self.origin.url + path).status

    def wait(self, ready: Callable[[], bool], seconds: float = 10) -> None:
        deadline = time.monotonic() + seconds
        while not ready():
            assert time.monotonic() < deadline, self.story()
            time.sleep(0.03)

    def story(self) -> str:
        """What was booked, and what the programs had to say."""
        words = [child.log_tail() for child in self.followers]
        return "\n".join([str(self.instance.bytes), *words, self.squid.cache_log()[-2000:]])

    def wait_for_status(self, user: str, status: int) -> float:
        begun = time.monotonic()
        self.wait(lambda: self.get(user, "/bytes/10") == status)
        return time.monotonic() - begun


@pytest.fixture(scope="module")
def parts() -> Iterator[Site]:
    folder = make_dir("twinpurse-site-")
    with StubInstance() as instance, Origin() as origin:
        config = instance.write_config(folder)
        with Squid(
            edge_toml=config, users=USERS, portal_hosts=["127.0.0.1"], details_url="http://127.0.0.1:8002/"
        ) as squid:
            yield Site(squid, origin, instance)
    shutil.rmtree(folder)


@pytest.fixture
def site(parts: Site) -> Iterator[Site]:
    """Each test begins with empty books behind all that is logged so far, and everybody allowed."""
    instance = parts.instance
    instance.away = instance.broken = False
    instance.users = dict.fromkeys(USERS, True)
    parts.wait_for_status("alice", 200)
    parts.followers.clear()
    parts.follow("--once").process.wait(20)
    instance.bytes.clear()
    instance.requests.clear()
    yield parts
    for child in parts.followers:
        child.stop()


def test_squid_finds_nothing_wrong_with_the_configuration(site: Site) -> None:
    assert site.squid.parse() == ""


def test_five_megabytes_are_one_sum(site: Site) -> None:
    site.follow()
    fetched = site.squid.fetch("alice", USERS["alice"], f"{site.origin.url}/bytes/{FIVE_MB}")
    assert (fetched.status, fetched.size) == (200, FIVE_MB)
    site.wait(lambda: site.instance.bytes["alice"] > 0)
    assert FIVE_MB <= site.instance.bytes["alice"] <= FIVE_MB * 1.01
    assert site.instance.requests == {"alice": 1}


def test_both_formats_agree_on_odd_names(site: Site) -> None:
    for number, user in enumerate(USERS, start=1):
        assert site.get(user, f"/bytes/{number * 1000}") == 200
    site.squid.wait_for_line("/bytes/5000")
    assert site.follow("--once").process.wait(20) == 0
    ours = dict(site.instance.bytes)
    assert set(ours) == {"alice", "bob", "a b", "josé", "dom\\u%41"}
    with StubInstance() as other:
        folder = make_dir("twinpurse-native-")
        argv = [site.squid.folder / "twinpurse-squid-log", "--config", other.write_config(folder), "--once"]
        argv += ["--format", "squid", "--log", site.squid.native_log]
        child = Child([str(word) for word in argv], log=folder / "out").start()
        assert child.process.wait(20) == 0, child.log_tail()
        shutil.rmtree(folder)
        # The native log was not emptied between the tests, so it holds these and what came before.
        assert {user for user in ours if other.bytes[user] >= ours[user]} == set(ours)
        assert other.bytes["a b"] == ours["a b"]
        assert other.bytes["dom\\u%41"] == ours["dom\\u%41"]


def test_an_empty_purse_gets_our_page_and_is_not_charged(site: Site) -> None:
    site.instance.messages["bob"], site.instance.german["bob"] = MESSAGE, GERMAN
    site.instance.users = {**site.instance.users, "bob": False}
    site.wait_for_status("bob", 403)
    site.follow("--once").process.wait(20)
    site.instance.bytes.clear()
    before = site.origin.requests
    refused = site.squid.fetch("bob", USERS["bob"], f"{site.origin.url}/bytes/70000")
    page = html.unescape(refused.body.decode())
    assert refused.status == 403
    assert MESSAGE in page, page
    assert b"&amp; &lt;nothing&gt; more, d" in refused.body
    assert "<b>bob</b>" in page
    assert 'href="http://127.0.0.1:8002/"' in page
    assert "%" not in page.replace("45%)", ""), "every code of the page was filled in"
    german = site.squid.fetch("bob", USERS["bob"], f"{site.origin.url}/bytes/70000", speaks="de-AT,de;q=0.9,en;q=0.5")
    page = html.unescape(german.body.decode())
    assert german.status == 403
    assert f'<p class="why">{GERMAN}</p>' in page, page
    assert b"&amp; &lt;nichts&gt; mehr" in german.body
    assert "Die Seite wurde nicht geöffnet" in page
    assert 'href="http://127.0.0.1:8002/"' in page
    assert site.origin.requests == before
    assert site.get("alice", "/bytes/100") == 200
    site.squid.wait_for_line("/bytes/70000")
    assert site.follow("--once").process.wait(20) == 0
    assert site.instance.bytes["bob"] == 0
    assert site.instance.bytes["alice"] > 0

    site.instance.users = {**site.instance.users, "bob": True}
    assert site.wait_for_status("bob", 200) < 4


def test_sites_that_stay_open_are_reached_with_an_empty_purse(site: Site) -> None:
    site.instance.users = {**site.instance.users, "bob": False}
    site.wait_for_status("bob", 403)
    site.instance.open = ["127.0.0.2"]
    assert site.wait_for_status("bob", 200) < 4
    site.instance.open = []
    site.wait_for_status("bob", 403)


@pytest.mark.long
def test_slow_instead_of_stop() -> None:
    folder = make_dir("twinpurse-slow-")
    with StubInstance() as instance, Origin() as origin:
        instance.users = {"alice": True, "bob": "slow"}
        with Squid(edge_toml=instance.write_config(folder), users=USERS, slow=True) as squid:
            assert squid.parse() == ""
            taken = {}
            for user in ("bob", "alice"):
                squid.fetch(user, USERS[user], f"{origin.url}/bytes/10")
                begun = time.monotonic()
                assert squid.fetch(user, USERS[user], f"{origin.url}/bytes/384000").size == 384_000
                taken[user] = time.monotonic() - begun
            assert taken["alice"] < 1
            assert 2 < taken["bob"] < 15, "32,000 bytes a second, after the first 256,000"
    shutil.rmtree(folder)


def test_who_is_not_signed_in_is_asked_to_and_free_sites_are_free(site: Site) -> None:
    assert site.squid.fetch(None, "", f"{site.origin.url}/bytes/10").status == 407
    assert site.squid.fetch("alice", "wrong", f"{site.origin.url}/bytes/10").status == 407
    site.instance.users = dict.fromkeys(USERS, False)
    site.wait_for_status("alice", 403)
    assert site.follow("--once").process.wait(20) == 0
    site.instance.bytes.clear()
    with Origin("127.0.0.1") as portal:
        assert site.squid.fetch(None, "", f"{portal.url}/bytes/5000").status == 200
        assert site.squid.fetch("alice", USERS["alice"], f"{portal.url}/bytes/6000").status == 200
    site.squid.wait_for_line("/bytes/6000")
    assert site.follow("--once").process.wait(20) == 0
    assert site.instance.bytes.total() == 0


def test_pages_of_squid_itself_are_not_charged(site: Site) -> None:
    """The manager's pages, asked from this machine, do not even fill the log: live metering asks each second."""
    manager = f"http://squid.test:{site.squid.port}/squid-internal-mgr/info"
    assert site.squid.fetch("alice", USERS["alice"], manager).status == 200
    assert site.squid.fetch("alice", USERS["alice"], "http://host.invalid/page").status in (502, 503)
    site.squid.wait_for_line("host.invalid")
    assert "squid-internal-mgr" not in site.squid.access_log.read_text()
    assert site.follow("--once").process.wait(20) == 0
    assert site.instance.bytes.total() == 0


def test_rotation_and_restart_in_the_middle(site: Site) -> None:
    follower = site.follow()
    sizes = 0
    for number in range(12):
        size = 10_000 + number
        assert site.get("alice", f"/bytes/{size}") == 200
        sizes += size
        if number in (3, 8):
            site.squid.rotate()
        if number == 5:
            site.wait(lambda: site.instance.requests["alice"] >= 5)
            assert follower.stop() == 0
        if number == 9:
            site.follow()
    site.wait(lambda: site.instance.requests["alice"] >= 12)
    time.sleep(0.5)
    assert site.instance.requests == {"alice": 12}
    assert sizes <= site.instance.bytes["alice"] <= sizes + 12 * 500
    words = site.followers[-1].log_tail()
    assert "WARNING" not in words, words


def test_the_proxy_works_on_while_the_instance_is_away(site: Site) -> None:
    site.instance.users = {**site.instance.users, "bob": False}
    site.wait_for_status("bob", 403)
    site.follow()
    site.wait(lambda: site.instance.position is not None)
    site.instance.bytes.clear()
    site.instance.away = True
    time.sleep(1.2)
    assert site.get("alice", "/bytes/20000") == 200
    assert site.get("bob", "/bytes/20000") == 403
    time.sleep(3.8)  # five seconds in all; test_squid_outages.py takes a minute
    assert site.get("alice", "/bytes/10") == 200
    assert site.get("bob", "/bytes/10") == 403
    site.instance.away = False
    site.wait(lambda: site.instance.bytes["alice"] >= 20_000)
    time.sleep(0.5)
    assert site.instance.bytes["alice"] < 21_000


def test_people_of_a_real_directory(tmp_path: Path) -> None:
    with Slapd() as slapd, StubInstance() as instance, Origin() as origin:
        instance.users = {"alice": True}
        ldap = LdapSignIn(slapd.starttls_url, slapd.base_dn, slapd.bind_dn, slapd.bind_password)
        with Squid(edge_toml=instance.write_config(tmp_path), ldap=ldap) as squid:
            assert squid.fetch("alice", "demo-alice", f"{origin.url}/bytes/1000").status == 200
            assert squid.fetch("Alice", "demo-alice", f"{origin.url}/bytes/1001").status == 200
            assert squid.fetch("alice", "wrong", f"{origin.url}/bytes/1000").status == 407
            assert squid.fetch("bob", "demo-bob", f"{origin.url}/bytes/1000").status == 403
            squid.wait_for_line("/bytes/1001")
            assert squid.follower("--once").start().process.wait(20) == 0
            assert instance.requests == {"alice": 2}
