"""The check's result as a table for people and as evidence for a bug report, without key and titles."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from importlib.metadata import version
from typing import Any

from keepa_deals.keepa.deal import Deal, DealPage
from keepa_deals.keepa.envelope import TokenEnvelope
from keepa_deals.keepa.fields import at
from keepa_deals.keepa.product import ProductBatch
from keepa_deals.keepa.selection import price_type
from keepa_deals.keepa.time import to_keepa_minutes
from keepa_deals.keepa_check.assumptions import Row, Verdict
from keepa_deals.keepa_check.probes import Evidence
from keepa_deals.logs import redact


def to_table(rows: Sequence[Row], spent: int) -> str:
    """One assumption a paragraph: its verdict, its words, and below it what was seen."""
    lines = [f"{row.verdict:<8} {row.assumption}\n         {row.seen}" for row in rows]
    counts = Counter(row.verdict for row in rows)
    held, differing, unknown = (counts[verdict] for verdict in Verdict)
    summary = f"{held} hold, {differing} differ, {unknown} unknown; {spent} tokens spent"
    return "\n".join([*lines, "", summary])


def to_json(
    evidence: Evidence, rows: Sequence[Row], *, address: str, spent: int, at: datetime, key: str
) -> str:
    """Rows, query, envelopes and what was read of deals and products; times in Keepa minutes."""
    report = {
        "version": version("keepa-deals"),
        "taken_at": at.isoformat(),
        "asked": redact(address),
        "tokens_spent": spent,
        "assumptions": [
            {"name": r.name, "assumption": r.assumption, "verdict": str(r.verdict), "seen": r.seen}
            for r in rows
        ],
        "query": evidence.query,
        "tick_seconds": evidence.tick_seconds,
        "failures": evidence.failures,
        "answers": [_envelope(envelope) for envelope in evidence.envelopes],
        "first": _page(evidence, evidence.first),
        "second": _page(evidence, evidence.second.value),
        "last": _page(evidence, evidence.last.value),
        "last_index": evidence.last_index,
        "beyond": _page(evidence, evidence.beyond.value),
        "products": _products(evidence, evidence.products.value),
        "buybox": _products(evidence, evidence.buybox.value),
    }
    return redact(json.dumps(report, indent=1), [key])


def _envelope(envelope: TokenEnvelope) -> dict[str, Any]:
    return {
        "timestamp": envelope.timestamp_ms,
        "tokensLeft": envelope.tokens_left,
        "refillIn": envelope.refill_in_ms,
        "refillRate": envelope.refill_rate,
        "tokenFlowReduction": envelope.token_flow_reduction,
        "tokensConsumed": envelope.tokens_consumed,
        "processingTimeInMs": envelope.processing_time_ms,
    }


def _page(evidence: Evidence, page: DealPage | None) -> dict[str, Any] | None:
    if page is None:
        return None
    return {
        "dealsCached": page.deals_cached,
        "categoryCount": {str(root): count for root, count in page.category_counts.items()},
        "unreadable": page.unreadable,
        "deals": [_deal(evidence, deal) for deal in page.deals],
    }


def _deal(evidence: Evidence, deal: Deal) -> dict[str, Any]:
    kind, interval = price_type(evidence.query), int(evidence.query["dateRange"])
    since = at(deal.current_since, kind)
    return {
        "asin": deal.asin,
        "parentAsin": deal.parent_asin,
        "creationDate": to_keepa_minutes(deal.creation_date),
        "currentSince": to_keepa_minutes(since) if since else None,
        "lastUpdate": to_keepa_minutes(deal.last_update),
        "current": deal.value(kind),
        "avg": at(at(deal.avg, interval) or (), kind),
        "deltaPercent": at(at(deal.delta_percent, interval) or (), kind),
    }


def _products(evidence: Evidence, batch: ProductBatch | None) -> dict[str, Any] | None:
    if batch is None:
        return None
    kind = price_type(evidence.query)
    return {
        "unknown": list(batch.unknown),
        "unreadable": list(batch.unreadable),
        "products": [
            {
                "asin": product.asin,
                "parentAsin": product.parent_asin,
                "variations": list(product.variations),
                "lastUpdate": to_keepa_minutes(product.last_update) if product.last_update else None,
                "current": at(product.stats.current, kind) if product.stats else None,
                "buyBoxPrice": product.stats.buy_box_price if product.stats else None,
            }
            for product in batch.products
        ],
    }
