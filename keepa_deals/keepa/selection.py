"""The deal query of a deployment: read from its file, normalised, and what its operator should know of it."""

from __future__ import annotations

import difflib
import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keepa_deals import text_file
from keepa_deals.errors import SettingsError
from keepa_deals.keepa.deal_query import CATEGORIES, FLAGS, RANGES, READERS, TEXTS, normalise, unknown_options
from keepa_deals.keepa.enums import CsvType
from keepa_deals.keepa.token_costs import ProductOptions
from keepa_deals.marketplaces import MARKETPLACES
from keepa_deals.settings import Settings

log = logging.getLogger(__name__)

SETTING = "KEEPA_DEAL_SELECTION"
SEARCH = "search"
"""What a file may say of its search beside the query: ``{"weight": 8, "freshMinutes": 30}``."""
_DEFAULT_DOMAIN = int(Settings.model_fields["keepa_domain_id"].default)


@dataclass(frozen=True, slots=True)
class Selection:
    """A deal query that can be sent, and in ``notes`` what is done otherwise than its file may suggest."""

    query: Mapping[str, Any]
    notes: tuple[str, ...] = ()

    @property
    def domain_id(self) -> int:
        return int(self.query["domainId"])

    def __str__(self) -> str:
        kind = price_type(self.query)
        return f"amazon.{MARKETPLACES[self.domain_id].tld}, price type {int(kind)} ({kind.name})"


def log_notes(selection: Selection, name: str) -> None:
    """Log what is done otherwise than the file of a search may suggest."""
    for note in selection.notes:
        log.info("deal query %s: %s", name, note)


def read_selection(path: Path, *, domain_id: int | None = None) -> Selection:
    """The deal query in the JSON file ``path``; a one-line ``SettingsError`` names what cannot be used.

    ``domain_id`` is what the operator has set, and wins; else the file's ``domainId`` counts, else 1.
    """
    try:
        return selection_from(parse(text_file.read(path)), domain_id=domain_id)
    except SettingsError as error:
        raise SettingsError(f"{SETTING}={path}: {error}") from None


def selection_from(raw: Any, *, domain_id: int | None = None, own_wins: bool = False) -> Selection:
    """The deal query that is parsed JSON; a ``SettingsError`` names what cannot be used, but not where.

    ``own_wins``: the query's own ``domainId`` counts before ``domain_id``.
    """
    query = normalise(raw)
    own = query.get("domainId")
    if own_wins and own:
        domain_id = own
    query["domainId"] = domain_id or own or _DEFAULT_DOMAIN
    return Selection(query, (*_notes_on_domain(domain_id, own), *_notes_on(raw, query)))


def price_type(selection: Mapping[str, Any]) -> CsvType:
    """The one price type that a deal query is about."""
    return CsvType(selection["priceTypes"][0])


# -- the file --------------------------------------------------------------------------------
def parse(text: str) -> Any:
    """The JSON in a text; a ``SettingsError`` says why there is none."""
    if not text.strip():
        raise SettingsError("empty: must be a JSON object")
    try:
        return json.loads(text, object_pairs_hook=_without_repetition)
    except json.JSONDecodeError as error:
        raise SettingsError(f"not JSON ({error.msg} in line {error.lineno}, column {error.colno})") from None
    except (ValueError, RecursionError):  # a number of thousands of digits, thousands of brackets
        raise SettingsError("not JSON that can be read: too long a number, or too many brackets") from None


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    options = dict(pairs)
    if len(options) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise SettingsError(f"{twice!r:.40} is there twice: leave one")
    return options


# -- notes -----------------------------------------------------------------------------------
def _notes_on_domain(chosen: int | None, own: int | None) -> Iterator[str]:
    if chosen and own and chosen != own:
        yield (
            f"KEEPA_DOMAIN_ID={chosen} (amazon.{MARKETPLACES[chosen].tld}) wins over the file's "
            f"domainId {own} (amazon.{MARKETPLACES[own].tld})"
        )


def _notes_on(raw: Mapping[str, Any], query: Mapping[str, Any]) -> Iterator[str]:
    """What is done otherwise than the file may suggest, a line each."""
    unknown = [name for name in unknown_options(raw) if name != SEARCH]
    if unknown:
        yield f"no options of a deal query, left out: {', '.join(map(_with_suggestion, unknown))}"
    if "dateRange" not in raw:
        yield "dateRange is missing: 3 (90 days) is asked for"
    if not query.get("isRangeEnabled"):
        ranges = [name for name in RANGES if name in query]
        if ranges:
            yield f"isRangeEnabled is not true, so these count for nothing: {', '.join(ranges)}"
    if not query.get("isFilterEnabled"):
        filters = [name for name in (*CATEGORIES, *FLAGS, *TEXTS) if query.get(name)]
        if filters:
            yield f"isFilterEnabled is not true, so these may count for nothing: {', '.join(filters)}"
    yield from _notes_on_price_type(price_type(query))


def _notes_on_price_type(kind: CsvType) -> Iterator[str]:
    """What ``/product`` can tell of the prices: it is asked whether a deal still holds, and why it ended."""
    if ProductOptions().tells(kind):
        return
    if ProductOptions(buybox=True).tells(kind):
        yield f"/product tells the prices of type {int(kind)} ({kind.name}) for 2 tokens more a product"
    else:
        yield (
            f"/product does not tell the prices of type {int(kind)} ({kind.name}) without offers, which cost "
            "6 tokens and more a product: whether such a deal holds is told by the feed alone"
        )


def _with_suggestion(name: str) -> str:
    likely = difflib.get_close_matches(name, READERS, n=1, cutoff=0.8)
    shown = repr(name[:40])[1:-1]
    return f"{shown} ({likely[0]}?)" if likely else shown
