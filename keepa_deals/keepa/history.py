"""Histories of a product: the points of Keepa's flat ``csv`` arrays (docs: Product Object)."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from keepa_deals.keepa import fields
from keepa_deals.keepa.enums import CsvType
from keepa_deals.keepa.time import from_keepa_minutes


@dataclass(frozen=True, slots=True)
class PricePoint:
    """One point of a history: ``value`` in cents, rank or count, shipping in cents where it is known."""

    at: datetime
    value: int | None
    shipping: int | None = None


def parse_history(kind: CsvType, flat: Sequence[int]) -> tuple[PricePoint, ...]:
    """The points of one flat ``csv`` array: pairs, or triples for the types with shipping.

    Points at impossible times are left out.
    """
    step = _step(kind)
    if len(flat) % step:
        raise ValueError(f"history of {kind.name} has {len(flat)} numbers, not a multiple of {step}")
    return tuple(
        PricePoint(
            at=from_keepa_minutes(flat[i]),
            value=fields.amount(flat[i + 1]),
            shipping=fields.amount(flat[i + 2]) if step == 3 else None,
        )
        for i in range(0, len(flat), step)
        if 0 <= flat[i] <= fields.LATEST_MINUTE
    )


class Histories(Mapping[CsvType, tuple[PricePoint, ...]]):
    """The histories that came, each parsed when it is asked for: an answer has twenty, and few are needed.

    One that holds anything but 64-bit numbers, or a part of a point, is a ``ValueError`` then.
    """

    def __init__(self, csv: object) -> None:
        came = {kind: flat for kind, flat in zip(CsvType, fields.entries(csv), strict=False) if flat}
        self._flat = {kind: _packed(flat) for kind, flat in came.items()}

    def __getitem__(self, kind: CsvType) -> tuple[PricePoint, ...]:
        flat = self._flat[kind]
        if flat is None:
            raise ValueError(f"history of {kind.name} is no list of whole numbers")
        return parse_history(kind, flat)

    def __iter__(self) -> Iterator[CsvType]:
        return iter(self._flat)

    def __len__(self) -> int:
        return len(self._flat)


def _packed(flat: object) -> Sequence[int] | None:
    """The numbers of a history in a quarter of a list's memory; ``None`` where they are none."""
    try:
        return array("q", flat) if isinstance(flat, list) else None
    except (TypeError, OverflowError):
        return None


def _step(kind: CsvType) -> int:
    """How many numbers a point of a history has."""
    return 3 if kind.has_shipping else 2
