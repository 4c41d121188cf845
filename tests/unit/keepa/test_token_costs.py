"""What a call for products costs, and which prices it tells."""

from __future__ import annotations

import pytest

from keepa_deals.keepa.enums import CsvType
from keepa_deals.keepa.token_costs import ProductOptions


@pytest.mark.parametrize(
    ("options", "tokens", "kind"),
    [
        (ProductOptions(), 1, "product"),
        (ProductOptions(rating=True), 2, "product+rating"),
        (ProductOptions(buybox=True, rating=True), 4, "product+rating+buybox"),
        (ProductOptions(offers=20), 12, "product+offers20"),
        (ProductOptions(offers=100, stock=True), 62, "product+stock+offers100"),
        (ProductOptions(update_hours=0), 2, "product+update0"),
    ],
)
def test_the_documented_price_of_a_product(options: ProductOptions, tokens: int, kind: str) -> None:
    assert options.documented_tokens_per_product() == tokens
    assert options.kind == kind


@pytest.mark.parametrize(
    ("options", "told", "untold"),
    [
        (
            ProductOptions(),
            {0, 1, 2, 3, 4, 5, 6, 8, 11, 12, 30},
            {7, 9, 10, 16, 17, 18, *range(19, 28), 31, 32, 33},
        ),
        (ProductOptions(rating=True), {1, 16, 17}, {7, 18, 32, 33}),
        (ProductOptions(buybox=True), {1, 18, 32}, {7, 10, 16, 17, 19, 33}),
        (ProductOptions(offers=20), set(range(36)), set()),
    ],
)
def test_which_types_a_call_for_products_tells(
    options: ProductOptions, told: set[int], untold: set[int]
) -> None:
    assert all(options.tells(CsvType(kind)) for kind in told)
    assert not any(options.tells(CsvType(kind)) for kind in untold)
