"""Deals with what their reader marked on them, and as programs are told of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from keepa_deals.marks.marks import UNMARKED, HiddenBy, Mark, Marks
from keepa_deals.marks.reading import read_each
from keepa_deals.query.rows import DealRow
from keepa_deals.web.format import iso


@dataclass(frozen=True, slots=True)
class DealMarks:
    """One reader's marks on one deal."""

    own: Mark = UNMARKED
    hidden_by: HiddenBy | None = None
    """Why it is out of sight; ``None`` when it is not."""
    hides_brand: bool = False
    hides_category: bool = False


NOTHING_MARKED = DealMarks()


@dataclass(frozen=True, slots=True)
class MarkedRow:
    """A deal and its marks."""

    row: DealRow
    marks: DealMarks


def marked_rows(
    connection: Connection, marks: Marks, person_id: int | None, rows: Sequence[DealRow]
) -> list[MarkedRow]:
    """These deals with their reader's marks."""
    if marks.is_empty:
        return [MarkedRow(row, NOTHING_MARKED) for row in rows]
    keys = [(row.domain_id, row.asin) for row in rows]
    own = read_each(connection, person_id, [key for key in keys if _has_own(marks, key)])
    return [
        MarkedRow(row, deal_marks(row, marks, own.get(key, UNMARKED)))
        for key, row in zip(keys, rows, strict=True)
    ]


def _has_own(marks: Marks, key: tuple[int, str]) -> bool:
    return any(key in keys for keys in (marks.starred, marks.hidden, marks.bought, marks.noted))


def deal_marks(row: DealRow, marks: Marks, own: Mark) -> DealMarks:
    """A reader's marks on a deal, those by brand and category among them."""
    key = row.domain_id, row.asin
    return DealMarks(
        own,
        marks.hidden_by(key, row.price, row.brand, row.root_category),
        row.brand is not None and row.brand in marks.brands,
        (row.domain_id, row.root_category) in marks.categories,
    )


def marks_json(marks: DealMarks) -> Mapping[str, Any]:
    """The same for programs. Money in the marketplace's smallest unit, moments in ISO 8601 UTC."""
    own = marks.own
    return {
        "star": own.starred_at is not None,
        "hide": _hide_json(own),
        "hide_brand": marks.hides_brand,
        "hide_category": marks.hides_category,
        "hidden": marks.hidden_by is not None,
        "note": own.note,
        "bought": None
        if own.bought is None
        else {"at": iso(own.bought.at), "price": own.bought.price, "quantity": own.bought.quantity},
    }


def _hide_json(own: Mark) -> bool | Mapping[str, int]:
    if own.hiding is None or own.hiding.percent is None:
        return own.hiding is not None
    return {"until_cheaper_percent": own.hiding.percent}
