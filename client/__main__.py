"""`python -m client`, and where the one-file program begins."""

from __future__ import annotations

import sys

from client.main import main

if __name__ == "__main__":
    sys.exit(main())
