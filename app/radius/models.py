"""The table of RADIUS: sessions at Wi-Fi controllers and captive portals, with the counters that were last heard."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, BigInt, UtcDateTime
from app.ledger.models import only_where


class RadiusSession(Base):
    """One session of one name at one network access server (NAS); all that was counted of it is booked.

    `nas` is what the NAS calls itself (its identifier, else its address). A NAS may use `session_id` again after it was
    restarted: then `generation` grows. `started_at`, `last_at` and `ended_at` are times of the NAS' packets, `seen_at`
    is ours. `upload` and `download` in bytes and `session_s` in seconds are cumulative, the highest heard. `cost` in
    millionths of a millionth. `station` and `address` (the device) are blanked when the session ends. `counted` grows
    with every packet that brought something new. `end_asked_by`: the administrator who asked for its end.
    `disconnect_note`: what the NAS answered when it refused to end it.
    """

    __tablename__ = "radius_sessions"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    nas: Mapped[str] = mapped_column(String(253))
    nas_identifier: Mapped[str] = mapped_column(String(253), default="")
    nas_address: Mapped[str] = mapped_column(String(45), default="")
    session_id: Mapped[str] = mapped_column(String(253))
    name_key: Mapped[str] = mapped_column(String(256))
    generation: Mapped[int] = mapped_column(default=1)
    username: Mapped[str] = mapped_column(String(256))
    user_id: Mapped[int | None] = mapped_column(BigInt, ForeignKey("users.id"))
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_at: Mapped[datetime] = mapped_column(UtcDateTime)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    end_cause: Mapped[str] = mapped_column(String(40), default="")
    upload: Mapped[int] = mapped_column(BigInt, default=0)
    download: Mapped[int] = mapped_column(BigInt, default=0)
    session_s: Mapped[int] = mapped_column(BigInt, default=0)
    cost: Mapped[int] = mapped_column(BigInt, default=0)
    counted: Mapped[int] = mapped_column(default=0)
    station: Mapped[str] = mapped_column(String(64), default="")
    address: Mapped[str] = mapped_column(String(45), default="")
    end_asked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    end_asked_by: Mapped[str] = mapped_column(String(256), default="")
    disconnect_tries: Mapped[int] = mapped_column(default=0)
    disconnect_note: Mapped[str] = mapped_column(String(200), default="")

    __table_args__ = (
        UniqueConstraint("nas", "session_id", "name_key", "generation"),
        Index("ix_radius_sessions_running", "nas", "user_id", **only_where("ended_at IS NULL")),
        Index("ix_radius_sessions_user_id", "user_id"),
        Index("ix_radius_sessions_ended_at", "ended_at"),
    )

    @property
    def bytes(self) -> int:
        """What went up and down, together."""
        return self.upload + self.download
