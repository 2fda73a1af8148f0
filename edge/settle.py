"""Tell the instance how printed jobs ended: what lies in the spool is sent until it is acknowledged."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from edge.client import InstanceAwayError, InstanceClient, InstanceRefusedError
from edge.spool import CaptureSpool, Settlement

BUSY: Final = "another backend is telling how this job ended before"


class Delivery:
    """What became of the spool. `away` is why the rest stays there, "" when nothing does; `refused` names answers."""

    def __init__(self) -> None:
        self.sent = 0
        self.away = ""
        self.refused: list[str] = []


def send(client: InstanceClient, settlement: Settlement) -> None:
    """Send one settlement; sending it again changes nothing. Raises InstanceAwayError, InstanceRefusedError."""
    where, pages = f"/print/jobs/{settlement.job}", settlement.pages
    estimated = {"estimated": True} if settlement.estimated else {}
    if settlement.unasked is not None:
        if pages:
            client.post("/print/printed", {**settlement.unasked, "printed": pages, "estimated": settlement.estimated})
    elif pages is None:
        client.post(f"{where}/release", {"run": settlement.run, "reason": settlement.reason})
    else:
        client.post(f"{where}/capture", {"run": settlement.run, "pages": pages, **estimated})


def deliver(spool: CaptureSpool, client: InstanceClient, seconds: float, pause_s: float) -> Delivery:
    """Send what waits in the spool, for at most about `seconds`; what is not acknowledged stays for the next time.

    A refused settlement is set aside, so that one bad file does not keep back all others; a refused token says
    nothing about the settlements, and they stay. What another backend is sending is left to it. Raises SpoolError.
    """
    done = Delivery()
    deadline = time.monotonic() + seconds
    while True:
        done.away = ""
        try:
            _send_all(spool, client, done, lambda _: True)
        except InstanceAwayError as error:
            done.away = str(error)
        except InstanceRefusedError:
            return done
        if not done.away or time.monotonic() + pause_s > deadline:
            return done
        time.sleep(pause_s)


def deliver_job(spool: CaptureSpool, client: InstanceClient, uuid: str) -> Delivery:
    """Send what waits in the spool about one job; nothing about it waits any longer when this returns.

    Raises SpoolError, and InstanceAwayError when it cannot be told now: also when the token is refused, and when
    another backend is telling it.
    """
    done = Delivery()
    try:
        if not _send_all(spool, client, done, lambda settlement: settlement.uuid == uuid):
            raise InstanceAwayError(BUSY)
    except InstanceRefusedError as error:
        raise InstanceAwayError(str(error)) from None
    return done


def _send_all(
    spool: CaptureSpool, client: InstanceClient, done: Delivery, chosen: Callable[[Settlement], bool]
) -> bool:
    """Send what is chosen and note it in `done`; False when another backend has one of them.

    Raises SpoolError, InstanceAwayError, and InstanceRefusedError only about the token.
    """
    mine = True
    for name, settlement in spool.waiting():
        if chosen(settlement):
            mine = _send_from_spool(spool, client, name, settlement, done) and mine
    return mine


def _send_from_spool(
    spool: CaptureSpool, client: InstanceClient, name: str, settlement: Settlement, done: Delivery
) -> bool:
    with spool.claim(name) as mine:
        if not mine:
            return not spool.has(name)
        try:
            send(client, settlement)
        except InstanceRefusedError as error:
            done.refused.append(f"{_named(settlement)}: {error}")
            if error.about_token:
                raise
            spool.set_aside(name)
        else:
            spool.remove(name)
            done.sent += 1
        return True


def _named(settlement: Settlement) -> str:
    if settlement.unasked is not None:
        return f"what was printed as job {settlement.unasked.get('job_id')}"
    return f"job {settlement.job} run {settlement.run}"
