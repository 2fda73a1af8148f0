"""The people of the demo's school, and where they stand in its directory."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

BASE_DN = "dc=northfield,dc=example"
PEOPLE_DN = f"ou=people,{BASE_DN}"
GROUPS_DN = f"ou=groups,{BASE_DN}"
SERVICE_DN = f"cn=twinpurse,{BASE_DN}"


@dataclass(frozen=True)
class DemoPerson:
    """One person of the demo; the password is public and says so."""

    username: str
    given_name: str
    surname: str
    group: str

    @property
    def full_name(self) -> str:
        """Given name and surname."""
        return f"{self.given_name} {self.surname}"

    @property
    def email(self) -> str:
        """An address in a domain that can never exist (RFC 2606)."""
        return f"{self.username}@northfield.example"

    @property
    def password(self) -> str:
        """The password that the demo's directory accepts."""
        return f"demo-{self.username}"

    @property
    def dn(self) -> str:
        """The person's place in the directory."""
        return f"uid={self.username},{PEOPLE_DN}"

    @property
    def entry_uuid(self) -> str:
        """A lasting id, the same at every start."""
        return str(uuid.uuid5(uuid.NAMESPACE_DNS, self.email))


PEOPLE = (
    DemoPerson("alice", "Alice", "Moreau", "Students"),
    DemoPerson("bob", "Bob", "Lindqvist", "Students"),
    DemoPerson("carol", "Carol", "Okafor", "Staff"),
    DemoPerson("admin", "Ada", "Whitfield", "Administrators"),
)


@dataclass(frozen=True)
class DemoGuest:
    """A guest whom the directory does not know; the password is as public as the others, and as long as it must be."""

    username: str = "guest"
    full_name: str = "Noor Haddad"
    password: str = "demo-welcome-2026"


GUEST = DemoGuest()

GROUPS = tuple(dict.fromkeys(person.group for person in PEOPLE))
