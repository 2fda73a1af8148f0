"""What a copy remembers from one start to the next: the last answer, what was shown, and how large the text is."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Final

FILE: Final = "remembered.json"
SHOWN_MAX: Final = 200
ZOOM_LEAST: Final = 0.8
ZOOM_MOST: Final = 3.0
FILE_BYTES_MAX: Final = 1_000_000


@dataclass
class Remembered:
    """Of one person at one server: `body` is the last balance answer, `heard_at` (epoch s) when it was last true."""

    server: str = ""
    body: dict[str, Any] = field(default_factory=dict)
    etag: str = ""
    heard_at: float = 0.0
    news: str = ""
    after: str = ""
    shown: list[str] = field(default_factory=list)
    low_on: str = ""
    zoom: float = 1.0

    def first_time(self, message_id: str) -> bool:
        """Whether a message was not shown before; it counts as shown from now on."""
        if message_id in self.shown:
            return False
        self.shown = [*self.shown[-SHOWN_MAX + 1 :], message_id]
        return True

    def first_low_today(self, today: date) -> bool:
        """Whether nothing was said of a low balance today; it counts as said from now on."""
        if self.low_on == today.isoformat():
            return False
        self.low_on = today.isoformat()
        return True

    def forget_person(self) -> None:
        """Forget everything about who was signed in; the size of the text stays."""
        # A new beginning of this object, which others hold; mypy minds that a subclass could begin otherwise.
        self.__init__(server=self.server, zoom=self.zoom)  # type: ignore[misc]


def load(folder: Path, *, server: str) -> Remembered:
    """Return what was kept for this server; afresh where there is nothing, nonsense, or another server's."""
    try:
        with (folder / FILE).open("rb") as file:
            kept = json.loads(file.read(FILE_BYTES_MAX))
        found = Remembered(**kept)
    except (OSError, ValueError, TypeError, RecursionError):
        return Remembered(server=server)
    fresh = Remembered(server=server)
    if {k: type(v) for k, v in asdict(found).items()} != {k: type(v) for k, v in asdict(fresh).items()}:
        return fresh
    found.zoom = min(max(found.zoom, ZOOM_LEAST), ZOOM_MOST)
    if found.server != server:
        found.server = server
        found.forget_person()
    return found


def save(folder: Path, what: Remembered) -> None:
    """Keep it; readable by its owner only. Raises OSError."""
    write_private(folder / FILE, json.dumps(asdict(what)))


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all. Raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}-{os.getpid()}")
    try:
        fresh.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
