"""``keepa-deals run``: what a container or another supervisor calls."""

from __future__ import annotations

import os
import sys

import click

from keepa_deals import logs
from keepa_deals import settings as settings_module
from keepa_deals.deployment.console import to_terminal as say
from keepa_deals.deployment.deployment import Deployment
from keepa_deals.ops import program
from keepa_deals.settings import PROJECT_ROOT


@click.command()
@click.argument("name", metavar="PROGRAM", type=click.Choice([*program.NAMES, program.MIGRATE]))
@click.option("--check", is_flag=True, help="Say whether it is at work: exit 0, or 1 with the reason.")
def run(*, name: str, check: bool) -> None:
    """Run one program in the foreground: upsert-worker, backfill-worker, beat or dashboard.

    Or migrate, which brings the tables up to date and ends. For whoever supervises the programs otherwise
    than start_celery.sh does: containers (docs/containers.md), units of systemd.
    """
    deployment = Deployment.as_wanted()
    if check:
        reason = None if name == program.MIGRATE else program.complaint(name, deployment)
        if reason is not None:
            say(f"{name}: {reason}")
            sys.exit(1)
        return
    if name == program.MIGRATE:
        logs.configure()
        program.migrate(deployment, say)
        return
    environment = settings_module.own_environment(program.prepare(deployment))
    if name == "dashboard":
        program.know_people(deployment)
    command = program.command_of(name, deployment)
    os.chdir(PROJECT_ROOT)
    os.execve(command[0], command, environment)  # noqa: S606  # it takes our place, and our signals
