"""The tables of the people sync: passes over the directory, what they read and change, and where changes begin."""

from __future__ import annotations

from datetime import datetime
from typing import cast

from sqlalchemy import CheckConstraint, Index, String, Table, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, BigInt, UtcDateTime

GROUPS_MAX = 1_000_000
"""Groups that one pass can tell apart."""


class DirectorySync(Base):
    """One pass: "full" reads everybody, "preview" too but applies nothing, "changes" reads who may have changed.

    `state`: reading, waiting (wants an administrator's yes), applying, done, failed, cancelled, discarded. `busy` is
    1 while a full pass or preview reads or applies, 2 while one of changes does, else NULL; it is unique, so that one
    of each works at a time. `holder` is who works on it, `alive_at` their last sign of life. `active`: people who were
    active when it compared. `cursor`: the last change that was applied; NULL before names were given.
    """

    __tablename__ = "directory_syncs"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    kind: Mapped[str] = mapped_column(String(10))
    state: Mapped[str] = mapped_column(String(10))
    busy: Mapped[int | None] = mapped_column(unique=True)
    holder: Mapped[str] = mapped_column(String(80), default="")
    asked_by: Mapped[str] = mapped_column(String(600), default="")
    decided_by: Mapped[str] = mapped_column(String(600), default="")
    decided_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    alive_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    place: Mapped[str | None] = mapped_column(Text)
    read: Mapped[int] = mapped_column(BigInt, default=0)
    active: Mapped[int] = mapped_column(BigInt, default=0)
    added: Mapped[int] = mapped_column(BigInt, default=0)
    renamed: Mapped[int] = mapped_column(BigInt, default=0)
    changed: Mapped[int] = mapped_column(BigInt, default=0)
    groups: Mapped[int] = mapped_column(BigInt, default=0)
    disabled: Mapped[int] = mapped_column(BigInt, default=0)
    gone: Mapped[int] = mapped_column(BigInt, default=0)
    back: Mapped[int] = mapped_column(BigInt, default=0)
    left_out: Mapped[int] = mapped_column(BigInt, default=0)
    applied: Mapped[int] = mapped_column(BigInt, default=0)
    cursor: Mapped[int | None] = mapped_column(BigInt)
    message: Mapped[str] = mapped_column(Text, default="")

    __table_args__ = (
        CheckConstraint("kind IN ('full', 'changes', 'preview')", name="kind"),
        CheckConstraint(
            "state IN ('reading', 'waiting', 'applying', 'done', 'failed', 'cancelled', 'discarded')", name="state"
        ),
    )


class SyncPerson(Base):
    """What a pass read of one person; deleted when the pass has ended.

    `group_numbers` is a JSON list of numbers of `SyncGroup`, nested groups included, `group_count` its length. `named`:
    they may bear their user name here; not where two have it. These tables carry no foreign keys: a pass writes
    hundreds of thousands of rows at once and deletes them itself.
    """

    __tablename__ = "sync_people"

    sync_id: Mapped[int] = mapped_column(BigInt, primary_key=True, autoincrement=False)
    directory_id: Mapped[str] = mapped_column(String(256), primary_key=True)
    username: Mapped[str] = mapped_column(String(256))
    display_name: Mapped[str] = mapped_column(String(256))
    email: Mapped[str] = mapped_column(String(320))
    disabled: Mapped[bool]
    role: Mapped[str] = mapped_column(String(10))
    group_numbers: Mapped[str] = mapped_column(Text)
    group_count: Mapped[int]
    named: Mapped[bool]


class SyncGroup(Base):
    """A group that a pass read, by a number that no other pass uses: `sync_id` * GROUPS_MAX and up."""

    __tablename__ = "sync_groups"

    number: Mapped[int] = mapped_column(BigInt, primary_key=True, autoincrement=False)
    sync_id: Mapped[int] = mapped_column(BigInt)
    name_key: Mapped[str] = mapped_column(String(256))
    name: Mapped[str] = mapped_column(String(256))


class SyncChange(Base):
    """What a pass changes, or would change, of one person: `what` it is, and how it was and is.

    The ids of a pass rise in the order in which its changes are applied.
    """

    __tablename__ = "sync_changes"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    sync_id: Mapped[int] = mapped_column(BigInt)
    directory_id: Mapped[str] = mapped_column(String(256))
    what: Mapped[str] = mapped_column(String(10))
    username: Mapped[str] = mapped_column(String(256))
    name: Mapped[str] = mapped_column(String(256))
    was: Mapped[str] = mapped_column(Text, default="")
    now: Mapped[str] = mapped_column(Text, default="")

    __table_args__ = (
        CheckConstraint(
            "what IN ('added', 'renamed', 'changed', 'groups', 'disabled', 'gone', 'back', 'left_out')", name="what"
        ),
        Index("ix_sync_changes_sync", "sync_id", "what", "id"),
    )


class DirectoryPlace(Base):
    """Where the changes of the directory that were not read yet begin, in the roster's own words."""

    __tablename__ = "directory_places"

    name: Mapped[str] = mapped_column(String(80), primary_key=True)
    place: Mapped[str] = mapped_column(Text)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)


SYNC_PEOPLE = cast(Table, SyncPerson.__table__)
SYNC_GROUPS = cast(Table, SyncGroup.__table__)
SYNC_CHANGES = cast(Table, SyncChange.__table__)
