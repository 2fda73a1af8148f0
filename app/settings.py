"""What an instance folder says: `config.toml` and `secrets/`, read once, typed; a wrong folder stops the start."""

from __future__ import annotations

import ipaddress
import stat
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

from flask import current_app
from pydantic import AfterValidator, Field, ValidationError, ValidationInfo, field_validator

from app.errors import SettingsError
from app.money import Unit
from app.settings_tables import (
    Amount,
    ClientSection,
    ExchangeSection,
    InternetSection,
    MailSection,
    PrintSection,
    RadiusSection,
    Section,
    SignInSection,
    TransfersSection,
    UnitSection,
)
from directory.settings import DirectorySettings

CONFIG_FILE = "config.toml"
SECRETS_DIR = "secrets"
SECRET_BYTES_MIN = 32


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


HttpUrl = Annotated[str, AfterValidator(_http_url)]
OptionalHttpUrl = Annotated[str, AfterValidator(lambda url: _http_url(url) if url else "")]


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
    language: Literal["en", "de"] = "en"
    low_balance: Amount = 1_000_000
    helper_daily_limit: Amount = 20_000_000
    database_url: Annotated[str, _beginning_with("sqlite:///", "postgresql+psycopg://")] = ""
    redis_url: Annotated[str, _beginning_with("redis://", "rediss://", "unix://")] = ""
    demo: bool = False
    unit: UnitSection = UnitSection()
    directory: DirectorySettings
    sign_in: SignInSection = SignInSection()
    client: ClientSection = ClientSection()
    transfers: TransfersSection = TransfersSection()
    exchange: ExchangeSection = ExchangeSection()
    print: PrintSection = PrintSection()
    internet: InternetSection = InternetSection()
    radius: RadiusSection = RadiusSection()
    mail: MailSection | None = None

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

    def __init__(
        self,
        folder: Path,
        config: Config,
        secret_key: str,
        directory_password: str,
        portal_key: str,
        mail_password: str = "",
    ) -> None:
        self.folder = folder
        self.config = config
        self.secret_key = secret_key
        self.directory_password = directory_password
        self.portal_key = portal_key
        self.mail_password = mail_password
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
        mail_password = read_secret(root, "mail.password", problems, required=False)
        if config is not None:
            problems += _mail_problems(config.mail, mail_password)
        if problems or config is None:
            raise SettingsError(str(folder), problems)
        return cls(root, config, secret_key, directory_password, portal_key, mail_password)

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
    return found + _file_problems("directory.ca_file", directory.ca_file)


def _mail_problems(mail: MailSection | None, password: str) -> list[str]:
    """Return what would only come up when the first e-mail is sent."""
    found = []
    if mail is not None and mail.username and not password:
        found.append(f"mail.username: its password is missing, put it into {SECRETS_DIR}/mail.password")
    if password and not (mail is not None and mail.username):
        found.append(f"mail.username: is empty, but there is a password in {SECRETS_DIR}/mail.password")
    return found + (_file_problems("mail.ca_file", mail.ca_file) if mail is not None else [])


def _file_problems(key: str, path: str) -> list[str]:
    try:
        if path:
            Path(path).read_bytes()
    except OSError as exc:
        return [f"{key}: {path} cannot be read: {exc.strerror}"]
    return []


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
