"""Measure, print a table and write bench.tsv: python -m tests.bench."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path

from tests.bench import (
    backend,
    batches,
    charges,
    client_window,
    counting,
    credits,
    directory_reading,
    jobs,
    pages,
    portal,
    squid_helper,
    squid_log,
    statements,
    table,
)
from tests.servers.postgres import Postgres

BENCH_FILE = Path(__file__).resolve().parents[2] / "bench.tsv"
PARTS: dict[str, Callable[[Postgres], list[table.Row]]] = {
    "charges": charges.rows,
    "batches": batches.rows,
    "credits": credits.rows,
    "statements": statements.rows,
    "directory": directory_reading.rows,
    "jobs": jobs.rows,
    "client": lambda _server: client_window.rows(),
    "log": lambda _server: squid_log.rows(),
    "helper": lambda _server: squid_helper.rows(),
    "pages": lambda _server: pages.rows(),
    "portal": lambda _server: portal.rows(),
    "counting": lambda _server: counting.rows(),
    "backend": lambda _server: backend.rows(),
}


def main() -> int:
    """Measure everything; return 1 when a bar does not hold."""
    logging.disable(logging.INFO)
    print(f"load average at the start: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"only these, and no file: {', '.join(PARTS)}")
    wanted = parser.parse_args().parts
    if unknown := set(wanted) - set(PARTS):
        parser.error(f"there is no such part: {', '.join(sorted(unknown))}")
    rows: list[table.Row] = []
    with Postgres(fast=False) as server:
        for name in wanted or PARTS:
            found = PARTS[name](server)
            print(table.show(found), flush=True)
            rows += found
    if not wanted:
        table.write(rows, BENCH_FILE)
        print(f"\n{table.show(rows)}")
    return 1 if any(row.cells[-1] == "no" for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
