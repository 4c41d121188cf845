"""What happened to a deal, in words, and its history as the chart draws it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from keepa_deals.db.models import DealEventKind
from keepa_deals.web.browse import FoundDeal
from keepa_deals.web.money import money, whole
from keepa_deals.web.present import ENDED_REASONS

MOST_ENTRIES = 60
MOST_CHARTED = 1500
MOST_ROWS = 40

_WORDS = {
    DealEventKind.FOUND: "Found in Keepa’s feed",
    DealEventKind.STALE: "Not looked at in time: stale from here on, until it is seen again",
    DealEventKind.LIVE_AGAIN: "Seen again: live",
    DealEventKind.ENDED: "Ended",
    DealEventKind.RETURNED: "Came back as a deal",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened. ``kind`` is an event's, or ``fell`` and ``rose`` for the price."""

    at: datetime
    kind: str
    text: str


def entries(found: FoundDeal) -> list[Entry]:
    """The deal's life, newest first."""
    everything = [*_events(found), *_prices(found)]
    return sorted(everything, key=lambda entry: entry.at, reverse=True)[:MOST_ENTRIES]


def _events(found: FoundDeal) -> Iterator[Entry]:
    for event in found.events:
        text = _WORDS[event.kind]
        if event.reason:
            text = f"{text}: {ENDED_REASONS[event.reason]}"
        yield Entry(event.at, str(event.kind), text)


def _prices(found: FoundDeal) -> Iterator[Entry]:
    domain_id = found.row.domain_id
    for before, after in pairwise(found.points):
        if before.price == after.price:
            continue
        if before.price is None or after.price is None:
            text = (
                "No price any more"
                if after.price is None
                else f"Priced again: {money(after.price, domain_id)}"
            )
            yield Entry(after.at, "priced", text)
            continue
        kind = "fell" if after.price < before.price else "rose"
        text = f"The price {kind} from {money(before.price, domain_id)} to {money(after.price, domain_id)}"
        yield Entry(after.at, kind, text)


def series(found: FoundDeal) -> list[list[int | None]]:
    """Unix seconds, price and average in the smallest unit, rank: each point holds until the next.

    The last point is repeated at the moment up to which it is known to hold.
    """
    points: Sequence[Any] = found.points[-MOST_CHARTED:]
    rows = [(int(p.at.timestamp()), p.price, p.price_avg_90, p.sales_rank) for p in points]
    until = int((found.row.ended_at or found.row.last_seen_at).timestamp())
    if rows and until > rows[-1][0]:
        rows.append((until, *rows[-1][1:]))
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[], [], [], []]


def summary(found: FoundDeal) -> str:
    """What the chart shows, in a sentence for those who don't see it."""
    prices = [(p.price, p.at) for p in found.points if p.price is not None]
    if not prices:
        return "No price was recorded yet."
    low, high = min(prices), max(prices)
    domain_id = found.row.domain_id
    if len(found.points) == 1:
        return f"One record so far, {money(low[0], domain_id)}: the curve grows with each change."
    text = f"{whole(len(found.points))} records since {found.points[0].at:%Y-%m-%d %H:%M} UTC"
    if low[0] == high[0]:
        return f"{text}: the price stayed at {money(low[0], domain_id)}."
    return (
        f"{text}: the lowest price was {money(low[0], domain_id)} ({low[1]:%Y-%m-%d %H:%M}), "
        f"the highest {money(high[0], domain_id)} ({high[1]:%Y-%m-%d %H:%M})."
    )
