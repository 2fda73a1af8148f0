"""`twinpurse-doctor` on squid.conf alone: the set-up page's lines have no fault, and a line that is changed is named.

Squid is not started: what it would answer to a request without a name is given.
"""

from __future__ import annotations

import io
import os
import time
from pathlib import Path
from typing import Any

import pytest

from app.internet import setup_texts
from directory.settings import DirectorySettings
from edge import doctor, doctor_format, doctor_log
from edge.client import InstanceClient
from edge.doctor_checks import Finding
from edge.doctor_conf import read_conf
from edge.squid_settings import load_squid
from tests.edge.squid_stub import StubInstance

DIRECTORY = DirectorySettings(
    kind="openldap", servers=["ldaps://ldap.example.org"], base_dn="ou=All People,dc=example,dc=org"
)
DEBIAN = """\
acl localnet src 0.0.0.1-0.255.255.255\t# RFC 1122 "this" network (LAN)
acl localnet src 10.0.0.0/8
acl localnet src 192.168.0.0/16
acl localnet src fe80::/10
acl SSL_ports port 443
acl Safe_ports port 80\t\t# http
acl Safe_ports port 443
acl Safe_ports port 1025-65535
http_access deny !Safe_ports
http_access deny CONNECT !SSL_ports
http_access allow localhost manager
http_access deny manager
include {folder}/conf.d/*.conf
http_access allow localhost
#http_access allow localnet
http_access deny all
http_port 3128
coredump_dir /var/spool/squid
"""
SIGNED_IN = "http_access deny !twinpurse_signed_in"
MAY = ["http_access deny !twinpurse_may twinpurse_other_language\n", "http_access deny !twinpurse_may twinpurse_page\n"]
LINE = "{:.3f}    100 10.0.0.9:5 TCP_MISS/200 500 100 GET http://a.test/ alice HIER_DIRECT/1.2.3.4 text/html\n"


class Place:
    """A folder like /etc/squid of Debian with the set-up page's lines in conf.d, and what the doctor says of it."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.status = 407
        self.log: Path | None = folder / "twinpurse.log"
        self.followers = [f"twinpurse-squid-log --config {folder}/edge.toml"]
        self.main, self.ours = folder / "squid.conf", folder / "conf.d" / "00-twinpurse.conf"
        self.ours.parent.mkdir()
        (folder / "conf.d" / "debian.conf").write_text("logfile_rotate 0\n#http_access allow localnet\n")
        self.main.write_text(DEBIAN.format(folder=folder))
        self.write()
        (folder / "twinpurse.log").write_text(LINE.format(time.time()))
        helper = f"twinpurse-squid-acl --config {folder}/edge.toml"
        monkeypatch.setattr(doctor, "_commands", lambda: [helper, *self.followers])
        monkeypatch.setattr(doctor, "_of_instance", lambda config, log: [])
        monkeypatch.setattr("edge.doctor_rules.http_status", lambda where, address: self.status)

    def write(self, **site: Any) -> None:
        text = setup_texts.squid_conf(setup_texts.Site("https://n.test", "https://p.test", DIRECTORY, "proxy1", **site))
        self.ours.write_text(text.replace("/var/log/squid/", f"{self.folder}/"))

    def change(self, old: str, new: str) -> None:
        text = self.ours.read_text()
        assert old in text
        self.ours.write_text(text.replace(old, new))

    def begin(self, lines: str) -> None:
        """Put lines before ours, where Debian's own http_access lines end."""
        self.main.write_text(self.main.read_text().replace("include ", f"{lines}\ninclude "))

    def faults(self) -> list[Finding]:
        found = doctor.examine(config=self.folder / "edge.toml", squid_conf=self.main, log=self.log, user="root")
        return [each for each in found if isinstance(each, Finding)]

    def says(self, state: str, *words: str) -> None:
        """The doctor names exactly one fault, with these words in it."""
        found = self.faults()
        assert [each.state for each in found] == [state], found
        for word in words:
            assert word in " ".join(found[0]), found[0]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    return Place(tmp_path, monkeypatch)


@pytest.mark.parametrize("site", [{}, {"language": "de"}, {"slow": True}])
def test_the_lines_of_the_set_up_page_in_debians_squid_conf_have_no_fault(place: Place, site: dict[str, Any]) -> None:
    place.write(**site)
    assert place.faults() == []
    out = io.StringIO()
    doctor.tell(doctor.examine(config=place.folder, squid_conf=place.main, log=None, user="root"), out)
    assert "keep out who has nothing left" in out.getvalue()
    (place.folder / "conf.d" / "debian.conf").write_text("http_access allow localnet\n")  # behind ours
    assert place.faults() == []


def test_the_format_that_is_compared_with_is_the_set_up_pages(place: Place) -> None:
    assert f"\n{doctor_format.CHANGE}\n" in place.ours.read_text()


@pytest.mark.parametrize("match", ["all", "localnet", "!blocked", "CONNECT", "Safe_ports localnet"])
def test_nobody_is_asked_to_sign_in(place: Place, match: str) -> None:
    line = f"http_access allow {match}"
    place.begin(f"acl blocked dstdomain .b.test\n{line}")
    place.says("bad", "Nobody on the network is asked to sign in", line, "squid.conf:", SIGNED_IN)
    place.status = 503
    place.says("bad", "A request without a name went through the proxy (answer 503)", line, SIGNED_IN)


@pytest.mark.parametrize(
    "line",
    [
        "http_access allow twinpurse_signed_in",
        "http_access allow localnet twinpurse_signed_in",
        f"{SIGNED_IN}\nhttp_access allow all",
        f"{SIGNED_IN}\nhttp_access allow Safe_ports",
        f"{SIGNED_IN}\nhttp_access allow CONNECT SSL_ports",
    ],
)
def test_signed_in_people_pass_before_the_purse_is_looked_at(place: Place, line: str) -> None:
    place.change(SIGNED_IN, line)
    place.says("bad", "An empty purse surfs on", line.rpartition("\n")[2], "http_access deny !twinpurse_may")


def test_no_line_asks_the_helper(place: Place) -> None:
    for line in MAY:
        place.change(line, "")
    place.says("bad", "no http_access line asks our helper (twinpurse_may)", "http_access deny !twinpurse_may")


def test_other_ways_to_write_the_lines_are_right_as_well(place: Place) -> None:
    for line in MAY:
        place.change(line, "")
    place.change("http_access allow twinpurse_signed_in", "http_access allow twinpurse_signed_in twinpurse_may")
    assert place.faults() == []
    place.change("http_access allow twinpurse_signed_in twinpurse_may", "http_access allow good")
    place.change(SIGNED_IN, f"acl good all-of twinpurse_signed_in twinpurse_may\n{SIGNED_IN}")
    assert place.faults() == []
    place.begin("acl server src 10.1.2.3\nhttp_access allow server\nacl work time MTWHF 08:00-17:00\n"
                "http_access allow localnet work\nhttp_access deny all !work\n"
                "acl guests src 10.9.0.0/16\nhttp_access deny guests")  # fmt: skip
    assert place.faults() == []
    place.begin("acl school src 192.168.1.0/24\nhttp_access deny !school")
    place.change("http_access allow good", "http_access allow good school")
    assert place.faults() == []


def test_a_small_network_that_is_let_off_is_to_look_at(place: Place) -> None:
    place.begin("acl servers src 10.1.2.0/24\nhttp_access allow servers")
    place.says("warn", "Some addresses are not asked to sign in", "http_access allow servers")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("http_access allow twinpurse_signed_in\n", ""),
        (SIGNED_IN, f"{SIGNED_IN}\nhttp_access deny all"),
        (SIGNED_IN, "http_access deny !twinpurse_signed_in\nhttp_access deny twinpurse_signed_in"),
    ],
)
def test_nobody_gets_through(place: Place, old: str, new: str) -> None:
    place.change(old, new)
    place.says("bad", "has something left is refused, by http_access deny", "Nobody gets through")


@pytest.mark.parametrize("line", ["", "acl twinpurse_may external twinpurs", "acl twinpurse_may external other"])
def test_no_acl_asks_the_helper(place: Place, line: str) -> None:
    place.begin("external_acl_type other %LOGIN /bin/true")
    place.change("acl twinpurse_may external twinpurse", line)
    place.says("bad", "No acl asks our helper", "acl twinpurse_may external twinpurse")
    assert ("names one that there is not" in place.faults()[0].what) == line.endswith("twinpurs")


@pytest.mark.parametrize(
    ("old", "new", "state", "words"),
    [
        ("concurrency=100 ", "", "bad", ("no concurrency", "nobody gets through", "concurrency=100")),
        ("concurrency=100", "concurrency=0", "bad", ("no concurrency",)),
        ("%#LOGIN %DST", "%DST %#LOGIN", "bad", ("takes %DST for the name", "%#LOGIN %DST")),
        ("%#LOGIN %DST", "%>a %#LOGIN %DST", "bad", ("takes %>a for the name",)),
        ("%#LOGIN %DST", "%#LOGIN", "warn", ("which site is asked for", "%#LOGIN %DST")),
        ("%#LOGIN %DST", "%#LOGIN %>a %DST", "warn", ("which site is asked for",)),
        ("log_mime_hdrs off", "log_mime_hdrs enable", "bad", ("log_mime_hdrs is on", "log_mime_hdrs off")),
        ("log_mime_hdrs off", "buffered_logs on", "warn", ("buffered_logs off",)),
        ("log_mime_hdrs off", "workers 4", "warn", ("workers", "--shared /var/spool/squid/twinpurse-standing")),
    ],
)
def test_a_line_that_was_changed(place: Place, old: str, new: str, state: str, words: tuple[str, ...]) -> None:
    place.change(old, new)
    place.says(state, *words)


def test_workers_that_share_a_list_and_one_worker_are_right(place: Place) -> None:
    place.change("log_mime_hdrs off", "workers 1")
    assert place.faults() == []
    place.change("workers 1", "workers 4")
    config = "--config /etc/twinpurse/edge.toml"
    place.change(f"twinpurse-squid-acl {config}", f"twinpurse-squid-acl {config} --shared /var/spool/squid/s")
    assert place.faults() == []


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("%ts.%03tu", "%tl", "has %tl where %ts.%03tu should stand"),
        ("%ts.%03tu", "%ts", "has %ts where %ts.%03tu should stand"),
        (" %>st %rm", " %rm", "has %rm where %>st should stand"),
        ("%<st %>st", "%>st %<st", "has %>st where %<st should stand"),
        ("%#un", "%un", "has %un where %#un should stand"),
        ("%<a %mt", "%<a", "has nothing where %mt should stand"),
        ("%<a %mt", '%<a %mt "%{User-Agent}>h"', "where the line should end"),
        ("logformat twinpurse ", "logformat twin ", "twinpurse.log twinpurse !twinpurse_poll"),
        ("twinpurse.log twinpurse", "twinpurse.log logformat=twin", "names a format that no logformat before it"),
        ("twinpurse.log twinpurse", "twinpurse.log common", "cannot read the log's format common"),
        ("twinpurse.log twinpurse", "twinpurse.log logformat=combined", "cannot read the log's format combined"),
        ("twinpurse.log twinpurse", "twinpurse.log squid", "the follower reads twinpurse"),
    ],
)
def test_a_log_that_the_follower_cannot_read(place: Place, old: str, new: str, words: str) -> None:
    place.change(old, new)
    place.says("bad", words)


def test_formats_that_the_follower_reads(place: Place) -> None:
    place.change("%>a:%>p", "%>a")  # from before the client's port was written
    assert place.faults() == []
    place.followers = [f"{place.followers[0]} --format squid"]
    place.says("bad", "the follower reads squid", "no --format")
    place.change("twinpurse.log twinpurse", "twinpurse.log squid")
    assert place.faults() == []
    place.change(" squid !twinpurse_poll", " !twinpurse_poll")  # Squid's own, where none is said
    assert place.faults() == []


def test_the_log_that_is_looked_at_is_the_one_that_the_follower_was_told(place: Place) -> None:
    (place.folder / "mine.log").write_text(LINE.format(time.time()))
    place.change("access_log ", f"access_log stdio:{place.folder}/mine.log common\naccess_log ")
    place.log = None
    assert place.faults() == []
    place.followers = [f"{place.followers[0]} --log {place.folder}/mine.log"]
    place.says("bad", "cannot read the log's format common")
    place.followers = [f"{place.followers[0]}.elsewhere"]
    assert place.faults() == []


@pytest.mark.parametrize("more", ["", "deny_info http://login.test/ all", "deny_info 302:http://login.test/ all"])
def test_a_page_in_place_of_the_question_for_a_password(place: Place, more: str) -> None:
    place.begin(more)
    place.status = 302
    place.says("warn", "led to another page (answer 302)", SIGNED_IN)


def test_a_redirect_by_who_comes_behind_squids_rules_was_let_through(place: Place) -> None:
    place.begin("url_rewrite_program /usr/bin/squidGuard")
    place.status = 302
    place.says("bad", "A request without a name went through the proxy (answer 302)")


@pytest.mark.parametrize(
    "odd", [{"newest_ms": "q"}, {"newest_ms": None}, {"offset": -5}, {"offset": "x"}, {"inode": 1.5}, {"head": None}]
)
def test_a_place_in_the_log_that_is_none(tmp_path: Path, odd: dict[str, Any]) -> None:
    log = tmp_path / "twinpurse.log"
    log.write_text(LINE.format(time.time() - 600))
    os.utime(log, (time.time() - 600,) * 2)
    place = {"inode": log.stat().st_ino, "head": "x", "offset": 0, "path": str(log), "newest_ms": 0}
    with StubInstance() as instance:
        client = InstanceClient(load_squid(instance.write_config(tmp_path)))
        for stored, words in (
            (None, "was ever booked"), (place, "bytes of log behind"), (place | odd, "was not understood"),
        ):  # fmt: skip
            instance.position = stored
            found = [each for each in doctor_log.check_instance(client, "proxy-1", log) if isinstance(each, Finding)]
            assert len(found) == 1
            assert words in found[0].what


def test_what_squid_has_switched_on(tmp_path: Path) -> None:
    conf = tmp_path / "squid.conf"
    conf.write_text("buffered_logs enable\nbuffered_logs off\nmemory_pools disable\nlog_mime_hdrs enable\n")
    assert [each.is_on for each in read_conf(conf).directives] == [True, False, False, True]
