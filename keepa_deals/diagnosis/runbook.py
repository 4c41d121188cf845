"""The runbook and the alert rules, made from the rules themselves, so that they can't drift apart.

``python -m keepa_deals.diagnosis.runbook docs`` writes both; a test compares them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from keepa_deals.diagnosis.rules import RULES


@dataclass(frozen=True, slots=True)
class Alert:
    """A rule of the diagnosis as a condition on what ``/metrics`` shows, and how long it must hold."""

    expression: str
    lasting: str = "2m"


_WELL = "keepa_deals_deals{status='live'}"
_OPEN = "sum(keepa_deals_deals{status=~'live|stale'})"

ALERTS: Mapping[str, Alert] = {
    "disk_full": Alert("keepa_deals_disk_free_bytes < 1e8"),
    "memory_short": Alert("keepa_deals_memory_available_bytes < 2e8"),
    "redis_down": Alert("keepa_deals_problem{name='redis_down'} == 1"),
    "redis_replica": Alert("keepa_deals_redis_replica == 1"),
    "redis_full": Alert(
        "keepa_deals_redis_memory_bytes > 0.95 * keepa_deals_redis_memory_limit_bytes "
        "and keepa_deals_redis_memory_limit_bytes > 0"
    ),
    "redis_evicts": Alert("keepa_deals_redis_evicts == 1"),
    "foreign_messages": Alert("sum(increase(keepa_deals_messages_dropped_total[10m])) > 0", "0m"),
    "redis_not_saving": Alert("keepa_deals_redis_save_failed == 1"),
    "database_unavailable": Alert("keepa_deals_problem{name='database_unavailable'} == 1"),
    "database_not_migrated": Alert("keepa_deals_database_migrated == 0"),
    "beat_down": Alert("keepa_deals_problem{name='beat_down'} == 1"),
    "worker_deaf": Alert("keepa_deals_queue_oldest_age_seconds > 120"),
    "zombie_lock": Alert("keepa_deals_lock_ttl_seconds > 60"),
    "key_refused": Alert(
        "sum(increase(keepa_deals_keepa_answers_total{result=~'402|key_refused'}[10m])) > 0", "0m"
    ),
    "selection_rejected": Alert(
        "increase(keepa_deals_keepa_answers_total{result=~'400|rejected'}[10m]) > 0", "0m"
    ),
    "clock_wrong": Alert("abs(keepa_deals_keepa_clock_ahead_seconds) > 30"),
    "keepa_trouble": Alert(
        "increase(keepa_deals_keepa_answers_total{result=~'5..|no_.*|unreadable'}[10m]) > 0 "
        "and on () keepa_deals_job_failed{job='update_recent_deals'} == 1"
    ),
    "foreign_spender": Alert("time() - keepa_deals_tokens_foreign_timestamp_seconds < 300"),
    "refused_429": Alert(
        "increase(keepa_deals_tokens_rejected_429_total[10m]) "
        "- increase(keepa_deals_tokens_rejected_at_tick_total[10m]) > 0",
        "0m",
    ),
    "token_starvation": Alert("keepa_deals_token_longest_wait_seconds{lane='small'} > 120", "0m"),
    "selection_matches_nothing": Alert(
        f"{_WELL} == 0 and on () time() - keepa_deals_job_last_success_timestamp_seconds"
        "{job='update_recent_deals'} < 300"
    ),
    "job_paused": Alert("keepa_deals_job_paused == 1", "15m"),
    "job_failing": Alert("keepa_deals_job_failed == 1", "5m"),
    "dashboard_down": Alert("up{job='keepa_deals'} == 0"),
    "deals_unreadable": Alert("keepa_deals_unreadable_deals > 0", "15m"),
    "upserter_behind": Alert("keepa_deals_problem{name='upserter_behind'} == 1"),
    "deals_stale": Alert(f"keepa_deals_deals{{status='stale'}} > on () 0.02 * {_OPEN}"),
    "deals_dwindling": Alert(f"{_WELL} < 0.8 * max_over_time({_WELL}[1h])"),
}

UNSEEN = frozenset(
    {
        "not_running", "settings_wrong", "home_not_writable", "process_suspended", "redis_lost_data",
        "database_damaged", "database_locked", "supervisor_down", "program_crashing", "processes_doubled",
        "worker_down", "worker_suspended", "messages_lost", "sandbox_down", "budget_too_small",
        "redis_exposed", "janitor_at_work", "dashboard_disagrees", "home_exposed",
    }
)  # fmt: skip
"""Rules that look at processes, files or settings, which no metric shows; their consequences have alerts."""


def render() -> str:
    """``docs/runbook.md``: one entry a rule, in the order of their rank."""
    parts = [
        "# Runbook\n",
        "One entry a rule of the diagnosis, in the order of their rank. Made from the rules: "
        "`.venv/bin/python -m keepa_deals.diagnosis.runbook docs`.\n",
    ]
    for rule in RULES:
        parts.append(
            f"## {rule.name}\n{rule.meaning}\n\n**Seen by:** {rule.seen_by}\n\n**Fix:** {rule.fix}\n"
        )
        if rule.follows:
            causes = ", ".join(f"[{name}](#{name})" for name in _by_rank(rule.follows))
            parts.append(f"**May follow from:** {causes}\n")
    return "\n".join(parts)


def _by_rank(names: frozenset[str]) -> list[str]:
    return [rule.name for rule in RULES if rule.name in names]


def render_alerts() -> str:
    """``docs/alerts.yml``: Prometheus' rules for the conditions that ``/metrics`` shows."""
    lines = ["groups:", "  - name: keepa_deals", "    rules:"]
    for rule in RULES:
        alert = ALERTS.get(rule.name)
        if alert is None:
            continue
        lines += [
            f"      - alert: {rule.name}",
            f"        expr: {json.dumps(alert.expression)}",
            f"        for: {alert.lasting}",
            "        annotations:",
            f"          summary: {json.dumps(rule.meaning)}",
            f'          runbook: "docs/runbook.md#{rule.name}"',
        ]
    return "\n".join(lines) + "\n"


def write(folder: Path) -> None:
    """Write both files into ``folder``."""
    (folder / "runbook.md").write_text(render(), encoding="utf-8")
    (folder / "alerts.yml").write_text(render_alerts(), encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
