"""The diagnosis as JSON; ``schema.json`` beside this file describes it."""

from __future__ import annotations

from typing import Any

from keepa_deals.diagnosis.diagnose import WORDS, Diagnosis
from keepa_deals.humanize import iso


def to_json(diagnosis: Diagnosis) -> dict[str, Any]:
    """The JSON of ``--json``."""
    return {
        "version": 1,
        "taken_at": iso(diagnosis.evidence.report.taken_at),
        "verdict": WORDS[diagnosis.exit_code],
        "causes": [
            {
                "rule": cause.rule.name,
                "evidence": cause.evidence,
                "meaning": cause.rule.meaning,
                "fix": cause.fix,
                "follows_from": list(cause.follows_from),
            }
            for cause in diagnosis.causes
        ],
        "past": [{"rule": past.rule, "evidence": past.evidence} for past in diagnosis.past],
        "sections": [{"section": x.section, "level": str(x.level), "text": x.text} for x in diagnosis.lines],
        "logs": diagnosis.logs,
    }
