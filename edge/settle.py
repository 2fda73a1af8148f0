"""Tell the instance how printed jobs ended: what lies in the spool is sent until it is acknowledged."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from edge.client import InstanceAwayError, InstanceClient, InstanceRefusedError
from edge.spool import CaptureSpool, Settlement


@dataclass
class Delivery:
    """What became of the spool. `away` is why the rest stays there, "" when nothing does; `refused` names answers."""

    sent: int = 0
    away: str = ""
    refused: list[str] = field(default_factory=list)


def send(client: InstanceClient, settlement: Settlement) -> None:
    """Send one capture or release; sending it again changes nothing. Raises InstanceAwayError, InstanceRefusedError."""
    where = f"/print/jobs/{settlement.job}"
    if settlement.pages is None:
        client.post(f"{where}/release", {"run": settlement.run, "reason": settlement.reason})
    else:
        client.post(f"{where}/capture", {"run": settlement.run, "pages": settlement.pages})


def deliver(spool: CaptureSpool, client: InstanceClient, seconds: float, pause_s: float) -> Delivery:
    """Send what waits in the spool, for at most about `seconds`; what is not acknowledged stays for the next time.

    A refused settlement is set aside, so that one bad file does not keep back all others; a refused token says
    nothing about the settlements, and they stay. What another backend is sending is left to it. Raises SpoolError.
    """
    done = Delivery()
    deadline = time.monotonic() + seconds
    while True:
        done.away = ""
        for name, settlement in spool.waiting():
            try:
                _send_from_spool(spool, client, name, settlement, done)
            except InstanceAwayError as error:
                done.away = str(error)
                break
            except InstanceRefusedError:
                return done
        if not done.away or time.monotonic() + pause_s > deadline:
            return done
        time.sleep(pause_s)


def deliver_run(spool: CaptureSpool, client: InstanceClient, job: int, run: int) -> Delivery:
    """Send what waits in the spool about one run; nothing about it waits any longer when this returns.

    Raises SpoolError, and InstanceAwayError when it cannot be told now: also when the token is refused, and when
    another backend is telling it.
    """
    done = Delivery()
    for name, settlement in spool.waiting():
        if (settlement.job, settlement.run) != (job, run):
            continue
        try:
            mine = _send_from_spool(spool, client, name, settlement, done)
        except InstanceRefusedError as error:
            raise InstanceAwayError(str(error)) from None
        if not mine:
            raise InstanceAwayError("another backend is telling how this job ended before")
    return done


def _send_from_spool(
    spool: CaptureSpool, client: InstanceClient, name: str, settlement: Settlement, done: Delivery
) -> bool:
    """Send one settlement and note it in `done`; False when another backend has it.

    Raises SpoolError, InstanceAwayError, and InstanceRefusedError only about the token.
    """
    with spool.claim(name) as mine:
        if not mine:
            return False
        try:
            send(client, settlement)
        except InstanceRefusedError as error:
            done.refused.append(f"job {settlement.job} run {settlement.run}: {error}")
            if error.about_token:
                raise
            spool.set_aside(name)
        else:
            spool.remove(name)
            done.sent += 1
        return True
