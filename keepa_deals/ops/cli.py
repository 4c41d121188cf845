"""``keepa-deals ops``: what the three shell scripts call.

What only one command needs is imported there: a stop must work where a package that the dashboard needs is
missing, as after a ``git pull`` that brought a new one.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import AbstractContextManager
from pathlib import Path

import click

from keepa_deals import logs
from keepa_deals import settings as settings_module
from keepa_deals.deployment.console import to_terminal as say
from keepa_deals.deployment.errors import BusyError, LeftoverError, OpsError, UnhealthyError
from keepa_deals.deployment.home import Home, keep_key_private
from keepa_deals.deployment.operation_lock import WATCHDOG, WATCHDOG_WAIT, holder, only_one
from keepa_deals.deployment.processes import TERM_WAIT

FAILED, BUSY, UNHEALTHY, LEFTOVERS = 1, 3, 4, 5
"""Exit codes: a check failed or a program does not start; another operation is at work; it runs but is
not healthy yet; processes survived KILL."""


@click.group()
def ops() -> None:
    """Start, stop and update this deployment (called by the shell scripts)."""


@ops.command()
@click.option("--sandbox", is_flag=True, help="Run against a Keepa of our own, without a key.")
@click.option("--within", type=float, default=None, help="Seconds to become healthy.")
def start(*, sandbox: bool, within: float | None) -> None:
    """Start what does not run, and return when it works."""
    from keepa_deals.ops.start import start as start_deployment
    from keepa_deals.ops.wait_healthy import HEALTHY_WITHIN

    changed = keep_key_private()
    if changed:
        say(f"  note  {changed}")
    home = Home(settings_module.load(runtime=False).keepa_deals_home)
    home.make()
    began = time.monotonic()
    with _exit_codes(), _in_turn(home, "start"):
        seconds = HEALTHY_WITHIN if within is None else within
        started = start_deployment(home, say, sandbox=sandbox, within=seconds)
    say(
        f"healthy after {time.monotonic() - began:.0f} s: {started.live_deals} live deals "
        f"on {started.address}"
    )


@ops.command()
@click.option("--wait", default=TERM_WAIT, show_default=True, help="Seconds between TERM and KILL.")
def kill(*, wait: float) -> None:
    """Stop everything of this deployment, however broken it is, and nothing else."""
    from keepa_deals.ops import stop as stopping

    home = Home(settings_module.deployment_home())
    if _is_closed(home):
        raise click.ClickException(f"{home.path} is another user's: stop it as that user, or as root")
    if not home.run.is_dir():
        say(f"nothing was ever started in {home.path}")
        return
    with _exit_codes():
        stopping.end_other_operation(home, say)
    with _exit_codes(), only_one(home.operation_lock, "kill", wait=10):
        stopping.stop_everything(home, say, wait=wait)
        stopping.forget_sockets(home, say)
    say("stopped: no process, pid file or lock of this deployment is left")


@ops.command(hidden=True)
@click.option("--heal", metavar="REASON", help="Start what does not run, once; the guard calls this.")
def guard(*, heal: str | None) -> None:
    """Watch over the supervisor (the supervisor runs it)."""
    logs.configure()
    home = Home(settings_module.deployment_home())
    if heal is not None:
        from keepa_deals.ops import healing

        sys.exit(healing.heal(home, heal))
    from keepa_deals.ops import watchdog

    watchdog.watch(home)


@ops.command()
@click.option("--sandbox", is_flag=True, help="Start with the sandbox; else as it was last started.")
def unit(*, sandbox: bool) -> None:
    """Print the systemd unit that starts this deployment after a reboot."""
    from keepa_deals.ops import systemd_unit as units

    home = Home(settings_module.deployment_home())
    say(units.render(home, settings_module.given_by_environment(), sandbox=True if sandbox else None))


@ops.command()
def backup() -> None:
    """Copy the database to backups/ while the service goes on (a deploy does so by itself)."""
    from keepa_deals.deployment import backups
    from keepa_deals.deployment.deployment import Deployment

    deployment = Deployment.as_last_started(Home(settings_module.deployment_home()))
    deployment.home.make()
    with _exit_codes(), _in_turn(deployment.home, "backup"):
        say(str(backups.make_now(deployment)))


@ops.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def restore(*, file: Path) -> None:
    """Put a copy of backups/ in the database's place; what was there is moved aside."""
    from keepa_deals.deployment.deployment import Deployment
    from keepa_deals.ops.restore import restore_deployment

    deployment = Deployment.as_wanted()
    deployment.home.make()
    with _exit_codes(), _in_turn(deployment.home, "restore"):
        restore_deployment(deployment, file, say)


@ops.command()
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
def deploy(*, dry_run: bool) -> None:
    """Bring the version that is checked out into service, or the previous one back."""
    from keepa_deals.ops.deploy import run as deploying
    from keepa_deals.ops.deploy.rollback import PreviousVersionError, start_previous

    home = Home(settings_module.load(runtime=False).keepa_deals_home)
    home.make()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a lost connection must not leave a deploy half-way
    with _exit_codes():
        if dry_run:
            deploying.deploy(home, say, dry_run=True)
            return
        try:
            with _in_turn(home, "deploy"):
                deploying.deploy(home, say)
        except PreviousVersionError:
            start_previous(home, say)


def _is_closed(home: Home) -> bool:
    """Whether there is a home that we may not look into, or a folder above it."""
    try:
        return home.path.exists() and not os.access(home.path, os.R_OK | os.W_OK | os.X_OK)
    except PermissionError:
        return True


def _in_turn(home: Home, what: str) -> AbstractContextManager[None]:
    """The one operation at work here: after the watchdog's, which heals what a person is to look after."""
    other = holder(home.operation_lock)
    if other is not None and other.what == WATCHDOG:
        say("  wait  the guard is bringing the service back")
    return only_one(home.operation_lock, what, wait_for_watchdog=WATCHDOG_WAIT)


class _exit_codes:  # noqa: N801  # a context manager, used like a function
    """Ends the process with the code that belongs to the error, after its words."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if not isinstance(error, OpsError):
            return
        codes = {BusyError: BUSY, UnhealthyError: UNHEALTHY, LeftoverError: LEFTOVERS}
        click.echo(f"keepa-deals: {error}", err=True)
        sys.exit(codes.get(type(error), FAILED))
