"""What Keepa says of the account beside our books, while a run spends and Keepa refills."""

from __future__ import annotations

import pytest

from keepa_deals import settings as settings_module
from keepa_deals.diagnosis.evidence import account
from keepa_deals.diagnosis.evidence.account import ask_account
from keepa_deals.keepa.client import KeepaClient
from keepa_deals.keepa.envelope import TokenEnvelope


@pytest.mark.parametrize(
    ("before", "told", "after", "drift"),
    [
        pytest.param(100, 100, 100, 0, id="nothing happens"),
        pytest.param(100, 95, 95, 0, id="we spend, and Keepa has charged it already"),
        pytest.param(100, 100, 95, -5, id="we spend right after the answer"),
        pytest.param(95, 95, 115, 0, id="a tick comes after the answer"),
        pytest.param(95, 115, 115, -20, id="a tick comes before the answer"),
        pytest.param(100, 60, 100, 40, id="another program spends"),
        pytest.param(None, 60, 100, None, id="the balance was not known"),
    ],
)
def test_only_what_another_program_spends_is_a_drift(
    monkeypatch: pytest.MonkeyPatch, before: int | None, told: int, after: int, drift: int | None
) -> None:
    books = iter((before, after))
    monkeypatch.setattr(account, "_available", lambda _: next(books))
    envelope = TokenEnvelope(0, told, 1000, 20, 0.0, 0, 1)
    monkeypatch.setattr(KeepaClient, "token_status", lambda _: envelope)
    settings = settings_module.load(env_file=None, runtime=False, keepa_api_key="k" * 64)
    assert ask_account(settings).drift == drift


def test_books_that_cannot_be_read_are_no_drift(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KeepaClient, "token_status", lambda _: TokenEnvelope(0, 5, 1000, 20, 0.0, 0, 1))
    settings = settings_module.load(
        env_file=None, runtime=False, keepa_api_key="k" * 64, redis_url="redis://127.0.0.1:1/0"
    )
    assert ask_account(settings).drift is None
