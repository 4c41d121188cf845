"""The view that a request's parameters ask for: a program's to the letter, a person's as understood."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar
from urllib.parse import parse_qs

from keepa_deals.query.filters import FILTERS
from keepa_deals.query.filters.scope import DOMAIN
from keepa_deals.query.intervals import Interval
from keepa_deals.query.parameters import (
    Arguments,
    ParameterError,
    read_enum,
    read_integer,
    read_one_of,
    read_single,
)
from keepa_deals.query.sorts import DEFAULT_SORT, SORTS, Order, default_order
from keepa_deals.query.view import DEFAULT_LIMIT, MAX_LIMIT, Density, Layout, View

E = TypeVar("E", bound=StrEnum)
V = TypeVar("V")

MAX_QUERY = 4000
MAX_FIELDS = 200


@dataclass(frozen=True, slots=True)
class Mistake:
    """A parameter that is not understood, and so not in force."""

    name: str
    typed: str
    """Its first value."""
    problem: str
    """Why, and what is allowed."""


@dataclass(frozen=True, slots=True)
class Understood:
    """What a person asked for, as far as it is understood."""

    view: View
    mistakes: Sequence[Mistake]


def parse_view(arguments: Arguments, *, domain_id: int, ignore_empty: bool = False) -> View:
    """The view that ``arguments`` (name → values) ask for; ``ParameterError`` for the first wrong one.

    ``ignore_empty`` takes an empty value for "not given", as browsers send the empty fields of a form.
    """
    given = {name: list(values) for name, values in arguments.items() if values}
    return _view(_Parameters(_filled(given) if ignore_empty else given), domain_id)


def understand(arguments: Arguments, *, domain_id: int) -> Understood:
    """The view that a form or an address of a person asks for, without what is wrong in it, which is told.

    Numbers are read as people of the view's marketplace type them; empty values are not given.
    """
    given = _TypedParameters(_filled({name: list(values) for name, values in arguments.items()}))
    view = _view(given, domain_id)
    return Understood(view, tuple(given.mistakes))


def parse_query(query: str, *, domain_id: int) -> View:
    """The view of a query string, as a form or a saved view has it; ``ParameterError`` when it is none."""
    if len(query) > MAX_QUERY:
        raise ParameterError("query", f"at most {MAX_QUERY} characters, these are {len(query)}")
    try:
        arguments = parse_qs(query, max_num_fields=MAX_FIELDS)
    except ValueError:
        raise ParameterError("query", f"at most {MAX_FIELDS} parameters") from None
    return parse_view(arguments, domain_id=domain_id, ignore_empty=True)


def _filled(given: dict[str, list[str]]) -> dict[str, list[str]]:
    return {name: kept for name, values in given.items() if (kept := [v for v in values if v.strip()])}


@dataclass(frozen=True, slots=True)
class _Parameters:
    """Those of a program: a wrong one is an error."""

    given: dict[str, list[str]]

    def read(self, name: str, parse: Callable[[list[str]], V], default: V) -> V:
        return parse(self.given[name]) if name in self.given else default

    def filter_values(self, domain_id: int) -> dict[str, Any]:
        return {
            name: each.parse(self.given[name], domain_id)
            for name, each in FILTERS.items()
            if name in self.given
        }


@dataclass(frozen=True, slots=True)
class _TypedParameters(_Parameters):
    """Those of a person: a wrong one is noted and counts as not given."""

    mistakes: list[Mistake] = field(default_factory=list)

    def read(self, name: str, parse: Callable[[list[str]], V], default: V) -> V:
        try:
            return parse(self.given[name]) if name in self.given else default
        except ParameterError as error:
            if name not in {mistake.name for mistake in self.mistakes}:
                self.mistakes.append(Mistake(name, self.given[name][0], error.problem))
            return default

    def filter_values(self, domain_id: int) -> dict[str, Any]:
        values = {}
        for name, each in FILTERS.items():
            value = self.read(name, lambda texts, each=each: each.parse_typed(texts, domain_id), None)  # type: ignore[misc]
            if value is not None:
                values[name] = value
        return values


def _view(given: _Parameters, domain_id: int) -> View:
    """The domain's currency is the one of the amounts."""
    sort = given.read("sort", lambda values: read_one_of("sort", values, SORTS), DEFAULT_SORT)
    money_domain = given.read(DOMAIN.name, lambda values: DOMAIN.parse(values, domain_id), domain_id)
    values = given.filter_values(money_domain)
    return View(
        domain_default=domain_id,
        values={name: value for name, value in values.items() if value != FILTERS[name].default},
        interval=_choice(given, "interval", Interval, Interval.DAYS_90),
        sort=sort,
        order=_choice(given, "order", Order, default_order(sort)),
        layout=_choice(given, "layout", Layout, Layout.TABLE),
        density=_choice(given, "density", Density, Density.COMFORTABLE),
        limit=given.read("limit", _limit, DEFAULT_LIMIT),
    )


def _limit(values: Sequence[str]) -> int:
    return read_integer("limit", read_single("limit", values), 1, MAX_LIMIT)


def _choice(given: _Parameters, name: str, kind: type[E], default: E) -> E:
    return given.read(name, lambda values: read_enum(name, values, kind), default)
