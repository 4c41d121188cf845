"""A checkout is itself: copied, moved, linked to or read-only, its scripts act on their own folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from keepa_deals.deployment.ports import free_port
from tests.support.checkout import Checkout
from tests.support.deployment import Service

KILL, START = "kill_everything_force.sh", "start_celery.sh"
NOTHING = "nothing was ever started in {home}"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    return Checkout(tmp_path_factory.mktemp("own") / "checkout")


def run(*command: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {"PATH": os.environ["PATH"], **environment}
    return subprocess.run(command, cwd=cwd, env=inherited, capture_output=True, text=True, check=False)


def test_a_link_to_a_script_acts_on_the_script_s_folder(checkout: Checkout, tmp_path: Path) -> None:
    link, further = tmp_path / "kd-kill", tmp_path / "kill"
    link.symlink_to(checkout.root / KILL)
    further.symlink_to(link)
    done = run(str(further), cwd=tmp_path)
    assert NOTHING.format(home=checkout.home) in done.stdout, done.stderr


def test_cdpath_and_python_s_variables_lead_nowhere_else(checkout: Checkout, tmp_path: Path) -> None:
    other = tmp_path / checkout.root.name
    (other / "keepa_deals").mkdir(parents=True)
    (other / "keepa_deals" / "__init__.py").write_text("raise SystemExit('another checkout')")
    done = run(
        *("bash", f"{checkout.root.name}/{KILL}"),
        cwd=checkout.root.parent,
        CDPATH=str(tmp_path),
        PYTHONPATH=str(other),
        PYTHONSAFEPATH="1",
    )
    assert NOTHING.format(home=checkout.home) in done.stdout, done.stderr


def test_a_read_only_checkout_with_its_packages_needs_to_write_nothing(checkout: Checkout) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can mount")
    mounted = 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && exec "$1"/' + START
    done = run("unshare", "--mount", "bash", "-c", mounted, "bash", str(checkout.root), cwd=Path("/"))
    if "unshare failed" in done.stderr:
        pytest.skip(done.stderr)
    assert done.returncode == 1
    assert "KEEPA_DEALS_HOME=" in done.stderr
    assert "Read-only file system" in done.stderr


def test_a_copied_command_does_not_run_the_original_s_code(checkout: Checkout, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(checkout.root, copy, symlinks=True)
    done = run(str(copy / ".venv" / "bin" / "keepa-deals"), "--version", cwd=tmp_path)
    assert done.returncode == 1
    assert f"is a copy and would run the code of {checkout.root}" in done.stderr
    by_module = run(str(copy / ".venv" / "bin" / "python"), "-m", "keepa_deals", "--version", cwd=copy)
    assert by_module.returncode == 0, by_module.stderr


def test_a_moved_environment_is_adjusted_without_a_download(checkout: Checkout, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(checkout.root, copy, symlinks=True)
    (paths,) = (copy / ".venv" / "lib").glob("python*/site-packages/clone.pth")
    paths.write_text(paths.read_text().partition("\n")[2])  # the packages; pip says where the project is
    adjust = "source keepa_deals/ops/environment.sh && make_environment && is_in_its_place"
    done = run("bash", "-euc", adjust, cwd=copy, PIP_NO_INDEX="1", HOME=str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "adjusting it" in done.stdout
    command = run(str(copy / ".venv" / "bin" / "keepa-deals"), "ops", "unit", cwd=tmp_path)
    assert f"ExecStart={copy}/{START}" in command.stdout, command.stderr
    again = run("bash", "-euc", adjust, cwd=copy)
    assert again.stdout == ""


@pytest.mark.slow
@pytest.mark.nightly
def test_a_copy_and_its_original_leave_each_other_alone(tmp_path: Path) -> None:
    original = Checkout(tmp_path / "original")
    moved: Service | None = None
    try:
        original.start()
        before = {process.pid for process in original.processes()}
        shutil.copytree(
            original.root, tmp_path / "copy", symlinks=True, ignore=shutil.ignore_patterns("*.sock")
        )
        copy = Service(tmp_path / "copy" / "var", root=tmp_path / "copy", PIP_NO_INDEX="1")

        said = copy.run(KILL).stdout
        assert "nothing of this deployment was running" in said
        assert {process.pid for process in original.processes()} == before

        copy.environment["KEEPA_DEALS_HOME"] = str(original.home)
        for script in (KILL, START):
            done = copy.run(script)
            assert done.returncode == 1, done.stdout
            assert f"in use by the service of another checkout, {original.root}" in done.stderr
        assert {process.pid for process in original.processes()} == before

        copy.environment["KEEPA_DEALS_HOME"] = str(copy.home)
        copy.start()
        assert {process.cwd() for process in copy.processes()} <= {str(copy.root), str(copy.home / "redis")}
        copy.kill()
        assert {process.pid for process in original.processes()} == before
        original.wait_for_success()

        original.root.rename(tmp_path / "moved")
        moved = Service(tmp_path / "moved" / "var", root=tmp_path / "moved", PIP_NO_INDEX="1")
        moved.environment["DASHBOARD_PORT"] = str(free_port())
        assert "before this folder was moved" in moved.run(START, "--sandbox").stderr
        moved.kill()
        assert [pid for pid in before if lives(pid)] == []
    finally:
        (moved or original).run(KILL)


def lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def another_python() -> str | None:
    """A Python beside the one of the tests that the service may run with."""
    this = f"{sys.version_info.major}.{sys.version_info.minor}"
    for name in (f"python3.{minor}" for minor in range(11, 20)):
        path = shutil.which(name)
        if path is None or name == f"python{this}":
            continue
        says = subprocess.run([path, "-c", "import venv, ssl"], check=False, capture_output=True)
        if says.returncode == 0:
            return path
    return None


@pytest.mark.slow
@pytest.mark.nightly
def test_another_python_gets_packages_of_its_own_and_runs_the_service(tmp_path: Path) -> None:
    python = another_python()
    if python is None:
        pytest.skip("there is no other Python of 3.11 or newer")
    checkout = Checkout(tmp_path / "checkout", PYTHON=python)
    checkout.environment |= {name: os.environ[name] for name in os.environ if name.startswith("PIP_")}
    shutil.rmtree(checkout.root / ".venv")
    try:
        done = checkout.run(START, "--sandbox", seconds=600)
        if "pip could not install the packages" in done.stderr:
            pytest.skip("the packages of that Python cannot be had here")
        assert done.returncode == 0, done.stdout + done.stderr
        runs = Path(psutil.Process(checkout.pid("guard")).exe())
        assert (
            runs == (checkout.root / ".venv" / "bin" / "python").resolve() != Path(sys.executable).resolve()
        )
        assert "healthy" in checkout.start()
    finally:
        checkout.kill()
