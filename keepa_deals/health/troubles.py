"""What operators are told of: of all that a look may show, what stays wrong until somebody acts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from keepa_deals.alerts.service import Trouble
from keepa_deals.db.models import SearchState
from keepa_deals.health.part import Part, Snapshot
from keepa_deals.health.parts import alerts, jobs, keepa, queues, searches
from keepa_deals.health.problems import TITLES, find_problems
from keepa_deals.ingest.upsert.budget import Limit, Plan
from keepa_deals.ingest.upsert.state import plan_of
from keepa_deals.jobs import UPSERT_JOB

KEY_REFUSED = "the key is refused"
"""What an error says whose cause is the key."""
KEY_RESULTS = ("402", "key_refused")
CORRECT_KEY = "correct KEEPA_API_KEY in .env (or pay the subscription)"
SPEND_LESS = (
    "narrow the selection, raise DEAL_FRESH_MINUTES or UPSERT_INTERVAL_SECONDS, or take a larger plan"
)
TEST_CHANNEL = "its owner sees the reason on the page of the alerts; a test there tries it at once"

_FIXES = {
    "worker_deaf": "./kill_everything_force.sh && ./start_celery.sh",
    "upserter_behind": "run Diagnostics/diagnose_dwindling_deals.py, which names the cause",
    "key_refused": f"{CORRECT_KEY}, then ./kill_everything_force.sh && ./start_celery.sh",
    "budget_too_small": SPEND_LESS,
    "notifications_failing": TEST_CHANNEL,
}
"""By the name of the problem, which is also that of its rule and of its entry in the runbook."""
READ_FOR: dict[str, tuple[Part[Any], ...]] = {
    "worker_deaf": (queues.PART,),
    "upserter_behind": (jobs.PART,),
    "key_refused": (jobs.PART, keepa.PART),
    "budget_too_small": (jobs.PART, searches.PART),
    "notifications_failing": (alerts.PART,),
}
"""The parts that a problem shows in: while one cannot be read, nobody knows whether it is over."""


def find_troubles(snapshot: Snapshot) -> tuple[Trouble, ...]:
    """What is wrong now and a case for operators, the cause before the consequence."""
    return tuple(_troubles(snapshot))


def unknown_troubles(snapshot: Snapshot) -> frozenset[str]:
    """The problems of which this look cannot tell."""
    return frozenset(
        name for name, parts in READ_FOR.items() if any(not snapshot.reading(part).known for part in parts)
    )


def _troubles(snapshot: Snapshot) -> Iterator[Trouble]:
    if text := _refused_key(snapshot):
        yield _trouble("key_refused", text)
    if text := _short_budget(snapshot):
        yield _trouble("budget_too_small", text)
    for problem in find_problems(snapshot):
        if problem.name in _FIXES:
            yield _trouble(problem.name, problem.text)
    state = snapshot.value(alerts.PART)
    if state is not None and state.failing:
        numbers = ", ".join(str(number) for number, _ in state.failing)
        yield _trouble("notifications_failing", f"messages fail again and again on channel {numbers}")


def _trouble(name: str, text: str) -> Trouble:
    return Trouble(name, TITLES[name], text, _FIXES[name])


def _refused_key(snapshot: Snapshot) -> str:
    for job in snapshot.value(jobs.PART) or ():
        if job.failed and job.last_error and KEY_REFUSED in job.last_error:
            return job.last_error
    return keepa.failing_in_row(snapshot, KEY_RESULTS)


def _short_budget(snapshot: Snapshot) -> str:
    active = (one for one in searches.searches_in(snapshot) if one.state == str(SearchState.ACTIVE))
    plans = [one.plan for one in active if one.plan is not None]
    job = jobs.job_in(snapshot, UPSERT_JOB.name)
    if not plans and job is not None and (plan := plan_of(job.cursor)) is not None:
        plans = [plan]
    short = [plan for plan in plans if plan.limit is Limit.PLAN]
    return " and ".join(_kept(plan) for plan in short)


def _kept(plan: Plan) -> str:
    return f"the newest {plan.kept} of {plan.matching} deals that match are kept fresh"
