"""A view as an Excel workbook: typed cells with formats, so that no ASIN loses a zero and no text is run."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import IO

from xlsxwriter import Workbook
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from keepa_deals.web.deals.export_columns import KINDS, NAMES, WIDTHS, Kind, Value

CONTENT_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
MAX_DEALS = 20_000
"""A workbook is whole before its first byte leaves: ten seconds of a reader's patience."""
PIECE = 64 * 1024
FORMATS = {
    Kind.MONEY: "#,##0.00",
    Kind.COUNT: "#,##0",
    Kind.DECIMAL: "0.0#",
    Kind.MOMENT: "yyyy-mm-dd hh:mm",
    Kind.TEXT: "@",
}
OPTIONS = {
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
}


def pieces(lines: Iterable[tuple[Value, ...]], now: datetime) -> Iterator[bytes]:
    """The bytes of a workbook that holds these lines."""
    with tempfile.TemporaryFile() as file:
        _write(file, lines, now)
        file.seek(0)
        while piece := file.read(PIECE):
            yield piece


def _write(file: IO[bytes], lines: Iterable[tuple[Value, ...]], now: datetime) -> None:
    with Workbook(file, OPTIONS) as book:
        book.set_properties({"title": "Deals", "created": _naive(now)})
        formats = {kind: book.add_format({"num_format": text}) for kind, text in FORMATS.items()}
        sheet = book.add_worksheet("Deals")
        for column, (width, kind) in enumerate(zip(WIDTHS, KINDS, strict=True)):
            sheet.set_column(column, column, width, formats.get(kind))
        sheet.freeze_panes(1, 2)
        heading = book.add_format({"bold": True})
        for column, name in enumerate(NAMES):
            sheet.write_string(0, column, name, heading)
        last = 0
        for last, line in enumerate(lines, start=1):
            _write_line(sheet, last, line, formats)
        sheet.autofilter(0, 0, last, len(NAMES) - 1)


def _write_line(sheet: Worksheet, row: int, line: tuple[Value, ...], formats: dict[Kind, Format]) -> None:
    """A cell of its kind each; an unknown value is an empty cell."""
    for column, (value, kind) in enumerate(zip(line, KINDS, strict=True)):
        if value is None or value == "":
            continue
        if isinstance(value, bool):
            sheet.write_boolean(row, column, value)
        elif isinstance(value, datetime):
            sheet.write_datetime(row, column, _naive(value), formats[kind])
        elif isinstance(value, int | Decimal):
            sheet.write_number(row, column, float(value), formats[_of_number(value, kind)])
        else:
            sheet.write_string(row, column, value, formats[Kind.TEXT])


def _of_number(value: int | Decimal, kind: Kind) -> Kind:
    """The kind whose format a number has: yen have no cents."""
    has_cents = isinstance(value, int) or value.as_tuple().exponent != 0
    return kind if has_cents or kind is not Kind.MONEY else Kind.COUNT


def _naive(moment: datetime) -> datetime:
    """A workbook knows no zones: the moments are UTC, as its reader is told."""
    return moment.astimezone(UTC).replace(tzinfo=None)
