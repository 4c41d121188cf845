"""The kernel's list of locks on files (``/proc/locks``, Linux only)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PROC_LOCKS = Path("/proc/locks")


@dataclass(frozen=True, slots=True)
class KernelLock:
    """One lock that is held: ``1: POSIX  ADVISORY  WRITE 123 08:01:4711 0 EOF``."""

    kind: str
    """``POSIX`` (``fcntl``) or ``FLOCK``."""
    access: str
    """``READ`` or ``WRITE``."""
    pid: int
    """Not positive where the holder lives in another PID namespace."""
    inode: int
    """Another file system may have a file of the same number."""


def read_kernel_locks(source: Path = PROC_LOCKS) -> tuple[KernelLock, ...] | None:
    """The locks that are held now; ``None`` where the system does not tell. Who only waits is left out."""
    try:
        lines = source.read_text(encoding="ascii").splitlines()
    except (OSError, ValueError):
        return None
    return tuple(lock for line in lines if (lock := _parse(line)) is not None)


def _parse(line: str) -> KernelLock | None:
    """A line's lock; ``None`` for a line of another shape (``1: -> POSIX …`` waits for the one before)."""
    words = line.split()
    try:
        _, kind, _, access, pid, device, *_ = words
        return KernelLock(kind, access, int(pid), int(device.rpartition(":")[2]))
    except ValueError:
        return None
