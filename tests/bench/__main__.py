"""Measure, print a table and write bench.tsv: python -m tests.bench."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

from tests.bench import batches, charges, credits, pages, statements, table
from tests.servers.postgres import Postgres

BENCH_FILE = Path(__file__).resolve().parents[2] / "bench.tsv"


def main() -> int:
    """Measure everything; return 1 when a bar does not hold."""
    logging.disable(logging.INFO)
    print(f"load average at the start: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)
    chosen = sys.argv[1:] or ["charges", "batches", "credits", "statements", "pages"]
    rooms = {"charges": charges, "batches": batches, "credits": credits, "statements": statements}
    rows = []
    with Postgres(fast=False) as server:
        for name in chosen:
            if name in rooms:
                rows += rooms[name].rows(server)
                print(table.show(rows), flush=True)
    if "pages" in chosen:
        rows += pages.rows()
    table.write(rows, BENCH_FILE)
    print(table.show(rows))
    return 1 if any(row.cells[-1] == "no" for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
