"""Whether the follower can read what Squid writes: the fields of the log's format, beside those that it goes by."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from edge.doctor_checks import Finding, Found
from edge.doctor_conf import BUILT_IN, NAME_CODE, SQUIDS_OWN, WITH_NAMES, Directive, SquidConf
from edge.squid_lines import LogFormat

OURS: Final = LogFormat.TWINPURSE.value
NATIVE: Final = LogFormat.SQUID.value
FIELDS: Final = "%ts.%03tu %6tr %>a:%>p %Ss/%03>Hs %<st %>st %rm %ru %#un %Sh/%<a %mt"
READ: Final = (
    r"%ts\.%03tu",
    r"%-?[0-9]*tr",
    r"\S+",
    r"%Ss/%[0-9]*>?Hs",
    r"%-?[0-9]*<st",
    r"%-?[0-9]*>st",
    r"\S+",
    r"%>?r[ud]",
    r"%#u[nlei]",
    r"%Sh/\S+",
    r"\S+",
)
"""What may stand in the place of each of FIELDS and is read the same."""
ASKED_NATIVE: Final = re.compile(r"--format[= ]squid\b")
CHANGE: Final = f"logformat {OURS} {FIELDS}"


def check_format(conf: SquidConf, log: Path, followers: Sequence[str]) -> Found:
    """Look at the format of the log that is followed. `followers`: the command lines of the followers that run."""
    unknown = _unknown(conf)
    if unknown is not None:
        yield Finding(
            "bad", f"{unknown.text} ({unknown.place}) names a format that no logformat before it defines.",
            "Squid does not start with such a line.", CHANGE,
        )  # fmt: skip
        return
    told = {ASKED_NATIVE.search(command) is not None for command in followers}
    for each, path, name in conf.logs():
        line = conf.formats().get(name) if name not in SQUIDS_OWN else None
        if path != log or (name not in WITH_NAMES if line is None else not NAME_CODE.search(line.text)):
            continue  # that it has no names is said by itself
        finding = _finding(each, name, line, told)
        if finding is not None:
            yield finding
            return


def _finding(each: Directive, name: str, line: Directive | None, told: set[bool]) -> Finding | None:
    """What is wrong with a log's format. `told`: whether the followers that run were told to read Squid's own."""
    why = "The follower knows fields by their places: what it misreads is charged wrongly, or to nobody."
    if line is None and name != NATIVE:
        return Finding(
            "bad", f"The follower cannot read the log's format {name} ({each.place}).", "Nothing of it is charged.",
            f"{each.name} {each.words[0]} {OURS}   and before it   {CHANGE}",
        )  # fmt: skip
    if len(told) == 1 and (line is None) not in told:
        native = line is None
        return Finding(
            "bad", f"The log's format is {name} ({each.place}), and the follower reads {OURS if native else NATIVE}.",
            why, f"{'--format squid   in' if native else 'no --format in'} the follower's unit",
        )  # fmt: skip
    if line is None:
        return None
    wanted, codes = FIELDS.split(), list(line.words[1:])
    for place, pattern in enumerate(READ):
        if place >= len(codes) or not re.fullmatch(pattern, codes[place]):
            found = codes[place] if place < len(codes) else "nothing"
            break
    else:
        if len(codes) == len(wanted):
            return None
        place, found = len(wanted), codes[len(wanted)]
    wants = f"{wanted[place]} should stand" if place < len(wanted) else "the line should end"
    return Finding("bad", f"The logformat {name} has {found} where {wants} ({line.place}).", why, CHANGE)


def _unknown(conf: SquidConf) -> Directive | None:
    """A line that names a format which is not there; Squid takes an unknown second word for an acl."""
    known = set(SQUIDS_OWN)
    acls = {each.words[0] for each in conf.all("acl") if each.words} | set(BUILT_IN)
    for each in conf.directives:
        if each.name == "logformat":
            known |= set(each.words[:1])
        elif each.name == "access_log" and each.words[:1] != ("none",):
            plain = next((word for word in each.words[1:2] if "=" not in word and word[0] != "!"), "")
            name = each.option("logformat")
            if (name or plain) and (name or plain) not in known and (name or plain not in acls):
                return each
    return None
