"""The seller's terms: what buying, sending in, selling and taxes cost, and which price is expected.

Settings like the others. People may change most of them on the dashboard as well (``SELLER_TERMS``).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, TypeAdapter

from keepa_deals.deals import link_templates
from keepa_deals.deals.economics import fees
from keepa_deals.deals.economics.pricing import (
    Buying,
    Costs,
    Fulfilment,
    Pricing,
    Returns,
    SellPrice,
    Vat,
    VatScheme,
)
from keepa_deals.setting_fields import as_path, setting

MAX_CENTS = 100_000_000


def _deal_links(value: str) -> str:
    link_templates.parse(value)
    return value


def _basis_points(percent: float) -> int:
    return round(percent * 100)


class SellerTerms(BaseModel):
    """What a deal earns this seller depends on these. The seller's own links stand beside them."""

    prep_cost: int = setting(0, "What you add to each unit for its preparation, in cents", ge=0, le=MAX_CENTS)
    shipping_cost: int = setting(
        0, "What you add to each unit for shipping to Amazon, in cents", ge=0, le=MAX_CENTS
    )
    sell_price: Literal["average_90", "average_30", "average_180", "average_365", "buy_box", "robust"] = (
        setting(
            "average_90",
            "The price that you expect to sell at: an average of so many days, the buy box, or the median of "
            "the prices at which it sold (docs/economics.md)",
        )
    )

    buy_shipping_cost: int = setting(
        0, "Shipping that you pay for an order when you buy, in cents", ge=0, le=MAX_CENTS
    )
    buy_quantity: int = setting(1, "Units that you buy at once: they share the shipping", ge=1, le=100_000)
    buy_tax_percent: float = setting(
        0, "Sales tax that you pay on price and shipping, in percent; 0 when you are exempt", ge=0, le=100
    )
    fulfilment: Literal["fba", "fbm"] = setting(
        "fba", "Who ships to the buyer: Amazon (fba) or you (fbm, without FBA fee, storage and shipping in)"
    )
    fbm_shipping_cost: int | None = setting(
        None,
        "What shipping a unit to the buyer costs you, in cents. Unset: unknown",
        f"0 to {MAX_CENTS}",
        ge=0,
        le=MAX_CENTS,
    )
    storage_months: int = setting(
        0, "Months for which a unit lies in Amazon's warehouse before it sells", ge=0, le=36
    )
    inbound_placement_cost: int = setting(
        0,
        "Amazon's inbound placement fee for a unit, in cents: it depends on how you send units in",
        ge=0,
        le=MAX_CENTS,
    )
    returns_percent: float = setting(0, "What returns cost you, in percent of the sale", ge=0, le=100)
    returns_percent_low: float | None = setting(
        None,
        "The same for products that Keepa says are seldom returned. Unset: as RETURNS_PERCENT",
        "0 to 100",
        ge=0,
        le=100,
    )
    returns_percent_high: float | None = setting(
        None,
        "The same for products that Keepa says are often returned. Unset: as RETURNS_PERCENT",
        "0 to 100",
        ge=0,
        le=100,
    )
    vat_scheme: Literal["none", "not_registered", "registered", "flat_rate"] = setting(
        "none", "How you stand to VAT (docs/economics.md); none leaves it out"
    )
    vat_flat_rate_percent: float = setting(
        0, "Your share under the flat-rate scheme, in percent of the sale", ge=0, le=100
    )
    vat_on_buying: bool = setting(
        default=True, meaning="Whether the price that you pay holds VAT that comes back to you, if registered"
    )
    amazon_fees: Annotated[Path, AfterValidator(as_path)] | None = setting(
        None,
        "Amazon's fees, in the place of those that come with the program (docs/economics.md)",
        "a JSON file; relative paths start at the project's root",
    )

    deal_links: Annotated[str, AfterValidator(_deal_links)] = setting(
        "",
        "Links of your own on the page of a deal, with {asin}, {price} and others (docs/dashboard.md)",
        "NAME=https://…, parted by a bar between blanks",
    )

    def pricing_at(self, now: datetime) -> Pricing:
        """How the seller reckons: the same for every reader and every job. Storage has seasons."""
        usual = self.returns_percent
        low, high = self.returns_percent_low, self.returns_percent_high
        return Pricing(
            costs=Costs(
                self.prep_cost, self.shipping_cost, self.inbound_placement_cost, self.fbm_shipping_cost
            ),
            sell=SellPrice(self.sell_price),
            buying=Buying(self.buy_shipping_cost, self.buy_quantity, _basis_points(self.buy_tax_percent)),
            returns=Returns(*(_basis_points(usual if x is None else x) for x in (low, usual, high))),
            vat=Vat(
                VatScheme(self.vat_scheme), _basis_points(self.vat_flat_rate_percent), self.vat_on_buying
            ),
            fulfilment=Fulfilment(self.fulfilment),
            storage_months=self.storage_months,
            month=now.month,
            schedule=fees.schedule(self.amazon_fees),
        )

    def with_terms(self, terms: Mapping[str, Any]) -> Self:
        """The same with some of ``SELLER_TERMS`` in the place of its own; they were checked one by one."""
        return self.model_copy(update=dict(terms)) if terms else self


SELLER_TERMS = (
    *("buy_quantity", "buy_shipping_cost", "buy_tax_percent", "prep_cost", "shipping_cost"),
    *("sell_price", "fulfilment", "fbm_shipping_cost", "inbound_placement_cost", "storage_months"),
    *("returns_percent", "returns_percent_low", "returns_percent_high"),
    *("vat_scheme", "vat_flat_rate_percent", "vat_on_buying"),
)
"""The settings that people may change on the dashboard: how the seller reckons."""


@lru_cache(maxsize=32)
def _term_adapter(name: str) -> TypeAdapter[Any]:
    field = SellerTerms.model_fields[name]
    kind: Any = field.annotation
    return TypeAdapter(Annotated[kind, *field.metadata] if field.metadata else kind)


def check_term(name: str, value: object) -> Any:
    """The value of a seller's term as the setting of its name would have it; ``ValueError`` for none."""
    if name not in SELLER_TERMS:
        raise ValueError(f"{name} is no term that can be changed")
    return _term_adapter(name).validate_python(value)
