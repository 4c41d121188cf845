"""Which processes of this deployment run, and which similar ones belong to somebody else.

A program is recognised by its command line. It is ours by its user and the home in its environment
(``deployment.processes``), by an ancestor that is ours (Redis overwrites its environment with its
title), or by our own pid file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

from keepa_deals.deployment.processes import home_of, program_of, same_path, trusted_users
from keepa_deals.health.error_text import redact

_FOREIGN_CELERY = re.compile(r"\bcelery\b.*\b(?:worker|beat)\b")


@dataclass(frozen=True, slots=True)
class RawProcess:
    """One line of the process table; ``home`` is ``None`` when the environment names none, ``visible``
    whether the environment could be read at all."""

    pid: int
    parent: int
    program: str | None
    command: str
    users: frozenset[int]
    """The real and the effective user id; empty when the system does not tell."""
    home: str | None
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
    return classify(raw_processes(), home, recorded, trusted_users(home))


def raw_processes() -> list[RawProcess]:
    """Every process whose command line looks like one of ours or like anybody's Celery."""
    found = []
    wanted = ["pid", "ppid", "cmdline", "username", "uids", "create_time", "status"]
    for process in psutil.process_iter(wanted):
        arguments = process.info["cmdline"] or []
        command, program, users = " ".join(arguments), program_of(arguments), process.info["uids"]
        if program is None and not _FOREIGN_CELERY.search(command):
            continue
        home, visible, memory = _private(process)
        found.append(
            RawProcess(
                pid=process.info["pid"],
                parent=process.info["ppid"] or 0,
                program=program,
                command=command,
                users=frozenset({users.real, users.effective} if users else ()),
                home=home,
                visible=visible,
                user=process.info["username"] or "?",
                started_at=datetime.fromtimestamp(process.info["create_time"] or 0, UTC),
                status=process.info["status"] or "?",
                memory=memory,
            )
        )
    return found


def _private(process: psutil.Process) -> tuple[str | None, bool, int]:
    try:
        memory = process.memory_info().rss
        return home_of(process.environ()), True, memory
    except (psutil.Error, OSError):
        return None, False, 0


def classify(
    raw: Iterable[RawProcess], home: Path, recorded: Mapping[str, int], trusted: frozenset[int]
) -> ProcessTable:
    """Sorts the process table into ours, strangers' and unknown; ours run as one of the ``trusted`` users."""
    table = {process.pid: process for process in raw if process.status != psutil.STATUS_ZOMBIE}
    kin = {pid: _is_ours(process, table, home, recorded, trusted) for pid, process in table.items()}
    tops = [p for p in table.values() if not _is_child_of_same_program(p, table)]
    groups: dict[bool | None, list[Process]] = {True: [], False: [], None: []}
    for process in sorted(tops, key=lambda p: p.pid):
        groups[kin[process.pid]].append(_summary(process, table))
    return ProcessTable(tuple(groups[True]), tuple(groups[False]), tuple(groups[None]))


def _is_ours(
    process: RawProcess,
    table: Mapping[int, RawProcess],
    home: Path,
    recorded: Mapping[str, int],
    trusted: frozenset[int],
) -> bool | None:
    """Whose it is; ``None`` when only its owner could tell."""
    if not process.users <= trusted:
        return False
    ancestor: RawProcess | None = process
    seen: set[int] = set()
    while ancestor is not None and ancestor.pid not in seen and ancestor.users <= trusted:
        if ancestor.home is not None:
            return same_path(ancestor.home, home)
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
