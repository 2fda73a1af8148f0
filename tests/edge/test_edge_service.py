"""`twinpurse-edge` with a real cupsd and a real instance: held jobs go on, charges arrive, queues are reported."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from app import clock
from app.api import tokens
from app.db import reading, writing
from app.ledger import accounts
from app.ledger import service as ledger
from app.money import MICRO
from app.printing import reports
from app.printing.models import Printer, PrintJob
from edge.cups_faults import faults_of_cupsd
from edge.cups_hands import Hands, HandsError
from edge.spool import CaptureSpool, Settlement
from tests.servers.cups import SYSTEM_PYTHON, Cups
from tests.servers.ipp_printer import IppPrinter
from tests.servers.process import make_dir
from tests.servers.web import WebServer

PROJECT = Path(__file__).resolve().parents[2]


class Site:
    """A print server with the service, and the instance it serves."""

    def __init__(self, app: Flask, cups: Cups, printer: IppPrinter, web: WebServer) -> None:
        self.app, self.cups, self.printer = app, cups, printer
        with app.app_context():
            token = writing(
                lambda session: tokens.make_machine_token(session, name="m", scope="print", now=clock.now())
            )
        self.config = cups.write_edge_toml(web.url, token)
        cups.add_queue("lab", self.config, printer.uri)
        cups.add_queue("raw", self.config, printer.uri, raw=True)
        cups.run("lpadmin", "-p", "free", "-E", "-v", printer.uri)
        self.essay = cups.folder / "essay.txt"
        self.essay.write_text("nobody can count the pages of plain text\n")

    def service(self, *more: str) -> subprocess.Popen[bytes]:
        """Start the service as root, as systemd does."""
        argv = [SYSTEM_PYTHON, "-m", "edge.service", "--config", str(self.config), "--every", "0.2", *more]
        argv += ["--printers-conf", str(self.cups.folder / "etc" / "printers.conf")]
        argv += ["--cupsd-conf", str(self.cups.folder / "cupsd.conf")]
        argv += ["--backend-dir", str(self.cups.folder / "serverbin" / "backend")]
        log = (self.cups.folder / "log" / "service").open("ab")
        return subprocess.Popen(argv, cwd=PROJECT, env=self.cups.env, stderr=log)

    def once(self) -> int:
        """Let the service go round once; return its exit code."""
        with self.service("--once") as running:
            return running.wait(30)

    def held_job(self) -> tuple[int, int]:
        """Print what cannot be counted, as alice; return the job's number in CUPS and its id at the instance."""
        number = self.cups.print_file("raw", "alice", self.essay, "essay")
        self.cups.wait_job(number, "held")
        with self.app.app_context():
            return number, reading().scalars(select(PrintJob.id).where(PrintJob.job_number == number)).one()

    def order(self, job: int, verb: str, **more: object) -> None:
        """Let the instance want something done with a job."""

        def want(session: Session) -> None:
            row = session.get_one(PrintJob, job)
            row.order = verb
            for name, value in more.items():
                setattr(row, name, value)

        with self.app.app_context():
            writing(want)

    def job(self, job: int) -> PrintJob:
        """The job as the instance has it."""
        with self.app.app_context():
            return reading().scalars(select(PrintJob).where(PrintJob.id == job)).one()


@pytest.fixture
def site(make_instance: Callable[..., Flask], known: Callable[..., dict[str, int]]) -> Iterator[Site]:
    assert os.geteuid() == 0, "the service gives root's rights up by itself, so these tests must run as root"
    app = make_instance()
    with app.app_context():
        users = known()
        account = accounts.get_account(reading(), user_id=users["alice"]).id
        writing(
            lambda session: ledger.post(
                session,
                account_id=account,
                amount=5 * MICRO,
                source="adjustment",
                key="test",
                now=clock.now(),
                title="test",
                measured=True,
            )
        )
    printer, cups = IppPrinter(make_dir("twinpurse-printer-")).start(), Cups(make_dir("twinpurse-service-"))
    (cups.folder / "cupsd.conf").write_text((cups.folder / "cupsd.conf").read_text() + "DirtyCleanInterval 0\n")
    cups.start()
    try:
        with WebServer(app) as web:
            yield Site(app, cups, printer, web)
    finally:
        cups.stop()
        printer.stop()


def test_orders_are_done_charges_sent_and_queues_reported(site: Site) -> None:
    """One round trip through everything that a print server's service does, with the rights that it has."""
    number, job = site.held_job()
    lost, gone = site.held_job()
    site.cups.run("cancel", "-x", str(lost))
    held, waits = site.held_job()
    site.order(job, "cancel", state="cancelled", reason="it waited too long")
    site.order(gone, "resume")
    service = site.service()
    try:
        site.cups.wait_job(number, "canceled")
        site.cups.wait_for(lambda: site.job(gone).state == "cancelled", "the lost job is known to be lost")
        assert "no longer has this job" in site.job(gone).reason
        site.order(waits, "resume")
        # An administrator lets it print uncounted. This printer does not say what came out, so it costs nothing.
        site.cups.wait_job(held, "completed")
        site.cups.wait_for(lambda: site.job(waits).state == "released", "its end is known")
        assert site.job(waits).order == ""
        site.cups.wait_for(lambda: site.job(job).order == "", "the cancellation is reported")
        processes = children_of(service.pid)
        assert [pwd.getpwuid(uid).pw_name for uid in processes.values()] == ["lp"]
    finally:
        service.send_signal(signal.SIGTERM)
        assert service.wait(10) == 0
    with site.app.app_context():
        found = {printer.name: printer for printer in reading().scalars(select(Printer))}
        assert {name: printer.charged for name, printer in found.items()} == {"lab": True, "raw": True, "free": False}
        assert found["free"].device_uri == found["lab"].device_uri == site.printer.uri
        sentences = {(one.printer, one.sentence) for one in reports.warnings(reading(), now=clock.now())}
    assert any(name == "free" and "gets around charging" in words for name, words in sentences)
    assert any(name == "" and "MaxJobTime" in words for name, words in sentences)


def test_what_waits_in_the_spool_is_sent_without_a_next_job(site: Site) -> None:
    number, job = site.held_job()
    body = {"server": "print-1", "printer": "raw", "user": "alice", "job_id": number, "job_uuid": "urn:uuid:9"}
    with site.app.app_context():
        token = writing(lambda session: tokens.make_machine_token(session, name="t", scope="print", now=clock.now()))
    answer = site.app.test_client().post(
        "/api/v1/print/jobs", json={**body, "pages": 3}, headers={"Authorization": f"Bearer {token}"}
    )
    given = answer.get_json()
    assert given["decision"] == "print", given
    become_lp = pwd.getpwnam("lp")
    os.seteuid(become_lp.pw_uid)
    try:
        CaptureSpool(site.cups.folder / "edge" / "edge-spool").put(Settlement(given["job"], given["run"], 2))
    finally:
        os.seteuid(0)
    assert site.once() == 0
    assert (site.job(given["job"]).state, site.job(given["job"]).pages_printed) == ("printed", 2)
    assert site.job(job).state == "waiting"


@pytest.mark.long
def test_a_service_whose_instance_is_away_waits_and_goes_on(site: Site) -> None:
    number, job = site.held_job()
    text = site.config.read_text()
    site.config.write_text(text.replace("instance_url = ", "instance_url = 'http://127.0.0.1:9' # "))
    assert site.once() == 1
    site.config.write_text(text)
    site.order(job, "cancel", state="cancelled")
    assert site.once() == 0
    site.cups.wait_job(number, "canceled")


@pytest.mark.parametrize(
    ("conf", "faults"),
    [
        (
            "MaxJobTime 0\nListen localhost:631\n<Policy default>\n<Limit All>\n</Limit>\n</Policy>",
            ["anybody_releases"],
        ),
        (
            "MaxJobTime 0\nPort 631\n<Policy default>\n<Limit Release-Job>\nRequire user @SYSTEM\n</Limit>\n"
            "<Limit Create-Job Print-Job>\nAuthType Basic\nRequire valid-user\n</Limit>\n</Policy>",
            [],
        ),
        (
            "Listen *:631\nListen /run/cups/cups.sock\n<Policy default>\n<Limit Release-Job>\nRequire user @OWNER\n"
            "</Limit>\n<Limit All>\nOrder deny,allow\n</Limit>\n</Policy>",
            ["names_believed", "job_time"],
        ),
        (
            "MaxJobTime 0\nListen 10.0.0.1:631\nDefaultAuthType None\n<Location />\nRequire valid-user\n</Location>\n"
            "<Policy default>\n<Limit All>\nRequire valid-user\n</Limit>\n</Policy>",
            ["names_believed"],
        ),
    ],
)
def test_faults_of_a_cupsd_conf_are_named(conf: str, faults: list[str]) -> None:
    assert faults_of_cupsd(conf) == faults
    assert set(faults) <= set(reports.FAULTS)


def children_of(pid: int) -> dict[int, int]:
    """The processes that `pid` started, with their user ids."""
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return {int(child): Path(f"/proc/{child}").stat().st_uid for child in listed}


def test_the_part_with_the_rights_does_nothing_else(tmp_path: Path) -> None:
    hands = Hands.here(tmp_path / "p", tmp_path / "c", tmp_path)
    for verb, number in (("move", 1), ("resume", -1), ("cancel", 0), ("resume", True)):
        with pytest.raises(HandsError, match="not done here"):
            hands.do(verb, number)
