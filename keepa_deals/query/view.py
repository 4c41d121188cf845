"""A view of the deals: what is shown, in which order. Every view is a URL, and every URL gives one view."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from typing import Any
from urllib.parse import urlencode

from keepa_deals.deals.kinds import EndedReason
from keepa_deals.deals.money import from_minor, to_minor
from keepa_deals.errors import KeepaDealsError
from keepa_deals.marketplaces import MARKETPLACES
from keepa_deals.query.columns import RANGES, SORTS, Interval, Unit

DEFAULT_SORT = "found"
DEFAULT_LIMIT = 50
MAX_LIMIT = 200
MAX_TEXT = 200
MAX_CURSOR = 3000
"""Holds 500 characters of any alphabet, Amazon's longest title."""
MAX_CATEGORIES = 50

_NUMBER = re.compile(r"-?\d{1,9}(\.\d{1,2})?")
_INTEGER = re.compile(r"\d{1,19}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class ParameterError(KeepaDealsError):
    """A parameter of a request is wrong. ``name`` is its name, the text says what is allowed."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"{name}: {problem}")
        self.name = name
        self.problem = problem


class Status(StrEnum):
    """Which deals to show; ``OPEN`` is live and stale together."""

    LIVE = "live"
    STALE = "stale"
    OPEN = "open"
    ENDED = "ended"
    ALL = "all"


class Lowest(StrEnum):
    EVER = "ever"
    DAYS_90 = "90"


class Amazon(StrEnum):
    YES = "yes"
    NO = "no"


class Layout(StrEnum):
    TABLE = "table"
    CARDS = "cards"


class Density(StrEnum):
    COMFORTABLE = "comfortable"
    COMPACT = "compact"


class Order(StrEnum):
    ASC = "asc"
    DESC = "desc"


class Switch(StrEnum):
    ON = "1"


FLAGS: dict[str, tuple[type[StrEnum], str]] = {
    "lowest": (Lowest, "Lowest price"),
    "back_in_stock": (Switch, "Back in stock"),
    "amazon": (Amazon, "Amazon offer"),
    "ended_reason": (EndedReason, "Why it ended"),
    "unknown": (Switch, "Unknown values shown"),
}
"""Filters with a few fixed answers."""

WITHIN = {"found_within": 24 * 365, "price_changed_within": 24 * 365, "seen_within": 24 * 60}
"""Filters on how long ago something was, and their longest: hours, but minutes for the last sight."""

VIEW_PARAMETERS = (
    *("q", "domain", "category", "status", *RANGES, *FLAGS, *WITHIN),
    *("interval", "sort", "order", "layout", "density", "limit"),
)
"""Every parameter of a view, in the order of its canonical URL."""
LOOKS = ("layout", "density", "limit")


@dataclass(frozen=True, slots=True)
class View:
    """A validated view. ``bounds`` are in stored units (cents, basis points, stars × 10)."""

    domain_default: int
    text: str = ""
    domain: int | None = None
    categories: tuple[int, ...] = ()
    status: Status = Status.LIVE
    bounds: Mapping[str, int] = field(default_factory=dict)
    flags: Mapping[str, StrEnum] = field(default_factory=dict)
    found_within: int | None = None
    """Hours since the deal was first seen, or came back."""
    price_changed_within: int | None = None
    """Hours since its price last changed."""
    seen_within: int | None = None
    """Minutes since it was last seen to hold."""
    interval: Interval = Interval.DAYS_90
    sort: str = DEFAULT_SORT
    order: Order = Order.DESC
    layout: Layout = Layout.TABLE
    density: Density = Density.COMFORTABLE
    limit: int = DEFAULT_LIMIT

    @property
    def descending(self) -> bool:
        return self.order is Order.DESC

    @property
    def money_domain(self) -> int:
        """The domain in whose currency the amounts of this view are typed."""
        return self.domain or self.domain_default

    @property
    def is_filtered(self) -> bool:
        return bool(
            self.text
            or self.categories
            or self.bounds
            or set(self.flags) - {"unknown"}
            or any(getattr(self, name) for name in WITHIN)
            or self.domain
            or self.status is not Status.LIVE
        )

    def flag(self, name: str) -> str | None:
        value = self.flags.get(name)
        return str(value) if value is not None else None

    def typed(self, name: str) -> str:
        """The bound ``name`` as its form field holds it; empty when it is not set."""
        if name not in self.bounds:
            return ""
        return typed_amount(RANGES[name].unit, self.bounds[name], self.money_domain)

    # -- as a URL ----------------------------------------------------------------------------
    def parameters(self) -> list[tuple[str, str]]:
        """The canonical parameters: what differs from the default view, in a fixed order."""
        return list(self._parameters())

    def _parameters(self) -> Iterator[tuple[str, str]]:
        if self.text:
            yield "q", self.text
        if self.domain:
            yield "domain", str(self.domain)
        yield from (("category", str(category)) for category in self.categories)
        if self.status is not Status.LIVE:
            yield "status", self.status
        yield from ((name, self.typed(name)) for name in RANGES if name in self.bounds)
        yield from ((name, str(self.flags[name])) for name in FLAGS if name in self.flags)
        yield from ((name, str(value)) for name in WITHIN if (value := getattr(self, name)))
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
        return [pair for pair in self.parameters() if pair[0] in LOOKS]

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

    def with_unknown(self) -> View:
        return replace(self, flags={**self.flags, "unknown": Switch.ON})

    def without(self, name: str, value: str = "") -> View:
        """This view with one filter taken away (of the categories, only ``value``)."""
        match name:
            case "q":
                return replace(self, text="")
            case "domain":
                return replace(self, domain=None)
            case "category":
                return replace(self, categories=tuple(c for c in self.categories if str(c) != value))
            case "status":
                return replace(self, status=Status.LIVE)
            case "found_within":
                return replace(self, found_within=None)
            case "price_changed_within":
                return replace(self, price_changed_within=None)
            case "seen_within":
                return replace(self, seen_within=None)
        bounds = {key: bound for key, bound in self.bounds.items() if key != name}
        flags = {key: flag for key, flag in self.flags.items() if key != name}
        return replace(self, bounds=bounds, flags=flags)


def default_order(sort: str) -> Order:
    """The direction that shows the interesting end of a sort first."""
    return Order.DESC if SORTS[sort].descending else Order.ASC


def typed_amount(unit: Unit, value: int, domain_id: int) -> str:
    """A stored number as people type it: ``1250`` cents are ``12.50``."""
    match unit:
        case Unit.MONEY:
            return from_minor(value, domain_id)
        case Unit.BASIS_POINTS:
            return f"{Decimal(value) / 100:f}"
        case Unit.STARS:
            return f"{Decimal(value) / 10:f}"
        case _:
            return str(value)


# -- from a request ------------------------------------------------------------------------------
Arguments = Mapping[str, Sequence[str]]


def parse_view(arguments: Arguments, *, domain_id: int, lenient: bool = False) -> View:
    """The view that ``arguments`` (name → values) ask for; ``ParameterError`` for the first wrong one.

    ``lenient`` takes an empty value for "not given", as browsers send the empty fields of a form.
    """
    given = {name: list(values) for name, values in arguments.items()}
    if lenient:
        given = {name: [v for v in values if v.strip()] for name, values in given.items()}
    reader = _Reader({name: values for name, values in given.items() if values})
    domain = reader.choice_of("domain", MARKETPLACES)
    sort = reader.one_of("sort", SORTS) or DEFAULT_SORT
    return View(
        domain_default=domain_id,
        text=reader.text("q", MAX_TEXT),
        domain=domain,
        categories=reader.categories(),
        status=reader.enum("status", Status) or Status.LIVE,
        bounds=reader.bounds(domain or domain_id),
        flags={name: value for name, (kind, _) in FLAGS.items() if (value := reader.enum(name, kind))},
        **{name: reader.integer(name, 1, most) for name, most in WITHIN.items()},
        interval=reader.enum("interval", Interval) or Interval.DAYS_90,
        sort=sort,
        order=reader.enum("order", Order) or default_order(sort),
        layout=reader.enum("layout", Layout) or Layout.TABLE,
        density=reader.enum("density", Density) or Density.COMFORTABLE,
        limit=reader.integer("limit", 1, MAX_LIMIT) or DEFAULT_LIMIT,
    )


def reject_unknown(arguments: Iterable[str], known: Iterable[str]) -> None:
    """``ParameterError`` for the first parameter that does not exist: a typo must not widen a view."""
    names = list(known)
    for name in arguments:
        if name not in names:
            raise ParameterError(name[:100], f"no such parameter; there are {', '.join(names)}")


@dataclass(frozen=True, slots=True)
class _Reader:
    """Typed reading of a request's arguments; each method raises ``ParameterError``."""

    given: Arguments

    def _single(self, name: str) -> str | None:
        values = self.given.get(name)
        if values is None:
            return None
        if len(values) > 1:
            raise ParameterError(name, "given more than once")
        return values[0]

    def text(self, name: str, longest: int) -> str:
        value = self._single(name)
        if value is None:
            return ""
        if not value.strip():
            raise ParameterError(name, "must not be empty")
        if len(value) > longest:
            raise ParameterError(name, f"at most {longest} characters")
        if _CONTROL.search(value):
            raise ParameterError(name, "control characters are not allowed")
        return value.strip()

    def enum(self, name: str, kind: type[StrEnum]) -> Any:
        value = self._single(name)
        if value is None:
            return None
        try:
            return kind(value)
        except ValueError:
            raise ParameterError(name, f"must be one of {', '.join(kind)}") from None

    def one_of(self, name: str, allowed: Iterable[str]) -> str | None:
        value = self._single(name)
        if value is not None and value not in allowed:
            raise ParameterError(name, f"must be one of {', '.join(allowed)}")
        return value

    def choice_of(self, name: str, allowed: Iterable[int]) -> int | None:
        value = self.one_of(name, [str(number) for number in allowed])
        return int(value) if value is not None else None

    def integer(self, name: str, least: int, most: int) -> int | None:
        value = self._single(name)
        return None if value is None else _integer(name, value, least, most)

    def categories(self) -> tuple[int, ...]:
        values = self.given.get("category", ())
        if len(values) > MAX_CATEGORIES:
            raise ParameterError("category", f"at most {MAX_CATEGORIES} categories")
        numbers = [_integer("category", value, 0, 2**63 - 1) for value in values]
        return tuple(dict.fromkeys(numbers))

    def bounds(self, domain_id: int) -> dict[str, int]:
        return {
            name: read_amount(name, bound.unit, value, domain_id)
            for name, bound in RANGES.items()
            if (value := self._single(name)) is not None
        }


def _integer(name: str, value: str, least: int, most: int) -> int:
    if not _INTEGER.fullmatch(value, 0) or not value.isascii() or not least <= int(value) <= most:
        raise ParameterError(name, f"must be a whole number from {least} to {most}")
    return int(value)


def read_amount(name: str, unit: Unit, value: str, domain_id: int) -> int:
    """A number as typed in the parameter ``name``, in stored units; ``ParameterError`` when it is none."""
    if not _NUMBER.fullmatch(value) or not value.isascii():
        raise ParameterError(name, "must be a number with at most 9 digits and 2 decimals, like 12.50")
    number = Decimal(value)
    match unit:
        case Unit.MONEY:
            return to_minor(number, domain_id)
        case Unit.BASIS_POINTS:
            return int(number * 100)
        case Unit.STARS:
            return int(number * 10)
    if number != number.to_integral_value():
        raise ParameterError(name, "must be a whole number")
    return int(number)
