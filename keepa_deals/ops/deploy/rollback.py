"""Brings the previous version back when the new one does not work."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import NoReturn

from keepa_deals.db import migrate
from keepa_deals.deployment import git_version, runtime_env, supervisor
from keepa_deals.deployment.console import Say
from keepa_deals.deployment.errors import HalfWayError, OpsError, UnhealthyError
from keepa_deals.deployment.home import Home
from keepa_deals.deployment.log_files import DEPLOY_LOG
from keepa_deals.diagnosis.diagnose import diagnose
from keepa_deals.diagnosis.evidence.gather import gather
from keepa_deals.diagnosis.render_text import to_text
from keepa_deals.ops import restore, stop, wait_healthy
from keepa_deals.ops.deploy import steps
from keepa_deals.ops.deploy.log import note, words_of
from keepa_deals.ops.deploy.plan import Plan, short
from keepa_deals.ops.deploy.steps import Deploy
from keepa_deals.settings import PROJECT_ROOT

PACKAGE_LISTS = ("pyproject.toml", "requirements.txt", "constraints.txt")


class PreviousVersionError(OpsError):
    """The new version did not start and is gone; the previous one is checked out, and nothing runs."""


def take_back(say: Say) -> str:
    """What was done about the checkout of a version whose deploy could not even begin: what dies must come
    back as the version that it was."""
    plan = Plan(git_version.deployed(), git_version.current(), None)
    if not plan.goes_back or git_version.local_changes():
        return ""
    check_out_previous(plan, say)
    return f". {short(plan.previous)} is checked out again, nothing was stopped"


def go_back(deploy: Deploy, copy: Path | None, error: BaseException) -> NoReturn:
    """The previous version and database; ends with an ``OpsError`` in any case.

    Without a ``copy`` of the database nothing was done to it.
    """
    reason = words_of(error)
    deploy.say(f"    that did not work: {reason}")
    note(deploy.home, f"failed: {reason.splitlines()[0]}", deploy.plan, error)
    _tell_diagnosis(deploy, reason)
    if not deploy.running and not deploy.plan.goes_back:
        raise error if isinstance(error, OpsError) else OpsError(f"the service did not start: {reason}")
    try:
        if deploy.running and supervisor.live_supervisor(deploy.home) is not None:
            _return_in_place(deploy, copy)
        else:
            _stop_all_for_rollback(deploy, copy)
    except UnhealthyError as second:
        note(deploy.home, "the previous version is back, and not healthy yet", deploy.plan)
        raise UnhealthyError(
            f"the new version did not work; {short(deploy.plan.previous)} is back, but {second}"
        ) from None
    except Exception as second:  # noqa: BLE001  # told in words and in the log
        words = words_of(second)
        note(deploy.home, f"the way back failed: {words.splitlines()[0]}", deploy.plan, second)
        raise HalfWayError(
            f"the new version did not work, and the way back failed: {words}. ./start_celery.sh starts "
            f"what is stopped, as {short(git_version.current())}; see {deploy.home.log / DEPLOY_LOG}"
        ) from None
    if supervisor.live_supervisor(deploy.home) is None:
        raise PreviousVersionError(f"nothing runs; {short(deploy.plan.previous)} is checked out again")
    note(deploy.home, "the previous version is back", deploy.plan)
    raise OpsError(f"the new version did not work; {short(deploy.plan.previous)} is back in service")


def _return_in_place(deploy: Deploy, copy: Path | None) -> None:
    """The previous version under the supervisor that runs; the dashboard goes on meanwhile."""
    steps.stop_pipeline(deploy.home)
    _restore_database(deploy, copy)
    check_out_previous(deploy.plan, deploy.say)
    steps.configure(deploy.home, deploy.programs)
    launched = steps.start_pipeline(deploy.home)
    steps.reload_dashboard(deploy.home)
    wait_healthy.wait_until_healthy(deploy.deployment, deploy.say, within=steps.GATE, launched=launched)


def _stop_all_for_rollback(deploy: Deploy, copy: Path | None) -> None:
    """Leave nothing of a version that did not start, so that the previous one can be started.

    That is up to its own script, once our lock is free: what this process has loaded is the new version.
    """
    stop.stop_everything(deploy.home, deploy.say)
    _restore_database(deploy, copy)
    check_out_previous(deploy.plan, deploy.say)


def start_previous(home: Home, say: Say) -> NoReturn:
    """Start the version that is checked out by its own script; ends with an ``OpsError`` in any case."""
    version = short(git_version.current())
    command = [
        str(PROJECT_ROOT / "start_celery.sh"),
        *(["--sandbox"] if runtime_env.with_sandbox(home) else []),
    ]
    with subprocess.Popen(  # noqa: S603  # our own script
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as start:
        assert start.stdout is not None
        for line in start.stdout:
            say(f"    {line.rstrip()}")
    if start.returncode == 0:
        note(home, "the previous version is back", version)
        raise OpsError(f"the new version did not work; {version} is back in service")
    note(home, "the previous version does not start", version)
    raise OpsError(
        f"the new version did not work, and {version}, which is checked out again, did not start either: "
        "see above; ./start_celery.sh tries again"
    )


def check_out_previous(plan: Plan, say: Say) -> None:
    """Have the previous version in the folder again, with its packages."""
    if not plan.goes_back:
        return
    say(f"    going back to {short(plan.previous)}")
    assert plan.previous is not None
    assert plan.target is not None
    git_version.go_to(plan.previous)
    if git_version.changed_between(plan.previous, plan.target, *PACKAGE_LISTS):
        _install()


def _tell_diagnosis(deploy: Deploy, reason: str) -> None:
    """Print what the diagnosis finds; it may be as broken as the version, and must not stop the way back."""
    try:
        for line in to_text(
            diagnose(gather(deploy.deployment.settings), log_lines=10, trouble=reason), width=100
        ):
            deploy.say(f"    {line}")
    except Exception as error:  # noqa: BLE001
        deploy.say(f"    the diagnosis could not look: {words_of(error)}")


def _restore_database(deploy: Deploy, copy: Path | None) -> None:
    if copy is None or deploy.plan.revision is None or not deploy.plan.migrates:
        return
    if deploy.database.is_sqlite:
        restore.restore(copy, deploy.database)
    else:
        migrate.downgrade(deploy.database, deploy.plan.revision)
    deploy.say(f"    the database is back at {deploy.plan.revision}")


def _install() -> None:
    """The packages of the version that is checked out, as its own start would install them."""
    script = "source keepa_deals/ops/environment.sh && make_environment"
    subprocess.run(["bash", "-c", script], cwd=PROJECT_ROOT, check=False)  # noqa: S603, S607  # our own script
