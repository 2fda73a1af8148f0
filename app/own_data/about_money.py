"""The parts about somebody's money: the account, its entries and holds, cards, print jobs and refunds."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Select, func, select

from app.cards.models import Card, CardBatch, WrongCode
from app.ledger.models import Account, Entry, Hold, Note
from app.own_data.parts import Owner, Part
from app.printing.models import PrintJob
from app.refunds.models import Refund

Query = Select[*tuple[Any, ...]]


def _account(owner: Owner) -> Query:
    return select(
        Account.balance,
        Account.reserved.label("held"),
        Account.floor.label("limit"),
        Account.sequence.label("entries"),
        Account.created_at.label("opened_at"),
        Account.closed_at,
    ).where(Account.user_id == owner.user_id)


def _entries(owner: Owner) -> Query:
    return (
        select(
            Entry.sequence.label("number"),
            Entry.created_at.label("booked_at"),
            Entry.event_at.label("happened_at"),
            func.coalesce(Note.title, "").label("what"),
            func.coalesce(Note.detail, "").label("details"),
            Entry.source,
            Entry.quantity,
            Entry.amount,
            Entry.balance_after.label("balance"),
            Entry.overrun.label("below_limit"),
            Entry.id.label("entry"),
            Entry.reverses_id.label("reverses_entry"),
        )
        .join_from(Entry, Account, Account.id == Entry.account_id)
        .outerjoin(Note, Note.id == Entry.note_id)
        .where(Account.user_id == owner.user_id)
        .order_by(Entry.sequence)
    )


def _holds(owner: Owner) -> Query:
    return (
        select(Hold.source, Hold.amount, Hold.captured, Hold.state, Hold.created_at, Hold.expires_at, Hold.ended_at)
        .join(Account, Account.id == Hold.account_id)
        .where(Account.user_id == owner.user_id)
        .order_by(Hold.id)
    )


def _cards(owner: Owner) -> Query:
    return (
        select(CardBatch.name.label("batch"), Card.number, CardBatch.amount, Card.redeemed_at)
        .join_from(Card, CardBatch, CardBatch.id == Card.batch_id)
        .where(Card.redeemed_by_id == owner.user_id)
        .order_by(Card.redeemed_at)
    )


def _wrong_codes(owner: Owner) -> Query:
    return select(WrongCode.count, WrongCode.since).where(WrongCode.user_id == owner.user_id)


def _print_jobs(owner: Owner) -> Query:
    job = PrintJob
    return (
        select(
            job.id.label("job"),
            job.created_at.label("sent_at"),
            job.updated_at,
            job.title,
            job.username.label("sent_as"),
            job.host.label("sent_from"),
            job.server,
            job.printer,
            job.job_number,
            job.run,
            job.state,
            job.reason,
            job.pages_counted,
            job.pages_printed,
            job.colour_pages,
            job.sheets,
            job.copies,
            job.duplex.label("two_sided"),
            job.paper,
            job.document.label("counted"),
            job.terms,
            job.cost,
            job.estimated,
            job.released_at,
            job.title_removed_at,
        )
        .where(job.user_id == owner.user_id)
        .order_by(job.id)
    )


def _refunds(owner: Owner) -> Query:
    return (
        select(
            Refund.job_id.label("job"),
            Refund.asked,
            Refund.reason,
            Refund.state,
            Refund.amount,
            Refund.answer,
            Refund.created_at,
            Refund.decided_at,
        )
        .where(Refund.user_id == owner.user_id)
        .order_by(Refund.id)
    )


PARTS: Final = (
    Part("account", _account, amounts=frozenset({"balance", "held", "limit"}), single=True),
    Part("entries", _entries, amounts=frozenset({"amount", "balance", "below_limit"})),
    Part("holds", _holds, amounts=frozenset({"amount", "captured"})),
    Part("cards", _cards, amounts=frozenset({"amount"})),
    Part("wrong_card_codes", _wrong_codes, single=True),
    Part("print_jobs", _print_jobs, amounts=frozenset({"cost"}), needs="print"),
    Part("refunds", _refunds, amounts=frozenset({"amount"}), needs="print"),
)
