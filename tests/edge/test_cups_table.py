"""The charge is what came out of the printer, once: documents and options, on real queues, printers and books."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import pikepdf
import pytest

from tests.edge.charge_table import CENT, Case, Table
from tests.edge.charged_place import ChargedPlace, coloured_pdf
from tests.servers.documents import pdf

x = 1
FILTERED, IPP_RAW, SOCKET, SOCKET_RAW = "filtered", "ipp-raw", "socket", "socket-raw"
TWICE = ("-n", "2")
TWO_SIDED = ("-o", "sides=two-sided-long-edge")
HELD = ("held",)


@dataclass(frozen=True)
class Job:
    """A document that is printed with options, and what must be charged for it."""

    name: str
    queue: str
    document: bytes
    options: tuple[str, ...]
    pages: int | None
    cents: int | None
    states: tuple[str, ...] = ("completed",)

    @property
    def case(self) -> Case:
        """As a row of the table."""
        return Case(
            self.name, self.queue, self.pages, None if self.cents is None else self.cents * CENT, None, self.states
        )


def print_all(place: ChargedPlace, title: str, jobs: Sequence[Job]) -> None:
    """Print one after the other; show the table."""
    table = Table(title)
    for number, job in enumerate(jobs):
        document = place.write(f"{number}.document", job.document)
        table.add(job.case, place.see(lambda job=job, path=document: print_one(place, job, path)))
    table.check()


def print_one(place: ChargedPlace, job: Job, path: object) -> str:
    return place.finish(place.print(job.queue, path, *job.options), timeout_s=150)  # type: ignore[arg-type]


def locked_pdf(pages: int) -> bytes:
    out = io.BytesIO()
    with pikepdf.open(io.BytesIO(pdf(pages))) as document:
        document.save(out, encryption=pikepdf.Encryption(owner="owner", user="secret"))
    return out.getvalue()


QUICK = (
    Job("3 pages, 2 copies", FILTERED, pdf(3), TWICE, 6, 30),
    Job("5 colour pages of 20", SOCKET_RAW, coloured_pdf(20, (1, 5, 6, 7, 20)), (), 20, 175),
    Job("3 pages two-sided", SOCKET, pdf(3), TWO_SIDED, 3, 12),
    Job("A3 in colour, A3, A4", SOCKET_RAW, coloured_pdf(3, (1,), a3=(1, 2)), (), 3, 55),
    Job("encrypted", SOCKET_RAW, locked_pdf(3), (), 0, 0, HELD),
)


def by_documents(queue: str) -> list[Job]:
    """What every queue must charge alike: one copy, one side, nothing asked for."""
    return [
        Job("1 page", queue, pdf(1), (), 1, 5),
        Job("3 pages", queue, pdf(3), (), 3, 15),
        Job("200 pages", queue, pdf(200), (), 200, 1000),
        Job("5 colour pages of 20", queue, coloured_pdf(20, (1, 5, 6, 7, 20)), (), 20, 175),
        Job("2 copies", queue, pdf(3), TWICE, 6, 30),
        Job("2 copies, 1 page of 3 in colour", queue, coloured_pdf(3, (2,)), TWICE, 6, 60),
        # CUPS' own filter finds the last document only, so that is all that comes out; a raw queue prints both.
        Job(
            "two documents in one file",
            queue,
            pdf(3) + coloured_pdf(2, (1,)),
            (),
            *((5, 40) if "raw" in queue else (2, 25)),
        ),
        Job("5,000 pages", queue, pdf(5_000), (), 5_000, 25_000),
    ]


def by_options(queue: str) -> list[Job]:
    """What filters do: the options change the document, or the printer makes of it what they say."""
    return [
        Job("two-sided", queue, pdf(4), TWO_SIDED, 4, 16),
        # For a colour printer CUPS' own filter adds the blank side, which comes out.
        Job("two-sided, odd", queue, pdf(3), TWO_SIDED, *((4, 16) if queue == FILTERED else (3, 12))),
        Job("two-sided, odd, 2 copies", queue, pdf(3), (*TWICE, *TWO_SIDED), None, None),
        Job("two pages on a side", queue, pdf(3), ("-o", "number-up=2"), 2, 10),
        Job("two pages on a side, 2 copies", queue, pdf(8), (*TWICE, "-o", "number-up=2"), 8, 40),
        Job("pages 2-3 and 9 of 20", queue, pdf(20), ("-o", "page-ranges=2-3,9"), 3, 15),
        Job("grey page of a coloured document", queue, coloured_pdf(3, (2,)), ("-o", "page-ranges=3"), 1, 5),
        Job("banner before and after", queue, pdf(3), ("-o", "job-sheets=standard,standard"), 5, None),
        Job("banner before", queue, pdf(3), ("-o", "job-sheets=classified,none"), 4, None),
        Job(
            "priority, billing, other words",
            queue,
            pdf(1),
            ("-q", "90", "-o", "job-billing=x", "-o", "fit-to-page"),
            1,
            5,
        ),
    ]


NOT_COUNTABLE = [
    ("truncated", pdf(3)[:700]),
    ("truncated, xref gone", pdf(200)[:-4000]),
    ("encrypted", locked_pdf(3)),
    ("0 pages", pdf(0)),
    ("Office file", b"PK\x03\x04" + bytes(500)),
    ("plain text", b"hello\n" * 100),
    ("picture", b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(500)),
]


def test_the_most_telling_cases(charged_place: ChargedPlace) -> None:
    print_all(charged_place, "Printed and charged, in short", QUICK)


@pytest.mark.long
@pytest.mark.parametrize("queue", [FILTERED, IPP_RAW, SOCKET, SOCKET_RAW])
def test_documents(charged_place: ChargedPlace, queue: str) -> None:
    print_all(charged_place, f"Documents: {queue}", by_documents(queue))


@pytest.mark.long
@pytest.mark.parametrize("queue", [FILTERED, SOCKET])
def test_options(charged_place: ChargedPlace, queue: str) -> None:
    print_all(charged_place, f"Options: {queue}", by_options(queue))


@pytest.mark.long
@pytest.mark.parametrize("queue", [IPP_RAW, SOCKET_RAW])
def test_what_cannot_be_counted_is_held(charged_place: ChargedPlace, queue: str) -> None:
    jobs = [Job(name, queue, content, (), 0, 0, HELD) for name, content in NOT_COUNTABLE]
    print_all(charged_place, f"Not countable: {queue}", jobs)


@pytest.mark.long
def test_what_filters_make_of_damaged_documents(charged_place: ChargedPlace) -> None:
    """They repair some, and give others up; whatever comes out is charged."""
    states = ("completed", "aborted", "canceled", "held", "stopped")
    jobs = [
        Job(name, queue, content, (), None, None, states)
        for queue in (FILTERED, SOCKET)
        for name, content in NOT_COUNTABLE[:4]
    ]
    print_all(charged_place, "Damaged, filtered", jobs)


@pytest.mark.long
@pytest.mark.parametrize("formats", ["image/pwg-raster", "image/urf,image/pwg-raster"])
def test_raster(charged_place: ChargedPlace, formats: str) -> None:
    """Filters make pixels of everything: nothing is estimated from the PDF."""
    with charged_place.raster_printer(formats) as queue:
        jobs = [
            Job("1 page", queue, pdf(1), (), 1, 5),
            Job("3 pages, 2 copies", queue, pdf(3), TWICE, 6, 30),
            Job("3 pages two-sided, and a blank side", queue, pdf(3), TWO_SIDED, 4, 16),
            Job("two pages on a side", queue, pdf(3), ("-o", "number-up=2"), 2, 10),
            Job("banner before", queue, pdf(3), ("-o", "job-sheets=standard,none"), 4, 20),
            Job("1 page of 3 in colour", queue, coloured_pdf(3, (2,)), (), 3, 30),
            Job("40 pages", queue, pdf(40), (), 40, 200),
        ]
        print_all(charged_place, f"Raster: {formats}", jobs)
