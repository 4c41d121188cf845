"""Causes in the machine and the home: settings, disk, memory, who may read and write."""

from __future__ import annotations

from collections.abc import Iterator

from keepa_deals.diagnosis.evidence.gather import Evidence
from keepa_deals.diagnosis.rules.base import START, Alert, Finding, Rank, Signs, Stops, last_error, rule


@rule(
    rank=Rank.GROUND,
    meaning="The next start or restart fails.",
    seen_by="the settings in the environment or .env do not pass their checks",
    fix="correct the named setting in .env (.env.example lists them all)",
    alert=None,
)
def settings_wrong(evidence: Evidence) -> Iterator[Finding]:
    if evidence.settings_error:
        words = evidence.settings_error.replace("\n", "; ")
        still = "; what runs still uses the old ones" if evidence.ours() else ""
        yield Finding(f"{words}{still}")


@rule(
    rank=Rank.GROUND,
    meaning="Neither the database nor Redis can write.",
    seen_by="less than 100 MB (or a tenth of a small disk) or no inode is free where the home is",
    fix="make room where the home is; the service goes on by itself",
    stops=Stops.ALL,
    alert=Alert("keepa_deals_disk_free_bytes < 1e8"),
    signs=Signs(("disk is full", "no space left", "database or disk is full")),
    from_outside=True,
)
def disk_full(evidence: Evidence) -> Iterator[Finding]:
    host = evidence.report.host.value
    if host and host.disk_is_full:
        nodes = ", no inode" if host.inodes_free == 0 else ""
        where = evidence.settings.keepa_deals_home
        yield Finding(
            f"{host.disk_free >> 10} KB of {host.disk_total >> 20} MB{nodes} are free at {where}",
            f"make room there (du -xh {where} | sort -h | tail); the service goes on by itself",
        )
    elif text := last_error(evidence, "disk_full"):
        yield Finding(text)


@rule(
    rank=Rank.GROUND,
    meaning="The service cannot write its own files.",
    seen_by="a read-only file system or mode, or files that belong to another user than the home",
    fix=f"give the home back to its user (chown -R, chmod -R u+rwX), then {START}",
    stops=Stops.ALL,
    alert=None,
    signs=Signs(("readonly database", "may not write to the file", "read-only file system")),
)
def home_not_writable(evidence: Evidence) -> Iterator[Finding]:
    home = evidence.home.value
    if home is None or not home.exists or not home.readable:
        return
    if home.read_only:
        yield Finding(
            f"cannot be written: {', '.join(home.read_only)}",
            f"chmod -R u+rwX {home.path} (or mount its file system read-write), then {START}",
        )
    elif home.misowned:
        yield Finding(
            f"the home belongs to {home.owner}, but not {', '.join(home.misowned)}",
            f"chown -R {home.owner} {home.path}, then {START}",
        )
    elif text := last_error(evidence, "home_not_writable"):
        yield Finding(text)


@rule(
    rank=Rank.GROUND,
    meaning="The kernel may kill any of the processes.",
    seen_by="less than 200 MB (or 2 %) of the memory is available",
    fix="end what needs the memory (ps aux --sort -rss | head), or add some",
    alert=Alert("keepa_deals_memory_available_bytes < 2e8"),
    from_outside=True,
)
def memory_short(evidence: Evidence) -> Iterator[Finding]:
    host = evidence.report.host.value
    if host and host.memory_is_short:
        yield Finding(f"{host.memory_available >> 20} of {host.memory_total >> 20} MB are available")


@rule(
    rank=Rank.ASIDE,
    meaning="Others on this machine can read the key.",
    seen_by="the home's mode or that of .env lets others in",
    fix="chmod 700 var (your home); chmod 600 .env",
    alert=None,
)
def home_exposed(evidence: Evidence) -> Iterator[Finding]:
    home = evidence.home.value
    if home and home.exists and home.mode & 0o077:
        yield Finding(f"{home.path} has the mode {home.mode:04o}", f"chmod 700 {home.path}")
    for file in home.exposed_secrets if home else ():
        yield Finding(f"{file} may be read by others", f"chmod 600 {file}")
