"""The edge's own small config file (TOML): which instance it serves, with which token, and its time limits."""

from __future__ import annotations

import stat
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

LOOPBACK_HOSTS: Final = frozenset({"127.0.0.1", "::1", "localhost"})
MAX_CONFIG_BYTES: Final = 65_536
MAX_TOKEN_CHARACTERS: Final = 512
LONGEST_SERVER: Final = 80
"""Characters of a machine's name in the books of an instance; ":" parts the keys there."""


class SettingsError(Exception):
    """The config file cannot be used. `problems` names everything that is wrong with it, not only the first thing."""

    def __init__(self, path: Path, problems: Sequence[str]) -> None:
        self.path = path
        self.problems = tuple(problems)
        super().__init__(f"{path}: " + "; ".join(self.problems))


class Key(NamedTuple):
    """One key of the file: its kind (str, int, float, bool, or list for a list of words) and what it may hold."""

    name: str
    kind: type
    default: Any = None
    required: bool = False
    least: float | None = None
    most: float | None = None


TOP: Final = ""
INSTANCE_KEYS: Final = (
    Key("instance_url", str, required=True),
    Key("token_file", str, required=True),
    Key("server", str, required=True),
    Key("ca_file", str, ""),
    Key("allow_plain_http", bool, False),
    Key("connect_timeout_s", float, 3.0, least=0.1, most=60),
    Key("answer_timeout_s", float, 10.0, least=0.1, most=120),
)
CUPS_KEYS: Final = (
    Key("spool_dir", str, required=True),
    Key("count_program", list, ()),
    Key("count_time_s", float, 60.0, least=1, most=3600),
    Key("count_memory_mb", int, 512, least=64, most=65_536),
    Key("retry_first_s", float, 1.0, least=0.05, most=60),
    Key("retry_most_s", float, 15.0, least=0.05, most=600),
    Key("retry_whole_s", float, 3600.0, least=1, most=10_000),
    Key("away_after_s", float, 3.0, least=0, most=60),
    Key("printer_word_s", float, 4.0, least=0, most=60),
    Key("deliver_s", float, 10.0, least=0.1, most=60),
)


class InstanceSettings(NamedTuple):
    """Where the instance is, and who we are to it. `server` is this machine's name in the instance's books."""

    instance_url: str
    token: str
    server: str
    ca_file: str
    connect_timeout_s: float
    answer_timeout_s: float

    def __repr__(self) -> str:  # the token must not reach a log by way of a traceback
        return f"InstanceSettings(instance_url={self.instance_url!r}, server={self.server!r})"


class CupsSettings(NamedTuple):
    """All that the print backend needs. Times are in seconds, memory in MiB.

    While the instance is away it is asked again after `retry_first_s`, more and more rarely up to `retry_most_s`;
    after `retry_whole_s` the job is handed back to CUPS, which begins it anew. With the policies "print" and "refuse"
    it counts as away after `away_after_s`. `printer_word_s`: how long the printer's last word on a job is waited for.
    """

    instance: InstanceSettings
    spool_dir: Path
    count_program: tuple[str, ...]
    count_time_s: float
    count_memory_mb: int
    retry_first_s: float
    retry_most_s: float
    retry_whole_s: float
    away_after_s: float
    printer_word_s: float
    deliver_s: float


def load_cups(path: Path) -> CupsSettings:
    """Read the print backend's config file. Raises SettingsError with every problem found."""
    values, problems = read_keys(path, {TOP: INSTANCE_KEYS, "cups": CUPS_KEYS})
    instance = instance_settings(values[TOP], problems)
    own = values["cups"]
    if own["spool_dir"] and not Path(own["spool_dir"]).is_absolute():
        problems.append("cups.spool_dir: must be an absolute path")
    if own["count_program"] and not Path(own["count_program"][0]).is_absolute():
        problems.append("cups.count_program: must begin with an absolute path")
    if problems or instance is None:
        raise SettingsError(path, problems)
    return CupsSettings(
        instance=instance,
        spool_dir=Path(own["spool_dir"]),
        count_program=tuple(own["count_program"]),
        count_time_s=own["count_time_s"],
        count_memory_mb=own["count_memory_mb"],
        retry_first_s=own["retry_first_s"],
        retry_most_s=max(own["retry_first_s"], own["retry_most_s"]),
        retry_whole_s=own["retry_whole_s"],
        away_after_s=own["away_after_s"],
        printer_word_s=own["printer_word_s"],
        deliver_s=own["deliver_s"],
    )


def read_keys(path: Path, tables: Mapping[str, Sequence[Key]]) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Read the file's tables ("" is the top of the file); return their values, defaults filled in, and the problems.

    A key with a problem has the value None. Raises SettingsError when the file cannot be read as TOML at all.
    """
    try:
        with path.open("rb") as file:
            text = file.read(MAX_CONFIG_BYTES + 1)
        if len(text) > MAX_CONFIG_BYTES:
            raise SettingsError(path, ["the file is too large"])
        found = tomllib.loads(text.decode("utf-8"))
    except OSError as error:
        raise SettingsError(path, [f"cannot be read: {error.strerror}"]) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(path, [f"is not valid TOML: {error}"]) from None
    problems: list[str] = []
    values: dict[str, dict[str, Any]] = {}
    for table, keys in tables.items():
        inside = found if table == TOP else found.get(table, {})
        if not isinstance(inside, dict):
            problems.append(f"{table}: must be a table, [{table}]")
            inside = {}
        known = {key.name for key in keys} | (set(tables) - {TOP} if table == TOP else set())
        problems += [f"{_full(table, name)}: unknown key" for name in inside if name not in known]
        values[table] = {key.name: _value(table, key, inside, problems) for key in keys}
    return values, problems


def _full(table: str, name: str) -> str:
    return f"{table}.{name}" if table else name


def _value(table: str, key: Key, inside: Mapping[str, Any], problems: list[str]) -> Any:
    name = _full(table, key.name)
    if key.name not in inside:
        if key.required:
            problems.append(f"{name}: missing")
        return key.default
    value = inside[key.name]
    if key.kind is float and type(value) is int:
        value = float(value)
    if type(value) is not key.kind:
        problems.append(f"{name}: must be {_KIND_WORDS[key.kind]}")
        return None
    if isinstance(value, list) and not all(isinstance(word, str) and word for word in value):
        problems.append(f"{name}: must be {_KIND_WORDS[list]}")
        return None
    if key.required and value == "":
        problems.append(f"{name}: is empty")
    too_small = key.least is not None and not value >= key.least
    too_large = key.most is not None and not value <= key.most  # written so that "nan" is refused as well
    if too_small or too_large:
        problems.append(f"{name}: must be between {key.least:g} and {key.most:g}")
        return None
    return value


_KIND_WORDS: Final = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    list: "a list of words",
}


def instance_settings(values: Mapping[str, Any], problems: list[str]) -> InstanceSettings | None:
    """Check what belongs to the instance and read the token; add to `problems`, return None when there are any."""
    before = len(problems)
    url = values["instance_url"]
    if url:
        _check_url(url, bool(values["allow_plain_http"]), problems)
    server = values["server"]
    if server and (len(server) > LONGEST_SERVER or ":" in server or "\0" in server):
        problems.append(f'server: must be a name of 1 to {LONGEST_SERVER} characters without ":", such as "proxy-1"')
    token = _read_token(values["token_file"], problems) if values["token_file"] else ""
    if values["ca_file"] and not Path(values["ca_file"]).is_file():
        problems.append("ca_file: there is no such file")
    complete = all(values[key.name] is not None for key in INSTANCE_KEYS)
    if len(problems) > before or not complete:
        return None
    return InstanceSettings(
        instance_url=url.rstrip("/"),
        token=token,
        server=server,
        ca_file=values["ca_file"],
        connect_timeout_s=values["connect_timeout_s"],
        answer_timeout_s=values["answer_timeout_s"],
    )


def _check_url(url: str, allow_plain_http: bool, problems: list[str]) -> None:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urlsplit("")
    if parts.scheme not in ("http", "https") or not host or port == 0:
        problems.append("instance_url: must be http://host:port or https://host")
    elif parts.username is not None or parts.query or parts.fragment:
        problems.append("instance_url: must have no user, query or fragment")
    elif parts.scheme == "http" and host not in LOOPBACK_HOSTS and not allow_plain_http:
        problems.append(
            "instance_url: plain http would show the token to the network: use https, or set allow_plain_http = true"
        )


def _read_token(name: str, problems: list[str]) -> str:
    """Read the machine token. A file that everybody may read is refused: whoever reads it can charge people."""
    path = Path(name)
    try:
        if path.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH):
            problems.append("token_file: everybody may read it; chmod it to 0600 or 0640")
            return ""
        with path.open("rb") as file:
            token = file.read(MAX_TOKEN_CHARACTERS + 1).decode("ascii", "replace").strip()
    except OSError as error:
        problems.append(f"token_file: cannot be read: {error.strerror}")
        return ""
    if not token or len(token) > MAX_TOKEN_CHARACTERS or not token.isascii() or not token.isprintable() or " " in token:
        problems.append("token_file: must hold one token on one line")
        return ""
    return token
