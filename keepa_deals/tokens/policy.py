"""The numbers of the token policy (docs/token-policy.md gives their reasons)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from keepa_deals.jobs import UPSERT_JOB
from keepa_deals.keepa.token_costs import DEAL_PAGE_TOKENS
from keepa_deals.settings import Settings


class Lane(StrEnum):
    """Who waits for whom: the upserter for nobody, small requests for it, bulk for the standing reserve."""

    UPSERT = "upsert"
    SMALL = "small"
    BULK = "bulk"


@dataclass(frozen=True, slots=True)
class Policy:
    """How one account is shared. Tokens are integers, times are seconds."""

    tick_seconds: float = 60.0
    """Between two refills; Keepa's is 60."""
    capacity_ticks: int = 60
    """So many refills the bucket holds; Keepa's tokens expire after 60."""
    threshold: int = 50
    """Below it, bulk waits …"""
    target: int = 55
    """… until the balance is back at this."""
    priority_pass: int = 10
    """The most that a small request costs."""
    upsert_tokens: int = DEAL_PAGE_TOKENS
    """What the upserter needs a run …"""
    upsert_interval: float = 60.0
    """… and how often it runs."""
    first_task: str = UPSERT_JOB.name
    """Whose small requests go before all others."""
    small_share_percent: int = 75
    """What a stream of small requests may take of the refill while bulk waits; the rest is bulk's."""
    call_seconds: float = 120.0
    """No call lasts longer: a reservation that old belongs to a dead process."""
    unanswered_seconds: float = 60.0
    """How long the reservation of a call without an answer holds: it may have been charged."""

    @classmethod
    def from_settings(cls, settings: Settings) -> Policy:
        return cls(
            tick_seconds=settings.keepa_tick_seconds,
            threshold=settings.min_token_threshold,
            target=settings.recovery_target,
            priority_pass=settings.priority_pass_max_cost,
            upsert_interval=settings.upsert_interval_seconds,
        )

    @classmethod
    def of_usage_plan(cls, rate: float, burst: int, *, first_task: str) -> Policy:
        """Of an account that adds ``rate`` tokens a second up to ``burst``, and takes one for each call.

        Such an account has no bulk: a tick brings one token, nothing is kept back, and nobody recovers.
        """
        return cls(
            tick_seconds=math.ceil(1000 / rate) / 1000,
            capacity_ticks=burst,
            threshold=0,
            target=0,
            upsert_tokens=1,
            first_task=first_task,
        )

    @property
    def slack_ms(self) -> int:
        """By how much ticks are counted later than learned, at the least: never count one early."""
        return int(min(250.0, self.tick_seconds * 50))

    @property
    def first_lateness_ms(self) -> tuple[int, int]:
        """By how much ticks come late, and the mean deviation from it, before any was seen.

        Recorded on a 5/min plan: 299 ms, standard deviation 352 (refillin_series.json).
        """
        return int(self.tick_seconds * 300 / 60), int(self.tick_seconds * 280 / 60)

    @property
    def latest_ms(self) -> int:
        """No tick is taken to be later than this: 1.26 s was the most that was recorded."""
        return max(self.slack_ms, int(self.tick_seconds * 50))

    @property
    def first_slack_ms(self) -> int:
        """By how much ticks are counted late before any was seen."""
        late, deviation = self.first_lateness_ms
        return min(self.latest_ms, max(self.slack_ms, late + max(self.slack_ms, 4 * deviation)))

    @property
    def first_period_ms(self) -> int:
        """The distance of ticks before any was seen."""
        late, deviation = self.first_lateness_ms
        return math.ceil(self.tick_seconds * 1000 + late + deviation / 2)

    @property
    def upsert_runs_per_tick(self) -> int:
        return math.ceil(self.tick_seconds / self.upsert_interval)

    @property
    def too_old_ms(self) -> int:
        """After so long without an answer Keepa is asked anew: the bucket is full, or not ours alone."""
        return int(60 * self.tick_seconds * 1000)

    @property
    def recheck_ms(self) -> int:
        """How old the balance may be while it lets nobody spend for long: it may have been a mistake."""
        return int(5 * self.tick_seconds * 1000)

    def constants(self) -> dict[str, int]:
        """The policy as the scripts know it: whole numbers, times in milliseconds."""
        late, deviation = self.first_lateness_ms
        return {
            "TICK": round(self.tick_seconds * 1000),
            "CAPACITY_TICKS": self.capacity_ticks,
            "SLACK": self.slack_ms,
            "LATE": late,
            "DEVIATION": deviation,
            "LATEST": self.latest_ms,
            "RECHECK": self.recheck_ms,
            "DEEP": 2 * self.recheck_ms,
            "LIFE": int(self.call_seconds * 1000),
            "THRESHOLD": self.threshold,
            "TARGET": self.target,
            "UPSERT_TOKENS": self.upsert_tokens,
            "UPSERT_RUNS": self.upsert_runs_per_tick,
            "SHARE": self.small_share_percent,
            "PASS": self.priority_pass,
            "TOO_OLD": self.too_old_ms,
        }

    def lane_of(self, cost: int, task: str | None) -> Lane:
        """The lane of a request for exactly ``cost`` tokens."""
        if cost > self.priority_pass:
            return Lane.BULK
        return Lane.UPSERT if task == self.first_task else Lane.SMALL
