"""The command behind ``Diagnostics/diagnose_dwindling_deals.py``."""

from __future__ import annotations

import json
import shutil
import sys
import time
from pathlib import Path

import click

from keepa_deals import redaction
from keepa_deals import settings as settings_module
from keepa_deals.diagnosis.diagnose import BLIND, Diagnosis, diagnose
from keepa_deals.diagnosis.evidence.gather import Evidence, gather
from keepa_deals.diagnosis.render_json import to_json
from keepa_deals.diagnosis.render_text import to_text
from keepa_deals.errors import SettingsError

CLEAR = "\x1b[H\x1b[2J\x1b[3J"


@click.command()
@click.option("--json", "as_json", is_flag=True, help="JSON for programs (schema: docs/diagnosis.md).")
@click.option(
    "--lines",
    type=click.IntRange(min=0),
    default=10,
    show_default=True,
    help="Lines of each log when something is wrong.",
)
@click.option(
    "--watch",
    type=click.FloatRange(min=1),
    metavar="SECONDS",
    help="Look again every so many seconds, until Ctrl-C; with --json one line a look.",
)
@click.option("--live", is_flag=True, help="Ask Keepa for the balance, too (free).")
@click.option(
    "--bundle",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write a .tar.gz for a bug report: everything that was seen, without secrets.",
)
def main(*, as_json: bool, lines: int, watch: float | None, live: bool, bundle: Path | None) -> None:
    """Say why deals are dwindling. Exit 0 healthy, 1 problems found, 2 could not look."""
    redaction.guard_streams()
    if bundle is not None:
        refuse_existing(bundle)
    code = BLIND
    try:
        while True:
            diagnosis = diagnose(take_evidence(live=live), log_lines=lines)
            code = diagnosis.exit_code
            _show(diagnosis, as_json=as_json, watching=watch is not None)
            if bundle is not None:
                write_bundle(bundle, diagnosis)
                click.echo(f"wrote {bundle}", err=True)
                bundle = None
            if watch is None:
                break
            time.sleep(watch)
    except KeyboardInterrupt:
        click.echo(err=True)
    except SettingsError as error:  # of the home: there is no other way to know where to look
        click.echo(f"could not look: {error}", err=True)
    sys.exit(code)


def refuse_existing(path: Path) -> None:
    """A usage error when ``path`` exists: a slip of the finger must not cost a file."""
    if path.exists():
        raise click.BadParameter(f"{path} exists already; name a new file", param_hint="--bundle")
    if not path.absolute().parent.is_dir():
        raise click.BadParameter(f"there is no folder {path.absolute().parent}", param_hint="--bundle")


def write_bundle(path: Path, diagnosis: Diagnosis) -> None:
    """The archive for a bug report; its module is loaded only for that, so that a mere look is quick."""
    from keepa_deals.diagnosis import support_bundle

    support_bundle.write(path, diagnosis)


def take_evidence(*, live: bool) -> Evidence:
    """The evidence; with wrong settings that of what runs, by the settings that it was started with."""
    settings, wrong = settings_module.load_or_in_force()
    return gather(settings, live=live, settings_error=wrong)


def _show(diagnosis: Diagnosis, *, as_json: bool, watching: bool) -> None:
    if as_json:
        click.echo(json.dumps(to_json(diagnosis), indent=None if watching else 2))
        return
    colour = False if settings_module.colours_are_unwanted() else None  # None: only on a terminal
    if watching and sys.stdout.isatty():
        click.echo(CLEAR, nl=False)
    if watching:
        click.echo(f"{diagnosis.evidence.report.taken_at:%Y-%m-%d %H:%M:%S} UTC, Ctrl-C ends")
    for line in to_text(diagnosis, width=shutil.get_terminal_size().columns):
        click.echo(line, color=colour)
