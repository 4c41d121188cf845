"""``deploy_update.sh`` in a clone of this repository: a version that works, and two that don't."""

from __future__ import annotations

import re
import shutil
import signal
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from keepa_deals.db import migrate
from tests.faults import invariants
from tests.faults.experiment import wait_until_whole
from tests.faults.injection import Fault
from tests.faults.operators import kill_during_deploy, killed_deploy
from tests.support.checkout import Checkout
from tests.support.paths import ROOT

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("needs git and a checkout made with it")
    clone = Checkout(tmp_path_factory.mktemp("deploy") / "clone")
    try:
        clone.start()
        yield clone
    finally:
        clone.kill()


@contextmanager
def asked_all_the_time(address: str) -> Iterator[list[str]]:
    """Ask the dashboard thirty times a second; the list gets what did not work."""
    failures: list[str] = []
    enough = threading.Event()

    def ask() -> None:
        while not enough.wait(1 / 30):
            try:
                urllib.request.urlopen(address, timeout=20).read()
            except (OSError, urllib.error.URLError) as error:
                failures.append(repr(error))

    reader = threading.Thread(target=ask)
    reader.start()
    try:
        yield failures
    finally:
        enough.set()
        reader.join()


def test_a_good_version_comes_into_service_without_a_dropped_request(clone: Checkout) -> None:
    new = clone.commit("# another version")
    assert "would deploy" in clone.run("deploy_update.sh", "--dry-run").stdout
    with asked_all_the_time(f"{clone.address}/api/deals?limit=1") as failures:
        done = clone.run("deploy_update.sh")
    assert done.returncode == 0, done.stdout + done.stderr
    for step, name in enumerate(("Permissions", "Stop", "Start", "Reload", "Backfill"), start=1):
        assert f"{step}/5 {name}" in done.stdout
    assert f"in service: {new[:10]}" in done.stdout
    assert clone.deployments()[-1].split(": ", 1)[1].startswith("succeeded")
    assert failures == []


def test_a_deploy_names_the_settings_that_it_does_not_bring_in(clone: Checkout) -> None:
    clone.environment["MIN_TOKEN_THRESHOLD"] = "40"
    try:
        said = clone.run("deploy_update.sh", "--dry-run").stdout
    finally:
        del clone.environment["MIN_TOKEN_THRESHOLD"]
    assert "changed since it was started: MIN_TOKEN_THRESHOLD. ./kill" in said


@pytest.mark.nightly
def test_a_version_that_cannot_work_goes_back(clone: Checkout) -> None:
    good = clone.head()
    clone.commit('raise RuntimeError("this version cannot work")')
    before = invariants.read(clone)
    done = clone.run("deploy_update.sh")
    assert done.returncode != 0
    assert f"{good[:10]} is back in service" in done.stderr
    assert re.search(r"that did not work: .*\b(worker-\w+|beat)\b", done.stdout), done.stdout
    assert "RuntimeError: this version cannot work" in done.stdout
    assert "upserter_behind" in done.stdout or "worker_down" in done.stdout, "the diagnosis is printed"
    assert clone.head() == good
    assert clone.deployments()[-1].endswith("the previous version is back")
    assert invariants.read(clone).lost_since(before) == []


def test_a_version_that_migrates_and_cannot_work_goes_back_with_the_database(clone: Checkout) -> None:
    good, revision = clone.head(), migrate.head()
    file = clone.root / "keepa_deals" / "db" / "migrations" / "versions" / "v20991231_0000_test.py"
    file.write_text(MIGRATION.format(down=revision))
    clone.commit('raise RuntimeError("this version cannot work")')
    seen = invariants.read(clone).asins
    done = clone.run("deploy_update.sh")
    assert done.returncode == 1
    assert f"migrating to {NEW_REVISION}" in done.stdout
    assert f"the database is back at {revision}" in done.stdout
    assert clone.head() == good
    assert seen <= invariants.read(clone).asins
    clone.wait_for_success()


@pytest.mark.nightly
def test_a_version_that_fails_in_a_way_that_nobody_foresaw_goes_back(clone: Checkout) -> None:
    good, revision = clone.head(), migrate.head()
    file = clone.root / "keepa_deals" / "db" / "migrations" / "versions" / "v20991231_0000_test.py"
    file.write_text(MIGRATION.format(down=revision).replace("op.add_column", "raise KeyError"))
    clone.commit("# another version")
    done = clone.run("deploy_update.sh")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "that did not work: KeyError: " in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert f"{good[:10]} is back in service" in done.stderr
    assert clone.head() == good
    told = "\n".join(clone.deployments())
    assert "KeyError" in told
    assert "Traceback" in told, "the place is in the log"
    assert clone.deployments()[-1].endswith("the previous version is back")
    clone.wait_for_success()


MIGRATION = """\
from alembic import op
import sqlalchemy as sa

revision = "20991231_0000"
down_revision = "{down}"


def upgrade() -> None:
    op.add_column("deals", sa.Column("a_test", sa.Integer()))


def downgrade() -> None:
    op.drop_column("deals", "a_test")
"""
NEW_REVISION = "20991231_0000"


@pytest.mark.nightly
@pytest.mark.parametrize("fault", [killed_deploy, kill_during_deploy])
def test_a_deploy_that_dies_leaves_nothing_half_way(clone: Checkout, fault: Fault) -> None:
    before = invariants.read(clone)
    with fault(clone):
        pass
    clone.wait_for_success()
    wait_until_whole(clone)
    assert invariants.read(clone).lost_since(before) == []


@pytest.mark.nightly
def test_an_interrupted_deploy_goes_back(clone: Checkout) -> None:
    good = clone.head()
    clone.commit("# another version")
    deploy = clone.popen("deploy_update.sh")
    assert deploy.stdout is not None
    said = ""
    while "3/5 Start" not in said:
        said += deploy.stdout.readline()
    deploy.send_signal(signal.SIGINT)
    said += deploy.communicate(timeout=180)[0]
    assert deploy.returncode == 1, said
    assert "that did not work: it was interrupted" in said
    assert clone.head() == good
    clone.wait_for_success()


@pytest.mark.nightly
def test_a_deploy_whose_terminal_goes_away_ends_all_the_same(clone: Checkout) -> None:
    new = clone.commit("# a version that nobody watches")
    deploy = clone.popen("deploy_update.sh")
    assert deploy.stdout is not None
    while "deploying" not in (line := deploy.stdout.readline()):
        assert line, "it ended before it began"
    deploy.stdout.close()
    deploy.send_signal(signal.SIGHUP)
    deploy.wait(timeout=180)
    assert clone.git("rev-parse", "refs/keepa-deals/deployed") == new
    assert clone.deployments()[-1].split(": ", 1)[1].startswith("succeeded")


def test_a_version_that_cannot_be_loaded_stops_nothing(clone: Checkout) -> None:
    good = clone.head()
    pids = {name: clone.pid(name) for name in ("worker-upsert", "worker-backfill", "celerybeat")}
    clone.commit("def broken(:")
    done = clone.run("deploy_update.sh")
    assert done.returncode != 0
    assert "SyntaxError" in done.stderr
    assert "nothing was stopped" in done.stderr
    assert clone.head() == good
    assert {name: clone.pid(name) for name in pids} == pids


def test_a_version_whose_packages_cannot_be_installed_stops_nothing(clone: Checkout) -> None:
    good = clone.head()
    before = {process.pid for process in clone.processes()}
    impossible = f"keepa-deals-needs @ file:///nowhere/at/all.whl --hash=sha256:{'0' * 64}"
    with (clone.root / "requirements.txt").open("a") as wants:
        wants.write(f"{impossible}\n")
    clone.commit("# another version")
    done = clone.run("deploy_update.sh")
    assert done.returncode == 1
    assert (
        f"cannot be installed (see above): {good[:10]} is checked out again, nothing was stopped"
        in done.stderr
    )
    assert clone.head() == good
    assert {process.pid for process in clone.processes()} >= before
    clone.wait_for_success()


@pytest.mark.nightly
def test_a_version_that_does_not_start_where_nothing_ran_makes_way_for_the_previous_one(
    clone: Checkout,
) -> None:
    good, revision = clone.head(), migrate.head()
    clone.kill()
    file = clone.root / "keepa_deals" / "db" / "migrations" / "versions" / "v20991231_0000_test.py"
    file.write_text(MIGRATION.format(down=revision))
    broken = 'def wait_until_healthy(*_, **__):\n    raise RuntimeError("this version cannot start")'
    clone.commit(broken, "keepa_deals/ops/wait_healthy.py")
    done = clone.run("deploy_update.sh")
    assert done.returncode == 1
    assert "that did not work: RuntimeError: this version cannot start" in done.stdout
    assert f"the database is back at {revision}" in done.stdout
    assert f"{good[:10]} is back in service" in done.stderr
    assert clone.head() == good
    assert clone.deployments()[-1].endswith("the previous version is back")
    clone.wait_for_success()
    wait_until_whole(clone)


def test_a_first_version_that_does_not_start_says_why_and_goes_nowhere(tmp_path: Path) -> None:
    first = Checkout(tmp_path / "clone")
    done = first.run("deploy_update.sh")
    assert done.returncode == 1
    assert "KEEPA_API_KEY is not set" in done.stderr
    assert any("failed: KEEPA_API_KEY is not set" in line for line in first.deployments())


def test_a_checkout_that_git_does_not_read_for_us_is_not_deployed(clone: Checkout) -> None:
    clone.environment["GIT_TEST_ASSUME_DIFFERENT_OWNER"] = "1"  # as root in another user's checkout
    try:
        done = clone.run("deploy_update.sh", "--dry-run")
    finally:
        del clone.environment["GIT_TEST_ASSUME_DIFFERENT_OWNER"]
    assert done.returncode == 1
    assert "dubious ownership" in done.stderr
    assert "unknown version" not in done.stdout + done.stderr


def test_a_version_that_refuses_the_deal_query_stops_nothing(clone: Checkout) -> None:
    good = clone.head()
    programs = ("worker-upsert", "worker-backfill", "celerybeat", "dashboard")
    pids = {name: clone.pid(name) for name in programs}
    clone.commit('def read_selection(path, **_):\n    raise SettingsError(f"{SETTING}={path}: no")',
                 "keepa_deals/keepa/selection.py")  # fmt: skip
    looked = clone.run("deploy_update.sh", "--dry-run")
    done = clone.run("deploy_update.sh")
    for refused in (looked, done):
        assert refused.returncode == 1
        (line,) = refused.stderr.splitlines()
        assert "KEEPA_DEAL_SELECTION=" in line
    assert f"{good[:10]} is checked out again, nothing was stopped" in done.stderr
    assert clone.head() == good
    assert "refused: KEEPA_DEAL_SELECTION=" in clone.deployments()[-1]
    assert {name: clone.pid(name) for name in programs} == pids


@pytest.mark.nightly
def test_a_version_with_another_web_server_gets_it_by_a_deploy(clone: Checkout) -> None:
    before = clone.pid("dashboard")
    clone.commit('WORKER_CLASS = "gthread"', "keepa_deals/deployment/supervisor_config.py")
    done = clone.run("deploy_update.sh")
    assert done.returncode == 0, done.stdout + done.stderr
    assert clone.pid("dashboard") != before
    with urllib.request.urlopen(f"{clone.address}/healthz", timeout=20) as answer:
        assert answer.headers["Server"].startswith("gunicorn"), "waitress answers as the server until now"
