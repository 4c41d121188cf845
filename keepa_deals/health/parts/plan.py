"""What the upserter spends a freshness window on, as it wrote it down (``ingest.upsert.budget.Plan``)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from keepa_deals.health.metric import AnyMetric, gauge
from keepa_deals.health.part import Json, Part, Snapshot
from keepa_deals.health.parts.jobs import job_in
from keepa_deals.health.parts.searches import searches_in
from keepa_deals.ingest.upsert.budget import Plan
from keepa_deals.ingest.upsert.state import plan_of
from keepa_deals.jobs import UPSERT_JOB

_FIGURES = (
    ("matching", "Deals that match the selection"),
    ("kept", "Deals that the budget and Keepa let us keep fresh"),
    ("needed", "Tokens a freshness window to keep all"),
    ("supply", "Tokens that come in a freshness window"),
)
_SUMS = ("matching", "kept", "needed")
_NAMES = {"needed": "plan_tokens_needed", "supply": "plan_tokens_supply"}


def plan_in(snapshot: Snapshot) -> Json:
    """The plan, of several searches together; ``None`` is not known yet.

    ``matching`` deals fit the selection, the newest ``kept`` are kept fresh, ``limit`` says why not all:
    ``plan`` (``needed`` tokens a window, ``supply`` come) or ``keepa`` (it shows 10,000 of a query).
    """
    plans = [search.plan for search in searches_in(snapshot) if search.plan is not None]
    if len(plans) > 1:
        return _together(plans)
    job = job_in(snapshot, UPSERT_JOB.name)
    plan = plan_of(job.cursor) if job else None
    names = (*_SUMS, "supply", "limit")
    return {name: getattr(plan, name) if plan else None for name in names}


def _together(plans: Sequence[Plan]) -> Json:
    """The sums of the searches' plans, and the first limit that one of them has."""
    supplies = [plan.supply for plan in plans if plan.supply is not None]
    return {
        **{name: sum(getattr(plan, name) for plan in plans) for name in _SUMS},
        "supply": sum(supplies) if len(supplies) == len(plans) else None,
        "limit": next((plan.limit for plan in plans if plan.limit is not None), None),
    }


def _metrics(snapshot: Snapshot) -> Iterator[AnyMetric]:
    plan = plan_in(snapshot)
    for name, text in _FIGURES:
        yield from gauge(_NAMES.get(name, f"plan_{name}"), text, plan[name])


PART: Part[None] = Part("plan", None, lambda snapshot: {"plan": plan_in(snapshot)}, _metrics)
