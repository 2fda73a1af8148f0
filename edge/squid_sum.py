"""What a batch sums up: bytes and requests by slot of time, list of sites and user; blocks of lines at a time."""

from __future__ import annotations

import marshal
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable
from operator import itemgetter, or_
from typing import Any, Final, NamedTuple

from edge.squid_columns import NOBODY, Columns, odd_lines, read_columns
from edge.squid_lines import LogFormat, Traffic, Unpaid, name_from_native, name_from_url_code, read_line
from edge.squid_sites import OWN, SHIFT, Table, host_name

Name = bytes | str
"""A user as the log writes them, or read already."""

NOBODYS_PLACE: Final = 0
USER_BITS: Final = (1 << SHIFT) - 1


class Column(NamedTuple):
    """What users moved in one slot of time: as many numbers as users, or none where all are 0.

    `users`: their places. `sites`: numbers of lists of sites. `until`: when the last of it ended, as `slot` in seconds
    since 1970.
    """

    slot: int
    until: int
    users: list[int]
    sites: list[int]
    down: list[int]
    up: list[int]
    cached: list[int]
    requests: list[int]


class _Slot:
    """A column that still grows. Its keys say a list of sites and a user: see `squid_sites.SHIFT`."""

    __slots__ = ("cached", "down", "requests", "until", "up")

    def __init__(self) -> None:
        self.until = 0
        self.down: defaultdict[int, int] = defaultdict(int)
        self.up: defaultdict[int, int] = defaultdict(int)
        self.cached: defaultdict[int, int] = defaultdict(int)
        self.requests: Counter[int] = Counter()

    def column(self, slot: int, by_site: bool) -> Column:
        """What it holds. What nobody pays is forgotten."""
        for key in [key for key in self.requests if not key & USER_BITS] if by_site else [NOBODYS_PLACE]:
            for part in (self.down, self.up, self.cached, self.requests):
                part.pop(key, None)
        keys = list(self.requests)
        users, sites = keys, []
        if by_site:
            users, sites = [key & USER_BITS for key in keys], [key >> SHIFT for key in keys]
        down, requests = (list(map(part.__getitem__, keys)) for part in (self.down, self.requests))
        up, cached = ([part.get(key, 0) for key in keys] if part else [] for part in (self.up, self.cached))
        return Column(slot, self.until, users, sites, down, up, cached, requests)


class _Places(dict[Name, int]):
    """A number for each way in which a user is written."""

    def __missing__(self, name: Name) -> int:
        self[name] = place = len(self)
        return place


class Sums:
    """Lines read but not booked yet, summed up. `lines` counts all that were looked at, paid or not."""

    def __init__(self, table: Table, log_format: LogFormat) -> None:
        self.table = table
        self.lines = 0
        self.newest_ms = 0
        self.unpaid: Counter[Unpaid] = Counter()
        self.log_format = log_format
        self._places = _Places({NOBODY: NOBODYS_PLACE})
        self._slots: dict[int, _Slot] = {}
        self._columns: list[Column] = []  # summed up elsewhere
        self._periods: defaultdict[int, set[int]] = defaultdict(set)
        self._domains: defaultdict[tuple[int, int, bytes], int] = defaultdict(int)

    @property
    def has_paid(self) -> bool:
        """Whether anybody has to pay anything."""
        keys = (key for slot in self._slots.values() for key in slot.requests)
        return any(key & USER_BITS for key in keys) or any(column.users for column in self._columns)

    @property
    def size(self) -> int:
        """How many sums there are, about."""
        return sum(len(slot.requests) for slot in self._slots.values()) + sum(len(each.users) for each in self._columns)

    def add_block(self, block: bytes) -> None:
        """Add lines; each ends with a line's end."""
        columns = read_columns(block, self.log_format)
        if columns is None:
            block, odd = odd_lines(block, self.log_format)
            columns = read_columns(block, self.log_format) if odd and block else None
            if columns is None:
                odd += block.split(b"\n")[:-1]
            for line in odd:
                self.add_line(line)
        if columns is not None:
            self._add_columns(columns, block)

    def add_line(self, line: bytes) -> None:
        """Add one line, without its end, of any shape."""
        self.lines += 1
        traffic = read_line(line, self.log_format)
        if isinstance(traffic, Unpaid):
            self.unpaid[traffic] += 1
        else:
            self.add(traffic)

    def add(self, traffic: Traffic, requests: int = 1) -> None:
        """Add what one request moved, or with 0 requests what one moved so far."""
        self.newest_ms = max(self.newest_ms, traffic.at_ms)
        site = self.table.sites[traffic.host]
        if site == OWN:
            return
        user, at_s = self._places[traffic.user], traffic.at_ms // 1000
        begin = at_s - at_s % self.table.slot_s
        slot, key = self._slot(begin), site | user
        slot.until = max(slot.until, at_s)
        slot.requests[key] += requests
        slot.down[key] += traffic.download
        if traffic.upload:
            slot.up[key] += traffic.upload
        if traffic.cached:
            slot.cached[key] += traffic.download
        if self.table.period_s and site not in self.table.untimed:
            self._periods[at_s - at_s % self.table.period_s].add(user)
        if self.table.domains:
            self._domains[begin, user, traffic.host] += traffic.download

    def packed(self) -> bytes:
        """All of it as bytes, for another process that adds it with `add_packed`."""
        unpaid = [(why.value, count) for why, count in self.unpaid.items()]
        columns = [tuple(column) for column in self._all_columns()]
        periods = [(start, list(users)) for start, users in self._periods.items()]
        places = list(self._places)
        return marshal.dumps((self.lines, self.newest_ms, unpaid, places, columns, periods, dict(self._domains)))

    def add_packed(self, data: bytes) -> None:
        """Add what another process summed up. It is of our own making and came by a pipe of our own."""
        lines, newest_ms, unpaid, names, columns, periods, domains = marshal.loads(data)  # noqa: S302
        here = [self._places[name] for name in names]
        self.lines += lines
        self.newest_ms = max(self.newest_ms, newest_ms)
        self.unpaid.update({Unpaid(why): count for why, count in unpaid})
        for each in columns:
            column = Column(*each)
            self._columns.append(column._replace(users=list(map(here.__getitem__, column.users))))
        for start, users in periods:
            self._periods[start].update(map(here.__getitem__, users))
        for (slot, user, host), size in domains.items():
            self._domains[slot, here[user], host] += size

    def body(self) -> dict[str, Any]:
        """The sums as the instance takes them: users by number, the columns of a slot side by side.

        The same sums always give the same body.
        """
        columns = sorted(self._all_columns(), key=itemgetter(0, 1))
        users, places = self._users(columns)
        newest: dict[int, int] = {}
        slots = []
        for column in columns:
            numbers = list(map(places.__getitem__, column.users))
            if -1 in numbers:
                column = _readable(column._replace(users=numbers))
                numbers = column.users
            newest.update(dict.fromkeys(numbers, column.until))  # columns come in the order of `until`
            if numbers:
                sites = list(map(self.table.site_ids.__getitem__, column.sites)) if any(column.sites) else []
                slots.append([column.slot, numbers, sites, *column[4:]])
        body: dict[str, Any] = {"version": self.table.version, "users": users, "slots": slots}
        body["newest"] = [newest[number] for number in range(len(users))]
        if self.table.period_s:
            body["periods"] = self._period_rows(places)
        if self.table.domains:
            body["domains"] = self._domain_rows(places)
        return body

    def _users(self, columns: list[Column]) -> tuple[list[str], list[int]]:
        """Every user once, as the instance keeps names, and for each place the number there; -1: no name."""
        read_name = name_from_url_code if self.log_format is LogFormat.TWINPURSE else name_from_native
        used: set[int] = set().union(*(column.users for column in columns))
        numbers: dict[str, int] = {}
        places = [-1] * len(self._places)
        for name, place in self._places.items():
            if place in used:
                read = read_name(name) if isinstance(name, bytes) else name
                if read is not None:
                    places[place] = numbers.setdefault(read, len(numbers))
        lost = (
            sum(
                count
                for column in columns
                for place, count in zip(column.users, column.requests, strict=True)
                if places[place] < 0
            )
            if any(places[place] < 0 for place in used)
            else 0
        )
        self.unpaid[Unpaid.UNREADABLE] += lost
        return list(numbers), places

    def _period_rows(self, places: list[int]) -> list[list[Any]]:
        starts: defaultdict[int, list[int]] = defaultdict(list)
        for start, users in sorted(self._periods.items()):
            for number in sorted({places[user] for user in users} - {-1}):
                starts[number].append(start)
        return [[number, found] for number, found in sorted(starts.items())]

    def _domain_rows(self, places: list[int]) -> list[list[Any]]:
        rows: defaultdict[tuple[int, int, str], int] = defaultdict(int)
        for (slot, user, written), size in self._domains.items():
            host = host_name(written)[:253]
            if places[user] >= 0 and host and size:
                rows[places[user], slot, host] += size
        return [[*key, size] for key, size in sorted(rows.items())]

    def _all_columns(self) -> list[Column]:
        return [slot.column(begin, self.table.by_site) for begin, slot in self._slots.items()] + self._columns

    def _slot(self, begin: int) -> _Slot:
        found = self._slots.get(begin)
        if found is None:
            found = self._slots[begin] = _Slot()
        return found

    def _add_columns(self, columns: Columns, block: bytes) -> None:
        table, times = self.table, columns.times
        self.lines += len(times)
        self.newest_ms = max(self.newest_ms, int(times[-1].replace(b".", b"")))
        hosts: list[bytes] = []
        sites: list[int] = []
        if table.needs_hosts or any(host in block for host in table.own):
            parts = [url.split(b"/", 3) for url in columns.urls]
            hosts = [part[2] if len(part) > 2 else part[0] for part in parts]  # as host_field
            sites = list(map(table.sites.__getitem__, hosts))
            if OWN in sites:
                for place, site in enumerate(sites):
                    if site == OWN:
                        columns.users[place], sites[place] = NOBODY, 0
        users = list(map(self._places.__getitem__, columns.users))
        keys = list(map(or_, users, sites)) if table.by_site else users
        begin = 0
        while begin < len(times):
            at_s = int(times[begin][:10])
            until_s = at_s - at_s % table.slot_s + table.slot_s
            if table.period_s:
                until_s = min(until_s, at_s - at_s % table.period_s + table.period_s)
            end = bisect_left(times, b"%010d" % until_s, begin)
            some = slice(begin, end)
            at_s = int(times[end - 1][:10])
            self._add_part(at_s, keys[some], columns, some)
            if table.period_s:
                self._add_period(at_s, users[some], sites[some])
            if table.domains:
                slot = at_s - at_s % table.slot_s
                for user, host, size in zip(users[some], hosts[some], columns.down[some], strict=True):
                    self._domains[slot, user, host] += size
            begin = end

    def _add_part(self, at_s: int, keys: list[int], columns: Columns, some: slice) -> None:
        """Add lines of one slot; `at_s` is the last one's time."""
        slot = self._slot(at_s - at_s % self.table.slot_s)
        slot.until = max(slot.until, at_s)
        slot.requests.update(keys)
        _add_all(slot.down, keys, columns.down[some])
        if columns.up:
            _add_all(slot.up, keys, columns.up[some])
        hits = columns.hits
        for place in hits[bisect_left(hits, some.start) : bisect_left(hits, some.stop)]:
            slot.cached[keys[place - some.start]] += columns.down[place]

    def _add_period(self, at_s: int, users: list[int], sites: list[int]) -> None:
        timed: Iterable[int] = users
        if self.table.untimed:
            timed = (user for user, site in zip(users, sites, strict=True) if site not in self.table.untimed)
        self._periods[at_s - at_s % self.table.period_s].update(timed)


def _readable(column: Column) -> Column:
    """The column without users whose name cannot be read, of whom the number is -1."""
    kept = [place for place, user in enumerate(column.users) if user >= 0]
    parts = ([part[place] for place in kept] if part else [] for part in column[2:])
    return Column(column.slot, column.until, *parts)


def _add_all(to: defaultdict[int, int], keys: Iterable[int], numbers: Iterable[int]) -> None:
    for key, number in zip(keys, numbers, strict=True):
        to[key] += number
