"""One deal with all that is kept of it: its records, Keepa's history, the events of its life."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from flask import abort
from sqlalchemy import Connection

from keepa_deals.deals.freshness import AsOf
from keepa_deals.deals.price_history import Past, unpack
from keepa_deals.query.cursor import Key
from keepa_deals.query.detail import UnreadableDealError, read_deal, read_events, read_history, read_points
from keepa_deals.query.rows import DealRow, EventRow, PointRow
from keepa_deals.web.auth.guard import current_person
from keepa_deals.web.deals.marked_rows import DealMarks, marked_rows
from keepa_deals.web.services import Services

ASIN = re.compile(r"[A-Z0-9]{10}")


@dataclass(frozen=True, slots=True)
class DealDetail:
    """One deal with its recorded history (oldest first) and the events of its life (newest first)."""

    row: DealRow
    points: Sequence[PointRow]
    past: Past | None
    """What Keepa told of the year before ``past_read_at``."""
    past_read_at: datetime | None
    events: Sequence[EventRow]
    marks: DealMarks
    """Those of whoever asks."""
    as_of: AsOf


def requested_deal(services: Services, domain_id: int, asin: str) -> DealDetail:
    """The deal that an address names, with all that is kept of it; 404 when there is none."""
    key, as_of = deal_key(domain_id, asin), services.as_of()
    with services.engine.connect() as connection:
        row = _row(connection, key)
        points, events = read_points(connection, key), read_events(connection, key)
        told = read_history(connection, row)
        person = current_person().id
        (marked,) = marked_rows(connection, services.marks.read(connection, person), person, [row])
    past = _unpacked(told.packed) if told else None
    return DealDetail(row, points, past, told.read_at if told and past else None, events, marked.marks, as_of)


def requested_row(services: Services, domain_id: int, asin: str) -> DealRow:
    """The deal that an address names, alone; 404 when there is none."""
    with services.engine.connect() as connection:
        return _row(connection, deal_key(domain_id, asin))


def deal_key(domain_id: int, asin: str) -> Key:
    """The deal that an address names; 404 when it can be none."""
    if not 0 < domain_id < 100 or not ASIN.fullmatch(asin):
        abort(404, "There is no such deal: an address is /deals/<domain>/<ASIN>, like /deals/1/B000000000.")
    return domain_id, asin


def _row(connection: Connection, key: Key) -> DealRow:
    domain_id, asin = key
    try:
        row = read_deal(connection, key)
    except UnreadableDealError as error:
        abort(
            404,
            f"The deal {asin} can't be read, and is left out until its row in the table is mended: {error}.",
        )
    if row is None:
        abort(404, f"There is no deal {asin} of domain {domain_id}: it was never found here.")
    return row


def _unpacked(packed: bytes) -> Past | None:
    """A history that can't be read is none: the page has more to say."""
    try:
        return unpack(packed)
    except ValueError:
        return None
