"""A view as a file: all of its deals, in its order, for spreadsheets, for programs, and for pasting."""

from __future__ import annotations

import io
import json
import threading
import weakref
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from itertools import chain, islice
from typing import Any

from defusedcsv import csv
from flask import Blueprint, Response, request
from werkzeug.exceptions import ServiceUnavailable

from keepa_deals.deals.freshness import AsOf
from keepa_deals.query.cache.snapshot import CacheSnapshot
from keepa_deals.query.cursor import Cursor
from keepa_deals.query.parameters import ParameterError
from keepa_deals.query.view import View
from keepa_deals.web.auth.guard import current_person
from keepa_deals.web.deals import workbook
from keepa_deals.web.deals.export_columns import NAMES, Value, cells
from keepa_deals.web.deals.marked_rows import MarkedRow, marked_rows
from keepa_deals.web.deals.request import arguments, requested_view
from keepa_deals.web.deals.serializers import deal_json
from keepa_deals.web.format import iso
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


class Separator(StrEnum):
    """What stands between two cells of a CSV, and what marks decimals: spreadsheets go by their locale."""

    COMMA = "comma"
    SEMICOLON = "semicolon"

    @property
    def sign(self) -> str:
        return "," if self is Separator.COMMA else ";"

    @property
    def decimal(self) -> str:
        return "." if self is Separator.COMMA else ","


@blueprint.get("/export.csv")
def as_csv() -> Response:
    """The deals of a view, a line each. Money in units of the currency, moments in ISO 8601 UTC."""
    services = current_services()
    view, as_of = requested_view(services, extra=("separator",)), services.as_of()
    separator = _separator()
    with _Slot() as slot:
        lines = _lines(_started(_deals(services, view, as_of)), as_of, separator)
        return slot.until_closed(_download(_joined(lines), "csv", "text/csv; charset=utf-8", as_of))


def _separator() -> Separator:
    (text,) = arguments().get("separator", [Separator.COMMA])[:1]
    try:
        return Separator(text)
    except ValueError:
        raise ParameterError("separator", f"must be one of {', '.join(Separator)}") from None


@blueprint.get("/export.xlsx")
def as_workbook() -> Response:
    """The deals of a view as a workbook. It is made before it is sent, so it has a bound."""
    services = current_services()
    view, as_of = requested_view(services), services.as_of()
    with services.reading(as_of, current_person().id) as reader:
        total = reader.count(view)
    if total > workbook.MAX_DEALS:
        raise ParameterError(
            "view",
            f"has {total:,} deals; a workbook holds {workbook.MAX_DEALS:,}. Filter it, or take the CSV",
        )
    with _Slot() as slot:
        deals = islice(_deals(services, view, as_of), workbook.MAX_DEALS)
        parts = workbook.pieces((cells(row, as_of) for row in deals), as_of.now)
        return slot.until_closed(_download(parts, "xlsx", workbook.CONTENT_TYPE, as_of))


@blueprint.get("/export.txt")
def as_asins() -> Response:
    """The ASINs of a view, one a line, to be pasted elsewhere."""
    services = current_services()
    view, as_of = requested_view(services), services.as_of()
    with _Slot() as slot:
        parts = _joined(f"{deal.row.asin}\n" for deal in _started(_deals(services, view, as_of)))
        return slot.until_closed(_download(parts, "txt", "text/plain; charset=utf-8", as_of))


@blueprint.get("/export.json")
def as_json() -> Response:
    """The deals of a view as the API gives them, all at once."""
    services = current_services()
    view, as_of = requested_view(services), services.as_of()
    with _Slot() as slot:
        deals = _started(_deals(services, view, as_of))
        head = {"as_of": iso(as_of.now), "view": f"{request.url_root}?{view.query()}"}
        parts = _objects(head, deals, as_of, request.script_root)
        return slot.until_closed(_download(_joined(parts), "json", "application/json", as_of))


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


def _deals(services: Services, view: View, as_of: AsOf) -> Iterator[MarkedRow]:
    """Every deal of the view with the marks of whoever asks, who is not known any more once it is sent."""
    return _read(services, view, as_of, current_person().id)


def _read(services: Services, view: View, as_of: AsOf, person: int | None) -> Iterator[MarkedRow]:
    """Every deal of the view, each read a moment before it is sent.

    By one snapshot of the cache: a deal that changes its place meanwhile would be left out, or come twice.
    """
    cursor: Cursor | None = None
    snapshot: CacheSnapshot | None = None
    view = replace(view, limit=CHUNK)
    while True:
        with services.reading(as_of, person, snapshot) as reader:
            page = reader.page(view, cursor)
            snapshot = reader.snapshot
            rows = marked_rows(reader.connection, reader.marks, person, page.rows)
        yield from rows
        if page.next is None:
            return
        cursor = page.next


def _started(rows: Iterator[MarkedRow]) -> Iterator[MarkedRow]:
    """The same rows with the first one read now, while trouble can still be answered properly."""
    return chain(list(islice(rows, 1)), rows)


def _download(parts: Iterable[bytes], suffix: str, content_type: str, as_of: AsOf) -> Response:
    name = f"keepa-deals-{as_of.now:%Y%m%d-%H%M}.{suffix}"
    response = Response(parts, content_type=content_type)
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
def _objects(head: dict[str, Any], rows: Iterator[MarkedRow], as_of: AsOf, root: str) -> Iterator[str]:
    yield json.dumps(head)[:-1] + ', "deals": ['
    separator = "\n"
    for row in rows:
        yield separator + json.dumps(deal_json(row, as_of, root))
        separator = ",\n"
    yield "\n]}\n"


# -- CSV -----------------------------------------------------------------------------------------
def _lines(rows: Iterator[MarkedRow], as_of: AsOf, separator: Separator) -> Iterator[str]:
    """The lines of the file. The writer puts an apostrophe before what a spreadsheet would run."""
    line = io.StringIO()
    writer = csv.writer(line, delimiter=separator.sign)
    line.write(BYTE_ORDER_MARK)
    for values in chain([NAMES], (cells(row, as_of) for row in rows)):
        writer.writerow([_written(value, separator) for value in values])
        yield line.getvalue()
        line.seek(0)
        line.truncate()


def _written(value: Value, separator: Separator) -> Value:
    if isinstance(value, Decimal):
        return f"{value:f}".replace(".", separator.decimal)
    return iso(value) if isinstance(value, datetime) else value
