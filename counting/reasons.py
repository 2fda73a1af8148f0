"""Why a document cannot be counted, and what a counted page is."""

from __future__ import annotations

# One page as it comes out: whether it has colour (None: not looked, or not known), and its paper ("": not known).
Page = tuple[bool | None, str]


class CannotCountError(Exception):
    """There is any doubt about the pages; the message is for the person who prints, and names no content."""
