"""Moving value between two purses of one person: led step by step, each told until it is known, with a record.

Two instances share no transaction. In order: the amount is set aside at the source; the target is credited; the source
charges what it set aside. Where the target refuses, the source gives it back. Every step may be told twice. So wherever
the portal, an instance or the network dies, the record says what comes next, and the end is done or undone.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from language import N_
from portal.calls import PATIENT_S, Call, Caller, CallError, RefusedError, UnknownPersonError
from portal.exchange_records import Exchange, Records
from portal.settings import ExchangeSection, Instance
from portal.tokens import make_token

BUSY: Final = timedelta(seconds=30)
GIVE_UP: Final = timedelta(minutes=5)
"""After so long without an answer to the first step it is undone. Tokens end after one, so nothing late can arrive."""

EVERY_S: Final = 15.0
AT_ONCE: Final = 50
REASONS: Final = {
    "insufficient_balance": N_("There was not enough in the purse."),
    "not_allowed": N_("The purse takes no part in exchanges."),
    "not_found": N_("There is no such purse."),
}
REFUSED: Final = N_("The server refused it.")
SILENT: Final = N_("The server did not answer in time.")
"""Reasons stand in the records as they are here, and are translated where they are shown."""

log = logging.getLogger(__name__)


class Exchanges:
    """Begins exchanges and brings open ones to their end."""

    def __init__(
        self,
        instances: tuple[Instance, ...],
        pairs: tuple[ExchangeSection, ...],
        records: Records,
        clock: Callable[[], datetime],
    ) -> None:
        """`clock` gives the present time, aware."""
        self.pairs = pairs
        self.records = records
        self._instances = {instance.id: instance for instance in instances}
        self._caller = Caller(instances)
        self._clock = clock
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def begin(
        self, *, exchange_id: str, username: str, directory_id: str, pair: ExchangeSection, amount: int, words: str
    ) -> Exchange:
        """Record an exchange and go as far as the instances answer; return how far it is. The same id: the same one."""
        now = self._clock()
        received = pair.received(amount)
        new = Exchange(
            *(exchange_id, username, directory_id, pair.source, pair.target, amount, received),
            *("begun", "", words, now, now),
        )
        self.records.begin(new)
        self.go_on(exchange_id)
        self.keep_going()
        found = self.records.get(exchange_id)
        return found if found is not None and found.directory_id == directory_id else new

    def go_on(self, exchange_id: str) -> None:
        """Take one exchange as far as the instances answer; what is unknown stays to be done."""
        now = self._clock()
        if not self.records.take(exchange_id, now=now, until=now + BUSY):
            return
        try:
            for _step in range(4):
                exchange = self.records.get(exchange_id)
                if exchange is None or not exchange.is_open or not self._step(exchange):
                    return
        finally:
            self.records.let_go(exchange_id)

    def go_on_with_all(self) -> int:
        """Take every open exchange as far as it goes; return how many are still open."""
        for exchange in self.records.to_do(AT_ONCE):
            self.go_on(exchange.id)
        return len(self.records.to_do(AT_ONCE))

    def keep_going(self) -> None:
        """Have open exchanges gone on with in the background, now and then, until there are none."""
        with self._lock:
            self._wake.set()
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="exchanges", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                left = self.go_on_with_all()
            except Exception:  # whatever it is, the records stay, and the next round tries again
                log.exception("exchanges could not be gone on with")
                left = 1
            self._wake.clear()
            if not left:
                return
            self._wake.wait(EVERY_S)

    def _step(self, exchange: Exchange) -> bool:
        """Take one step; return whether there is an answer, so that the next may follow."""
        try:
            if exchange.state == "begun":
                return self._set_aside(exchange)
            if exchange.state == "held":
                return self._credit(exchange)
            if exchange.state == "credited":
                self._tell(exchange, exchange.source, "capture", detail=exchange.words)
                return self._moved(exchange, "done")
            self._tell(exchange, exchange.source, "release")
            return self._moved(exchange, "undone", exchange.reason)
        except CallError as error:
            log.warning("exchange %s waits in state %s: %s", exchange.id, exchange.state, error)
            return False

    def _set_aside(self, exchange: Exchange) -> bool:
        if self._clock() - exchange.began_at > GIVE_UP:  # nobody wants it any more, hours after asking
            return self._moved(exchange, "undoing", SILENT)
        try:
            self._tell(exchange, exchange.source, "hold", amount_micro=exchange.amount)
        except (RefusedError, UnknownPersonError) as error:
            return self._moved(exchange, "undone", _reason(error))
        return self._moved(exchange, "held")

    def _credit(self, exchange: Exchange) -> bool:
        try:
            self._tell(exchange, exchange.target, "credit", amount_micro=exchange.received, detail=exchange.words)
        except (RefusedError, UnknownPersonError) as error:
            return self._moved(exchange, "undoing", _reason(error))
        return self._moved(exchange, "credited")

    def _moved(self, exchange: Exchange, state: str, reason: str = "") -> bool:
        self.records.move(exchange.id, was=exchange.state, state=state, now=self._clock(), reason=reason)
        return True

    def _tell(self, exchange: Exchange, instance_id: str, step: str, **body: object) -> None:
        """Tell an instance one step. Raises CallError."""
        instance = self._instances.get(instance_id)
        if instance is None:
            raise CallError(f"{instance_id} is no instance of this portal any more")
        token = make_token(instance, username=exchange.username, directory_id=exchange.directory_id)
        call = Call(instance, "POST", f"/exchanges/{exchange.id}/{step}", token, json.dumps(body).encode())
        answer = self._caller.run([call], insist=True, within_s=PATIENT_S)[instance.id]
        if isinstance(answer, CallError):
            raise answer


def _reason(error: CallError) -> str:
    code = error.code if isinstance(error, RefusedError) else "not_found"
    return REASONS.get(code, REFUSED)
