"""Which processes belong to this deployment. A name alone never decides: a signal needs proof.

The proof has two parts. The process's user is one that the deployment trusts (:func:`trusted_users`): a
stranger can give a process of his any name and any environment. And its environment, which only its owner
and root can read, names the deployment's home: every child of our supervisor carries :data:`MARK`, and in
:data:`MARK_ID` what stays when the home is moved and differs when it is copied. A process that somebody
started by hand with ``KEEPA_DEALS_HOME`` is ours only if it also runs one of our programs (an editor or a
``tail -f`` in the same terminal carries the variable as well). Times prove nothing: a process's start seems
to move when the clock is set. psutil tells a pid that was reused before each signal by the kernel's ticks,
which don't.

The diagnosis sends no signal, so to it a process is ours as well by an ancestor that is (Redis overwrites its
environment with its title) and by our own pid file.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

from keepa_deals.jobs import NOTIFIER, QUEUES, WORKERS, worker_of
from keepa_deals.redaction import redact
from keepa_deals.settings import MARK, PROJECT_ROOT

MARK_ID = "KEEPA_DEALS_HOME_ID"
HOME_VARIABLE = "KEEPA_DEALS_HOME"
KILL_SCRIPT = "kill_everything_force.sh"
"""A folder with this file is a checkout."""
SUPERVISOR = "supervisord"
TERM_WAIT = 20.0
"""Seconds between TERM and KILL for a stop: our tasks end what they do within a second or two."""

_CELERY = r"\bcelery\b(?=.*[ =]keepa_deals\b)"
PROGRAMS: Mapping[str, re.Pattern[str]] = {
    SUPERVISOR: re.compile(r"\bsupervisord(?!\S)"),
    "beat": re.compile(rf"{_CELERY}.*\bbeat\b"),
    **{
        worker_of(queue): re.compile(rf"{_CELERY}(?=.*\bworker\b).*(?:-Q|--queues)[ =]?{queue}\b")
        for queue in QUEUES
    },
    NOTIFIER: re.compile(r"\bkeepa_deals\.worker\.notifier\b"),
    "dashboard": re.compile(r"\bgunicorn\b.*\bkeepa_deals\b"),
    "guard": re.compile(r"\bkeepa[-_]deals ops guard\b"),
    "redis": re.compile(r"^(?:redis|valkey)-server\b"),
    "sandbox": re.compile(r"\bkeepa[-_]deals (?:.* )?sandbox\b"),
}
"""Program → what its command line (:func:`words_of`) looks like."""
ALWAYS_THERE = (SUPERVISOR, *WORKERS, "beat", NOTIFIER, "dashboard", "guard")
"""The programs of every deployment; some have a Redis or a sandbox of their own as well."""
_OTHER_CELERY = re.compile(_CELERY)
"""A worker of ours on other queues: somebody tries something."""
_FOREIGN_CELERY = re.compile(r"\bcelery\b.*\b(?:worker|beat)\b")


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
        status = home.stat()
    except OSError:
        return None
    return f"{status.st_dev}:{status.st_ino}"


def home_of(environment: Mapping[str, str]) -> str | None:
    """The home that an environment names."""
    return environment.get(MARK) or environment.get(HOME_VARIABLE)


def belongs(environment: Mapping[str, str], home: Path, folder: Callable[[], Path | None]) -> bool | None:
    """Whether an environment is that of the deployment in ``home``; ``None`` when it names no deployment.

    ``folder`` tells where the process works: it is asked for where a home was moved or made anew.
    """
    if MARK in environment:
        return _is_marked(environment, home, folder)
    stated = environment.get(HOME_VARIABLE)
    return same_path(stated, home) if stated else None


def _is_marked(environment: Mapping[str, str], home: Path, folder: Callable[[], Path | None]) -> bool:
    stated, known = environment.get(MARK_ID), id_of(home)
    if stated is not None and stated == known:
        return True
    if Path(environment[MARK]) != home:
        return False
    # The home was removed under what runs, and made anew; or it was moved away, and another one is here now.
    return stated is None or known is None or not _is_elsewhere(folder(), home)


def _is_elsewhere(folder: Path | None, home: Path) -> bool:
    if folder is None or not folder.exists():
        return False
    return not any(folder.is_relative_to(base) for base in (home, PROJECT_ROOT))


def folder_of(process: psutil.Process) -> Path | None:
    """Where a process works; ``None`` when that cannot be told."""
    try:
        return Path(process.cwd())
    except (psutil.Error, OSError):
        return None


def checkout_of(process: psutil.Process) -> Path | None:
    """The checkout whose scripts started a process, wherever it was moved since; ``None`` when it is gone, or
    the process (Redis) does not work in it."""
    folder = folder_of(process)
    return folder if folder is not None and (folder / KILL_SCRIPT).exists() else None


def is_ours(process: psutil.Process, home: Path) -> bool:
    """Whether a live process belongs to the deployment in ``home``; ``False`` when it can't be proved."""
    try:
        environment = process.environ()
        if process.status() == psutil.STATUS_ZOMBIE or not is_trusted(process, home):
            return False
        command = process.cmdline()
    except (psutil.Error, OSError):
        return False
    if not belongs(environment, home, lambda: folder_of(process)):
        return False
    return MARK in environment or program_of(command) is not None or _is_celery_of_ours(command)


def _is_celery_of_ours(command: Sequence[str]) -> bool:
    return bool(_OTHER_CELERY.search(words_of(command)))


def ours(home: Path) -> list[psutil.Process]:
    """Every live process of the deployment but this one and its ancestors, oldest first."""
    exempt = {process.pid for process in _self_and_ancestors()}
    mine = [p for p in psutil.process_iter() if p.pid not in exempt and is_ours(p, home)]
    return sorted(mine, key=lambda process: (_started(process), process.pid))


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


# -- the process table ---------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class RawProcess:
    """One line of the process table. ``belongs`` is what the environment says (:func:`belongs`), ``visible``
    whether it could be read at all."""

    pid: int
    parent: int
    program: str | None
    command: str
    users: frozenset[int]
    """The real and the effective user id; empty when the system does not tell."""
    belongs: bool | None
    visible: bool
    user: str
    started_at: datetime
    status: str
    memory: int


@dataclass(frozen=True, slots=True)
class Process:
    """A process that looks like one of ours; ``program`` is ``None`` for a stranger's Celery."""

    program: str | None
    pid: int
    command: str
    user: str
    started_at: datetime
    status: str
    memory: int
    """Resident bytes, those of its children of the same program included."""
    children: tuple[int, ...] = ()
    suspended: tuple[int, ...] = ()
    """Its own pid and its children's, where the process is stopped by a signal."""


@dataclass(frozen=True, slots=True)
class ProcessTable:
    """Ours (the top process of each program), strangers, and those that only their owner may look at."""

    ours: tuple[Process, ...]
    strangers: tuple[Process, ...]
    unknown: tuple[Process, ...]

    def of(self, program: str) -> tuple[Process, ...]:
        """Our processes of one program: more than one is a fault of its own."""
        return tuple(process for process in self.ours if process.program == program)

    @property
    def pids(self) -> frozenset[int]:
        return frozenset(pid for process in self.ours for pid in (process.pid, *process.children))


def read_processes(home: Path, recorded: Mapping[str, int]) -> ProcessTable:
    """The table of this machine now. ``recorded`` holds what our pid files say: program → pid."""
    return classify(raw_processes(home), recorded, trusted_users(home))


def raw_processes(home: Path) -> list[RawProcess]:
    """Every process whose command line looks like one of ours or like anybody's Celery."""
    table = []
    wanted = ["pid", "ppid", "cmdline", "username", "uids", "create_time", "status"]
    for process in psutil.process_iter(wanted):
        arguments = process.info["cmdline"] or []
        command, program, users = " ".join(arguments), program_of(arguments), process.info["uids"]
        if program is None and not _FOREIGN_CELERY.search(command):
            continue
        belongs_here, visible, memory = _private(process, home)
        table.append(
            RawProcess(
                pid=process.info["pid"],
                parent=process.info["ppid"] or 0,
                program=program,
                command=command,
                users=frozenset({users.real, users.effective} if users else ()),
                belongs=belongs_here,
                visible=visible,
                user=process.info["username"] or "?",
                started_at=datetime.fromtimestamp(process.info["create_time"] or 0, UTC),
                status=process.info["status"] or "?",
                memory=memory,
            )
        )
    return table


def _private(process: psutil.Process, home: Path) -> tuple[bool | None, bool, int]:
    """What only its owner and root can read: whether its environment is ours, and its memory."""
    try:
        memory = process.memory_info().rss
        return belongs(process.environ(), home, lambda: folder_of(process)), True, memory
    except (psutil.Error, OSError):
        return None, False, 0


def classify(raw: Iterable[RawProcess], recorded: Mapping[str, int], trusted: frozenset[int]) -> ProcessTable:
    """Sorts the process table into ours, strangers' and unknown; ours run as one of the ``trusted`` users."""
    table = {process.pid: process for process in raw if process.status != psutil.STATUS_ZOMBIE}
    kin = {pid: _is_ours(process, table, recorded, trusted) for pid, process in table.items()}
    tops = [p for p in table.values() if not _is_child_of_same_program(p, table)]
    groups: dict[bool | None, list[Process]] = {True: [], False: [], None: []}
    for process in sorted(tops, key=lambda p: p.pid):
        groups[kin[process.pid]].append(_summary(process, table))
    return ProcessTable(tuple(groups[True]), tuple(groups[False]), tuple(groups[None]))


def _is_ours(
    process: RawProcess,
    table: Mapping[int, RawProcess],
    recorded: Mapping[str, int],
    trusted: frozenset[int],
) -> bool | None:
    """Whose it is; ``None`` when only its owner could tell."""
    if not process.users <= trusted:
        return False
    ancestor: RawProcess | None = process
    seen: set[int] = set()
    while ancestor is not None and ancestor.pid not in seen and ancestor.users <= trusted:
        if ancestor.belongs is not None:
            return ancestor.belongs
        seen.add(ancestor.pid)
        ancestor = table.get(ancestor.parent)
    if process.program is not None and recorded.get(process.program) == process.pid:
        return True
    return False if process.visible or process.program is None else None


def _is_child_of_same_program(process: RawProcess, table: Mapping[int, RawProcess]) -> bool:
    parent = table.get(process.parent)
    if parent is None:
        return False
    return parent.program == process.program and (
        process.program is not None or parent.command == process.command
    )


def _summary(process: RawProcess, table: Mapping[int, RawProcess]) -> Process:
    family = [
        process,
        *(p for p in table.values() if p.parent == process.pid and _is_child_of_same_program(p, table)),
    ]
    return Process(
        program=process.program,
        pid=process.pid,
        command=redact(" ".join(process.command.split())),
        user=process.user,
        started_at=process.started_at,
        status=process.status,
        memory=sum(member.memory for member in family),
        children=tuple(sorted(member.pid for member in family[1:])),
        suspended=tuple(sorted(m.pid for m in family if m.status == psutil.STATUS_STOPPED)),
    )
