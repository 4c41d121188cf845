"""Deals that are left out because their rows can't be read; told where somebody has looked at every row."""

from __future__ import annotations

from collections.abc import Iterator

from keepa_deals.health.metric import AnyMetric, gauge
from keepa_deals.health.part import Json, Part, Snapshot


def _to_json(snapshot: Snapshot) -> Json:
    rows = snapshot.unreadable
    return {"unreadable": None if rows is None else {"deals": rows.count, "examples": list(rows.examples)}}


def _metrics(snapshot: Snapshot) -> Iterator[AnyMetric]:
    count = snapshot.unreadable.count if snapshot.unreadable else None
    yield from gauge("unreadable_deals", "Deals that are left out because their rows can't be read", count)


PART: Part[None] = Part("unreadable", None, _to_json, _metrics)
