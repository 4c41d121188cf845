"""A deal of the feed, and a page of them (api_backend: Deal.java; docs: Browsing Deals).

Prices are integers in the locale's smallest unit (cents; yen has none), ranks and counts integers. Keepa's -1
(no offer) and -2 (not fetched) both become ``None``, and so does whatever is no such value
(``keepa.fields``): a strange optional field is unknown, an entry without its identity an error. Times are
aware UTC.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from keepa_deals.keepa import fields
from keepa_deals.keepa.enums import CsvType, Interval
from keepa_deals.keepa.envelope import TokenEnvelope
from keepa_deals.keepa.fields import MAX_TITLE, Json, at
from keepa_deals.keepa.sanitize import image_name
from keepa_deals.keepa.time import from_keepa_minutes

UNKNOWN_CATEGORY = 9_223_372_036_854_775_807
"""The id that Keepa gives to deals whose root category it does not know."""


@dataclass(frozen=True, slots=True)
class Deal:
    """One entry of ``/deal`` (api_backend: Deal.java), the arrays as Keepa indexes them.

    ``current``, ``avg[interval]`` … are indexed by :class:`CsvType`; ``delta`` is
    average minus current, so a positive one means that the price fell. Where average or current value are
    unknown, so are ``delta`` and ``delta_percent`` (Keepa sends 0).
    """

    asin: str
    parent_asin: str | None
    title: str
    root_category: int | None
    image: str | None
    creation_date: datetime
    last_update: datetime
    current: tuple[int | None, ...]
    current_since: tuple[datetime | None, ...]
    delta: tuple[tuple[int | None, ...], ...]
    delta_percent: tuple[tuple[int | None, ...], ...]
    avg: tuple[tuple[int | None, ...], ...]

    @classmethod
    def from_json(cls, raw: Json) -> Deal:
        """Parsed from an entry of ``deals.dr``; ``KeyError`` or ``ValueError`` when it is none."""
        current = fields.amounts(raw.get("current"))
        avg = tuple(fields.amounts(row) for row in _rows(raw.get("avg")))
        return cls(
            asin=fields.asin_of(raw),
            parent_asin=fields.other_asin(raw.get("parentAsin")),
            title=fields.text(raw.get("title"), MAX_TITLE),
            root_category=_category(raw.get("rootCat")),
            image=image_name(raw.get("image")),
            creation_date=_date(raw, "creationDate"),
            last_update=_date(raw, "lastUpdate"),
            current=current,
            current_since=tuple(fields.moment(t) for t in fields.entries(raw.get("currentSince"))),
            delta=_differences(raw.get("delta"), avg, current),
            delta_percent=_differences(raw.get("deltaPercent"), avg, current),
            avg=avg,
        )

    def value(self, kind: CsvType) -> int | None:
        """The current value of one type: cents, rank, count or rating × 10."""
        return at(self.current, kind)

    def average(self, kind: CsvType, interval: Interval) -> int | None:
        """The average of one type over an interval, in the unit of the value."""
        return at(at(self.avg, interval) or (), kind)


@dataclass(frozen=True, slots=True)
class DealPage:
    """One page of ``/deal``: at most 150 deals, and how many the selection has by category.

    ``unreadable`` entries were left out of ``deals``; ``unreadable_asins`` are those of them whose ASIN can
    be read. ``deals_cached`` is the answer's ``dealsCached``: an older answer, given again.
    """

    deals: tuple[Deal, ...]
    category_names: Mapping[int, str]
    category_counts: Mapping[int, int]
    envelope: TokenEnvelope
    unreadable: int = 0
    deals_cached: bool = False
    unreadable_asins: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """How many entries came."""
        return len(self.deals) + self.unreadable


def _date(raw: Json, name: str) -> datetime:
    return from_keepa_minutes(fields.required(raw, name, 0, fields.LATEST_MINUTE))


def _rows(raw: object) -> Sequence[object]:
    return fields.entries(raw, fields.MAX_INTERVALS)


def _differences(
    raw: object, averages: Sequence[Sequence[int | None]], current: Sequence[int | None]
) -> tuple[tuple[int | None, ...], ...]:
    """The rows of ``delta`` or ``deltaPercent``, unknown where one of the two compared is."""
    return tuple(
        tuple(
            None if average is None or value is None else fields.whole(difference)
            for difference, average, value in zip(fields.entries(row), average_row, current, strict=False)
        )
        for row, average_row in zip(_rows(raw), averages, strict=False)
    )


def _category(value: object) -> int | None:
    return fields.whole(value, 1, UNKNOWN_CATEGORY - 1)
