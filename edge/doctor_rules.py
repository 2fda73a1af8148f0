"""Who gets through: tried once, and told by going through the http_access lines as Squid does."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Final, NamedTuple

from edge.doctor_checks import ASKED, Finding, Fine, Found, http_status
from edge.doctor_conf import BUILT_IN, NAME_CODE, Directive, SquidConf

DEEPEST: Final = 8
EVERYBODY: Final = frozenset({"all", "ipv4", "0/0", "0.0.0.0/0"})
WIDE: Final = {4: 16, 6: 64}
"""Networks with prefixes up to these are where people are; a narrower one may be some servers that nobody sits at."""
ABOUT_SITES: Final = frozenset(
    {"dst", "dstdomain", "dstdom_regex", "url_regex", "urlpath_regex", "urllogin", "ssl::server_name"}
)
REDIRECTS: Final = range(300, 400)
BEHIND: Final = ("url_rewrite_program", "redirect_program", "cache_peer", "icap_service", "ecap_service")
OPEN: Final = "Everybody can use the Internet without paying, and nothing of it can be charged."
ASKING: Final = frozenset({"proxy_auth", "proxy_auth_regex"})
SIGN_IN: Final = (
    "http_access deny !twinpurse_signed_in   before every other http_access allow: the first line that matches decides"
)


class Person(NamedTuple):
    """Somebody on the network who asks for an ordinary site and can sign in.

    `may`: the purse lasts. `tunnel`: it is https. `narrow`: they sit in a network that may be one of servers.
    """

    may: bool
    tunnel: bool = False
    narrow: bool = False


class End(NamedTuple):
    """How it ended: the line that decided (None: none did), whether they were `asked` to sign in.

    `sure`: no line that may have let them through had to be left out since it says what cannot be told from here.
    """

    rule: Directive | None
    allowed: bool
    asked: bool
    sure: bool

    @property
    def line(self) -> str:
        """The line that decided, for people."""
        return f"{self.rule.text} ({self.rule.place})" if self.rule else "the end of all http_access lines"


def check_access(conf: SquidConf) -> Found:
    """Look whether people are asked to sign in, who has nothing left is kept out, and the others get through."""
    known = _ours(conf)
    if conf.helper() is not None and not known:
        yield _no_acl(conf)
    empty = [_walk(conf, Person(may=False, tunnel=tunnel)) for tunnel in (False, True)]
    full = [_walk(conf, Person(may=True, tunnel=tunnel)) for tunnel in (False, True)]
    nameless = next((end for end in empty if end.allowed and not end.asked), None)
    passed = next((end for end in empty if end.allowed and end.asked), None)
    kept = next((end for end in full if not end.allowed and end.sure), None)
    tried = _try(conf, nameless)
    yield tried
    if nameless is not None and not (isinstance(tried, Finding) and tried.why == OPEN):
        yield Finding("bad", f"Nobody on the network is asked to sign in: {nameless.line} comes first.", OPEN, SIGN_IN)
    if nameless is None and passed is not None and known:
        yield _surfs_on(conf, passed, sorted(known))
    if kept is not None:
        yield Finding(
            "bad", f"Who has signed in and has something left is refused, by {kept.line}.", "Nobody gets through.",
            "http_access allow twinpurse_signed_in   as the last of our lines, before every http_access deny all",
        )  # fmt: skip
    if not (nameless or passed or kept) and known:
        yield from _narrow(conf)
        yield Fine("The http_access lines keep out who has nothing left.")


def _try(conf: SquidConf, nameless: End | None) -> Finding | Fine:
    """Ask the proxy for an address without signing in: it must want to know who asks (407)."""
    where = conf.port()
    if where is None:
        return Finding(
            "warn", "squid.conf names no http_port for browsers.", "It was not tried whether the proxy is open.",
            "http_port 3128",
        )  # fmt: skip
    status = http_status(where, ASKED)
    if status == 0:
        return Finding(
            "bad", f"Squid does not answer at {where[0]}:{where[1]}.", "Nobody gets through.", "systemctl status squid"
        )
    if status in REDIRECTS and nameless is None and not _led_by_others(conf):
        return Finding(
            "warn", f"Without a name one is led to another page (answer {status}) and not asked for a password (407).",
            "Browsers ask for a password at 407 only. (A deny_info with an address leads to a page.)",
            "http_access deny !twinpurse_signed_in   before the http_access deny that leads to the page",
        )  # fmt: skip
    if status not in (401, 403, 407):
        first = f"; here {nameless.line} comes first" if nameless and nameless.rule else ""
        return Finding(
            "bad", f"A request without a name went through the proxy (answer {status}).", OPEN, f"{SIGN_IN}{first}"
        )
    return Fine(f"The proxy lets nobody through who has not signed in (answer {status}).")


def _led_by_others(conf: SquidConf) -> bool:
    """Whether a redirect is the answer of who comes behind the http_access lines: the request went through these."""
    pages = any("://" in word for each in conf.all("deny_info") for word in each.words[:1])
    return not pages and any(conf.all(name) for name in BEHIND)


def _no_acl(conf: SquidConf) -> Finding:
    kind = conf.helpers()[0].words[0]
    defined = {each.words[0] for each in conf.all("external_acl_type") if each.words}
    wrong = [
        each for each in conf.all("acl")
        if each.words[1:2] == ("external",) and not defined.intersection(each.words[2:3])
    ]  # fmt: skip
    other = f"; {wrong[0].text} ({wrong[0].place}) names one that there is not" if wrong else ""
    return Finding(
        "bad", f"No acl asks our helper, the external_acl_type {kind}{other}.", "Who has nothing left goes on.",
        f"acl twinpurse_may external {kind}",
    )  # fmt: skip


def _surfs_on(conf: SquidConf, passed: End, ours: list[str]) -> Finding:
    used = any(word.removeprefix("!") in ours for rule in conf.all("http_access") for word in rule.words[1:])
    if used:
        what = f"An empty purse surfs on: {passed.line} lets people through before our helper is asked."
    else:
        what = f"An empty purse surfs on: no http_access line asks our helper ({ours[0]})."
    place = f"   before {passed.line}" if passed.rule else ""
    return Finding(
        "bad", what, "Who has nothing left is never refused.", f"http_access deny !{ours[0]} twinpurse_page{place}"
    )


def _narrow(conf: SquidConf) -> Iterator[Finding]:
    """What small networks are let off: often servers, which is meant; but nobody who sits there is charged."""
    for tunnel in (False, True):
        end = _walk(conf, Person(may=False, tunnel=tunnel, narrow=True))
        if end.allowed and end.rule is not None:
            which = "are not asked to sign in" if not end.asked else "go on with an empty purse"
            yield Finding(
                "warn", f"Some addresses {which}: {end.line}.", "People who sit there do not pay.",
                "leave it so for servers; else take the line out",
            )  # fmt: skip
            return


def _walk(conf: SquidConf, person: Person) -> End:
    """Go through the lines in order until one matches; what cannot be told from here does not match."""
    rules = [each for each in conf.all("http_access") if each.words[:1] in (("allow",), ("deny",))]
    place = _Place(conf, person)
    for rule in rules:
        place.allow = rule.words[0] == "allow"
        place.limited = False
        matched = place.all_of(rule.words[1:], 0)
        if matched:
            return End(rule, place.allow, place.asked, place.sure)
        # Some sites may be all that there is to reach, and somebody may have good reasons for what is not understood.
        if place.allow and (matched is None or (place.limited and place.asked)):
            place.sure = False
    # Squid then does the opposite of the last line; and refuses where there is none.
    allowed = bool(rules) and rules[-1].words[0] == "deny"
    return End(None, allowed, place.asked, place.sure)


class _Place:
    """Where somebody stands among the lines. Of each acl: True, False, or None where it cannot be told from here."""

    def __init__(self, conf: SquidConf, person: Person) -> None:
        self.person = person
        self.allow = False
        self.asked = False
        self.sure = True
        self.limited = False  # the line speaks of certain sites only
        self._acls: dict[str, list[tuple[str, ...]]] = {name: [line] for name, line in BUILT_IN.items()}
        seen = set()
        for each in conf.all("acl"):
            if len(each.words) > 1:
                name = each.words[0]
                self._acls[name] = [*(self._acls[name] if name in seen else []), each.words[1:]]
                seen.add(name)
        self._ours = _ours(conf)
        self._named = {
            each.words[0] for each in conf.all("external_acl_type")
            if each.words and (NAME_CODE.search(each.text) or "LOGIN" in each.text)
        }  # fmt: skip

    def all_of(self, words: tuple[str, ...], depth: int) -> bool | None:
        """Whether all of a line's acls match, looked at from left to right as Squid does."""
        found: bool | None = True
        for word in words:
            value = self._value(word.removeprefix("!"), depth, sure=found is True)
            if value is None:
                found = None
            elif value == word.startswith("!"):
                return False
        return found

    def _value(self, name: str, depth: int, *, sure: bool) -> bool | None:
        lines = self._acls.get(name)
        if lines is None or depth > DEEPEST:
            return None
        kind = lines[0][0]
        values = tuple(word for line in lines for word in line[1:] if not word.startswith("-"))
        if kind in ASKING or (kind == "external" and (name in self._ours or self._named.intersection(values[:1]))):
            self.asked = self.asked or sure
        if name in self._ours:
            return self.person.may
        if kind in ("all-of", "any-of"):
            sets = [line[1:] for line in lines] if kind == "all-of" else [(word,) for word in values]
            return _any([self.all_of(words, depth + 1) for words in sets])
        return self._plain(kind, values)

    def _plain(self, kind: str, values: tuple[str, ...]) -> bool | None:
        if kind == "src":
            return self._sits_in(values)
        if kind in ABOUT_SITES:
            if kind == "dst" and not EVERYBODY.isdisjoint(values):
                return True
            self.limited = True
            return False if self.allow else None  # who keeps out all but some sites lets people reach these
        if kind == "method":
            return ("CONNECT" if self.person.tunnel else "GET") in values
        if kind == "port":
            return any(_holds_port(value, 443 if self.person.tunnel else 80) for value in values)
        if kind == "proto" and (not self.person.tunnel or not {"HTTP", "HTTPS"} & set(values)):
            return "HTTP" in values
        if kind == "proxy_auth" and values[:1] == ("REQUIRED",):
            return True
        return True if kind in ("annotate_client", "annotate_transaction") else None

    def _sits_in(self, values: tuple[str, ...]) -> bool | None:
        """Whether they are in one of these networks: for each question in those that make the better answer."""
        narrow = self.person.may or self.person.narrow or not self.allow
        found = _any([_holds_people(value, narrow=narrow) for value in values])
        if found and self.person.may and not self.allow and EVERYBODY.isdisjoint(values):
            return None  # a network that is kept out is not where all people are
        return found


def _ours(conf: SquidConf) -> frozenset[str]:
    """The acls that ask our helper."""
    kinds = {each.words[0] for each in conf.helpers()}
    return frozenset(
        each.words[0] for each in conf.all("acl")
        if each.words[1:2] == ("external",) and kinds.intersection(each.words[2:3])
    )  # fmt: skip


def _any(found: list[bool | None]) -> bool | None:
    return True if True in found else None if None in found else False


def _holds_people(value: str, *, narrow: bool) -> bool | None:
    """Whether people sit at an address that `acl ... src` names; None: it is a file, or not understood."""
    if value in EVERYBODY:
        return True
    if value == "ipv6":
        return narrow
    first, dash, last = value.partition("/")[0].partition("-")
    with suppress(ValueError):
        if dash:
            ends = ipaddress.ip_address(first), ipaddress.ip_address(last)
            bits = ends[0].max_prefixlen - (int(ends[1]) - int(ends[0])).bit_length()
            network = ipaddress.ip_network(f"{first}/{bits}", strict=False)
        else:
            network = ipaddress.ip_network(value, strict=False)
        if network.is_loopback or network.num_addresses == 1:
            return False
        return True if network.prefixlen <= WIDE[network.version] else narrow
    return None


def _holds_port(value: str, port: int) -> bool:
    found = re.fullmatch(r"([0-9]+)(?:-([0-9]+))?", value)
    return found is not None and int(found[1]) <= port <= int(found[2] or found[1])
