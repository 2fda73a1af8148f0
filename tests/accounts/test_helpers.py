"""Helpers adjust people's purses, within what they may in a day: never more, also when they ask twice at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from sqlalchemy import update

from app.accounts import rules, service
from app.accounts.rules import Allowance
from app.db import reading, writing
from app.errors import DailyLimitError, NotAllowedError, WrongStateError
from app.ledger.booking import Booked
from app.money import MICRO
from app.people.models import User
from tests.accounts.conftest import Desk
from tests.web.browsing import Browser, signed_in, words_of

BERLIN = ZoneInfo("Europe/Berlin")
EVENING = datetime(2026, 11, 23, 22, 59, tzinfo=UTC)  # 23:59 in Berlin
LIMIT = 20 * MICRO


def adjust(
    desk: Desk, units: int, form_id: str, *, of: str = "bob", at: datetime = EVENING, by: str = "carol"
) -> Booked:
    """Have a helper add so many units to somebody, or take them."""
    allowance = Allowance(desk.users[by], LIMIT, rules.day_begins(at, BERLIN))
    return writing(
        lambda session: service.adjust(
            session,
            account_id=desk.of(of),
            amount=units * MICRO,
            reason="Blank pages",
            by="Carol Clark (carol)",
            form_id=form_id,
            now=at,
            within=allowance,
        )
    )


def left(desk: Desk, at: datetime = EVENING, by: str = "carol") -> int:
    """What a helper may still adjust, in units."""
    reading().rollback()
    return (
        service.left_today(reading(), allowance=Allowance(desk.users[by], LIMIT, rules.day_begins(at, BERLIN))) // MICRO
    )


def test_the_day_begins_at_midnight_of_the_zone() -> None:
    begins = {
        EVENING: datetime(2026, 11, 22, 23, tzinfo=UTC),
        EVENING + timedelta(minutes=1): datetime(2026, 11, 23, 23, tzinfo=UTC),
        datetime(2026, 3, 29, 12, tzinfo=UTC): datetime(2026, 3, 28, 23, tzinfo=UTC),  # clocks go forward that day
        datetime(2026, 10, 25, 12, tzinfo=UTC): datetime(2026, 10, 24, 22, tzinfo=UTC),  # and back
    }
    assert {now: rules.day_begins(now, BERLIN) for now in begins} == begins


def test_adding_and_taking_count_together_up_to_the_limit(desk: Desk) -> None:
    assert left(desk) == 20
    adjust(desk, 12, "form-1")
    adjust(desk, -5, "form-2")
    assert left(desk) == 3
    with pytest.raises(DailyLimitError) as refused:
        adjust(desk, -4, "form-3")
    assert refused.value.facts == {"left_micro": 3 * MICRO, "limit_micro": LIMIT}
    adjust(desk, 3, "form-4", of="alice")
    assert (left(desk), desk.balance(desk.of("bob")), desk.balance(desk.of("alice"))) == (0, 7, 3)


def test_the_next_day_begins_with_everything(desk: Desk) -> None:
    adjust(desk, 20, "form-1")
    midnight = EVENING + timedelta(minutes=1)
    assert (left(desk), left(desk, midnight)) == (0, 20)
    with pytest.raises(DailyLimitError):
        adjust(desk, 1, "form-2")
    adjust(desk, 20, "form-2", at=midnight)
    assert (left(desk, midnight), desk.balance(desk.of("bob"))) == (0, 40)


def test_a_form_sent_again_is_the_same_also_after_midnight_and_over_the_limit(desk: Desk) -> None:
    first = adjust(desk, 15, "form-1")
    assert adjust(desk, 15, "form-1").id == first.id
    assert adjust(desk, 15, "form-1", at=EVENING + timedelta(minutes=2)).id == first.id
    assert (left(desk), desk.balance(desk.of("bob"))) == (5, 15)


def test_each_helper_has_a_limit_of_their_own_and_administrators_none(desk: Desk) -> None:
    adjust(desk, 20, "form-1")
    assert left(desk, by="admin") == 20
    adjust(desk, 20, "form-1", by="admin")
    writing(
        lambda session: service.adjust(
            session, account_id=desk.of("bob"), amount=900 * MICRO, reason="x", by="x", form_id="form-9", now=EVENING
        )
    )
    assert desk.balance(desk.of("bob")) == 940
    assert (left(desk), left(desk, by="admin")) == (0, 0), "what was done without a limit does not count"
    number = desk.users["carol"]
    assert service.left_today(reading(), allowance=Allowance(number * 10 + 1, LIMIT, EVENING)) == LIMIT


def test_two_tries_at_once_never_pass_the_limit(desk: Desk) -> None:
    """Each alone fits; together they do not."""
    outcomes: list[str] = []
    together = threading.Barrier(4)

    def attempt(number: int) -> None:
        with desk.app.app_context():
            together.wait()
            try:
                adjust(desk, 8, f"form-{number}", of=("alice", "bob")[number % 2])
            except DailyLimitError:
                outcomes.append("refused")
            else:
                outcomes.append("booked")

    threads = [threading.Thread(target=attempt, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["booked", "booked", "refused", "refused"]
    assert left(desk) == 4


def test_helpers_adjust_neither_their_own_purse_nor_shared_accounts_nor_closed_ones(desk: Desk) -> None:
    with pytest.raises(NotAllowedError, match="Somebody else"):
        adjust(desk, 1, "form-1", of="carol")
    shared, allowance = desk.make(), Allowance(desk.users["carol"], LIMIT, EVENING)

    def take(form_id: str) -> Booked:
        return writing(
            lambda session: service.adjust(
                session, account_id=shared, amount=1, reason="x", by="x", form_id=form_id, now=EVENING, within=allowance
            )
        )

    with pytest.raises(NotAllowedError, match="shared"):
        take("form-2")
    writing(lambda session: service.close(session, account_id=shared, by="x", now=EVENING))
    with pytest.raises(WrongStateError):
        take("form-3")
    assert left(desk) == 20


# -- the page


@pytest.fixture
def helper(print_app: Flask, known: Callable[..., dict[str, int]]) -> Browser:
    """Carol is a helper; everybody is known."""
    browser = signed_in(print_app, "carol")
    with print_app.app_context():
        known()
        writing(lambda session: session.execute(update(User).where(User.username == "carol").values(role="helper")))
    return browser


def page_of(browser: Browser, name: str) -> str:
    """The address of somebody's page."""
    with browser.app.app_context():
        user = reading().query(User).filter_by(username=name).one()
        return f"/admin/people/{user.id}"


def test_the_page_says_how_much_is_left_and_why_it_was_refused(helper: Browser) -> None:
    page = page_of(helper, "alice")
    assert "Today you may still adjust $20.00 of $20.00" in helper.text(page)
    fields = {"way": "add", "reason": "Blank pages"}
    assert helper.send(f"{page}/adjust", page, amount="15", form_id="a" * 20, **fields).status_code == 303
    assert "Today you may still adjust $5.00 of $20.00" in helper.text(page)
    refused = helper.send(f"{page}/adjust", page, amount="5.01", form_id="b" * 20, **fields)
    assert refused.status_code == 422
    assert "You may adjust $20.00 a day; $5.00 of it is left today" in words_of(refused.text)
    again = helper.send(f"{page}/adjust", page, amount="15", form_id="a" * 20, **fields)
    assert again.status_code == 303
    assert "Nothing more was booked" in helper.text(page)
    assert "Blank pages by Carol Clark (carol)" in signed_in(helper.app, "alice").text("/statement")


def test_a_helper_sees_no_form_at_their_own_purse_and_cannot_send_one(helper: Browser) -> None:
    page, other = page_of(helper, "carol"), page_of(helper, "alice")
    assert "Adjust the balance" not in helper.text(page)
    fields = {"way": "add", "amount": "1", "reason": "Me", "form_id": "c" * 20}
    refused = helper.send(f"{page}/adjust", other, **fields)
    assert (refused.status_code, "Somebody else" in refused.text) == (403, True)


def test_an_auditor_sees_the_page_and_no_form(helper: Browser) -> None:
    with helper.app.app_context():
        writing(lambda session: session.execute(update(User).where(User.username == "carol").values(role="auditor")))
    page = helper.get(page_of(helper, "alice")).text
    assert "Statement" in page
    assert "<form" not in page.partition("<main")[2].partition("</main>")[0].replace('<form class="on"', "")
