"""Brings the version that is checked out into service; when it does not work, the previous one comes back."""

from __future__ import annotations

import time

from keepa_deals.db import migrate
from keepa_deals.db.errors import StoreError
from keepa_deals.db.session import Database
from keepa_deals.deployment import git_version, supervisor
from keepa_deals.deployment.console import Say
from keepa_deals.deployment.deployment import Deployment
from keepa_deals.deployment.errors import OpsError
from keepa_deals.deployment.home import Home
from keepa_deals.jobs import BACKFILL_JOB
from keepa_deals.ops import preflight
from keepa_deals.ops import start as starting
from keepa_deals.ops.deploy import steps
from keepa_deals.ops.deploy.log import note
from keepa_deals.ops.deploy.plan import Plan, short, tell
from keepa_deals.ops.deploy.rollback import go_back, take_back
from keepa_deals.ops.deploy.steps import Deploy
from keepa_deals.worker.dispatch import send


def deploy(home: Home, say: Say, *, dry_run: bool = False) -> None:
    """The five steps; an ``OpsError`` when the new version did not work (the previous one is back then)."""
    deployment = Deployment.as_last_started(home)
    database = Database.from_settings(deployment.settings)
    try:
        git_version.refuse_unreadable()
        plan = Plan(git_version.deployed(), git_version.current(), migrate.current(database))
        _refuse(plan)
        _refuse_selection(deployment, plan, say, dry_run=dry_run)
        if dry_run:
            tell(plan, home, say)
            return
        note(home, "begins", plan)
        began = time.monotonic()
        running = supervisor.live_supervisor(home) is not None
        _carry_out(Deploy(deployment, database, plan, say, steps.configuration(home), running))
        note(home, f"succeeded after {time.monotonic() - began:.0f} s", plan)
    except StoreError as error:
        raise OpsError(f"database: {error}{'' if dry_run else take_back(say)}") from None
    finally:
        database.close()


def _refuse(plan: Plan) -> None:
    if plan.target is not None and git_version.local_changes():
        raise OpsError(
            "files under version control were changed here, so the previous version could not be brought "
            "back: commit them or undo them (git status says which)"
        )


def _refuse_selection(deployment: Deployment, plan: Plan, say: Say, *, dry_run: bool) -> None:
    """An ``OpsError`` of one line when this version cannot use the deal query; before anything stops."""
    try:
        preflight.selection(deployment.settings, say)
    except OpsError as error:
        if dry_run:
            raise
        note(deployment.home, f"refused: {error}", plan)
        raise OpsError(f"{error}{take_back(say) or '; nothing was stopped'}") from None


def _carry_out(deploy: Deploy) -> None:
    home = deploy.home
    deploy.say(f"deploying {deploy.plan}")
    if deploy.running:
        starting.tell_changes(home, deploy.say)
    copy = None
    try:
        deploy.say("1/5 Permissions")
        steps.set_permissions(home)
        deploy.say(
            f"2/5 Stop: {'workers and beat; the dashboard goes on' if deploy.running else 'nothing runs'}"
        )
        if deploy.running:
            steps.stop_pipeline(home)
        copy = steps.save(deploy)
        if deploy.running:
            steps.switch(deploy)
        else:
            deploy.say("3/5 Start")
            starting.start(home, deploy.say, sandbox=deploy.deployment.with_sandbox)
            deploy.say("4/5 Reload: the dashboard is new")
        deploy.say("5/5 Backfill")
        send(BACKFILL_JOB)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  # whatever a new version does: it goes back
        go_back(deploy, copy, error)
    git_version.remember()
    deploy.say(f"in service: {short(deploy.plan.target)}")
