"""Hold and release with a real cupsd: a job waits until its owner lets it print, whatever `lp` is told."""

from __future__ import annotations

import signal
import time
from datetime import timedelta

import pytest
from sqlalchemy import select

from app import clock
from app.db import reading, writing
from app.jobs import ticker
from app.ledger.models import Account
from app.ledger.verify import verify
from app.people.models import User
from app.printing import printers
from app.printing.models import PrintJob
from tests.edge.test_edge_service import Site, site
from tests.servers.documents import pdf
from tests.web.browsing import signed_in

__all__ = ["site"]
WAITING = "/print-jobs/waiting"


def let_wait(site: Site, queue: str) -> None:
    """Jobs of this queue wait until they are released."""

    def tick(session: object) -> None:
        printer = printers.get_printer(session, server="print-1", name=queue, now=clock.now())  # type: ignore[arg-type]
        printer.release = True

    with site.app.app_context():
        writing(tick)


def send(site: Site, *options: str, user: str = "alice") -> tuple[int, int]:
    """Print three pages; return the job's number and its id at the instance, once it waits."""
    essay = site.cups.folder / "essay.pdf"
    essay.write_bytes(pdf(3))
    essay.chmod(0o644)
    number = site.cups.print_file("raw", user, essay, "essay", *options)
    site.cups.wait_job(number, "held")
    with site.app.app_context():
        return number, reading().scalars(select(PrintJob.id).where(PrintJob.job_number == number)).one()


@pytest.mark.long
def test_a_job_prints_when_its_owner_releases_it_and_not_before(site: Site) -> None:
    let_wait(site, "raw")
    alice, bob = signed_in(site.app, "alice"), signed_in(site.app, "bob")
    waits, cancelled, late = send(site, "-H", "immediate"), send(site), send(site)
    assert [site.job(job).waits_for for _, job in (waits, cancelled, late)] == ["release"] * 3
    site.cups.run("lp", "-i", str(waits[0]), "-H", "immediate")
    site.cups.run("lp", "-i", str(waits[0]), "-H", "resume")
    time.sleep(1)  # CUPS begins it anew meanwhile, and the backend asks again
    site.cups.wait_job(waits[0], "held")
    assert (site.job(waits[1]).state, site.printer.printed()) == ("waiting", [])
    bob.send(WAITING, "/", one=f"release-{waits[1]}")
    assert site.job(waits[1]).order == ""
    service = site.service()
    try:
        alice.send(WAITING, WAITING, one=f"release-{waits[1]}")
        site.cups.wait_job(waits[0], "completed")
        alice.send(WAITING, WAITING, one=f"cancel-{cancelled[1]}")
        site.cups.wait_job(cancelled[0], "canceled")
        ticker.tick(site.app, holder="test", now=clock.now() + timedelta(days=1))
        site.cups.wait_job(late[0], "canceled")
        site.cups.wait_for(lambda: site.job(late[1]).order == "", "the print server has said so")
    finally:
        service.send_signal(signal.SIGTERM)
        service.wait(10)
    assert [site.job(job).state for _, job in (waits, cancelled, late)] == ["printed", "cancelled", "cancelled"]
    assert len(site.printer.printed()) == 1
    assert "Released" in alice.text(f"/print-jobs/{waits[1]}")
    with site.app.app_context():
        account = reading().query(Account).join(User).filter(User.username == "alice").one()
        assert (account.balance, account.reserved) == (4_850_000, 0)
        assert verify(reading()).differences == []
