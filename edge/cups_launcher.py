"""Writes the small programs that CUPS and the backend start: a Python without site packages and environment."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

LAUNCHER: Final = """\
#!{python} -IS
import sys

sys.path[:0] = {paths!r}
from {program} import main

sys.exit(main())
"""


def write_launcher(
    path: Path,
    python: str = sys.executable,
    project: Path | None = None,
    more_paths: Sequence[Path] = (),
    program: str = "edge.cups",
) -> Path:
    """Write an executable that runs `program`'s main from the folder `project`; return its path.

    For CUPS it must belong to root and have mode 0755: then CUPS runs it as its own user (lp), which must be able
    to run `python` and to read `project`.
    """
    root = Path(__file__).resolve().parents[1] if project is None else project
    text = LAUNCHER.format(python=python, paths=[str(root), *map(str, more_paths)], program=program)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return path
