"""The tables of an instance's `config.toml`, each typed; `app.settings` puts them together."""

from __future__ import annotations

import re
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


def _mail_address(address: str) -> str:
    # One address and nothing else: no display name, no list, no line break. What is behind the @ the server knows.
    if not re.fullmatch(r"[^\s@<>,;:\"()\[\]\\]{1,64}@[A-Za-z0-9.-]{1,253}", address):
        raise ValueError("must be one e-mail address such as purse@example.org")
    return address


class MailSection(Section):
    """The mail server that takes notices; without this table no e-mail is sent. The password: secrets/mail.password.

    `everybody`: whether people who chose nothing are told by e-mail too.
    """

    server: str = Field(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9._:-]+$")
    port: int = Field(default=0, ge=0, le=65_535)
    security: Literal["starttls", "tls", "none"] = "starttls"
    sender: Annotated[str, Field(max_length=320), AfterValidator(_mail_address)]
    sender_name: str = Field(default="", max_length=80, pattern=r"^[^\x00-\x1f\x7f]*$")
    username: str = Field(default="", max_length=256)
    ca_file: str = ""
    everybody: bool = False

    @model_validator(mode="after")
    def _no_password_in_the_clear(self) -> Self:
        if self.username and self.security == "none":
            raise ValueError('a password would travel in the clear: choose security "starttls" or "tls"')
        return self

    @property
    def port_used(self) -> int:
        """The port; the usual one where none is named (RFC 6409, RFC 8314, RFC 5321)."""
        return self.port or {"starttls": 587, "tls": 465, "none": 25}[self.security]
