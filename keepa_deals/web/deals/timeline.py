"""What happened to a deal, in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from keepa_deals.deals.ended_reasons import ENDED_REASONS
from keepa_deals.deals.kinds import DealEventKind
from keepa_deals.deals.money import money
from keepa_deals.web.deals.detail import DealDetail

MAX_ENTRIES = 60

_WORDS = {
    DealEventKind.FOUND: "Found in Keepa’s feed",
    DealEventKind.PRESENT: "In Keepa’s feed when it was first read",
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


def entries(detail: DealDetail) -> list[Entry]:
    """The deal's life, newest first."""
    everything = [*_events(detail), *_prices(detail)]
    return sorted(everything, key=lambda entry: entry.at, reverse=True)[:MAX_ENTRIES]


def _events(detail: DealDetail) -> Iterator[Entry]:
    for event in detail.events:
        text = _WORDS[event.kind]
        if event.reason:
            text = f"{text}: {ENDED_REASONS[event.reason]}"
        yield Entry(event.at, str(event.kind), text)


def _prices(detail: DealDetail) -> Iterator[Entry]:
    domain_id = detail.row.domain_id
    for before, after in pairwise(detail.points):
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
