"""Which sites are in which list, and which are ours: the instance's table, as the follower sums up by it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

HOUR_S: Final = 3600
HTTP_PORT: Final = "80"
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
        """`lists`: domain -> number of its list; it holds for all below it, and the longest that fits counts.

        `own`: hosts that are ours, at the port that is named (`host:port`, `[IPv6]:port`) or, without one, at any.
        """
        super().__init__()
        self._lists = lists
        self._own = {(host_name(each.encode()), _port(each)) for each in own}

    def __missing__(self, written: bytes) -> int:
        if len(self) >= MOST_KEPT:
            self.clear()
        host = host_name(written)
        if (host, "") in self._own or (host, _port(written.decode("latin-1")) or HTTP_PORT) in self._own:
            found = OWN
        else:
            found = self._find(host) << SHIFT
        self[written] = found
        return found

    def _find(self, host: str) -> int:
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
    `domains`: whether bytes by domain are wanted. `takes_packed`: many sums may come as `squid_slots.to_json` has them.
    """

    def __init__(self, told: Mapping[str, Any]) -> None:
        """Raises ValueError for what is no table."""
        try:
            self.version = str(told["version"])
            self.slot_s, self.period_s = int(told["slot_s"]), int(told["period_s"])
            self.domains, self.takes_packed = bool(told["domains"]), bool(told.get("packed"))
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
        self.own_names = sorted({host_name(host.encode()).encode() for host in own})
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
    text = text.partition("/")[0]
    if text.count(":") == 1:
        text = text.partition(":")[0]
    return text.rstrip(".")


def _port(written: str) -> str:
    """The port that stands behind a host; "" where none does, as in the address of a plain page at the usual port."""
    port = written.rpartition("]" if written.startswith("[") else ":")
    return port[2].removeprefix(":").partition("/")[0] if port[1] else ""


def is_address(host: str) -> bool:
    """Whether a host is written as a number: then no domain holds it."""
    return ":" in host or host.replace(".", "").isdigit()
