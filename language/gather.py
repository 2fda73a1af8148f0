"""Gathers the texts of the tree into the catalogues: `python -m language.gather`, which `make translations` calls.

What is translated stays; new texts come with an empty translation and are counted; what no code says any more is
dropped. The compiled catalogue (.mo) is written beside, since it is what a program reads.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from language.speech import CATALOG, LANGUAGES

ROOT: Final = Path(__file__).resolve().parent.parent
ROOMS: Final = ("app", "language", "portal", "directory")
METHODS: Final = [("**.py", "python"), ("**.html", "jinja2.ext:babel_extract"), ("**.txt", "jinja2.ext:babel_extract")]
OPTIONS: Final = {
    pattern: {"trimmed": "true", "trim_blocks": "true", "lstrip_blocks": "true", "newstyle_gettext": "true"}
    for pattern in ("**.html", "**.txt")
}
KEYWORDS: Final = {"_": None, "_n": (1, 2), "N_": None, "gettext": None, "ngettext": (1, 2)}


def gathered() -> Catalog:
    """Return every text of the tree, with the files that say it."""
    texts = Catalog(fuzzy=False, charset="utf-8")
    for room in ROOMS:
        found = extract_from_dir(ROOT / room, METHODS, OPTIONS, KEYWORDS, strip_comment_tags=True)
        for name, _line, message, _comments, _context in found:
            texts.add(message, None, [(f"{room}/{name}", 0)])
    return texts


def catalog_file(code: str) -> Path:
    """Return where the translations into a language lie."""
    return CATALOG / code / "LC_MESSAGES" / "messages.po"


def translated(path: Path) -> Catalog:
    """Read a file of translations. Raises OSError, or ValueError for what is no such file."""
    with path.open("rb") as file:
        return read_po(file, abort_invalid=True)


def filled(texts: Catalog, code: str, sources: Iterator[Catalog] | list[Catalog]) -> Catalog:
    """Return a catalogue of `texts` in the language `code`, from the first source that knows each."""
    known: dict[object, Any] = {}
    for source in sources:
        for each in source:
            if each.id and _says_something(each):
                known.setdefault(_key(each), each.string)
    result = Catalog(locale=code, fuzzy=False, charset="utf-8", project="Twinpurse", header_comment=HEADER)
    for each in sorted((each for each in texts if each.id), key=lambda each: str(each.id)):
        files = sorted({name for name, _line in each.locations})
        result.add(each.id, known.get(_key(each)), [(name, 0) for name in files])
    return result


HEADER: Final = "# The texts of Twinpurse. Written anew by `make translations`, which keeps what is translated."


def missing(catalog: Catalog) -> list[Message]:
    """Return the texts that nobody has translated."""
    return [each for each in catalog if each.id and not _says_something(each)]


def as_po(catalog: Catalog) -> bytes:
    """Return the catalogue as a file for translators, without dates and line numbers: it changes with texts only."""
    out = io.BytesIO()
    write_po(out, catalog, width=120, include_lineno=False, omit_header=False)
    lines = out.getvalue().decode("utf-8").splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith(DATED)).encode("utf-8")


UNDATED: Final = datetime(2026, 1, 1, tzinfo=UTC)
"""Stands in compiled catalogues, which would else differ each time they are made."""
DATED: Final = ('"POT-Creation-Date', '"PO-Revision-Date', '"Generated-By', '"Last-Translator', '"Language-Team')


def as_mo(po: bytes) -> bytes:
    """Return the compiled form of a translators' file."""
    out, catalog = io.BytesIO(), read_po(io.BytesIO(po))
    catalog.creation_date = catalog.revision_date = UNDATED
    write_mo(out, catalog)
    return out.getvalue()


def main() -> int:
    """Write every language's catalogue anew, say what is missing, and return 1 when something is."""
    parser = argparse.ArgumentParser(description="Gather the texts of the tree into the catalogues.")
    parser.add_argument("--from", dest="folder", type=Path, help="a folder of more translations (.po)")
    arguments = parser.parse_args()
    texts, holes = gathered(), 0
    for code in (each.code for each in LANGUAGES.values() if each.has_catalog):
        path = catalog_file(code)
        sources = [translated(each) for each in sorted(arguments.folder.glob("*.po"))] if arguments.folder else []
        sources += [translated(path)] if path.exists() else []
        catalog = filled(texts, code, sources)
        po = as_po(catalog)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(po)
        path.with_suffix(".mo").write_bytes(as_mo(po))
        lacking = missing(catalog)
        holes += len(lacking)
        print(f"{code}: {len(catalog)} texts, {len(lacking)} not translated")
        by_file = Counter(name for each in lacking for name, _line in each.locations)
        for name, number in sorted(by_file.items()):
            print(f"  {number:4} {name}")
    return 1 if holes else 0


def _key(message: Message) -> object:
    return tuple(message.id) if isinstance(message.id, list | tuple) else message.id


def _says_something(message: Message) -> bool:
    strings = message.string if isinstance(message.string, list | tuple) else [message.string]
    return bool(strings) and all(strings)


if __name__ == "__main__":
    sys.exit(main())
