"""``keepa-deals keepa``: questions to Keepa itself."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import redis

from keepa_deals import settings as settings_module
from keepa_deals.clock import SystemClock
from keepa_deals.errors import KeepaDealsError
from keepa_deals.keepa.client import KeepaClient
from keepa_deals.keepa.selection_files import selection_of
from keepa_deals.keepa_check.assumptions import Row, Verdict, judge
from keepa_deals.keepa_check.probes import Evidence, run_probes
from keepa_deals.keepa_check.purse import MAX_TOKENS, Purse
from keepa_deals.keepa_check.report import to_json, to_table
from keepa_deals.redis_store import connect_probe
from keepa_deals.settings import Settings
from keepa_deals.token_manager import TokenManager

HOLDS, DIFFERS, COULD_NOT_LOOK = 0, 1, 2


@click.group()
def keepa() -> None:
    """Ask Keepa itself."""


@keepa.command()
@click.option("--yes", is_flag=True, help="Do not ask before tokens are spent (for scripts).")
@click.option(
    "--report", type=click.Path(dir_okay=False, path_type=Path),
    help="Write the evidence there, as JSON without key and titles.",
)  # fmt: skip
def check(*, yes: bool, report: Path | None) -> None:
    """Ask Keepa whether what we assume of it holds: for at most 40 tokens, in two minutes.

    Exit 0 when nothing differs, 1 when something does, 2 when it could not look (or not at all of it).
    """
    try:
        settings = settings_module.load()
        _announce(settings)
        if not yes and not _agreed():
            click.echo("nothing was asked and nothing was spent; --yes agrees beforehand", err=True)
            sys.exit(COULD_NOT_LOOK)
        with _reserved(report):
            code = _check(settings, report)
    except (KeepaDealsError, OSError) as error:
        click.echo(f"keepa-deals: could not look: {error}", err=True)
        sys.exit(COULD_NOT_LOOK)
    sys.exit(code)


def _announce(settings: Settings) -> None:
    selection = selection_of(settings)
    _ = settings.api_key
    seconds = 2 * settings.keepa_tick_seconds
    click.echo(
        f"asks {settings.keepa_api_url} about {selection}: at most {MAX_TOKENS} tokens, "
        f"about {seconds:.0f} seconds"
    )


def _agreed() -> bool:
    try:
        return click.confirm("spend them?")
    except click.Abort:  # nobody is there to ask
        click.echo(err=True)
        return False


@contextlib.contextmanager
def _reserved(report: Path | None) -> Iterator[None]:
    """Make the file before anything is spent for it, and leave no empty one where nothing came of it."""
    if report is None:
        yield
        return
    is_new = not report.exists()
    report.touch()
    try:
        yield
    except BaseException:
        if is_new:
            report.unlink(missing_ok=True)
        raise


def _check(settings: Settings, report: Path | None) -> int:
    """Ask, judge, tell and report; the exit code."""
    client = KeepaClient(settings.api_key, base_url=settings.keepa_api_url, max_attempts=1)
    clock = SystemClock()
    purse = Purse(_service_tokens(settings, client))
    try:
        query = selection_of(settings).query
        evidence = run_probes(client, purse, clock, query, tick_seconds=settings.keepa_tick_seconds)
    finally:
        client.close()
    rows = judge(evidence)
    click.echo(to_table(rows, purse.spent))
    if report is not None:
        text = to_json(
            evidence,
            rows,
            address=settings.keepa_api_url,
            spent=purse.spent,
            at=clock.now(),
            key=settings.api_key,
        )
        report.write_text(text, encoding="utf-8")
        click.echo(f"the evidence is in {report}: for a bug report, without key and titles")
    return _exit_code(rows, evidence)


def _exit_code(rows: list[Row], evidence: Evidence) -> int:
    if any(row.verdict is Verdict.DIFFERS for row in rows):
        return DIFFERS
    return COULD_NOT_LOOK if evidence.failures else HOLDS


def _service_tokens(settings: Settings, client: KeepaClient) -> TokenManager | None:
    """The bucket of the service that uses this key, where its Redis answers; else the check is alone."""
    if settings.redis_url is None:
        return None
    probe = connect_probe(settings)
    with contextlib.closing(probe):
        try:
            probe.ping()
        except redis.RedisError:
            return None
    return TokenManager.from_settings(settings, sync=client.token_status)
