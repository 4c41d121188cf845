"""From which version to which a deploy goes, and what it would do."""

from __future__ import annotations

from dataclasses import dataclass

from keepa_deals.db import migrate
from keepa_deals.deployment import supervisor
from keepa_deals.deployment.console import Say
from keepa_deals.deployment.home import Home
from keepa_deals.jobs import UPSERT_JOB
from keepa_deals.ops import start as starting


def short(commit: str | None) -> str:
    """A version in words."""
    return commit[:10] if commit else "an unknown version"


@dataclass(frozen=True)
class Plan:
    """What a deploy goes from and to. Versions are commits, ``None`` outside of a git checkout."""

    previous: str | None
    target: str | None
    revision: str | None
    """The migration that the database is at."""

    @property
    def migrates(self) -> bool:
        return self.revision != migrate.head()

    @property
    def goes_back(self) -> bool:
        """Whether there is another version to go back to."""
        return None not in (self.previous, self.target) and self.previous != self.target

    def __str__(self) -> str:
        return f"{short(self.previous)} → {short(self.target)}"


def tell(plan: Plan, home: Home, say: Say) -> None:
    """Say what a deploy would do."""
    running = supervisor.live_supervisor(home) is not None
    say(f"would deploy {plan}")
    if running:
        starting.tell_changes(home, say)
    say("1/5 Permissions: would set them on the scripts, .env and the home")
    say(
        f"2/5 Stop: would {'stop workers and beat' if running else 'find nothing running'}, copy the database"
    )
    migration = f"migrate {plan.revision} → {migrate.head()}, " if plan.migrates else ""
    say(f"3/5 Start: would {migration}start, and wait for a success of {UPSERT_JOB.name}")
    say("4/5 Reload: would reload the dashboard without dropping a request")
    say("5/5 Backfill: would send a backfill slice")
