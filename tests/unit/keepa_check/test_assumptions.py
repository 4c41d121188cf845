"""Each assumption holds of a Keepa that is as we think, and differs of one that is bent in that point."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from keepa_deals.health.probing import Reading
from keepa_deals.keepa.deal import Deal, DealPage
from keepa_deals.keepa.envelope import TokenEnvelope
from keepa_deals.keepa.selection import read_selection
from keepa_deals.keepa_check.assumptions import ASSUMPTIONS, Row, Verdict, fits, judge
from keepa_deals.keepa_check.probes import Evidence, run_probes
from keepa_deals.keepa_check.purse import Purse
from keepa_deals.keepa_check.report import to_json, to_table
from tests.support.check_answers import QUERY, START, TICK, FakeKeepa, keepa, raw_deal, raw_product
from tests.support.paths import SAMPLES

needs_samples = pytest.mark.skipif(
    not SAMPLES.is_dir(), reason="the recorded Keepa answers are not beside this checkout"
)


def evidence_of(fake: FakeKeepa, query: dict[str, Any] | None = None) -> Evidence:
    return run_probes(fake, Purse(), fake.time, query or QUERY, tick_seconds=TICK)


def verdicts(evidence: Evidence) -> dict[str, Verdict]:
    return {row.name: row.verdict for row in judge(evidence)}


def row(evidence: Evidence, name: str) -> Row:
    return next(row for row in judge(evidence) if row.name == name)


def bend(change: Callable[[FakeKeepa], object]) -> FakeKeepa:
    fake = keepa()
    change(fake)
    return fake


def set_deal(number: int, **changes: Any) -> Callable[[FakeKeepa], object]:
    return lambda fake: fake.deals_.__setitem__(number, raw_deal(number, **changes))


def test_of_a_keepa_as_we_think_it_is_everything_holds() -> None:
    for count in (1, 149, 150, 151, 400):
        differing = {n: v for n, v in verdicts(evidence_of(keepa(count))).items() if v is not Verdict.HOLDS}
        assert differing == ({"newest_first": Verdict.UNKNOWN} if count == 1 else {}), count


DATE = raw_deal(0)["creationDate"]


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("newest_first", lambda fake: fake.deals_.reverse()),
        ("date_is_price_change", set_deal(3, currentSince=[0, 0, 8])),
        ("even_minutes", set_deal(0, creationDate=DATE - 1, currentSince=[0, 0, DATE - 1])),
        ("no_future_dates", set_deal(0, creationDate=DATE + 8, currentSince=[0, 0, DATE + 8])),
        ("looked_at_within_a_day", set_deal(3, lastUpdate=DATE - 25 * 60)),
        ("percent", set_deal(3, deltaPercent=[[0, 0, 12]] * 4)),
        ("query_honoured", set_deal(3, current=[-1, -1, 90])),
        ("page_price", lambda fake: setattr(fake, "page_price", 6)),
        ("product_tells", lambda fake: fake.products_.update(
            {asin: raw_product(asin, -1) for asin in fake.products_})),
        ("product_agrees", lambda fake: fake.products_.update(
            {asin: raw_product(asin, 5) for asin in ("B000000001", "B000000002")})),
        ("unknown_asin", lambda fake: fake.products_.update(B0ZZZZZZZZ=raw_product("B0ZZZZZZZZ", 5))),
        ("tick_period", lambda fake: setattr(fake, "tick_late", 4.0)),
    ],
)  # fmt: skip
def test_one_that_is_bent_differs_in_that_point(name: str, change: Callable[[FakeKeepa], object]) -> None:
    assert row(evidence_of(bend(change)), name).verdict is Verdict.DIFFERS


def test_one_price_that_the_feed_shows_late_is_no_difference() -> None:
    late = bend(lambda fake: fake.products_.update(B000000001=raw_product("B000000001", 5)))
    found = row(evidence_of(late), "product_agrees")
    assert found.verdict is Verdict.HOLDS
    told, _, asked = found.seen.split()[:3]
    assert int(told) == int(asked) - 1


def paid(envelope: TokenEnvelope, tokens: int) -> TokenEnvelope:
    return replace(envelope, tokens_consumed=tokens)


class TestPrices:
    def test_a_product_that_costs_more_differs(self) -> None:
        evidence = evidence_of(keepa())
        assert evidence.products.value is not None
        assert evidence.buybox.value is not None
        dear = replace(evidence.products.value, envelope=paid(evidence.products.value.envelope, 4))
        found = row(replace(evidence, products=Reading(dear)), "product_price")
        assert (found.verdict, found.seen) == (Verdict.DIFFERS, "4 tokens for 3 found and 1 unknown")
        cheap = replace(evidence.buybox.value, envelope=paid(evidence.buybox.value.envelope, 1))
        assert row(replace(evidence, buybox=Reading(cheap)), "buybox_price").verdict is Verdict.DIFFERS


class TestEqualQueries:
    def second(self, *numbers_and_asins: tuple[int, str], families: dict[str, str] | None = None) -> Evidence:
        """Evidence whose second answer shows other ASINs in some places; ``families``: parents of ASINs."""
        fake = keepa()
        shown_next = list(fake.deals_)
        for number, asin in numbers_and_asins:
            shown_next[number] = raw_deal(number, asin=asin)
            fake.products_[asin] = raw_product(asin, 1000 + number)
        for asin, parent in (families or {}).items():
            fake.products_[asin]["parentAsin"] = parent
        answer = fake.deals

        def deals(*args: Any, **how: Any) -> DealPage:
            page = answer(*args, **how)
            fake.deals_ = shown_next
            return page

        fake.deals = deals  # type: ignore[method-assign]
        return evidence_of(fake)

    def test_that_show_a_sibling_instead_are_what_we_assume(self) -> None:
        evidence = self.second(
            (7, "BSIBLING00"), families={"B000000007": "BPARENT000", "BSIBLING00": "BPARENT000"}
        )
        found = row(evidence, "siblings")
        assert found.verdict is Verdict.HOLDS
        assert found.seen == "1 shown no more, 1 anew; of 1 that were asked about 1 had a sibling shown"

    def test_that_show_a_stranger_instead_differ(self) -> None:
        assert row(self.second((7, "BSTRANGER0")), "siblings").verdict is Verdict.DIFFERS

    def test_whose_siblings_are_not_on_the_same_page_tell_nothing(self) -> None:
        """A sibling at another date stands on another page."""
        found = row(self.second((7, "BSTRANGER0"), families={"B000000007": "BPARENT000"}), "siblings")
        assert found.verdict is Verdict.UNKNOWN
        assert found.seen.startswith("1 shown no more, 1 anew, and whether a sibling is shown")

    def test_of_which_the_second_is_cached_differ_and_tell_nothing_of_siblings(self) -> None:
        evidence = evidence_of(keepa())
        assert evidence.second.value is not None
        cached = replace(evidence, second=Reading(replace(evidence.second.value, deals_cached=True)))
        assert row(cached, "not_cached").verdict is Verdict.DIFFERS
        assert row(cached, "siblings").verdict is Verdict.UNKNOWN


class TestEndOfTheFeed:
    def test_counts_of_more_deals_than_the_pages_show_differ(self) -> None:
        evidence = evidence_of(keepa())
        assert evidence.last.value is not None
        more = replace(evidence.last.value, category_counts={283155: 440})
        found = row(replace(evidence, last=Reading(more)), "counts")
        assert (found.verdict, found.seen) == (
            Verdict.DIFFERS,
            "440 by the counts (440 without the categories), 400 by the pages",
        )

    def test_a_deal_that_slips_from_page_to_page_is_no_difference(self) -> None:
        evidence = evidence_of(keepa())
        assert evidence.last.value is not None
        slipped = replace(evidence.last.value, deals=evidence.last.value.deals[:-2])
        assert row(replace(evidence, last=Reading(slipped)), "counts").verdict is Verdict.HOLDS

    def test_a_page_past_the_end_without_counts_or_with_many_deals_differs(self) -> None:
        evidence = evidence_of(keepa())
        assert evidence.beyond.value is not None
        bare = replace(evidence.beyond.value, category_counts={})
        assert row(replace(evidence, beyond=Reading(bare)), "past_the_end").verdict is Verdict.DIFFERS
        for count, verdict in ((2, Verdict.UNKNOWN), (20, Verdict.DIFFERS)):
            full = replace(evidence.beyond.value, deals=evidence.first.deals[:count])
            assert row(replace(evidence, beyond=Reading(full)), "past_the_end").verdict is verdict


class TestTicks:
    def test_tokens_that_somebody_else_spends_are_missing(self) -> None:
        evidence = evidence_of(keepa())
        *most, last = evidence.envelopes
        robbed = replace(evidence, envelopes=(*most, replace(last, tokens_left=last.tokens_left - 30)))
        found = row(robbed, "tick_tokens")
        assert found.verdict is Verdict.DIFFERS
        assert "30 tokens less than expected" in found.seen

    def test_a_full_bucket_takes_no_more(self) -> None:
        fake = keepa()
        fake.balance = 1200
        evidence = evidence_of(fake)
        capped, balance = [], 1200
        for envelope, spent in zip(evidence.envelopes, (0, 5, 5, 5, 5, 3, 3), strict=True):
            ticks_came = envelope.tokens_consumed == 5 and len(capped) in (3, 4)
            balance = min(1200, balance + 20 * ticks_came) - spent
            capped.append(replace(envelope, tokens_left=balance))
        assert row(replace(evidence, envelopes=tuple(capped)), "tick_tokens").verdict is Verdict.HOLDS

    def test_beside_a_service_the_balance_tells_nothing(self) -> None:
        evidence = replace(evidence_of(keepa()), shared=True)
        assert row(evidence, "tick_tokens").verdict is Verdict.UNKNOWN

    def test_announcements_that_jump_within_a_tick_differ(self) -> None:
        evidence = evidence_of(keepa())
        first, second, *rest = evidence.envelopes
        jumping = replace(second, refill_in_ms=second.refill_in_ms + 9000)
        assert (
            row(replace(evidence, envelopes=(first, jumping, *rest)), "refill_in").verdict is Verdict.DIFFERS
        )


def test_questions_without_an_answer_are_unknown_and_say_why() -> None:
    missing: Reading[Any] = Reading(error="Keepa /deal: 502")
    evidence = replace(
        evidence_of(keepa()), second=missing, last=missing, beyond=missing, products=missing, buybox=missing
    )
    unknown = {row.name: row.seen for row in judge(evidence) if row.verdict is Verdict.UNKNOWN}
    assert unknown.keys() == {
        "not_cached", "siblings", "counts", "past_the_end", "product_price", "unknown_asin", "buybox_price",
        "product_tells", "product_agrees",
    }  # fmt: skip
    assert set(unknown.values()) == {"Keepa /deal: 502"}


@pytest.mark.parametrize("kind", [9, 18])
def test_price_types_that_a_plain_product_does_not_tell_are_held_against_what_is_documented(
    kind: int,
) -> None:
    def at_kind(value: int) -> list[int]:
        return [-1] * kind + [value]

    fake = keepa(10)
    for number in range(10):
        fake.deals_[number] = raw_deal(
            number, current=at_kind(1000), currentSince=at_kind(DATE - 2 * number),
            avg=[at_kind(2000)] * 4, delta=[at_kind(1000)] * 4, deltaPercent=[at_kind(50)] * 4,
        )  # fmt: skip
        asin = fake.deals_[number]["asin"]
        fake.products_[asin] = raw_product(asin, -1, stats={"current": at_kind(1000 if kind == 18 else -2)})
    found = verdicts(evidence_of(fake, {**QUERY, "priceTypes": [kind]}))
    assert found["product_tells"] is Verdict.HOLDS
    assert found["product_agrees"] is (Verdict.HOLDS if kind == 18 else Verdict.UNKNOWN)


@needs_samples
@pytest.mark.parametrize("name", ["deal_page_2025-09.json", "deal_page_last_short.json"])
def test_recorded_deals_are_as_we_assume_but_for_their_order(name: str) -> None:
    raw = json.loads((SAMPLES / name).read_text())
    query = read_selection(SAMPLES / "deal_selection_of_the_sweeps.json").query
    deals = tuple(map(Deal.from_json, raw["deals"]["dr"]))
    page = replace(
        evidence_of(keepa()).first, deals=deals, envelope=TokenEnvelope.from_json(raw), category_counts={}
    )
    found = verdicts(replace(evidence_of(keepa()), first=page, query=query))
    for held in ("date_is_price_change", "even_minutes", "no_future_dates", "percent", "query_honoured"):
        assert found[held] is Verdict.HOLDS, held
    assert found["looked_at_within_a_day"] is Verdict.HOLDS
    assert found["newest_first"] is Verdict.DIFFERS  # they came with sortType 4


def test_ranges_that_are_switched_off_fit_everything() -> None:
    deal = Deal.from_json(raw_deal(0, current=[-1, -1, 1]))
    assert not fits(deal, QUERY)
    assert fits(deal, {**QUERY, "isRangeEnabled": False})


class TestReport:
    KEY = "k3y" * 21 + "z"

    def test_has_the_evidence_without_key_and_titles(self) -> None:
        evidence = evidence_of(keepa())
        rows = judge(evidence)
        text = to_json(
            evidence, rows, address=f"http://u:p@host/?key={self.KEY}", spent=26, at=START, key=self.KEY
        )
        report = json.loads(text)
        assert report["tokens_spent"] == 26
        assert [row["name"] for row in report["assumptions"]] == list(ASSUMPTIONS)
        assert report["first"]["deals"][3]["current"] == 1003
        assert len(report["first"]["deals"]) == 150
        assert report["products"]["products"][0]["asin"] == "B000000000"
        assert len(report["answers"]) == 7
        assert "title" not in text
        assert self.KEY not in text
        assert "u:p@" not in text

    def test_names_what_was_not_answered(self) -> None:
        missing: Reading[Any] = Reading(error="x")
        evidence = replace(evidence_of(keepa()), second=missing, buybox=missing)
        report = json.loads(to_json(evidence, [], address="", spent=0, at=START, key=self.KEY))
        assert (report["second"], report["buybox"]) == (None, None)

    def test_table_counts_the_verdicts(self) -> None:
        table = to_table(judge(evidence_of(keepa())), 26)
        assert table.endswith(f"{len(ASSUMPTIONS)} hold, 0 differ, 0 unknown; 26 tokens spent")
        assert "creationDate is when the USED price last changed" in table
