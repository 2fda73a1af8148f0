"""The [directory] table of an instance's or the portal's configuration, checked before anything is started."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from ldap3.core.exceptions import LDAPException
from ldap3.operation.search import parse_filter
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

_DEFAULT_PORTS = {"ldap": 389, "ldaps": 636}
_ATTRIBUTE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]*(;[A-Za-z0-9-]+)*")  # RFC 4512 section 2.5, without numeric OIDs
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
# One comparison of a filter, such as "(uid={username})": attribute and the value that it must equal.
_COMPARISON = re.compile(r"\(\s*([A-Za-z][A-Za-z0-9;-]*)\s*=([^()]*)\)")

IN_CHAIN = ":1.2.840.113556.1.4.1941:"  # MS-ADTS section 3.1.1.3.4.4.3: follows a link through all groups between
_MEMBERS = "(|(member={dn})(uniqueMember={dn})(memberUid={username}))"

# What `kind` sets. sAMAccountType 805306368 is an ordinary user account (MS-ADTS section 2.2.1.5), and is indexed.
PRESETS: dict[str, dict[str, str]] = {
    "openldap": {
        "user_filter": "(|(uid={username})(mail={username}))",
        "username_attribute": "uid",
        "name_attribute": "cn",
        "id_attribute": "entryUUID",
        "group_filter": _MEMBERS,
    },
    "active-directory": {
        "user_filter": ("(&(sAMAccountType=805306368)(|(sAMAccountName={username})(userPrincipalName={username})))"),
        "username_attribute": "sAMAccountName",
        "name_attribute": "displayName",
        "id_attribute": "objectGUID",
        "group_filter": f"(&(objectCategory=group)(member{IN_CHAIN}={{dn}}))",
    },
    "freeipa": {
        "user_filter": "(&(objectClass=posixAccount)(|(uid={username})(mail={username})))",
        "username_attribute": "uid",
        "name_attribute": "cn",
        "id_attribute": "ipaUniqueID",
        "group_filter": "(&(objectClass=ipaUserGroup)(member={dn}))",
    },
}


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

    `kind` sets the filters and attributes (PRESETS) that are not written out; what is written out wins.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    kind: Literal["openldap", "active-directory", "freeipa"] = "openldap"
    servers: list[str] = Field(min_length=1)
    start_tls: bool = False
    ca_file: str = ""
    bind_dn: str = ""
    base_dn: str = Field(min_length=1)
    domains: list[str] = []
    user_filter: str = PRESETS["openldap"]["user_filter"]
    people_filter: str = ""
    username_attribute: str = PRESETS["openldap"]["username_attribute"]
    name_attribute: str = PRESETS["openldap"]["name_attribute"]
    email_attribute: str = "mail"
    id_attribute: str = PRESETS["openldap"]["id_attribute"]
    group_base_dn: str = ""
    group_filter: str = PRESETS["openldap"]["group_filter"]
    group_name_attribute: str = "cn"
    nested_groups: bool = True
    admin_groups: list[str] = []
    helper_groups: list[str] = []
    auditor_groups: list[str] = []
    lockout_after: int = Field(default=10, ge=0, le=1000)
    connect_timeout_s: float = Field(default=3, gt=0, le=60)
    receive_timeout_s: float = Field(default=5, gt=0, le=60)
    plaintext_on_loopback: bool = False

    @model_validator(mode="before")
    @classmethod
    def _filled_in_by_kind(cls, data: Any) -> Any:
        """Put the preset of the kind under what is written out. An unknown kind is refused later, by its own check."""
        if not isinstance(data, dict):
            return data
        kind = data.get("kind", "openldap")
        preset = dict(PRESETS.get(kind, {})) if isinstance(kind, str) else {}
        if preset and data.get("nested_groups") is False:
            preset["group_filter"] = preset["group_filter"].replace(IN_CHAIN, "")
        return preset | data

    @property
    def addresses(self) -> tuple[ServerAddress, ...]:
        """The servers, in the order in which they are asked."""
        return tuple(parse_server(url) for url in self.servers)

    @property
    def groups_below(self) -> str:
        """Where groups are searched: group_base_dn, or base_dn when that is empty."""
        return self.group_base_dn or self.base_dn

    @property
    def is_active_directory(self) -> bool:
        """True when accounts and groups are kept the way of Active Directory."""
        return self.kind == "active-directory"

    @property
    def everybody_filter(self) -> str:
        """The filter for all people who are synced: people_filter, or everybody whom user_filter could find."""
        return self.people_filter or f"(&({self.username_attribute}=*){_PLACEHOLDER.sub('*', self.user_filter)})"

    @property
    def name_comparisons(self) -> tuple[tuple[str, str], ...]:
        """What user_filter compares names with: (attribute, template of its value with {username}), in its order."""
        return tuple((name, value) for name, value in _COMPARISON.findall(self.user_filter) if "{username}" in value)

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
        """Every name must stand in a comparison: only then can it be said whether an entry really has that name."""
        checked = _checked_filter(template, allowed={"username"})
        compared = [value for _, value in _COMPARISON.findall(checked) if "{username}" in value]
        if sum(value.count("{username}") for value in compared) != checked.count("{username}"):
            raise ValueError("the filter may hold {username} only in comparisons such as (uid={username})")
        if any("*" in value for value in compared):
            raise ValueError("the filter must compare {username} with a whole name, without *")
        return checked

    @field_validator("people_filter")
    @classmethod
    def _people_filter_names_nobody(cls, template: str) -> str:
        return _checked_filter(template, allowed=set()) if template else ""

    @field_validator("domains")
    @classmethod
    def _domain_is_a_name(cls, domains: list[str]) -> list[str]:
        for domain in domains:
            if not domain.strip() or "\\" in domain or "@" in domain:
                raise ValueError(f"{domain!r} is not the name of a domain, such as SCHOOL or school.example.org")
        return domains

    @field_validator("lockout_after")
    @classmethod
    def _lockout_leaves_tries(cls, lockout_after: int) -> int:
        if lockout_after in (1, 2):
            raise ValueError("must be 3 or more, or 0 when the directory locks nobody")
        return lockout_after

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
    """Return the template when it is an LDAP filter with one of the placeholders `allowed`, and with no other."""
    names = set(_PLACEHOLDER.findall(template))
    if allowed and not names:
        raise ValueError(f"the filter must hold {' or '.join(sorted('{' + name + '}' for name in allowed))}")
    if names - allowed:
        raise ValueError(f"the filter holds an unknown placeholder: {', '.join(sorted(names - allowed))}")
    try:
        parse_filter(_PLACEHOLDER.sub("x", template), None, False, False, None, False)
    except LDAPException:
        raise ValueError("the filter is not an LDAP search filter (RFC 4515)") from None
    return template
