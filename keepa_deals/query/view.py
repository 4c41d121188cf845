"""A view of the deals: what is shown, in which order. Every view is a URL, and every URL gives one view."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, TypeVar
from urllib.parse import urlencode

from keepa_deals.deals.freshness import AsOf
from keepa_deals.marks.marks import NO_MARKS, Marks
from keepa_deals.query.filters import FILTERS
from keepa_deals.query.filters.base import Context, Filter, NullableFilter, Terms
from keepa_deals.query.filters.flags import INCLUDE_UNKNOWN
from keepa_deals.query.filters.marked import MARKED, Marked
from keepa_deals.query.filters.scope import DOMAIN, STATUS, Status
from keepa_deals.query.intervals import Interval
from keepa_deals.query.sorts import DEFAULT_SORT, Order, default_order

DEFAULT_LIMIT = 50
MAX_LIMIT = 200

LAYOUT_PARAMETERS = ("layout", "density", "limit")
"""They say how deals are shown, not which."""
VIEW_PARAMETERS = (*FILTERS, "interval", "sort", "order", *LAYOUT_PARAMETERS)
"""Every parameter of a view, in the order of its canonical URL."""

V = TypeVar("V")


class Layout(StrEnum):
    TABLE = "table"
    CARDS = "cards"


class Density(StrEnum):
    COMFORTABLE = "comfortable"
    COMPACT = "compact"


@dataclass(frozen=True, slots=True)
class View:
    """A validated view: filters, an order, and how the deals look."""

    domain_default: int
    values: Mapping[str, Any] = field(default_factory=dict)
    """What each filter that is in force is set to, by its name; none has its default."""
    interval: Interval = Interval.DAYS_90
    sort: str = DEFAULT_SORT
    order: Order = Order.DESC
    layout: Layout = Layout.TABLE
    density: Density = Density.COMFORTABLE
    limit: int = DEFAULT_LIMIT

    # -- filters -----------------------------------------------------------------------------
    def value_of(self, chosen: Filter[V]) -> V | None:
        """What the filter is set to; its default where it is not in force."""
        value: V | None = self.values.get(chosen.name, chosen.default)
        return value

    def filters(self) -> Iterator[tuple[Filter[Any], Any]]:
        """The filters in force, and what each is set to."""
        return ((each, self.values[name]) for name, each in FILTERS.items() if name in self.values)

    def conditions(self) -> Iterator[tuple[Filter[Any], Any]]:
        """The filters that have a say, those that do by default among them."""
        for each in FILTERS.values():
            if (value := self.value_of(each)) is not None:
                yield each, value

    def nullable_filters(self) -> list[tuple[NullableFilter[Any], Any]]:
        """The filters in force to which a deal may be unknown."""
        return [(each, value) for each, value in self.filters() if isinstance(each, NullableFilter)]

    @property
    def status(self) -> Status:
        return self.value_of(STATUS) or Status.LIVE

    @property
    def include_unknown(self) -> bool:
        """Whether deals stay whose value a nullable filter can't know."""
        return self.value_of(INCLUDE_UNKNOWN) is not None

    @property
    def money_domain(self) -> int:
        """The domain in whose currency the amounts of this view are typed."""
        return self.value_of(DOMAIN) or self.domain_default

    @property
    def is_filtered(self) -> bool:
        return any(each.narrows for each, _ in self.filters())

    @property
    def descending(self) -> bool:
        return self.order is Order.DESC

    def context(
        self, as_of: AsOf, searches: Mapping[int, int] | None = None, marks: Marks = NO_MARKS
    ) -> Context:
        """What its conditions depend on at a moment, for whoever made these marks; the cache knows the
        marketplaces of ``searches``."""
        return Context(self.interval, as_of, searches or {}, marks)

    def terms(self, categories: Mapping[int, str], searches: Mapping[int, str] | None = None) -> Terms:
        """What the words of its filters depend on: the names of categories and searches that are known."""
        return Terms(self.money_domain, self.interval, categories, searches or {})

    # -- as a URL ----------------------------------------------------------------------------
    def parameters(self) -> list[tuple[str, str]]:
        """The canonical parameters: what differs from the default view, in a fixed order."""
        return list(self._parameters())

    def _parameters(self) -> Iterator[tuple[str, str]]:
        for each, value in self.filters():
            yield from ((each.name, text) for text in each.write(value, self.money_domain))
        if self.interval is not Interval.DAYS_90:
            yield "interval", self.interval
        if self.sort != DEFAULT_SORT or self.order is not default_order(self.sort):
            yield "sort", self.sort
        if self.order is not default_order(self.sort):
            yield "order", self.order
        if self.layout is not Layout.TABLE:
            yield "layout", self.layout
        if self.density is not Density.COMFORTABLE:
            yield "density", self.density
        if self.limit != DEFAULT_LIMIT:
            yield "limit", str(self.limit)

    def query(self, **extra: str) -> str:
        """The query string of this view, without ``?``; ``extra`` parameters follow it."""
        return urlencode([*self.parameters(), *extra.items()])

    @property
    def looks(self) -> list[tuple[str, str]]:
        """The parameters that say how deals are shown, not which: whoever chose them keeps them."""
        return [pair for pair in self.parameters() if pair[0] in LAYOUT_PARAMETERS]

    # -- neighbours --------------------------------------------------------------------------
    def sorted_by(self, sort: str) -> View:
        """This view in another order; the present order turned round when it is the same sort."""
        if sort != self.sort:
            return replace(self, sort=sort, order=default_order(sort))
        return replace(self, order=Order.ASC if self.descending else Order.DESC)

    def over(self, interval: Interval) -> View:
        """This view with the changes of another interval; an order by a change goes along."""
        stem = self.sort.removesuffix(self.interval.suffix) if self.interval.suffix else self.sort
        sort = stem + interval.suffix if stem in ("discount", "drop") else self.sort
        return replace(self, interval=interval, sort=sort)

    def having(self, chosen: Filter[V], value: V | None) -> View:
        """This view with a filter set to another value, or without it."""
        values = {name: old for name, old in self.values.items() if name != chosen.name}
        if value is not None and value != chosen.default:
            values[chosen.name] = value
        return replace(self, values=values)

    def with_unknown(self) -> View:
        """This view with the deals whose value is unknown."""
        (switch,) = INCLUDE_UNKNOWN.values
        return self.having(INCLUDE_UNKNOWN, switch)

    def of_hidden(self) -> View:
        """The deals that are left out of this view because their reader hid them."""
        return self.having(MARKED, Marked.HIDDEN)

    def of_starred(self) -> View:
        """Those of the view that their reader has starred."""
        return self.having(MARKED, Marked.STARRED)

    def without(self, name: str) -> View:
        """This view with one filter taken away."""
        return self.having(FILTERS[name], None)
