"""Stops a deployment, however broken it is: by proof of whose each process is, never by its name."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import psutil
import redis

from keepa_deals import settings as settings_module
from keepa_deals.deployment import sockets
from keepa_deals.deployment.console import Say
from keepa_deals.deployment.errors import LeftoverError, OpsError
from keepa_deals.deployment.home import Home
from keepa_deals.deployment.operation_lock import holder
from keepa_deals.deployment.processes import (
    KILL_SCRIPT,
    TERM_WAIT,
    checkout_of,
    describe,
    is_our_supervisor,
    is_ours,
    is_redis,
    is_trusted,
    ours,
)
from keepa_deals.errors import SettingsError
from keepa_deals.jobs import LOCKED_JOBS
from keepa_deals.locks import Holder, read_holder
from keepa_deals.ops.systemd_unit import STOP_SIGNAL
from keepa_deals.redis_store import Keys, connect_probe
from keepa_deals.settings import PROJECT_ROOT, Settings

KILL_WAIT = 5.0
LOCKS_TIMEOUT = 5.0
"""Seconds that Redis has for an answer: a busy machine is no reason to leave locks behind."""
SUPERVISOR_WAIT = 1.0
"""A supervisor that is stopped by a signal does not hear ours: it is killed after this time."""


def stop_everything(home: Home, say: Say, *, wait: float = TERM_WAIT) -> None:
    """End every process of the deployment, free its locks, remove its pid files.

    A ``LeftoverError`` when a process survives KILL (it hangs in the kernel).
    """
    processes = ours(home.path)
    refuse_another_checkout(processes, home)
    # The supervisor first, at once: it would bring back what we stop. Its children go on until their turn.
    supervisors = [p for p in processes if is_our_supervisor(p, home.path)]
    for process in supervisors:
        say(f"STOP  {describe(process)}")
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(signal.Signals[STOP_SIGNAL])
    _kill(_wait(supervisors, SUPERVISOR_WAIT), say)
    _end([p for p in ours(home.path) if not is_redis(p)], say, wait)
    free_locks(home, say)
    _end(ours(home.path), say, wait)
    left = ours(home.path)
    if left:
        raise LeftoverError("still there: " + ", ".join(map(describe, left)))
    _remove_files(home, say)
    if not processes:
        say("nothing of this deployment was running")


def refuse_another_checkout(processes: Sequence[psutil.Process], home: Home) -> None:
    """An ``OpsError`` that names the other checkout when its scripts started any of these processes: two
    checkouts that are given one home must not end each other's service."""
    for process in processes:
        other = checkout_of(process)
        if other is not None and other != PROJECT_ROOT:
            raise OpsError(
                f"{home.path} is in use by the service of another checkout, {other} ({describe(process)}): "
                f"nothing was done: call {other / KILL_SCRIPT}, or set another KEEPA_DEALS_HOME here"
            )


def _kill(processes: Sequence[psutil.Process], say: Say) -> None:
    for process in processes:
        say(f"KILL  {describe(process)}")
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    _wait(processes, KILL_WAIT)


def _end(processes: Sequence[psutil.Process], say: Say, wait: float) -> None:
    """TERM, a bounded wait, KILL; a process that is stopped by a signal can't hear TERM.

    A child is left to its parent, which lets it end what it does: TERM would tear it out of a run.
    """
    deaf = [p for p in processes if _is_stopped(p)]
    pids = {process.pid for process in processes if process not in deaf}
    for process in processes:
        if process not in deaf and _parent(process) not in pids:
            say(f"TERM  {describe(process)}")
            with contextlib.suppress(psutil.NoSuchProcess):
                process.terminate()
    alive = _wait([p for p in processes if p not in deaf], wait)
    _kill([*deaf, *alive], say)


def _wait(processes: Sequence[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Those that still live after so long. A zombie is dead: in a container, nobody may ever bury it."""
    deadline = time.monotonic() + seconds
    while (alive := [p for p in processes if _lives(p)]) and time.monotonic() < deadline:
        time.sleep(0.05)
    return alive


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _parent(process: psutil.Process) -> int | None:
    try:
        return process.ppid()
    except psutil.NoSuchProcess:
        return None


def _is_stopped(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_STOPPED
    except psutil.NoSuchProcess:
        return False


def free_locks(home: Home, say: Say) -> None:
    """Delete the single-flight locks and say whose they were; those of a run that is not ours stay."""
    try:
        settings = _settings_of_locks(home)
        client = connect_probe(settings, timeout=LOCKS_TIMEOUT)
    except SettingsError:
        return
    keys = Keys(settings.redis_key_prefix)
    try:
        for name in (job.lock for job in LOCKED_JOBS):
            _free(client, keys.lock(name), home, settings.lock_ttl_seconds, say)
    except redis.RedisError as error:
        longest = settings.lock_ttl_seconds
        say(f"Redis does not answer ({error}): its locks end by themselves within {longest} s")
    finally:
        client.close()


def _settings_of_locks(home: Home) -> Settings:
    """What was started, whatever the settings of the next start are; without a start, those."""
    in_force = settings_module.in_force(home.path)
    return in_force if in_force.redis_url is not None else settings_module.load(keepa_deals_home=home.path)


def _free(client: redis.Redis, key: str, home: Home, longest: float, say: Say) -> None:
    lock_holder = read_holder(client, key)
    if lock_holder is None:
        return
    ends = lock_holder.ttl is not None and lock_holder.ttl <= longest
    stranger = _stranger(lock_holder, home) if ends else None
    if stranger is not None:
        say(f"{key} is held {stranger} and stays: it ends by itself within {longest:.0f} s unless renewed")
        return
    client.delete(key)
    left = f"{lock_holder.ttl:.0f} s left" if lock_holder.ttl is not None else "without an end"
    say(f"deleted {key} of {lock_holder.owner} ({left})")


def _stranger(lock_holder: Holder, home: Home) -> str | None:
    """Who may be at work under the lock without being ours; ``None`` when nobody is."""
    if lock_holder.pid is None or lock_holder.is_dead:
        return None
    if not lock_holder.is_here:
        return f"by {lock_holder.owner} on another machine"
    try:
        process = psutil.Process(lock_holder.pid)
    except psutil.NoSuchProcess:
        return None
    return None if is_ours(process, home.path) else f"by another deployment's {describe(process)}"


def _remove_files(home: Home, say: Say) -> None:
    for folder in (home.run, home.redis):
        for name in _remove_in(folder, (".pid", ".sock")):
            say(f"removed {folder.name}/{name}")


def _remove_in(folder: Path, endings: tuple[str, ...]) -> list[str]:
    """Remove the files with these endings; their names. Not through a link: root may be asked to by a home
    that is another user's, and the link may lead anywhere."""
    try:
        opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return []
    try:
        names = sorted(name for name in os.listdir(opened) if name.endswith(endings))
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=opened)
    finally:
        os.close(opened)
    return names


def forget_sockets(home: Home, say: Say) -> None:
    """Remove the folder of the temporary directory in which a home with a long path has its sockets."""
    folder = sockets.remove(home.run)
    if folder is not None:
        say(f"removed {folder}")


def end_other_operation(home: Home, say: Say) -> None:
    """End a start or deploy that is under way: whoever stops everything has the last word."""
    other = holder(home.operation_lock)
    if other is None:
        return
    refuse_another_checkout([other.process], home)
    if not is_trusted(other.process, home.path):
        say(f"the operation's lock is held by another user's {describe(other.process)}: left alone")
        return
    say(f"ending the {other.what} that is at work ({describe(other.process)})")
    family = [other.process, *other.process.children(recursive=True)]
    _end([process for process in family if is_trusted(process, home.path)], say, KILL_WAIT)
    deadline = time.monotonic() + KILL_WAIT
    while holder(home.operation_lock) is not None and time.monotonic() < deadline:
        time.sleep(0.05)
