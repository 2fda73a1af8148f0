"""The tables of people: users, groups, sessions, enter codes and counted sign-in attempts."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db import Base, BigInt, UtcDateTime


class Group(Base):
    """A group of the directory, known here by its name; `name_key` is the name casefolded."""

    __tablename__ = "groups"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    name: Mapped[str] = mapped_column(String(256))
    name_key: Mapped[str] = mapped_column(String(256), unique=True)


class User(Base):
    """A person of the directory. `directory_id` (entryUUID, objectGUID) stays through renames; the name may not."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    directory_id: Mapped[str] = mapped_column(String(256), unique=True)
    username: Mapped[str] = mapped_column(String(256), unique=True)
    display_name: Mapped[str] = mapped_column(String(256))
    email: Mapped[str] = mapped_column(String(320), default="")
    is_admin: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    refreshed_at: Mapped[datetime] = mapped_column(UtcDateTime)

    groups: Mapped[list[Group]] = relationship(secondary="memberships", order_by="Group.name_key", lazy="selectin")


class Membership(Base):
    """A user is in a group."""

    __tablename__ = "memberships"

    user_id: Mapped[int] = mapped_column(BigInt, ForeignKey("users.id"), primary_key=True)
    group_id: Mapped[int] = mapped_column(BigInt, ForeignKey("groups.id"), primary_key=True)

    __table_args__ = (Index("ix_memberships_group", "group_id", "user_id"),)


class LoginSession(Base):
    """One browser that is signed in. The cookie holds the token, this table its SHA-256: ending the row ends copies."""

    __tablename__ = "login_sessions"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    user_id: Mapped[int] = mapped_column(BigInt, ForeignKey("users.id"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class EnterCode(Base):
    """A single-use code with which the portal lets a browser in; stored as its SHA-256."""

    __tablename__ = "enter_codes"

    code_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[int] = mapped_column(BigInt, ForeignKey("users.id"))
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class SignInFailure(Base):
    """Tries in a row for one name that were not right, over all addresses; known here or not."""

    __tablename__ = "sign_in_failures"

    username: Mapped[str] = mapped_column(String(256), primary_key=True)
    failures: Mapped[int]
    last_at: Mapped[datetime] = mapped_column(UtcDateTime)
