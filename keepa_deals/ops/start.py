"""Brings a deployment up, and returns when it is seen to work."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Any

import psutil

from keepa_deals import settings as settings_module
from keepa_deals.clock import SystemClock
from keepa_deals.deployment import beat_lock, embedded_redis, git_version, runtime_env, supervisor_config
from keepa_deals.deployment import supervisor as supervisor_client
from keepa_deals.deployment.console import Say
from keepa_deals.deployment.deployment import Deployment
from keepa_deals.deployment.errors import OpsError
from keepa_deals.deployment.home import Home
from keepa_deals.deployment.ports import free_port
from keepa_deals.deployment.processes import describe, ours
from keepa_deals.ops import database_origin, preflight, stop
from keepa_deals.ops.wait_healthy import HEALTHY_WITHIN, RESTART, Started, wait_until_healthy
from keepa_deals.settings import KEY_LENGTH


def start(
    home: Home, say: Say, *, sandbox: bool = False, resume: bool = False, within: float = HEALTHY_WITHIN
) -> Started:
    """Start everything that does not run yet; an ``OpsError`` that says what is wrong otherwise.

    ``resume`` takes the settings that it last ran with instead of those in force now.
    """
    supervisor = supervisor_client.live_supervisor(home)
    if supervisor is not None:
        _refuse_unlike(supervisor, home)
        say(f"already running: {describe(supervisor)}")
        deployment = Deployment.as_last_started(home)
        if not resume:
            _refuse_the_other_kind(deployment, sandbox=sandbox)
            if deployment.with_sandbox:
                say("  note  this is the sandbox: its deals are invented")
            tell_changes(home, say)
        launched = _wake(deployment, say)
        return wait_until_healthy(deployment, say, within=within, launched=launched, any_success=resume)
    preflight.room(home)  # before what still works is stopped
    if resume:  # whatever its files hold by now: what worked comes back as far as it can
        _clear_away(home, say)
        deployment = Deployment.as_last_started(home)
    else:
        deployment = _choose(home, say, sandbox=sandbox)
        _clear_away(home, say)
        database_origin.set_aside_sandbox(deployment, SystemClock().now(), say)
    launched = _launch(deployment, say)
    started = wait_until_healthy(deployment, say, within=within, launched=launched)
    git_version.remember()
    return started


def _launch(deployment: Deployment, say: Say) -> datetime:
    """Start the supervisor with all programs; when that was. An ``OpsError`` when a check fails before."""
    home = deployment.home
    preflight.check(deployment, say)
    database_origin.note(deployment)
    if deployment.own_redis:
        embedded_redis.write_config(home)
        say(f"  ok    Redis: our own, {embedded_redis.find_server()}")
    runtime_env.write(home, deployment.settings, sandbox=deployment.with_sandbox)
    programs = supervisor_config.programs(deployment)
    home.supervisor_conf.write_text(supervisor_config.render(home, programs), encoding="utf-8")
    say("starting " + ", ".join(program.name for program in programs))
    launched = SystemClock().now()
    supervisor_client.launch(home)
    return launched


def _refuse_unlike(supervisor: psutil.Process, home: Home) -> None:
    """An ``OpsError`` when what runs is another checkout's, or was started before this folder was moved."""
    stop.refuse_another_checkout([supervisor], home)
    if supervisor_client.home_at_start(supervisor) != str(home.path):
        raise OpsError(f"what runs here was started before this folder was moved: {RESTART}")


def _refuse_the_other_kind(deployment: Deployment, *, sandbox: bool) -> None:
    """An ``OpsError`` when a sandbox runs and the live service is wanted, or the other way round."""
    if sandbox and not deployment.with_sandbox:
        raise OpsError(
            f"what runs is the live service, no sandbox: {database_origin.sandbox_hint(deployment.home)}"
        )
    if sandbox or not deployment.with_sandbox:
        return
    if settings_module.load(runtime=False, keepa_deals_home=deployment.home.path).keepa_api_key is not None:
        raise OpsError(f"what runs is the sandbox, not the live service: {RESTART} goes live")


def tell_changes(home: Home, say: Say) -> None:
    """Name the settings that were changed since the start: what runs does not know them yet."""
    changed = runtime_env.changes(home)
    if changed:
        say(f"  note  changed since it was started: {', '.join(changed)}. {RESTART} brings that in")


def _wake(deployment: Deployment, say: Say) -> datetime | None:
    """Start the programs that a deploy had stopped before it died; when that was, if there were any."""
    down = supervisor_client.stopped(deployment.home)
    if not down:
        return None
    say(f"  ok    database: {preflight.migrated(deployment.settings)}")
    say("starting " + ", ".join(down))
    launched = SystemClock().now()
    for name in down:
        supervisor_client.start_program(deployment.home, name)
    return launched


def _clear_away(home: Home, say: Say) -> None:
    """What a crash has left: orphans of a dead supervisor, and pid files that name nobody of ours."""
    orphans = ours(home.path)
    if orphans:
        say("the supervisor is gone, but its children live: stopping them first")
        stop.stop_everything(home, say)
    removed = beat_lock.remove_stale_pid_file(home)
    if removed:
        say(removed)


def _choose(home: Home, say: Say, *, sandbox: bool) -> Deployment:
    """The deployment that the settings in force describe, with what the start itself decides.

    The deal query's domain becomes a setting: the dashboard shows the deals of that one.
    """
    settings = settings_module.load(runtime=False, keepa_deals_home=home.path)
    chosen: dict[str, Any] = {}
    if sandbox:
        chosen["keepa_api_url"] = f"http://127.0.0.1:{free_port()}"
        chosen["keepa_api_key"] = secrets.token_hex(KEY_LENGTH // 2)
    else:
        _ = settings.api_key  # names both ways on when there is none
    if settings.redis_url is None:
        chosen["redis_url"] = embedded_redis.url(home)
    chosen["keepa_domain_id"] = preflight.selection(settings, say).domain_id
    settings = settings_module.load(runtime=False, keepa_deals_home=home.path, **chosen)
    return Deployment(home, settings, with_sandbox=sandbox)
