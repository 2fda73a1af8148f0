"""What every step of the walk through a directory server has in common: its words, and how it ends the walk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from directory.ldap import LdapDirectory
from directory.settings import DirectorySettings, ServerAddress
from language import N_, _

RoleOf = Callable[[Sequence[str]], str]
"""Which role membership of these groups gives: "", "auditor", "helper" or "admin"."""


class Step(NamedTuple):
    """One step at one server. `state`: "ok", "warn" (it works, but look), or "bad" (the walk ends there).

    `says` is what was found; `advice` is what to change, and names the key of the configuration: both in the language
    spoken. `name` is English, and translated where it is shown.
    """

    server: str
    name: str
    state: str
    says: str
    advice: str = ""


class WalkStoppedError(Exception):
    """A step failed, and nothing comes after it."""

    def __init__(self, step: Step) -> None:
        super().__init__(step.says)
        self.step = step


class Steps:
    """Steps at one server. `_at` is the one that is being made."""

    def __init__(
        self,
        directory: LdapDirectory,
        settings: DirectorySettings,
        address: ServerAddress,
        *,
        deadline: float,
        role_of: RoleOf | None,
    ) -> None:
        """`deadline` is a time.monotonic() value; `role_of` is None where groups give no roles."""
        self._directory = directory
        self._settings = settings
        self._address = address
        self._deadline = deadline
        self._role_of = role_of
        self._at = N_("Connect")

    def _step(self, state: str, says: str, advice: str = "") -> Step:
        return Step(self._address.url, self._at, state, says, advice)

    def _stop(self, says: str, advice: str) -> WalkStoppedError:
        return WalkStoppedError(self._step("bad", says, advice))

    def _why_nobody_at_all(self) -> str:
        if not self._settings.bind_dn:
            return _("The server shows nobody to who has not signed in: set bind_dn and its password.")
        key = "people_filter" if self._settings.people_filter else "user_filter"
        return _("Correct %(key)s (or kind), or base_dn, or let bind_dn read people.", key=key)
