"""What the cache holds of a deal, and how it comes out of the database as arrays (``query.encoding``)."""

from __future__ import annotations

import reprlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Integer,
    String,
    Table,
    case,
    func,
    literal_column,
    type_coerce,
)
from sqlalchemy import cast as sql_cast
from sqlalchemy.sql.elements import BinaryExpression

from keepa_deals.db.models import Deal, UtcDateTime
from keepa_deals.db.soundness import FIRST_MOMENT, INT32, LAST_MOMENT
from keepa_deals.marketplaces import MARKETPLACES
from keepa_deals.query.encoding import NO_TIME, NULL, REASONS, UNKNOWN, Array, name_of, to_number
from keepa_deals.query.filters import FILTERS
from keepa_deals.query.sorts import SORTS

_MAX_NUMBER = int(np.iinfo(np.int32).max)

DEALS = cast("Table", Deal.__table__)


# -- keys ----------------------------------------------------------------------------------------
_ASINS = 36**10
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_NO_DIGIT = 255
_VALUES = np.full(256, _NO_DIGIT, np.uint8)
_VALUES[[ord(digit) for digit in _DIGITS]] = np.arange(36)
_LETTERS = np.frombuffer(_DIGITS.encode("ascii"), np.uint8)
_POWERS = 36 ** np.arange(9, -1, -1, dtype=np.int64)


def place_of(domain_id: int, asin: str) -> int:
    """The number that stands for a deal, in the order of (domain, ASIN); ``ValueError`` for no ASIN."""
    return int(places_of([domain_id], [asin])[0])


def places_of(domains: Sequence[int], asins: Sequence[str]) -> Array:
    """The same for many."""
    if any(len(asin) != 10 for asin in asins):
        raise ValueError("not every key is an ASIN")
    digits = _VALUES[np.frombuffer("".join(asins).encode("ascii"), np.uint8)].reshape(-1, 10)
    if (digits == _NO_DIGIT).any():
        raise ValueError("not every key is an ASIN")
    return np.asarray(domains, np.int64) * _ASINS + digits @ _POWERS


def keys_at(places: Sequence[int]) -> list[tuple[int, str]]:
    """The domains and the ASINs that places stand for."""
    domains, numbers = np.divmod(np.array(places, np.int64), _ASINS)
    letters = _LETTERS[numbers[:, None] // _POWERS % 36].tobytes().decode("ascii")
    asins = [letters[start : start + 10] for start in range(0, len(letters), 10)]
    return list(zip(domains.tolist(), asins, strict=True))


def domain_at(places: Array) -> Array:
    return (places // _ASINS).astype(np.int8)


_FIRST, _LAST = to_number(FIRST_MOMENT), to_number(LAST_MOMENT)


# -- columns -------------------------------------------------------------------------------------
def _read_by_sorts_and_filters() -> Iterator[Any]:
    yield from (sort.column for sort in SORTS.values())
    for each in FILTERS.values():
        yield from each.columns


def _named(kind: type[Any]) -> set[str]:
    """The columns of a type that sorts and filters read."""
    return {name_of(c) for c in _read_by_sorts_and_filters() if isinstance(c.type, kind)}


DIFFERENCES: Mapping[str, tuple[str, str]] = {
    name_of(column): (name_of(column.left), name_of(column.right))
    for column in _read_by_sorts_and_filters()
    if isinstance(column, BinaryExpression)
}
TEXTS = ("title", "brand", "category_name")
MOMENTS = tuple(sorted(_named(UtcDateTime) | {"last_seen_at", "changed_at", "ended_at"}))
"""What sorts and filters read, and what the refresh follows."""
ANSWERS = tuple(sorted(_named(Boolean)))
"""Columns that hold yes, no, or nothing."""
NUMBERS = tuple(
    sorted((_named(Integer) - set(DIFFERENCES)) | {part for pair in DIFFERENCES.values() for part in pair})
)
COLUMNS = (
    *NUMBERS,
    *DIFFERENCES,
    *ANSWERS,
    *MOMENTS,
    "domain_id",
    "ended_reason",
    "is_open",
    "was_out_of_stock",
)
"""What is asked of the cache."""
_ORDER = ("domain_id", "asin", *TEXTS, "root_category", "ended_reason", *MOMENTS, *ANSWERS, *NUMBERS)


def selected(dialect: str) -> list[Any]:
    """The columns to read, in the form that costs least to turn into arrays."""
    return [_raw(DEALS.c[name], dialect) for name in _ORDER]


def _raw(column: Column[Any], dialect: str) -> Any:
    """Moments as the text that SQLite stores, or as the microseconds that PostgreSQL can tell."""
    if column.name in NUMBERS:
        return func.coalesce(column, literal_column(str(NULL))).label(column.name)
    if column.name in ANSWERS:
        answer = case((column.is_(None), literal_column(str(UNKNOWN))), (column, 1), else_=0)
        return answer.label(column.name)
    if not isinstance(column.type, UtcDateTime):
        return column
    if dialect == "sqlite":
        return type_coerce(column, String())
    microseconds = sql_cast(func.extract("epoch", column) * 1_000_000, BigInteger())
    known = column.between(FIRST_MOMENT, LAST_MOMENT)  # an infinite one is no number
    return case((known, microseconds), (column.is_not(None), 0)).label(column.name)


# -- rows ----------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Batch:
    """Rows taken apart into columns. ``texts`` has the three of ``TEXTS``, a tuple a row."""

    places: Array
    arrays: Mapping[str, Array]
    texts: Sequence[tuple[str, str | None, str | None]]

    def __len__(self) -> int:
        return len(self.places)

    def take(self, rows: Array) -> Batch:
        """Only these rows, in their order."""
        return Batch(
            self.places[rows],
            {name: array[rows] for name, array in self.arrays.items()},
            [self.texts[row] for row in rows.tolist()],
        )


def joined(batches: Sequence[Batch]) -> Batch:
    """One batch of all."""
    return Batch(
        np.concatenate([batch.places for batch in batches]),
        {name: np.concatenate([b.arrays[name] for b in batches]) for name in batches[0].arrays},
        [row for batch in batches for row in batch.texts],
    )


class UnsoundError(ValueError):
    """A row holds what its column can't: the text names the first such column and its value."""


def sound_batch(rows: Sequence[Sequence[Any]]) -> tuple[Batch | None, dict[tuple[Any, Any], str]]:
    """The rows that can be read, if there are any, and the keys of the others with what is wrong."""
    try:
        return batch_of(rows), {}
    except UnsoundError:
        sound, unsound = [], {}
        for row in rows:
            try:
                batch_of([row])
                sound.append(row)
            except UnsoundError as error:
                domain_id, asin = row[:2]
                unsound[domain_id, asin] = (
                    f"{reprlib.repr(asin)} of domain {reprlib.repr(domain_id)}: {error}"
                )
        return batch_of(sound) if sound else None, unsound


def batch_of(rows: Sequence[Sequence[Any]]) -> Batch:
    """The rows of a query for ``selected`` columns, of which there is at least one, as arrays.

    ``UnsoundError`` when a value is none of its column's.
    """
    columns = dict(zip(_ORDER, zip(*rows, strict=True), strict=True))
    places = _places(columns["domain_id"], columns["asin"])
    texts = list(zip(*(_checked(name, columns[name], str, name != "title") for name in TEXTS), strict=True))
    categories = _checked("root_category", columns["root_category"], int, may_be_null=True)
    arrays = {
        **{name: _numbers(name, columns[name]) for name in NUMBERS},
        **{name: np.array(columns[name], np.int8) for name in ANSWERS},
        **{name: _moments(name, columns[name]) for name in MOMENTS},
        "root_category": np.array([value or 0 for value in categories], np.int64),
        "domain_id": domain_at(places),
        "ended_reason": np.array([_number_of(reason) for reason in columns["ended_reason"]], np.int8),
    }
    for name, (left, right) in DIFFERENCES.items():
        arrays[name] = _difference(arrays[left], arrays[right])
    arrays["is_open"] = arrays["ended_at"] == NO_TIME
    arrays["signature"] = np.array([hash(row) for row in zip(texts, categories, strict=True)], np.int64)
    return Batch(places, arrays, texts)


def _checked(name: str, values: Sequence[Any], kind: type, may_be_null: bool = False) -> Sequence[Any]:
    """``values`` when they are all of a type; looked at by their types, which takes no time."""
    strange = set(map(type, values)) - {kind}
    if strange - ({type(None)} if may_be_null else set()):
        wrong = next(value for value in values if type(value) in strange)
        raise UnsoundError(f"{name} is {reprlib.repr(wrong)}, not {kind.__name__}")
    return values


def _places(domains: Sequence[Any], asins: Sequence[Any]) -> Array:
    if set(_checked("domain_id", domains, int)) <= set(MARKETPLACES):
        try:
            return places_of(domains, _checked("asin", asins, str))
        except ValueError:
            pass
    raise UnsoundError("that is no deal's key")


def _number_of(reason: Any) -> int:
    if reason is None:
        return UNKNOWN
    if reason not in REASONS:
        raise UnsoundError(f"ended_reason is {reprlib.repr(reason)}, none of {', '.join(REASONS)}")
    return REASONS.index(reason)


def _numbers(name: str, values: Sequence[Any]) -> Array:
    numbers = np.array(_checked(name, values, int), np.int64)
    if numbers.max() > INT32 or numbers.min() < NULL:
        raise UnsoundError(f"{name} is {numbers[np.argmax(np.abs(numbers))]}, no whole number of 32 bits")
    return numbers.astype(np.int32)


def _moments(name: str, values: Sequence[Any]) -> Array:
    may_be_null = bool(DEALS.c[name].nullable)
    if any(isinstance(value, str) for value in values):
        try:
            moments = np.array(_checked(name, values, str, may_be_null), "datetime64[us]").astype(np.int64)
        except ValueError as error:
            raise UnsoundError(f"{name}: {error}") from None
    else:
        known = _checked(name, values, int, may_be_null)
        moments = np.array([NO_TIME if value is None else value for value in known], np.int64)
    wrong = ((moments < _FIRST) | (moments >= _LAST)) & (moments != NO_TIME)
    if wrong.any() or (not may_be_null and (moments == NO_TIME).any()):
        raise UnsoundError(f"{name} is no moment of this century")
    return moments  # "not a time" is NO_TIME


def _difference(left: Array, right: Array) -> Array:
    both = (left != NULL) & (right != NULL)
    difference = np.clip(left.astype(np.int64) - right, NULL + 1, _MAX_NUMBER).astype(np.int32)
    return np.where(both, difference, np.int32(NULL))
