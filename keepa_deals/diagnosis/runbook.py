"""The runbook and the alert rules, made from the rules themselves, so that they can't drift apart.

``python -m keepa_deals.diagnosis.runbook docs`` writes both; a test compares them.
"""

from __future__ import annotations

import sys
from pathlib import Path

from keepa_deals.diagnosis.rules import RULES

_ALERTED = {
    "redis_down": "keepa_deals_problem{name='redis_down'} == 1",
    "database_unavailable": "keepa_deals_problem{name='database_unavailable'} == 1",
    "beat_down": "keepa_deals_problem{name='beat_down'} == 1",
    "worker_deaf": "keepa_deals_problem{name='worker_deaf'} == 1",
    "upserter_behind": "keepa_deals_problem{name='upserter_behind'} == 1",
    "foreign_spender": "keepa_deals_tokens_foreign > 0",
    "deals_stale": "keepa_deals_deals{status='stale'} > 0.02 * sum(keepa_deals_deals{status=~'live|stale'})",
    "dashboard_down": "up{job='keepa_deals'} == 0",
}


def render() -> str:
    """``docs/runbook.md``: one entry a rule, in the order of their rank."""
    parts = [
        "# Runbook\n",
        "One entry a rule of the diagnosis, in the order of their rank. Made from the rules: "
        "`.venv/bin/python -m keepa_deals.diagnosis.runbook docs`.\n",
    ]
    parts += [f"## {rule.name}\n{rule.meaning}\n\n**Fix:** {rule.fix}\n" for rule in RULES]
    return "\n".join(parts)


def render_alerts() -> str:
    """``docs/alerts.yml``: Prometheus' rules for the conditions that ``/metrics`` shows."""
    lines = ["groups:", "  - name: keepa_deals", "    rules:"]
    meanings = {rule.name: rule.meaning for rule in RULES}
    for name, expression in _ALERTED.items():
        lines += [
            f"      - alert: {name}",
            f'        expr: "{expression}"',
            "        for: 2m",
            "        annotations:",
            f'          summary: "{meanings[name]}"',
            f'          runbook: "docs/runbook.md#{name}"',
        ]
    return "\n".join(lines) + "\n"


def write(folder: Path) -> None:
    """Write both files into ``folder``."""
    (folder / "runbook.md").write_text(render(), encoding="utf-8")
    (folder / "alerts.yml").write_text(render_alerts(), encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
