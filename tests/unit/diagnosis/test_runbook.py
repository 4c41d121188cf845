"""The runbook and the alerts are what the rules say."""

from __future__ import annotations

from pathlib import Path

from keepa_deals.diagnosis import runbook
from keepa_deals.diagnosis.rules import RULES

DOCS = Path(__file__).resolve().parents[3] / "docs"


def test_the_runbook_has_one_entry_a_rule_and_is_up_to_date() -> None:
    text = (DOCS / "runbook.md").read_text(encoding="utf-8")
    assert text == runbook.render()
    assert [line[3:] for line in text.splitlines() if line.startswith("## ")] == [rule.name for rule in RULES]


def test_the_alerts_are_up_to_date() -> None:
    assert (DOCS / "alerts.yml").read_text(encoding="utf-8") == runbook.render_alerts()


def test_rule_names_are_unique() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)
