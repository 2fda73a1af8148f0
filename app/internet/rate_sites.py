"""Names of sites as functions of values: pasted domains, read line by line; a host found by its longest suffix."""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit

from language import N_, _, _n, numbers

NAME_MAX: Final = 253
LABEL_MAX: Final = 63
DOMAINS_MAX: Final = 50_000
PROBLEMS_SHOWN: Final = 20
SHOWN_OF_A_NAME: Final = 60
OF_NOBODY: Final = ("127.0.0.1", "0.0.0.0", "::1", "::")  # noqa: S104 - nothing listens: lists of hosts send names there
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?", re.ASCII)
_DOTS = re.compile("[.\N{IDEOGRAPHIC FULL STOP}\N{FULLWIDTH FULL STOP}\N{HALFWIDTH IDEOGRAPHIC FULL STOP}]")


@dataclass(frozen=True)
class Read:
    """What was pasted: the domains, each once, in order; how many were there twice; what is wrong, with its line."""

    domains: tuple[str, ...]
    doubled: int
    problems: tuple[tuple[int, str], ...]


def read_domains(text: str, *, taken: Mapping[str, str] | None = None) -> Read:
    """Read pasted domains: one or several on a line, also as addresses; "#" begins a remark.

    `taken`: domains that are in another list -> its name; one domain cannot have two prices.
    """
    found: dict[str, None] = {}
    problems: list[tuple[int, str]] = []
    doubled = 0
    for number, line in enumerate(text.splitlines(), start=1):
        all_typed = _words(line)
        for typed in all_typed:
            try:
                name = site_name(typed)
                if len(all_typed) > 1 and not _DOTS.search(name) and not _is_address(name):  # else prose were sites
                    raise _wrong(N_("“%(name)s” has no dot; a name without one stands on a line of its own"), typed)
                if taken and name in taken:
                    said = _("“%(name)s” is in the list “%(list)s” already", name=_short(typed), list=taken[name])
                    raise ValueError(said)
            except ValueError as exc:
                problems.append((number, str(exc)))
                continue
            doubled += name in found
            found[name] = None
    if len(found) > DOMAINS_MAX:
        said = _(
            "These are %(number)s domains; a list holds %(most)s at most",
            number=numbers.count(len(found)),
            most=numbers.count(DOMAINS_MAX),
        )
        problems.append((1, said))
    return Read(tuple(found), doubled, tuple(problems))


def _words(line: str) -> list[str]:
    """What a line names: without a remark, and without the address in front of a name in a file such as /etc/hosts."""
    typed = [each for each in re.split(r"[\s,;]+", line.partition("#")[0]) if each]
    return typed[1:] if len(typed) > 1 and typed[0] in OF_NOBODY else typed


def site_name(typed: str) -> str:
    """Return the one form of a site's name: lower case, ASCII (RFC 3492), no port, no dot at its ends.

    "https://Example.ORG./", "*.example.org", ".example.org:8080" are example.org. Raises ValueError, with a sentence
    that lacks its point, for what is no name of a site.
    """
    text = typed.strip()
    if "://" in text:
        parts = _split(text)
        if parts.path.strip("/") or parts.query or parts.fragment:
            raise _wrong(N_("“%(name)s” is one page; only whole sites can be listed"), typed)
        text = parts.netloc.rpartition("@")[2]
    elif "/" in text.rstrip("/"):
        raise _wrong(N_("“%(name)s” is one page or a range of addresses; only whole sites can be listed"), typed)
    name = host_name(text.rstrip("/").removeprefix("*").removeprefix("."))
    if name and _is_address(name):
        return name
    if len(name) > NAME_MAX:
        raise _wrong(N_("“%(name)s” is longer than a name can be"), typed)
    for label in name.split("."):
        if len(label) > LABEL_MAX or not _LABEL.fullmatch(label):
            raise _wrong(N_("“%(name)s” is no name of a site"), typed)
    if re.fullmatch("[0-9.]+", name):
        raise _wrong(N_("“%(name)s” is no address of a machine"), typed)
    return name


def host_name(host: str) -> str:
    """Return the form in which hosts are compared; what is no host stays as it is, in lower case."""
    text = host.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    if _is_address(text):
        return str(ipaddress.ip_address(text))
    return ".".join(_ascii(label) for label in _DOTS.split(text)).rstrip(".")


def list_of(host: str, lists: Mapping[str, int]) -> int:
    """Return the list of sites that a host is in, by its longest suffix, 0 for none. `lists`: domain -> list."""
    name = host_name(host)
    if _is_address(name):
        return lists.get(name, 0)
    while name:
        if name in lists:
            return lists[name]
        name = name.partition(".")[2]
    return 0


def problems_in_words(problems: Sequence[tuple[int, str]]) -> list[str]:
    """Return problems with their lines, the first twenty and how many more there are."""
    words = [
        _("Line %(number)s: %(problem)s.", number=number, problem=problem)
        for number, problem in problems[:PROBLEMS_SHOWN]
    ]
    more = len(problems) - PROBLEMS_SHOWN
    return words + ([_n("And %(num)s more like these.", "And %(num)s more like these.", more)] if more > 0 else [])


def _wrong(text: str, typed: str) -> ValueError:
    return ValueError(_(text, name=_short(typed)))


def _ascii(label: str) -> str:
    """A label as it is written in the DNS. Upper case and forms are folded as browsers do (UTS 46); ß stays ß."""
    if label.isascii():
        return label.lower()
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", label).lower())
    return folded if folded.isascii() else "xn--" + folded.encode("punycode").decode()


def _split(text: str) -> SplitResult:
    try:
        return urlsplit(text)
    except ValueError:
        raise _wrong(N_("“%(name)s” is no address of a site"), text) from None


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text


def _short(text: str) -> str:
    shown = "".join(char for char in text if char.isprintable())
    return shown if len(shown) <= SHOWN_OF_A_NAME else shown[:SHOWN_OF_A_NAME] + "…"
