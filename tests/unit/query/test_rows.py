"""The rows that readers get are those of the tables."""

from __future__ import annotations

import re
from typing import Any

import pytest

from keepa_deals.db.models import Deal, DealEvent, DealPast, DealPoint
from keepa_deals.query.rows import DealRow, EventRow, HistoryRow, PointRow


def types_of(table: type[Any]) -> dict[str, str]:
    """The type of each column, as its model writes it."""
    return {name: re.sub(r"^Mapped\[(.*)\]$", r"\1", kind) for name, kind in table.__annotations__.items()}


def test_a_deals_row_has_every_column() -> None:
    assert list(DealRow._fields) == [column.name for column in Deal.__table__.columns]


@pytest.mark.parametrize(
    ("row", "table"), [(DealRow, Deal), (PointRow, DealPoint), (EventRow, DealEvent), (HistoryRow, DealPast)]
)
def test_a_row_has_the_types_of_its_columns(row: type[Any], table: type[Any]) -> None:
    known = types_of(table)
    written = {name: kind.__forward_arg__ for name, kind in row.__annotations__.items()}
    assert written == {name: known[name] for name in row._fields}
