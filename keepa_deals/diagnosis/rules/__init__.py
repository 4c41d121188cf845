"""The rules of the diagnosis, a module a subject. Importing this package makes all of them known."""

from keepa_deals.diagnosis.rules import (
    alerts,
    dashboard,
    database,
    deals,
    host,
    jobs,
    keepa,
    locks_and_queues,
    processes,
    redis,
    seller,
    tokens,
)
from keepa_deals.diagnosis.rules.base import Rule, classify, registered

__all__ = ["RULES", "Rule", "classify"]

SUBJECTS = (
    *(host, processes, redis, database, locks_and_queues, keepa, tokens, jobs),
    *(deals, dashboard, alerts, seller),
)
"""The subjects, those first on which the others depend."""

_ORDER = [module.__name__.rpartition(".")[2] for module in SUBJECTS]

RULES: tuple[Rule, ...] = tuple(
    sorted(registered(), key=lambda rule: (rule.rank, _ORDER.index(rule.subject)))
)
"""All rules by their rank, which is the order in which the verdict names them."""
