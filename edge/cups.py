"""The CUPS backend: asks the instance before a job is printed, tells it what came out afterwards.

It wraps the real backend of the printer. Its exit codes are those of backend(7). The one that makes CUPS begin a job
anew at once is its own only after an hour's wait; other ones come from the wrapped backend.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Final

DISCOVERY: Final = 'direct twinpurse "Unknown" "Charged printing"'
DELIVER_OPTION: Final = "--deliver"
ARGUMENTS_OF_A_JOB: Final = 6


def main(argv: Sequence[str] | None = None) -> int:
    """Run as CUPS does: no argument lists the device, five or more print a job; returns the exit code.

    `--deliver CONFIG` sends what waits in the spool and is not for CUPS.
    """
    words = list(sys.argv if argv is None else argv)
    if len(words) == 1:
        print(DISCOVERY)
        return 0
    from edge import cups_passage  # CUPS asks every backend for its devices, and waits: what prints is not needed there

    if words[1] == DELIVER_OPTION and len(words) == 3:
        return cups_passage.deliver_only(words[2])
    if len(words) < ARGUMENTS_OF_A_JOB:
        os.write(2, b"ERROR: usage: twinpurse job-id user title copies options [file]\n")
        return 1
    return cups_passage.print_job(words, dict(os.environ))


if __name__ == "__main__":
    sys.exit(main())
