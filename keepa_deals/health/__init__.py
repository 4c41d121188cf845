"""One look at the running service, for people and for machines."""

from keepa_deals.health.collect import collect
from keepa_deals.health.probing import Reading
from keepa_deals.health.problems import Problem
from keepa_deals.health.readiness import Readiness, readiness
from keepa_deals.health.report import HealthReport

__all__ = ["HealthReport", "Problem", "Readiness", "Reading", "collect", "readiness"]
