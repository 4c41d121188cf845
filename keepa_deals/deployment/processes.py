"""Which processes belong to this deployment. A name alone never decides: a signal needs proof.

The proof has two parts. The process's user is one that the deployment trusts (:func:`trusted_users`): a
stranger can give a process of his any name and any environment. And its environment, which only its owner
and root can read, names the deployment's home: every child of our supervisor carries :data:`MARK`, and in
:data:`MARK_ID` what stays when the home is moved and differs when it is copied. A process that somebody
started by hand with ``KEEPA_DEALS_HOME`` is ours only if it also runs one of our programs (an editor or a
``tail -f`` in the same terminal carries the variable as well). Times prove nothing: a process's start seems
to move when the clock is set. psutil tells a pid that was reused before each signal by the kernel's ticks,
which don't.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import psutil

from keepa_deals.jobs import QUEUES, worker_of
from keepa_deals.settings import PROJECT_ROOT

MARK = "KEEPA_DEALS_SUPERVISED"
MARK_ID = "KEEPA_DEALS_HOME_ID"
HOME_VARIABLE = "KEEPA_DEALS_HOME"
KILL_SCRIPT = "kill_everything_force.sh"
"""A folder with this file is a checkout."""
SUPERVISOR = "supervisord"

_CELERY = r"\bcelery\b(?=.*[ =]keepa_deals\b)"
PROGRAMS: Mapping[str, re.Pattern[str]] = {
    SUPERVISOR: re.compile(r"\bsupervisord(?!\S)"),
    "beat": re.compile(rf"{_CELERY}.*\bbeat\b"),
    **{
        worker_of(queue): re.compile(rf"{_CELERY}(?=.*\bworker\b).*(?:-Q|--queues)[ =]?{queue}\b")
        for queue in QUEUES
    },
    "dashboard": re.compile(r"\bgunicorn\b.*\bkeepa_deals\b"),
    "guard": re.compile(r"\bkeepa[-_]deals ops guard\b"),
    "redis": re.compile(r"^(?:redis|valkey)-server\b"),
    "sandbox": re.compile(r"\bkeepa[-_]deals (?:.* )?sandbox\b"),
}
"""Program → what its command line (:func:`words_of`) looks like."""
_OTHER_CELERY = re.compile(_CELERY)
"""A worker of ours on other queues: somebody tries something."""


def words_of(command: Sequence[str]) -> str:
    """A command line as one text that starts with the program's name, not with its folder."""
    return " ".join([command[0].rpartition("/")[2], *command[1:]]) if command else ""


def program_of(command: Sequence[str]) -> str | None:
    """The program of ours that a command line stands for; ``None`` for anything else."""
    words = words_of(command)
    return next((name for name, pattern in PROGRAMS.items() if pattern.search(words)), None)


def command_of(process: psutil.Process) -> str:
    """The command line as one text; empty when it cannot be read."""
    return " ".join(_arguments(process))


def _arguments(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []


def trusted_users(home: Path) -> frozenset[int]:
    """The user ids whose processes may be the deployment's: the home's owner, root, and our own.

    In a home that belongs to somebody else, whoever made ``run/`` is the one that the service runs as.
    """
    users = {0, os.geteuid()}
    for folder in (home, home / "run"):
        with contextlib.suppress(OSError):
            users.add(folder.lstat().st_uid)
    return frozenset(users)


def is_trusted(process: psutil.Process, home: Path) -> bool:
    """Whether a live process's user may run the deployment in ``home``.

    The real user counts as well: a set-user-ID program runs in the environment of whoever called it.
    """
    try:
        users = process.uids()
    except (psutil.Error, OSError):
        return False
    return {users.real, users.effective} <= trusted_users(home)


def marks(home: Path) -> dict[str, str]:
    """What every process of the deployment in ``home`` has in its environment."""
    known = id_of(home)
    return {HOME_VARIABLE: str(home), MARK: str(home), **({MARK_ID: known} if known else {})}


def id_of(home: Path) -> str | None:
    """What tells the folder ``home`` from every other one; ``None`` when it is not there."""
    try:
        found = home.stat()
    except OSError:
        return None
    return f"{found.st_dev}:{found.st_ino}"


def home_of(environment: Mapping[str, str]) -> str | None:
    """The home that an environment names."""
    return environment.get(MARK) or environment.get(HOME_VARIABLE)


def checkout_of(process: psutil.Process) -> Path | None:
    """The checkout whose scripts started a process, wherever it was moved since; ``None`` when it is gone, or
    the process (Redis) does not work in it."""
    try:
        folder = Path(process.cwd())
    except (psutil.Error, OSError):
        return None
    return folder if (folder / KILL_SCRIPT).exists() else None


def is_ours(process: psutil.Process, home: Path) -> bool:
    """Whether a live process belongs to the deployment in ``home``; ``False`` when it can't be proved."""
    try:
        environment = process.environ()
        if process.status() == psutil.STATUS_ZOMBIE or not is_trusted(process, home):
            return False
        command = process.cmdline()
    except (psutil.Error, OSError):
        return False
    if MARK in environment:
        return _is_marked(process, environment, home)
    return same_path(environment.get(HOME_VARIABLE), home) and (
        program_of(command) is not None or bool(_OTHER_CELERY.search(words_of(command)))
    )


def _is_marked(process: psutil.Process, environment: Mapping[str, str], home: Path) -> bool:
    stated, found = environment.get(MARK_ID), id_of(home)
    if stated is not None and stated == found:
        return True
    if Path(environment[MARK]) != home:
        return False
    # The home was removed under what runs, and made anew; or it was moved away, and another one is here now.
    return stated is None or found is None or not _lives_elsewhere(process, home)


def _lives_elsewhere(process: psutil.Process, home: Path) -> bool:
    try:
        folder = Path(process.cwd())
    except (psutil.Error, OSError):
        return False
    return folder.exists() and not any(folder.is_relative_to(base) for base in (home, PROJECT_ROOT))


def ours(home: Path) -> list[psutil.Process]:
    """Every live process of the deployment but this one and its ancestors, oldest first."""
    exempt = {process.pid for process in _self_and_ancestors()}
    found = [p for p in psutil.process_iter() if p.pid not in exempt and is_ours(p, home)]
    return sorted(found, key=lambda process: (_started(process), process.pid))


def is_our_supervisor(process: psutil.Process, home: Path) -> bool:
    """Whether a live process is the supervisor of the deployment in ``home``."""
    return is_ours(process, home) and program_of(_arguments(process)) == SUPERVISOR


def is_redis(process: psutil.Process) -> bool:
    """Whether a live process is a Redis or Valkey server."""
    return program_of(_arguments(process)) == "redis"


def recorded(pid_file: Path) -> psutil.Process | None:
    """The live process that ``pid_file`` names; ``None`` when it is gone. Whose it is, is not proved."""
    try:
        process = psutil.Process(int(pid_file.read_text(encoding="ascii").split()[0]))
        dead = process.status() == psutil.STATUS_ZOMBIE
    except (OSError, ValueError, IndexError, OverflowError, psutil.NoSuchProcess):
        return None
    return None if dead else process


def has_open(process: psutil.Process, path: Path) -> bool | None:
    """Whether a process has the file open; ``None`` when the system does not tell us."""
    try:
        wanted = path.stat()
        files = list(Path(f"/proc/{process.pid}/fd").iterdir())
    except OSError:
        return None
    return any(_is_file(file, wanted) for file in files)


def _is_file(link: Path, wanted: os.stat_result) -> bool:
    try:
        return os.path.samestat(link.stat(), wanted)
    except OSError:
        return False


def describe(process: psutil.Process) -> str:
    """``pid 123 (celery -A … beat)``, shortened, for the operator."""
    command = command_of(process) or "gone"
    return f"pid {process.pid} ({command if len(command) <= 80 else command[:79] + '…'})"


def same_path(stated: str | None, home: Path) -> bool:
    """Whether a path that somebody wrote, maybe through a link, is the home."""
    try:
        return stated is not None and Path(stated).resolve() == home
    except OSError:
        return False


def _self_and_ancestors() -> Iterator[psutil.Process]:
    me = psutil.Process()
    yield me
    yield from me.parents()


def _started(process: psutil.Process) -> float:
    try:
        return process.create_time()
    except psutil.Error:
        return 0.0
