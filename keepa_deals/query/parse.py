"""The view that a request's parameters ask for."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, TypeVar
from urllib.parse import parse_qs

from keepa_deals.query.filters import FILTERS
from keepa_deals.query.filters.scope import DOMAIN
from keepa_deals.query.intervals import Interval
from keepa_deals.query.parameters import Arguments, read_enum, read_integer, read_one_of, read_single
from keepa_deals.query.sorts import DEFAULT_SORT, SORTS, Order, default_order
from keepa_deals.query.view import DEFAULT_LIMIT, MAX_LIMIT, Density, Layout, View

E = TypeVar("E", bound=StrEnum)

MAX_QUERY = 4000
MAX_FIELDS = 200


def parse_view(arguments: Arguments, *, domain_id: int, ignore_empty: bool = False) -> View:
    """The view that ``arguments`` (name → values) ask for; ``ParameterError`` for the first wrong one.

    ``ignore_empty`` takes an empty value for "not given", as browsers send the empty fields of a form.
    """
    given = {name: list(values) for name, values in arguments.items() if values}
    if ignore_empty:
        given = {name: kept for name, values in given.items() if (kept := [v for v in values if v.strip()])}
    sort = read_one_of("sort", given["sort"], SORTS) if "sort" in given else DEFAULT_SORT
    limit = given.get("limit")
    return View(
        domain_default=domain_id,
        values=_filter_values(given, domain_id),
        interval=_choice("interval", given, Interval) or Interval.DAYS_90,
        sort=sort,
        order=_choice("order", given, Order) or default_order(sort),
        layout=_choice("layout", given, Layout) or Layout.TABLE,
        density=_choice("density", given, Density) or Density.COMFORTABLE,
        limit=read_integer("limit", read_single("limit", limit), 1, MAX_LIMIT) if limit else DEFAULT_LIMIT,
    )


def parse_query(query: str, *, domain_id: int) -> View:
    """The view of a query string, as a form or a saved view has it.

    Of a long one only the beginning counts, and one of too many parameters is the default view.
    """
    try:
        arguments = parse_qs(query[:MAX_QUERY], max_num_fields=MAX_FIELDS)
    except ValueError:
        arguments = {}
    return parse_view(arguments, domain_id=domain_id, ignore_empty=True)


def _filter_values(given: dict[str, list[str]], domain_id: int) -> dict[str, Any]:
    """The values of the filters that are given; the domain's currency is the one of their amounts."""
    if DOMAIN.name in given:
        domain_id = DOMAIN.parse(given[DOMAIN.name], domain_id)
    parsed = {name: each.parse(given[name], domain_id) for name, each in FILTERS.items() if name in given}
    return {name: value for name, value in parsed.items() if value != FILTERS[name].default}


def _choice(name: str, given: dict[str, Sequence[str]] | dict[str, list[str]], kind: type[E]) -> E | None:
    return read_enum(name, given[name], kind) if name in given else None
