"""The words that readers look for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import and_ as both

from sqlalchemy import ColumnElement, and_, func, literal, or_

from keepa_deals.db.models import Deal
from keepa_deals.query.encoding import Array
from keepa_deals.query.filters.base import Context, Cost, Field, Filter, Group, Kind, Rows, Schema, Terms
from keepa_deals.query.parameters import MAX_TEXT, read_text

_T = Deal.__table__.c


@dataclass(frozen=True, eq=False, kw_only=True)
class Text(Filter[str]):
    """Deals that have every word in title or brand, or as their ASIN. No other condition costs as much."""

    cost: Cost = Cost.TEXT

    def parse(self, values: Sequence[str], domain_id: int) -> str:  # noqa: ARG002
        return read_text(self.name, values)

    def schema(self) -> Schema:
        return {"type": "string", "minLength": 1, "maxLength": MAX_TEXT, "pattern": r"^[^\x00-\x1F\x7F]*$"}

    def words(self, value: str, terms: Terms) -> str:  # noqa: ARG002
        return f"“{value}”"

    def sql(self, value: str, context: Context) -> ColumnElement[bool]:  # noqa: ARG002
        return and_(*(or_(_mentions(word), _T.asin == word.upper()) for word in value.split()))

    def mask(self, value: str, context: Context, rows: Rows) -> Array:  # noqa: ARG002
        return reduce(both, (rows.mentioning(word) | rows.with_asin(word.upper()) for word in value.split()))


def _mentions(word: str) -> ColumnElement[bool]:
    """Whether a deal's title or brand holds ``word``, in whatever case."""
    escaped = word.replace("/", "//").replace("%", "/%").replace("_", "/_")
    pattern = func.lower(literal(f"%{escaped}%"))
    return or_(func.lower(_T.title).like(pattern, escape="/"), func.lower(_T.brand).like(pattern, escape="/"))


TEXT = Text(
    name="q",
    description="Words of title or brand, or an ASIN",
    field=Field(Group(0), "Search", Kind.SEARCH, placeholder="Title, brand or ASIN"),
)
