"""Which sites are in which list, and which are ours: the instance's table, as the follower sums up by it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

HOUR_S: Final = 3600
OWN: Final = -1
"""The class of hosts that are ours: nobody pays for them."""
SHIFT: Final = 32
"""Bits below a list's number, for a user's."""
MOST_KEPT: Final = 200_000
"""Hosts whose class is remembered; then it is found out anew."""


class Sites(dict[bytes, int]):
    """Host as a line writes it (with port, in any case) -> the number of its list of sites, 0 for none, OWN for ours.

    Numbers are shifted by SHIFT, so that one number says both a list and a user.
    """

    def __init__(self, lists: Mapping[str, int], own: frozenset[str]) -> None:
        """`lists`: domain -> number of its list; it holds for all below it, and the longest that fits counts."""
        super().__init__()
        self._lists = lists
        self._own = own

    def __missing__(self, written: bytes) -> int:
        if len(self) >= MOST_KEPT:
            self.clear()
        found = self._find(host_name(written))
        self[written] = found = found if found == OWN else found << SHIFT
        return found

    def _find(self, host: str) -> int:
        if host in self._own:
            return OWN
        if is_address(host):
            return self._lists.get(host, 0)
        while host:
            found = self._lists.get(host)
            if found is not None:
                return found
            host = host.partition(".")[2]
        return 0


class Table:
    """What the instance wants summed up, and how finely. Fields that it does not know yet are left alone.

    `slot_s`, `period_s`: seconds of a slot and of a period of time that is paid as a whole, 0 where time costs nothing.
    `site_ids`: by number, the lists of sites. `untimed`: those of which use makes no period, as `sites` has them.
    `domains`: whether bytes by domain are wanted.
    """

    def __init__(self, told: Mapping[str, Any]) -> None:
        """Raises ValueError for what is no table."""
        try:
            self.version = str(told["version"])
            self.slot_s, self.period_s = int(told["slot_s"]), int(told["period_s"])
            self.domains = bool(told["domains"])
            own = frozenset(str(host).lower() for host in told["own"])
            self.site_ids = [0, *(int(site_id) for site_id, _ in told["sites"])]
            lists = {str(domain): number for number, (_, domains) in enumerate(told["sites"], 1) for domain in domains}
            free = set(map(int, told.get("untimed", ())))
            self.untimed = frozenset(n << SHIFT for n, site_id in enumerate(self.site_ids) if site_id in free)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"the table of the instance is not understood: {error!r}") from None
        if not 0 < self.slot_s <= HOUR_S or self.period_s < 0:
            raise ValueError(f"the table's slots of {self.slot_s} s or periods of {self.period_s} s are impossible")
        self.sites = Sites(lists, own)
        self.own = [host.encode("utf-8", "replace") for host in sorted(own)]
        self.by_site = bool(lists)

    @property
    def needs_hosts(self) -> bool:
        """Whether each line's host matters, and not only whether it is ours."""
        return self.by_site or self.domains


PLAIN: Final[Mapping[str, Any]] = {
    "version": "",
    "slot_s": HOUR_S,
    "period_s": 0,
    "own": [],
    "domains": False,
    "sites": [],
}
"""The table of an instance that charges every byte alike."""


def host_name(written: bytes) -> str:
    """The host's name in lower case, without user, port, brackets and the dot at its end."""
    text = written.decode("utf-8", "replace").lower().rpartition("@")[2]
    if text.startswith("["):
        return text[1:].partition("]")[0]
    if text.count(":") == 1:
        text = text.partition(":")[0]
    return text.rstrip(".")


def is_address(host: str) -> bool:
    """Whether a host is written as a number: then no domain holds it."""
    return ":" in host or host.replace(".", "").isdigit()
