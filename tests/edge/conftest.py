"""What the tests of the edge share: a place where printing is charged for real, one for each module."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.edge.charged_place import ChargedPlace, open_charged_place


@pytest.fixture(scope="module")
def charged_place(tmp_path_factory: pytest.TempPathFactory, empty_books: Path) -> Iterator[ChargedPlace]:
    """cupsd, printers and an instance with its books, in which nothing was printed yet."""
    with open_charged_place(tmp_path_factory.mktemp("charged") / "instance", empty_books) as place:
        yield place
