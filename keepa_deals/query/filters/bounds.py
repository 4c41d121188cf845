"""Filters that a number must keep: at least so much, at most so much."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, false

from keepa_deals.db.models import Deal
from keepa_deals.deals.money import money, whole
from keepa_deals.formats import MINUS
from keepa_deals.query.amounts import Unit, read_amount, typed_amount
from keepa_deals.query.encoding import NULL, Array, name_of
from keepa_deals.query.filters.base import Context, Field, Group, NullableFilter, Rows, Schema, Terms
from keepa_deals.query.intervals import DROPS, PERCENTS, Interval
from keepa_deals.query.parameters import ParameterError, read_single
from keepa_deals.query.typed_numbers import TypedNumberError, field_text, read_typed

_T = Deal.__table__.c


@dataclass(frozen=True, eq=False, kw_only=True)
class Bound(NullableFilter[int]):
    """One bound on a number, in stored units (cents, basis points, stars × 10)."""

    column: ColumnElement[Any]
    unit: Unit
    is_lower: bool = True
    """Whether the value is a minimum (otherwise a maximum)."""
    by_interval: Mapping[Interval, ColumnElement[Any]] | None = None
    """The columns of a bound on a change, whose meaning follows the view's interval."""

    @property
    def noun(self) -> str:
        """What is bounded, without the direction: ``Price``."""
        return self.description.partition(" from")[0].partition(" to")[0]

    @property
    def columns(self) -> Sequence[ColumnElement[Any]]:
        return tuple(self.by_interval.values()) if self.by_interval else (self.column,)

    def parse(self, values: Sequence[str], domain_id: int) -> int:
        return read_amount(self.name, self.unit, read_single(self.name, values), domain_id)

    def write(self, value: int, domain_id: int) -> Sequence[str]:
        return [typed_amount(self.unit, value, domain_id)]

    def parse_typed(self, values: Sequence[str], domain_id: int) -> int:
        try:
            return read_typed(self.unit, read_single(self.name, values), domain_id)
        except TypedNumberError as error:
            raise ParameterError(self.name, str(error)) from None

    def shown(self, value: int, domain_id: int) -> Sequence[str]:
        return [field_text(self.unit, value, domain_id)]

    def schema(self) -> Schema:
        return {"type": "string", "pattern": self.unit.pattern}

    def words(self, value: int, terms: Terms) -> str:
        over = f" over {terms.interval.words}" if self.by_interval else ""
        return f"{self.noun} {'≥' if self.is_lower else '≤'} {self.amount(value, terms)}{over}"

    def amount(self, value: int, terms: Terms) -> str:
        """The number in words."""
        match self.unit:
            case Unit.MONEY:
                return money(value, terms.domain_id)
            case Unit.PERCENT | Unit.BASIS_POINTS:
                return f"{typed_amount(self.unit, value, terms.domain_id).replace('-', MINUS)} %"
            case Unit.STARS:
                number = typed_amount(self.unit, value, terms.domain_id).replace("-", MINUS)
                return f"{number} {'star' if value == 10 else 'stars'}"
            case _:
                return whole(value)

    def _over(self, interval: Interval) -> ColumnElement[Any]:
        return self.by_interval[interval] if self.by_interval else self.column

    def sql(self, value: int, context: Context) -> ColumnElement[bool]:
        column = self._over(context.interval)
        return column >= value if self.is_lower else column <= value

    def unknown_sql(self, value: int, context: Context) -> ColumnElement[bool]:  # noqa: ARG002
        return self._over(context.interval).is_(None)

    def sql_or_unknown(self, value: int, context: Context) -> ColumnElement[bool]:
        """Where the number is unknown the comparison is, too, and so not false."""
        return self.sql(value, context).is_not(false())

    def mask(self, value: int, context: Context, rows: Rows) -> Array:
        """Unknown is the least of all numbers, and no bound is as low."""
        numbers = rows.column(name_of(self._over(context.interval)))
        if self.is_lower:
            held: Array = numbers >= max(value, NULL + 1)
            return held
        kept: Array = (numbers <= max(value, NULL)) & (numbers != NULL)
        return kept

    def unknown_mask(self, value: int, context: Context, rows: Rows) -> Array:  # noqa: ARG002
        unknown: Array = rows.column(name_of(self._over(context.interval))) == NULL
        return unknown


_PRICE = Group(10, "Price, {currency}", "span")
_FALL = Group(20, "Price fell, at least", "span three", beside="interval")
_WORTH = Group(30, "Worth at least", "pair trio")
_RANK = Group(40, "Sales rank", "span")
_DEMAND = Group(50, "Demand at least", "pair")
_COMPETITION = Group(55, "Competition", "pair")


def _from(group: Group) -> Field:
    return Field(group, f"{group.legend} from", placeholder="from", is_bare=True)


def _to(group: Group) -> Field:
    return Field(group, f"{group.legend} to", placeholder="to", is_bare=True)


BOUNDS: tuple[Bound, ...] = (
    Bound(name="price_min", description="Price from", column=_T.price, unit=Unit.MONEY, field=_from(_PRICE)),
    Bound(
        name="price_max",
        description="Price to",
        column=_T.price,
        unit=Unit.MONEY,
        is_lower=False,
        field=_to(_PRICE),
    ),
    Bound(
        name="discount_min",
        description="Drop from, %",
        column=PERCENTS[Interval.DAYS_90],
        unit=Unit.PERCENT,
        by_interval=PERCENTS,
        field=Field(_FALL, "Price fell at least, percent", placeholder="%", is_bare=True, is_whole=True),
    ),
    Bound(
        name="drop_min",
        description="Drop from",
        column=DROPS[Interval.DAYS_90],
        unit=Unit.MONEY,
        by_interval=DROPS,
        field=Field(_FALL, "Price fell at least, {currency}", placeholder="{currency}", is_bare=True),
    ),
    Bound(
        name="rank_min",
        description="Rank from",
        column=_T.sales_rank,
        unit=Unit.COUNT,
        field=_from(_RANK),
    ),
    Bound(
        name="rank_max",
        description="Rank to",
        column=_T.sales_rank,
        unit=Unit.COUNT,
        is_lower=False,
        field=_to(_RANK),
    ),
    Bound(
        name="rank_drops_min",
        description="Rank drops in 30 days from",
        column=_T.rank_drops_30,
        unit=Unit.COUNT,
        field=Field(_DEMAND, "Rank drops"),
    ),
    Bound(
        name="sold_min",
        description="Monthly sold from",
        column=_T.monthly_sold,
        unit=Unit.COUNT,
        field=Field(_DEMAND, "Sold a month"),
    ),
    Bound(
        name="profit_min",
        description="Profit from",
        column=_T.profit,
        unit=Unit.MONEY,
        field=Field(_WORTH, "Profit, {currency}"),
    ),
    Bound(
        name="roi_min",
        description="ROI from",
        column=_T.roi_bp,
        unit=Unit.BASIS_POINTS,
        field=Field(_WORTH, "ROI, %"),
    ),
    Bound(
        name="margin_min",
        description="Margin from",
        column=_T.margin_bp,
        unit=Unit.BASIS_POINTS,
        field=Field(_WORTH, "Margin, %"),
    ),
    Bound(
        name="rating_min",
        description="Rating from",
        column=_T.rating,
        unit=Unit.STARS,
        field=Field(_DEMAND, "Stars"),
    ),
    Bound(
        name="reviews_min",
        description="Reviews from",
        column=_T.review_count,
        unit=Unit.COUNT,
        field=Field(_DEMAND, "Reviews"),
    ),
    Bound(
        name="offers_max",
        description="Offers to",
        column=_T.offer_count,
        unit=Unit.COUNT,
        is_lower=False,
        field=Field(_COMPETITION, "Offers, at most", is_whole=True),
    ),
)
