"""Everything needed for a bug report in one archive, without secrets."""

from __future__ import annotations

import importlib.metadata
import io
import json
import os
import platform
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
from sqlalchemy import func, select

from keepa_deals import settings as settings_module
from keepa_deals.db.models import DealEvent, JobRun, Sample
from keepa_deals.deployment import git_version
from keepa_deals.deployment.log_tail import MAX_BYTES, read_end
from keepa_deals.diagnosis.diagnose import Diagnosis, diagnose
from keepa_deals.diagnosis.evidence.gather import Evidence
from keepa_deals.diagnosis.render_json import to_json
from keepa_deals.diagnosis.render_text import to_text
from keepa_deals.health.error_text import redact
from keepa_deals.health.parts.database import probe_engine
from keepa_deals.health.probing import run_probes
from keepa_deals.kept_answers import FOLDER as KEPT_ANSWERS
from keepa_deals.redis_store import connect_probe
from keepa_deals.settings import Settings

LOG_LINES = 400
MAX_ROWS = 500
TIMEOUT = 5.0
_WIDTH = 160


def write(path: Path, diagnosis: Diagnosis) -> None:
    """Write the archive, readable by its owner alone; a ``ClickException`` when that fails."""
    evidence = diagnosis.evidence
    hide = _hider(evidence.settings)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file, tarfile.open(fileobj=file, mode="w:gz") as archive:
            for name, part in _parts(evidence):
                data = _text(part, hide).encode()
                entry = tarfile.TarInfo(f"keepa_deals/{name}")
                entry.size, entry.mtime, entry.mode = len(data), int(time.time()), 0o600
                archive.addfile(entry, io.BytesIO(data))
    except OSError as error:
        raise click.ClickException(f"--bundle {path}: {error.strerror}") from None


def _parts(evidence: Evidence) -> Iterator[tuple[str, Any]]:
    """Each file's name and its content: text, or what becomes JSON."""
    long = diagnose(evidence, log_lines=LOG_LINES)
    yield "diagnosis.json", to_json(long)
    yield "diagnosis.txt", "\n".join(click.unstyle(line) for line in to_text(long, width=_WIDTH)) + "\n"
    yield "status.json", evidence.report.to_status()
    yield "settings.json", evidence.settings.model_dump(mode="json")
    yield "versions.json", _versions()
    asked: dict[str, Callable[[], Any]] = {
        "redis.json": lambda: _redis(evidence.settings),
        "database.json": lambda: _database(evidence.settings),
    }
    readings = run_probes(asked, timeout=TIMEOUT)
    for name, probe in asked.items():
        reading = readings.take(name, probe)
        yield name, reading.value if reading.known else {"error": reading.error}
    yield from _files(evidence.settings)


def _text(part: Any, hide: Callable[[str], str]) -> str:
    """A file's content without secrets; JSON is cleaned before it is written, so that it stays JSON."""
    if isinstance(part, str):
        return hide(part)
    return json.dumps(_cleaned(part, hide), indent=2) + "\n"


def _cleaned(value: Any, hide: Callable[[str], str]) -> Any:
    match value:
        case dict():
            return {hide(str(name)): _cleaned(item, hide) for name, item in value.items()}
        case list() | tuple():
            return [_cleaned(item, hide) for item in value]
        case None | bool() | int() | float():
            return value
        case _:
            return hide(str(value))


def _versions() -> dict[str, Any]:
    packages = {dist.name: dist.version for dist in importlib.metadata.distributions()}
    return {
        "keepa_deals": importlib.metadata.version("keepa-deals"),
        "commit": git_version.current(),
        "in_service": git_version.deployed(),
        "local_changes": git_version.local_changes(),
        "python": sys.version,
        "platform": platform.platform(),
        "packages": dict(sorted(packages.items())),
    }


def _redis(settings: Settings) -> dict[str, Any]:
    """What Redis says of itself, and the names, kinds and sizes of our keys; no values."""
    with connect_probe(settings) as client:
        keys = list(client.scan_iter(f"{settings.redis_key_prefix}*", count=1000))[:MAX_ROWS]
        return {"info": client.info(), "keys": {key: client.type(key) for key in sorted(keys)}}


def _database(settings: Settings) -> dict[str, Any]:
    """The last runs and samples, and how many events of each kind there are; no deals."""
    engine = probe_engine(settings.database_dsn)
    runs = select(JobRun).order_by(JobRun.started_at.desc()).limit(MAX_ROWS)
    samples = select(Sample).order_by(Sample.at.desc()).limit(MAX_ROWS)
    events = select(DealEvent.kind, DealEvent.reason, func.count()).group_by(DealEvent.kind, DealEvent.reason)
    try:
        with engine.connect() as connection:
            return {
                "runs": [dict(row._mapping) for row in connection.execute(_columns(runs, JobRun))],
                "samples": [dict(row._mapping) for row in connection.execute(_columns(samples, Sample))],
                "events": [list(row) for row in connection.execute(events)],
            }
    finally:
        engine.dispose()


def _columns(query: Any, table: Any) -> Any:
    return query.with_only_columns(*table.__table__.columns)


def _files(settings: Settings) -> Iterator[tuple[str, str]]:
    kept = _files_like(settings.log_dir / KEPT_ANSWERS, "*.txt")
    for path in (*_files_like(settings.log_dir, "*.log"), *kept, *_files_like(settings.run_dir, "*.conf")):
        try:
            yield f"{path.parent.name}/{path.name}", read_end(path, MAX_BYTES)
        except OSError as error:
            yield f"{path.parent.name}/{path.name}", f"({error.strerror})\n"


def _files_like(folder: Path, pattern: str) -> list[Path]:
    try:
        return sorted(folder.glob(pattern))
    except OSError:
        return []


def _hider(settings: Settings) -> Callable[[str], str]:
    """Removes every part of these settings' secrets, and whatever looks like one."""
    settings_module.learn_secrets(settings)
    return redact
