"""``keepa-deals keepa check`` as a process against the sandbox as a process, alone and beside a service."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from keepa_deals import settings
from keepa_deals.keepa_check.assumptions import ASSUMPTIONS
from keepa_deals.token_manager import TokenManager
from tests.support.servers.redis import RedisServer
from tests.support.servers.sandbox import KEY, SandboxProcess

pytestmark = pytest.mark.slow

TICK_SECONDS = "3"
OFTEN_UNTOLD = {"siblings"}
"""What may be unknown: a sibling at another date stands on a page that is not asked for."""


class Check:
    """The command with an environment of its own."""

    def __init__(self, home: Path, url: str, **environment: str) -> None:
        inherited = {
            name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ
        }
        self.home = home
        self.environment = {
            **inherited,
            "KEEPA_DEALS_HOME": str(home),
            "KEEPA_API_URL": url,
            "KEEPA_API_KEY": KEY,
            "KEEPA_TICK_SECONDS": TICK_SECONDS,
            **environment,
        }

    def run(self, *arguments: str, answer: str = "") -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-c", "from keepa_deals.cli import main; main()", "keepa", "check", *arguments],
            env=self.environment,
            input=answer,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert KEY not in done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done


@pytest.fixture
def sandbox() -> Iterator[SandboxProcess]:
    process = SandboxProcess("--tick-seconds", TICK_SECONDS)
    yield process
    process.stop()


def evidence(path: Path) -> dict[str, Any]:
    text = path.read_text()
    assert KEY not in text
    assert "title" not in text
    return dict(json.loads(text))


def test_the_sandbox_is_as_we_assume_keepa_to_be(tmp_path: Path, sandbox: SandboxProcess) -> None:
    report = tmp_path / "report.json"
    done = Check(tmp_path / "home", sandbox.url).run("--yes", "--report", str(report))
    found = {row["name"]: (row["verdict"], row["seen"]) for row in evidence(report)["assumptions"]}
    assert found.keys() == ASSUMPTIONS.keys()
    others = {name: row for name, row in found.items() if row[0] != "holds"}
    assert others.keys() <= OFTEN_UNTOLD, others
    assert all(verdict == "unknown" for verdict, _ in others.values()), others
    assert done.returncode == 0, done.stdout + done.stderr
    assert "at most 40 tokens" in done.stdout
    stats = sandbox.stats()
    assert stats["tokens_consumed"] == evidence(report)["tokens_spent"] <= 40
    assert stats["by_path"]["/token"] == 1  # not to be polled


def test_beside_a_service_it_spends_from_its_bucket(
    tmp_path: Path, sandbox: SandboxProcess, own_redis: RedisServer
) -> None:
    check = Check(tmp_path / "home", sandbox.url, REDIS_URL=own_redis.url)
    done = check.run("--yes")
    assert "a service spends from the same account meanwhile" in done.stdout
    stats = sandbox.stats()
    assert stats["rejected_429"] == 0
    chosen = settings.load(
        env_file=None, runtime=False, redis_url=own_redis.url, keepa_api_key=KEY,
        keepa_tick_seconds=float(TICK_SECONDS),
    )  # fmt: skip
    books = TokenManager.from_settings(chosen).snapshot()
    assert books is not None
    assert books.reservations == 0
    assert books.foreign == 0
    assert {"deal", "product"} <= books.prices.keys()


def test_a_key_that_is_refused_is_said_and_leaves_no_report(tmp_path: Path) -> None:
    refusing = SandboxProcess("--fault", "402=1")
    try:
        report = tmp_path / "report.json"
        done = Check(tmp_path / "home", refusing.url).run("--yes", "--report", str(report))
    finally:
        refusing.stop()
    assert done.returncode == 2
    assert "could not look" in done.stderr
    assert "refuse" in done.stderr
    assert not report.exists()


def test_what_cannot_work_is_said_before_anything_is_asked(tmp_path: Path, sandbox: SandboxProcess) -> None:
    home = tmp_path / "home"
    poor = Check(home, "http://127.0.0.1:1").run("--yes")
    assert (poor.returncode, "cannot connect" in poor.stderr) == (2, True)
    keyless = Check(home, sandbox.url, KEEPA_API_KEY="").run("--yes")
    assert (keyless.returncode, "KEEPA_API_KEY is not set" in keyless.stderr) == (2, True)
    unwritable = Check(home, sandbox.url).run(
        "--yes", "--report", str(tmp_path / "no folder" / "report.json")
    )
    assert (unwritable.returncode, "No such file" in unwritable.stderr) == (2, True)
    selection = Check(home, sandbox.url, KEEPA_DEAL_SELECTION=str(tmp_path / "none.json")).run("--yes")
    assert (selection.returncode, "none.json: cannot be read" in selection.stderr) == (2, True)
    for answer in ("n\n", ""):
        declined = Check(home, sandbox.url).run(answer=answer)
        assert (declined.returncode, "nothing was spent" in declined.stderr) == (2, True)
    assert sandbox.stats()["tokens_consumed"] == 0


def test_a_short_balance_is_refused_politely(tmp_path: Path) -> None:
    poor = SandboxProcess("--tokens", "7", "--refill-rate", "5")
    try:
        done = Check(tmp_path / "home", poor.url).run("--yes")
        assert poor.stats()["tokens_consumed"] == 0
    finally:
        poor.stop()
    assert done.returncode == 2
    assert "7 tokens are there and 40 must be" in done.stderr
    assert "again in 7 minutes" in done.stderr
