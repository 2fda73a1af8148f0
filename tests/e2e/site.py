"""A whole site: directory, print server with a printer, proxy, origin, and instances that run as their own programs."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from flask import Flask

from app import clock
from app.db import db, reading, writing
from app.factory import create_app
from app.folder import Plan, make_folder
from app.ledger.accounts import get_account
from app.ledger.models import Entry
from app.people.credentials import identify
from app.schedules import service as schedules
from app.schedules.terms import Terms
from app.settings import Settings
from tests.servers.cups import Cups
from tests.servers.documents import write_pdf
from tests.servers.ipp_printer import IppPrinter
from tests.servers.origin import Origin
from tests.servers.process import LOOPBACK, Child, free_port, make_dir, wait_port
from tests.servers.slapd import Slapd
from tests.servers.squid import Fetched, LdapSignIn, Squid

PROJECT = Path(__file__).resolve().parents[2]
TWINPURSE = [sys.executable, "-c", "from app.cli import main; main()"]
MB = 1_000_000


@dataclass
class Servers:
    """The servers that every site shares: they hold no state of ours."""

    slapd: Slapd
    cups: Cups
    printer: IppPrinter
    origin: Origin


@contextlib.contextmanager
def shared_servers() -> Iterator[Servers]:
    """Start slapd, cupsd, a printer and an origin; stop each by its own process id."""
    cups_folder, printer_folder = make_dir("twinpurse-cups-"), make_dir("twinpurse-printer-")
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, cups_folder, ignore_errors=True)
        stack.callback(shutil.rmtree, printer_folder, ignore_errors=True)
        slapd = stack.enter_context(Slapd())
        origin = stack.enter_context(Origin())
        printer = IppPrinter(printer_folder).start()
        stack.callback(printer.stop)
        cups = Cups(cups_folder).start()
        stack.callback(cups.stop)
        yield Servers(slapd, cups, printer, origin)


@dataclass
class Instance:
    """One instance that serves as a program of its own; `app` looks into the same database from here."""

    folder: Path
    url: str
    app: Flask
    children: list[Child] = field(default_factory=list)

    def run(self, *arguments: str) -> str:
        """Run `twinpurse ...` and return what it says. Raises CalledProcessError."""
        return subprocess.run(
            [*TWINPURSE, *arguments], cwd=PROJECT, check=True, capture_output=True, text=True
        ).stdout.strip()

    def token(self, scope: str) -> str:
        """Make a machine token."""
        return self.run("token", "create", str(self.folder), "--name", "test", "--scope", scope)

    def fund(self, username: str, micro: int) -> None:
        """Make a schedule that fell due an hour ago, and wait until ticker and worker have credited it."""
        now = clock.now()
        with self.app.app_context():
            user = identify(username)
            local = (now - timedelta(hours=1)).astimezone(self.app.extensions["twinpurse.settings"].zone)
            terms = Terms(
                name=f"Quota of {username}",
                everyone=False,
                groups=tuple(group.name for group in user.groups),
                amount=micro,
                top_up="add",
                cap=None,
                period="daily",
                weekdays=(),
                month_day=None,
                time_of_day=local.strftime("%H:%M"),
                time_zone=str(local.tzinfo),
            )
            writing(lambda session: schedules.create(session, terms=terms, now=now - timedelta(hours=2)))
        wait(lambda: self.balance(username) == micro, f"{username} is credited")

    def balance(self, username: str) -> int:
        """The balance in millionths, from the database."""
        with self.app.app_context():
            return get_account(reading(), user_id=identify(username).id).balance

    def settled_balance(self, username: str) -> int:
        """The balance when nothing has come in for two seconds: the proxy's log runs a moment behind."""
        before, since = self.balance(username), time.monotonic()
        while time.monotonic() - since < 2:
            time.sleep(0.2)
            present = self.balance(username)
            if present != before:
                before, since = present, time.monotonic()
        return before

    def reserved(self, username: str) -> int:
        """What is held, in millionths."""
        with self.app.app_context():
            return get_account(reading(), user_id=identify(username).id).reserved

    def entries(self, source: str) -> list[Entry]:
        """The entries of a source, oldest first."""
        with self.app.app_context():
            return reading().query(Entry).filter_by(source=source).order_by(Entry.id).all()

    def stop(self) -> None:
        """Stop its programs and let go of its database."""
        for child in self.children:
            child.stop()
        with self.app.app_context():
            db.session.remove()
            db.engine.dispose()


class Site:
    """Instances with their print server and proxy. Use in a `with` block."""

    def __init__(self, servers: Servers, *, redis_url: str = "") -> None:
        self.servers = servers
        self.redis_url = redis_url
        self.folder = make_dir("twinpurse-site-")
        self.document = self.folder / "three-pages.pdf"
        write_pdf(self.document, 3)
        self.instances: list[Instance] = []
        self.squid: Squid | None = None
        self.follower: Child | None = None
        self.ender: Child | None = None
        self.queue = f"queue{self.folder.name[-6:]}".replace("_", "x")

    def add_instance(self, *charges: str, mode: str = "enforce", database_url: str = "") -> Instance:
        """Make a folder, its database, and serve it; with Redis a separate worker too."""
        folder, port = self.folder / "-".join(charges), free_port()
        plan = Plan(
            charges=charges,
            mode=mode,
            organisation="Northfield College",
            public_url=f"http://{LOOPBACK}:{port}",
            database_url=database_url,
            redis_url=self.redis_url,
            servers=(self.servers.slapd.ldaps_url,),
            ca_file=str(self.servers.slapd.ca_file),
            bind_dn=self.servers.slapd.bind_dn,
            base_dn=self.servers.slapd.base_dn,
            secrets={"directory.password": self.servers.slapd.bind_password},
        )
        make_folder(folder, plan)
        instance = Instance(folder, plan.public_url, create_app(Settings.load(folder)))
        self.instances.append(instance)
        instance.run("upgrade", str(folder))
        assert "is ready" in instance.run("check", str(folder))
        serve = Child([*TWINPURSE, "serve", str(folder), "--port", str(port)], cwd=PROJECT, log=folder / "serve.log")
        instance.children.append(serve.start())
        if self.redis_url:
            worker = Child([*TWINPURSE, "worker", str(folder)], cwd=PROJECT, log=folder / "worker.log")
            instance.children.append(worker.start())
        wait_port(port, serve, timeout_s=90)
        return instance

    def charge_print(self, instance: Instance) -> None:
        """Put the backend in front of a queue, charged by `instance`."""
        cups = self.servers.cups
        toml = cups.write_edge_toml(instance.url, instance.token("print"), name=self.queue)
        cups.add_queue(self.queue, toml, self.servers.printer.uri)

    def charge_internet(self, instance: Instance, *, live: bool = False) -> None:
        """Start a proxy with the access helper, and the follower of its log; `live`: what runs is metered."""
        token = self.folder / "internet.token"
        token.write_text(instance.token("internet"))
        token.chmod(0o600)
        toml = self.folder / "internet.toml"
        toml.write_text(f'instance_url = "{instance.url}"\ntoken_file = "{token}"\nserver = "proxy-1"\n')
        slapd = self.servers.slapd
        sign_in = LdapSignIn(f"ldap://{LOOPBACK}:{slapd.port}", slapd.base_dn, slapd.bind_dn, slapd.bind_password)
        self.squid = Squid(
            edge_toml=toml, ldap=sign_in, portal_hosts=[LOOPBACK], details_url=f"{instance.url}/"
        ).start()
        wait(self.squid.access_log.exists, "the proxy's log")
        if live:
            self.ender = self.squid.meter_live().start()
        self.follower = self.squid.follower()
        self.follower.start()

    def print_as(self, username: str) -> tuple[str, str]:
        """Print three pages; return the job's last state and message."""
        job = self.servers.cups.print_file(self.queue, username, self.document, "Essay")
        return self.servers.cups.wait_job(job, "completed", "canceled", "aborted", "held", timeout_s=90)

    def fetch_as(self, username: str, size_bytes: int) -> Fetched:
        """Fetch so many bytes through the proxy, signed in by the directory's password."""
        assert self.squid is not None
        return self.squid.fetch(username, f"demo-{username}", f"{self.servers.origin.url}/bytes/{size_bytes}")

    def __enter__(self) -> Site:
        return self

    def __exit__(self, *_problem: object) -> None:
        for child in (self.follower, self.ender):
            if child is not None:
                child.stop()
        if self.squid is not None:
            self.squid.stop()
        for instance in self.instances:
            instance.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def wait(ready: Callable[[], bool], what: str, seconds: float = 60) -> None:
    """Wait until `ready()`; AssertionError that says what did not come."""
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, f"{what}: not within {seconds:g} s"
        time.sleep(0.1)


def page_text(url: str) -> str:
    """Return what a page says to somebody who is not signed in."""
    with urllib.request.urlopen(url, timeout=10) as response:
        return re.sub(r"<[^>]+>", " ", response.read().decode())
