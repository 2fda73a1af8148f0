"""How far the reading of old logs is, in words and as a bar."""

from __future__ import annotations

import io

import pytest

from edge.squid_progress import Progress, progress_text, time_in_words


class Terminal(io.StringIO):
    """Text that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_lines_share_rate_and_time_left() -> None:
    assert (
        progress_text(1_200_000, 25, 100, 2.0)
        == "[======>                 ]  25 %  1,200,000 lines  600,000 lines/s  6 s left"
    )
    assert progress_text(10, 100, 100, 1.0) == f"[{'=' * 24}] 100 %  10 lines  10 lines/s  0 s left"
    assert "left" not in progress_text(0, 0, 100, 0.0)


@pytest.mark.parametrize(("seconds", "words"), [(12, "12 s"), (99.4, "99 s"), (180, "3 min"), (7500, "2 h 05 min")])
def test_time_in_words(seconds: float, words: str) -> None:
    assert time_in_words(seconds) == words


def test_a_terminal_gets_a_bar_and_a_journal_lines() -> None:
    for out, every, end in ((Terminal(), 0.2, "\r"), (io.StringIO(), 10.0, "\n")):
        now = [0.0]
        progress = Progress(1000, out=out, clock=lambda now=now: now[0])  # type: ignore[misc]
        progress.step(5, 900)
        assert out.getvalue() == ""
        now[0] = every
        progress.step(5, 500)
        assert "50 %  10 lines" in out.getvalue()
        assert end in out.getvalue()
        progress.done()
        assert out.getvalue().endswith(" s\n") or "lines/s" in out.getvalue()
