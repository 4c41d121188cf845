"""The command behind ``Diagnostics/diagnose_dwindling_deals.py``."""

from __future__ import annotations

import io
import json
import shutil
import sys
import tarfile
import time
from pathlib import Path

import click

from keepa_deals import settings as settings_module
from keepa_deals.diagnosis.evidence import gather
from keepa_deals.diagnosis.report import BLIND, Diagnosis, diagnose, to_json, to_text
from keepa_deals.errors import SettingsError
from keepa_deals.health.words import redact

BUNDLE_LOG_LINES = 400


@click.command()
@click.option("--json", "as_json", is_flag=True, help="JSON for programs (schema: docs/diagnosis.md).")
@click.option("--lines", default=10, show_default=True, help="Lines of each log when something is wrong.")
@click.option(
    "--watch", type=float, metavar="SECONDS", help="Look again every so many seconds, until Ctrl-C."
)
@click.option("--live", is_flag=True, help="Ask Keepa for the balance, too (free).")
@click.option(
    "--bundle", type=click.Path(dir_okay=False, path_type=Path), help="Write a .tar.gz for a bug report."
)
def main(*, as_json: bool, lines: int, watch: float | None, live: bool, bundle: Path | None) -> None:
    """Say why deals are dwindling. Exit 0 healthy, 1 problems found, 2 could not look."""
    while True:
        code = _once(as_json=as_json, lines=lines, live=live, bundle=bundle)
        if watch is None:
            sys.exit(code)
        time.sleep(watch)


def _once(*, as_json: bool, lines: int, live: bool, bundle: Path | None) -> int:
    try:
        configured = settings_module.load()
    except SettingsError as error:
        click.echo(f"could not look: the settings are wrong\n{error}", err=True)
        return BLIND
    found = diagnose(gather(configured, live=live), log_lines=max(0, lines))
    if bundle is not None:
        _write_bundle(bundle, diagnose(found.evidence, log_lines=BUNDLE_LOG_LINES))
        click.echo(f"wrote {bundle}", err=True)
    if as_json:
        click.echo(json.dumps(to_json(found), indent=2))
    else:
        for line in to_text(found, width=shutil.get_terminal_size().columns):
            click.echo(line)
    return found.exit_code


def _write_bundle(path: Path, diagnosis: Diagnosis) -> None:
    """Diagnosis, status, and settings without their secrets, in one archive."""
    settings = diagnosis.evidence.settings.model_dump(mode="json")
    parts = {
        "diagnosis.json": json.dumps(to_json(diagnosis), indent=2),
        "status.json": json.dumps(diagnosis.evidence.report.to_status(), indent=2),
        "settings.json": json.dumps(settings, indent=2),
    }
    try:
        with tarfile.open(path, "w:gz") as archive:
            for name, text in parts.items():
                data = redact(text).encode()
                entry = tarfile.TarInfo(name)
                entry.size, entry.mtime = len(data), int(time.time())
                archive.addfile(entry, io.BytesIO(data))
    except OSError as error:
        raise click.ClickException(f"--bundle {path}: {error.strerror}") from None
