"""The programs of a deployment, and the supervisor's configuration that runs them."""

from __future__ import annotations

import os
import pwd
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from keepa_deals.deployment import embedded_redis
from keepa_deals.deployment.deployment import Deployment
from keepa_deals.deployment.home import Home
from keepa_deals.deployment.log_files import SUPERVISOR_LOG, log_of
from keepa_deals.jobs import BACKFILL_JOB, NOTIFIER, UPSERT_JOB, worker_of
from keepa_deals.settings import PROJECT_ROOT, Settings

STORES, SERVICE = 1, 2
"""The supervisor's priorities: the stores start first, and stop when the service has stopped."""

WARM_SHUTDOWN = 70
"""Seconds for a worker to end what it does: a slice lasts at most 60."""

WORKER_CLASS = "keepa_deals.web.server.worker.WaitressWorker"
"""The dashboard's, as gunicorn is told, here and in its configuration: a reload keeps the master's own class,
but a command that has changed is replaced by a deploy."""


@dataclass(frozen=True, slots=True)
class Program:
    """One supervised process.

    Each is a group of its own for the supervisor: a deploy then restarts only what has changed.
    """

    name: str
    command: tuple[str, ...]
    priority: int = SERVICE
    stop_wait: int = 10
    start_seconds: int = 1


def programs(deployment: Deployment) -> list[Program]:
    """What runs in a deployment, the stores first."""
    chosen = []
    home = deployment.home
    if deployment.own_redis:
        server = str(embedded_redis.find_server())
        chosen.append(Program("redis", (server, str(home.redis_conf)), priority=STORES))
    if deployment.with_sandbox:
        chosen.append(_sandbox(home, deployment.settings))
    return [*chosen, *_workers(), _beat(), _notifier(), _dashboard(), _watchdog()]


def _workers() -> list[Program]:
    return [
        _worker(UPSERT_JOB.queue, threads=2),
        _worker(BACKFILL_JOB.queue, threads=1),
    ]


def _worker(queue: str, *, threads: int) -> Program:
    flags = ("-Q", queue, "-n", f"{queue}@%h", "-P", "threads", "-c", str(threads), "-l", "INFO")
    command = (*_celery(), "worker", *flags, "--without-gossip", "--without-mingle")
    return Program(worker_of(queue), command, stop_wait=WARM_SHUTDOWN)


def _beat() -> Program:
    return Program("beat", (*_celery(), "beat", "-l", "INFO"))


def _notifier() -> Program:
    return Program(NOTIFIER, (sys.executable, "-m", "keepa_deals.worker.notifier"), stop_wait=30)


def _celery() -> tuple[str, ...]:
    return (sys.executable, "-m", "keepa_deals.worker.celery", "-A", "keepa_deals.celery_app")


def _dashboard() -> Program:
    flags = ("-k", WORKER_CLASS, "-c", "python:keepa_deals.web.gunicorn_conf")
    command = (sys.executable, "-m", "gunicorn", *flags, "keepa_deals.web.app:create_app()")
    return Program("dashboard", command, stop_wait=30)


def _watchdog() -> Program:
    return Program("guard", (*_own_command(), "ops", "guard"))


def _own_command() -> tuple[str, ...]:
    """Not the script in ``.venv/bin``, which names the folder that ``.venv`` was made in."""
    return (sys.executable, "-m", "keepa_deals")


def _sandbox(home: Home, settings: Settings) -> Program:
    port = urlsplit(settings.keepa_api_url).port
    # A fixed seed: a sandbox that was restarted goes on with the same products.
    flags = ("--port", str(port), "--tick-seconds", f"{settings.keepa_tick_seconds:g}", "--seed", "sandbox")
    token = ("--control-token-file", str(home.run / "sandbox.token"))
    return Program("sandbox", (*_own_command(), "sandbox", *flags, *token), priority=STORES)


# -- the supervisor's configuration --------------------------------------------------------------
_HEAD = """\
; Written by start_celery.sh at every start: changes are lost.
[unix_http_server]
file={socket}
chmod=0700

[supervisord]
logfile={log}/{log_name}
logfile_maxbytes=5MB
logfile_backups=3
pidfile={pid}
directory={root}
childlogdir={log}
strip_ansi=true
identifier=keepa_deals
{user}

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface

; keeps the pauses between restarts short, and writes the pid files
[rpcinterface:keepa_deals]
supervisor.rpcinterface_factory=keepa_deals.deployment.supervisor_plugin:make
run_dir={run}

[supervisorctl]
serverurl=unix://{socket}
"""

_PROGRAM = """\
[program:{name}]
command={command}
priority={priority}
autorestart=true
startsecs={start_seconds}
startretries=1000000
stopsignal=TERM
stopwaitsecs={stop_wait}
stopasgroup=false
killasgroup=true
redirect_stderr=true
stdout_logfile={log}
stdout_logfile_maxbytes=10MB
stdout_logfile_backups=5
"""


def render(home: Home, chosen: list[Program]) -> str:
    """The supervisor's configuration file. Nothing in it is secret: the programs read the runtime file."""
    user = f"user={pwd.getpwuid(0).pw_name}" if os.geteuid() == 0 else ""
    head = _HEAD.format(
        socket=_escaped(supervisor_socket(home)),
        log=_escaped(home.log),
        log_name=SUPERVISOR_LOG,
        run=_escaped(home.run),
        pid=_escaped(home.supervisor_pid),
        root=_escaped(PROJECT_ROOT),
        user=user,
    )
    return "\n".join([head, *(_program(home, program) for program in chosen)])


def supervisor_socket(home: Home) -> Path:
    """Where the supervisor takes commands."""
    return home.socket("run", "supervisor.sock")


def _program(home: Home, program: Program) -> str:
    return _PROGRAM.format(
        name=program.name,
        command=_escaped(shlex.join(program.command)),
        priority=program.priority,
        start_seconds=program.start_seconds,
        stop_wait=program.stop_wait,
        log=_escaped(home.log / log_of(program.name)),
    )


def _escaped(value: object) -> str:
    """Text for supervisor's configuration, which expands ``%`` and takes `` ;`` for a comment."""
    return str(value).replace("%", "%%")
