"""Jobs that were charged, on each database, and a verification at the end of every test."""

from __future__ import annotations

from tests.printing.conftest import queues, quick_queues

__all__ = ["queues", "quick_queues"]
