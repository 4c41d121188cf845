"""The entries of an answer, each read by itself: what cannot be read is left out, counted, named and kept."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from keepa_deals.keepa.deal import Deal, DealPage
from keepa_deals.keepa.envelope import TokenEnvelope
from keepa_deals.keepa.fields import INT32, INT64, Json, asins, is_asin, text, whole
from keepa_deals.keepa.notices import StrangeAnswer
from keepa_deals.keepa.token_costs import DEALS_PER_PAGE

log = logging.getLogger(__name__)

T = TypeVar("T")
FORMAT_CHANGED = 10
"""So many entries, and none that can be read: that is no odd deal, it is another format."""
MAX_CATEGORIES = 1000
MAX_NAME = 200
MAX_KEPT = 20
"""Strange entries of one answer that are kept whole."""


@dataclass(frozen=True, slots=True)
class Entries(Generic[T]):
    """What could be read, and (ASIN or "", raw entry, reason) of what could not."""

    read: tuple[T, ...]
    failed: tuple[tuple[str, object, str], ...]

    @property
    def asins(self) -> tuple[str, ...]:
        """Those of the failed entries whose ASIN can be read."""
        return asins([asin for asin, _, _ in self.failed])

    @property
    def is_another_format(self) -> bool:
        return not self.read and len(self.failed) >= FORMAT_CHANGED


def read_entries(path: str, parse: Callable[[Json], T], raws: Iterable[object]) -> Entries[T]:
    """Each entry parsed, or why not. One that cannot be read must not cost what the others tell.

    The call is paid for, and would be again.
    """
    read: list[T] = []
    failed: list[tuple[str, object, str]] = []
    for raw in raws:
        try:
            if not isinstance(raw, Mapping):
                raise ValueError(f"it is {type(raw).__name__}, no object")  # noqa: TRY004, TRY301
            read.append(parse(raw))
        except KeyError as error:
            failed.append((_name(raw), raw, f"it has no {error.args[0]}"))
        except ValueError as error:
            failed.append((_name(raw), raw, str(error)))
    if failed:
        asin, _, reason = failed[0]
        log.warning(
            "Keepa %s: %d of %d entries cannot be read and are left out, the first %s: %s",
            path, len(failed), len(read) + len(failed), asin or "without an ASIN", reason,
        )  # fmt: skip
    return Entries(tuple(read), tuple(failed))


def strange(path: str, entries: Entries[Any]) -> StrangeAnswer | None:
    """The entries that cannot be read, to be kept; ``None`` when there are none."""
    if not entries.failed:
        return None
    asin, _, reason = entries.failed[0]
    kept = [{"reason": why, "entry": raw} for _, raw, why in entries.failed[:MAX_KEPT]]
    count = len(entries.failed)
    return StrangeAnswer(
        call=path,
        subject=f"entry {asin or reason}",
        reason=f"{count} of {count + len(entries.read)} entries cannot be read, the first {asin}: {reason}",
        body=json.dumps(kept).encode(),
    )


def deal_page(body: Mapping[str, Any], envelope: TokenEnvelope) -> tuple[DealPage, Entries[Deal]]:
    """The page of an answer to ``/deal``; ``ValueError`` when nothing of it can be used."""
    listing = body["deals"]
    shown = listing.get("dr")
    if not isinstance(shown, list):
        raise ValueError("deals.dr is no list")  # noqa: TRY004  # Keepa's fault, not a caller's
    if len(shown) > DEALS_PER_PAGE:
        log.warning(
            "Keepa /deal: %d deals on one page, of which the first %d are read", len(shown), DEALS_PER_PAGE
        )
    deals = read_entries("/deal", Deal.from_json, shown[:DEALS_PER_PAGE])
    if deals.is_another_format:
        raise ValueError(f"none of {len(deals.failed)} deals can be read, the first: {deals.failed[0][2]}")
    page = DealPage(
        deals=deals.read,
        category_names=_by_category(listing, "categoryNames", lambda name: text(name, MAX_NAME) or None),
        category_counts=_by_category(listing, "categoryCount", lambda count: whole(count, 0, INT32)),
        envelope=envelope,
        unreadable=len(deals.failed),
        deals_cached=body.get("dealsCached") is True,
        unreadable_asins=deals.asins,
    )
    return page, deals


def _by_category(listing: Json, name: str, read: Callable[[object], T | None]) -> dict[int, T]:
    """What an array tells of each root category, where both can be read."""
    ids, values = _few(listing.get("categoryIds")), _few(listing.get(name))
    told = ((whole(category, 0, INT64), read(value)) for category, value in zip(ids, values, strict=False))
    return {category: value for category, value in told if category is not None and value is not None}


def _few(raw: object) -> Sequence[object]:
    return raw[:MAX_CATEGORIES] if isinstance(raw, list) else ()


def _name(raw: object) -> str:
    asin = raw.get("asin") if isinstance(raw, Mapping) else None
    return str(asin) if is_asin(asin) else ""
