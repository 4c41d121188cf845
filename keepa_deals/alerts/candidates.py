"""The deals that alerts look at: read once, asked by every alert's view and rule."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy import Connection, func, select

from keepa_deals.alerts.rules import DealFacts
from keepa_deals.db.models import Deal, DealEvent, DealPoint
from keepa_deals.deals.freshness import AsOf
from keepa_deals.deals.kinds import DealEventKind, EndedReason
from keepa_deals.marks.marks import Marks
from keepa_deals.query.cache.block import built
from keepa_deals.query.cache.columns import keys_at, places_of, selected, sound_batch
from keepa_deals.query.cache.snapshot import CacheSnapshot
from keepa_deals.query.filters.scope import STATUS, Status
from keepa_deals.query.view import View

Key = tuple[int, str]
"""Domain and ASIN."""
MAX_ASINS = 500
"""ASINs of one query."""
_D, _E, _P = Deal.__table__.c, DealEvent.__table__.c, DealPoint.__table__.c
_FACTS = (
    *(_D.domain_id, _D.asin, _D.price, _D.first_seen_at, _D.found_at),
    *(_D.ended_at, _D.ended_reason, _D.is_lowest),
)
_CAME_BACK = (DealEventKind.RETURNED, DealEventKind.LIVE_AGAIN)


@dataclass(frozen=True)
class Candidates:
    """Deals at one moment, as views and as rules see them."""

    snapshot: CacheSnapshot
    facts: Mapping[Key, DealFacts]
    as_of: AsOf

    def of(self, view: View, marks: Marks, *, ended: bool) -> list[Key]:
        """Those that the view of whoever made these marks has; with ``ended`` whatever their status."""
        if ended:
            view = view.having(STATUS, Status.ALL)
        keys: list[Key] = []
        for part in self.snapshot.of_reader(marks).chosen(view, self.as_of):
            keys += keys_at(part.block.places[np.flatnonzero(part.rows)].tolist())
        return [key for key in keys if key in self.facts]


def read_candidates(connection: Connection, keys: Iterable[Key], as_of: AsOf) -> Candidates:
    """These deals; one that is gone, or can't be read, is left out."""
    rows: list[Any] = []
    facts: dict[Key, DealFacts] = {}
    for domain_id, asins in _batches(keys):
        chosen = (_D.domain_id == domain_id, _D.asin.in_(asins))
        rows += connection.execute(select(*selected(connection.dialect.name)).where(*chosen)).all()
        for _, asin, *values in connection.execute(select(*_FACTS).where(*chosen)):
            facts[domain_id, asin] = DealFacts(*values)
    batch = sound_batch(rows)[0] if rows else None
    if batch is None:
        return Candidates(CacheSnapshot((), {}), {}, as_of)
    restocked = _restocked(connection, facts)
    flags = np.isin(batch.places, _places(restocked))
    batch = replace(batch, arrays={**batch.arrays, "was_out_of_stock": flags})
    known = {
        key: replace(fact, restocked_at=restocked[key]) if key in restocked else fact
        for key, fact in facts.items()
    }
    return Candidates(CacheSnapshot(tuple(built(batch)), {}), known, as_of)


def _restocked(connection: Connection, keys: Iterable[Key]) -> dict[Key, datetime | None]:
    """The deals that had ended for being out of stock, each with when it came back since."""
    ended: dict[Key, datetime] = {}
    back: dict[Key, datetime] = {}
    for domain_id, asins in _batches(keys):
        events = (
            select(_E.asin, _E.kind, func.max(_E.at))
            .where(_E.domain_id == domain_id, _E.asin.in_(asins))
            .group_by(_E.asin, _E.kind)
        )
        out = events.where(_E.kind == DealEventKind.ENDED, _E.reason == EndedReason.OUT_OF_STOCK)
        ended |= {(domain_id, asin): at for asin, _, at in connection.execute(out)}
        if not ended:
            continue
        for asin, _, at in connection.execute(events.where(_E.kind.in_(_CAME_BACK))):
            key = domain_id, asin
            back[key] = max(at, back.get(key, at))
    return {key: back[key] if key in back and back[key] > at else None for key, at in ended.items()}


def prices_before(connection: Connection, keys: Iterable[Key], since: datetime) -> dict[Key, int | None]:
    """The price of each deal at ``since``; the first one that is known after it, where it came later."""
    before: dict[Key, int | None] = {}
    for domain_id, asins in _batches(keys):
        query = (
            select(_P.asin, _P.at, _P.price)
            .where(_P.domain_id == domain_id, _P.asin.in_(asins))
            .order_by(_P.asin, _P.at)
        )
        for asin, at, price in connection.execute(query).all():
            if (domain_id, asin) not in before or at <= since:
                before[domain_id, asin] = price
    return before


def _batches(keys: Iterable[Key]) -> Iterable[tuple[int, Sequence[str]]]:
    by_domain: dict[int, list[str]] = {}
    for domain_id, asin in dict.fromkeys(keys):
        by_domain.setdefault(domain_id, []).append(asin)
    for domain_id, asins in by_domain.items():
        for start in range(0, len(asins), MAX_ASINS):
            yield domain_id, asins[start : start + MAX_ASINS]


def _places(keys: Iterable[Key]) -> Any:
    pairs = [key for key in keys if len(key[1]) == 10]
    return places_of(*zip(*pairs, strict=True)) if pairs else np.zeros(0, np.int64)
