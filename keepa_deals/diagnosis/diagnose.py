"""The diagnosis: facts, causes, what has healed, and the logs that explain them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from keepa_deals.deployment.log_files import SUPERVISOR_LOG, log_of
from keepa_deals.deployment.log_tail import read_tail
from keepa_deals.diagnosis.evidence.gather import Evidence
from keepa_deals.diagnosis.facts import Line, facts
from keepa_deals.diagnosis.resolved import Past, healed
from keepa_deals.diagnosis.verdict import Cause, verdict
from keepa_deals.health.error_text import describe
from keepa_deals.jobs import BACKFILL_JOB, UPSERT_JOB

HEALTHY, PROBLEMS, BLIND = 0, 1, 2
WORDS = {HEALTHY: "healthy", PROBLEMS: "problems", BLIND: "incomplete"}
ALWAYS = (log_of("beat"), log_of(UPSERT_JOB.worker))
_MORE_LOGS = ("redis", "dashboard", "sandbox")
"""Programs whose log is shown when a cause speaks of them."""
_SUPERVISED = {"supervisor_down", "program_crashing", "worker_down", "beat_down", "not_running"}


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Facts, causes, what has healed, and the ends of the logs when something is wrong."""

    evidence: Evidence
    lines: tuple[Line, ...]
    causes: tuple[Cause, ...]
    past: tuple[Past, ...]
    logs: dict[str, list[str]]

    @property
    def exit_code(self) -> int:
        """0 healthy, 1 problems found, 2 could not look at everything and found nothing wrong.

        Wrong settings are 2: what the next start would do cannot be looked at.
        """
        if any(cause.rule.name != "settings_wrong" for cause in self.causes):
            return PROBLEMS
        return HEALTHY if self.evidence.complete else BLIND


def diagnose(evidence: Evidence, *, log_lines: int, trouble: str = "") -> Diagnosis:
    """The diagnosis from the evidence; the logs are read only when there is something to explain.

    ``trouble`` is what the caller knows to have gone wrong: the logs of the programs it names are shown, too.
    """
    causes = verdict(evidence)
    unwell = not evidence.blind and (bool(causes) or bool(trouble) or not evidence.complete)
    logs = _tails(evidence, _logs_that_matter(causes, trouble), log_lines) if unwell and log_lines else {}
    return Diagnosis(evidence, tuple(facts(evidence)), causes, healed(evidence, causes), logs)


def _tails(evidence: Evidence, names: Sequence[str], count: int) -> dict[str, list[str]]:
    tails = {}
    for name in names:
        try:
            tails[name] = read_tail(evidence.settings.log_dir / name, count)
        except OSError as error:
            tails[name] = [describe(error)]
    return tails


def _logs_that_matter(causes: tuple[Cause, ...], trouble: str) -> list[str]:
    names = {cause.rule.name for cause in causes}
    text = " ".join([trouble, *(f"{cause.rule.name} {cause.evidence}" for cause in causes)])
    more = [log_of(program) for program in _MORE_LOGS if program in text.lower()]
    if BACKFILL_JOB.worker in text or BACKFILL_JOB.name in text:
        more.append(log_of(BACKFILL_JOB.worker))
    if names & _SUPERVISED:
        more.append(SUPERVISOR_LOG)
    return [*ALWAYS, *more]
