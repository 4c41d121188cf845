"""The home, the settings, the disk, the memory, and the clocks."""

from __future__ import annotations

from collections.abc import Iterator

from keepa_deals.diagnosis.evidence.gather import Evidence
from keepa_deals.diagnosis.facts.base import Level, Line, warn_if
from keepa_deals.diagnosis.rules.keepa import CLOCK_TOLERANCE, keepa_clock


def lines(evidence: Evidence) -> Iterator[Line]:
    """The home, the disk, the memory, and the clocks."""
    yield from _home(evidence)
    if evidence.report.host.value is None:
        yield Line("host", Level.UNKNOWN, str(evidence.report.host.error))
    else:
        host = evidence.report.host.value
        nodes = f", {host.inodes_free} inodes" if host.inodes_free is not None else ""
        level = Level.FAIL if host.disk_is_full else Level.OK
        disk = f"disk: {host.disk_free >> 20} of {host.disk_total >> 20} MB{nodes} free"
        yield Line("host", level, disk)
        memory = f"memory: {host.memory_available >> 20} of {host.memory_total >> 20} MB available"
        yield Line("host", warn_if(host.memory_is_short), memory)
    yield from _clocks(evidence)


def _home(evidence: Evidence) -> Iterator[Line]:
    home = evidence.home.value
    if home is None:
        yield Line("host", Level.UNKNOWN, str(evidence.home.error))
    elif not home.exists:
        yield Line("host", Level.FAIL, f"home: {home.path} does not exist")
    elif not home.readable:
        yield Line("host", Level.UNKNOWN, f"home: {home.path} of {home.owner} is closed to {home.user}")
    else:
        wrong = [f"not writable: {name}" for name in home.read_only]
        wrong += [f"not {home.owner}'s: {name}" for name in home.misowned]
        text = ", ".join((f"home: {home.path} of {home.owner}, mode {home.mode:04o}", *wrong))
        yield Line("host", Level.FAIL if wrong else warn_if(home.mode & 0o077), text)
    if evidence.settings_error:
        yield Line(
            "host",
            Level.FAIL,
            f"settings of the next start: {evidence.settings_error.replace(chr(10), '; ')}",
        )
    if evidence.selection.error:
        yield Line("host", Level.FAIL, f"deal query: {evidence.selection.error}")


def _clocks(evidence: Evidence) -> Iterator[Line]:
    offsets = []
    redis, keepa = evidence.report.redis.value, keepa_clock(evidence)
    if keepa is not None:
        offsets.append(("Keepa", keepa))
    if redis:
        offsets.append(("Redis", (redis.clock - evidence.report.taken_at).total_seconds()))
    if offsets:
        wrong = any(abs(seconds) > CLOCK_TOLERANCE.total_seconds() for _, seconds in offsets)
        text = ", ".join(f"{name} is {seconds:+.1f} s from ours" for name, seconds in offsets)
        yield Line("host", Level.FAIL if wrong else Level.OK, f"clocks: {text}")
