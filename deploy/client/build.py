"""Builds the desktop client into dist/: a wheel without dependencies, and a program of one file for this system."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
NAME: Final = "twinpurse-client"
NOT_NEEDED: Final = (
    *("asyncio", "bz2", "concurrent", "ctypes.test", "curses", "dbm", "decimal", "distutils", "doctest", "ftplib"),
    *("lib2to3", "lzma", "multiprocessing", "pdb", "pydoc", "readline", "setuptools", "sqlite3", "statistics", "test"),
    *("tkinter.test", "unittest", "xml", "xmlrpc", "_multibytecodec", "_codecs_cn", "_codecs_hk"),
    *("_codecs_iso2022", "_codecs_jp", "_codecs_kr", "_codecs_tw"),
)
"""Parts of the standard library that hooks would bring in and the client does not use."""

BUILD_WHEEL: Final = "import sys; from setuptools import build_meta; print(build_meta.build_wheel(sys.argv[1]))"


def main() -> int:
    """Build both, and say where they are. Returns the exit code."""
    target = Path(os.environ.get("DIST", ROOT / "dist"))
    target.mkdir(parents=True, exist_ok=True)
    print(build_wheel(target))
    for program in build_programs(target):
        print(f"{program} ({program.stat().st_size / 1e6:.1f} MB)")
    return 0


def build_wheel(target: Path) -> Path:
    """Build the wheel of client/ alone. Raises CalledProcessError."""
    with tempfile.TemporaryDirectory(prefix=f"{NAME}-") as name:
        folder = Path(name)
        shutil.copytree(ROOT / "client", folder / "client", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "deploy" / "client" / "pyproject.toml", folder)
        shutil.copy(ROOT / "LICENSE", folder)
        command = [sys.executable, "-c", BUILD_WHEEL, str(target)]
        said = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout
    return target / said.split()[-1]


def build_programs(target: Path) -> list[Path]:
    """Build the program. On Windows two: one without a console, and one whose `--text` can be read. Raises
    CalledProcessError."""
    kinds = [(NAME, True), (f"{NAME}-text", False)] if sys.platform == "win32" else [(NAME, sys.platform == "darwin")]
    guests = [] if importlib.util.find_spec("pystray") else ["PIL"]  # it may be here for others
    with tempfile.TemporaryDirectory(prefix=f"{NAME}-") as work:
        for name, windowed in kinds:
            excluded = [word for module in (*NOT_NEEDED, *guests) for word in ("--exclude-module", module)]
            command = [sys.executable, "-m", "PyInstaller", "--onefile", "--name", name, "--paths", str(ROOT)]
            command += ["--distpath", str(target), "--workpath", work, "--specpath", work, "--log-level", "WARN"]
            command += [*excluded, *(["--windowed"] if windowed else []), "--noconfirm"]
            command += ["--strip"] if sys.platform == "linux" and shutil.which("strip") else []
            subprocess.run([*command, str(ROOT / "client" / "__main__.py")], cwd=work, check=True)
    suffix = ".exe" if sys.platform == "win32" else ""
    return [target / f"{name}{suffix}" for name, _ in kinds]


if __name__ == "__main__":
    sys.exit(main())
