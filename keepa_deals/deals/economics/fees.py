"""Amazon's published fees by marketplace, from ``amazon_fees.json`` or a file of one's own (``AMAZON_FEES``).

A file of one's own stands for the marketplaces that it names. What is wrong with a file is told in one line,
and what would have come from it is unknown: never zero, and never what another file says.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from keepa_deals.deals.economics.rounding import WHOLE, half_up
from keepa_deals.errors import KeepaDealsError
from keepa_deals.marketplaces import MARKETPLACES

log = logging.getLogger(__name__)

BUILT_IN = Path(__file__).with_name("amazon_fees.json")
MAX_BYTES = 1 << 20
NEAR = 25
"""Basis points within which Keepa's percentage counts as a rate: it divides a rounded fee by a price."""

Steps = tuple[tuple[int | None, int], ...]
"""Up to which amount, inclusive, which rate; the last one has no bound."""


class FeeFileError(KeepaDealsError):
    """A file of fees cannot be used; the text names the file, the place and what is wrong."""


@dataclass(frozen=True, slots=True)
class ReferralRule:
    """The referral fee of one of Amazon's fee categories."""

    label: str
    bands: tuple[tuple[int | None, Steps], ...]
    """The whole price chooses a band; within it each rate holds for its portion of the price."""
    minimum: int = 0
    closing: int | None = 0
    """The closing fee of media; ``None`` where it is not published."""

    def fee(self, price: int) -> int:
        """The fee on a sale, rounded half up."""
        return max(half_up(self._exact(price), WHOLE), self.minimum)

    def _exact(self, price: int) -> int:
        steps = next(steps for bound, steps in self.bands if bound is None or price <= bound)
        total = below = 0
        for bound, rate in steps:
            top = price if bound is None else min(price, bound)
            total += (top - below) * rate
            if top == price:
                break
            below = top
        return total

    @property
    def bounds(self) -> list[int]:
        """The prices above which another rate holds for the whole price."""
        return [bound for bound, _ in self.bands if bound is not None]

    def agrees(self, percentage: int, prices: tuple[int | None, ...]) -> bool:
        """Whether Keepa's percentage may be this rule's, at one of the prices that a product may stand at."""
        if any(abs(steps[0][1] - percentage) <= NEAR for _, steps in self.bands):
            return True
        return any(abs(half_up(self._exact(price), price) - percentage) <= NEAR for price in prices if price)


@dataclass(frozen=True, slots=True)
class StorageRates:
    """What storing a volume costs a month, in and out of season."""

    volume: int
    """Cubic millimetres that a rate is for."""
    peak_months: frozenset[int]
    standard: tuple[int, int]
    oversize: tuple[int, int]
    standard_sides: tuple[int, int, int]
    """Millimetres, the longest first."""
    standard_weight: int
    """Grams."""

    def is_standard(self, sides: tuple[int, int, int], weight: int) -> bool:
        """Whether a package is of standard size."""
        fits = all(
            side <= most for side, most in zip(sorted(sides, reverse=True), self.standard_sides, strict=True)
        )
        return fits and weight <= self.standard_weight

    def fee(self, sides: tuple[int, int, int], weight: int, months: int, month: int) -> int:
        """The storage of one package for so many months at the rates of ``month``."""
        rates = self.standard if self.is_standard(sides, weight) else self.oversize
        length, width, height = sides
        return half_up(length * width * height * rates[month in self.peak_months] * months, self.volume)


@dataclass(frozen=True, slots=True)
class VatRates:
    """VAT on goods sold to consumers, in basis points."""

    standard: int
    by_root: Mapping[int, int | None]
    """Of root categories with another rate; ``None`` where it depends on the product."""
    fba_fee_includes_it: bool = False

    def rate(self, root: int | None) -> int | None:
        return self.by_root.get(root, self.standard) if root is not None else None


@dataclass(frozen=True, slots=True)
class MarketFees:
    """The fees of one marketplace, as far as they are published."""

    source: str = ""
    as_of: str = ""
    roots: Mapping[int, tuple[ReferralRule, ...]] = field(default_factory=dict)
    """The rules that occur in a root category, each once."""
    broken: frozenset[int] = frozenset()
    """Root categories whose rules a file names but does not have."""
    storage: StorageRates | None = None
    vat: VatRates | None = None
    problem: str = ""
    """Why nothing of it is known."""


NOT_PUBLISHED = MarketFees()


@dataclass(frozen=True, slots=True)
class FeeSchedule:
    """The fees of all marketplaces. ``stamp`` tells one schedule from another."""

    markets: Mapping[int, MarketFees]
    stamp: str
    problem: str = ""

    def of(self, domain_id: int) -> MarketFees:
        if self.problem:
            return MarketFees(problem=self.problem)
        return self.markets.get(domain_id, NOT_PUBLISHED)


def built_in() -> FeeSchedule:
    """The fees that come with the program."""
    return _read(BUILT_IN, BUILT_IN.stat().st_mtime_ns)


def schedule(path: Path | None) -> FeeSchedule:
    """The fees in force. A file that cannot be used is logged once; what it would tell is unknown."""
    if path is None:
        return built_in()
    try:
        own = check(path)
    except FeeFileError as error:
        return _refused(str(error))
    return replace(own, markets={**built_in().markets, **own.markets})


def check(path: Path) -> FeeSchedule:
    """The fees of a file of one's own; ``FeeFileError`` when it cannot be used."""
    try:
        changed = path.stat().st_mtime_ns
    except OSError as error:
        raise FeeFileError(f"AMAZON_FEES: {path} cannot be read: {error.strerror}") from None
    return _read(path, changed)


@lru_cache(maxsize=8)
def _refused(problem: str) -> FeeSchedule:
    log.error("%s", problem)
    return FeeSchedule({}, stamp=problem, problem=problem)


@lru_cache(maxsize=8)
def _read(path: Path, changed: int) -> FeeSchedule:  # noqa: ARG001  # another moment is another file
    try:
        if path.stat().st_size > MAX_BYTES:
            raise FeeFileError(f"AMAZON_FEES: {path} has more than {MAX_BYTES} bytes")
        text = path.read_text(encoding="utf-8")
        raw = json.loads(text)
    except OSError as error:
        raise FeeFileError(f"AMAZON_FEES: {path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise FeeFileError(f"AMAZON_FEES: {path} is no JSON: {error}") from None
    markets = raw.get("marketplaces") if isinstance(raw, dict) else None
    if not isinstance(markets, dict):
        raise FeeFileError(f"AMAZON_FEES: {path} has no object 'marketplaces'")
    read: dict[int, MarketFees] = {}
    for name, fees in markets.items():
        if not name.isdecimal() or int(name) not in MARKETPLACES:
            raise FeeFileError(
                f"AMAZON_FEES: {path}: {name!r} is none of {', '.join(map(str, MARKETPLACES))}"
            )
        read[int(name)] = _market(fees, f"{path}: marketplace {name}")
    return FeeSchedule(read, stamp=hashlib.sha256(text.encode()).hexdigest()[:16])


def _market(raw: Any, where: str) -> MarketFees:
    try:
        rules = {name: _rule(rule, name) for name, rule in raw.get("categories", {}).items()}
        roots, broken = _roots(raw.get("roots", {}), rules, where)
        storage, vat = raw.get("storage"), raw.get("vat")
        return MarketFees(
            source=str(raw.get("source", "")),
            as_of=str(raw.get("as_of", "")),
            roots=roots,
            broken=broken,
            storage=_storage(storage) if storage is not None else None,
            vat=_vat(vat) if vat is not None else None,
        )
    except KeyError as error:
        raise FeeFileError(f"AMAZON_FEES: {where}: {error} is missing") from None
    except (AttributeError, TypeError, ValueError) as error:
        raise FeeFileError(f"AMAZON_FEES: {where}: {error}") from None


def _roots(
    raw: Mapping[str, Any], rules: Mapping[str, ReferralRule], where: str
) -> tuple[dict[int, tuple[ReferralRule, ...]], frozenset[int]]:
    """The rules of each root category. One that the file does not have costs its root categories only."""
    roots, broken = {}, set()
    for root, names in raw.items():
        unknown = [name for name in names if name not in rules]
        if unknown:
            log.error(
                "AMAZON_FEES: %s: root category %s names the unknown fee category %s: its fee is unknown",
                *(where, root, unknown[0]),
            )
            broken.add(int(root))
        else:
            roots[int(root)] = tuple(rules[name] for name in names)
    return roots, frozenset(broken)


def _rule(raw: Mapping[str, Any], name: str) -> ReferralRule:
    bands: tuple[tuple[int | None, Steps], ...]
    if "by_price" in raw:
        bands = tuple((_bound(bound), _steps(rate)) for bound, rate in raw["by_price"])
    elif "by_portion" in raw:
        bands = ((None, _steps(raw["by_portion"])),)
    elif "rate" in raw:
        bands = ((None, _steps(raw["rate"])),)
    else:
        raise ValueError(f"category {name} has none of rate, by_price, by_portion")
    for steps in ([(bound, 0) for bound, _ in bands], *(steps for _, steps in bands)):
        bounds = [bound for bound, _ in steps]
        known = [bound for bound in bounds[:-1] if bound is not None]
        if (
            not bounds
            or bounds[-1] is not None
            or len(known) < len(bounds) - 1
            or known != sorted(set(known))
        ):
            raise ValueError(f"category {name}: bounds must rise, and the last one must be null")
    closing = raw.get("closing", 0)
    return ReferralRule(
        label=str(raw.get("label", name)),
        bands=bands,
        minimum=_whole(raw.get("minimum", 0)),
        closing=None if closing is None else _whole(closing),
    )


def _steps(raw: Any) -> Steps:
    if isinstance(raw, list):
        return tuple((_bound(bound), _rate(rate)) for bound, rate in raw)
    return ((None, _rate(raw)),)


def _storage(raw: Mapping[str, Any]) -> StorageRates:
    low, high = map(_whole, raw["standard"])
    large_low, large_high = map(_whole, raw["oversize"])
    longest, middle, shortest = sorted(map(_whole, raw["standard_sides"]), reverse=True)
    return StorageRates(
        volume=_whole(raw["volume"], least=1),
        peak_months=frozenset(map(_whole, raw["peak_months"])),
        standard=(low, high),
        oversize=(large_low, large_high),
        standard_sides=(longest, middle, shortest),
        standard_weight=_whole(raw["standard_weight"]),
    )


def _vat(raw: Mapping[str, Any]) -> VatRates:
    return VatRates(
        standard=_rate(raw["standard"]),
        by_root={
            int(root): None if rate is None else _rate(rate) for root, rate in raw.get("by_root", {}).items()
        },
        fba_fee_includes_it=bool(raw.get("fba_fee_includes_it", False)),
    )


def _bound(raw: Any) -> int | None:
    return None if raw is None else _whole(raw)


def _rate(raw: Any) -> int:
    rate = _whole(raw)
    if rate > WHOLE:
        raise ValueError(f"{rate} basis points are more than the whole")
    return rate


def _whole(raw: Any, least: int = 0) -> int:
    if type(raw) is not int or raw < least:
        raise ValueError(f"{raw!r} is no whole number from {least} on")
    return raw
