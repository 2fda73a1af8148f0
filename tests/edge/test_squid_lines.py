"""One log line: who is charged what, and who never is."""

from __future__ import annotations

import random

import pytest

from edge.squid_lines import LogFormat, Traffic, Unpaid, line_time_ms, name_from_url_code, read_line

AT = 1_795_396_116_598
START = AT - 25


def ours(
    user: str = "alice", *, tag: str = "TCP_MISS/200", size: str = "5342", url: str = "http://h/x", hier: str = ""
) -> bytes:
    hier = hier or "HIER_DIRECT/127.0.0.2"
    return f"1795396116.598     25 127.0.0.1 {tag} {size} 192 GET {url} {user} {hier} text/html".encode()


def moved(user: str = "alice", *, up: int = 192, cached: bool = False, host: bytes = b"h", port: int = 0) -> Traffic:
    return Traffic(user, 5342, AT, up, cached, host, port, START)


def native(user: str = "alice", *, tag: str = "TCP_MISS/200", size: str = "5342", method: str = "GET") -> bytes:
    return f"1795396116.598     25 127.0.0.1 {tag} {size} {method} http://h/x {user} HIER_DIRECT/1.2.3.4 -".encode()


@pytest.mark.parametrize(
    ("written", "user"),
    [
        ("alice", "alice"),
        ("Alice", "alice"),
        ("a%20b", "a b"),
        ("a%20%20b", "a  b"),
        ("DOMAIN%5Cuser", "domain\\user"),
        ("jos%C3%A9", "josé"),
        ("jos%E9", "josé"),
        ("100%25", "100%"),
        ("STRASSE", "strasse"),
        ("user%40example.org", "user@example.org"),
    ],
)
def test_names_in_our_format(written: str, user: str) -> None:
    assert read_line(ours(written), LogFormat.TWINPURSE) == moved(user)


@pytest.mark.parametrize(
    ("written", "user"),
    [
        ("alice", "alice"),
        ("a b", "a b"),
        ("a  b c", "a  b c"),
        ("example\\\\user", "example\\user"),
        ("jos%c3%a9", "josé"),
        ("100%25", "100%"),
        ("pct%2541", "pct%41"),
        ("user@example.org", "user@example.org"),
        ("user 00037", "user 00037"),
        ("example\\\\some body", "example\\some body"),
    ],
)
def test_names_in_squids_own_format(written: str, user: str) -> None:
    assert read_line(native(written), LogFormat.SQUID) == moved(user, up=0)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (ours("-"), Unpaid.ANONYMOUS),
        (ours(tag="TCP_DENIED/403"), Unpaid.DENIED),
        (ours("-", tag="TCP_DENIED/407"), Unpaid.DENIED),
        (ours(tag="TCP_DENIED_REPLY/403"), Unpaid.DENIED),
        (ours("-", tag="NONE_NONE/000", url="error:transaction-end-before-headers"), Unpaid.DENIED),
        (ours(tag="NONE_NONE/503"), Unpaid.DENIED),
        (ours(tag="TCP_MISS/502", hier="HIER_NONE/-"), Unpaid.OWN_ANSWER),
        (ours(url="http://squid.test:3128/squid-internal-mgr/info", hier="HIER_NONE/-"), Unpaid.OWN_ANSWER),
        (ours(size="0").replace(b" 0 192 ", b" 0 0 "), Unpaid.NO_BYTES),
        (ours(size="-"), Unpaid.UNREADABLE),
        (ours(size="-5"), Unpaid.UNREADABLE),
        (ours(size="1" * 13), Unpaid.UNREADABLE),
        (ours("%00alice"), Unpaid.UNREADABLE),
        (ours("x" * 257), Unpaid.UNREADABLE),
        (b"", Unpaid.UNREADABLE),
        (b"garbage", Unpaid.UNREADABLE),
        (b"7258118400" + ours()[10:], Unpaid.UNREADABLE),
        (b"9999999999" + ours()[10:], Unpaid.UNREADABLE),
        (ours("http://secret.example/x"), Unpaid.UNREADABLE),
        (ours("http%3A%2F%2Fsecret.example"), Unpaid.UNREADABLE),
        (ours()[:60], Unpaid.UNREADABLE),
    ],
)
def test_nobody_pays(line: bytes, why: Unpaid) -> None:
    assert read_line(line, LogFormat.TWINPURSE) is why


@pytest.mark.parametrize(
    "user",
    [
        "http://secret.example/diary?pw=1 alice",
        "secret.example:443 alice",
        "secret.example:443 -",
        "c/d.html alice",
        "me?pw=secret alice",
        "my pw=secret alice",
        "my secret diary -",
        "x HIER_DIRECT/192.0.2.1 alice",
    ],
)
def test_a_piece_of_an_address_is_no_user(user: str) -> None:
    assert read_line(native(user), LogFormat.SQUID) is Unpaid.UNREADABLE


@pytest.mark.parametrize("url", ["http://secret.example/x", "secret.example:443", "/x", "*", "urn", "a b c"])
@pytest.mark.parametrize("user", ["alice", "a%20b", "-"])
def test_lines_of_our_format_read_as_squids_own_charge_nobody(url: str, user: str) -> None:
    assert read_line(ours(user, url=url), LogFormat.SQUID) is Unpaid.UNREADABLE


@pytest.mark.parametrize("user", ["alice", "a b", "-"])
def test_lines_of_squids_own_format_read_as_ours_charge_nobody(user: str) -> None:
    assert read_line(native(user), LogFormat.TWINPURSE) is Unpaid.UNREADABLE


@pytest.mark.parametrize("tag", ["TCP_MEM_HIT/200", "TCP_HIT/200", "TCP_TUNNEL/200", "TCP_MISS_ABORTED/200"])
def test_hits_tunnels_and_broken_off_replies_are_charged(tag: str) -> None:
    hier = "HIER_NONE/-" if "HIT" in tag else ""
    assert read_line(ours(tag=tag, hier=hier), LogFormat.TWINPURSE) == moved(cached="HIT" in tag)


@pytest.mark.parametrize(
    ("tag", "cached"),
    [
        ("TCP_REFRESH_UNMODIFIED/200", True),
        ("TCP_IMS_HIT/304", True),
        ("TCP_MEM_HIT_ABORTED/200", True),
        ("TCP_REFRESH_MODIFIED/200", False),
        ("TCP_MISS/200", False),
        ("TCP_CLIENT_REFRESH_MISS/200", False),
    ],
)
def test_what_came_out_of_the_cache(tag: str, cached: bool) -> None:
    traffic = read_line(ours(tag=tag), LogFormat.TWINPURSE)
    assert isinstance(traffic, Traffic)
    assert traffic.cached is cached


@pytest.mark.parametrize(
    ("client", "port"), [("127.0.0.1", 0), ("127.0.0.1:41234", 41234), ("2001:db8::1:41234", 41234)]
)
def test_the_clients_port_may_be_in_the_line(client: str, port: int) -> None:
    line = ours().replace(b" 127.0.0.1 ", f" {client} ".encode())
    assert read_line(line, LogFormat.TWINPURSE) == moved(port=port)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://h.example/a/b", b"h.example"),
        ("h.example:443", b"h.example:443"),
        ("http://h.example:8080", b"h.example:8080"),
        ("ftp://u@h.example/x", b"u@h.example"),
        ("[2001:db8::1]:443", b"[2001:db8::1]:443"),
    ],
)
def test_the_host_of_an_address(url: str, host: bytes) -> None:
    assert read_line(ours(url=url), LogFormat.TWINPURSE) == moved(host=host)


def test_an_address_that_looks_like_the_cache_manager_is_charged_when_a_server_answered() -> None:
    line = ours(url="http://big.example/squid-internal-mgr/film.mp4")
    assert read_line(line, LogFormat.TWINPURSE) == moved(host=b"big.example")


def test_spaces_in_an_address_do_not_move_the_user() -> None:
    line = ours(url="http://h/a b bob HIER_DIRECT/6.6.6.6 text/html")
    assert read_line(line, LogFormat.TWINPURSE) == moved()


def test_a_method_of_digits_is_no_size() -> None:
    assert read_line(native(method="5"), LogFormat.SQUID) == moved(up=0)


@pytest.mark.parametrize("log_format", list(LogFormat))
def test_two_lines_in_one_never_charge_the_second_user_for_the_first(log_format: LogFormat) -> None:
    first, second = (ours("a"), ours("b")) if log_format is LogFormat.TWINPURSE else (native("a"), native("b"))
    for cut in range(1, len(first)):
        assert read_line(first[:cut] + second, log_format) in (Unpaid.UNREADABLE, Unpaid.DENIED), first[:cut]


@pytest.mark.parametrize("log_format", list(LogFormat))
def test_noise_never_raises(log_format: LogFormat) -> None:
    dice = random.Random(7)  # noqa: S311 (the same dice each time)
    for _ in range(3000):
        line = bytearray(ours() if log_format is LogFormat.TWINPURSE else native())
        for _ in range(dice.randrange(1, 6)):
            line[dice.randrange(len(line))] = dice.choice(b" %\\/-.0\xff\x00aA1")
        read_line(bytes(line), log_format)
        name_from_url_code(bytes(dice.randrange(256) for _ in range(8)))


def test_time_of_a_line() -> None:
    assert line_time_ms(ours()) == AT
    assert line_time_ms(b"1795396116,598 x") is None
    assert line_time_ms(b"179539611.598 x") is None
    assert line_time_ms(b"") is None
