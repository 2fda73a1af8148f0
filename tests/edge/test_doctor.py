"""`twinpurse-doctor` at a real Squid: nothing to say about one that is set up well, and each fault made on purpose."""

from __future__ import annotations

import io
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from edge import doctor
from edge.doctor_checks import Finding, running
from edge.doctor_conf import HELPER, read_conf
from tests.edge.squid_stub import StubInstance
from tests.servers.origin import Origin
from tests.servers.process import Child, make_dir
from tests.servers.squid import Squid

USERS = {"alice": "demo-alice"}
SECRET_OF_ALICE = "YWxpY2U6ZGVtby1hbGljZQ=="


class Proxy:
    """A Squid whose configuration is changed, and what the doctor says of it."""

    def __init__(self, squid: Squid, origin: Origin, instance: StubInstance) -> None:
        self.squid, self.origin, self.instance = squid, origin, instance
        self.conf = squid.folder / "squid.conf"
        self.good = self.conf.read_text()
        self.edge = squid.edge_toml.read_text() + f'\n[live]\nmanager = "{squid.url}"\n'
        self.follower: Child | None = None

    def change(self, old: str, new: str) -> None:
        """Change the configuration while Squid runs, as an administrator does."""
        text = self.conf.read_text()
        assert old in text
        self.conf.write_text(text.replace(old, new))
        self.squid._command("reconfigure")
        time.sleep(0.3)
        wait(lambda: self.surf(name=None) != 0)
        wait(
            lambda: bool(running(doctor._commands(), self.squid.edge_toml, HELPER))
        )  # Squid starts it anew, a bit later

    def surf(self, *, name: str | None = "alice") -> int:
        try:
            return self.squid.fetch(name, USERS["alice"], f"{self.origin.url}/bytes/1000").status
        except OSError:
            return 0  # for a moment nobody listens, while Squid reads its configuration

    def faults(self) -> list[Finding]:
        found = doctor.examine(config=self.squid.edge_toml, squid_conf=self.conf, log=None, user="proxy")
        return [each for each in found if isinstance(each, Finding)]

    def says(self, *words: str) -> None:
        """The doctor names exactly one fault, with these words in it, and in the line to change."""
        found = self.faults()
        assert len(found) == 1, found
        for word in words:
            assert word in f"{found[0].what} {found[0].why} {found[0].change}", found[0]


@pytest.fixture(scope="module")
def proxies() -> Iterator[Proxy]:
    folder = make_dir("twinpurse-doctor-")
    with StubInstance() as instance, Origin() as origin:
        instance.users = dict.fromkeys(USERS, True)
        with Squid(edge_toml=instance.write_config(folder), users=USERS) as squid:
            yield Proxy(squid, origin, instance)
    shutil.rmtree(folder)


@pytest.fixture
def proxy(proxies: Proxy) -> Iterator[Proxy]:
    """The proxy as it is when all is well: people have surfed, and the follower has booked it."""
    proxies.conf.write_text(proxies.good)
    proxies.squid.edge_toml.write_text(proxies.edge)
    proxies.squid.access_log.write_bytes(b"")
    proxies.squid._command("reconfigure")
    wait(lambda: proxies.surf() == 200)
    proxies.instance.position = None  # that of the log that was emptied
    proxies.follower = proxies.squid.follower("--batch-seconds", "0.2").start()
    wait(lambda: proxies.instance.position is not None)
    yield proxies
    proxies.follower.stop()
    proxies.instance.away = False


def wait(ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_proxy_that_is_set_up_well_has_no_fault_and_an_open_one_has(proxy: Proxy) -> None:
    assert proxy.faults() == []
    proxy.change(
        "http_access deny !twinpurse_signed_in", "http_access allow all\nhttp_access deny !twinpurse_signed_in"
    )
    proxy.says("without a name went through", "http_access deny !twinpurse_signed_in")
    out = io.StringIO()
    doctor.tell(proxy.faults(), out)
    assert out.getvalue().startswith("FAULT  A request without a name went through the proxy (answer 50")
    assert out.getvalue().endswith("1 to look at.\n")


@pytest.mark.long
@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("ttl=1 negative_ttl=1", "negative_ttl=1", ("3600 seconds", "ttl, since the line does not say it")),
        ("ttl=1 negative_ttl=1", "ttl=60 negative_ttl=1", ("60 seconds", "an empty purse surfs on")),
        ("negative_ttl=1", "negative_ttl=600", ("600 seconds", "a filled purse stays shut")),
        ("casesensitive off", "casesensitive on", ("upper and lower case", "casesensitive off")),
        ("log_mime_hdrs off", "log_mime_hdrs on", ("log_mime_hdrs is on", "password")),
        ("%#LOGIN", "%LOGIN", ("not URL-encoded",)),
        ("http_access allow localhost manager", "#", ("does not tell what runs", "localhost manager")),
    ],
)
def test_a_line_that_was_changed_is_named(proxy: Proxy, old: str, new: str, words: tuple[str, ...]) -> None:
    proxy.change(old, new)
    proxy.says(*words)


@pytest.mark.long
def test_passwords_in_the_log_are_seen_in_the_configuration_and_in_the_log(proxy: Proxy) -> None:
    proxy.change("%#un %Sh", "%#un %>h %Sh")
    assert proxy.surf() == 200
    wait(lambda: SECRET_OF_ALICE in proxy.squid.access_log.read_text())
    found = [each.what for each in proxy.faults() if each.state == "bad"]
    assert any("The logformat twinpurse writes %>h" in what for what in found), found
    assert any("There are passwords in" in what for what in found), found


@pytest.mark.long
def test_a_log_without_names(proxy: Proxy) -> None:
    proxy.change("%#un", "-")
    assert proxy.surf() == 200
    assert any("has no user name" in each.what for each in proxy.faults())


@pytest.mark.long
def test_a_log_of_requests_that_nobody_signed_in_for(proxy: Proxy) -> None:
    proxy.change(
        "http_access deny !twinpurse_signed_in", "http_access allow all\nhttp_access deny !twinpurse_signed_in"
    )
    for _ in range(25):
        assert proxy.surf(name=None) == 200
    proxy.squid.access_log.write_text(
        "".join(line for line in proxy.squid.access_log.read_text().splitlines(True) if " alice " not in line)
    )
    assert any("have no name" in each.what for each in proxy.faults())


@pytest.mark.long
def test_a_log_that_the_follower_may_not_read_or_that_is_not_there(proxy: Proxy) -> None:
    proxy.squid.access_log.chmod(0)
    try:
        proxy.says("may not read", "chgrp proxy")
    finally:
        proxy.squid.access_log.chmod(0o640)
    away = proxy.squid.folder / "away.log"
    found = doctor.examine(config=proxy.squid.edge_toml, squid_conf=proxy.conf, log=away, user="proxy")
    assert "No such file" in next(each.what for each in found if isinstance(each, Finding))


@pytest.mark.long
def test_nobody_asks_and_nobody_follows(proxy: Proxy) -> None:
    assert proxy.follower is not None
    proxy.follower.stop()
    proxy.says("The follower does not run", "systemctl enable --now twinpurse-squid-log")
    lines = [line for line in proxy.conf.read_text().splitlines() if "twinpurse_may" not in line]
    proxy.conf.write_text("\n".join(line for line in lines if not line.startswith("external_acl_type")) + "\n")

    def is_seen() -> bool:
        proxy.squid._command("reconfigure")  # again: Squid overhears it while it reads its configuration
        time.sleep(0.5)
        return any("helper does not run" in each.what for each in proxy.faults())

    wait(is_seen)
    assert any("Squid asks nobody" in each.what for each in proxy.faults())


@pytest.mark.long
def test_a_follower_that_hangs_behind(proxy: Proxy) -> None:
    assert proxy.follower is not None
    proxy.follower.pause()
    old = f"{time.time() - 600:.3f}"
    with proxy.squid.access_log.open("a") as log:
        log.write(
            f"{old}    100 127.0.0.1:5 TCP_MISS/200 500 100 GET http://a.test/ alice HIER_DIRECT/1.2.3.4 text/html\n"
        )
    assert proxy.instance.position is not None
    proxy.instance.position = dict(proxy.instance.position) | {"newest_ms": int((time.time() - 700) * 1000)}
    proxy.says("bytes of log behind")


@pytest.mark.long
def test_an_instance_that_is_away_and_a_clock_that_is_wrong(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.doctor_log.time", SimpleNamespace(time=lambda: time.time() - 3600.9))
    found = [each.what for each in proxy.faults()]
    assert any(" seconds behind the instance" in what for what in found), found
    monkeypatch.undo()
    proxy.instance.away = True
    proxy.says("The instance does not answer")


@pytest.mark.long
def test_no_squid_and_no_config(proxy: Proxy, tmp_path: Path) -> None:
    assert doctor.main(["--squid-conf", str(tmp_path / "none")]) == 1
    proxy.squid.edge_toml.write_text("server = 1\n")
    assert any("server: must be a text" in each.what for each in proxy.faults())


def test_squid_conf_is_read_with_what_it_includes(tmp_path: Path) -> None:
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "b.conf").write_text("http_port 3128 intercept\nhttp_port [::]:8080 # here\n")
    (tmp_path / "conf.d" / "a.conf").write_text(
        "acl x dst \\\n  1.2.3.4\naccess_log daemon:/l/one.log logformat=ours !x\n"
    )
    main = tmp_path / "squid.conf"
    main.write_text(
        f"# nothing\ninclude {tmp_path}/conf.d/*.conf\nlogformat ours %#un\naccess_log none\naccess_log /l/2 x\n"
    )
    conf = read_conf(main)
    assert [each.name for each in conf.directives] == [
        "acl", "access_log", "http_port", "http_port", "logformat", "access_log", "access_log"
    ]  # fmt: skip
    assert conf.all("acl")[0].words == ("x", "dst", "1.2.3.4")
    assert [(str(path), name) for _, path, name in conf.logs()] == [("/l/one.log", "ours"), ("/l/2", "squid")]
    assert conf.port() == ("127.0.0.1", 8080)
