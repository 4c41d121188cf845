"""Asks Keepa to which families products belong, and writes the answer down."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence

from sqlalchemy.orm import Session

from keepa_deals.db.upsert import lock_writers
from keepa_deals.errors import TokensUnavailableError
from keepa_deals.ingest.events import event_rows, record
from keepa_deals.ingest.feed import families
from keepa_deals.ingest.metered_calls import read_few_products
from keepa_deals.ingest.run import Run
from keepa_deals.keepa.errors import KeepaError
from keepa_deals.keepa.product import Product
from keepa_deals.keepa.token_costs import ProductOptions

log = logging.getLogger(__name__)

OPTIONS = ProductOptions(stats_days=90)
MAX_CALLS = 2
"""Small calls a page that ask for families: what they do not cover waits for the next look."""


def learn_families(run: Run, asins: Sequence[str]) -> Collection[str]:
    """Ask to which families products belong, in the small lane; which ones that were.

    Those for which there are no tokens, or no answer, wait.
    """
    most, asked = run.context.settings.priority_pass_max_cost, set[str]()
    for first in range(0, min(len(asins), MAX_CALLS * most), most):
        batch = asins[first : first + most]
        try:
            answer = read_few_products(run, batch, OPTIONS)
        except (TokensUnavailableError, KeepaError) as error:
            log.info("whether %d new deals are variations of others is not known yet: %s", len(asins), error)
            break
        with run.commit() as session:
            note_families(run, session, answer.products)
        asked.update(batch)
    return asked


def note_families(run: Run, session: Session, products: Sequence[Product]) -> None:
    """Write down which variations belong together, and let one deal stand for each family."""
    context = run.context
    now, domain_id = context.clock.now(), context.domain_id
    lock_writers(session)
    noted = families.note_variations(session, domain_id, products, now)
    if noted:
        for asin, changes in families.merge(session, domain_id, noted, now, context.fresh_for):
            record(session, event_rows(domain_id, asin, changes))
