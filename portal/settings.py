"""What the portal's folder says: `portal.toml` and `secrets/`, read once, typed; a wrong folder stops the start."""

from __future__ import annotations

import re
import stat
import tomllib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from directory.peers import Peers
from directory.settings import DirectorySettings

CONFIG_FILE = "portal.toml"
SECRETS_DIR = "secrets"
SECRET_CHARACTERS_MIN = 32
LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "::1")


class PortalSettingsError(Exception):
    """The folder is not in order. `problems` has a sentence for each thing that is wrong."""

    def __init__(self, folder: Path, problems: list[str]) -> None:
        super().__init__("\n".join([f"{folder} is not in order:", *problems]))
        self.folder = folder
        self.problems = problems


def _web_address(url: str) -> str:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise ValueError(f"is not an address: {error}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        raise ValueError("must be an address such as https://print.example.org")
    if parts.query or parts.fragment or any(ord(character) <= 0x20 for character in url) or "\\" in url:
        raise ValueError("must be an address without spaces, '?' and '#'")
    return url.rstrip("/")


def _zone_name(name: str) -> str:
    if name not in available_timezones():
        raise ValueError("is not a time zone such as Europe/Berlin")
    return name


WebAddress = Annotated[str, AfterValidator(_web_address)]
ShortName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,30}$")]


class _Section(BaseModel):
    """A table of the file: no unknown key, no silent conversion, no change after reading."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class InstanceSection(_Section):
    """One instance that the portal asks. `url` is for the portal's own calls, `public_url` for browsers."""

    id: ShortName
    name: str = Field(min_length=1, max_length=40)
    look: Literal["print", "net", "portal"] = "portal"
    url: WebAddress
    public_url: WebAddress


def _peers(names: list[str]) -> list[str]:
    Peers.named(names)
    return names


class SignInSection(_Section):
    """Which proxies are believed about where a request comes from."""

    trusted_proxies: Annotated[list[str], AfterValidator(_peers)] = []

    @property
    def proxies(self) -> Peers:
        """Whose X-Forwarded-For counts."""
        return Peers.named(self.trusted_proxies)


def _origin(address: str) -> str:
    """Return scheme, host and port alone, as browsers send an origin (RFC 6454)."""
    parts = urlsplit(_web_address(address))
    if parts.path not in ("", "/"):
        raise ValueError("must be scheme and host only, such as https://intranet.example.org")
    port = f":{parts.port}" if parts.port and parts.port != {"http": 80, "https": 443}[parts.scheme] else ""
    return f"{parts.scheme}://{parts.hostname}{port}"


class EmbedSection(_Section):
    """Whose pages may frame and read the small card; nobody's by default."""

    origins: Annotated[list[Annotated[str, AfterValidator(_origin)]], Field(max_length=50)] = []


class LinkSection(_Section):
    """A link of the administrators, shown under the purses; `…_de` for who reads German, where there is any."""

    title: str = Field(min_length=1, max_length=80)
    href: WebAddress
    note: str = Field(default="", max_length=200)
    title_de: str = Field(default="", max_length=80)
    note_de: str = Field(default="", max_length=200)


def _rate(text: str) -> str:
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,6})?", text, re.ASCII) or not Fraction(text):
        raise ValueError('must be a number over 0 as text, such as "100" or "0.01"')
    return text


class ExchangeSection(_Section):
    """A direction in which people may move value: `rate` units of `to` for one unit of `from`."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, populate_by_name=True)

    source: ShortName = Field(alias="from")
    target: ShortName = Field(alias="to")
    rate: Annotated[str, AfterValidator(_rate)]

    def received(self, amount: int) -> int:
        """Return what arrives for `amount`, both in millionths of their units; what is less is cut off."""
        return int(amount * Fraction(self.rate))


class NoticeSection(_Section):
    """What the administrators have to say to everybody, over the purses; `…_de` as with links."""

    title: str = Field(min_length=1, max_length=120)
    text: str = Field(default="", max_length=1000)
    title_de: str = Field(default="", max_length=120)
    text_de: str = Field(default="", max_length=1000)
    level: Literal["info", "warn", "bad"] = "info"


class Config(_Section):
    """The whole of `portal.toml`."""

    id: ShortName = "portal"
    name: str = Field(default="Twinpurse", min_length=1, max_length=40)
    organisation: str = Field(default="", max_length=80)
    public_url: WebAddress
    time_zone: Annotated[str, AfterValidator(_zone_name)]
    language: Literal["en", "de"] = "en"
    demo: bool = False
    directory: DirectorySettings
    sign_in: SignInSection = SignInSection()
    embed: EmbedSection = EmbedSection()
    link: list[LinkSection] = Field(default=[], max_length=20)
    notice: list[NoticeSection] = Field(default=[], max_length=5)
    exchange: list[ExchangeSection] = []
    instance: list[InstanceSection] = Field(min_length=1)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        for key in ("id", "url", "public_url"):
            twice = _repeated(getattr(instance, key) for instance in self.instance)
            if twice:
                raise ValueError(f"two instances have the same {key}: {', '.join(twice)}")
        known = {instance.id for instance in self.instance}
        for each in self.exchange:
            if not {each.source, each.target} <= known or each.source == each.target:
                raise ValueError(f"exchange: {each.source} and {each.target} are not two of the instances")
        if _repeated(f"{each.source} to {each.target}" for each in self.exchange):
            raise ValueError("exchange: a direction stands there twice")
        if self.public_url in {instance.public_url for instance in self.instance}:
            raise ValueError(f"an instance has the portal's own public_url {self.public_url}")
        addresses = [self.public_url, *(a for i in self.instance for a in (i.url, i.public_url))]
        if self.demo and any(urlsplit(address).hostname not in LOOPBACK_HOSTS for address in addresses):
            raise ValueError("a demo uses 127.0.0.1 only: correct the addresses, or set demo = false")
        return self


@dataclass(frozen=True)
class Instance:
    """One instance as the portal knows it, with the key that the two share."""

    id: str
    name: str
    look: str
    url: str
    public_url: str
    key: str


@dataclass(frozen=True)
class Settings:
    """The portal's configuration with its secrets."""

    folder: Path
    id: str
    organisation: str
    public_url: str
    zone: ZoneInfo
    language: str
    directory: DirectorySettings
    directory_password: str
    secret_key: str
    demo: bool
    sign_in: SignInSection
    embed: EmbedSection
    links: tuple[LinkSection, ...]
    notices: tuple[NoticeSection, ...]
    exchanges: tuple[ExchangeSection, ...]
    instances: tuple[Instance, ...]

    @property
    def is_https(self) -> bool:
        """Whether browsers reach the portal over TLS."""
        return self.public_url.startswith("https://")

    @classmethod
    def load(cls, folder: Path | str) -> Settings:
        """Read the folder. Raises PortalSettingsError with every problem found, not only the first."""
        root = Path(folder).absolute()
        problems: list[str] = []
        config = _read_config(root, problems)
        secret_key = _read_secret(root, "secret.key", problems)
        password = _read_secret(root, "directory.password", problems, required=False)
        sections = config.instance if config else []
        keys = {section.id: _read_secret(root, f"instance-{section.id}.key", problems) for section in sections}
        for twice in _repeated(key for key in (secret_key, *keys.values()) if key):
            files = ["secret.key"] * (twice == secret_key) + [
                f"instance-{i}.key" for i, k in keys.items() if k == twice
            ]
            problems.append(f"{SECRETS_DIR}: each key must be its own, but {' and '.join(files)} are the same")
        if problems or config is None:
            raise PortalSettingsError(root, problems)
        return cls(
            folder=root,
            id=config.id,
            organisation=config.organisation,
            public_url=config.public_url,
            zone=ZoneInfo(config.time_zone),
            language=config.language,
            directory=config.directory,
            directory_password=password,
            secret_key=secret_key,
            demo=config.demo,
            sign_in=config.sign_in,
            embed=config.embed,
            links=tuple(config.link),
            notices=tuple(config.notice),
            exchanges=tuple(config.exchange),
            instances=tuple(Instance(**section.model_dump(), key=keys[section.id]) for section in sections),
        )


def _repeated(values: Iterable[str]) -> list[str]:
    return [value for value, count in Counter(values).items() if count > 1]


def _read_secret(root: Path, name: str, problems: list[str], *, required: bool = True) -> str:
    """Return the one line of `secrets/<name>`, "" where it is absent; add to `problems` what is wrong with it."""
    path = root / SECRETS_DIR / name
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            problems.append(f"{SECRETS_DIR}/{name} can be read by others: chmod 600 {path}")
        secret = path.read_text("utf-8").strip()
    except FileNotFoundError:
        if required:
            problems.append(f"{SECRETS_DIR}/{name} is missing")
        return ""
    except (OSError, UnicodeDecodeError) as error:
        problems.append(f"{SECRETS_DIR}/{name} cannot be read: {error}")
        return ""
    if required and len(secret) < SECRET_CHARACTERS_MIN:
        problems.append(f"{SECRETS_DIR}/{name} is shorter than {SECRET_CHARACTERS_MIN} characters")
    return secret


def _read_config(root: Path, problems: list[str]) -> Config | None:
    try:
        data: dict[str, Any] = tomllib.loads((root / CONFIG_FILE).read_text("utf-8"))
    except FileNotFoundError:
        problems.append(f"{CONFIG_FILE} is missing")
        return None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        problems.append(f"{CONFIG_FILE} is not TOML: {error}")
        return None
    except OSError as error:
        problems.append(f"{CONFIG_FILE} cannot be read: {error.strerror}")
        return None
    try:
        return Config.model_validate(data)
    except ValidationError as error:
        problems.extend(_sentence(detail["loc"], detail["type"], detail["msg"]) for detail in error.errors())
        return None


def _sentence(location: tuple[int | str, ...], kind: str, message: str) -> str:
    place = ".".join(str(part) for part in location) or CONFIG_FILE
    known = {"extra_forbidden": "unknown key", "missing": "missing"}
    return f"{place}: {known.get(kind) or message.removeprefix('Value error, ')}"
