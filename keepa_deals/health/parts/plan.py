"""What the upserter spends a freshness window on, as it wrote it down (``ingest.upsert.budget.Plan``)."""

from __future__ import annotations

from collections.abc import Iterator

from keepa_deals.health.metric import AnyMetric, gauge
from keepa_deals.health.part import Json, Part, Snapshot
from keepa_deals.health.parts.jobs import job_in
from keepa_deals.ingest.upsert.state import plan_of
from keepa_deals.jobs import UPSERT_JOB

_FIGURES = (
    ("matching", "Deals that match the selection"),
    ("kept", "Deals that the budget and Keepa let us keep fresh"),
    ("needed", "Tokens a freshness window to keep all"),
    ("supply", "Tokens that come in a freshness window"),
)
_NAMES = {"needed": "plan_tokens_needed", "supply": "plan_tokens_supply"}


def plan_in(snapshot: Snapshot) -> Json:
    """The plan; ``None`` is not known yet.

    ``matching`` deals fit the selection, the newest ``kept`` are kept fresh, ``limit`` says why not all:
    ``plan`` (``needed`` tokens a window, ``supply`` come) or ``keepa`` (it shows 10,000 of a query).
    """
    job = job_in(snapshot, UPSERT_JOB.name)
    plan = plan_of(job.cursor) if job else None
    names = ("matching", "kept", "needed", "supply", "limit")
    return {name: getattr(plan, name) if plan else None for name in names}


def _metrics(snapshot: Snapshot) -> Iterator[AnyMetric]:
    plan = plan_in(snapshot)
    for name, text in _FIGURES:
        yield from gauge(_NAMES.get(name, f"plan_{name}"), text, plan[name])


PART: Part[None] = Part("plan", None, lambda snapshot: {"plan": plan_in(snapshot)}, _metrics)
