"""The look: what others made is as the manifest says, both dark palettes are one, and no part breaks the policy."""

from __future__ import annotations

import hashlib
import re
import tomllib
from pathlib import Path

import app.web

WEB = Path(app.web.__file__).parent
STATIC = WEB / "static"
LINES_MAX = 350


def ours() -> list[Path]:
    """Every template and every style sheet and script of our own."""
    files = [*WEB.glob("templates/**/*.html"), *STATIC.glob("css/*.css"), *STATIC.glob("js/*.js")]
    assert len(files) > 15
    return files


def test_what_others_made_is_as_the_manifest_says() -> None:
    parts = tomllib.loads((STATIC / "vendor" / "MANIFEST.toml").read_text())["part"]
    listed = {name: digest for part in parts for name, digest in part["sha256"].items()}
    for name, digest in listed.items():
        assert hashlib.sha256((STATIC / name).read_bytes()).hexdigest() == digest, name
    assert all((STATIC / part["licence_file"]).read_text() for part in parts)
    there = {str(path.relative_to(STATIC)) for path in STATIC.glob("vendor/*/*")} | {
        str(path.relative_to(STATIC)) for path in STATIC.glob("fonts/*")
    }
    assert there == set(listed)


def test_both_dark_palettes_are_the_same() -> None:
    tokens = (STATIC / "css" / "tokens.css").read_text()
    system = re.search(r':root:not\(\[data-theme="light"\]\) \{(.*?)\n  \}', tokens, re.S)
    chosen = re.search(r':root\[data-theme="dark"\] \{(.*?)\n\}', tokens, re.S)
    assert system
    assert chosen
    assert system.group(1).split() == chosen.group(1).split()


def test_nothing_is_inline_and_nothing_comes_from_elsewhere() -> None:
    for path in ours():
        text = path.read_text()
        assert not re.search(r"\sstyle=|<style|\son[a-z]+=\"", text), path
        assert not re.search(r"<script(?![^>]*\bsrc=)", text), path
        assert not re.search(r"url\([\"']?(?:https?:)?//|@import|[\"'](?:https?:)?//", text), path


def test_no_file_of_ours_is_too_long() -> None:
    for path in ours():
        assert len(path.read_text().splitlines()) <= LINES_MAX, path


def test_parts_make_no_addresses_of_their_own() -> None:
    for path in WEB.glob("templates/parts/*.html"):
        assert "url_for" not in path.read_text(), path
