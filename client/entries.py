"""The texts by which copies start: desktop entries, login scripts, config files. Pure text; nothing is written here."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

PROGRAM: Final = "twinpurse-client"
RUN_KEY: Final = r"HKCU\Software\Microsoft\Windows\CurrentVersion\Run"


@dataclass(frozen=True)
class CopyEntry:
    """One copy: its profile, what the start menu calls it, the window's title, its place and colour."""

    profile: str
    menu_name: str
    title: str
    position: str
    colour: str


COPIES: Final = (
    CopyEntry("print", "My Printing Balance", "Print Balance", "top-left", "F5E6FF"),
    CopyEntry("net", "My Internet Balance", "Internet Balance", "top-right", "D8EFEB"),
)
"""The usual two. A place on the left and one on the right: nobody confuses them."""


def config_properties(copy: CopyEntry, *, server_url: str, comment: str = "") -> str:
    """Return a ready config.properties of one copy."""
    lines = [
        f"# {copy.title}: what this copy of the client is told.{f' {comment}' if comment else ''}",
        f"server-url={_escaped(server_url)}",
        f"windowtitle={_escaped(copy.title)}",
        f"windowposition={copy.position}",
        f"background-color={copy.colour}",
        "# Also known: silent, minimized, noquit, disabletasktrayicon, debug, user, neverrequestidentity (each Y or N,",
        "# user a name), ca-file, high-contrast, server-ip, server-port, server-name.",
    ]
    return "\n".join(lines) + "\n"


def desktop_entry(copy: CopyEntry, program: Sequence[str], *, autostart: bool) -> str:
    """Return a desktop entry (freedesktop.org, Desktop Entry Specification 1.5)."""
    command = " ".join(_exec_quoted(word) for word in (*program, "--profile", copy.profile))
    lines = [
        "[Desktop Entry]",
        "Type=Application",
        f"Name={copy.menu_name}",
        f"Comment=The {copy.title.lower()} of your network account",
        f"Exec={command}{' --silent' if autostart else ''}",
        "Terminal=false",
        "Categories=Utility;",
        "StartupWMClass=Twinpurse-client",
    ]
    return "\n".join(lines) + "\n"


def launch_agent(copy: CopyEntry, program: Sequence[str]) -> str:
    """Return a LaunchAgent of macOS (launchd.plist), which starts the copy when its user signs in."""
    words = (*program, "--profile", copy.profile, "--silent")
    strings = "".join(f"        <string>{_xml(word)}</string>\n" for word in words)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<plist version="1.0">\n<dict>\n'
        f"    <key>Label</key>\n    <string>{PROGRAM}.{copy.profile}</string>\n"
        f"    <key>ProgramArguments</key>\n    <array>\n{strings}    </array>\n"
        "    <key>RunAtLoad</key>\n    <true/>\n</dict>\n</plist>\n"
    )


def run_value(copy: CopyEntry, program: Sequence[str]) -> str:
    """Return the value of Windows' Run key that starts the copy when its user signs in."""
    return " ".join(_windows_quoted(word) for word in (*program, "--profile", copy.profile, "--silent"))


def run_name(copy: CopyEntry) -> str:
    """Return the name of that value."""
    return f"{PROGRAM}-{copy.profile}"


def shortcut_script(copy: CopyEntry, program: Sequence[str], shortcut: str) -> str:
    """Return the PowerShell that makes a start-menu shortcut; Windows has no other way without a library."""
    rest = " ".join(_windows_quoted(word) for word in (*program[1:], "--profile", copy.profile))
    return (
        f"$s = (New-Object -ComObject WScript.Shell).CreateShortcut({_powershell(shortcut)})\n"
        f"$s.TargetPath = {_powershell(program[0])}\n$s.Arguments = {_powershell(rest)}\n$s.Save()\n"
    )


def login_script_sh(program: Sequence[str], copies: Sequence[CopyEntry] = COPIES) -> str:
    """Return a login script for Linux and macOS that starts the copies."""
    lines = ["#!/bin/sh", "# Starts the balance windows when somebody signs in. Call it from the session's start."]
    for copy in copies:
        lines.append(f"{shlex.join([*program, '--profile', copy.profile, '--silent'])} &")
    return "\n".join(lines) + "\n"


def login_script_bat(program: Sequence[str], copies: Sequence[CopyEntry] = COPIES) -> str:
    """Return a login script for Windows that starts the copies; the empty title keeps `start` from taking the program's
    name for one."""
    lines = ["@echo off", "rem Starts the balance windows when somebody signs in."]
    for copy in copies:
        words = " ".join(_windows_quoted(word) for word in (*program, "--profile", copy.profile, "--silent"))
        lines.append(f'start "" {words.replace("%", "%%")}')
    return "\r\n".join(lines) + "\r\n"


def _escaped(value: str) -> str:
    r"""Escape what the file's form would read otherwise: backslashes, and what is not ASCII (`\uXXXX`)."""
    units = value.replace("\\", "\\\\").encode("utf-16-be")
    pairs = (int.from_bytes(units[at : at + 2], "big") for at in range(0, len(units), 2))
    return "".join(chr(unit) if 32 <= unit < 127 else f"\\u{unit:04X}" for unit in pairs)


def _exec_quoted(word: str) -> str:
    """Quote a word of an Exec line: the specification's double quotes, and %% for %."""
    plain = word.replace("%", "%%")
    if re.fullmatch(r"[\w@+=:,./%-]+", plain):
        return plain
    inner = re.sub(r'(["`$\\])', r"\\\1", plain).replace("\\", "\\\\")
    return f'"{inner}"'


def _windows_quoted(word: str) -> str:
    if word and not re.search(r'[\s"&^|<>()]', word):
        return word
    quoted = re.sub(r'(\\*)"', r'\1\1\\"', word)
    trailing = len(quoted) - len(quoted.rstrip("\\"))
    return '"' + quoted + "\\" * trailing + '"'


def _powershell(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _xml(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
