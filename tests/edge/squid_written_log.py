"""A log written and rotated by the test itself, as Squid and logrotate do it."""

from __future__ import annotations

from pathlib import Path

from edge.squid_files import Place
from edge.squid_lines import line_time_ms
from edge.squid_tail import LogTail


class WrittenLog:
    """A log as Squid writes it: numbered lines with growing times, renamed at rotation."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.written = 0
        self.start_ms = 1_795_000_000_000
        self.warnings: list[str] = []
        path.touch()

    def line(self, number: int) -> bytes:
        at = self.start_ms + number * 10
        return f"{at // 1000}.{at % 1000:03d} line {number}".encode()

    def write(self, count: int = 1, *, path: Path | None = None) -> None:
        with (path or self.path).open("ab") as file:
            for _ in range(count):
                file.write(self.line(self.written) + b"\n")
                self.written += 1

    def rotate(self, keep: int = 9) -> None:
        self.rename(keep)
        self.path.touch()

    def rename(self, keep: int = 9) -> None:
        for number in reversed(range(keep)):
            old = self.path.with_name(f"{self.path.name}.{number}")
            if old.exists() and number == keep - 1:
                old.unlink()
            elif old.exists():
                old.rename(self.path.with_name(f"{self.path.name}.{number + 1}"))
        self.path.rename(self.path.with_name(f"{self.path.name}.0"))

    def tail(self, place: Place | None = None, *, chunk: int = 256 * 1024) -> LogTail:
        tail = LogTail(self.path, time_of=line_time_ms, warn=self.warnings.append, chunk=chunk)
        if place is None:
            tail.begin()
        else:
            tail.resume(place)
        return tail

    def numbers(self, lines: list[bytes]) -> list[int]:
        return [int(line.rsplit(b" ", 1)[1]) for line in lines]

    def all_of(self, tail: LogTail) -> list[int]:
        return self.numbers(tail.read(100_000))
