"""Finds text of templates that stands outside of translations: `python -m tests.language.untranslated FOLDER...`."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from jinja2 import Environment

SHOWN = re.compile(r"""\b(?:aria-label|aria-description|title|placeholder|alt|data-label)=["']([^"']*)""")
LETTERS = re.compile(r"[^\W\d_]{2,}")
SENTENCE = re.compile(r"^(?!<)(?:[A-Z][a-z]+$|[A-Z].*[a-z]{2,}[.!?]$|.*[^\W\d_]{2,},? [^\W\d_]{2,})", re.S)
"""Words for people: one with a capital, or several. One small word is a class or a name in code."""
IN_SHOWN = re.compile(r"""\b(?:aria-label|aria-description|title|placeholder|alt|data-label)=["'][^"']*$""")
PROPER = {"Twinpurse", "CSV", "JSON", "MB", "GB", "kB", "PDF", "Wi-Fi", "LDAP", "RADIUS", "Squid", "CUPS", "FreeRADIUS"}
PROPER |= {"Esc", "min", "07:00 EST", "07:00 EDT"}
IN_TAGS = re.compile(r"<!--.*?-->|<(?:[^<>]|\n)*>?", re.S)


def untranslated(source: str) -> Iterator[tuple[int, str]]:
    """Yield (line, text) for each text that people would read and that no translation surrounds."""
    env = Environment(extensions=["jinja2.ext.i18n"], autoescape=True)
    inside, within_tag, in_shown, tokens = False, False, False, list(env.lex(source))
    block: list[tuple[int, str, str]] = []
    for line, kind, value in tokens:
        if kind == "data" and not inside:
            for text in (*SHOWN.findall(value), *_texts(value, within_tag)):
                if LETTERS.search(re.sub(r"&\w+;", "", text)) and text.strip(" \n.,:;·()") not in PROPER:
                    yield line, " ".join(text.split())
        if kind == "data":
            within_tag = _ends_in_tag(value, within_tag)
            in_shown = within_tag and IN_SHOWN.search(value) is not None
        elif kind in ("block_begin", "variable_begin"):
            block = []
        elif kind in ("block_end", "variable_end"):
            names = [text for _line, what, text in block if what == "name"]
            if kind == "block_end" and names[:1] in (["trans"], ["endtrans"]):
                inside = names[0] == "trans"
            elif in_shown or not within_tag:
                yield from _strings(block)
        elif kind != "whitespace":
            block.append((line, kind, value))


def _texts(data: str, within_tag: bool) -> list[str]:
    if within_tag:
        _before, closed, data = data.partition(">")
        if not closed:
            return []
    return [text for text in IN_TAGS.sub("\0", data).split("\0") if text.strip()]


def _ends_in_tag(data: str, within_tag: bool) -> bool:
    opened, closed = data.rfind("<"), data.rfind(">")
    return within_tag if opened == closed == -1 else opened > closed


def _strings(block: list[tuple[int, str, str]]) -> Iterator[tuple[int, str]]:
    """Strings of an expression that look like words for people and are no argument of `_`."""
    depth: list[bool] = []
    for before, (line, kind, value) in zip([(0, "", ""), *block], block, strict=False):
        if kind == "operator" and value in "([{":
            depth.append(value == "(" and before[2] in ("_", "_n", "gettext", "ngettext"))
        elif kind == "operator" and value in ")]}" and depth:
            depth.pop()
        elif kind == "string" and not any(depth) and SENTENCE.search(value[1:-1]) and value[1:-1] not in PROPER:
            yield line, value


def main(folders: list[str]) -> int:
    """Print what was found, and return 1 when anything was."""
    found = 0
    for folder in folders:
        root = Path(folder)
        for path in [root] if root.is_file() else sorted(root.rglob("*.html")):
            for line, text in untranslated(path.read_text("utf-8")):
                found += 1
                print(f"{path}:{line}: {text}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
