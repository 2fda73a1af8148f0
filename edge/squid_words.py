"""The lines that Squid and an access helper exchange: a request read, an answer written (Squid's external_acl_type)."""

from __future__ import annotations

import html
import re
import unicodedata
from typing import NamedTuple

from edge.squid_lines import name_from_url_code
from edge.standing import Verdict

LONGEST_MESSAGE = 500  # characters
CHANNEL = re.compile(rb"[0-9]{1,18}")
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
LOOKS_THE_SAME = {"\N{MINUS SIGN}": "-", "\N{NARROW NO-BREAK SPACE}": "\N{NO-BREAK SPACE}"}


def _own(english: str, german: str) -> Verdict:
    return Verdict(False, english, texts=(("en", english), ("de", german)))


EMPTY = _own(
    "Your Internet purse is empty. Your balance and next credit are on your Internet account page.",
    "Ihr Internetkonto ist leer. Guthaben und nächste Gutschrift stehen auf der Seite Ihres Internetkontos.",
)
NOT_KNOWN_NOW = _own(
    "Your Internet purse cannot be looked up just now. Try again in a minute.",
    "Ihr Internetkonto kann gerade nicht nachgesehen werden. Versuchen Sie es in einer Minute wieder.",
)
NOBODY = _own("Sign in to use the Internet.", "Melden Sie sich an, um das Internet zu nutzen.")
ALLOWED = Verdict(True)
BY_WORD: dict[bool | str, Verdict] = {
    True: ALLOWED,
    "slow": Verdict(True, how="slow"),
    "warn": Verdict(True, how="warn"),
}


class Request(NamedTuple):
    """One line of Squid's: the number to answer with, whom it is about (None: nobody that could have a purse), and the
    host that is asked for ("": not said)."""

    channel: bytes
    user: str | None
    host: str = ""


def read_request(line: bytes) -> Request | None:
    """Read `[channel-ID] user host [more]` (Squid manual, external_acl_type, concurrency > 0): `%#LOGIN %DST`.

    None when there is no channel-ID: the helper was configured without concurrency, or the line is damaged.
    """
    fields = line.split()
    if not fields or not CHANNEL.fullmatch(fields[0]):
        return None
    raw = fields[1] if len(fields) > 1 else b"-"
    host = fields[2].decode("utf-8", "replace") if len(fields) > 2 else "-"
    return Request(fields[0], None if raw == b"-" else name_from_url_code(raw), "" if host == "-" else host)


def answer_line(channel: bytes, verdict: Verdict) -> bytes:
    """The helper's answer: `OK`, or `ERR` with the quoted message; a backslash protects quotes and backslashes.

    The message in other languages follows as notes, `text_de_` and so on, for pages that show them as they are. Squid
    takes `slow_=yes` or `warn_=yes` as notes on the request, for `acl ... note` (names of one's own end in "_").
    """
    if verdict.allowed:
        return channel + (b" OK %b_=yes\n" % verdict.how.encode() if verdict.how else b" OK\n")
    texts = verdict.texts if verdict.message else EMPTY.texts
    notes = b"".join(b" text_%b_=%b" % (code.encode(), _for_a_page(text)) for code, text in texts)
    return channel + b" ERR message=" + _quoted(verdict.message or EMPTY.message) + notes + b"\n"


def broken_line(channel: bytes, why: str) -> bytes:
    """The answer `BH` ("broken helper"): no decision. Squid denies the request and logs the message."""
    return (channel + b" " if channel else b"") + b"BH message=" + _quoted(why) + b"\n"


def _quoted(text: str) -> bytes:
    plain = UNPRINTABLE.sub(" ", text)[:LONGEST_MESSAGE].replace("\\", "\\\\").replace('"', '\\"')
    return b'"' + b"".join(map(_page_byte, plain)) + b'"'


def _for_a_page(text: str) -> bytes:
    """A text that Squid puts into a page as it is (`@Squid{%'{name_}note}`): UTF-8, with HTML's characters escaped."""
    plain = html.escape(UNPRINTABLE.sub(" ", text)[:LONGEST_MESSAGE]).replace("\\", "&#92;")
    return b'"' + plain.encode("utf-8", "replace") + b'"'


def _page_byte(letter: str) -> bytes:
    """A letter as Squid can show it on its page.

    Squid writes each byte from 0x80 of a message as `&#NNN;` of its own (seen in 5.7), which makes two wrong letters
    of one in UTF-8. Browsers read these numbers as Windows-1252 (HTML standard, numeric character references), so
    in that code the euro sign and the letters of western Europe come out right; of others, what is plain remains.
    """
    try:
        return LOOKS_THE_SAME.get(letter, letter).encode("cp1252")
    except UnicodeEncodeError:
        return unicodedata.normalize("NFKD", letter).encode("ascii", "ignore") or b"?"
