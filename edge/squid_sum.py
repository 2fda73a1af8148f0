"""What a batch sums up: bytes and requests by slot of time, list of sites and user; blocks of lines at a time."""

from __future__ import annotations

import marshal
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable
from operator import itemgetter, or_
from typing import Any, Final

from edge.squid_columns import NOBODY, Columns, odd_lines, read_columns
from edge.squid_lines import LogFormat, Traffic, Unpaid, latest_ms, name_from_native, name_from_url_code, read_line
from edge.squid_sites import OWN, Table, host_name
from edge.squid_slots import NOBODYS_PLACE, USER_BITS, Column, GrowingSlot, from_bytes, to_bytes, to_json

Name = bytes | str
"""A user as the log writes them, or read already."""

PACK_FROM: Final = 2_000
"""Sums; fewer are sent as plain numbers, which people can read."""


class _Places(dict[Name, int]):
    """A number for each way in which a user is written."""

    def __missing__(self, name: Name) -> int:
        self[name] = place = len(self)
        return place


class Sums:
    """Lines read but not booked yet, summed up. `lines` counts all that were looked at, paid or not.

    `newest_ms`: the newest time of a line; one that lies in the future says nothing.
    """

    def __init__(self, table: Table, log_format: LogFormat) -> None:
        self.table = table
        self.lines = 0
        self.newest_ms = 0
        self.unpaid: Counter[Unpaid] = Counter()
        self.log_format = log_format
        self._places = _Places({NOBODY: NOBODYS_PLACE})
        self._slots: dict[int, GrowingSlot] = {}
        self._columns: list[Column] = []  # of before, or summed up elsewhere
        self._newest: dict[int, int] = {}  # by user, of these columns: when the last of it ended
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
        if self.newest_ms < traffic.at_ms <= latest_ms():
            self.newest_ms = traffic.at_ms
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

    def freeze(self) -> None:
        """Put what was summed up so far into narrow columns: what comes now is summed up beside it."""
        newest: dict[int, int] = {}
        for begin, slot in sorted(self._slots.items(), key=lambda each: each[1].until):
            column = slot.column(begin, self.table.by_site)
            if column.users:
                self._columns.append(column)
                newest.update(dict.fromkeys(column.users, slot.until))
        self._slots = {}
        self._note_newest(newest)

    def packed(self) -> bytes:
        """All of it as bytes, for another process that adds it with `add_packed`."""
        self.freeze()
        unpaid = [(why.value, count) for why, count in self.unpaid.items()]
        columns = to_bytes(self._columns)
        periods = [(start, list(users)) for start, users in self._periods.items()]
        names, newest = list(self._places), self._newest
        return marshal.dumps((self.lines, self.newest_ms, unpaid, names, columns, newest, periods, dict(self._domains)))

    def add_packed(self, data: bytes) -> None:
        """Add what another process summed up. It is of our own making and came by a pipe of our own."""
        lines, newest_ms, unpaid, names, columns, newest, periods, domains = marshal.loads(data)  # noqa: S302 - ours
        here = [self._places[name] for name in names]
        self.lines += lines
        self.newest_ms = max(self.newest_ms, newest_ms)
        self.unpaid.update({Unpaid(why): count for why, count in unpaid})
        for column in from_bytes(*columns):
            self._columns.append(column._replace(users=list(map(here.__getitem__, column.users))))
        self._note_newest({here[user]: at_s for user, at_s in newest.items()})
        for start, users in periods:
            self._periods[start].update(map(here.__getitem__, users))
        for (slot, user, host), size in domains.items():
            self._domains[slot, here[user], host] += size

    def body(self) -> dict[str, Any]:
        """The sums as the instance takes them: users by number, the columns of a slot side by side."""
        self.freeze()
        users, places = self._users()
        columns = []
        for column in sorted(self._columns, key=itemgetter(0)):
            column = column._replace(users=list(map(places.__getitem__, column.users)))
            if -1 in column.users:
                self.unpaid[Unpaid.UNREADABLE] += sum(
                    count for user, count in zip(column.users, column.requests, strict=True) if user < 0
                )
                column = column.some([place for place, user in enumerate(column.users) if user >= 0])
            if any(column.sites):
                column = column._replace(sites=list(map(self.table.site_ids.__getitem__, column.sites)))
            else:
                column = column._replace(sites=[])
            if column.users:
                columns.append(column)
        newest = [0] * len(users)
        for place, at_s in self._newest.items():
            if places[place] >= 0:
                newest[places[place]] = max(newest[places[place]], at_s)
        body: dict[str, Any] = {"version": self.table.version, "users": users, "newest": newest}
        if self.table.takes_packed and sum(len(column.users) for column in columns) >= PACK_FROM:
            body["packed"] = to_json(columns)
        else:
            body["slots"] = [[column.slot, *map(list, column[1:])] for column in columns]
        if self.table.period_s:
            body["periods"] = self._period_rows(places)
        if self.table.domains:
            body["domains"] = self._domain_rows(places)
        return body

    def _note_newest(self, newest: dict[int, int]) -> None:
        for user, at_s in newest.items():
            if at_s > self._newest.get(user, 0):
                self._newest[user] = at_s

    def _users(self) -> tuple[list[str], list[int]]:
        """Every user who used something, once, as the instance keeps names; for each place the number there, or -1."""
        read_name = name_from_url_code if self.log_format is LogFormat.TWINPURSE else name_from_native
        numbers: dict[str, int] = {}
        places = [-1] * len(self._places)
        for name, place in self._places.items():
            if place in self._newest:
                read = read_name(name) if isinstance(name, bytes) else name
                if read is not None:
                    places[place] = numbers.setdefault(read, len(numbers))
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

    def _slot(self, begin: int) -> GrowingSlot:
        found = self._slots.get(begin)
        if found is None:
            found = self._slots[begin] = GrowingSlot()
        return found

    def _add_columns(self, columns: Columns, block: bytes) -> None:
        table, times = self.table, columns.times
        self.lines += len(times)
        latest = latest_ms()
        known = len(times)
        if _in_ms(times[-1]) > latest:
            known = bisect_left(times, b"%010d.%03d" % divmod(latest + 1, 1000))
        if known:
            self.newest_ms = max(self.newest_ms, _in_ms(times[known - 1]))
        hosts: list[bytes] = []
        sites: list[int] = []
        if table.needs_hosts or any(name in block for name in table.own_names):
            hosts = [url.partition(b"//")[2].partition(b"/")[0] or url for url in columns.urls]  # as host_field
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


def _in_ms(time: bytes) -> int:
    return int(time.replace(b".", b""))


def _add_all(to: defaultdict[int, int], keys: Iterable[int], numbers: Iterable[int]) -> None:
    for key, number in zip(keys, numbers, strict=True):
        to[key] += number
