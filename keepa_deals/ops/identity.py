"""Which processes belong to this deployment. A name alone never decides: a signal needs proof.

The proof is in the process's environment, which only its owner and root can read and nobody can forge:
every child of our supervisor carries :data:`MARK` with the deployment's home. A process that somebody
started by hand with ``KEEPA_DEALS_HOME`` is ours only if it also runs one of our programs (an editor
or a ``tail -f`` in the same terminal carries the variable as well). Times prove nothing: a process's
start seems to move when the clock is set. psutil tells a pid that was reused before each signal by the
kernel's ticks, which don't.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import psutil

MARK = "KEEPA_DEALS_SUPERVISED"
HOME_VARIABLE = "KEEPA_DEALS_HOME"
_SUPERVISOR = re.compile(r"\bsupervisord\b")
_OUR_PROGRAMS = (
    re.compile(r"\bcelery\b.* keepa_deals\.celery_app\b"),
    re.compile(r"\bgunicorn\b.* keepa_deals\.web\b"),
    re.compile(r"\bkeepa-deals (?:.* )?sandbox\b"),
    _SUPERVISOR,
    re.compile(r"^\S*(?:redis|valkey)-server\b"),
)


def command_of(process: psutil.Process) -> str:
    """The command line as one text; empty when it cannot be read."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def is_ours(process: psutil.Process, home: Path) -> bool:
    """Whether a live process belongs to the deployment in ``home``; ``False`` when it can't be proved."""
    try:
        environment = process.environ()
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
    except (psutil.Error, OSError):
        return False
    mark = environment.get(MARK)
    if mark is not None:
        return Path(mark) == home
    stated = environment.get(HOME_VARIABLE)
    if stated is None or not _same_path(stated, home):
        return False
    command = command_of(process)
    return any(pattern.search(command) for pattern in _OUR_PROGRAMS)


def ours(home: Path) -> list[psutil.Process]:
    """Every live process of the deployment but this one and its ancestors, oldest first."""
    exempt = {process.pid for process in _self_and_ancestors()}
    found = [p for p in psutil.process_iter() if p.pid not in exempt and is_ours(p, home)]
    return sorted(found, key=lambda process: (_started(process), process.pid))


def is_our_supervisor(process: psutil.Process, home: Path) -> bool:
    """Whether a live process is the supervisor of the deployment in ``home``."""
    return is_ours(process, home) and bool(_SUPERVISOR.search(command_of(process)))


def recorded(pid_file: Path) -> psutil.Process | None:
    """The live process that ``pid_file`` names; ``None`` when it is gone. Whose it is, is not proved."""
    try:
        process = psutil.Process(int(pid_file.read_text(encoding="ascii").split()[0]))
        dead = process.status() == psutil.STATUS_ZOMBIE
    except (OSError, ValueError, IndexError, OverflowError, psutil.NoSuchProcess):
        return None
    return None if dead else process


def describe(process: psutil.Process) -> str:
    """``pid 123 (celery -A … beat)``, shortened, for the operator."""
    command = command_of(process) or "gone"
    return f"pid {process.pid} ({command if len(command) <= 80 else command[:79] + '…'})"


def _same_path(stated: str, home: Path) -> bool:
    try:
        return Path(stated).resolve() == home
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
