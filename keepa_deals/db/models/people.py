"""The people who use the dashboard, and the tokens of their programs. Secrets are hashes only."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from keepa_deals.db.models.base import Base, Named
from keepa_deals.roles import Role, Scope


class PersonRow(Base):
    """A person. An id is never given twice: what belonged to one who left is not the next one's."""

    __tablename__ = "people"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    role: Mapped[Role] = mapped_column(Named(Role))
    password_hash: Mapped[str] = mapped_column(Text)
    """Argon2id."""
    created_at: Mapped[datetime]

    __table_args__ = ({"sqlite_autoincrement": True},)


class ApiToken(Base):
    """A token of a person's program. ``digest`` is the SHA-256 of 256 random bits: no slow hash is needed."""

    __tablename__ = "api_tokens"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    digest: Mapped[str] = mapped_column(String(64))
    scope: Mapped[Scope] = mapped_column(Named(Scope))
    created_at: Mapped[datetime]
