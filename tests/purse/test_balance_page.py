"""The page that answers how much is left."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from flask import Flask

from app.db import reading, writing
from app.ledger import accounts
from app.money import MICRO
from app.people import service as people
from app.purse import service
from app.settings import settings_of_app
from tests.purse.conftest import Life
from tests.web.browsing import signed_in, words_of

Begin = Callable[[Flask], Life]


def test_how_much_for_what_and_until_when(print_app: Flask, life: Begin) -> None:
    here = life(print_app)
    with print_app.app_context():
        here.schedule()
        here.post(5, ago=timedelta(days=20), source="allocation", title="Weekly money")
        here.print(32, ago=timedelta(days=2), title="Long essay.pdf")
    page = signed_in(print_app, "alice").get("/").text
    words = signed_in(print_app, "alice").text("/")
    assert 'data-micro="3400000"' in page
    assert "Enough for about 68 pages" in words
    assert "$3.40 of at most $10.00" in words
    assert "about 8 weeks at your usual $0.40 a week" in words
    assert "+$2.00 Weekly money, in " in words
    assert "Held now $0.00 no job is printing" in words
    assert "Long essay.pdf" in words
    assert "1 page $0.05" in words
    assert "MB" not in words


def test_a_purse_without_a_cap_has_no_meter(print_app: Flask, life: Begin) -> None:
    here = life(print_app)
    with print_app.app_context():
        here.schedule()
        here.schedule(name="Another", top_up="add", cap=None)
        here.post(3)
    page = signed_in(print_app, "alice").get("/").text
    assert "of at most" not in page
    assert 'class="meter' not in page


def test_a_balance_over_the_cap_has_no_meter(print_app: Flask, life: Begin) -> None:
    here = life(print_app)
    with print_app.app_context():
        here.schedule()
        here.post(12)
    words = signed_in(print_app, "alice").text("/")
    assert "of at most" not in words
    assert "nothing, your purse is full" in words


def test_an_empty_print_purse_says_what_is_refused_and_what_still_works(print_app: Flask, life: Begin) -> None:
    here = life(print_app)
    with print_app.app_context():
        here.schedule()
    words = signed_in(print_app, "alice").text("/")
    assert "Your print purse is empty. Print jobs are refused until the next credit:" in words
    assert "The Internet is not affected: it has its own purse." in words
    assert "Not enough for a page" in words


def test_an_empty_internet_purse_says_that_printing_still_works(net_app: Flask, life: Begin) -> None:
    here = life(net_app)
    with net_app.app_context():
        here.post(1)
        here.surf(120_000_000)
    words = signed_in(net_app, "alice").text("/")
    assert "−$0.20" in words.replace("− $ 0.20", "−$0.20")
    assert "Your Internet purse is empty. Web pages are refused until somebody adds to it." in words
    assert "Printing is not affected: it has its own purse." in words


def test_a_shared_purse_makes_no_promise_about_another_one(make_instance: Callable[..., Flask], life: Begin) -> None:
    app = make_instance(charges=("print", "internet"))
    life(app)
    words = signed_in(app, "alice").text("/")
    assert "Print jobs and web pages are refused until somebody adds to it." in words
    assert "its own purse" not in words


def test_a_low_purse_warns_without_claiming_a_refusal(print_app: Flask, life: Begin) -> None:
    here = life(print_app)
    with print_app.app_context():
        here.post(0.5)
    words = signed_in(print_app, "alice").text("/")
    assert "Low. Little is left. No credit is planned." in words
    assert "is empty." not in words


def test_monitor_mode_says_that_it_only_counts(make_instance: Callable[..., Flask], life: Begin) -> None:
    app = make_instance(mode="monitor")
    life(app)
    words = signed_in(app, "alice").text("/")
    assert "This purse only counts; nothing is refused." in words
    assert "are refused" not in words


def test_what_was_not_printed_stands_there_with_its_reason(print_app: Flask, life: Begin) -> None:
    here = life(print_app)
    with print_app.app_context():
        here.post(0.1)
        here.ask(40, title="Thesis.pdf")
        here.ask(None, title="Poster.ps")
        here.ask(40, "bob", title="Private.pdf")
        here.ask(30, title="Last month.pdf", ago=timedelta(days=30))
        here.print(1, title="Printed.pdf")
    words = signed_in(print_app, "alice").text("/").partition("Not printed")[2].partition("What changed lately")[0]
    assert "Thesis.pdf" in words
    assert "Not printed: 40 pages cost $2.00, and $0.10 is left. Nothing was charged." in words
    assert "Poster.ps" in words
    assert "could not be counted" in words
    for other in ("Private.pdf", "Last month.pdf", "Printed.pdf"):
        assert other not in words


def test_an_open_hold_is_shown(print_app: Flask, life: Begin) -> None:
    here = life(print_app)
    with print_app.app_context():
        here.post(2)
        here.ask(4)
    assert "Held now $0.20 for 1 job that prints or waits" in signed_in(print_app, "alice").text("/")


def test_titles_are_text_and_never_markup(print_app: Flask, life: Begin) -> None:
    here = life(print_app)
    with print_app.app_context():
        here.post(2)
        here.print(1, title="<script>alert('paid')</script>")
        here.ask(500, title="<script>alert('refused')</script>")
    browser = signed_in(print_app, "alice")
    for path in ("/", "/statement"):
        page = browser.get(path).text
        assert "&lt;script&gt;alert(&#39;paid&#39;)" in page
        assert "<script>alert" not in page


def test_thirty_days_are_drawn_and_stand_in_a_table(print_app: Flask, life: Begin) -> None:
    here = life(print_app)
    with print_app.app_context():
        here.post(5, ago=timedelta(days=35))
        here.post(-1, ago=timedelta(days=3))
    page = signed_in(print_app, "alice").get("/").text
    assert '<path class="plot-line"' in page
    table = words_of(page.partition("Show these numbers as a table")[2].partition("</table>")[0])
    assert table.count("$5.00") == 26  # what was there before the month opens it
    assert table.count("−$1.00 $4.00") == 1
    assert table.count("$4.00") == 4


def test_each_person_sees_their_own_purse(print_app: Flask, life: Begin) -> None:
    here = life(print_app)
    with print_app.app_context():
        here.post(7.77, "bob", title="Of Bob alone")
    assert "Of Bob alone" not in signed_in(print_app, "alice").text("/")
    assert f'data-micro="{int(7.77 * MICRO)}"' in signed_in(print_app, "bob").get("/").text


def test_what_is_left_of_an_overdraft_is_what_a_refusal_says(make_instance: Callable[..., Flask], life: Begin) -> None:
    app = make_instance(charges=("print", "internet"))
    here = life(app)
    with app.app_context():
        account_id = here.account_id()
        writing(lambda session: accounts.set_floor(session, account_id=account_id, floor=-2 * MICRO))
        assert here.ask(41).reason == "Not printed: 41 pages cost $2.05, and $2.00 is left. Nothing was charged."
        here.print(40)
        user = people.get_user(reading(), user_id=here.users["alice"])
        purse = service.look_into(reading(), user=user, settings=settings_of_app(), now=here.now)
        message = service.internet_message(purse, settings_of_app())
    assert message == "Your purse is empty: its limit of −$2.00 is reached. No credit is planned."
