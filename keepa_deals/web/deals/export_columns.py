"""The columns of a file of deals: a typed value each, for whichever format writes it.

Money is in units of the currency, moments are aware UTC, and ``None`` is unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from keepa_deals.deals import may_sell, risks
from keepa_deals.deals.economics.calculation import known_fee
from keepa_deals.deals.freshness import AsOf
from keepa_deals.deals.money import from_minor
from keepa_deals.marketplaces import marketplace
from keepa_deals.marks.marks import Purchase
from keepa_deals.query.rows import DealRow
from keepa_deals.web.deals.marked_rows import DealMarks, MarkedRow
from keepa_deals.web.deals.row import doubt_names, status_of
from keepa_deals.web.format import amazon_url

Value = str | int | bool | Decimal | datetime | None
Cell = Callable[[DealRow], Value]
MarkCell = Callable[[DealMarks, int], Value]
"""Of marks on a deal of a marketplace."""


class Kind(StrEnum):
    """What a column holds."""

    TEXT = "text"
    MONEY = "money"
    COUNT = "count"
    DECIMAL = "decimal"
    FLAG = "flag"
    MOMENT = "moment"


@dataclass(frozen=True, slots=True)
class Column:
    """A column by its name, its kind, and how wide a sheet shows it."""

    kind: Kind
    cell: Cell
    width: int = 12


def _money(name: str) -> Column:
    def cell(row: DealRow) -> Decimal | None:
        amount = getattr(row, name)
        return None if amount is None else Decimal(from_minor(amount, row.domain_id))

    return Column(Kind.MONEY, cell)


def _fee(row: DealRow) -> Decimal | None:
    fee = known_fee(row.fba_fee)
    return None if fee is None else Decimal(from_minor(fee, row.domain_id))


def _text(name: str, width: int) -> Column:
    """A text on one line: what begins with a tab or a line break could hide a formula, too."""
    return Column(Kind.TEXT, lambda row: " ".join((getattr(row, name) or "").split()), width)


def _plain(name: str, kind: Kind) -> Column:
    return Column(kind, lambda row: getattr(row, name))


def _decimal(name: str, places: int) -> Column:
    """A number that is stored in units of ``10 ** -places``."""

    def cell(row: DealRow) -> Decimal | None:
        value = getattr(row, name)
        return None if value is None else Decimal(value).scaleb(-places)

    return Column(Kind.DECIMAL, cell)


def _moment(name: str) -> Column:
    return Column(Kind.MOMENT, lambda row: getattr(row, name), 18)


def _said(cell: Cell, width: int = 12) -> Column:
    return Column(Kind.TEXT, cell, width)


COLUMNS: Mapping[str, Column] = {
    "asin": _text("asin", 13),
    "marketplace": _said(lambda row: f"amazon.{marketplace(row.domain_id).tld}", 14),
    "title": _text("title", 50),
    "brand": _text("brand", 18),
    "category": _text("category_name", 18),
    "currency": _said(lambda row: marketplace(row.domain_id).currency, 9),
    **{
        name: _money(name)
        for name in ("price", "price_avg_day", "price_avg_week", "price_avg_month", "price_avg_90")
    },
    "drop_percent_day": _plain("delta_percent_day", Kind.COUNT),
    "drop_percent_week": _plain("delta_percent_week", Kind.COUNT),
    "drop_percent_month": _plain("delta_percent_month", Kind.COUNT),
    "drop_percent_90": _plain("delta_percent", Kind.COUNT),
    **{
        name: _plain(name, Kind.COUNT)
        for name in ("sales_rank", "rank_drops_30", "rank_drops_90", "monthly_sold")
    },
    "rating": _decimal("rating", 1),
    "reviews": _plain("review_count", Kind.COUNT),
    "offers": _plain("offer_count", Kind.COUNT),
    "amazon_in_stock": _plain("amazon_in_stock", Kind.FLAG),
    **{name: _money(name) for name in ("amazon_price", "buy_box_price", "sell_price")},
    "fba_fee": Column(Kind.MONEY, _fee),
    "referral_fee_percent": _decimal("referral_fee_bp", 2),
    "risks": _said(lambda row: ", ".join(risks.names(row.risks)), 24),
    "may_sell": _said(lambda row: may_sell.word_of(row.may_sell) or "", 12),
    "sell_doubts": _said(lambda row: ", ".join(doubt_names(row.sell_doubt)), 20),
    "profit": _money("profit"),
    "roi_percent": _decimal("roi_bp", 2),
    "margin_percent": _decimal("margin_bp", 2),
    "lowest_ever": _plain("is_lowest", Kind.FLAG),
    "lowest_90_days": _plain("is_lowest_90", Kind.FLAG),
    "found_at": _moment("found_at"),
    "price_since": _moment("deal_created_at"),
    "last_seen_at": _moment("last_seen_at"),
    "ended_at": _moment("ended_at"),
    "ended_reason": _said(lambda row: str(row.ended_reason or ""), 16),
    "amazon_url": _said(lambda row: amazon_url(row.domain_id, row.asin), 38),
}
"""By name, in their order; the first one, ``status``, depends on the moment as well."""


def _bought(part: Callable[[Purchase, int], Value]) -> MarkCell:
    def cell(marks: DealMarks, domain_id: int) -> Value:
        return None if marks.own.bought is None else part(marks.own.bought, domain_id)

    return cell


MARKS: Mapping[str, tuple[Kind, MarkCell, int]] = {
    "starred": (Kind.FLAG, lambda marks, _: marks.own.starred_at is not None, 9),
    "hidden": (Kind.FLAG, lambda marks, _: marks.hidden_by is not None, 9),
    "bought_at": (Kind.MOMENT, _bought(lambda bought, _: bought.at), 18),
    "bought_price": (
        Kind.MONEY,
        _bought(lambda bought, domain_id: Decimal(from_minor(bought.price, domain_id))),
        12,
    ),
    "bought_quantity": (Kind.COUNT, _bought(lambda bought, _: bought.quantity), 9),
    "note": (Kind.TEXT, lambda marks, _: " ".join((marks.own.note or "").split()), 40),
}
"""What the reader marked: kind, value and width of each column, which stand last."""
NAMES = ("status", *COLUMNS, *MARKS)
KINDS = (Kind.TEXT, *(column.kind for column in COLUMNS.values()), *(kind for kind, _, _ in MARKS.values()))
WIDTHS = (9, *(column.width for column in COLUMNS.values()), *(width for _, _, width in MARKS.values()))


def cells(marked: MarkedRow, as_of: AsOf) -> tuple[Value, ...]:
    """The values of a line."""
    row = marked.row
    return (
        status_of(row, as_of),
        *(column.cell(row) for column in COLUMNS.values()),
        *(cell(marked.marks, row.domain_id) for _, cell, _ in MARKS.values()),
    )
