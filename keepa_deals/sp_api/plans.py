"""Amazon's usage plans: by which each operation is throttled, for each pair of seller and application.

An operation has a bucket of ``burst`` calls, filled by ``rate`` calls a second (guide: Usage Plans and Rate
Limits). The header ``x-amzn-RateLimit-Limit`` tells the rate in force, when Amazon sends it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

RATE_HEADER = "x-amzn-RateLimit-Limit"
_SLOWEST, _FASTEST = 0.001, 100.0


class Operation(StrEnum):
    """The operations that are called, by Amazon's names."""

    RESTRICTIONS = "getListingsRestrictions"
    FEES = "getMyFeesEstimates"


@dataclass(frozen=True, slots=True)
class UsagePlan:
    """``rate`` calls a second, ``burst`` at once."""

    rate: float
    burst: int


PLANS: Mapping[Operation, UsagePlan] = {
    Operation.RESTRICTIONS: UsagePlan(5.0, 10),
    Operation.FEES: UsagePlan(0.5, 1),
}
"""As the models document them (amzn/selling-partner-api-models)."""


def told_rate(headers: Mapping[str, str]) -> float | None:
    """The rate that an answer tells; ``None`` for none, and for what can be none."""
    try:
        rate = float(headers.get(RATE_HEADER, ""))
    except ValueError:
        return None
    return rate if math.isfinite(rate) and _SLOWEST <= rate <= _FASTEST else None
