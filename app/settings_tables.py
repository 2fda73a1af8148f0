"""The tables of an instance's `config.toml`, each typed; `app.settings` puts them together."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from app.money import MICRO, parse_amount
from directory.peers import Peers

PRICE_MAX = 1_000_000 * MICRO
"""The highest price of a page or a MB: the price of a million pages still fits into the database's 64 bits."""


def _amount(value: object) -> int:
    if not isinstance(value, str):
        raise ValueError('write the amount between quotes, such as "0.05"')
    amount = parse_amount(value)
    if amount < 0:
        raise ValueError("must not be negative")
    return amount


def _price(amount: int) -> int:
    if amount > PRICE_MAX:
        raise ValueError(f"must not be more than {PRICE_MAX // MICRO:,}")
    return amount


Amount = Annotated[int, BeforeValidator(_amount)]
Price = Annotated[int, BeforeValidator(_amount), AfterValidator(_price)]


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


class RadiusSection(Section):
    """What Wi-Fi controllers and captive portals are told when somebody goes online."""

    recheck_minutes: int = Field(default=240, ge=1, le=43_200)
    interim_seconds: int = Field(default=300, ge=60, le=3600)
    data_limits: list[Literal["chillispot", "mikrotik", "pfsense"]] = ["chillispot", "mikrotik"]
    slow_kbits: int = Field(default=256, ge=1, le=1_000_000)


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


class TransfersSection(Section):
    """Whether people may give an amount of their purse to somebody else; 0 for no limit of a day."""

    allowed: bool = False
    comments: bool = False
    most_per_day: Amount = 0


class ExchangeSection(Section):
    """Whether the portal may move value of a person out of, or into, their purse here."""

    out: bool = False
    into: bool = False
