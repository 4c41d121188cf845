"""``keepa-deals status``: the state of the service on a terminal."""

from __future__ import annotations

import json
import sys

import click

from keepa_deals import health, settings
from keepa_deals.deployment import dashboard_probe
from keepa_deals.health.report import HealthReport
from keepa_deals.humanize import age_text

TIMEOUT = 2.0


@click.command()
@click.option("--json", "as_json", is_flag=True, help="What /api/status answers.")
def status(*, as_json: bool) -> None:
    """Say how the service is. Exit 0 when it is well, 1 when something is wrong."""
    chosen, wrong = settings.load_or_in_force()
    report = health.collect(chosen)
    answers = dashboard_probe.answers(chosen.dashboard_url, TIMEOUT)
    if as_json:
        click.echo(json.dumps(report.to_status(), indent=2))
    else:
        for line in _lines(report):
            click.echo(line)
        for line in (wrong or "").splitlines():
            click.echo(f"wrong   settings_wrong: {line}")
        if not answers:
            click.echo(f"wrong   dashboard_down: no answer at {chosen.dashboard_url} within {TIMEOUT:.0f} s")
    sys.exit(1 if report.problems or wrong or not answers else 0)


def _lines(report: HealthReport) -> list[str]:
    now = report.taken_at
    lines = []
    if deals := report.deals.value:
        lines.append(f"deals   {deals.live} live, {deals.stale} stale, {deals.ended} ended")
    if (tokens := report.tokens.value) and tokens.available is not None:
        waiting = f"{tokens.small.waiting} small and {tokens.bulk.waiting} bulk requests wait"
        lines.append(
            f"tokens  {tokens.available} of {tokens.capacity}, {tokens.refill_rate} a minute; {waiting}"
        )
    lines.append(f"beat    last tick {age_text(report.beat.value, now)}")
    for job in report.jobs.value or ():
        success = age_text(job.last_success_at, now)
        lines.append(f"job     {job.name}: last success {success}, last outcome {job.last_outcome}")
    lines += [f"error   {name}: {error}" for name, error in report.errors().items()]
    lines += [f"wrong   {problem.name}: {problem.text}" for problem in report.problems]
    return lines or ["nothing could be read"]
