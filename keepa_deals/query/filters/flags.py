"""Filters with a few fixed answers."""

from __future__ import annotations

import functools
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, and_, exists, or_, true

from keepa_deals.db.models import Deal, DealEvent
from keepa_deals.deals.ended_reasons import ENDED_REASONS
from keepa_deals.deals.kinds import DealEventKind, EndedReason
from keepa_deals.deals.may_sell import MaySell
from keepa_deals.query.encoding import NULL, REASONS, UNKNOWN, Array
from keepa_deals.query.filters.base import (
    Context,
    Cost,
    Field,
    Filter,
    Group,
    Kind,
    NullableFilter,
    Option,
    Rows,
    Schema,
    Terms,
    Values,
)
from keepa_deals.query.filters.scope import KIND, Status
from keepa_deals.query.parameters import read_enum

_T = Deal.__table__.c
_E = DealEvent.__table__.c

E = TypeVar("E", bound=StrEnum)

_SWITCHES = Group(70)


class Lowest(StrEnum):
    EVER = "ever"
    DAYS_90 = "90"


class Amazon(StrEnum):
    YES = "yes"
    NO = "no"


class Switch(StrEnum):
    ON = "1"


class MaySellWord(StrEnum):
    ALLOWED = "allowed"
    APPROVAL = "approval"
    REFUSED = "refused"
    NOT_REFUSED = "not_refused"


_ANSWERS: Mapping[MaySellWord, Sequence[MaySell]] = {
    MaySellWord.ALLOWED: (MaySell.ALLOWED,),
    MaySellWord.APPROVAL: (MaySell.APPROVAL,),
    MaySellWord.REFUSED: (MaySell.REFUSED,),
    MaySellWord.NOT_REFUSED: (MaySell.ALLOWED, MaySell.APPROVAL),
}


@dataclass(frozen=True, eq=False, kw_only=True)
class Flag(Filter[E]):
    """A filter whose value is one of a few names; ``said`` has the chip of each."""

    values: type[E]
    said: Mapping[str, str]
    listed: Sequence[Option] = ()
    """What the form's list offers."""

    def parse(self, values: Sequence[str], domain_id: int) -> E:  # noqa: ARG002
        return read_enum(self.name, values, self.values)

    def schema(self) -> Schema:
        return {"type": "string", "enum": [str(value) for value in self.values]}

    def words(self, value: E, terms: Terms) -> str:  # noqa: ARG002
        return self.said[value]

    def options(self, value: E | None) -> Sequence[Option]:  # noqa: ARG002
        return self.listed


class LowestPrice(Flag[Lowest], NullableFilter[Lowest]):
    """Whether the price is the lowest ever, or of 90 days."""

    @property
    def columns(self) -> Sequence[ColumnElement[Any]]:
        return [self._answer(value) for value in Lowest]

    def _answer(self, value: Lowest) -> ColumnElement[bool]:
        return _T.is_lowest if value is Lowest.EVER else _T.is_lowest_90

    def sql(self, value: Lowest, context: Context) -> ColumnElement[bool]:  # noqa: ARG002
        return self._answer(value).is_(True)

    def unknown_sql(self, value: Lowest, context: Context) -> ColumnElement[bool]:  # noqa: ARG002
        return self._answer(value).is_(None)

    def mask(self, value: Lowest, context: Context, rows: Rows) -> Array:  # noqa: ARG002
        held: Array = rows.column(self._answer(value).key or "") == 1
        return held

    def unknown_mask(self, value: Lowest, context: Context, rows: Rows) -> Array:  # noqa: ARG002
        unknown: Array = rows.column(self._answer(value).key or "") == UNKNOWN
        return unknown


class AmazonOffer(Flag[Amazon], NullableFilter[Amazon]):
    """Amazon's own offer, as the product page says; until it has been read, as the deal feed says."""

    @property
    def columns(self) -> Sequence[ColumnElement[Any]]:
        return _T.amazon_in_stock, _T.amazon_price

    def sql(self, value: Amazon, context: Context) -> ColumnElement[bool]:  # noqa: ARG002
        if value is Amazon.NO:
            return _T.amazon_in_stock.is_(False)
        offered = and_(_T.amazon_in_stock.is_(None), _T.amazon_price.is_not(None))
        return or_(_T.amazon_in_stock.is_(True), offered)

    def unknown_sql(self, value: Amazon, context: Context) -> ColumnElement[bool]:  # noqa: ARG002
        return and_(_T.amazon_in_stock.is_(None), _T.amazon_price.is_(None))

    def mask(self, value: Amazon, context: Context, rows: Rows) -> Array:  # noqa: ARG002
        answers = rows.column("amazon_in_stock")
        if value is Amazon.NO:
            refused: Array = answers == 0
            return refused
        offered = (answers == UNKNOWN) & (rows.column("amazon_price") != NULL)
        held: Array = (answers == 1) | offered
        return held

    def unknown_mask(self, value: Amazon, context: Context, rows: Rows) -> Array:  # noqa: ARG002
        unread = rows.column("amazon_in_stock") == UNKNOWN
        unknown: Array = unread & (rows.column("amazon_price") == NULL)
        return unknown


class BackInStock(Flag[Switch]):
    """Deals that had ended for being out of stock and came back."""

    def sql(self, value: Switch, context: Context) -> ColumnElement[bool]:  # noqa: ARG002
        ended = exists().where(
            _E.domain_id == _T.domain_id,
            _E.asin == _T.asin,
            _E.kind == DealEventKind.ENDED,
            _E.reason == EndedReason.OUT_OF_STOCK,
        )
        return and_(_T.ended_at.is_(None), ended)

    def mask(self, value: Switch, context: Context, rows: Rows) -> Array:  # noqa: ARG002
        is_open: Array = rows.column("is_open")
        return is_open & rows.column("was_out_of_stock")


class EndedBecause(Flag[EndedReason]):
    """Why a deal ended."""

    def is_offered(self, values: Values) -> bool:
        """Where ended deals are shown, or it is in force."""
        return self.name in values or values.get("status") in (Status.ENDED, Status.ALL)

    def sql(self, value: EndedReason, context: Context) -> ColumnElement[bool]:  # noqa: ARG002
        return _T.ended_reason == value

    def mask(self, value: EndedReason, context: Context, rows: Rows) -> Array:  # noqa: ARG002
        held: Array = rows.column("ended_reason") == REASONS.index(value)
        return held


@dataclass(frozen=True, eq=False, kw_only=True)
class NoFlags(Flag[Switch], NullableFilter[Switch]):
    """Deals that bear none of a column's flags: no doubt, no risk."""

    column: ColumnElement[int]

    @property
    def columns(self) -> Sequence[ColumnElement[Any]]:
        return (self.column,)

    def sql(self, value: Switch, context: Context) -> ColumnElement[bool]:  # noqa: ARG002
        return self.column == 0

    def unknown_sql(self, value: Switch, context: Context) -> ColumnElement[bool]:  # noqa: ARG002
        return self.column.is_(None)

    def mask(self, value: Switch, context: Context, rows: Rows) -> Array:  # noqa: ARG002
        held: Array = rows.column(self.column.key or "") == 0
        return held

    def unknown_mask(self, value: Switch, context: Context, rows: Rows) -> Array:  # noqa: ARG002
        unknown: Array = rows.column(self.column.key or "") == NULL
        return unknown


class MaySellFilter(Flag[MaySellWord], NullableFilter[MaySellWord]):
    """What Amazon said of the product in the condition that the price is of."""

    @property
    def columns(self) -> Sequence[ColumnElement[Any]]:
        return (_T.may_sell,)

    def sql(self, value: MaySellWord, context: Context) -> ColumnElement[bool]:  # noqa: ARG002
        return _T.may_sell.in_([int(answer) for answer in _ANSWERS[value]])

    def unknown_sql(self, value: MaySellWord, context: Context) -> ColumnElement[bool]:  # noqa: ARG002
        return _T.may_sell.is_(None)

    def mask(self, value: MaySellWord, context: Context, rows: Rows) -> Array:  # noqa: ARG002
        answers = rows.column("may_sell")
        held: Array = functools.reduce(operator.or_, (answers == answer for answer in _ANSWERS[value]))
        return held

    def unknown_mask(self, value: MaySellWord, context: Context, rows: Rows) -> Array:  # noqa: ARG002
        unknown: Array = rows.column("may_sell") == NULL
        return unknown


class IncludeUnknown(Flag[Switch]):
    """Takes no deal away: with it the nullable filters keep the deals whose value is unknown."""

    def sql(self, value: Switch, context: Context) -> ColumnElement[bool]:  # noqa: ARG002
        return true()

    def mask(self, value: Switch, context: Context, rows: Rows) -> Array:  # noqa: ARG002
        return rows.column("is_here")


INCLUDE_UNKNOWN = IncludeUnknown(
    name="unknown",
    description="Unknown values shown",
    values=Switch,
    said={Switch.ON: "Unknown values shown"},
    field=Field(_SWITCHES, "Keep deals whose value is unknown", Kind.SWITCH),
    narrows=False,
)

MAY_SELL = MaySellFilter(
    name="may_sell",
    description="Whether you may sell it",
    values=MaySellWord,
    said={
        MaySellWord.ALLOWED: "You may sell it",
        MaySellWord.APPROVAL: "Approval needed",
        MaySellWord.REFUSED: "You may not sell it",
        MaySellWord.NOT_REFUSED: "You may sell it, or with approval",
    },
    listed=(
        (MaySellWord.ALLOWED, "yes"),
        (MaySellWord.NOT_REFUSED, "yes, or with approval"),
        (MaySellWord.APPROVAL, "with approval"),
        (MaySellWord.REFUSED, "no"),
    ),
    field=Field(KIND, "May you sell it", Kind.CHOICE),
)

FLAGS: tuple[Flag[Any], ...] = (
    LowestPrice(
        name="lowest",
        description="Lowest price",
        values=Lowest,
        said={Lowest.EVER: "Lowest price ever", Lowest.DAYS_90: "Lowest price of 90 days"},
        listed=((Lowest.DAYS_90, "of 90 days"), (Lowest.EVER, "ever")),
        field=Field(KIND, "Lowest price", Kind.CHOICE),
    ),
    BackInStock(
        name="back_in_stock",
        cost=Cost.SET,
        description="Back in stock",
        values=Switch,
        said={Switch.ON: "Back in stock"},
        field=Field(_SWITCHES, "Back in stock only", Kind.SWITCH),
    ),
    AmazonOffer(
        name="amazon",
        description="Amazon offer",
        values=Amazon,
        said={Amazon.YES: "Amazon sells it", Amazon.NO: "Amazon does not sell it"},
        listed=((Amazon.YES, "yes"), (Amazon.NO, "no")),
        field=Field(KIND, "Amazon’s offer", Kind.CHOICE),
    ),
    MAY_SELL,
    NoFlags(
        name="not_risky",
        column=_T.risks,
        description="Nothing risky",
        values=Switch,
        said={Switch.ON: "Nothing risky"},
        field=Field(_SWITCHES, "Nothing risky only", Kind.SWITCH),
    ),
    NoFlags(
        name="sure_price",
        column=_T.sell_doubt,
        description="Sale price without doubt",
        values=Switch,
        said={Switch.ON: "Sale price without doubt"},
        field=Field(_SWITCHES, "Sale price without doubt only", Kind.SWITCH),
    ),
    EndedBecause(
        name="ended_reason",
        description="Why it ended",
        values=EndedReason,
        said={reason: f"Ended: {words}" for reason, words in ENDED_REASONS.items()},
        listed=tuple((reason, words[:1].upper() + words[1:]) for reason, words in ENDED_REASONS.items()),
        field=Field(KIND, "Ended because", Kind.CHOICE, placeholder="any reason", stands_last=True),
    ),
    INCLUDE_UNKNOWN,
)
