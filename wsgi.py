"""The WSGI application of one instance or of the portal: the folder that TWINPURSE_INSTANCE names decides which."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

from flask import Flask


def make() -> Flask:
    """Build the application. A folder that is not in order ends the process with every problem listed, status 2."""
    folder = Path(os.environ.get("TWINPURSE_INSTANCE", "."))
    if (folder / "portal.toml").exists():
        from portal.factory import create_app as create_portal

        made = create_portal(folder)
    else:
        from app.factory import create_app, start_background
        from app.settings import Settings

        made = create_app(Settings.load(folder))
        start_background(made)
    # What is here now stays: no collection needs to look at it again, which would take as long as a large request.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    return made


try:
    app = make()
except Exception as exc:
    problems = getattr(exc, "problems", None)
    if problems is None:
        raise
    print("\n".join(f"twinpurse: {problem}" for problem in problems), file=sys.stderr)
    sys.exit(2)
