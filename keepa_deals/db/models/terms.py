"""What people change of the seller's terms on the dashboard."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from keepa_deals.db.models.base import Base


class TermChange(Base):
    """One change of a term: who set what, when. The newest of its name is in force."""

    __tablename__ = "term_changes"

    id: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
    )
    at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(String(128))
    """The person's name, or the address that the request came from."""
    name: Mapped[str] = mapped_column(String(64))
    """Of the setting in whose place it stands."""
    value: Mapped[str | None] = mapped_column(Text)
    """As JSON; ``None`` gives the term back to the deployment's setting."""
