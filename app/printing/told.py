"""What print servers say in English of a document or of a print, in the language spoken now. Functions of values.

Their programs know no languages: they send these texts as they stand here. What is not among them stays as it came.
"""

from __future__ import annotations

import re
from typing import Final

from language import N_, _

DOUBTS: Final = (
    N_("the PDF is damaged"),
    N_("the PDF is encrypted"),
    N_("two programs find different numbers of pages in the PDF"),
    N_("there are several documents in one file"),
    N_("there is no room to look at the documents one by one"),
    N_("PDF cannot be counted: the Python package pikepdf is missing"),
    N_("the document is empty or not a plain file"),
    N_("the document has no pages"),
    N_("the document is neither PDF, PostScript, PCL nor raster, so its pages cannot be counted"),
    N_("the document has errors, so its pages cannot be looked at"),
    N_("the document asks for too many pages"),
    N_("the document says twice how many copies it wants"),
    N_("the document gives the printer commands that cannot be followed"),
    N_("the document is in a printer language that cannot be counted"),
    N_("the document asks the printer to put pages together, so they cannot be counted"),
    N_("the document asks the printer to keep it, so its pages cannot be counted"),
    N_("the document's pages are made by PCL commands that cannot be counted"),
    N_("the PCL document is damaged"),
    N_("the PCL XL document is damaged"),
    N_("the PJL commands before the document make no sense"),
    N_("the raster document is damaged"),
    N_("the raster document asks for too many pages"),
    N_("the raster document's total is not the number of its pages"),
    N_("a page is too large or has no size"),
    N_("the program ghostscript is missing on the print server"),
    N_("ghostscript cannot be started on the print server"),
    N_("the document makes ghostscript write other things than pages"),
    N_("no counting program is configured"),
    N_("the counting program cannot be started"),
    N_("the counting program failed"),
    N_("the document cannot be counted"),
    N_("counting took too long"),
    N_("counting needed too much time or memory"),
    N_("the pages differ too often to be told one by one"),
)
"""Why a document cannot be counted (counting/, edge/cups_count.py)."""

GONE: Final = N_("the print server no longer has this job")

ENDS: Final = (
    N_("the job was cancelled"),
    N_("the job was cancelled before it was printed"),
    N_("the device backend could not be started"),
    N_("neither the printer nor the document says how many pages there are"),
    N_("the print was interrupted before the printer said that a page came out"),
    GONE,
)
"""Why a print ended without paper (edge/cups_end.py, cups_journal.py, cups_hands.py)."""

_KNOWN: Final = frozenset((*DOUBTS, *ENDS))
_GAVE_UP: Final = re.compile(r"the printer gave the job up \((.*)\)", re.S)
_FAILED: Final = re.compile(r"the device backend failed \(code ([0-9]+)\)", re.ASCII)


def in_words(text: str) -> str:
    """Return what a print server said, in the language spoken now."""
    if text in _KNOWN:
        return _(text)
    if match := _GAVE_UP.fullmatch(text):
        return _("the printer gave the job up (%(reasons)s)", reasons=match[1])
    if match := _FAILED.fullmatch(text):
        return _("the device backend failed (code %(code)s)", code=match[1])
    return text
