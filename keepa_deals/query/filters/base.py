"""What a filter is: one object that knows its parameter, words, field, and what it means on both sides.

Pages, chips, the API's description, exports, feeds and both back ends go through the registry and ask; none
of them names a filter.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Any, Generic, Protocol, TypeVar

from sqlalchemy import ColumnElement, or_

from keepa_deals.deals.freshness import AsOf
from keepa_deals.marks.marks import NO_MARKS, MarkKind, Marks
from keepa_deals.query.encoding import Array
from keepa_deals.query.intervals import Interval

V = TypeVar("V")
Schema = dict[str, Any]
"""A JSON Schema."""
Values = Mapping[str, Any]
"""The values of a view's filters, by name."""
Option = tuple[str, str]
"""A value as the address has it, and what the list says."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a condition depends on beside the filter's value."""

    interval: Interval
    as_of: AsOf
    searches: Mapping[int, int] = field(default_factory=dict)
    """The marketplaces of the searches, for the cache: the database looks them up."""
    marks: Marks = NO_MARKS
    """Those of whoever asks."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What the words of a filter depend on beside its value."""

    domain_id: int
    """In whose currency amounts are typed."""
    interval: Interval
    categories: Mapping[int, str]
    """The names of those that are known."""
    searches: Mapping[int, str] = field(default_factory=dict)
    """The same of searches."""


class Rows(Protocol):
    """Deals of the column cache. Everything that it gives is as long as they are many."""

    def column(self, name: str) -> Array:
        """The values of a column, as ``query.encoding`` says."""
        ...

    def mentioning(self, word: str) -> Array:
        """Which of them have the word in title or brand, in whatever case."""
        ...

    def with_asin(self, asin: str) -> Array:
        """Which of them have this ASIN; none when it is no ASIN."""
        ...

    def in_categories(self, numbers: Collection[int]) -> Array:
        """Which of them are in one of these root categories; 0 is "unknown"."""
        ...

    def marked(self, marks: Marks, kind: MarkKind) -> Array:
        """Which of them have such a mark; hidden ones are those that are out of sight for any reason."""
        ...


# -- in the page's form --------------------------------------------------------------------------
class Kind(StrEnum):
    """How the form asks for a value."""

    SEARCH = "search"
    CATEGORIES = "categories"
    NUMBER = "number"
    CHOICE = "choice"
    SWITCH = "switch"
    HIDDEN = "hidden"


@dataclass(frozen=True, slots=True)
class Group:
    """Fields that stand together. ``{currency}`` in a legend or label is the sign of the view's currency."""

    place: int
    """The order of the groups in the form."""
    legend: str = ""
    style: str = ""
    beside: str = ""
    """Which choice of the view itself stands with them: ``interval`` or ``limit``."""


@dataclass(frozen=True, slots=True)
class Field:
    """A filter's field in the form."""

    group: Group
    label: str
    kind: Kind = Kind.NUMBER
    placeholder: str = "any"
    is_bare: bool = False
    """Whether the group's legend says what it is, so that the label is for screen readers only."""
    is_whole: bool = False
    """Whether a keyboard of digits is enough."""
    stands_last: bool = False
    """Whether it stands after the group's other fields."""


# -- filters -------------------------------------------------------------------------------------
class Cost(IntEnum):
    """What a condition costs a database, roughly: the cheap ones are asked first."""

    FIRST = 0
    COLUMN = 1
    SET = 2
    NULLABLE = 3
    TEXT = 4


@dataclass(frozen=True, eq=False, kw_only=True)
class Filter(ABC, Generic[V]):
    """One filter of the deals, with values of type ``V``."""

    name: str
    """Its parameter."""
    description: str
    """For the description of the API."""
    field: Field
    default: V | None = None
    """The value of a view that does not give the filter; ``None`` filters nothing."""
    cost: Cost = Cost.COLUMN
    narrows: bool = True
    """Whether it takes deals away."""

    @property
    def noun(self) -> str:
        """What it is about."""
        return self.description

    @property
    def columns(self) -> Sequence[ColumnElement[Any]]:
        """The numbers, answers and moments that ``mask`` reads, for the cache to hold."""
        return ()

    # -- as a parameter ------------------------------------------------------------------------
    @abstractmethod
    def parse(self, values: Sequence[str], domain_id: int) -> V:
        """The value that the parameter's ``values`` stand for; ``ParameterError`` when they are none."""

    def parse_typed(self, values: Sequence[str], domain_id: int) -> V:
        """The same of what a person typed: ``ParameterError`` says in words why it is none."""
        return self.parse(values, domain_id)

    @abstractmethod
    def schema(self) -> Schema:
        """Which values the parameter takes."""

    def write(self, value: V, domain_id: int) -> Sequence[str]:  # noqa: ARG002  # amounts need the domain
        """The parameter's values in an address, which ``parse`` reads again."""
        return [str(value)]

    def shown(self, value: V, domain_id: int) -> Sequence[str]:
        """The same as the form shows them, which ``parse_typed`` reads again."""
        return self.write(value, domain_id)

    # -- in words ------------------------------------------------------------------------------
    @abstractmethod
    def words(self, value: V, terms: Terms) -> str:
        """What it says, as a chip."""

    def chips(self, value: V, terms: Terms) -> Iterator[tuple[str, V | None]]:
        """What it says, and the value that is left without that."""
        yield self.words(value, terms), None

    # -- in the form ---------------------------------------------------------------------------
    def is_offered(self, values: Values) -> bool:  # noqa: ARG002  # some depend on what else is chosen
        """Whether the form of a view with these values has the field."""
        return True

    def options(self, value: V | None) -> Sequence[Option]:  # noqa: ARG002  # an odd value is offered, too
        """What a list offers."""
        return ()

    # -- as a condition ------------------------------------------------------------------------
    @abstractmethod
    def sql(self, value: V, context: Context) -> ColumnElement[bool]:
        """Which deals hold, for the database."""

    @abstractmethod
    def mask(self, value: V, context: Context, rows: Rows) -> Array:
        """Which deals hold, in the column cache: the same ones."""


@dataclass(frozen=True, eq=False, kw_only=True)
class NullableFilter(Filter[V]):
    """A filter on what may be unknown of a deal: then the deal is hidden, and counted as hidden."""

    cost: Cost = Cost.NULLABLE

    @abstractmethod
    def unknown_sql(self, value: V, context: Context) -> ColumnElement[bool]:
        """Which deals can't tell, for the database."""

    @abstractmethod
    def unknown_mask(self, value: V, context: Context, rows: Rows) -> Array:
        """Which deals can't tell, in the column cache."""

    def sql_or_unknown(self, value: V, context: Context) -> ColumnElement[bool]:
        """Which deals hold or can't tell."""
        return or_(self.sql(value, context), self.unknown_sql(value, context))
