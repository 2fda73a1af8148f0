"""What is wrong with how CUPS is set up, as far as charging goes: pure functions of its config files' text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

SECTION: Final = re.compile(r"<(/?)(\w+)\s*([^>]*)>")
LOCAL_ONLY: Final = re.compile(r"(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$|/", re.IGNORECASE)
PRINTING: Final = frozenset({"create-job", "print-job"})
RELEASING: Final = frozenset({"release-job"})
NO_LIMIT: Final = frozenset({"0", "0s", "0m"})


@dataclass
class _Section:
    """A part of cupsd.conf in angle brackets: what it is for, its directives, and the parts inside it."""

    kind: str
    about: str
    directives: list[tuple[str, str]] = field(default_factory=list)
    inside: list[_Section] = field(default_factory=list)

    def value(self, name: str) -> str:
        """The last value of a directive, lower case; "" where it is absent."""
        return next((value.lower() for key, value in reversed(self.directives) if key == name), "")


def faults_of_cupsd(text: str) -> list[str]:
    """Return the codes of what is wrong in this cupsd.conf (cupsd.conf(5)); the instance has words for them."""
    conf = _read(text)
    found = []
    if _listens_to_others(conf) and not _asks(conf, PRINTING):
        found.append("names_believed")
    if not _requires(conf, RELEASING):
        found.append("anybody_releases")
    if conf.value("maxjobtime") not in NO_LIMIT:  # three hours by default
        found.append("job_time")
    return found


def _read(text: str) -> _Section:
    top = _Section("", "")
    path = [top]
    for line in text.splitlines():
        words = line.strip()
        section = SECTION.fullmatch(words)
        if section and section[1]:
            del path[max(1, len(path) - 1) :]
        elif section:
            opened = _Section(section[2].lower(), section[3].strip().lower())
            path[-1].inside.append(opened)
            path.append(opened)
        elif words and not words.startswith("#"):
            name, _, value = words.partition(" ")
            path[-1].directives.append((name.lower(), value.strip()))
    return top


def _listens_to_others(conf: _Section) -> bool:
    listening = [value for name, value in conf.directives if name in ("listen", "ssllisten")]
    return bool(conf.value("port")) or any(not LOCAL_ONLY.match(address) for address in listening)


def _asks(conf: _Section, operations: frozenset[str]) -> bool:
    """Whether these operations need a password: in the default policy, or because the whole server needs one."""
    root = [part for part in conf.inside if part.kind == "location" and part.about == "/"]
    parts = [*root, *_limits(conf, operations)]
    default = conf.value("defaultauthtype") or "basic"
    return any(part.value("require") and (part.value("authtype") or default) != "none" for part in parts)


def _requires(conf: _Section, operations: frozenset[str]) -> bool:
    return any(part.value("require") for part in _limits(conf, operations))


def _limits(conf: _Section, operations: Sequence[str] | frozenset[str]) -> Iterator[_Section]:
    """The limits of the default policy that hold for these operations: the one that names them, else "All"."""
    name = conf.value("defaultpolicy") or "default"
    for policy in (part for part in conf.inside if part.kind == "policy" and part.about == name):
        limits = [part for part in policy.inside if part.kind == "limit"]
        named = [part for part in limits if set(operations) & set(part.about.split())]
        yield from named or [part for part in limits if part.about == "all"]
