"""What people mark on deals, each for themselves: by marketplace and ASIN, whatever becomes of the deal."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from keepa_deals.db.models.base import Base


class MarkBook(Base):
    """One reader's marks. ``id`` is their person's, or 0 for the unnamed reader of an open dashboard."""

    __tablename__ = "mark_books"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    person_id: Mapped[int | None] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"))
    """The same without the 0: who leaves takes the book along."""
    revision: Mapped[int] = mapped_column(default=0)
    """Higher by one after each change: whoever has read the book knows whether it still says that."""
    before: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    """What the last change changed, as it was: to undo it."""


class DealMark(Base):
    """A reader's marks on one deal. Money in the marketplace's smallest unit."""

    __tablename__ = "deal_marks"

    book_id: Mapped[int] = mapped_column(ForeignKey("mark_books.id", ondelete="CASCADE"), primary_key=True)
    domain_id: Mapped[int] = mapped_column(primary_key=True)
    asin: Mapped[str] = mapped_column(String(16), primary_key=True)
    starred_at: Mapped[datetime | None]
    hidden_at: Mapped[datetime | None]
    hidden_percent: Mapped[int | None]
    """It is hidden until it is so much cheaper than it was; ``None``: for good."""
    hidden_price: Mapped[int | None]
    """At this price or below it is shown again; ``None``: never."""
    note: Mapped[str | None] = mapped_column(Text)
    bought_at: Mapped[datetime | None]
    bought_price: Mapped[int | None]
    bought_quantity: Mapped[int | None]


class HiddenBrand(Base):
    """A brand whose deals a reader does not want to see."""

    __tablename__ = "hidden_brands"

    book_id: Mapped[int] = mapped_column(ForeignKey("mark_books.id", ondelete="CASCADE"), primary_key=True)
    brand: Mapped[str] = mapped_column(Text, primary_key=True)
    hidden_at: Mapped[datetime]


class HiddenCategory(Base):
    """A root category of a marketplace whose deals a reader does not want to see."""

    __tablename__ = "hidden_categories"

    book_id: Mapped[int] = mapped_column(ForeignKey("mark_books.id", ondelete="CASCADE"), primary_key=True)
    domain_id: Mapped[int] = mapped_column(primary_key=True)
    category: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False
    )
    name: Mapped[str | None] = mapped_column(Text)
    hidden_at: Mapped[datetime]
