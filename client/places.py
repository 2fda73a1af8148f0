"""Where one copy of the client keeps what: its config files, its state, its log. Each profile or folder has its own."""

from __future__ import annotations

import hashlib
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

CONFIG_FILE: Final = "config.properties"
LOG_FILE: Final = "user-client.log"
PROFILE: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,30}")
IDENTITY_DIGITS: Final = 8


@dataclass(frozen=True)
class Roots:
    """The folders of this system and user: for everybody's config, the user's config, the user's state, and home."""

    site: Path
    config: Path
    state: Path
    home: Path


@dataclass(frozen=True)
class Places:
    """The files of one copy. `identity` tells copies apart: its profile, or the folder that its config lies in."""

    identity: str
    site_file: Path
    user_file: Path
    state: Path
    log_file: Path


def roots(platform: str = sys.platform) -> Roots:
    """Return the usual folders: XDG's on Linux, %ProgramData% and the like on Windows, Library on macOS."""
    home = Path.home()
    if platform == "win32":
        local = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
        roaming = Path(os.environ.get("APPDATA") or home / "AppData" / "Roaming")
        everybody = Path(os.environ.get("PROGRAMDATA") or "C:/ProgramData")
        name = "Twinpurse Client"
        return Roots(everybody / name, roaming / name, local / name, home)
    if platform == "darwin":
        mine = home / "Library" / "Application Support" / "Twinpurse Client"
        return Roots(Path("/Library/Application Support/Twinpurse Client"), mine, mine / "State", home)
    name = "twinpurse-client"
    config = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    state = Path(os.environ.get("XDG_STATE_HOME") or home / ".local" / "state")
    return Roots(Path("/etc") / name, config / name, state / name, home)


def program_folder() -> Path:
    """Return the folder of the executable, or of the script that was started."""
    return Path(sys.executable if getattr(sys, "frozen", False) else sys.argv[0]).resolve().parent


def find(
    *, profile: str = "", config: Path | None = None, beside: Path | None = None, at: Roots | None = None
) -> Places:
    """Return the places of the copy that is started with `--profile` or `--config`, or from the folder `beside`.

    Raises ValueError for a profile that cannot be a folder's name.
    """
    if profile and not PROFILE.fullmatch(profile):
        raise ValueError(f"a profile is small letters, digits, - and _; {profile!r} is not")
    at, beside = at or roots(), beside or program_folder()
    candidates = [beside / profile, beside.parent / "Resources" / profile, at.site / profile]
    site = config.absolute() if config else next((c / CONFIG_FILE for c in candidates if _is_file(c)), None)
    if profile:
        identity = profile
    elif site is None or at.site in site.parents:
        identity = "default"
    else:  # two folders, each with its own config, are two copies
        identity = "folder-" + hashlib.sha256(os.fsencode(site.resolve())).hexdigest()[:IDENTITY_DIGITS]
    return Places(
        identity=identity,
        site_file=site or candidates[0] / CONFIG_FILE,
        user_file=at.config / identity / CONFIG_FILE,
        state=at.state / identity,
        log_file=at.home / LOG_FILE,
    )


def _is_file(folder: Path) -> bool:
    try:
        return (folder / CONFIG_FILE).is_file()
    except OSError:
        return False
