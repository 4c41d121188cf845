"""The machine: disk and memory."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from keepa_deals.health.metric import AnyMetric, gauge
from keepa_deals.health.part import Part, Snapshot


@dataclass(frozen=True, slots=True)
class HostHealth:
    """The machine: bytes. The disk is the one that the home is on, ``inodes_free`` ``None`` without such."""

    disk_free: int
    disk_total: int
    inodes_free: int | None
    memory_available: int
    memory_total: int

    @property
    def disk_is_full(self) -> bool:
        """Whether so little is left that writes fail or soon will."""
        return self.disk_free < min(100 << 20, self.disk_total // 10) or self.inodes_free == 0

    @property
    def memory_is_short(self) -> bool:
        return self.memory_available < min(200 << 20, self.memory_total // 50)


def read(home: Path) -> HostHealth:
    """Disk and memory; a home that does not exist is looked for further up."""
    existing = next(path for path in (home, *home.parents) if _is_there(path))
    disk, nodes, memory = shutil.disk_usage(existing), os.statvfs(existing), psutil.virtual_memory()
    inodes = nodes.f_favail if nodes.f_files else None
    return HostHealth(disk.free, disk.total, inodes, memory.available, memory.total)


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False


def _metrics(snapshot: Snapshot) -> Iterator[AnyMetric]:
    host = snapshot.value(PART)
    if host is None:
        return
    yield from gauge("disk_free_bytes", "Free where the home is", host.disk_free)
    yield from gauge("disk_bytes", "Size of the disk that the home is on", host.disk_total)
    yield from gauge("memory_available_bytes", "Memory that is left", host.memory_available)


PART: Part[HostHealth] = Part(
    "host", lambda sources: read(sources.settings.keepa_deals_home), metrics=_metrics
)
