"""What an instance folder says: `config.toml` and `secrets/`, read once, typed; a wrong folder stops the start."""

from __future__ import annotations

import ipaddress
import stat
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

from flask import current_app
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from app.errors import SettingsError
from app.money import MICRO, Unit, parse_amount
from directory.peers import Peers
from directory.settings import DirectorySettings

CONFIG_FILE = "config.toml"
SECRETS_DIR = "secrets"
SECRET_BYTES_MIN = 32
PRICE_MAX = 1_000_000 * MICRO
"""The highest price of a page or a MB: the price of a million pages still fits into the database's 64 bits."""


def _amount(value: object) -> int:
    if not isinstance(value, str):
        raise ValueError('write the amount between quotes, such as "0.05"')
    amount = parse_amount(value)
    if amount < 0:
        raise ValueError("must not be negative")
    return amount


def _zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError("is not a time zone such as Europe/Berlin")
    return name


def _http_url(url: str) -> str:
    parts = urlsplit(url)
    _ = parts.port  # raises ValueError for a port that cannot be
    foreign = parts.query or parts.fragment or parts.username is not None
    if parts.scheme not in ("http", "https") or not parts.hostname or foreign:
        raise ValueError("must be an address such as https://print.example.org")
    return url.rstrip("/")


def _price(amount: int) -> int:
    if amount > PRICE_MAX:
        raise ValueError(f"must not be more than {PRICE_MAX // MICRO:,}")
    return amount


def _each_once(charges: list[str]) -> list[str]:
    if len(set(charges)) != len(charges):
        raise ValueError("names the same thing twice")
    return charges


def _beginning_with(*schemes: str) -> AfterValidator:
    def check(url: str) -> str:
        if url and not url.startswith(schemes):
            raise ValueError(f"must begin with {' or '.join(schemes)}, or be empty")
        return url

    return AfterValidator(check)


def is_loopback(host: str | None) -> bool:
    """Whether `host` (a name or an address) can only be this machine."""
    try:
        return host == "localhost" or ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


Amount = Annotated[int, BeforeValidator(_amount)]
Price = Annotated[int, BeforeValidator(_amount), AfterValidator(_price)]
HttpUrl = Annotated[str, AfterValidator(_http_url)]
OptionalHttpUrl = Annotated[str, AfterValidator(lambda url: _http_url(url) if url else "")]


class Section(BaseModel):
    """A table of the file: no unknown key, no silent conversion, no change after reading."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class UnitSection(Section):
    """What the instance counts in."""

    kind: Literal["currency", "other"] = "currency"
    symbol: str = Field(default="$", min_length=1, max_length=8)
    decimals: int = Field(default=2, ge=0, le=6)


class PrintSection(Section):
    """The price of printing, in the instance's unit."""

    price_per_page: Price = 50_000


class InternetSection(Section):
    """The price of using the Internet, in the instance's unit per 1,000,000 bytes."""

    price_per_mb: Price = 10_000


def _peers(names: list[str]) -> list[str]:
    Peers.named(names)
    return names


PeerNames = Annotated[list[str], AfterValidator(_peers)]


class SignInSection(Section):
    """Which machines are believed: about where a request comes from, and about who sends it."""

    trusted_proxies: PeerNames = []
    header: str = Field(default="", max_length=64)
    header_from: PeerNames = []

    @field_validator("header")
    @classmethod
    def _header_has_one_spelling(cls, header: str) -> str:
        # WSGI (PEP 3333, after CGI) makes one name of X-User and X_User: a browser could send the second past a proxy
        # that removes the first, and be whoever it likes.
        if header and not (header.isascii() and header.isalnum() and header[0].isalpha()):
            raise ValueError('write the header with letters only, such as "RemoteUser": "-" and "_" could be confused')
        return header

    @model_validator(mode="after")
    def _header_comes_from_somebody(self) -> Self:
        if bool(self.header) != bool(self.header_from):
            raise ValueError("header and header_from belong together: who signs in, and which proxy is believed")
        return self

    @property
    def proxies(self) -> Peers:
        """Whose X-Forwarded-For counts."""
        return Peers.named(self.trusted_proxies)

    @property
    def header_peers(self) -> Peers:
        """Whose `header` counts."""
        return Peers.named(self.header_from)


class ClientSection(Section):
    """What desktop clients are told, and where they need no password."""

    poll_seconds: int = Field(default=60, ge=5, le=3600)
    login_names_from: PeerNames = []

    @property
    def login_name_peers(self) -> Peers:
        """From which machines the name of who is signed in there is believed."""
        return Peers.named(self.login_names_from)


class Config(Section):
    """The whole of `config.toml`."""

    id: str = Field(pattern=r"^[a-z][a-z0-9-]{0,30}$")
    name: str = Field(min_length=1, max_length=40)
    organisation: str = Field(default="", max_length=80)
    charges: Annotated[list[Literal["print", "internet"]], Field(min_length=1), AfterValidator(_each_once)]
    mode: Literal["enforce", "monitor"] = "enforce"
    look: Literal["", "print", "net", "portal"] = ""
    public_url: HttpUrl
    portal_url: OptionalHttpUrl = ""
    time_zone: Annotated[str, AfterValidator(_zone)]
    low_balance: Amount = 1_000_000
    helper_daily_limit: Amount = 20_000_000
    database_url: Annotated[str, _beginning_with("sqlite:///", "postgresql+psycopg://")] = ""
    redis_url: Annotated[str, _beginning_with("redis://", "rediss://", "unix://")] = ""
    demo: bool = False
    unit: UnitSection = UnitSection()
    directory: DirectorySettings
    sign_in: SignInSection = SignInSection()
    client: ClientSection = ClientSection()
    print: PrintSection = PrintSection()
    internet: InternetSection = InternetSection()

    @field_validator("demo")
    @classmethod
    def _demo_stays_here(cls, demo: bool, info: ValidationInfo) -> bool:
        # Beside the other fields' checks, not after them: all problems are told at once.
        address = info.data.get("public_url")
        if demo and address is not None and not is_loopback(urlsplit(address).hostname):
            raise ValueError("a demo serves 127.0.0.1 only: correct public_url, or set demo = false")
        return demo


class Settings:
    """An instance's configuration with its secrets and what follows from them. Immutable by habit."""

    def __init__(self, folder: Path, config: Config, secret_key: str, directory_password: str, portal_key: str) -> None:
        self.folder = folder
        self.config = config
        self.secret_key = secret_key
        self.directory_password = directory_password
        self.portal_key = portal_key
        self.unit = Unit(config.unit.kind, config.unit.symbol, config.unit.decimals)
        self.zone = ZoneInfo(config.time_zone)

    @classmethod
    def load(cls, folder: Path | str) -> Settings:
        """Read the folder. Raises SettingsError with every problem found, not only the first."""
        root = Path(folder).absolute()
        problems: list[str] = []
        config = _read_config(root, problems)
        secret_key = read_secret(root, "secret.key", problems)
        if secret_key and len(secret_key) < SECRET_BYTES_MIN:
            problems.append(f"{SECRETS_DIR}/secret.key is shorter than {SECRET_BYTES_MIN} characters")
        directory_password = read_secret(root, "directory.password", problems, required=False)
        if config is not None:
            problems += _directory_problems(config.directory, directory_password)
        portal_key = read_secret(root, "portal.key", problems, required=False)
        if portal_key and (len(portal_key) < SECRET_BYTES_MIN or portal_key == secret_key):
            problems.append(f"{SECRETS_DIR}/portal.key must be its own, of at least {SECRET_BYTES_MIN} characters")
        if problems or config is None:
            raise SettingsError(str(folder), problems)
        return cls(root, config, secret_key, directory_password, portal_key)

    @property
    def database_url(self) -> str:
        """The SQLAlchemy URL of the instance's own database."""
        return self.config.database_url or f"sqlite:///{self.folder / 'twinpurse.db'}"

    @property
    def look(self) -> str:
        """The palette of the pages: "print", "net" or "portal" (for a purse that pays for both)."""
        if self.config.look:
            return self.config.look
        if len(self.config.charges) > 1:
            return "portal"
        return "print" if self.charges_print else "net"

    @property
    def charges_print(self) -> bool:
        """Whether print jobs are paid from this purse."""
        return "print" in self.config.charges

    @property
    def charges_internet(self) -> bool:
        """Whether use of the Internet is paid from this purse."""
        return "internet" in self.config.charges

    @property
    def enforces(self) -> bool:
        """False in monitor mode: count and show, never refuse."""
        return self.config.mode == "enforce"


def settings_of_app() -> Settings:
    """Return the settings of the instance that serves the present request or job."""
    settings: Settings = current_app.extensions["twinpurse.settings"]
    return settings


def read_secret(root: Path, name: str, problems: list[str], *, required: bool = True) -> str:
    """Return the one line of `secrets/<name>`; "" where it is absent. Adds to `problems` what is wrong with it."""
    path = root / SECRETS_DIR / name
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            problems.append(f"{SECRETS_DIR}/{name} can be read by others: chmod 600 {path}")
        return path.read_text("utf-8").strip()
    except UnicodeDecodeError:
        problems.append(f"{SECRETS_DIR}/{name} cannot be read: it is not text")
    except FileNotFoundError:
        if required:
            problems.append(f"{SECRETS_DIR}/{name} is missing: twinpurse init {root} makes it")
    except OSError as exc:
        problems.append(f"{SECRETS_DIR}/{name} cannot be read: {exc.strerror}")
    return ""


def _directory_problems(directory: DirectorySettings, password: str) -> list[str]:
    """Return what would only come up when the directory is first asked."""
    found = []
    if directory.bind_dn and not password:
        found.append(f"directory.bind_dn: its password is missing, put it into {SECRETS_DIR}/directory.password")
    if password and not directory.bind_dn:
        found.append(f"directory.bind_dn: is empty, but there is a password in {SECRETS_DIR}/directory.password")
    if directory.ca_file:
        try:
            Path(directory.ca_file).read_bytes()
        except OSError as exc:
            found.append(f"directory.ca_file: {directory.ca_file} cannot be read: {exc.strerror}")
    return found


def _read_config(root: Path, problems: list[str]) -> Config | None:
    path = root / CONFIG_FILE
    try:
        data: dict[str, Any] = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        problems.append(f"{CONFIG_FILE} is missing: twinpurse init {root} --charges print makes one")
        return None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        problems.append(f"{CONFIG_FILE} is not TOML: {exc}")
        return None
    except OSError as exc:
        problems.append(f"{CONFIG_FILE} cannot be read: {exc.strerror}")
        return None
    try:
        return Config.model_validate(data)
    except ValidationError as exc:
        problems.extend(_sentence(error) for error in exc.errors())
        return None


def _sentence(error: Any) -> str:
    place = ".".join(str(part) for part in error["loc"]) or CONFIG_FILE
    if error["type"] == "extra_forbidden":
        return f"{place}: unknown key"
    if error["type"] == "missing":
        return f"{place}: missing"
    message = str(error["msg"]).removeprefix("Value error, ")
    return f"{place}: {message[0].lower()}{message[1:]}"
