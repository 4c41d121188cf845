"""The page's form has the fields of all filters."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from keepa_deals.query.filters import FILTERS
from keepa_deals.query.parse import parse_view
from tests.support.filter_values import values_of

Stock = Callable[..., None]


@pytest.mark.parametrize("name", FILTERS)
def test_the_page_has_the_field_filled_in(name: str, client: FlaskClient, stock: Stock) -> None:
    stock(1)
    value = values_of(FILTERS[name])[-1][-1]
    typed = dict(parse_view({name: [value]}, domain_id=1).parameters()).get(name, value)
    page = client.get("/", query_string={name: value})
    assert page.status_code == 200
    assert f'name="{name}"' in page.text
    assert f'value="{typed}"' in page.text.replace("&#39;", "'")
