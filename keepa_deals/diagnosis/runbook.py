"""The runbook and the alert rules, made from the rules themselves, so that they can't drift apart.

``python -m keepa_deals.diagnosis.runbook docs`` writes both; a test compares them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from keepa_deals.diagnosis.rules import RULES
from keepa_deals.diagnosis.verdict import explanations


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
        if causes := explanations(rule):
            links = " · ".join(f"[{name}](#{name})" for name in causes)
            parts.append(f"**May follow from:** {links}\n")
    return "\n".join(parts)


def render_alerts() -> str:
    """``docs/alerts.yml``: Prometheus' rules for the conditions that ``/metrics`` shows."""
    lines = ["groups:", "  - name: keepa_deals", "    rules:"]
    for rule in RULES:
        if rule.alert is None:
            continue
        lines += [
            f"      - alert: {rule.name}",
            f"        expr: {json.dumps(rule.alert.expression)}",
            f"        for: {rule.alert.lasting}",
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
