"""What a rule is, and what it finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from keepa_deals.diagnosis.evidence.gather import Evidence

START = "./start_celery.sh"
KILL = "./kill_everything_force.sh"
RESTART = f"{KILL} && {START}"
RESTORE = ".venv/bin/keepa-deals ops restore"


@dataclass(frozen=True, slots=True)
class Finding:
    """Evidence that a rule holds; ``fix`` replaces the rule's own when it can say more exactly what to do."""

    text: str
    fix: str | None = None


Find = Callable[[Evidence], Iterator[Finding]]


@dataclass(frozen=True, slots=True)
class Rule:
    """One possible cause: what it means for the deals, how it is recognised, and what mends it."""

    name: str
    meaning: str
    seen_by: str
    """What the evidence looks like, for the runbook."""
    fix: str
    find: Find
    follows: frozenset[str] = frozenset()
    """Rules whose consequence it may be: where one of them holds, this one is no cause of its own."""


@dataclass(frozen=True, slots=True)
class Cause:
    """A rule that the evidence fulfils; ``follows_from`` names the causes that explain it."""

    rule: Rule
    evidence: str
    fix: str
    follows_from: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Past:
    """A fault of the last hour that has healed: the rule that would have named it, and the evidence."""

    rule: str
    evidence: str


_SIGNS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("key_refused", ("the key is refused",)),
    ("selection_rejected", ("request rejected",)),
    ("keepa_trouble", ("Keepa /",)),
    ("disk_full", ("disk is full", "no space left", "database or disk is full")),
    ("database_locked", ("is locked", "lock timeout", "another process holds it")),
    ("database_not_migrated", ("no such table", "no such column", "bring its tables up to date")),
    ("database_damaged", ("malformed", "no sqlite database", "not a database")),
    ("home_not_writable", ("readonly database", "may not write to the file", "read-only file system")),
    ("redis_full", ("oom command not allowed", "used memory > 'maxmemory'")),
    ("redis_not_saving", ("misconf",)),
    (
        "redis_down",
        ("redis does not answer", "redis is away", "error while reading from", "connecting to unix"),
    ),
    (
        "database_unavailable",
        ("database_url", "cannot open the file", "the connection broke", "the server ended"),
    ),
)


def classify(text: str) -> str | None:
    """The rule that an error's words speak of; ``None`` for words that none knows."""
    lowered = text.lower()
    return next((rule for rule, signs in _SIGNS if any(sign.lower() in lowered for sign in signs)), None)
