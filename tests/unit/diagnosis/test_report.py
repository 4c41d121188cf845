"""The diagnosis as text and as JSON."""

from __future__ import annotations

import json
import pkgutil
from dataclasses import replace
from importlib import resources
from types import ModuleType
from typing import Any

import click
import jsonschema
import pytest

from keepa_deals.deployment.supervisor_log import Supervision
from keepa_deals.diagnosis import facts, rules
from keepa_deals.diagnosis.diagnose import diagnose
from keepa_deals.diagnosis.evidence.gather import Evidence
from keepa_deals.diagnosis.evidence.pid_files import PidFile
from keepa_deals.diagnosis.facts import SECTIONS, Line
from keepa_deals.diagnosis.render_json import to_json
from keepa_deals.diagnosis.render_text import to_text
from keepa_deals.health.forecast import Forecast
from keepa_deals.health.parts import READ
from keepa_deals.health.parts.flow import FlowHealth
from keepa_deals.health.parts.history import HistoryHealth
from keepa_deals.health.parts.tokens import TokenHealth
from keepa_deals.health.probing import Reading
from keepa_deals.kept_answers import KeptAnswer
from tests.support.evidence import HOME, ago, down, evidence, healthy, home, process, table
from tests.support.health_reports import MINUTE, job, jobs

NOTHING: Reading[Any] = Reading(
    error="no answer within 1.5 s, and a rather long explanation why that is so " * 3
)
SICK = evidence(
    healthy(**dict.fromkeys((part.name for part in READ), NOTHING)),
    **dict.fromkeys(("processes", "pid_files", "supervision", "home", "integrity", "dashboard"), NOTHING),
    token_status=NOTHING,
    settings_error="DASHBOARD_PORT='http': must be a number",
)
LATE = evidence(
    healthy(jobs=jobs(job(last_outcome="failed", last_error="Keepa /deal: 502 " + "x " * 80))),
    supervision=Supervision({"beat": (down(12),)}),
)
CASES = [evidence(), SICK, LATE]


def schema() -> Any:
    return json.loads((resources.files("keepa_deals.diagnosis") / "schema.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", CASES)
def test_the_json_is_as_the_schema_says(case: Evidence) -> None:
    answer = json.loads(json.dumps(to_json(diagnose(case, log_lines=5))))
    jsonschema.validate(answer, schema(), format_checker=jsonschema.FormatChecker())


@pytest.mark.parametrize(
    ("case", "verdict", "code"), [(evidence(), "healthy", 0), (SICK, "problems", 1), (LATE, "problems", 1)]
)
def test_the_verdict_and_the_exit_code_agree(case: Evidence, verdict: str, code: int) -> None:
    found = diagnose(case, log_lines=0)
    assert (to_json(found)["verdict"], found.exit_code) == (verdict, code)


@pytest.mark.parametrize(
    "part",
    [{"dashboard": {}}, {"processes": table(strangers=(process(None, 9),))}],
    ids=["password", "strangers"],
)
def test_what_is_nobodys_fault_stays_healthy(part: dict[str, Any]) -> None:
    assert diagnose(evidence(**part), log_lines=0).exit_code == 0


@pytest.mark.parametrize(
    "part",
    [
        {"home": home(readable=False, user="nobody")},
        {"integrity": Reading(error="no answer within 2.5 s")},
        {"settings_error": "KEEPA_API_KEY=(hidden): must have 64 characters"},
        {"supervision": Reading(error="no permission")},
        {
            "report": healthy(
                tokens=TokenHealth(None, None, None, None), history=HistoryHealth(None, None, (), (), ())
            )
        },
    ],
    ids=lambda part: next(iter(part)),
)
def test_healthy_needs_all_the_evidence(part: dict[str, Any]) -> None:
    assert diagnose(evidence(**part), log_lines=0).exit_code == 2


@pytest.mark.parametrize("width", [60, 80, 160])
@pytest.mark.parametrize("case", CASES)
def test_no_line_is_wider_than_the_terminal(case: Evidence, width: int) -> None:
    for text in to_text(diagnose(case, log_lines=5), width=width):
        for line in click.unstyle(text).splitlines():
            assert len(line) <= width, line


def test_a_consequence_says_what_it_follows_from_and_offers_no_fix() -> None:
    old = jobs(job(last_success_at=None, last_outcome="failed", last_error="Keepa /deal: 502"))
    text = "\n".join(
        map(click.unstyle, to_text(diagnose(evidence(healthy(jobs=old)), log_lines=0), width=80))
    )
    assert "1. keepa_trouble" in text
    assert "2. upserter_behind" in text
    assert "follows:  keepa_trouble" in text
    assert text.count("fix:") == 1


def test_an_answer_that_nobody_understood_is_named_with_its_file() -> None:
    kept = (
        KeptAnswer(HOME / "log/answers/deal-1.txt", ago(minutes=2), "/deal", "deals is a number"),
        KeptAnswer(HOME / "log/answers/product-2.txt", ago(hours=9), "/product", "no JSON"),
    )
    lines = [line for line in diagnose(evidence(kept_answers=kept), log_lines=0).lines if "kept" in line.text]
    assert [(line.section, line.level, line.text) for line in lines] == [
        ("keepa", "warn", f"/deal: not understood 2 min ago: deals is a number (kept: {kept[0].path})"),
        ("keepa", "ok", f"/product: not understood 9 h ago: no JSON (kept: {kept[1].path})"),
    ]


def test_what_has_healed_stands_apart() -> None:
    text = "\n".join(map(click.unstyle, to_text(diagnose(LATE, log_lines=0), width=80)))
    assert "healed within the last hour:" in text
    assert "- beat_down: beat was down once" in text


def test_every_section_is_there_even_when_nothing_could_be_read() -> None:
    wanted = set(schema()["properties"]["sections"]["items"]["properties"]["section"]["enum"])
    for case in (SICK, evidence(with_sandbox=True)):
        assert {line.section for line in diagnose(case, log_lines=0).lines} >= wanted - {"pid files", "locks"}


def test_a_closed_home_is_said_once_a_section_and_no_log_is_promised() -> None:
    found = diagnose(evidence(home=home(readable=False, user="nobody")), log_lines=5)
    closed = [line for line in found.lines if line.text == "could not be looked at: the home is closed to us"]
    assert {line.section for line in closed} == set(SECTIONS) - {"processes", "host"}
    assert "is closed to nobody" in found.lines[0].text
    assert found.logs == {}


def test_the_log_of_a_program_that_the_caller_saw_fail_is_shown_though_it_runs_again_just_now() -> None:
    trouble = "the supervisor cannot do startProcess worker-backfill: SPAWN_ERROR"
    assert "celery_worker_backfill.log" in diagnose(evidence(), log_lines=5, trouble=trouble).logs
    assert diagnose(evidence(), log_lines=5).logs == {}


def test_changes_and_forecast_are_told() -> None:
    changes = {("found", None): 12, ("ended", "out_of_stock"): 3}
    report = replace(
        healthy(flow=FlowHealth(changes, 12, 3, (changes, {}, {("stale", None): 4}))),
        forecast=Forecast(((15 * MINUTE, 400),), ((1, 459),)),
    )
    texts = [line.text for line in diagnose(evidence(report), log_lines=0).lines if line.section == "deals"]
    assert "last hour: +12 found, -3 out_of_stock" in texts
    assert "2 to 3 h ago: -4 stale" in texts
    assert "live if nobody looked any more: 400 in 15 min" in texts
    assert "live if it goes on as in the last hour: 459 in 1 h" in texts


def pid_file_lines(*files: PidFile) -> list[Line]:
    diagnosis = diagnose(evidence(pid_files=files), log_lines=0)
    return [line for line in diagnosis.lines if line.section == "pid files"]


def test_the_pid_files_of_a_healthy_deployment_are_all_ours_the_guards_included() -> None:
    ours = {process.program: process.pid for process in table().ours}
    files = tuple(
        PidFile("celerybeat" if n == "beat" else str(n), pid, alive=True) for n, pid in ours.items()
    )
    lines = [x for x in diagnose(evidence(pid_files=files), log_lines=0).lines if x.section == "pid files"]
    assert [line.level for line in lines] == ["ok"]
    assert f"guard {ours['guard']}" in lines[0].text


def test_a_pid_file_that_names_somebody_elses_process_is_foreign() -> None:
    files = (PidFile("guard", 9, alive=True),)
    lines = [x for x in diagnose(evidence(pid_files=files), log_lines=0).lines if x.section == "pid files"]
    assert [(line.level, line.text) for line in lines] == [
        ("warn", "guard.pid is foreign: pid 9 is not ours")
    ]


@pytest.mark.parametrize("package", [facts, rules])
def test_every_file_of_a_section_or_of_rules_is_taken(package: ModuleType) -> None:
    files = {module.name for module in pkgutil.iter_modules(package.__path__)} - {"base"}
    sections = {section.__module__.rpartition(".")[2] for section in SECTIONS.values()}
    assert files == (sections if package is facts else {rule.subject for rule in rules.RULES})
