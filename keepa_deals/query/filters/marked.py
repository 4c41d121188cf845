"""A filter by what its reader marked: hidden deals are left out unless they are asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import ColumnElement, exists, false, not_, or_, true

from keepa_deals.db.models import Deal, DealMark, HiddenBrand, HiddenCategory
from keepa_deals.marks.marks import MarkKind, Marks
from keepa_deals.query.encoding import Array
from keepa_deals.query.filters.base import Context, Cost, Field, Filter, Kind, Option, Rows, Schema, Terms
from keepa_deals.query.filters.scope import KIND
from keepa_deals.query.parameters import read_enum

_T, _M = Deal.__table__.c, DealMark.__table__.c
_B, _C = HiddenBrand.__table__.c, HiddenCategory.__table__.c


class Marked(StrEnum):
    """Which deals, by the marks of whoever asks."""

    NOT_HIDDEN = "not_hidden"
    STARRED = "starred"
    BOUGHT = "bought"
    NOTED = "noted"
    HIDDEN = "hidden"
    ANY = "any"

    @property
    def kind(self) -> MarkKind | None:
        """The mark that it wants."""
        return None if self in (Marked.NOT_HIDDEN, Marked.ANY) else MarkKind(self.value)


_SAID: Mapping[Marked, str] = {
    Marked.NOT_HIDDEN: "Not hidden",
    Marked.STARRED: "Starred",
    Marked.BOUGHT: "Bought",
    Marked.NOTED: "With a note",
    Marked.HIDDEN: "Hidden",
    Marked.ANY: "Hidden ones too",
}


@dataclass(frozen=True, eq=False, kw_only=True)
class MarkedFilter(Filter[Marked]):
    """Deals with a mark; by default those that are not hidden."""

    cost: Cost = Cost.SET

    def parse(self, values: Sequence[str], domain_id: int) -> Marked:  # noqa: ARG002
        return read_enum(self.name, values, Marked)

    def schema(self) -> Schema:
        return {"type": "string", "enum": [str(value) for value in Marked]}

    def words(self, value: Marked, terms: Terms) -> str:  # noqa: ARG002
        return _SAID[value]

    def options(self, value: Marked | None) -> Sequence[Option]:  # noqa: ARG002
        return [(value, words) for value, words in _SAID.items()]

    def sql(self, value: Marked, context: Context) -> ColumnElement[bool]:
        marks = context.marks
        if value is Marked.ANY:
            return true()
        if value is Marked.NOT_HIDDEN:
            return not_(_is_hidden(marks)) if marks.hides_any else true()
        if value is Marked.HIDDEN:
            return _is_hidden(marks) if marks.hides_any else false()
        column = {
            Marked.STARRED: _M.starred_at,
            Marked.BOUGHT: _M.bought_at,
            Marked.NOTED: _M.note,
        }[value]
        return _has_row(marks, column.is_not(None))

    def mask(self, value: Marked, context: Context, rows: Rows) -> Array:
        marks = context.marks
        kind = value.kind
        if kind is not None:
            return rows.marked(marks, kind)
        if value is Marked.ANY or not marks.hides_any:
            return rows.column("is_here")
        return ~rows.marked(marks, MarkKind.HIDDEN)


def _has_row(marks: Marks, condition: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(
        _M.book_id == marks.book, _M.domain_id == _T.domain_id, _M.asin == _T.asin, condition
    )


def _is_hidden(marks: Marks) -> ColumnElement[bool]:
    """As ``Marks.hidden_by`` says, never null."""
    dearer = or_(_M.hidden_price.is_(None), _T.price.is_(None), _T.price > _M.hidden_price)
    conditions = []
    if marks.hidden:
        conditions.append(_has_row(marks, _M.hidden_at.is_not(None) & dearer))
    if marks.brands:
        conditions.append(exists().where(_B.book_id == marks.book, _B.brand == _T.brand))
    if marks.categories:
        conditions.append(
            exists().where(
                _C.book_id == marks.book, _C.domain_id == _T.domain_id, _C.category == _T.root_category
            )
        )
    return or_(*conditions)


MARKED = MarkedFilter(
    name="marked",
    description="By your own marks; without it, hidden deals are left out",
    default=Marked.NOT_HIDDEN,
    field=Field(KIND, "Your marks", Kind.CHOICE, placeholder="", stands_last=True),
)
