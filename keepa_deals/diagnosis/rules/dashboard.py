"""Causes in what people see: the dashboard, and whether it shows what the table has."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from keepa_deals.diagnosis.evidence.gather import Evidence
from keepa_deals.diagnosis.rules.base import RESTART, Alert, Finding, Rank, rule, start_again
from keepa_deals.diagnosis.rules.processes import STARTING
from keepa_deals.humanize import duration_text

RENEWED_WITHIN = timedelta(minutes=2)
"""The column cache follows the table each second; a large one takes a minute to be made."""


@rule(
    rank=Rank.VIEW,
    meaning="Nobody can see the deals.",
    seen_by="no process, or no answer within two seconds",
    fix="look into log/dashboard.log",
    follows="not_running process_suspended program_crashing disk_full database_unavailable database_damaged "
    "database_locked",
    alert=Alert("up{job='keepa_deals'} == 0"),
)
def dashboard_down(evidence: Evidence) -> Iterator[Finding]:
    if not evidence.dashboard.error or not evidence.ours():
        return
    if "dashboard" not in evidence.ours():
        yield Finding("the dashboard's process does not run", start_again(evidence))
    elif evidence.report.taken_at - evidence.ours()["dashboard"].started_at > STARTING:
        yield Finding(f"it does not answer: {evidence.dashboard.error}")


@rule(
    rank=Rank.VIEW,
    meaning="What people see is not what the table has.",
    seen_by="the dashboard's count of live deals differs by more than a twentieth",
    fix=f"another deployment's dashboard may listen there: check DASHBOARD_PORT; else {RESTART}",
    follows="database_unavailable database_locked process_suspended janitor_at_work deals_dwindling",
    alert=None,
)
def dashboard_disagrees(evidence: Evidence) -> Iterator[Finding]:
    deals = evidence.report.deals.value
    shown = ((evidence.dashboard.value or {}).get("deals") or {}).get("live")
    if deals is not None and shown is not None and abs(shown - deals.live) > max(5, deals.live // 20):
        where = evidence.settings.dashboard_bind
        yield Finding(f"{where} shows {shown} live deals, the table has {deals.live}")


@rule(
    rank=Rank.VIEW,
    meaning="The database answers lists and counts instead, and takes longer.",
    seen_by="the dashboard's column cache has not followed the table for two minutes",
    fix=f"log/dashboard.log says why; if it is memory or a lock that is gone by now: {RESTART}",
    follows="database_unavailable database_damaged database_locked database_not_migrated process_suspended "
    "disk_full memory_short",
    alert=Alert(f"keepa_deals_copy_age_seconds > {RENEWED_WITHIN.total_seconds():.0f}"),
)
def column_cache_old(evidence: Evidence) -> Iterator[Finding]:
    cache, dashboard = (evidence.dashboard.value or {}).get("column_cache"), evidence.ours().get("dashboard")
    if not isinstance(cache, dict) or dashboard is None:
        return
    age, runs = cache.get("age_seconds"), evidence.report.taken_at - dashboard.started_at
    if age is None and runs > RENEWED_WITHIN:
        yield Finding(f"it was never made, {duration_text(runs.total_seconds())} after the dashboard's start")
    elif age is not None and age > RENEWED_WITHIN.total_seconds():
        yield Finding(f"it was last renewed {duration_text(age)} ago")
