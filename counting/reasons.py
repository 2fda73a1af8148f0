"""Why a document cannot be counted."""

from __future__ import annotations


class CannotCountError(Exception):
    """There is any doubt about the number of pages; the message is for the person who prints, and names no content."""
