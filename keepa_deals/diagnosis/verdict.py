"""From evidence to causes: which rules hold, in the order of their rank, and which follow from others."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from keepa_deals.diagnosis.evidence.gather import Evidence
from keepa_deals.diagnosis.rules import RULES
from keepa_deals.diagnosis.rules.base import Finding, Rule


@dataclass(frozen=True, slots=True)
class Cause:
    """A rule that the evidence fulfils; ``follows_from`` names the causes that explain it."""

    rule: Rule
    evidence: str
    fix: str
    follows_from: tuple[str, ...] = ()


def verdict(evidence: Evidence) -> tuple[Cause, ...]:
    """The causes that the evidence shows, the first one first, then what follows from them."""
    rules = [rule for rule in RULES if not evidence.blind or rule.from_outside]
    findings = [(rule, finding) for rule in rules for finding in rule.detect(evidence)]
    holding = [rule for rule, _ in findings]
    causes = [_cause(rule, finding, holding) for rule, finding in findings]
    return tuple(sorted(causes, key=lambda cause: bool(cause.follows_from)))


def explanations(rule: Rule, rules: Iterable[Rule] = RULES) -> tuple[str, ...]:
    """The names of those among ``rules`` whose consequence ``rule`` may be, by rank, each once."""
    return tuple(dict.fromkeys(other.name for other in rules if rule.may_follow_from(other)))


def _cause(rule: Rule, finding: Finding, holding: Iterable[Rule]) -> Cause:
    return Cause(rule, finding.text, finding.fix or rule.fix, explanations(rule, holding))
