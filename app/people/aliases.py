"""Other names of people: aliases that administrators give, former names, and whose name a name is."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from flask import current_app
from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.orm import Session

from app.db import one_of
from app.errors import InvalidInputError, NotFoundError
from app.ledger import accounts
from app.ledger import service as ledger
from app.ledger.models import Account
from app.people import rules
from app.people.models import User, UserName
from app.settings import settings_of_app
from directory.accounts import account_name
from directory.interface import is_plausible_username
from language import N_, _, speaking

_TAKEN: Final = {
    "own": N_("“%(key)s” is the name of %(name)s (%(username)s)"),
    "alias": N_("“%(key)s” is another name of %(name)s (%(username)s)"),
    "former": N_("“%(key)s” is a former name of %(name)s (%(username)s)"),
}
"""Why a name cannot be given, by the kind of its holder."""

CHUNK = 10_000
"""Names that are looked up together: SQLite takes no more than 32,766 values in a statement."""

ASK_AGAIN_S = 60.0
"""For so long the directory's word that nobody has a former name is good."""


@dataclass(frozen=True)
class Holder:
    """Whose name it is. `kind`: "own", "alias" or "former"."""

    user: User
    kind: str


def find(session: Session, *, typed: str, domains: Sequence[str]) -> Holder | None:
    """Return whose name `typed` is, None when it is nobody's; see `find_many`."""
    return find_many(session, typed=[typed], domains=domains).get(typed)


def find_many(session: Session, *, typed: Sequence[str], domains: Sequence[str]) -> dict[str, Holder]:
    r"""Return name -> whose it is, for those of `typed` that are somebody's.

    A name as a whole comes before the same without "DOMAIN\" or "@realm" of `domains`; somebody's own name comes before
    an alias or a former name of another.
    """
    found: dict[str, Holder] = {}
    for first in range(0, len(typed), CHUNK // 2):
        found |= _find_some(session, typed[first : first + CHUNK // 2], domains)
    return found


def find_ids(session: Session, *, typed: Sequence[str], domains: Sequence[str]) -> dict[str, tuple[int, str]]:
    """Return name -> (the id of whose it is, "own" or the kind of their other name), as `find_many` finds them.

    For thousands of names, of whose people nothing else is wanted.
    """
    found: dict[str, tuple[int, str]] = {}
    for first in range(0, len(typed), CHUNK // 2):
        asked = {name: keys_of(name, domains) for name in typed[first : first + CHUNK // 2]}
        keys = sorted({key for mine in asked.values() for key in mine})
        own = {name: (user_id, "own") for name, user_id in _pairs(session, User.username, User.id, keys)}
        left = sorted({key for mine in asked.values() if mine[0] not in own for key in mine})
        other: dict[str, tuple[int, str]] = {}
        if left:
            kinds = select(UserName.name_key, UserName.user_id, UserName.kind)
            rows = session.execute(kinds.where(_is(UserName.name_key, left, session)))
            other = {name: (user_id, kind) for name, user_id, kind in rows}
        for name, mine in asked.items():
            key = next((key for key in mine if key in own or key in other), None)
            if key is not None:
                found[name] = own.get(key) or other[key]
    return found


def keys_of(typed: str, domains: Sequence[str]) -> list[str]:
    """Return the names that `typed` may be here, the one that counts first: as a whole, then without its domain."""
    return list(dict.fromkeys((rules.name_key(typed), rules.name_key(account_name(typed, domains)))))


def was_asked(name: str) -> bool:
    """Whether the directory was asked about a former name a short while ago, and nobody else has it."""
    return time.monotonic() < _asked_about().get(rules.name_key(name), 0.0)


def note_asked(name: str) -> None:
    """Remember that the directory was asked: a machine may send a former name every few seconds."""
    remembered = _asked_about()
    if len(remembered) >= CHUNK:
        remembered.clear()  # rare, and only costs asking again
    remembered[rules.name_key(name)] = time.monotonic() + ASK_AGAIN_S


def names_of(session: Session, *, user_id: int) -> list[UserName]:
    """Return the other names of a person, in the order in which they came."""
    mine = select(UserName).where(UserName.user_id == user_id)
    return list(session.scalars(mine.order_by(UserName.created_at, UserName.name_key)))


def add(session: Session, *, user_id: int, name: str, domains: Sequence[str], by: str, now: datetime) -> UserName:
    """Make `name` an alias of the person; a line of 0 on their statement says who did it.

    Doing it again changes nothing; a former name of the same person becomes an alias. Raises NotFoundError, and
    InvalidInputError for a name that nobody can have or that is somebody's.
    """
    user = session.get(User, user_id)
    if user is None:
        raise NotFoundError(_("There is no such person here."), user_id=user_id)
    key = keys_of(name, domains)[-1]
    if not (is_plausible_username(name) and is_plausible_username(key)):  # "ß" is kept as "ss"
        raise _wrong(_("Write a name of at most 256 characters, as the machine writes it"))
    holder = find(session, typed=name, domains=domains)
    if holder is not None and holder.user.id != user_id:
        raise _wrong(_(_TAKEN[holder.kind], key=key, name=holder.user.display_name, username=holder.user.username))
    if holder is not None and holder.kind == "own":
        name = user.display_name
        raise _wrong(
            _("“%(key)s” is the name that %(name)s has in the directory; nothing is to be added", key=key, name=name)
        )
    row = session.get(UserName, key)
    if row is not None and row.kind == "alias":
        return row
    if row is None:
        row = UserName(name_key=key, user_id=user_id, created_at=now)
        session.add(row)
    row.kind, row.made_by = "alias", by[:256]
    session.flush()
    _write_down(session, user_id, N_("Other name added: “%(name)s”"), key, by, now)
    return row


def remove(session: Session, *, user_id: int, name_key: str, by: str, now: datetime) -> None:
    """Let a name lead to this person no more; a line of 0 on their statement says who did it.

    What was booked under it stays. Raises NotFoundError for a name that is not one of theirs.
    """
    row = session.get(UserName, name_key) if is_plausible_username(name_key) else None
    if row is None or row.user_id != user_id:
        raise NotFoundError(_("This is not one of their other names."), user_id=user_id)
    session.delete(row)
    session.flush()
    _write_down(session, user_id, N_("Other name removed: “%(name)s”"), name_key, by, now)


def keep_former(session: Session, *, user_id: int, before: str, now: datetime) -> None:
    """Let the name that a person had lead to them, until it is given to somebody else.

    Changes nothing where it is another person's name already: their own or an alias.
    """
    if session.scalar(select(User.id).where(User.username == before)) is not None:
        return
    row = session.get(UserName, before)
    if row is not None and (row.kind == "alias" or row.user_id == user_id):
        return
    if row is None:
        row = UserName(name_key=before, created_at=now)
        session.add(row)
    row.user_id, row.kind, row.made_by, row.created_at = user_id, "former", "", now
    session.flush()


def give_up(session: Session, *, username: str) -> None:
    """Let no former name lead away from `username`, which somebody has now as their own."""
    session.execute(delete(UserName).where(UserName.name_key == username, UserName.kind == "former"))


def _find_some(session: Session, typed: Sequence[str], domains: Sequence[str]) -> dict[str, Holder]:
    asked = {name: keys_of(name, domains) for name in typed}
    first = sorted({key for keys in asked.values() for key in keys})
    own = {
        user.username: Holder(user, "own")
        for user in session.scalars(select(User).where(_is(User.username, first, session)))
    }
    found = {name: own[keys[0]] for name, keys in asked.items() if keys[0] in own}
    left = sorted({key for name, keys in asked.items() if name not in found for key in keys})
    if not left:
        return found
    rows = session.execute(select(UserName, User).join(User).where(_is(UserName.name_key, left, session)))
    other = {row.name_key: Holder(user, row.kind) for row, user in rows}
    for name, keys in asked.items():
        holder = next((own.get(key) or other.get(key) for key in keys if key in own or key in other), None)
        if name not in found and holder is not None:
            found[name] = holder
    return found


def _pairs(session: Session, name: Any, user_id: Any, keys: Sequence[str]) -> list[tuple[str, int]]:
    return [(row[0], row[1]) for row in session.execute(select(name, user_id).where(_is(name, keys, session)))]


def _asked_about() -> dict[str, float]:
    found: dict[str, float] = current_app.extensions.setdefault("twinpurse.former_names", {})
    return found


def _is(column: Any, keys: Sequence[str], session: Session) -> ColumnElement[bool]:
    """The condition that a column has one of the keys; most often there is but one, and that is quickest as it is."""
    equal: ColumnElement[bool] = column == keys[0]
    return equal if len(keys) == 1 else one_of(session, column, keys)


def _write_down(session: Session, user_id: int, title: str, name: str, by: str, now: datetime) -> None:
    """Write a line of 0; `title` has the name in it and is kept in the instance's language."""
    account = accounts.get_account(session, user_id=user_id)
    # Locked: its next line has this number, and only one line will.
    locked = session.get_one(Account, account.id, with_for_update=True, populate_existing=True)
    with speaking(settings_of_app().config.language):
        words, detail = _(title, name=name), _("by %(name)s", name=by)
    ledger.post(
        session,
        account_id=locked.id,
        amount=0,
        source="adjustment",
        key=f"name:{locked.id}:{locked.sequence + 1}",
        now=now,
        title=words,
        detail=detail,
    )


def _wrong(message: str) -> InvalidInputError:
    return InvalidInputError(message, fields={"name": message})
