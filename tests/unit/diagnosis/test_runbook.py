"""The runbook and the alerts are what the rules say, and speak of metrics that there are."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from keepa_deals.call_log import Answers, LastAnswer
from keepa_deals.db.soundness import Unreadable
from keepa_deals.diagnosis import runbook
from keepa_deals.diagnosis.rules import RULES
from keepa_deals.health.parts.locks import LockHealth
from keepa_deals.health.parts.tokens import TokenHealth
from keepa_deals.health.problems import find_problems
from keepa_deals.query.cache.cache import CacheState
from keepa_deals.tokens.counters import Counters
from keepa_deals.web.status.metrics import exposition
from tests.support.health_reports import ago, healthy, job, jobs
from tests.support.paths import ROOT

DOCS = ROOT / "docs"
NAMES = [rule.name for rule in RULES]
ALERTS = {rule.name: rule.alert for rule in RULES if rule.alert is not None}
OF_PROMETHEUS = {"up"}


def test_the_runbook_has_one_entry_a_rule_and_is_up_to_date() -> None:
    text = (DOCS / "runbook.md").read_text(encoding="utf-8")
    assert text == runbook.render()
    assert [line[3:] for line in text.splitlines() if line.startswith("## ")] == NAMES


def test_the_alerts_are_up_to_date() -> None:
    assert (DOCS / "alerts.yml").read_text(encoding="utf-8") == runbook.render_alerts()


def test_rule_names_are_unique() -> None:
    assert len(set(NAMES)) == len(NAMES)


ANSWERS = Answers({"/deal": LastAnswer("200", ago(seconds=9), 0.1, 5, 0.2)}, {}, {}, {})


def samples() -> dict[str, set[tuple[str, str]]]:
    """What ``/metrics`` exports of a service with something in every part: name → labels seen."""
    tokens = TokenHealth(
        40, 20, 1200, ago(seconds=20), foreign_at=ago(minutes=9), clock_offset_seconds=0.1,
        counters=Counters({"answers|/deal|200": 4}),
    )  # fmt: skip
    lock = LockHealth("update_recent_deals_lock", "h:1:2:u", "h", 1, 40.0)
    report = healthy(tokens=tokens, locks=(lock,), keepa=ANSWERS, jobs=jobs(job()))
    report = replace(report, unreadable=Unreadable(0), problems=find_problems(healthy(beat=None)))
    text, _ = exposition(report, CacheState(0.4, 450, is_whole=True))
    found: dict[str, set[tuple[str, str]]] = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels.items())
    return found


@pytest.mark.parametrize("rule", ALERTS)
def test_an_alert_speaks_of_metrics_and_labels_that_there_are(rule: str) -> None:
    exported = samples()
    expression = ALERTS[rule].expression
    names = set(re.findall(r"\bkeepa_deals_[a-z0-9_]+", expression)) | set(re.findall(r"\bup\b", expression))
    assert names
    assert names <= exported.keys() | OF_PROMETHEUS
    for name, label in re.findall(r"(keepa_deals_\w+)\{(\w+)=", expression):
        assert label in {key for key, _ in exported[name]}, f"{name} has no label {label}"
    for problem in re.findall(r"keepa_deals_problem\{name='(\w+)'\}", expression):
        assert problem == rule
