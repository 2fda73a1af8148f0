"""Files of the form of Java's `.properties`, as administrators write them: any encoding, any line end, any editor."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

BYTES_MAX: Final = 64_000
BOMS: Final = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
PAIR: Final = re.compile(r"((?:\\.|[^\\=:\s])+)\s*[=:\s]?\s*(.*)", re.DOTALL)
ESCAPED: Final = re.compile(r"\\(u[0-9A-Fa-f]{4}|.)", re.DOTALL)


@dataclass(frozen=True)
class Pair:
    """One `key=value`, and the number of the line on which it begins."""

    line: int
    key: str
    value: str


class UnreadableError(Exception):
    """The file is there but cannot be read; the message says why."""


def read(path: Path) -> list[Pair] | None:
    """Return the pairs of a file in their order, None where there is no such file. Raises UnreadableError."""
    try:
        with path.open("rb") as file:
            content = file.read(BYTES_MAX + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UnreadableError(error.strerror or str(error)) from None
    if len(content) > BYTES_MAX:
        raise UnreadableError(f"it is longer than {BYTES_MAX:,} bytes")
    return parse(decode(content))


def decode(content: bytes) -> str:
    """Return the text of a file: by its byte order mark, else UTF-8 where it is that, else Latin-1 (Java's own)."""
    for mark, encoding in BOMS:
        if content.startswith(mark):
            return content.decode(encoding, "replace")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def parse(text: str) -> list[Pair]:
    r"""Return the pairs of a text: `key=value`, `key: value` or `key value`; `#` and `!` begin comments.

    A backslash at the end of a line continues it, `\uXXXX` is a character and `\:` a colon, as in Java; but one before
    any other letter stays, since people write `C:\temp` and mean no tab.
    """
    found, number = [], 0
    lines = re.split(r"\r\n|\r|\n", text)
    while number < len(lines):
        first = number
        line = lines[number].lstrip()
        number += 1
        if not line or line[0] in "#!":
            continue
        while _goes_on(line) and number < len(lines):
            line = line[:-1] + lines[number].lstrip()
            number += 1
        pair = PAIR.fullmatch(line)
        if pair is not None:
            found.append(Pair(first + 1, _unescape(pair[1]), _unescape(pair[2].rstrip())))
    return found


def _goes_on(line: str) -> bool:
    return (len(line) - len(line.rstrip("\\"))) % 2 == 1


def _unescape(text: str) -> str:
    def one(match: re.Match[str]) -> str:
        escaped = match[1]
        if len(escaped) == 5:
            return chr(int(escaped[1:], 16))
        return match[0] if escaped.isalnum() else escaped

    # Java writes what lies beyond U+FFFF as two escapes; half of such a pair alone is no character.
    return ESCAPED.sub(one, text).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
