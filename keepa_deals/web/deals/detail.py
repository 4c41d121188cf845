"""One deal with all that is kept of it: its records, Keepa's history, the events of its life."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import abort

from keepa_deals.db import soundness
from keepa_deals.deals.price_history import Past, unpack
from keepa_deals.query import reader
from keepa_deals.query.reader import DealRow, Moment
from keepa_deals.web.services import Services

ASIN = re.compile(r"[A-Z0-9]{10}")


@dataclass(frozen=True, slots=True)
class DealDetail:
    """One deal with its recorded history (oldest first) and the events of its life (newest first)."""

    row: DealRow
    points: Sequence[Any]
    past: Past | None
    """What Keepa told of the 90 days before ``past_read_at``."""
    past_read_at: datetime | None
    events: Sequence[Any]
    moment: Moment


def requested_deal(services: Services, domain_id: int, asin: str) -> DealDetail:
    """The deal that an address names; 404 when there is none."""
    if not 0 < domain_id < 100 or not ASIN.fullmatch(asin):
        abort(404, "There is no such deal: an address is /deals/<domain>/<ASIN>, like /deals/1/B000000000.")
    key, moment = (domain_id, asin), services.moment()
    with services.reading() as reading:
        row = reader.read_deal(reading, key)
        if row is None:
            abort(404, f"There is no deal {asin} of domain {domain_id}: it was never found here.")
        if not moment.left_out.readable([row]):
            abort(404, _unreadable(asin, row))
        points, events = reader.read_points(reading, key), reader.read_events(reading, key)
        told = reader.read_past(reading, row)
    past = _unpacked(told.packed) if told else None
    return DealDetail(row, points, past, told.read_at if past else None, events, moment)


def _unreadable(asin: str, row: DealRow) -> str:
    problem = soundness.fault(row._mapping)
    return f"The deal {asin} can't be read, and is left out until its row in the table is mended: {problem}."


def _unpacked(packed: bytes) -> Past | None:
    """A history that can't be read is none: the page has more to say."""
    try:
        return unpack(packed)
    except ValueError:
        return None
