"""What is asked, in which order, for how much, and what one failed question costs the others."""

from __future__ import annotations

import pytest

from keepa_deals.keepa.errors import KeyRefusedError, RequestRejectedError, ServerTroubleError
from keepa_deals.keepa_check.probes import (
    NOBODYS_ASIN,
    CannotLookError,
    Evidence,
    asins_to_ask,
    exchanged,
    last_page_index,
    run_probes,
)
from keepa_deals.keepa_check.purse import MAX_TOKENS, Purse
from tests.support.check_answers import QUERY, TICK, FakeKeepa, keepa, raw_deal, with_deals


def looked(fake: FakeKeepa, purse: Purse | None = None) -> Evidence:
    return run_probes(fake, purse or Purse(), fake.time, QUERY, tick_seconds=TICK)


def test_everything_is_asked_once_within_two_ticks_for_less_than_was_said() -> None:
    fake, purse = keepa(400), Purse()
    evidence = looked(fake, purse)
    assert fake.calls == [
        "token", "page 0", "page 0", "page 2", "page 3", "product", "product+buybox"
    ]  # fmt: skip
    assert purse.spent == 5 + 5 + 5 + 5 + 3 + 3 <= MAX_TOKENS
    assert len(evidence.envelopes) == len(fake.calls)
    assert sum(fake.time.slept) <= 2 * TICK * 1.05
    assert evidence.failures == ()


def test_a_page_dearer_than_documented_leaves_out_what_would_go_beyond_the_sum() -> None:
    fake, purse = keepa(), Purse()
    fake.page_price = 12
    evidence = looked(fake, purse)
    assert purse.spent == 3 * 12 + 3 <= MAX_TOKENS
    assert evidence.beyond.error == "not asked: 36 of 40 tokens are spent, it costs 5"
    assert evidence.products.value is not None  # four tokens at most
    assert evidence.buybox.error == "not asked: 39 of 40 tokens are spent, it costs 3"
    assert len(evidence.failures) == 2


def test_a_short_balance_is_refused_before_anything_is_spent() -> None:
    fake, purse = keepa(), Purse()
    fake.balance = 12
    with pytest.raises(CannotLookError, match=r"12 tokens are there and 40 must be.*again in 2 minutes"):
        looked(fake, purse)
    assert fake.calls == ["token"]
    assert purse.spent == 0


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (KeyRefusedError("Keepa /token: 402 the key is refused"), "402 the key is refused"),
        (RequestRejectedError("Keepa /token: 400 request rejected"), "refuses this KEEPA_API_KEY"),
        (ServerTroubleError("Keepa /token: cannot connect to x"), "cannot connect to x"),
    ],
)
def test_a_key_or_a_network_that_does_not_work_is_said(error: Exception, words: str) -> None:
    fake = keepa()
    fake.errors["token"] = error
    with pytest.raises(CannotLookError, match=words):
        looked(fake)


def test_a_query_that_keepa_rejects_or_that_matches_nothing_ends_the_check() -> None:
    fake = keepa()
    fake.errors["page 0"] = RequestRejectedError("Keepa /deal: 400 request rejected")
    with pytest.raises(CannotLookError, match="400 request rejected"):
        looked(fake)
    with pytest.raises(CannotLookError, match=r"matches no deal just now \(5 tokens spent\)"):
        looked(keepa(0))


def test_one_question_that_fails_leaves_the_others_their_answers() -> None:
    fake = keepa()
    fake.errors["page 2"] = ServerTroubleError("Keepa /deal: 502")
    evidence = looked(fake)
    assert evidence.last.error == "Keepa /deal: 502"
    assert evidence.failures == ("Keepa /deal: 502",)
    assert evidence.beyond.value is not None
    assert evidence.buybox.value is not None


def test_counts_that_do_not_tell_leave_the_last_pages_out() -> None:
    fake = keepa()
    evidence = run_probes(
        fake,
        Purse(),
        fake.time,
        {**QUERY, "isFilterEnabled": True, "includeCategories": [12]},
        tick_seconds=TICK,
    )
    assert evidence.last_index is None
    assert "counts do not tell" in str(evidence.last.error)
    assert evidence.failures == ()


@pytest.mark.parametrize(("count", "index"), [(1, 0), (150, 0), (151, 1), (400, 2), (20_000, 66)])
def test_the_last_page_follows_from_the_counts(count: int, index: int) -> None:
    page = looked(keepa(1)).first
    counted = type(page)(page.deals, page.category_names, {283155: count}, page.envelope)
    assert last_page_index(counted, QUERY) == index


class TestExchanged:
    def test_what_newer_deals_push_off_a_full_page_is_explained(self) -> None:
        page = looked(keepa()).first
        newer = raw_deal(-1, asin="BNEW000000")
        second = with_deals(page, newer, *map(raw_deal, range(149)))
        assert exchanged(page, second) == ([], [])

    def test_a_deal_that_another_of_the_same_age_replaces_is_not(self) -> None:
        page = looked(keepa()).first
        other = raw_deal(7, asin="BSIBLING00")
        second = with_deals(page, *(raw_deal(n) if n != 7 else other for n in range(150)))
        gone, came = exchanged(page, second)
        assert [deal.asin for deal in gone] == ["B000000007"]
        assert [deal.asin for deal in came] == ["BSIBLING00"]
        assert asins_to_ask(page, second) == ["B000000007", "BSIBLING00", "B000000000", NOBODYS_ASIN]

    def test_a_deal_missing_from_a_short_page_is_not(self) -> None:
        page = looked(keepa(20)).first
        gone, came = exchanged(page, with_deals(page, *map(raw_deal, range(19))))
        assert [deal.asin for deal in gone] == ["B000000019"]
        assert came == []
