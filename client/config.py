"""What a copy of the client is told: config.properties, the user's own file over it, the command line over both."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from client.properties import UnreadableError, read

CORNERS: Final = {"top-left": "+0+0", "top-right": "-0+0", "bottom-left": "+0-0", "bottom-right": "-0-0"}
POSITION: Final = re.compile(r"XY\s*(-?\d{1,5})\s*,\s*(-?\d{1,5})", re.IGNORECASE)
COLOUR: Final = re.compile(r"#?([0-9A-Fa-f]{6})")
TITLE_MAX: Final = 120
YES: Final = ("y", "yes", "true", "1", "on")
NO: Final = ("n", "no", "false", "0", "off")
WITHOUT_USE: Final = {
    "cache": "this client needs no cache folder",
    "defaultselection": "there are no shared accounts to choose here",
    "disableballoontips": "messages come in windows of their own",
    "disabletoastnotifications": "messages come in windows of their own",
}
"""PaperCut's keys that ask for what is not there: a file with them is no mistake."""


@dataclass(frozen=True)
class Server:
    """Where the instance is. `host` names it, in its certificate too; `connect_to` is where the connection goes."""

    secure: bool
    host: str
    port: int
    connect_to: str
    prefix: str = ""

    @property
    def url(self) -> str:
        """The address as a browser has it."""
        scheme, usual = ("https", 443) if self.secure else ("http", 80)
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{host}{'' if self.port == usual else f':{self.port}'}{self.prefix}"


@dataclass(frozen=True)
class Config:
    """The keys. Those that are yes or no default to no; "" stands for what was not said."""

    server_url: str = ""
    server_ip: str = ""
    server_port: int = 0
    server_name: str = ""
    ca_file: str = ""
    window_title: str = ""
    window_position: str = ""
    background_color: str = ""
    silent: bool = False
    minimized: bool = False
    noquit: bool = False
    disabletasktrayicon: bool = False
    debug: bool = False
    user: str = ""
    neverrequestidentity: bool = False
    high_contrast: bool = False
    problems: tuple[str, ...] = field(default=(), compare=False)

    def title_for(self, username: str, otherwise: str) -> str:
        """Return the window's title; `{0}` becomes the username."""
        title = (self.window_title or otherwise).replace("{0}", username)
        return " ".join(title.split()).strip(" -–:,") or otherwise

    @property
    def geometry(self) -> str:
        """The window's place in X's notation, "" to leave it to the desktop."""
        if match := POSITION.fullmatch(self.window_position):
            return "".join(part if part.startswith("-") else f"+{part}" for part in match.groups())
        return CORNERS.get(self.window_position.casefold(), "")


NAMES: Final = {one.name.replace("_", ""): one.name for one in fields(Config) if one.name != "problems"}
"""A key as it is compared, without hyphens and in small letters -> the field."""

FLAGS: Final = {one.name for one in fields(Config) if one.type == "bool"}


def load(*, site_file: Path, user_file: Path, given: Mapping[str, str] | None = None, required: bool = False) -> Config:
    """Return the config of the two files with `given` (key -> value, from the command line) over them.

    Never fails: what is wrong is left at what it was and said in `problems`. `required`: a site file must be there.
    """
    config, problems = Config(), []
    for path in (site_file, user_file):
        try:
            pairs = read(path)
        except UnreadableError as error:
            problems.append(f"{path} cannot be read: {error}")
            continue
        if pairs is None:
            problems += [f"{path} is not there"] if required and path == site_file else []
            continue
        config = _apply(config, ((f"{path.name}, line {p.line}", p.key, p.value) for p in pairs), path.parent, problems)
    said = (("the command line", key, value) for key, value in (given or {}).items())
    config = _apply(config, said, Path.cwd(), problems)
    return replace(config, problems=tuple(problems))


def server_of(config: Config) -> Server:
    """Return where the instance is. Raises ValueError, in words, when that was not said or is not allowed."""
    if config.server_url:
        parts = urlsplit(config.server_url)
        host, secure = parts.hostname or "", parts.scheme == "https"
        port, prefix = parts.port or (443 if secure else 80), parts.path.rstrip("/")
    else:
        host, prefix = config.server_name or config.server_ip, ""
        secure = not _is_this_machine(host)
        port = config.server_port or (443 if secure else 80)
    if not host:
        raise ValueError("No server is named. Write server-url=https://… into config.properties.")
    connect_to = config.server_ip or host
    if not (secure or (_is_this_machine(host) and _is_this_machine(connect_to))):
        raise ValueError(f"{config.server_url or connect_to}: passwords go to other machines by https only.")
    return Server(secure, host, port, connect_to, prefix)


def _is_this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _apply(config: Config, lines: Iterable[tuple[str, str, str]], folder: Path, problems: list[str]) -> Config:
    for where, key, value in lines:
        plain = key.replace("-", "").replace("_", "").casefold()
        name = NAMES.get(plain)
        if name is None:
            if plain not in WITHOUT_USE:
                problems.append(f"{where}: {key} is not a key{_nearest(plain)}; it is left out")
            continue
        try:
            said: dict[str, Any] = {name: _read_value(name, value.strip(), folder)}
            config = replace(config, **said)
        except ValueError as error:
            kept: Any = getattr(config, name)
            now = ("Y" if kept else "N") if name in FLAGS else kept or "the default"
            problems.append(f"{where}: {key}={value} {error}; it stays {now}")
    return config


def _nearest(plain: str) -> str:
    import difflib  # only where somebody mistyped

    near = difflib.get_close_matches(plain, NAMES, n=1, cutoff=0.75)
    return f" (is {NAMES[near[0]].replace('_', '-')} meant?)" if near else ""


def _read_value(name: str, value: str, folder: Path) -> str | int | bool:
    """Return a value as its field has it. Raises ValueError with the end of a sentence: what it is not."""
    if name in FLAGS:
        if value.casefold() in YES or value.casefold() in NO:
            return value.casefold() in YES
        raise ValueError("is neither Y nor N")
    if name == "server_port":
        if value.isdecimal() and 0 < int(value[:6]) < 65536:
            return int(value)
        raise ValueError("is no port: 1 to 65535")
    if name == "server_url" and value:
        return _url(value)
    if name == "window_position" and value:
        if value.casefold() in CORNERS or POSITION.fullmatch(value):
            return value
        raise ValueError(f"is none of {', '.join(CORNERS)} and XYx,y")
    if name == "background_color" and value:
        if match := COLOUR.fullmatch(value):
            return match[1].lower()
        raise ValueError("is no colour: six hexadecimal digits, such as FFE0A0")
    if name == "ca_file" and value:
        return str(folder / value)
    return "".join(letter for letter in value if letter.isprintable())[:TITLE_MAX]


def _url(value: str) -> str:
    parts = urlsplit(value)
    _ = parts.port  # raises ValueError
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise ValueError("is no address such as https://print.example.org")
    return value.rstrip("/")
