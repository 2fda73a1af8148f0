"""The printer's last word on a job: asked by IPP, since the backend that drives it may have ended before it was said.

CUPS's ipp backend looks at the job from two threads. When its main one sees first that the job has ended, the other
cannot say any more that it was aborted, and it exits with 0 (cups 2.4, backend/ipp.c). So the printer itself is asked.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from edge.ipp import IppError, Job, NoSuchJobError, get_job, get_jobs

COMPLETED: Final = "completed"
ABORTED: Final = "aborted"
CANCELED: Final = "canceled"
AT_WORK: Final = "at work"
FORGOTTEN: Final = "forgotten"
SILENT: Final = "silent"
STATES: Final = {7: CANCELED, 8: ABORTED, 9: COMPLETED}  # RFC 8011, 5.3.7; the lower numbers are on their way
STATE: Final = "job-state"
IMPRESSIONS: Final = "job-impressions-completed"
REASONS: Final = "job-state-reasons"
WANTED: Final = ("job-id", STATE, REASONS, IMPRESSIONS)
FOUND_BY: Final = ("job-id", "job-name", "job-originating-user-name", "time-at-creation", "job-printer-up-time", STATE)
ANSWER_S: Final = 2.0
PAUSE_S: Final = 0.2
SLACK_S: Final = 2.0
TITLE_TOLD: Final = 60  # printers cut long titles at places of their own


class Handed(NamedTuple):
    """A job that a printer has taken: its URI, and the number that it gave."""

    uri: str
    job: int


class Word(NamedTuple):
    """What a printer says of a job: how it stands, its impressions (None: it does not say), and its own reasons."""

    state: str
    pages: int | None = None
    reasons: str = ""

    @property
    def final(self) -> bool:
        """Whether nothing more will come out."""
        return self.state in (COMPLETED, ABORTED, CANCELED, FORGOTTEN)

    @property
    def failed(self) -> bool:
        """Whether the printer gave the job up, or was told to."""
        return self.state in (ABORTED, CANCELED)


def ask_printer(handed: Sequence[Handed], user: str, seconds: float, pause: Callable[[float], bool]) -> Word | None:
    """What the printer says of these jobs together, when it has ended them, or what it says after `seconds`.

    None when it has taken no job. `pause` sleeps; when it returns False nothing more is waited for.
    """
    deadline = time.monotonic() + seconds
    while handed:
        word = together([_word(one, user) for one in handed])
        if word.final or time.monotonic() + PAUSE_S > deadline or not pause(PAUSE_S):
            return word
    return None


def _word(handed: Handed, user: str) -> Word:
    try:
        return _read(get_job(handed.uri, handed.job, user=user, wanted=WANTED, seconds=ANSWER_S))
    except NoSuchJobError:
        return Word(FORGOTTEN)
    except IppError as error:
        return Word(SILENT, None, str(error))


def _read(job: Job) -> Word:
    state, pages = (job.get(name, [None])[0] for name in (STATE, IMPRESSIONS))
    if type(state) is not int:
        return Word(SILENT, None, "it does not say how the job stands")
    reasons = ", ".join(str(one) for one in job.get(REASONS, []))
    return Word(STATES.get(state, AT_WORK), pages if type(pages) is int and pages > 0 else None, reasons)


def together(words: Sequence[Word]) -> Word:
    """Several jobs of a printer as one: unfinished while one is, failed when one failed; their pages added."""
    order = (SILENT, AT_WORK, ABORTED, CANCELED, FORGOTTEN, COMPLETED)
    worst = min(words, key=lambda word: order.index(word.state))
    said = [word.pages for word in words if word.pages is not None]
    return Word(worst.state, sum(said) if said else None, worst.reasons)


def find_job(uri: str, *, user: str, title: str, since_s: float) -> list[Handed]:
    """The job of that user and title that the printer was given at most `since_s` seconds ago: the last one.

    For prints whose backend died before it could note the printer's number. Raises IppError.
    """
    found = []
    for which in ("completed", "not-completed"):
        for job in get_jobs(uri, which=which, user=user, wanted=FOUND_BY, seconds=ANSWER_S):
            number, name, owner, made, clock, _ = (job.get(key, [None])[0] for key in FOUND_BY)
            if type(number) is not int or str(name)[:TITLE_TOLD] != title[:TITLE_TOLD] or owner != user:
                continue
            if type(made) is int and type(clock) is int and clock - made <= since_s + SLACK_S:
                found.append(number)
    return [Handed(uri, max(found))] if found else []
