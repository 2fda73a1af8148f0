"""What print servers say of themselves: their queues, which of these get around charging, and what else is wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.printing.models import Printer, PrintServer
from language import N_, _, _n

SILENT_AFTER: Final = timedelta(minutes=10)
"""A print server reports every minute; one that has been silent for so long is said to be."""

FAULTS: Final[Mapping[str, str]] = {
    "names_believed": N_(
        "Whoever reaches it over the network can print under any name, on another's account. Ask for a password: "
        "see “Who is charged” in the printing guide."
    ),
    "anybody_releases": N_(
        "Its policy lets anybody release any held job. That prints nothing unpaid, but confuses: let only operators "
        "release jobs."
    ),
    "job_time": N_("It cancels jobs that wait for long. Set MaxJobTime 0 in cupsd.conf."),
    "backend_missing": N_("The backend is not installed where CUPS looks for it: run “twinpurse-cups install” again."),
    "backend_mode": N_("CUPS does not run the backend, or runs it as root: its file must belong to root, mode 0755."),
    "no_counter": N_("The page counter does not start. Jobs are held until it does."),
    "spool_refused": N_(
        "The instance did not accept some charges. They lie in its spool as files that end in .refused: look at them."
    ),
}
"""What a print server names in its report, in words."""


@dataclass(frozen=True)
class QueueSeen:
    """A queue as its print server reports it. `charged`: its jobs come by us. `shared`: others may print to it."""

    name: str
    device_uri: str
    charged: bool
    shared: bool | None
    error_policy: str


@dataclass(frozen=True)
class Warning:
    """Something that an administrator should see to, at a print server or at one of its queues (`printer`, or "")."""

    server: str
    printer: str
    sentence: str


def keep(
    session: Session, *, server: str, queues: Sequence[QueueSeen], faults: Sequence[str], waiting: int, now: datetime
) -> None:
    """Keep a print server's report. `waiting`: how many charges lie in its spool. Unknown faults are left out."""
    known = {printer.name: printer for printer in session.scalars(select(Printer).where(Printer.server == server))}
    for queue in queues:
        printer = known.get(queue.name)
        if printer is None:
            printer = Printer(server=server, name=queue.name, created_at=now)
            session.add(printer)
        printer.device_uri, printer.charged, printer.shared = queue.device_uri, queue.charged, queue.shared
        printer.reported_at = now
    loops = sorted(queue.name for queue in queues if queue.charged and queue.error_policy == "retry-current-job")
    found = {"faults": [code for code in faults if code in FAULTS], "loops": loops, "waiting": waiting}
    row = session.get(PrintServer, server)
    if row is None:
        session.add(PrintServer(server=server, report=json.dumps(found), reported_at=now))
    else:
        row.report, row.reported_at = json.dumps(found), now
    session.flush()


def warnings(session: Session, *, now: datetime) -> list[Warning]:
    """Return what is wrong at the print servers and their queues, by server and queue."""
    found: list[Warning] = []
    printers = list(session.scalars(select(Printer).order_by(Printer.server, Printer.name)))
    for row in session.scalars(select(PrintServer).order_by(PrintServer.server)):
        found += _of_server(row, [printer for printer in printers if printer.server == row.server], now)
    return found


def _of_server(row: PrintServer, printers: Sequence[Printer], now: datetime) -> list[Warning]:
    report: dict[str, Any] = json.loads(row.report)
    found = [Warning(row.server, "", _(FAULTS[code])) for code in report.get("faults", ()) if code in FAULTS]
    silent = now - row.reported_at
    if silent > SILENT_AFTER:
        minutes = int(silent.total_seconds() // 60)
        words = _n(
            "It has not reported for %(num)s minute: is twinpurse-edge running there?",
            "It has not reported for %(num)s minutes: is twinpurse-edge running there?",
            minutes,
        )
        found.append(Warning(row.server, "", words))
    present = [printer for printer in printers if printer.reported_at is not None]
    charged = {printer.device_uri: printer.name for printer in present if printer.charged}
    for printer in present:
        if printer.reported_at != row.reported_at:
            found.append(Warning(row.server, printer.name, _("The print server no longer has this queue.")))
        elif not printer.charged:
            found.append(Warning(row.server, printer.name, _bypass(printer, charged)))
    for name in report.get("loops", ()):
        words = _("It tries a failed job again without a pause (retry-current-job): set another printer-error-policy.")
        found.append(Warning(row.server, name, words))
    return found


def _bypass(printer: Printer, charged: Mapping[str, str]) -> str:
    twin = charged.get(printer.device_uri)
    if twin:
        return _(
            "This queue leads to the same printer as %(twin)s and gets around charging. "
            "On %(server)s run: twinpurse-cups install %(queue)s",
            twin=twin,
            server=printer.server,
            queue=printer.name,
        )
    return _(
        "This queue is not charged. On %(server)s run: twinpurse-cups install %(queue)s",
        server=printer.server,
        queue=printer.name,
    )
