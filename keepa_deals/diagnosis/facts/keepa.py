"""Keepa's last answers by call, and those that nobody understood."""

from __future__ import annotations

from collections.abc import Iterator

from keepa_deals.call_log import is_good
from keepa_deals.diagnosis.evidence.gather import PAST, Evidence
from keepa_deals.diagnosis.facts.base import Level, Line, warn_if


def lines(evidence: Evidence) -> Iterator[Line]:
    """The last answer of each call, and the bad ones of the last hour."""
    answers = evidence.report.keepa.value
    if answers is None:
        yield Line("keepa", Level.UNKNOWN, str(evidence.report.keepa.error))
        return
    if not answers.last:
        yield Line("keepa", Level.OK, "no answer noted yet")
    for call, last in sorted(answers.last.items()):
        counts = {result: n for (name, result), n in answers.counts.items() if name == call}
        total = ", ".join(f"{n} × {result}" for result, n in sorted(counts.items())) or "none"
        price = f", {last.tokens} tokens" if last.tokens is not None else ""
        when = evidence.age(last.at)
        text = f"{call}: {last.result} {when} in {last.seconds:.1f} s{price}; of late {total}"
        yield Line("keepa", warn_if(not is_good(last.result)), text)
    yield from _kept_answers(evidence)


def _kept_answers(evidence: Evidence) -> Iterator[Line]:
    """The answers that nobody understood: a bug report wants their files, and a bundle holds them."""
    if evidence.kept_answers.error:
        yield Line("keepa", Level.UNKNOWN, f"kept answers: {evidence.kept_answers.error}")
    for kept in evidence.kept_answers.value or ():
        what = f"{kept.call}: not understood {evidence.age(kept.at)}: {kept.reason}"
        recent = evidence.report.taken_at - kept.at < PAST
        yield Line("keepa", warn_if(recent), f"{what} (kept: {kept.path})")
