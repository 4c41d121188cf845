"""Each fault is injected for real into a running deployment; the script must name it first, and only it.

The short form of ``python -m tests.faults.diagnosis_table``, and what else the script promises.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import jsonschema
import psutil
import pytest

from keepa_deals.diagnosis import cli
from tests.faults.catalogue import CASES, TWO_AT_ONCE
from tests.faults.diagnosed_deployment import SCRIPT, Case, Patient, made, own_disk, try_out
from tests.support import secrets
from tests.support.deployment import Service
from tests.support.paths import ROOT

pytestmark = pytest.mark.slow

SHORT = [case for case in (*CASES, *TWO_AT_ONCE) if case.short]
BY_DAY = {"zombie lock", "disk full"}
"""A lock and the disk. The other short ones, and two at once, run at night."""
OWN_DISK_ONLY = {"disk full"}


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Patient]:
    home = tmp_path_factory.mktemp("diagnosis") / "home"
    with own_disk(home):
        service = made(home)
        try:
            service.start()
            yield Patient(service)
        finally:
            service.kill()


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, marks=() if case.name in BY_DAY else pytest.mark.nightly) for case in SHORT],
    ids=lambda case: case.name,
)
def test_a_fault_is_named_first_and_past_when_it_has_healed(patient: Patient, case: Case) -> None:
    if case.name in OWN_DISK_ONLY and not os.path.ismount(patient.service.home):
        pytest.skip("only root can make a disk to fill")
    result = try_out(patient, case)
    assert result.first == case.named


def test_what_runs_by_day_is_among_the_short_ones() -> None:
    assert {case.name for case in SHORT} > BY_DAY


def test_a_healthy_service_is_called_healthy_with_all_evidence(patient: Patient) -> None:
    patient.wait_for_roots()
    patient.service.wait_for(lambda status: not status["problems"])
    look = patient.examine("--live")
    schema = json.loads((resources.files("keepa_deals.diagnosis") / "schema.json").read_text())
    jsonschema.validate(look.found, schema)
    assert (look.code, look.found["verdict"], look.found["causes"], look.found["logs"]) == (
        0,
        "healthy",
        [],
        {},
    )
    wanted = schema["properties"]["sections"]["items"]["properties"]["section"]["enum"]
    assert {line["section"] for line in look.found["sections"]} == set(wanted)
    assert any(line["text"].startswith("drift against /token") for line in look.found["sections"])


def test_a_bundle_of_a_running_deployment_holds_everything_and_no_key(
    patient: Patient, tmp_path: Path
) -> None:
    settings = patient.service.settings
    patient.examine("--bundle", str(tmp_path / "bundle.tar.gz"))
    with tarfile.open(tmp_path / "bundle.tar.gz") as archive:
        files = {member.name: archive.extractfile(member) for member in archive}
        texts = {
            name.removeprefix("keepa_deals/"): file.read().decode() for name, file in files.items() if file
        }
    assert all(settings.api_key not in text for text in texts.values())
    assert json.loads(texts["redis.json"])["keys"]["keepa_deals:metrics"] == "hash"
    assert json.loads(texts["database.json"])["runs"]
    assert "spawned: 'beat'" in texts["log/supervisord.log"]


def test_after_all_these_faults_nothing_that_was_written_or_said_shows_a_part_of_a_secret(
    patient: Patient,
) -> None:
    searched = secrets.search(patient.service)
    assert searched.found == ()
    assert searched.secrets >= 1
    assert searched.places > 40


def test_another_user_learns_what_it_cannot_see(patient: Patient, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can look as another user")
    done = subprocess.run(
        [sys.executable, "-c", AS_NOBODY],
        env=patient.service.environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode == 2, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert (found["verdict"], found["causes"]) == ("incomplete", [])
    assert any("is closed to nobody" in line["text"] for line in found["sections"])


AS_NOBODY = """
import os
from keepa_deals.diagnosis import cli
cli.diagnose(cli.take_evidence(live=False), log_lines=1)  # imports everything while it can surely be read
os.setgroups([]); os.setgid(65534); os.setuid(65534)
cli.main(["--json"])
"""


def test_the_watch_goes_on_until_it_is_interrupted(patient: Patient) -> None:
    watch = subprocess.Popen(
        [sys.executable, str(SCRIPT), "--json", "--watch", "1"],
        env=patient.service.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert watch.stdout is not None
    for _ in range(2):
        assert json.loads(watch.stdout.readline())["version"] == 1
    watch.send_signal(signal.SIGINT)
    _, errors = watch.communicate(timeout=20)
    assert "Traceback" not in errors
    assert watch.returncode in (0, 1, 2)


def run(service: Service, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments],
        env=service.environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_deployment_that_does_not_run_is_said_so(tmp_path: Path) -> None:
    done = run(Service(tmp_path / "home", KEEPA_API_KEY="k" * 64))
    assert done.returncode == 1
    assert "1. not_running" in done.stdout
    assert "./start_celery.sh" in done.stdout
    assert "\x1b[" not in done.stdout
    assert "Traceback" not in done.stderr


def test_a_pid_file_of_a_stranger_is_called_foreign_and_a_dead_one_stale(tmp_path: Path) -> None:
    service = Service(tmp_path / "home", KEEPA_API_KEY="k" * 64)
    service.layout.make()
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    stranger = psutil.Process().parent() or psutil.Process()
    service.layout.beat_pid.write_text(f"{stranger.pid}\n")
    (service.layout.run / "dashboard.pid").write_text(f"{gone.pid}\n")
    (service.layout.run / "redis.pid").write_text("99999999999999999999\n")
    texts = [line["text"] for line in json.loads(run(service, "--json").stdout)["sections"]]
    assert f"celerybeat.pid is foreign: pid {stranger.pid} is not ours" in texts
    assert f"dashboard.pid is stale: pid {gone.pid} is gone" in texts
    assert any(text.startswith("redis.pid is stale") for text in texts)


def test_wrong_settings_are_exit_2_and_a_cause_of_their_own(tmp_path: Path) -> None:
    service = Service(tmp_path / "home", DASHBOARD_PORT="http")
    done = run(service, "--json")
    assert done.returncode == 1, "nothing runs either"
    assert {"not_running", "settings_wrong"} <= {cause["rule"] for cause in json.loads(done.stdout)["causes"]}
    assert "DASHBOARD_PORT='http'" in run(service).stdout


def test_a_wrong_option_is_a_usage_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    existing = tmp_path / "precious.txt"
    existing.touch()
    for arguments in (["--lines", "-1"], ["--watch", "0"], ["--bundle", str(existing)], ["--nonsense"]):
        with pytest.raises(SystemExit) as ended:
            cli.main(arguments)
        assert ended.value.code == 2
        assert arguments[0] in capsys.readouterr().err
