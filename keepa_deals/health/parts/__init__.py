"""The parts of a report, each a module with its dataclass, its reading, its JSON and its metrics."""

from __future__ import annotations

from typing import Any

from keepa_deals.health.part import Part
from keepa_deals.health.parts import (
    alerts,
    beat,
    database,
    deals,
    flow,
    history,
    host,
    jobs,
    keepa,
    locks,
    plan,
    queues,
    redis,
    searches,
    seller,
    tokens,
    unreadable,
)

PARTS: tuple[Part[Any], ...] = (
    deals.PART,
    unreadable.PART,
    tokens.PART,
    jobs.PART,
    beat.PART,
    queues.PART,
    flow.PART,
    plan.PART,
    searches.PART,
    keepa.PART,
    redis.PART,
    locks.PART,
    database.PART,
    history.PART,
    alerts.PART,
    seller.PART,
    host.PART,
)
"""The one list of parts, in the order in which machines are told of them."""
READ = tuple(part for part in PARTS if part.read is not None)
"""Those that are read; the others only show what they read."""
