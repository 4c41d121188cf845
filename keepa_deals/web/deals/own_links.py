"""The links of the operator's own on the page of a deal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from keepa_deals.deals import link_templates
from keepa_deals.deals.money import from_minor
from keepa_deals.marketplaces import marketplace
from keepa_deals.query.rows import DealRow


class OwnLink(NamedTuple):
    """A link to be shown."""

    name: str
    address: str


def own_links(templates: str, row: DealRow) -> Sequence[OwnLink]:
    """The links that ``DEAL_LINKS`` makes for a deal."""

    def amount(value: int | None) -> str:
        return "" if value is None else from_minor(value, row.domain_id)

    values = {
        "asin": row.asin,
        "domain_id": str(row.domain_id),
        "tld": marketplace(row.domain_id).tld,
        "title": row.title or "",
        "price": amount(row.price),
        "sell": amount(row.sell_price),
        "profit": amount(row.profit),
    }
    return [OwnLink(link.name, link.address(values)) for link in link_templates.parse(templates)]
