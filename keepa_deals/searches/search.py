"""One search: a deal query of one marketplace at one price type, and what is known of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from keepa_deals.db.models import SearchOwner, SearchRow, SearchState
from keepa_deals.keepa.enums import CsvType
from keepa_deals.keepa.selection import price_type
from keepa_deals.marketplaces import marketplace

_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Search:
    """A search as its row has it. ``tokens_*`` count what Keepa charged for it."""

    id: int
    is_first: bool
    """Whether its state is the jobs' own (``job_states``)."""
    name: str
    query: Mapping[str, Any]
    weight: int
    fresh_minutes: int | None
    state: SearchState
    owner: SearchOwner
    changed_at: datetime
    watermark: datetime | None
    cursor: Mapping[str, Any] | None
    crawl: Mapping[str, Any] | None
    file_problem: str | None
    error: str | None
    error_at: datetime | None
    tokens_spent: int
    hour_at: datetime | None
    tokens_this_hour: int
    tokens_last_hour: int

    @property
    def domain_id(self) -> int:
        return int(self.query["domainId"])

    @property
    def price_type(self) -> CsvType:
        return price_type(self.query)

    @property
    def shop(self) -> str:
        """``amazon.de``."""
        return f"amazon.{marketplace(self.domain_id).tld}"

    def tokens_within_an_hour(self, now: datetime) -> int:
        """What it cost in the hour before ``now``: all of this one, and of the last what lies within."""
        hour = hour_of(now)
        if self.hour_at == hour:
            return self.tokens_this_hour + round(self.tokens_last_hour * (1 - (now - hour) / _HOUR))
        if self.hour_at == hour - _HOUR:
            return round(self.tokens_this_hour * (1 - (now - hour) / _HOUR))
        return 0


def search_of(row: SearchRow) -> Search:
    """The search in a row."""
    return Search(**{name: getattr(row, name) for name in Search.__slots__})


def hour_of(now: datetime) -> datetime:
    """The beginning of the hour."""
    return now.replace(minute=0, second=0, microsecond=0)


def count_tokens(row: SearchRow, tokens: int, now: datetime) -> None:
    """Count what Keepa charged for a search."""
    hour = hour_of(now)
    if row.hour_at != hour:
        row.tokens_last_hour = row.tokens_this_hour if row.hour_at == hour - _HOUR else 0
        row.tokens_this_hour, row.hour_at = 0, hour
    row.tokens_this_hour += tokens
    row.tokens_spent += tokens
