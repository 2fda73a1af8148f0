"""The faults that proxies usually have, each looked for on its own: what was found, why it matters, what to change."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from edge.doctor_conf import FOLLOWER, HEADER_OF_PASSWORD, HEADERS_CODE, HELPER, Directive, SquidConf

TTL_MOST_S: Final = 10
TTL_DEFAULT_S: Final = 3600
ANSWER_S: Final = 10.0
ASKED: Final = "http://nobody-has-this-name.invalid/"
"""Ends in .invalid (RFC 2606): no request can reach anybody."""

ASKED_NAME: Final = re.compile(r"%[#'\"/\[]?(?:LOGIN|un|ul|ue|ui)")
ASKED_HOST: Final = re.compile(r"%[#'\"/\[]?(?:DST|>rd)")
"""The words of external_acl_type: the name of who asks, and the host that is asked for."""


class Finding(NamedTuple):
    """One fault. `state`: "bad" (money or passwords are lost, or all is let through) or "warn"."""

    state: str
    what: str
    why: str
    change: str


class Fine(NamedTuple):
    """Something that was looked at and is as it should be."""

    what: str


Found = Iterator[Finding | Fine]


def check_conf(conf: SquidConf) -> Found:
    """Look at what squid.conf says: sign-in, helper, what its logs hold."""
    for problem in conf.unreadable:
        yield Finding("warn", f"{problem}.", "What stands in it was not looked at.", "Run this as root.")
    if not conf.all("auth_param"):
        yield Finding(
            "bad", "Nobody signs in at this proxy: squid.conf has no auth_param.",
            "Without a name nothing can be charged.",
            "auth_param basic program /usr/lib/squid/basic_ldap_auth ...   (the set-up page has the whole line)",
        )  # fmt: skip
    for each in conf.all("auth_param"):
        if [word.lower() for word in each.words[1:3]] == ["casesensitive", "on"]:
            yield Finding(
                "warn", f"Names keep upper and lower case ({each.place}).",
                "Alice and alice are one purse, but two to Squid: each signs in, and is remembered, on its own.",
                f"auth_param {each.words[0]} casesensitive off",
            )  # fmt: skip
    yield from _helper(conf.helper())
    yield from _workers(conf)
    yield from _headers(conf)


def _helper(helper: Directive | None) -> Found:
    if helper is None:
        yield Finding(
            "bad", "Squid asks nobody whether a purse still lasts: there is no external_acl_type with our helper.",
            "Who has nothing left goes on.",
            "external_acl_type twinpurse ttl=1 negative_ttl=1 ... /usr/local/bin/twinpurse-squid-acl "
            "--config /etc/twinpurse/edge.toml",
        )  # fmt: skip
        return
    ttl = _number(helper.option("ttl"), TTL_DEFAULT_S)
    negative = _number(helper.option("negative_ttl"), ttl)
    for name, value, who in (
        ("ttl", ttl, "an empty purse surfs on"), ("negative_ttl", negative, "a filled purse stays shut"),
    ):  # fmt: skip
        if value > TTL_MOST_S:
            given = "" if helper.option(name) is not None else ", since the line does not say it"
            yield Finding(
                "bad" if name == "ttl" else "warn",
                f"Squid keeps the helper's answer for {value} seconds ({name}{given}; {helper.place}).",
                f"For so long {who}.",
                "external_acl_type twinpurse ttl=1 negative_ttl=1 ...",
            )
    if not any(word.startswith(("%#LOGIN", "%#un", "%#ul")) for word in helper.words):
        yield Finding(
            "bad", f"The helper gets names as they are, not URL-encoded ({helper.place}).",
            "A name with a space becomes two fields, and another person's purse may be looked at.",
            "write %#LOGIN, with the #, in the external_acl_type line",
        )  # fmt: skip
    if not _number(helper.option("concurrency"), 0):
        yield Finding(
            "bad", f"Squid asks the helper without numbering its questions (no concurrency; {helper.place}).",
            "The helper can answer none of them, and nobody gets through.",
            "external_acl_type twinpurse ... concurrency=100 queue-size=1000 ...",
        )  # fmt: skip
    yield from _fields(helper)
    if max(ttl, negative) <= TTL_MOST_S:
        yield Fine("Squid asks our helper, and keeps its answers for seconds only.")


def _fields(helper: Directive) -> Found:
    """What Squid tells the helper: the name, then the host."""
    codes = [word for word in helper.words if word.startswith("%")]
    change = "external_acl_type twinpurse ... %#LOGIN %DST /usr/local/bin/twinpurse-squid-acl ..."
    name = next((place for place, code in enumerate(codes) if ASKED_NAME.fullmatch(code)), 0)
    if name:
        yield Finding(
            "bad", f"The helper takes {codes[0]} for the name: it stands before {codes[name]} ({helper.place}).",
            "It finds nobody of that name, and nobody gets through.", change,
        )  # fmt: skip
    elif not codes[1:] or not ASKED_HOST.fullmatch(codes[1]):
        yield Finding(
            "warn", f"The helper is not told which site is asked for: %DST does not follow the name ({helper.place}).",
            "Sites that are always open are closed to who has nothing left.", change,
        )  # fmt: skip


def _workers(conf: SquidConf) -> Found:
    """What is right for one process of Squid, or for few requests, but late for more."""
    workers, helper, late = conf.last("workers"), conf.helper(), conf.last("buffered_logs")
    if workers and helper and _number(next(iter(workers.words), None), 1) > 1 and not _shares(helper):
        yield Finding(
            "warn", f"Each of Squid's workers has a helper that asks the instance by itself ({workers.place}).",
            "That is so many questions each second; with --shared one helper asks for all.",
            "add to the end of the external_acl_type line   --shared /var/spool/squid/twinpurse-standing",
        )  # fmt: skip
    if late is not None and late.is_on:
        yield Finding(
            "warn", f"Squid keeps lines of the log back (buffered_logs; {late.place}).",
            "What was used is charged late, and who has nothing left is noticed late.", "buffered_logs off",
        )  # fmt: skip


def _shares(helper: Directive) -> bool:
    return any(word.partition("=")[0] == "--shared" for word in helper.words)


def _headers(conf: SquidConf) -> Found:
    """Whether passwords get into a log: all headers do with log_mime_hdrs, which some codes switch on by themselves."""
    why = "Every line then holds the headers of the request, and in them the password of whoever asked, readable."
    found = False
    switch = conf.last("log_mime_hdrs")
    if switch is not None and switch.is_on:
        found = True
        yield Finding("bad", f"log_mime_hdrs is on ({switch.place}).", why, "log_mime_hdrs off")
    for each in conf.all("logformat"):
        codes = " ".join(each.words[1:])
        bare = HEADERS_CODE.search(codes)
        if bare or HEADER_OF_PASSWORD.search(codes):
            found = True
            what = bare[0] if bare else "the header of the password"
            yield Finding(
                "bad", f"The logformat {each.words[0]} writes {what} ({each.place}).", why,
                "take it out of the line; %{tag}note, with its name, is harmless",
            )  # fmt: skip
    if not found:
        yield Fine("squid.conf writes no headers, and so no passwords, into its logs.")


def check_manager(where: tuple[str, int] | None) -> Found:
    """Ask Squid what runs, as live metering does."""
    if where is None:
        yield Finding(
            "warn", "Long downloads and tunnels are charged when they end: edge.toml has no [live].",
            "Somebody can use much more than they have in one long connection.",
            '[live]   manager = "http://127.0.0.1:3128"   in edge.toml',
        )  # fmt: skip
        return
    status = http_status(where, "/squid-internal-mgr/active_requests")
    if status != 200:
        yield Finding(
            "bad", f"Squid does not tell what runs (answer {status or 'none'} at {where[0]}:{where[1]}).",
            "Live metering does not work: long connections are charged when they end.",
            "http_access allow localhost manager   before http_access deny manager, and before every other allow",
        )  # fmt: skip
    else:
        yield Fine("Squid tells live metering what runs.")


def running(commands: Sequence[str], config: Path, program: str) -> list[str]:
    """Of the command lines of all that runs those of a program of ours, which has its config file in every one."""
    return [command for command in commands if str(config) in command and program in command.replace("_", "-")]


def check_processes(commands: Sequence[str], config: Path) -> Found:
    """Look whether helper and follower run with this config file. `commands`: the command lines of all that runs."""
    if not running(commands, config, HELPER):
        yield Finding(
            "bad", "The access helper does not run.",
            "Squid starts it at the first request that needs it; when it cannot, it lets nobody through, or ends.",
            "look for twinpurse-squid-acl in /var/log/squid/cache.log; try "
            "sudo -u proxy twinpurse-squid-acl --config /etc/twinpurse/edge.toml --check",
        )  # fmt: skip
    else:
        yield Fine("The access helper runs.")
    if not running(commands, config, FOLLOWER):
        yield Finding(
            "bad", "The follower does not run.", "Nothing is charged until it does; then it is, from the log.",
            "systemctl enable --now twinpurse-squid-log",
        )  # fmt: skip
    else:
        yield Fine("The follower runs.")


def http_status(where: tuple[str, int], address: str) -> int:
    """GET an address at a port of this machine; return the status, 0 for no answer."""
    request = f"GET {address} HTTP/1.1\r\nHost: {where[0]}:{where[1]}\r\nConnection: close\r\n\r\n"
    if address.startswith("http://"):
        request = request.replace(f"Host: {where[0]}:{where[1]}", f"Host: {address.split('/')[2]}")
    try:
        with socket.create_connection(where, timeout=ANSWER_S) as door:
            door.sendall(request.encode("ascii"))
            words = door.recv(64).split()
    except OSError:
        return 0
    return int(words[1]) if len(words) > 1 and words[0].startswith(b"HTTP/") and words[1].isdigit() else 0


def _number(text: str | None, default: int) -> int:
    return int(text) if text and text.isdigit() else default
