"""What people download about themselves: all of it, exact, of one moment, and nothing of anybody else."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy.orm import Session
from sqlalchemy.sql.util import find_tables

from app import clock
from app.cards.models import Card, CardBatch, WrongCode
from app.db import Base, reading, writing
from app.internet.models import UnmatchedUsage, UsageCarry, UsageDomain, UsageHour, UsagePeriod
from app.internet.rate_models import RateForUser
from app.ledger import accounts
from app.ledger import service as ledger
from app.ledger.models import Account
from app.mail.models import Mail
from app.notices.models import NoticeChoice, NoticeTold
from app.own_data import files
from app.own_data.parts import Owner, cell, exact
from app.people.models import Device, EnterCode, LocalPassword, LoginSession, SignInFailure, UserName
from app.printing.models import PrintJob
from app.radius.models import RadiusSession
from app.refunds.models import Refund
from app.settings import Settings
from tests.web.browsing import Browser, signed_in

NOT_TAKEN = {
    "running_ends": "an administrator's wish, of one minute; it names a connection and nobody",
}
"""Tables that name people and are no part of their data, and why."""


@pytest.fixture
def app(make_instance: Callable[..., Flask]) -> Flask:
    """An instance that charges both, so that it has every part there is."""
    return make_instance(charges=("print", "internet"))


def everything_of(app: Flask, user_id: int, word: str) -> None:
    """Put a row into every table that is about people, for one of them; every text of theirs has `word` in it."""
    now = clock.now()

    def put(session: Session) -> None:
        account = accounts.get_account(session, user_id=user_id)
        for number, amount in enumerate((5_000_000, -75_000, -1, 1_234_567)):
            ledger.post(
                session,
                account_id=account.id,
                amount=amount,
                source="adjustment",
                key=f"{word}:{number}",
                now=now,
                title=f"{word} title",
                detail=f"=1+1 {word}",
            )
        hold = ledger.hold(
            session,
            account_id=account.id,
            amount=100_000,
            source="print",
            key=f"{word}:hold",
            now=now,
            expires_at=now + timedelta(days=1),
        )
        job = PrintJob(
            server=f"{word}-server",
            job_uuid=f"{word}-uuid",
            run=1,
            job_number=7,
            printer=f"{word}-printer",
            username=word,
            user_id=user_id,
            title=f"{word} document",
            host=f"{word}-host",
            state="held",
            hold_id=hold.id,
            created_at=now,
            updated_at=now,
        )
        batch = CardBatch(form_id=word * 4, name=f"{word} cards", amount=1, count=1, made_by="Ada", created_at=now)
        session.add_all([job, batch])
        session.flush()
        own: dict[str, Any] = {"user_id": user_id}
        login = {"address": word, "agent": word, "created_at": now, "seen_at": now}
        session.add_all(
            [
                UserName(name_key=f"{word}-alias", kind="alias", created_at=now, **own),
                LocalPassword(password_hash=f"{word}-hash", created_at=now, **own),
                LoginSession(token_hash=f"{word}-session", **login, **own),
                Device(name=f"{word} desk", token_hash=f"{word}-device", created_at=now, seen_at=now, **own),
                EnterCode(code_hash=f"{word}-code", expires_at=now, **own),
                SignInFailure(name_key=word.lower(), address=f"{word}-place", failures=2, first_at=now, last_at=now),
                Card(batch_id=batch.id, number=1, code_hash=f"{word}-card", redeemed_at=now, redeemed_by_id=user_id),
                WrongCode(count=3, since=now, **own),
                Refund(job_id=job.id, reason=f"{word} reason", created_at=now, **own),
                UsageHour(hour=now, site_list_id=0, download=10, charged=10**9 + 1, **own),
                UsagePeriod(period=60, **own),
                UsageDomain(day=now.date(), domain=f"{word}.example", bytes=5, **own),
                UsageCarry(rest=1, bytes=2, **own),
                RateForUser(percent=50, **own),
                UnmatchedUsage(
                    source=word,
                    batch=1,
                    username=f"{word}-unknown",
                    bytes=1,
                    requests=1,
                    at=now,
                    assigned_to_id=user_id,
                ),
                RadiusSession(
                    nas=f"{word}-nas",
                    session_id=f"{word}-id",
                    name_key=word,
                    username=word,
                    started_at=now,
                    last_at=now,
                    seen_at=now,
                    **own,
                ),
                NoticeChoice(threshold=2_500_000, by_email=True, changed_at=now, **own),
                NoticeTold(state="low", at=now, **own),
                Mail(
                    kind="low",
                    address=f"{word}@example.org",
                    language="en",
                    subject=f"{word} subject",
                    text=f"{word} text",
                    token=f"{word}-token",
                    created_at=now,
                    next_at=now,
                    **own,
                ),
            ]
        )

    with app.app_context():
        writing(put)


def both(app: Flask, known: Callable[..., dict[str, int]]) -> Browser:
    """Alice and Bob have everything; return a browser of Alice's."""
    with app.app_context():
        users = known(clock.now())
    everything_of(app, users["bob"], "BOB")
    everything_of(app, users["alice"], "ALICE")
    return signed_in(app, "alice")


def test_the_json_is_all_of_one_person_exact_and_nothing_of_another(
    app: Flask, known: Callable[..., dict[str, int]]
) -> None:
    browser = both(app, known)
    response = browser.get("/me/data/everything.json")
    assert response.headers["Content-Disposition"].startswith('attachment; filename="everything-purse-')
    assert int(response.headers["Content-Length"]) == len(response.data)
    data = json.loads(response.data)
    assert (data["format"], data["version"], data["unit"]["symbol"]) == ("twinpurse-own-data", 1, "$")
    assert [entry["amount"] for entry in data["entries"]] == ["5.00", "-0.075", "-0.000001", "1.234567"]
    assert sum(Decimal(entry["amount"]) for entry in data["entries"]) == Decimal(data["account"]["balance"])
    assert (data["account"]["balance"], data["account"]["held"]) == ("6.159566", "0.10")
    assert data["internet_use"][0]["charged"] == "0.001000000001"
    assert data["notices"]["low_from"] == "2.50"
    assert data["person"]["username"] == "alice"
    assert {"name": "Students"} in data["groups"]
    with app.app_context():
        parts = files.parts_of(app.extensions["twinpurse.settings"])
    assert [key for key in data if key not in ("format", "version", "made_at", "instance", "unit")] == [
        part.key for part in parts
    ]
    assert [part.key for part in parts if not data[part.key]] == []
    text = response.get_data(as_text=True)
    for secret in ("hash", "-session", "-device", "-code", "-card", "-token", "ALICE text"):
        assert secret not in text
    for foreign in ("BOB", "bob", "Bob", "Brown"):
        assert foreign not in text
    for path in ("everything.zip", "entries.csv", "print_jobs.csv", "internet_use.csv"):
        assert b"BOB" not in unpacked(browser.get(f"/me/data/{path}").data)


@pytest.mark.long
def test_the_tables_say_the_same_and_no_cell_is_a_formula(app: Flask, known: Callable[..., dict[str, int]]) -> None:
    browser = both(app, known)
    data = json.loads(browser.get("/me/data/everything.json").data)
    archive = zipfile.ZipFile(io.BytesIO(browser.get("/me/data/everything.zip").data))
    assert archive.testzip() is None
    for name in archive.namelist():
        rows = list(csv.DictReader(io.StringIO(archive.read(name).decode("utf-8-sig"))))
        said = data[name.removesuffix(".csv")]
        expected = said if isinstance(said, list) else [said] if said else []
        assert [list(row.values()) for row in rows] == [
            [f"'{value}" if str(value).startswith("=") else cell(value) for value in each.values()] for each in expected
        ], name
    single = browser.get("/me/data/entries.csv").data
    assert single == archive.read("entries.csv")
    assert b"'=1+1 ALICE" in single
    assert browser.get("/me/data/accounts.csv").status_code == 404
    browser.client.set_cookie("language", "de")  # what spreadsheets read that are set to German
    assert b";-0,075;" in browser.get("/me/data/entries.csv").data
    assert json.loads(browser.get("/me/data/everything.json").data)["entries"] == data["entries"]


def test_every_table_that_names_people_is_a_part() -> None:
    covered = set()
    for part in files.PARTS:
        query = part.query(Owner(1, "x"))
        covered |= {table.name for table in find_tables(query, include_joins=True)}  # type: ignore[attr-defined]
    about_people = {
        table.name
        for table in Base.metadata.sorted_tables
        for column in table.columns
        if column.name == "user_id" or any(key.column.table.name == "users" for key in column.foreign_keys)
    }
    assert len(about_people) > 20
    assert about_people - covered - set(NOT_TAKEN) == set()


def test_amounts_are_exact_decimals() -> None:
    micro = [exact(value, places=6, least=2) for value in (0, 1, -1, 75_000, -5_000_000, 10**15 + 10)]
    assert micro == ["0.00", "0.000001", "-0.000001", "0.075", "-5.00", "1000000000.00001"]
    assert [exact(value, places=6, least=0) for value in (0, 12_000_000, -500_000)] == ["0", "12", "-0.5"]


@pytest.mark.long
def test_the_page_says_what_is_kept_as_it_is_set_up(app: Flask) -> None:
    browser = signed_in(app, "alice")
    words = browser.text("/me/data")
    assert "Titles of your documents Who looks after printing can read them too. Always" in words
    assert "Which sites you visit No addresses of pages are ever kept. Not kept" in words
    assert "Until you sign out, at most 12 hours" in words
    browser.client.set_cookie("language", "de")
    assert "Welche Websites Sie besuchen" in browser.text("/me/data")


@pytest.mark.long
def test_a_long_account_is_whole_and_of_one_moment(
    make_instance: Callable[..., Flask], known: Callable[..., dict[str, int]], database_url: str
) -> None:
    app = make_instance(database_url=database_url)
    settings: Settings = app.extensions["twinpurse.settings"]
    with app.app_context():
        alice = known(clock.now())["alice"]
        account = accounts.get_account(reading(), user_id=alice)

        def post(start: int, count: int) -> Callable[[Session], None]:
            def work(session: Session) -> None:
                for number in range(start, start + count):
                    ledger.post(
                        session,
                        account_id=account.id,
                        amount=1_000 + number,
                        source="adjustment",
                        key=f"many:{number}",
                        now=clock.now(),
                        title="Many",
                    )

            return work

        writing(post(0, 12_000))
        file = files.as_json(Owner(alice, "alice"), settings=settings, now=clock.now())
        data = json.loads(file.read())
        assert len(data["entries"]) == 12_000 == data["account"]["entries"]
        assert sum(Decimal(entry["amount"]) for entry in data["entries"]) == Decimal(data["account"]["balance"])
        pieces = files._json(reading(), Owner(alice, "alice"), settings, clock.now())
        assert len(next(pieces)) < 1_000
        balance = reading().get_one(Account, account.id).balance
        assert exact(balance, places=6, least=2) == data["account"]["balance"]


def unpacked(data: bytes) -> bytes:
    """A file as it is, or all that is packed in it."""
    if not data.startswith(b"PK"):
        return data
    archive = zipfile.ZipFile(io.BytesIO(data))
    return b"".join(archive.read(name) for name in archive.namelist())


def test_every_key_is_documented() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "own-data.md").read_text("utf-8")
    for part in files.PARTS:
        (line,) = [line for line in text.splitlines() if line.startswith(f"| `{part.key}`")]
        assert [f"`{name}`" for name in part.columns(Owner(1, "x"))] == re.findall(r"`\w+`", line.split("|")[3])
