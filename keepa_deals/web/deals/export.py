"""A view as a file: all of its deals, in its order, as CSV for spreadsheets and as JSON for programs."""

from __future__ import annotations

import io
import json
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from decimal import Decimal
from itertools import chain, islice
from typing import Any

from defusedcsv import csv
from flask import Blueprint, Response, request
from werkzeug.exceptions import ServiceUnavailable

from keepa_deals.deals import risks
from keepa_deals.deals.economics.calculation import known_fee
from keepa_deals.deals.freshness import AsOf
from keepa_deals.deals.money import from_minor
from keepa_deals.marketplaces import marketplace
from keepa_deals.query.cache.snapshot import CacheSnapshot
from keepa_deals.query.cursor import Cursor
from keepa_deals.query.rows import DealRow
from keepa_deals.query.view import View
from keepa_deals.web.deals.request import requested_view
from keepa_deals.web.deals.row import doubt_names, status_of
from keepa_deals.web.deals.serializers import deal_json
from keepa_deals.web.format import amazon_url, iso
from keepa_deals.web.services import Services, current_services

blueprint = Blueprint("export", __name__)

CHUNK = 500
"""Deals that are read at once: little enough to be in memory for every reader."""
BYTE_ORDER_MARK = "\ufeff"
"""Without it Excel takes UTF-8 for something else."""

MAX_AT_ONCE = 4
"""Each takes a thread and a share of the processor: the pages need the others."""
TRY_AGAIN = 15
"""Seconds, for whoever comes meanwhile."""
_SLOTS = threading.BoundedSemaphore(MAX_AT_ONCE)

Cell = Callable[[DealRow], Any]


@blueprint.get("/export.csv")
def as_csv() -> Response:
    """The deals of a view, a line each. Money in units of the currency, moments in ISO 8601 UTC."""
    services = current_services()
    view, as_of = requested_view(services), services.as_of()
    with _Slot() as slot:
        lines = _lines(_started(_deals(services, view, as_of)), as_of)
        return slot.until_closed(_download(lines, "csv", "text/csv; charset=utf-8", as_of))


@blueprint.get("/export.json")
def as_json() -> Response:
    """The deals of a view as the API gives them, all at once."""
    services = current_services()
    view, as_of = requested_view(services), services.as_of()
    with _Slot() as slot:
        deals = _started(_deals(services, view, as_of))
        head = {"as_of": iso(as_of.now), "view": f"{request.url_root}?{view.query()}"}
        parts = _objects(head, deals, as_of, request.script_root)
        return slot.until_closed(_download(parts, "json", "application/json", as_of))


class _Slot:
    """The right to make one of the exports that may be made at once."""

    def __init__(self) -> None:
        self._kept = False

    def __enter__(self) -> _Slot:
        if not _SLOTS.acquire(blocking=False):
            text = f"{MAX_AT_ONCE} exports are being made already. Try again in {TRY_AGAIN} seconds."
            raise ServiceUnavailable(text, retry_after=TRY_AGAIN)
        return self

    def __exit__(self, *error: object) -> None:
        if not self._kept:
            _SLOTS.release()

    def until_closed(self, response: Response) -> Response:
        """The slot is the response's until it has been sent, was given up, or is gone without either."""
        self._kept = True
        response.call_on_close(weakref.finalize(response, _SLOTS.release))
        return response


def _deals(services: Services, view: View, as_of: AsOf) -> Iterator[DealRow]:
    """Every deal of the view, each read a moment before it is sent.

    By one snapshot of the cache: a deal that changes its place meanwhile would be left out, or come twice.
    """
    cursor: Cursor | None = None
    snapshot: CacheSnapshot | None = None
    view = replace(view, limit=CHUNK)
    while True:
        with services.reading(as_of, snapshot) as reader:
            page = reader.page(view, cursor)
            snapshot = reader.snapshot
        yield from page.rows
        if page.next is None:
            return
        cursor = page.next


def _started(rows: Iterator[DealRow]) -> Iterator[DealRow]:
    """The same rows with the first one read now, while trouble can still be answered properly."""
    return chain(list(islice(rows, 1)), rows)


def _download(parts: Iterator[str], suffix: str, content_type: str, as_of: AsOf) -> Response:
    name = f"keepa-deals-{as_of.now:%Y%m%d-%H%M}.{suffix}"
    response = Response(_joined(parts), content_type=content_type)
    response.headers["Content-Disposition"] = f"attachment; filename={name}"
    return response


def _joined(parts: Iterable[str], least: int = 16_384) -> Iterator[bytes]:
    """The parts in pieces worth sending."""
    waiting = io.StringIO()
    for part in parts:
        if waiting.write(part) and waiting.tell() >= least:
            yield waiting.getvalue().encode()
            waiting = io.StringIO()
    yield waiting.getvalue().encode()


# -- JSON ----------------------------------------------------------------------------------------
def _objects(head: dict[str, Any], rows: Iterator[DealRow], as_of: AsOf, root: str) -> Iterator[str]:
    yield json.dumps(head)[:-1] + ', "deals": ['
    separator = "\n"
    for row in rows:
        yield separator + json.dumps(deal_json(row, as_of, root))
        separator = ",\n"
    yield "\n]}\n"


# -- CSV -----------------------------------------------------------------------------------------
def _money(name: str) -> Cell:
    def cell(row: DealRow) -> str | None:
        amount = getattr(row, name)
        return None if amount is None else from_minor(amount, row.domain_id)

    return cell


def _fee(row: DealRow) -> str | None:
    fee = known_fee(row.fba_fee)
    return None if fee is None else from_minor(fee, row.domain_id)


def _text(name: str) -> Cell:
    """A text on one line: what begins with a tab or a line break could hide a formula, too."""
    return lambda row: " ".join((getattr(row, name) or "").split())


def _plain(name: str) -> Cell:
    return lambda row: getattr(row, name)


def _decimal(name: str, places: int) -> Cell:
    """A number that is stored in units of ``10 ** -places``."""

    def cell(row: DealRow) -> str | None:
        value = getattr(row, name)
        return None if value is None else f"{Decimal(value).scaleb(-places):f}"

    return cell


def _moment(name: str) -> Cell:
    return lambda row: iso(getattr(row, name))


_CELLS: dict[str, Cell] = {
    "asin": _plain("asin"),
    "marketplace": lambda row: f"amazon.{marketplace(row.domain_id).tld}",
    "title": _text("title"),
    "brand": _text("brand"),
    "category": _text("category_name"),
    "currency": lambda row: marketplace(row.domain_id).currency,
    **{
        name: _money(name)
        for name in ("price", "price_avg_day", "price_avg_week", "price_avg_month", "price_avg_90")
    },
    "drop_percent_day": _plain("delta_percent_day"),
    "drop_percent_week": _plain("delta_percent_week"),
    "drop_percent_month": _plain("delta_percent_month"),
    "drop_percent_90": _plain("delta_percent"),
    **{name: _plain(name) for name in ("sales_rank", "rank_drops_30", "rank_drops_90", "monthly_sold")},
    "rating": _decimal("rating", 1),
    "reviews": _plain("review_count"),
    "offers": _plain("offer_count"),
    "amazon_in_stock": _plain("amazon_in_stock"),
    **{name: _money(name) for name in ("amazon_price", "buy_box_price", "sell_price")},
    "fba_fee": _fee,
    "referral_fee_percent": _decimal("referral_fee_bp", 2),
    "risks": lambda row: ", ".join(risks.names(row.risks)),
    "sell_doubts": lambda row: ", ".join(doubt_names(row.sell_doubt)),
    "profit": _money("profit"),
    "roi_percent": _decimal("roi_bp", 2),
    "margin_percent": _decimal("margin_bp", 2),
    "lowest_ever": _plain("is_lowest"),
    "lowest_90_days": _plain("is_lowest_90"),
    "found_at": _moment("found_at"),
    "price_since": _moment("deal_created_at"),
    "last_seen_at": _moment("last_seen_at"),
    "ended_at": _moment("ended_at"),
    "ended_reason": lambda row: str(row.ended_reason or ""),
    "amazon_url": lambda row: amazon_url(row.domain_id, row.asin),
}
COLUMNS = ("status", *_CELLS)


def _lines(rows: Iterator[DealRow], as_of: AsOf) -> Iterator[str]:
    """The lines of the file. The writer puts an apostrophe before what a spreadsheet would run."""
    line = io.StringIO()
    writer = csv.writer(line)
    line.write(BYTE_ORDER_MARK)
    for cells in chain([COLUMNS], (_cells(row, as_of) for row in rows)):
        writer.writerow(cells)
        yield line.getvalue()
        line.seek(0)
        line.truncate()


def _cells(row: DealRow, as_of: AsOf) -> tuple[Any, ...]:
    return (status_of(row, as_of), *(cell(row) for cell in _CELLS.values()))
