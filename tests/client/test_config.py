"""config.properties as sites have them: every key, every slip, every editor's encoding, and what comes of each."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from client.config import Config, Server, load, server_of
from client.properties import parse

EVERY_KEY = """\
# the school's client
! an old kind of comment
server-ip=127.0.0.1
server-port=9191
server-name=localhost
windowtitle=Print Balance ({0})
windowposition=XY-10,20
background-color=FFE0A0
silent=Y
minimized=y
noquit=Y
disabletasktrayicon=Y
debug=Y
user=alice
neverrequestidentity=Y
cache=C:\\Cache
default-selection=charge-personal
disable-balloon-tips=Y
disable-toast-notifications=Y
"""
TITLE = "Größe €"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def read(folder: Path, text: str | bytes, **given: str) -> Config:
    site = folder / "config.properties"
    site.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load(site_file=site, user_file=folder / "user" / "config.properties", given=given)


@contextlib.contextmanager
def not_as_root() -> Iterator[None]:
    """Nothing is unreadable to root: be nobody for a moment."""
    user = os.geteuid()
    os.seteuid(user or 65534)
    try:
        yield
    finally:
        os.seteuid(user)


def test_a_file_of_papercuts_client_with_every_key_is_taken_over(folder: Path) -> None:
    config = read(folder, EVERY_KEY)
    assert config.problems == ()
    assert (config.server_ip, config.server_port, config.server_name) == ("127.0.0.1", 9191, "localhost")
    assert config.title_for("alice", "Balance") == "Print Balance (alice)"
    assert (config.geometry, config.background_color, config.user) == ("-10+20", "ffe0a0", "alice")
    flags = ("silent", "minimized", "noquit", "disabletasktrayicon", "debug", "neverrequestidentity")
    assert all(getattr(config, name) for name in flags)
    hyphens = read(folder, "window-title=T\nwindow-position=bottom-right\nSERVER-IP: 10.0.0.1\n")
    assert (hyphens.window_title, hyphens.geometry, hyphens.server_ip) == ("T", "-0-0", "10.0.0.1")


@pytest.mark.parametrize(
    ("position", "geometry"),
    [
        *(("top-left", "+0+0"), ("top-right", "-0+0"), ("bottom-left", "+0-0"), ("bottom-right", "-0-0")),
        *(("Top-Right", "-0+0"), ("XY10,20", "+10+20"), ("xy-10,-20", "-10-20"), ("XY -0, 5", "-0+5"), ("", "")),
    ],
)
def test_every_position_of_the_window(folder: Path, position: str, geometry: str) -> None:
    config = read(folder, f"windowposition={position}\n")
    assert (config.geometry, config.problems) == (geometry, ())


@pytest.mark.parametrize(
    ("line", "said", "field", "value"),
    [
        ("windowposition=middle", "is none of top-left, top-right", "window_position", ""),
        ("windowposition=XY10", "is none of", "window_position", ""),
        ("background-color=purple", "is no colour: six hexadecimal digits", "background_color", ""),
        ("background-color=FFF", "is no colour", "background_color", ""),
        ("server-port=0", "is no port: 1 to 65535", "server_port", 0),
        ("server-port=99999999999999999999999", "is no port", "server_port", 0),
        ("server-port=²", "is no port", "server_port", 0),
        ("silent=maybe", "is neither Y nor N; it stays N", "silent", False),
        ("server-url=print.example.org", "is no address such as https://print.example.org", "server_url", ""),
        ("server-url=https://x:99999/", "", "server_url", ""),
        ("minimised=Y", "minimised is not a key (is minimized meant?); it is left out", "minimized", False),
        ("frobnicate=1", "frobnicate is not a key; it is left out", "silent", False),
    ],
)
def test_a_wrong_value_is_named_with_its_line_and_the_default_stays(
    folder: Path, line: str, said: str, field: str, value: object
) -> None:
    config = read(folder, f"# first\n{line}\nwindowtitle=T\n")
    [problem] = config.problems
    assert problem.startswith("config.properties, line 2: ")
    assert said in problem
    assert getattr(config, field) == value
    assert config.window_title == "T"


@pytest.mark.parametrize(
    ("content", "title"),
    [
        (f"windowtitle={TITLE}\n".encode(), TITLE),
        (f"windowtitle={TITLE}\n".encode("utf-8-sig"), TITLE),
        (f"windowtitle={TITLE}\n".encode("utf-16"), TITLE),
        (b"\xfe\xff" + f"windowtitle={TITLE}\n".encode("utf-16-be"), TITLE),
        ("windowtitle=Größe\r\nsilent=Y\r\n".encode("latin-1"), "Größe"),
        (b"windowtitle=Gr\\u00f6\\u00dfe \\u20ac\r", TITLE),
        (b"windowtitle=a\\\r\n   b\\\n  c\n", "abc"),
        (b"  windowtitle   spaced out  \n", "spaced out"),
        (b"windowtitle:colon\n", "colon"),
        (b"windowtitle=half \\ud83d\n", "half \N{REPLACEMENT CHARACTER}"),
        (b"windowtitle=C:\\temp\\new\n", "C:\\temp\\new"),
        (b"windowtitle=a\0b\x07c\n", "abc"),
        (b"windowtitle=one\nwindow-title=two\n", "two"),
        (b"windowtitle=" + b"x" * 5000, "x" * 120),
        (b"", ""),
        (b"\xff\xfe", ""),
        (b"=\n:\n\\\n", ""),
        (bytes(range(256)), ""),
    ],
)
def test_any_encoding_and_line_end(folder: Path, content: bytes, title: str) -> None:
    assert read(folder, content).window_title == title


def test_missing_unreadable_and_endless_files_are_no_reason_not_to_start(folder: Path) -> None:
    nothing = load(site_file=folder / "no", user_file=folder / "neither")
    assert nothing == Config()
    assert nothing.problems == ()
    asked_for = load(site_file=folder / "no", user_file=folder / "neither", required=True)
    assert asked_for.problems == (f"{folder / 'no'} is not there",)
    (folder / "a-folder").mkdir()
    found = load(site_file=folder / "a-folder", user_file=folder / "neither", given={"user": "bob"})
    assert found.user == "bob"
    assert found.problems[0].startswith(f"{folder / 'a-folder'} cannot be read: Is a directory")
    (folder / "endless").write_bytes(b"#" * 70_000)
    assert "longer than 64,000 bytes" in load(site_file=folder / "endless", user_file=folder / "no").problems[0]
    (folder / "endless").chmod(0)
    with not_as_root():
        refused = load(site_file=folder / "endless", user_file=folder / "no", given={"user": "bob"})
    assert refused.user == "bob"
    assert refused.problems[0] == f"{folder / 'endless'} cannot be read: Permission denied"


def test_the_users_file_lies_over_the_sites_and_the_command_line_over_both(folder: Path) -> None:
    (folder / "user").mkdir()
    user = folder / "user" / "config.properties"
    user.write_text("windowtitle=mine\nwindowposition=nowhere\n")
    config = read(
        folder, "windowtitle=site\nwindowposition=top-left\nuser=a\n", user="b", silent="Y", background_color="x"
    )
    assert (config.window_title, config.window_position, config.user, config.silent) == ("mine", "top-left", "b", True)
    assert [problem.split(":")[0] for problem in config.problems] == ["config.properties, line 2", "the command line"]
    assert "it stays top-left" in config.problems[0]


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("server-url=https://print.example.org", Server(True, "print.example.org", 443, "print.example.org")),
        ("server-url=https://print.example.org:8443/purse/", Server(True, "print.example.org", 8443, *2 * ["x"])),
        ("server-url=http://127.0.0.1:8001", Server(False, "127.0.0.1", 8001, "127.0.0.1")),
        ("server-url=http://[::1]:8001", Server(False, "::1", 8001, "::1")),
        ("server-ip=10.0.0.5\nserver-port=9191", Server(True, "10.0.0.5", 9191, "10.0.0.5")),
        ("server-name=print\nserver-ip=10.0.0.5", Server(True, "print", 443, "10.0.0.5")),
        ("server-ip=127.0.0.1\nserver-port=8001", Server(False, "127.0.0.1", 8001, "127.0.0.1")),
    ],
)
def test_where_the_server_is(folder: Path, text: str, server: Server) -> None:
    if server.prefix == "x":
        server = Server(True, server.host, server.port, server.host, "/purse")
    assert server_of(read(folder, text)) == server


@pytest.mark.parametrize(
    "text",
    [
        *("", "server-port=8001", "server-url=http://print.example.org", "server-url=http://10.0.0.5:9191"),
        *("server-url=http://localhost\nserver-ip=10.0.0.5", "server-name=localhost\nserver-ip=10.0.0.5"),
    ],
)
def test_no_server_and_passwords_in_the_open_are_refused_in_words(folder: Path, text: str) -> None:
    with pytest.raises(ValueError, match=r"No server is named|by https only"):
        server_of(read(folder, text))


def test_titles_say_who_it_is_and_never_nothing() -> None:
    assert Config(window_title="{0}").title_for("alice", "Balance") == "alice"
    assert Config(window_title="{0}").title_for("", "Balance") == "Balance"
    assert Config(window_title="Print – {0}").title_for("", "Balance") == "Print"
    assert Config(window_title="{0} {1} %s {user}").title_for("a", "") == "a {1} %s {user}"
    assert Config().title_for("alice", "Print Balance") == "Print Balance"


def test_pairs_know_their_line() -> None:
    assert [(pair.line, pair.key) for pair in parse("a=1\n\n# c\nb=2\\\n3\nc=4")] == [(1, "a"), (4, "b"), (6, "c")]
