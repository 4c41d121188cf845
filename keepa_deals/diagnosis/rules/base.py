"""What a rule is: one object with its words, its detector, its fix and its alert.

The detector is a function on the evidence, and :func:`rule` makes the rule of it. So a new rule is written in
one place, and the verdict, the runbook, the alerts and the classes of errors know it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum, IntEnum, auto

from keepa_deals.diagnosis.evidence.gather import Evidence

START = "./start_celery.sh"
KILL = "./kill_everything_force.sh"
RESTART = f"{KILL} && {START}"
RESTORE = ".venv/bin/keepa-deals ops restore"


class Rank(IntEnum):
    """Where a rule stands among all: what makes other things fail stands before what it causes.

    Within a rank the order is that of the subjects (``rules.SUBJECTS``), within a subject that of its file.
    """

    SERVICE = auto()
    """Nothing runs at all."""
    GROUND = auto()
    """What everything stands on: settings, disk, memory, the home."""
    STORES = auto()
    PROGRAMS = auto()
    MESSAGES = auto()
    """What programs tell each other: queues and locks."""
    KEEPA = auto()
    WORK = auto()
    """What a job finds and does."""
    VIEW = auto()
    """What people see."""
    ASIDE = auto()
    """Wrong, but it stops nothing."""
    OUTCOME = auto()
    """What all of the others lead to."""


class Stops(Enum):
    """What cannot go on where a rule holds; its failure follows from the rule, then."""

    UPSERTER = auto()
    ALL = auto()
    """Every job, the upserter among them."""


class Precedence(IntEnum):
    """Which rule an error's words speak of when they hold the signs of several."""

    KEEPA = auto()
    """Keepa's own words may hold anything: they are looked at first."""
    KEEPA_AT_ALL = auto()
    EXACT = auto()
    AT_ALL = auto()
    """The store is named, but not what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Signs:
    """Parts of an error's words, in any case of letters, by which it speaks of a rule."""

    words: tuple[str, ...]
    precedence: Precedence = Precedence.EXACT


@dataclass(frozen=True, slots=True)
class Alert:
    """A rule as a condition on what ``/metrics`` shows, and how long it must hold."""

    expression: str
    lasting: str = "2m"


@dataclass(frozen=True, slots=True)
class Finding:
    """Evidence that a rule holds; ``fix`` replaces the rule's own when it can say more exactly what to do."""

    text: str
    fix: str | None = None


Detector = Callable[[Evidence], Iterator[Finding]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One possible cause: what it means for the deals, how it is recognised, and what mends it."""

    name: str
    """Stable: the runbook and the alerts use it, too."""
    subject: str
    """The module that it stands in."""
    rank: Rank
    meaning: str
    seen_by: str
    """What the evidence looks like, for the runbook."""
    fix: str
    detect: Detector = field(repr=False)
    stops: Stops | None = None
    follows: frozenset[str] = frozenset()
    """Rules whose consequence it may be: where one of them holds, this one is no cause of its own."""
    follows_what_stops: Stops | None = None
    """Whether it may be the consequence of every rule that stops the upserter, or all jobs."""
    alert: Alert | None = None
    """``None``: no metric shows it (processes, files, settings), and its consequences have alerts."""
    signs: Signs | None = None
    from_outside: bool = False
    """Whether it can be judged although the home is closed to us, and with it the settings in force."""

    def may_follow_from(self, other: Rule) -> bool:
        """Whether this rule may hold because the other one does."""
        if other.name in self.follows:
            return True
        if self.follows_what_stops is None or other.name == self.name:
            return False
        return other.stops is Stops.ALL or other.stops is self.follows_what_stops


_registered: list[Rule] = []


def rule(  # a rule has that many sides, and each is named where it is written
    *,
    rank: Rank,
    meaning: str,
    seen_by: str,
    fix: str,
    stops: Stops | None = None,
    follows: str = "",
    follows_what_stops: Stops | None = None,
    alert: Alert | None = None,
    signs: Signs | None = None,
    from_outside: bool = False,
) -> Callable[[Detector], Rule]:
    """Makes the rule of its detector, by whose name it goes; ``follows`` are names with spaces between."""

    def made(detect: Detector) -> Rule:
        new = Rule(
            name=detect.__name__,
            subject=detect.__module__.rpartition(".")[2],
            rank=rank,
            meaning=meaning,
            seen_by=seen_by,
            fix=fix,
            detect=detect,
            stops=stops,
            follows=frozenset(follows.split()),
            follows_what_stops=follows_what_stops,
            alert=alert,
            signs=signs,
            from_outside=from_outside,
        )
        _registered.append(new)
        return new

    return made


def registered() -> tuple[Rule, ...]:
    """Every rule, in the order in which they were made."""
    return tuple(_registered)


def classify(words: str) -> str | None:
    """The name of the rule that an error's words speak of; ``None`` for words that none knows."""
    lowered = words.lower()
    speaking = [
        (known.signs.precedence, known.rank, known.name)
        for known in _registered
        if known.signs and any(sign.lower() in lowered for sign in known.signs.words)
    ]
    return min(speaking)[2] if speaking else None


def last_error(evidence: Evidence, name: str) -> str:
    """The words of a failed job that speak of the rule called ``name``; empty when none does."""
    return next((f"{job}: {words}" for job, words in evidence.failed_jobs() if classify(words) == name), "")


def start_again(evidence: Evidence) -> str | None:
    """A supervisor that lives was told to keep the program down; so it must be told again."""
    conf = evidence.settings.run_dir / "supervisord.conf"
    running = "supervisord" in evidence.ours()
    return f".venv/bin/supervisorctl -c {conf} start all" if running else None
