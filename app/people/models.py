"""The tables of people: users with their names, groups, sessions, devices, enter codes and counted tries to sign in."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db import Base, BigInt, UtcDateTime


class Group(Base):
    """A group of the directory, known here by its name; `name_key` is the name casefolded."""

    __tablename__ = "groups"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    name: Mapped[str] = mapped_column(String(256))
    name_key: Mapped[str] = mapped_column(String(256), unique=True)


class User(Base):
    """A person of the directory, or a local one. `directory_id` (entryUUID, objectGUID) stays through renames.

    `role`: "" (a user), "auditor" (looks), "helper" (adjusts within a daily limit) or "admin". Who is not "active" is
    "disabled" (the directory says so) or "gone" (it knows them no more), `status_since` a time. `origin` "local" is a
    guest or an administrator of this instance alone.
    """

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    directory_id: Mapped[str] = mapped_column(String(256), unique=True)
    username: Mapped[str] = mapped_column(String(256), unique=True)
    display_name: Mapped[str] = mapped_column(String(256))
    email: Mapped[str] = mapped_column(String(320), default="")
    role: Mapped[str] = mapped_column(String(10), default="")
    status: Mapped[str] = mapped_column(String(10), default="active")
    status_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    origin: Mapped[str] = mapped_column(String(10), default="directory")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    refreshed_at: Mapped[datetime] = mapped_column(UtcDateTime)

    groups: Mapped[list[Group]] = relationship(
        secondary="memberships",
        primaryjoin="User.id == foreign(Membership.user_id)",
        secondaryjoin="foreign(Membership.group_id) == Group.id",
        order_by="Group.name_key",
        lazy="selectin",
    )

    __table_args__ = (
        CheckConstraint("role IN ('', 'auditor', 'helper', 'admin')", name="role"),
        CheckConstraint("status IN ('active', 'disabled', 'gone')", name="status"),
        CheckConstraint("origin IN ('directory', 'local')", name="origin"),
        Index("ix_users_status", "status"),
    )

    @property
    def is_admin(self) -> bool:
        """Whether everything may be done by them."""
        return self.role == "admin"

    @property
    def is_active(self) -> bool:
        """Whether they may sign in, print and browse."""
        return self.status == "active"


class UserName(Base):
    """Another name of a person: an "alias" that an administrator gave, or a "former" one of the directory."""

    __tablename__ = "user_names"

    name_key: Mapped[str] = mapped_column(String(256), primary_key=True)
    user_id: Mapped[int] = mapped_column(BigInt, ForeignKey("users.id"), index=True)
    kind: Mapped[str] = mapped_column(String(10))
    made_by: Mapped[str] = mapped_column(String(256), default="")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)

    __table_args__ = (CheckConstraint("kind IN ('alias', 'former')", name="kind"),)


class LocalPassword(Base):
    """The password of somebody whom no directory knows, hashed; who made it, and when it ends."""

    __tablename__ = "local_passwords"

    user_id: Mapped[int] = mapped_column(BigInt, ForeignKey("users.id"), primary_key=True)
    password_hash: Mapped[str] = mapped_column(String(256))
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    made_by: Mapped[str] = mapped_column(String(256), default="")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Membership(Base):
    """A user is in a group.

    Neither is a foreign key: users and groups are never deleted, and looking each up again costs PostgreSQL half the
    time in which a sync puts a hundred thousand people into their groups.
    """

    __tablename__ = "memberships"

    user_id: Mapped[int] = mapped_column(BigInt, primary_key=True, autoincrement=False)
    group_id: Mapped[int] = mapped_column(BigInt, primary_key=True, autoincrement=False)

    __table_args__ = (Index("ix_memberships_group", "group_id", "user_id"),)


class LoginSession(Base):
    """One browser that is signed in. The cookie holds the token, this table its SHA-256: ending the row ends copies.

    `way`: "password", "portal", "header", or "station" at a screen that many share.
    """

    __tablename__ = "login_sessions"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    user_id: Mapped[int] = mapped_column(BigInt, ForeignKey("users.id"), index=True)
    address: Mapped[str] = mapped_column(String(64), default="")
    agent: Mapped[str] = mapped_column(String(256), default="")
    way: Mapped[str] = mapped_column(String(10), default="password")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Device(Base):
    """A desktop client's token for one person's balance; stored as its SHA-256, shown once when it is made."""

    __tablename__ = "devices"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    user_id: Mapped[int] = mapped_column(BigInt, ForeignKey("users.id"), index=True)
    name: Mapped[str] = mapped_column(String(80))
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class EnterCode(Base):
    """A single-use code with which the portal lets a browser in; stored as its SHA-256."""

    __tablename__ = "enter_codes"

    code_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[int] = mapped_column(BigInt, ForeignKey("users.id"))
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class SignInFailure(Base):
    """Tries in a row that were not right, of a name from an address; "" means over all names, or all addresses."""

    __tablename__ = "sign_in_failures"

    name_key: Mapped[str] = mapped_column(String(256), primary_key=True)
    address: Mapped[str] = mapped_column(String(64), primary_key=True, default="")
    failures: Mapped[int]
    first_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Taking(Base):
    """What people who left had left, taken back by an administrator; `taken` people, `total` millionths in all.

    The entries' keys begin with `key_prefix`, the user's id follows. `form_id` makes sending the form twice the same as
    once. `reversed_by` began to give it back, to `reversed_count` people so far; `reversed_at`: it was ended.
    """

    __tablename__ = "takings"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    form_id: Mapped[str] = mapped_column(String(64), unique=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    by: Mapped[str] = mapped_column(String(600))
    reason: Mapped[str] = mapped_column(String(200))
    taken: Mapped[int] = mapped_column(default=0)
    total: Mapped[int] = mapped_column(BigInt, default=0)
    reversed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    reversed_by: Mapped[str] = mapped_column(String(600), default="")
    reversed_count: Mapped[int] = mapped_column(default=0)

    @property
    def key_prefix(self) -> str:
        """What the keys of its entries begin with."""
        return f"leaver:{self.id}:"
