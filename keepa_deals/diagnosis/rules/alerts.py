"""Messages of alerts that do not leave, or that channels do not take."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from keepa_deals.diagnosis.evidence.gather import Evidence
from keepa_deals.diagnosis.rules.base import Alert, Finding, Rank, rule, start_again
from keepa_deals.formats import counted
from keepa_deals.health.parts import alerts
from keepa_deals.health.troubles import TEST_CHANNEL
from keepa_deals.jobs import NOTIFIER

LATE = timedelta(minutes=2)
"""The notifier looks every few seconds: what waits for so long is held up."""


@rule(
    rank=Rank.ASIDE,
    meaning="What alerts have to tell is told late, or not at all.",
    seen_by="no notifier of ours, or a change or a due message that has waited for two minutes",
    fix="look into log/notifier.log",
    follows="not_running program_crashing process_suspended database_unavailable database_locked",
    alert=Alert("keepa_deals_notifier_last_look_age_seconds > 120", "2m"),
)
def notifications_behind(evidence: Evidence) -> Iterator[Finding]:
    ours = evidence.ours()
    if evidence.processes.known and ours and NOTIFIER not in ours:
        yield Finding("no notifier of this deployment runs", start_again(evidence))
        return
    state = evidence.report.value(alerts.PART)
    if state is None:
        return
    waited = [at for at in (state.oldest_change_at, state.oldest_due_at) if at is not None]
    if waited and evidence.report.taken_at - min(waited) > LATE:
        yield Finding(
            f"{counted(state.changes, 'change')} and {counted(state.waiting, 'message')} wait, "
            f"the oldest since {evidence.age(min(waited))}"
        )


@rule(
    rank=Rank.ASIDE,
    meaning="A channel does not take its messages: its owner hears nothing.",
    seen_by=f"{alerts.FAILING_AFTER} failures in a row on a channel",
    fix=TEST_CHANNEL,
    follows="notifications_behind",
    alert=Alert("keepa_deals_alert_channels_failing > 0", "30m"),
)
def notifications_failing(evidence: Evidence) -> Iterator[Finding]:
    state = evidence.report.value(alerts.PART)
    for number, failures in state.failing if state else ():
        yield Finding(f"channel {number} has failed {failures} times in a row")
