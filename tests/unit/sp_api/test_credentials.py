"""Credentials: their form, and that their secrets stay where they are."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest

from keepa_deals import redaction
from keepa_deals.sp_api.credentials import Credentials, checked
from tests.support.servers.sp_api import CREDENTIALS


def test_what_was_kept_comes_back() -> None:
    assert Credentials.from_json(CREDENTIALS.to_json()) == CREDENTIALS


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("client_id", "amzn1.application.0123456789"),
        ("client_secret", "too short"),
        ("refresh_token", "Atza|an-access-token-is-no-refresh-token"),
        ("seller_id", "sellername"),
        ("domain_id", 7),
    ],
)
def test_what_has_another_form_is_named_and_not_quoted(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=name.removesuffix("_id").split("_")[0]) as error:
        checked(**{**asdict(CREDENTIALS), name: value})
    assert str(value) not in str(error.value).replace("must be", "")


def test_no_text_of_them_has_a_secret() -> None:
    CREDENTIALS.learn()
    for text in (repr(CREDENTIALS), str(CREDENTIALS), CREDENTIALS.shown):
        assert CREDENTIALS.client_secret not in text
        assert CREDENTIALS.refresh_token not in text
    assert CREDENTIALS.refresh_token not in redaction.hide_known(f"x {CREDENTIALS.refresh_token} y")


def test_a_usage_plan_belongs_to_a_seller_and_an_application() -> None:
    same = replace(CREDENTIALS, refresh_token="Atzr|another-token-0123456789", domain_id=6)
    assert same.account_id == CREDENTIALS.account_id
    assert replace(CREDENTIALS, seller_id="A2OTHERSELLER").account_id != CREDENTIALS.account_id
