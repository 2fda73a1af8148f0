"""The [directory] table of an instance's or the portal's configuration, checked before anything is started."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from ldap3.core.exceptions import LDAPException
from ldap3.operation.search import parse_filter
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

_DEFAULT_PORTS = {"ldap": 389, "ldaps": 636}
_ATTRIBUTE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]*(;[A-Za-z0-9-]+)*")  # RFC 4512 section 2.5, without numeric OIDs
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True)
class ServerAddress:
    """One directory server: `tls` is true for ldaps://, where TLS starts with the connection."""

    host: str
    port: int
    tls: bool

    @property
    def url(self) -> str:
        """The address as people write it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'ldaps' if self.tls else 'ldap'}://{host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """True when the traffic cannot leave this machine."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def parse_server(url: str) -> ServerAddress:
    """Read "ldaps://host:636" or "ldap://host:389". Raises ValueError with a plain reason."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"{url!r} is not an address: {error}") from None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise ValueError(f"{url!r} must look like ldaps://host:636 or ldap://host:389")
    if parts.path not in ("", "/") or parts.query or parts.fragment or parts.username is not None:
        raise ValueError("a server address has a host and a port, nothing else")
    return ServerAddress(parts.hostname, port or _DEFAULT_PORTS[parts.scheme], parts.scheme == "ldaps")


class DirectorySettings(BaseModel):
    """How to reach the directory and how to read it. The bind password is never here; it is a file of its own.

    The defaults suit OpenLDAP. For Active Directory: user_filter "(sAMAccountName={username})", username_attribute
    "sAMAccountName", name_attribute "displayName", id_attribute "objectGUID", and for nested groups group_filter
    "(member:1.2.840.113556.1.4.1941:={dn})".
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    servers: list[str] = Field(min_length=1)
    start_tls: bool = False
    ca_file: str = ""
    bind_dn: str = ""
    base_dn: str = Field(min_length=1)
    user_filter: str = "(uid={username})"
    username_attribute: str = "uid"
    name_attribute: str = "cn"
    email_attribute: str = "mail"
    id_attribute: str = "entryUUID"
    group_base_dn: str = ""
    group_filter: str = "(|(member={dn})(uniqueMember={dn})(memberUid={username}))"
    group_name_attribute: str = "cn"
    admin_groups: list[str] = []
    connect_timeout_s: float = Field(default=3, gt=0, le=60)
    receive_timeout_s: float = Field(default=5, gt=0, le=60)
    plaintext_on_loopback: bool = False

    @property
    def addresses(self) -> tuple[ServerAddress, ...]:
        """The servers, in the order in which they are asked."""
        return tuple(parse_server(url) for url in self.servers)

    @property
    def groups_below(self) -> str:
        """Where groups are searched: group_base_dn, or base_dn when that is empty."""
        return self.group_base_dn or self.base_dn

    @field_validator("servers")
    @classmethod
    def _servers_are_addresses(cls, servers: list[str]) -> list[str]:
        for url in servers:
            parse_server(url)
        return servers

    @field_validator("username_attribute", "name_attribute", "email_attribute", "id_attribute", "group_name_attribute")
    @classmethod
    def _attribute_is_a_name(cls, attribute: str) -> str:
        if not _ATTRIBUTE_NAME.fullmatch(attribute):
            raise ValueError(f"{attribute!r} is not the name of an attribute")
        return attribute

    @field_validator("user_filter")
    @classmethod
    def _user_filter_names_the_user(cls, template: str) -> str:
        return _checked_filter(template, allowed={"username"})

    @field_validator("group_filter")
    @classmethod
    def _group_filter_names_the_user(cls, template: str) -> str:
        return _checked_filter(template, allowed={"username", "dn"})

    @model_validator(mode="after")
    def _passwords_are_not_sent_in_the_open(self) -> Self:
        for address in self.addresses:
            if address.tls and self.start_tls:
                raise ValueError(f"{address.url}: start_tls is for ldap://, an ldaps:// address has TLS from the start")
            if address.tls or self.start_tls or (self.plaintext_on_loopback and address.is_loopback):
                continue
            raise ValueError(
                f"{address.url} would send passwords unencrypted: use ldaps:// or start_tls = true"
                " (plaintext_on_loopback = true allows it for a server on this machine only)"
            )
        return self


def _checked_filter(template: str, *, allowed: set[str]) -> str:
    """Return the template when it is an LDAP filter that holds a placeholder and no unknown one."""
    names = set(_PLACEHOLDER.findall(template))
    if not names:
        raise ValueError(f"the filter must hold {' or '.join(sorted('{' + name + '}' for name in allowed))}")
    if names - allowed:
        raise ValueError(f"the filter holds an unknown placeholder: {', '.join(sorted(names - allowed))}")
    try:
        parse_filter(_PLACEHOLDER.sub("x", template), None, False, False, None, False)
    except LDAPException:
        raise ValueError("the filter is not an LDAP search filter (RFC 4515)") from None
    return template
