"""Pages of PDF: how many and on which paper by pikepdf, their colour by Ghostscript."""

from __future__ import annotations

import io
import mmap
import os
import sys

from counting.papers import paper_of_points
from counting.reasons import CannotCountError, Page

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO

END = b"%%EOF"
BEGIN = b"%PDF-"
SPACE = b"\0\t\n\f\r "
PASSED_OVER = 1_000  # bytes before a PDF's beginning, such as PJL: readers look for it in the first 1,024
DAMAGED = "the PDF is damaged"
ENCRYPTED = "the PDF is encrypted"
SEVERAL = "there are several documents in one file"


def pdf_pages(file: BinaryIO, *, colour: bool, begin: int = 0, end: int | None = None) -> list[Page]:
    """The pages of a PDF, or of several one after the other, that lie in a file. Raises CannotCountError.

    CUPS joins files so: those of `lp a.pdf b.pdf`, and banner pages.
    """
    with _mapped(file) as data:
        parts = _parts(data, begin, len(data) if end is None else end)
        only = len(parts) == 1 and data.find(BEGIN, 0, begin) < 0 and data.find(BEGIN, parts[0][1]) < 0
        if only and begin <= PASSED_OVER:
            return _pages_of_one(file, colour=colour)
        pages: list[Page] = []
        for first, last in parts:
            with _alone(data[first:last], in_memory=not colour) as one:
                pages += _pages_of_one(one, colour=colour)
        if len(parts) > 1 and _pages_of_all(file) > len(pages):
            raise CannotCountError(SEVERAL)
    return pages


def _pages_of_one(file: BinaryIO, *, colour: bool) -> list[Page]:
    """With `colour` two programs must agree on how many pages there are."""
    if not colour:
        return [(None, paper) for paper in pdf_papers(file)]
    from counting.ghostscript import NotDrawnError, Reading

    reading = Reading(file.fileno(), seekable=True)  # at once: it works while pikepdf counts
    try:
        papers = pdf_papers(file)
        colours = [coloured for coloured, _, _ in reading.pages()] if papers else []
    except NotDrawnError:
        colours = _colours_without_empty_pages(file)
    finally:
        reading.close()
    if len(colours) != len(papers):
        raise CannotCountError("two programs find different numbers of pages in the PDF")
    return list(zip(colours, papers, strict=True))


def _colours_without_empty_pages(file: BinaryIO) -> list[bool]:
    """Look again, but not at pages with nothing on them that say it is compressed: Ghostscript calls that an error."""
    from counting.ghostscript import NOT_DRAWN, NotDrawnError, Reading

    document = _open(_pikepdf_core(), file)  # kept, since its objects end with it
    contents = [page.obj.get("/Contents") for page in document.pages]
    empty = [one is not None and one.get("/Length") == 0 for one in contents]
    if not any(empty):
        raise NotDrawnError(NOT_DRAWN)
    if all(empty):
        return [False] * len(empty)
    only = ",".join(str(number) for number, nothing in enumerate(empty, start=1) if not nothing)
    reading = Reading(file.fileno(), seekable=True, only=only)
    try:
        looked = reading.pages()
        colours = [False if nothing else next(looked, (False, 0, 0))[0] for nothing in empty]
        if next(looked, None) is not None:
            raise CannotCountError(NOT_DRAWN)
        return colours
    finally:
        reading.close()


def pdf_papers(file: BinaryIO) -> list[str]:
    """The paper of each page that a PDF has, by walking its page tree. Raises CannotCountError.

    A file that would have to be repaired is not counted: the printer may see other pages in it than we do. Paper is the
    MediaBox in its UserUnit (ISO 32000-1, 14.11.2 and table 30): what the page is printed on, however it is cropped or
    turned.
    """
    core = _pikepdf_core()
    try:
        document = _open(core, file)
        if document.is_encrypted:
            raise CannotCountError(ENCRYPTED)
        papers = _papers(document)
        damaged = bool(document.get_warnings())
    except core.PasswordError:
        raise CannotCountError(ENCRYPTED) from None
    except (core.PdfError, ValueError, TypeError, RuntimeError, RecursionError, ArithmeticError):
        raise CannotCountError(DAMAGED) from None
    if damaged:
        raise CannotCountError(DAMAGED)
    return papers


def _pages_of_all(file: BinaryIO) -> int:
    """What a reader finds that takes several documents for one; 0 when it finds none."""
    core = _pikepdf_core()
    try:
        return len(_open(core, file).pages)
    except (core.PdfError, core.PasswordError, ValueError, TypeError, RuntimeError, RecursionError):
        return 0


def _open(core: Any, file: BinaryIO) -> Any:
    return core.Pdf._open(
        file,
        password="",
        suppress_warnings=True,
        attempt_recovery=False,
        inherit_page_attributes=True,
        access_mode=core.AccessMode.default,
        description="document",
        closing_stream=False,
    )


def _papers(document: Any) -> list[str]:
    known: dict[tuple[bytes, bytes], str] = {}
    papers = []
    for page in document.pages:
        box, unit = page.obj.get("/MediaBox"), page.obj.get("/UserUnit")
        # Their text is the same for nearly all pages, and spares the conversion of every number to a Decimal.
        key = (b"" if box is None else box.unparse(resolved=True), b"" if unit is None else str(unit).encode())
        if key not in known:
            known[key] = _paper(box, unit)
        papers.append(known[key])
    return papers


def _paper(box: Any, unit: Any) -> str:
    if box is None:
        return ""
    left, bottom, right, top = (float(edge) for edge in box)
    scale = 1.0 if unit is None else float(unit)
    return paper_of_points(abs(right - left) * scale, abs(top - bottom) * scale)


def _mapped(file: BinaryIO) -> mmap.mmap:
    try:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (ValueError, OSError):
        raise CannotCountError("the document is empty or not a plain file") from None


def _parts(data: mmap.mmap, begin: int, end: int) -> list[tuple[int, int]]:
    """Where each PDF begins and ends: one begins right after the end of another."""
    parts = []
    place = data.find(END, begin, end)
    while place >= 0:
        place += len(END)
        while place < end and data[place] in SPACE:
            place += 1
        if data[place : place + len(BEGIN)] == BEGIN and place < end:
            parts.append((begin, place))
            begin = place
        place = data.find(END, place, end)
    return [*parts, (begin, end)]


def _alone(content: bytes, *, in_memory: bool) -> BinaryIO:
    """A document as a file of its own: Ghostscript wants one that it can open, so one without a name."""
    if in_memory:
        return io.BytesIO(content)
    descriptor = os.memfd_create("document")
    try:
        file = open(descriptor, "w+b")  # noqa: SIM115 (the caller closes it)
        file.write(content)
        file.flush()
    except OSError:
        raise CannotCountError("there is no room to look at the documents one by one") from None
    file.seek(0)
    return file


def _pikepdf_core() -> Any:
    """pikepdf's compiled part, without the rest of the package when that goes: it takes 15 ms to load instead of 90.

    What is missing then is written in Python around it (metadata, images, outlines) and counts no pages. Should a
    version of pikepdf not load so, all of it is loaded.
    """
    import importlib
    import importlib.machinery

    found = importlib.machinery.PathFinder.find_spec("pikepdf")
    if "pikepdf" not in sys.modules and found is not None and found.submodule_search_locations:
        package = type(sys)("pikepdf")
        package.__path__ = list(found.submodule_search_locations)
        sys.modules["pikepdf"] = package
        try:
            quick: Any = importlib.import_module("pikepdf._core")
            if callable(quick.Pdf._open) and issubclass(quick.PasswordError, Exception):
                return quick
        except (ImportError, AttributeError, TypeError):
            pass
        for name in [name for name in sys.modules if name == "pikepdf" or name.startswith("pikepdf.")]:
            del sys.modules[name]
    try:
        import pikepdf._core
    except ImportError:
        raise CannotCountError("PDF cannot be counted: the Python package pikepdf is missing") from None
    return pikepdf._core
