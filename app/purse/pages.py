"""The user's pages: the balance, the statement, and the statement as a file."""

from __future__ import annotations

from itertools import groupby, pairwise

import flask
from flask import Blueprint, Response, request
from flask_login import current_user
from sqlalchemy.orm import Session

from app import clock
from app.accounts import download, past
from app.api.access import signed_in
from app.cards import service as cards
from app.db import reading
from app.errors import InvalidInputError, NotFoundError
from app.internet import rate_words, rates
from app.ledger import accounts, statement
from app.ledger.models import Account
from app.ledger.statement import Line
from app.people import service as people
from app.purse import filters, kept_page, rules, service, story
from app.settings import settings_of_app
from app.web import bars, charts
from app.web.addresses import read_number
from language import _, dates

LATELY = 7
CHART_DAYS = 30
USED_DAYS = 14
PAGE = 50

blueprint = Blueprint("purse", __name__)


@blueprint.get("/")
@signed_in
def show_balance() -> str:
    """Show how much is left, for what it is enough, when more comes, and what changed lately."""
    kept_page.note(current_user.token)
    settings, session, now = settings_of_app(), reading(), clock.now()
    user = people.get_user(session, user_id=current_user.id)
    purse = service.look_into(session, user=user, settings=settings, now=now)
    today = now.astimezone(settings.zone).date()
    days = statement.by_day(session, account_id=purse.account.id, today=today, days=CHART_DAYS, zone=settings.zone)
    refused = service.not_printed(session, user_id=user.id, now=now, limit=LATELY) if settings.charges_print else []
    return flask.render_template(
        "purse/balance.html",
        purse=purse,
        purse_name=rules.purse_name(settings.config.charges),
        holds=statement.open_holds(session, account_id=purse.account.id),
        lately=statement.lines(session, account_id=purse.account.id, limit=LATELY),
        not_printed=refused,
        chart=charts.balance_chart(
            [(day.on, day.balance) for day in days],
            name=settings.config.name,
            text=settings.unit.text,
            change=settings.unit.change,
            low=service.low_from(purse),
            credited={day.on for day in days if day.credited},
        ),
        chart_first=days[0].on,
        used=_used_by_day(days[-USED_DAYS - 1 :]),
        internet_prices=internet_prices(session, user_id=user.id) if settings.charges_internet else (),
        cards_are_in_use=cards.are_in_use(session),
    )


def _used_by_day(days: list[statement.Day]) -> bars.BarChart:
    """Draw what went out on each day but the first, which tells where the second began."""
    went_out = [(day.on, max(0, before.balance + day.credited - day.balance)) for before, day in pairwise(days)]
    return bars.bar_chart(
        [(dates.short_weekday_and_day(on), amount, "") for on, amount in went_out],
        title=_("Used by day"),
        text=settings_of_app().unit.text,
        columns=(_("Day"), _("Used"), ""),
        labels=[dates.short_day(went_out[index][0]) for index in (0, 7, 13)],
    )


def internet_prices(session: Session, *, user_id: int) -> list[rate_words.Price]:
    """Return what use of the Internet costs somebody."""
    settings = settings_of_app()
    plan = rates.load(session, settings)
    percent = rates.percents(session, user_ids=[user_id], plan=plan)[user_id]
    return rate_words.prices(plan.terms, settings.unit, percent)


@blueprint.get("/statement")
@signed_in
def show_statement() -> str | tuple[str, int]:
    """Show the lines that the address asks for, newest first; the line that it names is opened into its story."""
    settings, session = settings_of_app(), reading()
    account = accounts.get_account(session, user_id=current_user.id)
    chosen = filters.read(request.args)
    opened = _opened(session, account)
    before = _before(session, account, chosen, opened)
    today = clock.now().astimezone(settings.zone).date()
    lines, total, newer = [], 0, 0
    if not chosen.problems:
        selection = chosen.selection(settings.zone)
        lines = statement.lines(session, account_id=account.id, limit=PAGE, before_sequence=before, selection=selection)
        total = statement.count_lines(session, account_id=account.id, selection=selection)
        if before is not None:
            newer = statement.count_lines(session, account_id=account.id, selection=selection, from_sequence=before)
    page = flask.render_template(
        "purse/statement.html",
        account=account,
        chosen=chosen,
        kinds=filters.kinds_for(settings.config.charges),
        days=[(day, list(group)) for day, group in groupby(lines, key=_local_day)],
        before=before,
        total=total,
        first_number=newer + 1,
        last_number=newer + len(lines),
        older=lines[-1].sequence if lines and newer + len(lines) < total else None,
        opened=opened,
        past=past.look_back(session, account_id=account.id, arguments=request.args, zone=settings.zone, today=today),
        today=today,
        story=opened and story.tell(session, account_id=account.id, line=opened, unit=settings.unit),
    )
    return (page, 422) if chosen.problems else page


@blueprint.get("/statement.csv")
@signed_in
def download_statement() -> Response:
    """Give the lines that the address asks for as a file."""
    settings, session = settings_of_app(), reading()
    account = accounts.get_account(session, user_id=current_user.id)
    chosen = filters.read(request.args)
    if chosen.problems:
        raise InvalidInputError(". ".join(chosen.problems.values()) + ".", fields=chosen.problems)
    return download.respond(
        account_id=account.id,
        selection=chosen.selection(settings.zone),
        name=f"statement-{settings.config.id}",
        settings=settings,
        now=clock.now(),
    )


def _opened(session: Session, account: Account) -> Line | None:
    """The line of this account that the address names. Raises NotFoundError for anybody else's, as for none."""
    if not request.args.get("open"):
        return None
    entry_id = read_number(request.args["open"])
    line = statement.line(session, account_id=account.id, entry_id=entry_id) if entry_id is not None else None
    if line is None:
        raise NotFoundError(_("There is no such line on your statement."))
    return line


def _before(session: Session, account: Account, chosen: filters.Filter, opened: Line | None) -> int | None:
    """Where the page begins: as the address says; else with the opened line, if the first page does not show it."""
    before = read_number(request.args.get("before"))
    if before is not None or opened is None or chosen.problems:
        return before
    newer = statement.count_lines(
        session,
        account_id=account.id,
        selection=chosen.selection(settings_of_app().zone),
        from_sequence=opened.sequence,
    )
    return opened.sequence + 1 if newer > PAGE else None


def _local_day(line: Line) -> object:
    return line.booked_at.astimezone(settings_of_app().zone).date()
