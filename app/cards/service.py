"""Verbs of cards: make a batch, redeem one, void what is left of a batch, and say what became of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from app.cards import rules
from app.cards.models import Card, CardBatch, WrongCode
from app.errors import InvalidInputError, KeyReusedError, NotFoundError, TooManyAttemptsError, WrongStateError
from app.ledger import accounts
from app.ledger import service as ledger
from language import ENGLISH, _, _n, speaking

COUNT_MAX = 5_000


@dataclass(frozen=True)
class BatchSeen:
    """A batch, and how many of its cards were redeemed."""

    batch: CardBatch
    redeemed: int

    def left(self, now: datetime) -> int:
        """How many of its cards can still be redeemed."""
        ended = self.batch.voided_at is not None or (self.batch.expires_at is not None and self.batch.expires_at <= now)
        return 0 if ended else self.batch.count - self.redeemed


def make_batch(
    session: Session,
    *,
    form_id: str,
    name: str,
    amount: int,
    count: int,
    expires_at: datetime | None,
    by: str,
    now: datetime,
) -> tuple[CardBatch, list[str]]:
    """Make `count` cards of `amount` millionths; return the batch and the codes, which are known this once only.

    Raises KeyReusedError when the form was sent before: its codes cannot be shown again.
    """
    if session.scalar(select(CardBatch.id).where(CardBatch.form_id == form_id)) is not None:
        raise KeyReusedError(
            _("These cards were made already, and their codes were shown then. Void them and make new ones.")
        )
    batch = CardBatch(
        form_id=form_id,
        name=name,
        amount=amount,
        count=count,
        expires_at=expires_at,
        made_by=by[:600],
        created_at=now,
    )
    session.add(batch)
    session.flush()
    codes = [rules.make_code() for _number in range(count)]
    session.add_all(
        Card(batch_id=batch.id, number=number, code_hash=rules.code_hash(code))
        for number, code in enumerate(codes, start=1)
    )
    session.flush()
    return batch, codes


def check_tries(session: Session, *, user_id: int, now: datetime) -> None:
    """Refuse somebody who has typed too many wrong codes. Raises TooManyAttemptsError."""
    row = session.get(WrongCode, user_id)
    if row is not None and row.count >= rules.WRONG_MAX and now - row.since < rules.WRONG_WINDOW:
        minutes = max(1, int((row.since + rules.WRONG_WINDOW - now).total_seconds() // 60))
        raise TooManyAttemptsError(
            _n(
                "Too many wrong codes. Try again in %(num)s minute.",
                "Too many wrong codes. Try again in %(num)s minutes.",
                minutes,
            ),
            wait_s=minutes * 60,
        )


def note_wrong(session: Session, *, user_id: int, now: datetime) -> None:
    """Count a code that is no card's."""
    row = session.get(WrongCode, user_id, with_for_update=True)
    if row is None:
        session.add(WrongCode(user_id=user_id, count=1, since=now))
    elif now - row.since >= rules.WRONG_WINDOW:
        row.count, row.since = 1, now
    else:
        row.count += 1


def redeem(session: Session, *, user_id: int, code: str, now: datetime, language: str = ENGLISH.code) -> CardBatch:
    """Put the amount of the card with `code` (from `rules.read_code`) into somebody's purse; return its batch.

    The same card by the same person again changes nothing. Raises NotFoundError (no such card), WrongStateError (used
    by somebody else, expired, or voided; the sentence says which). `language`: of the words in the books.
    """
    card = session.scalar(select(Card).where(Card.code_hash == rules.code_hash(code)).with_for_update())
    if card is None:
        raise NotFoundError(_("There is no card with this code."))
    batch = session.get_one(CardBatch, card.batch_id)
    if card.redeemed_by_id == user_id:
        return batch
    if card.redeemed_at is not None:
        raise WrongStateError(_("This card has been used already."))
    if batch.voided_at is not None:
        raise WrongStateError(_("This card is no longer valid. Ask where you got it."))
    if batch.expires_at is not None and batch.expires_at <= now:
        raise WrongStateError(_("This card has expired. Ask where you got it."))
    taken = session.execute(
        update(Card)
        .where(Card.id == card.id, Card.redeemed_at.is_(None))
        .values(redeemed_at=now, redeemed_by_id=user_id)
        .returning(Card.id)
        .execution_options(synchronize_session=False)
    ).first()
    if taken is None:
        raise WrongStateError(_("This card has been used already."))
    account = accounts.get_account(session, user_id=user_id)
    with speaking(language):
        title, detail = _("Card"), _("%(name)s, number %(number)s", name=batch.name, number=card.number)
    ledger.post(
        session,
        account_id=account.id,
        amount=batch.amount,
        source="card",
        key=f"card:{card.id}",
        now=now,
        title=title,
        detail=detail,
    )
    session.expire_all()
    return session.get_one(CardBatch, batch.id)


def list_batches(session: Session) -> list[BatchSeen]:
    """Return every batch, the newest first."""
    redeemed = (
        select(Card.batch_id, func.count().label("redeemed"))
        .where(Card.redeemed_at.is_not(None))
        .group_by(Card.batch_id)
        .subquery()
    )
    rows = session.execute(
        select(CardBatch, func.coalesce(redeemed.c.redeemed, 0))
        .outerjoin(redeemed, redeemed.c.batch_id == CardBatch.id)
        .order_by(CardBatch.id.desc())
    )
    return [BatchSeen(batch, int(count)) for batch, count in rows]


def are_in_use(session: Session) -> bool:
    """Whether cards were ever made here: else nobody need be asked for one."""
    return session.scalar(select(CardBatch.id).limit(1)) is not None


def void(session: Session, *, batch_id: int, by: str, now: datetime) -> CardBatch:
    """Make every card of a batch that was not redeemed worthless. Raises NotFoundError, InvalidInputError (voided)."""
    batch = session.get(CardBatch, batch_id, with_for_update=True)
    if batch is None:
        raise NotFoundError(_("There is no such batch of cards."))
    if batch.voided_at is not None:
        raise InvalidInputError(_("This batch was voided before. Nothing was changed."))
    batch.voided_at, batch.voided_by = now, by[:600]
    return batch
