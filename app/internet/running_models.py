"""The tables of what runs through proxies now: the last report of each, and what shall be ended."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import String, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, UtcDateTime


class RunningReport(Base):
    """What a proxy said last of its running connections: written over each second, removed when it stays away.

    `connections`: JSON, a list of [connection id, user name as the proxy writes it, host, start in seconds since 1970,
    bytes down, bytes up, user id or null].
    The only place in which a host stands beside a name; nothing of it is kept when the connection has ended.
    """

    __tablename__ = "running_reports"

    source: Mapped[str] = mapped_column(String(80), primary_key=True)
    connections: Mapped[str] = mapped_column(Text)
    reported_at: Mapped[datetime] = mapped_column(UtcDateTime)


class RunningEnd(Base):
    """An administrator's wish that a connection ends; kept until it has, or for a minute."""

    __tablename__ = "running_ends"

    source: Mapped[str] = mapped_column(String(80), primary_key=True)
    connection_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    asked_by: Mapped[str] = mapped_column(String(600))
    asked_at: Mapped[datetime] = mapped_column(UtcDateTime)
