"""Builds the client as `make client` does, with nothing but its pinned set, for tests and the bench."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def build(folder: Path) -> tuple[Path, Path]:
    """Return (the wheel, the program of one file), built in a virtual environment of their own below `folder`."""
    place = folder / "build-venv"
    venv.create(place, with_pip=True)
    python = place / "bin" / "python"
    pinned = ["--require-hashes", "--requirement", str(ROOT / "requirements" / "client.txt")]
    run(str(python), "-m", "pip", "--disable-pip-version-check", "--quiet", "install", *pinned)
    target = folder / "dist"
    run(str(python), str(ROOT / "deploy" / "client" / "build.py"), DIST=str(target))
    [wheel] = target.glob("*.whl")
    return wheel, target / "twinpurse-client"


def run(*command: str, **environment: str) -> None:
    """Run a command; AssertionError with what it said when it fails."""
    done = subprocess.run(
        command, env=os.environ | environment, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"


def installed(wheel: Path, folder: Path) -> Path:
    """Install the wheel alone into a virtual environment; return its command."""
    place = folder / "user-venv"
    venv.create(place, with_pip=True)
    pip = [str(place / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--quiet"]
    run(*pip, "install", "--no-index", str(wheel))
    return place / "bin" / "twinpurse-client"


if __name__ == "__main__":
    print(build(Path(sys.argv[1])))
