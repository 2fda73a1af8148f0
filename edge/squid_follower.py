"""The follower of Squid's log: reads, sums up, books batches, and goes by the books whenever it is not sure."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection
from typing import Any, Final, TypeVar
from urllib.parse import quote

from edge.client import InstanceAwayError, InstanceClient, InstanceRefusedError
from edge.squid_batch import LARGEST_BATCH, Batch, Unread
from edge.squid_bulk import StretchError, sum_stretch
from edge.squid_files import Place, list_files
from edge.squid_halving import ABOUT_THE_BATCH, HTTP_CONFLICT, Halving
from edge.squid_lines import LogFormat, Traffic, Unpaid, read_line
from edge.squid_live import LiveMeter
from edge.squid_pauses import Pauses, StoppedError
from edge.squid_progress import Progress
from edge.squid_sites import Table
from edge.squid_sum import Sums
from edge.squid_tail import LogTail

LOOK_EVERY_S: Final = 0.2  # at the end of the log
LONG_STRETCH: Final = 8_000_000  # bytes that are worth several processes
FIRST_PAUSE_S: Final = 0.5  # after the instance did not answer; doubled each time
LONGEST_PAUSE_S: Final = 30.0
IDLE_PLACE_EVERY_S: Final = 60.0  # how often a place is stored that only unpaid lines have moved
TABLE_EVERY_S: Final = 30.0
ONCE_GIVES_UP_S: Final = 30.0
HTTP_NOT_MODIFIED: Final = 304

log = logging.getLogger(__name__)

T = TypeVar("T")


class SpoiledError(Exception):
    """What was summed up is of no use: it is read again from the place that the books hold."""


class TokenRefusedError(Exception):
    """The instance does not take our token: nothing can be done before an administrator has changed it."""


class OnceFailedError(Exception):
    """`--once` could not book everything in its time. Nothing is lost: the next run begins where this one ended."""


class Follower:
    """Reads the log, books batches, and asks the books for its place whenever it is not sure of it.

    Exactly once rests on one thing: the instance stores a batch's entries and the place behind them in one
    transaction. A batch without an answer is sent again unchanged; a batch that was booked already is answered with
    what is stored; whatever was read and not booked is read again.
    """

    def __init__(
        self,
        instance: InstanceClient,
        tail: LogTail,
        *,
        source: str,
        log_format: LogFormat,
        pauses: Pauses,
        batch_s: float,
        once: bool = False,
        skip_old: bool = False,
        live: LiveMeter | None = None,
    ) -> None:
        """`source` names this log in the books; `batch_s`, in seconds, is how long a batch is collected at most."""
        self._instance = instance
        self._tail = tail
        self._source = source
        self._format = log_format
        self._pauses = pauses
        self._batch_s = batch_s
        self._once = once
        self._skip_old = skip_old
        self._live = live
        self._number = 0
        self._stored_at = time.monotonic()
        self._table: Table | None = None
        self._etag = ""
        self._table_at = 0.0
        self._progress: Progress | None = None
        self._read_long = True
        self._halving = Halving()
        self._unread = Unread(log_format)

    def run(self) -> None:
        """Follow the log until told to stop (StoppedError), or with `once` until its end."""
        if not list_files(self._tail.path):
            if self._once:
                raise OnceFailedError(f"there is no file {self._tail.path}, nor an older one of that name")
            log.warning("there is no file %s yet: waiting for it", self._tail.path)
        table = self._insist(self._ask_table)
        self._ask_place()
        if self._once:
            self._progress = Progress(self._tail.bytes_left())
        while True:
            batch = Batch(Sums(table, self._format), start=self._tail.place)
            try:
                self._collect(batch)
            except SpoiledError:
                self._ask_place()
                continue
            except StoppedError:
                if batch.sums.has_paid:
                    self._send_last(batch)
                raise
            must_book = self._halving.most_lines or self._place_is_old()
            if batch.sums.has_paid or (batch.sums.lines and must_book):
                self._book(batch)
            else:
                self._unread.add(batch.sums, self._tail)
            if self._once and not batch.sums.lines:
                self._unread.say(self._tail)
                assert self._progress is not None
                self._progress.done()
                return
            table = self._fresh_table(table)

    def _place_is_old(self) -> bool:
        return self._once or time.monotonic() - self._stored_at >= IDLE_PLACE_EVERY_S

    def _ask_table(self) -> Table:
        """The instance's table; the one of before when it has not changed."""
        answer = self._instance.get("/internet/table", {"If-None-Match": self._etag} if self._etag else None)
        self._table_at = time.monotonic()
        if answer.status == HTTP_NOT_MODIFIED and self._table is not None:
            return self._table
        self._table = Table(answer.body)
        self._etag = answer.headers.get("etag", "")
        return self._table

    def _fresh_table(self, table: Table) -> Table:
        """Ask for the table now and then. While the instance is away the one of before is as good."""
        if time.monotonic() - self._table_at < TABLE_EVERY_S:
            return table
        try:
            return self._ask_table()
        except (InstanceAwayError, InstanceRefusedError, ValueError) as problem:
            log.warning("the table of the instance is kept as it was: %s", problem)
            self._table_at = time.monotonic()
            return table

    def _ask_place(self) -> None:
        path = f"/internet/position?source={quote(self._source, safe='')}"
        answer = self._insist(lambda: self._instance.get(path).body)
        number, position = answer.get("batch"), answer.get("position")
        if type(number) is not int or number < 0 or not (position is None or isinstance(position, dict)):
            raise ValueError(f"the place in the books is not understood: {answer!r}")
        self._number = number
        self._stored_at = time.monotonic()
        if self._live is not None:
            self._live.resume((position or {}).get("live"))
        if position is None:
            skip_old, self._skip_old = self._skip_old, False  # what is written from now on is not old any more
            self._tail.begin(at_end=skip_old)
            log.info("nothing is booked yet from %s: starting with %s", self._source, self._tail.path)
            if skip_old and self._tail.place is not None:
                empty = Sums(self._table_or_raise(), self._format)
                self._book(Batch(empty, place=self._tail.place))  # or a restart would skip once more
        else:
            self._tail.resume(Place.from_json(position))
            log.info("going on behind batch %d of %s", number, self._source)

    def _table_or_raise(self) -> Table:
        assert self._table is not None
        return self._table

    def _collect(self, batch: Batch) -> None:
        """Fill a batch until it is full or old enough, or with `once` until the log's end."""
        while True:
            self._poll(batch)
            before = batch.sums.lines
            more = self._read_stretch(batch) or self._read_block(batch)
            if self._progress is not None and more:
                self._progress.step(batch.sums.lines - before, self._tail.bytes_left())
            if batch.is_full or (self._once and not more) or self._halving.is_enough(batch.sums.lines):
                return
            if batch.begun is not None and not self._once and time.monotonic() - batch.begun >= self._batch_s:
                return
            self._pauses.wait(0 if more or self._once else LOOK_EVERY_S)

    def _poll(self, batch: Batch) -> None:
        """Add what running connections grew by; before lines are read, as the meter wants it."""
        if self._live is None or self._once or self._tail.place is None or self._halving.most_lines:
            return
        for delta in self._live.poll():
            moved = Traffic(delta.user, delta.download, delta.at * 1000, delta.upload, host=delta.host.encode())
            batch.sums.add(moved, requests=0)
            batch.has_live = True
            self._note(batch, 0)

    def _read_stretch(self, batch: Batch) -> bool:
        """Read much at once, where there is much; False otherwise."""
        if not self._read_long or self._halving.most_lines or (self._live is not None and self._live.must_settle):
            return False  # each line has to be looked at
        opened, begin = self._tail.here, self._tail.offset
        end = self._tail.long_stretch(LONG_STRETCH)
        if opened is None or not end:
            return False
        most = max(LONG_STRETCH, LARGEST_BATCH - batch.read)
        if end - begin > most:
            end = self._tail.line_end_before(opened, begin + most)
        if end <= begin:
            return False
        try:
            sum_stretch(batch.sums, opened, begin, end)
            if not self._tail.skip(opened, end, batch.sums.newest_ms):
                raise StretchError
        except StretchError:
            log.warning("%s changed, or a helping process was ended: going by the books, alone", self._tail.path)
            self._read_long = False
            raise SpoiledError from None
        self._note(batch, end - begin)
        return True

    def _read_block(self, batch: Batch) -> bool:
        most = self._halving.most_lines
        block = self._tail.read_block(most - batch.sums.lines if most else 0)
        if not block:
            return False
        if self._live is not None and self._live.must_settle:
            for line in block.split(b"\n")[:-1]:
                self._settle(batch.sums, line, self._live)
        else:
            batch.sums.add_block(block)
        self._tail.note_newest(batch.sums.newest_ms)
        self._note(batch, len(block))
        return True

    def _settle(self, sums: Sums, line: bytes, live: LiveMeter) -> None:
        """Add a line without what was charged of its connection while it ran."""
        traffic = read_line(line, self._format)
        if isinstance(traffic, Unpaid) or not traffic.client_port:
            sums.add_line(line)
            return
        sums.lines += 1
        left = live.settle(traffic.client_port, traffic.start_ms, traffic.user, traffic.download, traffic.upload)
        sums.add(traffic._replace(download=left[0], upload=left[1]))

    def _note(self, batch: Batch, size: int) -> None:
        batch.read += size
        batch.place = self._tail.place
        if batch.begun is None:
            batch.begun = time.monotonic()

    def _body(self, batch: Batch) -> dict[str, Any]:
        """The request that books this batch. It is made once: the same batch is always sent alike."""
        assert batch.place is not None
        position = batch.place.as_json()
        live = self._live.state(batch.place.newest_ms) if self._live is not None else {}
        if live:
            position["live"] = live
        return {"source": self._source, "batch": self._number + 1, "position": position, **batch.sums.body()}

    def _book(self, batch: Batch) -> bool:
        """Whether it is in the books now; else they were asked where to go on."""
        body = self._body(batch)
        try:
            answer = self._insist(lambda: self._instance.post("/internet/usage", body), ABOUT_THE_BATCH)
        except InstanceRefusedError as refusal:
            if refusal.status == HTTP_CONFLICT:
                log.warning("batch %d does not follow the books (%s): asking for the place", body["batch"], refusal)
                self._ask_place()
            else:
                self._halve(batch, refusal)
            return False
        if answer.get("batch") == body["batch"] and answer.get("position") == body["position"]:
            self._number += 1
            self._stored_at = time.monotonic()
            self._read_long = True
            self._halving.taken(batch.sums.lines, paid=batch.sums.has_paid)
            self._unread.add(batch.sums, self._tail)
            if self._live is not None:
                self._live.booked()
            return True
        # Somebody else booked this number: a second follower under the same name, or our own request of before a
        # restart that arrived late. Ours is not in the books; what counts is what they hold.
        log.warning("batch %d was booked by another follower of %s: going by the books", body["batch"], self._source)
        self._ask_place()
        return False

    def _halve(self, batch: Batch, refusal: InstanceRefusedError) -> None:
        """Find the line for which a batch is refused, in ever smaller ones, and go on behind it.

        That line is left out only where the instance takes a batch that ends behind it and charges nobody: an
        instance that takes nothing at all (another version, a wrong setting) must not cost anybody's lines.
        """
        if batch.sums.lines > 1 or batch.has_live:
            level = logging.DEBUG if self._halving.most_lines else logging.WARNING
            log.log(level, "the instance refused %s: %s; sending it in smaller parts", batch.where, refusal)
            self._halving.refused(batch.sums.lines)
        elif batch.sums.lines == 1 and self._halving.may_leave_out:
            if self._book(Batch(Sums(self._table_or_raise(), self._format), batch.start, batch.place)):
                # The line itself stays out of our log: it says who looked at what.
                log.warning("left out what the instance refused, nobody is charged: %s: %s", batch.where, refusal)
                self._halving.left_out()
                return
        else:
            log.error("the instance refused %s, and will be asked again: %s", batch.where, refusal)
            if self._once:
                raise OnceFailedError("not everything could be booked; the next run goes on from here")
            self._pauses.wait(LONGEST_PAUSE_S)
        self._ask_place()

    def _send_last(self, batch: Batch) -> None:
        """One attempt at the end: what it does not reach is read again at the next start."""
        try:
            self._instance.post("/internet/usage", self._body(batch))
        except (InstanceAwayError, InstanceRefusedError) as problem:
            log.info("the last lines will be booked at the next start: %s", problem)

    def _insist(self, ask: Callable[[], T], final: Collection[int] = ()) -> T:
        """Ask until there is an answer, with growing pauses.

        Raises InstanceRefusedError only for a status in `final`, TokenRefusedError for a token that is not taken,
        OnceFailedError with `once`. Any other refusal is asked again too, slowly: these are people's bytes, they are
        never dropped.
        """
        began = time.monotonic()
        pause = FIRST_PAUSE_S
        said = False
        while True:
            try:
                answer = ask()
            except InstanceRefusedError as refusal:
                if refusal.status in final:
                    raise
                if refusal.about_token:
                    raise TokenRefusedError(str(refusal)) from None
                log.error("the instance refused: %s", refusal)
                pause = LONGEST_PAUSE_S
            except InstanceAwayError as problem:
                if not said:
                    log.warning("the instance is away (%s): waiting for it, the log keeps what comes", problem)
                said = True
            else:
                if said:
                    log.info("the instance is back after %.1f s", time.monotonic() - began)
                return answer
            if self._once and time.monotonic() - began + pause > ONCE_GIVES_UP_S:
                raise OnceFailedError("not everything could be booked; the next run goes on from here")
            self._pauses.wait(pause)
            pause = min(pause * 2, LONGEST_PAUSE_S)
