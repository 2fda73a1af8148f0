"""A person's data as files: everything as JSON, one part as CSV, all parts as a ZIP of CSVs.

Each is read at one moment of the database, so that it agrees with itself, and is whole before the first byte is sent:
nobody gets half a file that looks like all of it. What is long waits on disk, not in memory.
"""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import IO, Any, Final

from sqlalchemy.orm import Session

from app.db import one_moment
from app.own_data import about_internet, about_money, about_person
from app.own_data.parts import AT_ONCE, Owner, Part, cell
from app.settings import Settings
from app.web.sheets import BOM, as_csv, guarded
from language import numbers

FORMAT: Final = "twinpurse-own-data"
VERSION: Final = 1
IN_MEMORY_BYTES: Final = 1_000_000
SENT_BYTES: Final = 64 * 1024
PARTS: Final = (*about_person.PARTS, *about_money.PARTS, *about_internet.PARTS)


def parts_of(settings: Settings) -> list[Part]:
    """Return the parts that there can be in an instance that charges what this one does."""
    return [part for part in PARTS if not part.needs or part.needs in settings.config.charges]


def as_json(owner: Owner, *, settings: Settings, now: datetime) -> IO[bytes]:
    """Return everything as one JSON document, to be read from its beginning."""
    file = _file()
    with one_moment() as session:
        for piece in _json(session, owner, settings, now):
            file.write(piece.encode())
    file.seek(0)
    return file


def as_table(part: Part, owner: Owner, *, settings: Settings) -> IO[bytes]:
    """Return one part as CSV, to be read from its beginning."""
    file = _file()
    with one_moment() as session:
        for piece in _csv(session, part, owner, settings):
            file.write(piece.encode())
    file.seek(0)
    return file


def as_archive(owner: Owner, *, settings: Settings, now: datetime) -> IO[bytes]:
    """Return all parts as CSVs in a ZIP, to be read from its beginning."""
    file = _file()
    with one_moment() as session, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for part in parts_of(settings):
            entry = zipfile.ZipInfo(f"{part.key}.csv", now.astimezone(settings.zone).timetuple()[:6])
            entry.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(entry, "w") as table:
                for piece in _csv(session, part, owner, settings):
                    table.write(piece.encode())
    file.seek(0)
    return file


def pieces(file: IO[bytes]) -> Iterator[bytes]:
    """Yield what is in a file, and close it."""
    with file:
        while piece := file.read(SENT_BYTES):
            yield piece


def size_of(file: IO[bytes]) -> int:
    """Return how many bytes are in a file that stands at its beginning."""
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    return size


def _json(session: Session, owner: Owner, settings: Settings, now: datetime) -> Iterator[str]:
    config = settings.config
    beginning = {
        "format": FORMAT,
        "version": VERSION,
        "made_at": now.astimezone(settings.zone).isoformat(timespec="seconds"),
        "instance": {
            "id": config.id,
            "name": config.name,
            "organisation": config.organisation,
            "charges": list(config.charges),
            "time_zone": config.time_zone,
        },
        "unit": {"kind": config.unit.kind, "symbol": config.unit.symbol, "decimals": config.unit.decimals},
    }
    yield _said(beginning)[:-1]
    for part in parts_of(settings):
        yield f",\n{_said(part.key)}: "
        yield from _json_of(session, part, owner, settings)
    yield "\n}\n"


def _json_of(session: Session, part: Part, owner: Owner, settings: Settings) -> Iterator[str]:
    names = part.columns(owner)
    rows = (_said(dict(zip(names, row, strict=True))) for row in _rows(session, part, owner, settings))
    if part.single:
        yield next(rows, "null")
        return
    yield "["
    for number, row in enumerate(rows):
        yield f"{',' if number else ''}\n {row}"
    yield "]"


def _csv(session: Session, part: Part, owner: Owner, settings: Settings) -> Iterator[str]:
    names = part.columns(owner)
    yield BOM + as_csv([names])
    rows = _rows(session, part, owner, settings)
    while some := list(islice(rows, AT_ONCE)):
        yield as_csv([_cell(part, name, value) for name, value in zip(names, row, strict=True)] for row in some)


def _cell(part: Part, name: str, value: Any) -> str:
    """A value as a spreadsheet reads it that is set to the language spoken now: amounts with its decimal sign."""
    if name in part.amounts or name in part.fine:
        return numbers.plain(value) if value is not None else ""
    return guarded(value) if isinstance(value, str) else cell(value)


def _rows(session: Session, part: Part, owner: Owner, settings: Settings) -> Iterator[Sequence[Any]]:
    return part.rows(session, owner, zone=settings.zone, decimals=settings.unit.decimals)


def _said(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _file() -> IO[bytes]:
    return tempfile.SpooledTemporaryFile(max_size=IN_MEMORY_BYTES)
