"""squid.conf as Squid reads it: directives in order, with the files it includes; and what matters here in them."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

DEEPEST: Final = 16
HELPER: Final = "squid-acl"
"""What the command of the access helper has in its name, `twinpurse-squid-acl` or `edge/squid_acl.py`."""
FOLLOWER: Final = "squid-log"
NAME_CODE: Final = re.compile(r"%[-0-9.]*[#\"'\[/]?(?:un|ul|ui|ue|us|\{[^}]*\}un)\b")
HEADERS_CODE: Final = re.compile(r"%[-0-9.]*[#\"'\[/]?(?:>h|<h|>ha|note)(?![a-zA-Z])")
HEADER_OF_PASSWORD: Final = re.compile(r"\{(?:proxy-)?authorization(?::[^}]*)?\}>h", re.IGNORECASE)
SQUIDS_OWN: Final = frozenset({"squid", "common", "combined", "referrer", "useragent", "icap_squid"})
WITH_NAMES: Final = frozenset({"squid", "common", "combined"})
BUILT_IN: Final = {
    "all": ("src", "all"),
    "localhost": ("src", "127.0.0.0/8"),
    "to_localhost": ("dst", "127.0.0.0/8"),
    "to_linklocal": ("dst", "169.254.0.0/16"),
    "manager": ("url_regex", "squid-internal-mgr"),
    "CONNECT": ("method", "CONNECT"),
}
"""The acls that Squid has without a line for them."""


class Directive(NamedTuple):
    """One line: its first word, the others, and where it stands."""

    name: str
    words: tuple[str, ...]
    file: Path
    line: int

    @property
    def place(self) -> str:
        """Where it stands, for people."""
        return f"{self.file}:{self.line}"

    @property
    def text(self) -> str:
        """The line."""
        return " ".join((self.name, *self.words))

    @property
    def is_on(self) -> bool:
        """Whether it switches something on; Squid takes "enable" too, with a warning."""
        return self.words[:1] in (("on",), ("enable",))

    def option(self, name: str) -> str | None:
        """The value of the option `name=value`, None where it is not given."""
        found = [word.partition("=")[2] for word in self.words if word.startswith(f"{name}=")]
        return found[-1] if found else None


class SquidConf(NamedTuple):
    """All directives, and the files that could not be read."""

    directives: tuple[Directive, ...]
    unreadable: tuple[str, ...]

    def all(self, name: str) -> list[Directive]:
        """The directives of a name, in order."""
        return [each for each in self.directives if each.name == name]

    def last(self, name: str) -> Directive | None:
        """The one that counts of a directive of which the last does."""
        return next(iter(reversed(self.all(name))), None)

    def logs(self) -> list[tuple[Directive, Path, str]]:
        """The logs into files: the line, the file, and the name of the format (Squid's own: "squid")."""
        found = []
        for each in self.all("access_log"):
            place = each.words[0] if each.words else "none"
            if place == "none" or re.match(r"(?:tcp|udp|syslog):", place):
                continue
            path = re.sub(r"^(?:stdio|daemon):", "", place)
            plain = next((word for word in each.words[1:2] if "=" not in word and not word.startswith("!")), "")
            known = SQUIDS_OWN | {one.words[0] for one in self.all("logformat") if one.words}
            name = each.option("logformat") or (plain if plain in known else "squid")
            found.append((each, Path(path), name))
        return found

    def formats(self) -> dict[str, Directive]:
        """The formats of logs by name; the last of a name counts."""
        return {each.words[0]: each for each in self.all("logformat") if each.words}

    def helper(self) -> Directive | None:
        """The external_acl_type that runs our helper."""
        return next(iter(self.helpers()), None)

    def helpers(self) -> list[Directive]:
        """All of external_acl_type that run our helper."""
        return [each for each in self.all("external_acl_type") if HELPER in each.text.replace("_", "-")]

    def port(self) -> tuple[str, int] | None:
        """Where Squid takes requests of browsers, as seen from this machine."""
        for each in self.all("http_port"):
            if each.words and not {"intercept", "transparent", "tproxy", "accel"} & set(each.words):
                host, _, number = each.words[0].rpartition(":")
                if number.isdigit():
                    host = host.strip("[]")
                    return ("127.0.0.1" if host in ("", "0.0.0.0", "::") else host), int(number)  # noqa: S104 - read
        return None


def read_conf(path: Path) -> SquidConf:
    """Read a squid.conf and what it includes, as far as it can be read."""
    unreadable: list[str] = []
    return SquidConf(tuple(_read(path, unreadable, 0)), tuple(unreadable))


def _read(path: Path, unreadable: list[str], depth: int) -> Iterator[Directive]:
    try:
        lines = path.read_text("utf-8", "replace").splitlines()
    except OSError as error:
        unreadable.append(f"{path}: {error.strerror}")
        return
    begun, text = 0, ""
    for number, line in enumerate(lines, 1):
        begun = begun if text else number
        text += line
        if text.endswith("\\"):  # goes on in the next line
            text = text[:-1]
            continue
        words = _words(text)
        text = ""
        if not words:
            continue
        if words[0] == "include" and depth < DEEPEST:
            for pattern in words[1:]:
                for name in sorted(glob.glob(pattern)):
                    yield from _read(Path(name), unreadable, depth + 1)
        else:
            yield Directive(words[0], tuple(words[1:]), path, begun)


def _words(line: str) -> list[str]:
    """A line's words without its comment; Squid takes # for one at the beginning of a line or behind a space."""
    return re.sub(r"(?:^|\s)#.*", "", line).split()
