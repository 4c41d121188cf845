"""The deals: what is known of each, its variations, points, history and events, and who told them.

A deal is *live*, *stale* or *ended*. Only ``ended_at`` is stored: whether a deal that has not ended is
live or stale follows from ``last_seen_at`` and the clock, so the table can't claim to be fresh.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    false,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from keepa_deals.db.models.base import Base, Named
from keepa_deals.deals.kinds import DealEventKind, EndedReason


class OriginKind(StrEnum):
    """Who tells the deals of a database."""

    KEEPA = "keepa"
    SANDBOX = "sandbox"


def _partial(name: str, column: str, held: str) -> Index:
    """An index of the rows for which ``held`` is true: its size follows the open deals, not the past."""
    return Index(name, column, sqlite_where=text(held), postgresql_where=text(held))


_OPEN = "ended_at IS NULL"


class Deal(Base):
    """One product of one Amazon locale whose price fell. Prices in cents of the locale's currency."""

    __tablename__ = "deals"

    domain_id: Mapped[int] = mapped_column(Integer, primary_key=True)
    asin: Mapped[str] = mapped_column(String(16), primary_key=True)

    # what the feed (/deal) says
    title: Mapped[str] = mapped_column(Text, default="")
    image: Mapped[str | None] = mapped_column(String(128))
    root_category: Mapped[int | None] = mapped_column(BigInteger)
    category_name: Mapped[str | None] = mapped_column(Text)
    price_type: Mapped[int] = mapped_column(Integer)
    price: Mapped[int | None]
    price_avg_day: Mapped[int | None]
    price_avg_week: Mapped[int | None]
    price_avg_month: Mapped[int | None]
    price_avg_90: Mapped[int | None]
    delta_percent_day: Mapped[int | None]
    delta_percent_week: Mapped[int | None]
    delta_percent_month: Mapped[int | None]
    delta_percent: Mapped[int | None]
    """Percent below the 90-day average."""
    amazon_price: Mapped[int | None]
    sales_rank: Mapped[int | None]
    rating: Mapped[int | None]
    """0 to 50: stars times ten."""
    review_count: Mapped[int | None]
    deal_created_at: Mapped[datetime]
    """Keepa's ``creationDate``: when the price last changed, and so the place in the feed (recorded: equal to
    ``currentSince`` of the price type in 5,324 of 5,324 entries)."""
    keepa_updated_at: Mapped[datetime]

    # life
    first_seen_at: Mapped[datetime]
    found_at: Mapped[datetime] = mapped_column(server_default="2011-01-01 00:00:00.000000")
    """When it was first seen, or when it came back after an end: what readers call "found"."""
    last_seen_at: Mapped[datetime]
    listed_at: Mapped[datetime]
    """When the feed (/deal) last showed it; ``last_seen_at`` also moves when /product confirms it."""
    unlisted_at: Mapped[datetime | None]
    """When the feed was first read where the deal stood, without it: a suspicion; null once it is seen."""
    suspected_reason: Mapped[EndedReason | None] = mapped_column(Named(EndedReason))
    """What /product said since ``unlisted_at``; it becomes the reason of the end if the feed bears it out."""
    shown_asin: Mapped[str | None] = mapped_column(String(16))
    """The variation that price and rank are of, where it is another one of the family; null: its own."""
    has_siblings: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Whether the feed has shown other variations of it, too: it may show another one with each query."""
    sibling_since: Mapped[datetime | None]
    """Since when the feed has shown only other variations of the family; null: it shows this one."""
    verified_at: Mapped[datetime | None]
    """When /product was last asked whether it still holds."""
    point_at: Mapped[datetime | None]
    """When the newest of its ``deal_points`` was written."""
    changed_at: Mapped[datetime]
    """When anything that the dashboard shows last changed."""
    stale_noted_at: Mapped[datetime | None]
    """Set while the passage to stale stands recorded in ``deal_events``."""
    ended_at: Mapped[datetime | None]
    ended_reason: Mapped[EndedReason | None] = mapped_column(Named(EndedReason))

    # what the enrichment (/product) says
    enriched_at: Mapped[datetime | None]
    brand: Mapped[str | None] = mapped_column(Text)
    rank_drops_30: Mapped[int | None]
    rank_drops_90: Mapped[int | None]
    monthly_sold: Mapped[int | None]
    buy_box_price: Mapped[int | None]
    offer_count: Mapped[int | None]
    amazon_in_stock: Mapped[bool | None]
    is_lowest: Mapped[bool | None]
    is_lowest_90: Mapped[bool | None]
    fba_fee: Mapped[int | None]
    referral_fee_bp: Mapped[int | None]
    """Referral fee in basis points of the sale price (15.01 % is 1501)."""
    closing_fee: Mapped[int | None]
    """Amazon's closing fee of media, 0 for other products; null until an enrichment has told it."""
    return_rate: Mapped[int | None]
    """1 when few are returned, 2 when many are; null: neither, or not known."""
    package_length: Mapped[int | None]
    """Millimetres, as the other two sides."""
    package_width: Mapped[int | None]
    package_height: Mapped[int | None]
    package_weight: Mapped[int | None]
    """Grams."""
    price_avg_180: Mapped[int | None]
    price_avg_365: Mapped[int | None]
    robust_price: Mapped[int | None]
    """The median of the prices at which it sold within a year."""
    robust_sales: Mapped[int | None]
    """The sales that this rests on."""
    price_low_year: Mapped[int | None]
    price_high_year: Mapped[int | None]
    """Within these two the price was for nine days in ten of the year."""

    risks: Mapped[int | None]
    """What may go wrong with it, as flags (``deals.risks.Risk``); null until an enrichment has told it."""

    # what Amazon says to the connected seller
    may_sell: Mapped[int | None]
    """``deals.may_sell.MaySell``, for the condition that the price is of; null: not asked, or not known."""

    # economics, derived from the above and the settings; null when a term is unknown
    sell_price: Mapped[int | None]
    sell_doubt: Mapped[int | None]
    """What speaks against it, as flags (``deals.economics.sell_price.Doubt``); 0 for nothing."""
    profit: Mapped[int | None]
    roi_bp: Mapped[int | None]
    margin_bp: Mapped[int | None]

    __table_args__ = (
        Index("ix_deals_changed_at", "changed_at"),
        _partial("ix_deals_open_last_seen_at", "last_seen_at", _OPEN),
        _partial("ix_deals_open_enriched_at", "enriched_at", _OPEN),
        _partial("ix_deals_open_deal_created_at", "deal_created_at", _OPEN),
        _partial("ix_deals_open_found_at", "found_at", _OPEN),
        _partial("ix_deals_bare_deal_created_at", "deal_created_at", f"{_OPEN} AND enriched_at IS NULL"),
        _partial("ix_deals_unlisted_last_seen_at", "last_seen_at", f"{_OPEN} AND unlisted_at IS NOT NULL"),
        _partial("ix_deals_ended_at", "ended_at", "ended_at IS NOT NULL"),
    )


class DealVariation(Base):
    """The family of one ASIN, as ``/product`` told it: variations of one product stand for each other.

    Keepa shows one of the matching variations of a product, at random (docs: ``singleVariation``).
    """

    __tablename__ = "deal_variations"

    domain_id: Mapped[int] = mapped_column(Integer, primary_key=True)
    asin: Mapped[str] = mapped_column(String(16), primary_key=True)
    family: Mapped[str] = mapped_column(String(16))
    """The parent ASIN; where none is told, the first of the variations."""
    noted_at: Mapped[datetime]

    __table_args__ = (
        Index("ix_deal_variations_family", "domain_id", "family"),
        Index("ix_deal_variations_noted_at", "noted_at"),
    )


class DealPoint(Base):
    """Price, average and rank of a deal from ``at`` on: written when one of them changes."""

    __tablename__ = "deal_points"

    domain_id: Mapped[int] = mapped_column(Integer, primary_key=True)
    asin: Mapped[str] = mapped_column(String(16), primary_key=True)
    at: Mapped[datetime] = mapped_column(primary_key=True)
    price: Mapped[int | None]
    price_avg_90: Mapped[int | None]
    sales_rank: Mapped[int | None]

    __table_args__ = (
        ForeignKeyConstraint(["domain_id", "asin"], ["deals.domain_id", "deals.asin"], ondelete="CASCADE"),
        Index("ix_deal_points_at", "at"),
    )


class DealPast(Base):
    """What Keepa told of a deal's last year when it was read last; packed by ``deals.price_history``."""

    __tablename__ = "deal_pasts"

    domain_id: Mapped[int] = mapped_column(Integer, primary_key=True)
    asin: Mapped[str] = mapped_column(String(16), primary_key=True)
    read_at: Mapped[datetime]
    price_type: Mapped[int]
    """Keepa's csv type of the prices: those of another selection are not this deal's."""
    packed: Mapped[bytes] = mapped_column(LargeBinary)

    __table_args__ = (
        ForeignKeyConstraint(["domain_id", "asin"], ["deals.domain_id", "deals.asin"], ondelete="CASCADE"),
        Index("ix_deal_pasts_read_at", "read_at"),
    )


class DealEvent(Base):
    """One change of a deal's state: the answer to "why did the number of live deals fall?"."""

    __tablename__ = "deal_events"

    id: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
    )
    domain_id: Mapped[int]
    asin: Mapped[str] = mapped_column(String(16))
    at: Mapped[datetime]
    kind: Mapped[DealEventKind] = mapped_column(Named(DealEventKind))
    reason: Mapped[EndedReason | None] = mapped_column(Named(EndedReason))

    __table_args__ = (
        ForeignKeyConstraint(["domain_id", "asin"], ["deals.domain_id", "deals.asin"], ondelete="CASCADE"),
        Index("ix_deal_events_at", "at"),
        Index("ix_deal_events_deal", "domain_id", "asin", "at"),
    )


class Origin(Base):
    """Who told the deals of this database; the start writes the one row."""

    __tablename__ = "origins"

    told_by: Mapped[OriginKind] = mapped_column(Named(OriginKind), primary_key=True)
