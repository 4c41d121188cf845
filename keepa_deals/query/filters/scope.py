"""Filters that say which part of the table is meant: marketplace, categories, status, age."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select, true

from keepa_deals.db.models import Deal, SearchRow
from keepa_deals.formats import span
from keepa_deals.marketplaces import MARKETPLACES, marketplace
from keepa_deals.query.encoding import Array, to_number
from keepa_deals.query.filters.base import (
    Context,
    Cost,
    Field,
    Filter,
    Group,
    Kind,
    Option,
    Rows,
    Schema,
    Terms,
)
from keepa_deals.query.parameters import (
    ParameterError,
    read_enum,
    read_integer,
    read_one_of,
    read_single,
)

_T = Deal.__table__.c

MAX_CATEGORIES = 50
_MAX_SEARCH = 2**31 - 1
_MAX_CATEGORY = 2**63 - 1

KIND = Group(60, "Kind and age", "pair", beside="limit")


class Status(StrEnum):
    """Which deals to show; ``OPEN`` is live and stale together."""

    LIVE = "live"
    STALE = "stale"
    OPEN = "open"
    ENDED = "ended"
    ALL = "all"

    @property
    def words(self) -> str:
        return "live and stale" if self is Status.OPEN else str(self)


@dataclass(frozen=True, eq=False, kw_only=True)
class DomainFilter(Filter[int]):
    """Deals of one marketplace."""

    def parse(self, values: Sequence[str], domain_id: int) -> int:  # noqa: ARG002
        return int(read_one_of(self.name, values, [str(number) for number in MARKETPLACES]))

    def schema(self) -> Schema:
        return {"type": "string", "enum": [str(number) for number in MARKETPLACES]}

    def words(self, value: int, terms: Terms) -> str:  # noqa: ARG002
        return marketplace(value).name

    def is_offered(self, values: Mapping[str, Any]) -> bool:
        """A marketplace comes by an address, and stays."""
        return self.name in values

    def sql(self, value: int, context: Context) -> ColumnElement[bool]:  # noqa: ARG002
        return _T.domain_id == value

    def mask(self, value: int, context: Context, rows: Rows) -> Array:  # noqa: ARG002
        held: Array = rows.column("domain_id") == value
        return held


@dataclass(frozen=True, eq=False, kw_only=True)
class SearchFilter(Filter[int]):
    """Deals of one search: those of its marketplace, of which no other search has any."""

    def parse(self, values: Sequence[str], domain_id: int) -> int:  # noqa: ARG002
        return read_integer(self.name, read_single(self.name, values), 1, _MAX_SEARCH)

    def schema(self) -> Schema:
        return {"type": "integer", "minimum": 1, "maximum": _MAX_SEARCH}

    def words(self, value: int, terms: Terms) -> str:
        return terms.searches.get(value, f"Search {value}")

    def is_offered(self, values: Mapping[str, Any]) -> bool:
        """A search comes by an address, and stays."""
        return self.name in values

    def sql(self, value: int, context: Context) -> ColumnElement[bool]:  # noqa: ARG002
        searched = select(SearchRow.domain_id).where(SearchRow.id == value)
        return _T.domain_id.in_(searched)

    def mask(self, value: int, context: Context, rows: Rows) -> Array:
        held: Array = rows.column("domain_id") == context.searches.get(value, 0)
        return held


@dataclass(frozen=True, eq=False, kw_only=True)
class CategoryFilter(Filter[tuple[int, ...]]):
    """Deals of some root categories; 0 is "unknown"."""

    cost: Cost = Cost.SET

    def parse(self, values: Sequence[str], domain_id: int) -> tuple[int, ...]:  # noqa: ARG002
        if len(values) > MAX_CATEGORIES:
            raise ParameterError(self.name, f"at most {MAX_CATEGORIES} categories")
        numbers = [read_integer(self.name, value, 0, _MAX_CATEGORY) for value in values]
        return tuple(dict.fromkeys(numbers))

    def write(self, value: tuple[int, ...], domain_id: int) -> Sequence[str]:  # noqa: ARG002
        return [str(number) for number in value]

    def schema(self) -> Schema:
        items = {"type": "integer", "minimum": 0, "maximum": _MAX_CATEGORY}
        return {"type": "array", "maxItems": MAX_CATEGORIES, "items": items}

    def words(self, value: tuple[int, ...], terms: Terms) -> str:
        return ", ".join(terms.categories.get(number, f"Category {number}") for number in value)

    def chips(self, value: tuple[int, ...], terms: Terms) -> Iterator[tuple[str, tuple[int, ...] | None]]:
        """One each."""
        for number in value:
            yield self.words((number,), terms), tuple(other for other in value if other != number) or None

    def sql(self, value: tuple[int, ...], context: Context) -> ColumnElement[bool]:  # noqa: ARG002
        condition = _T.root_category.in_([number for number in value if number])
        return or_(condition, _T.root_category.is_(None)) if 0 in value else condition

    def mask(self, value: tuple[int, ...], context: Context, rows: Rows) -> Array:  # noqa: ARG002
        return rows.in_categories(value)


@dataclass(frozen=True, eq=False, kw_only=True)
class StatusFilter(Filter[Status]):
    """Live, stale or ended deals, or some of these together."""

    cost: Cost = Cost.FIRST

    def parse(self, values: Sequence[str], domain_id: int) -> Status:  # noqa: ARG002
        return read_enum(self.name, values, Status)

    def schema(self) -> Schema:
        return {"type": "string", "enum": [str(status) for status in Status]}

    def words(self, value: Status, terms: Terms) -> str:  # noqa: ARG002
        return f"Status: {value.words}"

    def options(self, value: Status | None) -> Sequence[Option]:  # noqa: ARG002
        return [(status, status.words) for status in Status]

    def sql(self, value: Status, context: Context) -> ColumnElement[bool]:
        not_ended, live_since = _T.ended_at.is_(None), context.as_of.live_since
        match value:
            case Status.LIVE:
                return and_(not_ended, _T.last_seen_at >= live_since)
            case Status.STALE:
                return and_(not_ended, _T.last_seen_at < live_since)
            case Status.OPEN:
                return not_ended
            case Status.ENDED:
                return _T.ended_at.is_not(None)
        return true()

    def mask(self, value: Status, context: Context, rows: Rows) -> Array:
        is_open: Array = rows.column("is_open")
        live_since = to_number(context.as_of.live_since)
        match value:
            case Status.LIVE:
                return is_open & (rows.column("last_seen_at") >= live_since)
            case Status.STALE:
                return is_open & (rows.column("last_seen_at") < live_since)
            case Status.OPEN:
                return is_open
            case Status.ENDED:
                return rows.column("is_here") & ~is_open
        return rows.column("is_here")


@dataclass(frozen=True, eq=False, kw_only=True)
class Within(Filter[int]):
    """Deals to which something happened within so many units of time."""

    column: ColumnElement[datetime]
    """When it happened, which is known of every deal."""
    unit: timedelta
    unit_sign: str
    longest: int
    said: str
    listed: Mapping[int, str]
    """What the form's list offers."""

    @property
    def columns(self) -> Sequence[ColumnElement[Any]]:
        return (self.column,)

    def parse(self, values: Sequence[str], domain_id: int) -> int:  # noqa: ARG002
        return read_integer(self.name, read_single(self.name, values), 1, self.longest)

    def schema(self) -> Schema:
        return {"type": "integer", "minimum": 1, "maximum": self.longest}

    def words(self, value: int, terms: Terms) -> str:  # noqa: ARG002
        return f"{self.said} {span((value * self.unit).total_seconds())}"

    def options(self, value: int | None) -> Sequence[Option]:
        """A value from an address that is none of the list is offered, too."""
        extra = {} if value is None or value in self.listed else {value: f"{value} {self.unit_sign}"}
        return [(str(number), text) for number, text in sorted({**self.listed, **extra}.items())]

    def sql(self, value: int, context: Context) -> ColumnElement[bool]:
        return self.column >= context.as_of.now - value * self.unit

    def mask(self, value: int, context: Context, rows: Rows) -> Array:
        since = to_number(context.as_of.now - value * self.unit)
        held: Array = rows.column(self.column.key or "") >= since
        return held


DOMAIN = DomainFilter(
    name="domain",
    description="Keepa's domain id",
    field=Field(Group(90), "Marketplace", Kind.HIDDEN),
)
SEARCH = SearchFilter(
    name="search",
    description="The number of a search, as /api/searches has it",
    field=Field(Group(90), "Search", Kind.HIDDEN),
)
CATEGORY = CategoryFilter(
    name="category",
    description="Root categories; 0 is unknown",
    field=Field(Group(5, "Category", "categories"), "Categories", Kind.CATEGORIES),
)
STATUS = StatusFilter(
    name="status",
    description="Which deals",
    default=Status.LIVE,
    field=Field(KIND, "Status", Kind.CHOICE, placeholder="", stands_last=True),
)

_HOURS: Mapping[int, str] = {1: "1 hour", 6: "6 hours", 24: "1 day", 72: "3 days", 168: "7 days"}

AGES: tuple[Within, ...] = (
    Within(
        name="found_within",
        description="First seen, or come back, within so many hours",
        column=_T.found_at,
        unit=timedelta(hours=1),
        unit_sign="h",
        longest=24 * 365,
        said="Found within",
        listed=_HOURS,
        field=Field(KIND, "Found within", Kind.CHOICE, placeholder="any time"),
    ),
    Within(
        name="price_changed_within",
        description="The price changed within so many hours",
        column=_T.deal_created_at,
        unit=timedelta(hours=1),
        unit_sign="h",
        longest=24 * 365,
        said="Price changed within",
        listed=_HOURS,
        field=Field(KIND, "Price changed within", Kind.CHOICE, placeholder="any time"),
    ),
    Within(
        name="seen_within",
        description="Seen to hold within so many minutes",
        column=_T.last_seen_at,
        unit=timedelta(minutes=1),
        unit_sign="min",
        longest=24 * 60,
        said="Seen within",
        listed={5: "5 min", 15: "15 min", 30: "30 min"},
        field=Field(KIND, "Seen within", Kind.CHOICE, placeholder="any time"),
    ),
)
