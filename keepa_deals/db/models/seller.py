"""The seller who is connected at Amazon, and what Amazon said of products."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from keepa_deals.db.models.base import Base


class SellerAccount(Base):
    """The one seller of the deployment. No row: nobody is connected, and nothing is asked."""

    __tablename__ = "seller_accounts"

    id: Mapped[int] = mapped_column(primary_key=True)
    """Always 1."""
    credentials: Mapped[str] = mapped_column(Text)
    """Encrypted: ``secret_box``."""
    shown: Mapped[str] = mapped_column(Text)
    """Whose they are, without what is secret."""
    domain_id: Mapped[int]
    """A marketplace of the region that they are for."""
    connected_at: Mapped[datetime]
    answered_at: Mapped[datetime | None]
    """When Amazon last answered a call."""
    refusal: Mapped[str | None] = mapped_column(Text)
    """Why the credentials are refused: the seller must connect anew. Null while they are taken."""
    refused_at: Mapped[datetime | None]
    trouble: Mapped[str | None] = mapped_column(Text)
    """What else kept the last call from being answered; null when it was."""
    trouble_at: Mapped[datetime | None]


class ListingCheck(Base):
    """What Amazon said of a product in a condition: may it be listed, and what would the fees be."""

    __tablename__ = "listing_checks"

    domain_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    asin: Mapped[str] = mapped_column(String(16), primary_key=True)
    condition: Mapped[str] = mapped_column(String(32), primary_key=True)
    """By Amazon's names: ``new_new``, ``used_good``."""
    wanted_at: Mapped[datetime | None]
    """When somebody asked for it on the deal's page; null once it is answered."""
    tried_at: Mapped[datetime | None]
    """When Amazon last answered about it, be it that it cannot tell."""
    may_sell: Mapped[int | None]
    """``deals.may_sell.MaySell``; null: unknown, and ``problem`` says why."""
    message: Mapped[str | None] = mapped_column(Text)
    """Amazon's own words."""
    link: Mapped[str | None] = mapped_column(Text)
    """Where to ask for approval."""
    problem: Mapped[str | None] = mapped_column(Text)
    fees_tried_at: Mapped[datetime | None]
    fee_price: Mapped[int | None]
    """The sale price that the fees were asked for, in cents as all that follow."""
    fee_by_amazon: Mapped[bool | None]
    """Whether Amazon ships it."""
    fee_total: Mapped[int | None]
    fee_referral: Mapped[int | None]
    fee_closing: Mapped[int | None]
    fee_fulfilment: Mapped[int | None]
    fee_problem: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (
        Index(
            "ix_listing_checks_wanted_at",
            "wanted_at",
            sqlite_where=text("wanted_at IS NOT NULL"),
            postgresql_where=text("wanted_at IS NOT NULL"),
        ),
        Index("ix_listing_checks_tried_at", "tried_at"),
    )
