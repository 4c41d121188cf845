"""The archive for a bug report: everything needed, and no secret wherever it may have got to."""

from __future__ import annotations

import json
import stat
import tarfile
from dataclasses import replace
from pathlib import Path

import click
import pytest
from sqlalchemy import create_engine

from keepa_deals import settings as settings_module
from keepa_deals.db.models import Base
from keepa_deals.diagnosis import cli, support_bundle
from keepa_deals.diagnosis.diagnose import Diagnosis, diagnose
from tests.support.evidence import evidence

KEY = "A1b2" * 16
REDIS_PASSWORD, DATABASE_PASSWORD = "s3same/open", "pg-Passw0rd!"


@pytest.fixture
def found(tmp_path: Path) -> Diagnosis:
    """A deployment whose files are full of its secrets."""
    home = tmp_path / "home"
    (home / "log").mkdir(parents=True)
    (home / "log" / "answers").mkdir()
    (home / "run").mkdir()
    database = home / "deals.db"
    engine = create_engine(f"sqlite:///{database}")
    Base.metadata.create_all(engine)
    engine.dispose()
    leaks = f"GET /deal?key={KEY}&x=1 {KEY} redis://:{REDIS_PASSWORD}@127.0.0.1:1/0 auth {REDIS_PASSWORD}\n"
    leaks += f"postgresql+psycopg://keepa:{DATABASE_PASSWORD}@db/deals password={DATABASE_PASSWORD}\n"
    for name in (
        "log/celery_worker.log",
        "log/celery_beat.log",
        "log/answers/deal-1.txt",
        "run/redis.conf",
        "run/supervisord.conf",
    ):
        (home / name).write_text(leaks, encoding="utf-8")
    (home / "run" / "runtime.env").write_text(f"KEEPA_API_KEY='{KEY}'\n", encoding="utf-8")
    settings = settings_module.load(
        env_file=None,
        runtime=False,
        keepa_deals_home=home,
        keepa_api_key=KEY,
        redis_url=f"redis://:{REDIS_PASSWORD}@127.0.0.1:1/0",
        database_url=f"postgresql+psycopg://keepa:{DATABASE_PASSWORD}@127.0.0.1:1/deals",
    )
    return diagnose(replace(evidence(settings_error=f"see {KEY}"), settings=settings), log_lines=10)


def contents(path: Path) -> dict[str, str]:
    with tarfile.open(path) as archive:
        files = {m.name: archive.extractfile(m) for m in archive}
        return {name: file.read().decode() for name, file in files.items() if file is not None}


def test_no_secret_is_in_any_of_its_files(found: Diagnosis, tmp_path: Path) -> None:
    support_bundle.write(tmp_path / "bundle.tar.gz", found)
    for name, text in contents(tmp_path / "bundle.tar.gz").items():
        for secret in (KEY, REDIS_PASSWORD, DATABASE_PASSWORD):
            assert secret not in text, f"{secret} in {name}"


def test_it_holds_what_a_bug_report_needs(found: Diagnosis, tmp_path: Path) -> None:
    support_bundle.write(tmp_path / "bundle.tar.gz", found)
    files = contents(tmp_path / "bundle.tar.gz")
    names = {name.removeprefix("keepa_deals/") for name in files}
    assert names >= {"diagnosis.json", "diagnosis.txt", "status.json", "settings.json", "versions.json"}
    assert names >= {"redis.json", "database.json", "log/celery_worker.log", "run/supervisord.conf"}
    assert "answers/deal-1.txt" in names
    assert "run/runtime.env" not in names
    assert "error" in json.loads(files["keepa_deals/redis.json"])
    assert "celery" in json.loads(files["keepa_deals/versions.json"])["packages"]
    assert all(json.loads(text) for name, text in files.items() if name.endswith(".json"))


def test_only_its_owner_may_read_it(found: Diagnosis, tmp_path: Path) -> None:
    support_bundle.write(tmp_path / "bundle.tar.gz", found)
    assert stat.S_IMODE((tmp_path / "bundle.tar.gz").stat().st_mode) == 0o600


def test_a_file_that_exists_is_not_overwritten(tmp_path: Path) -> None:
    precious = tmp_path / ".env"
    precious.write_text("KEEPA_API_KEY=x")
    with pytest.raises(click.BadParameter, match="exists already"):
        cli.refuse_existing(precious)
    with pytest.raises(click.BadParameter, match="no folder"):
        cli.refuse_existing(tmp_path / "nowhere" / "b.tar.gz")
