"""Keepa's answers as they were recorded, and the notations of time, price and text."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepa_deals.ingest.feed.mapping import detail_row
from keepa_deals.keepa.deal import Deal
from keepa_deals.keepa.enums import CsvType, Interval
from keepa_deals.keepa.envelope import TokenEnvelope
from keepa_deals.keepa.history import PricePoint, parse_history
from keepa_deals.keepa.product import Product
from keepa_deals.keepa.sanitize import image_name, plain_text
from keepa_deals.keepa.time import from_keepa_minutes, from_unix_ms, to_keepa_minutes, unix_ms
from keepa_deals.keepa.token_costs import ProductOptions
from tests.support.paths import SAMPLES

needs_samples = pytest.mark.skipif(
    not SAMPLES.is_dir(), reason="the recorded Keepa answers are not beside this checkout"
)


def sample(name: str) -> dict:
    return json.loads((SAMPLES / name).read_text())


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


@needs_samples
class TestRecordedAnswers:
    def test_the_envelope_of_a_full_bucket(self) -> None:
        envelope = TokenEnvelope.from_json(sample("token_full_bucket.json"))
        assert (envelope.tokens_left, envelope.refill_rate, envelope.refill_in_ms) == (1200, 20, 39592)
        assert envelope.timestamp == utc(2026, 5, 30, 11, 52, 37) + timedelta(milliseconds=832)

    def test_the_envelope_of_a_refused_call(self) -> None:
        envelope = TokenEnvelope.from_json(sample("error_429_bucket_empty.json"))
        assert (envelope.tokens_left, envelope.refill_in_ms, envelope.tokens_consumed) == (0, 38205, 0)

    def test_one_asin_may_cost_four_tokens(self) -> None:
        assert TokenEnvelope.from_json(sample("product_B0D8W1YVBX.json")).tokens_consumed == 4

    def test_the_fields_of_a_product(self) -> None:
        product = Product.from_json(sample("product_B0F7XPYCSJ.json")["products"][0])
        assert product.asin == "B0F7XPYCSJ"
        assert product.title.startswith("10 pcs Lab-Grade Borosilicate Glass 14mm Threaded Adapter")
        assert (product.brand, product.domain_id) == ("POWTHX", 1)
        assert (product.fba_fee, product.referral_fee_percent, product.monthly_sold) == (435, 12.0, 300)
        assert product.availability_amazon == -1
        assert product.last_update == from_keepa_minutes(8075776)

    def test_the_statistics_of_a_product(self) -> None:
        stats = Product.from_json(sample("product_B0F7XPYCSJ.json")["products"][0]).stats
        assert stats is not None
        assert stats.current[CsvType.NEW] == 2599
        assert stats.current[CsvType.AMAZON] is None
        assert (stats.avg90[CsvType.SALES], stats.avg365[CsvType.SALES]) == (11253, 36338)
        assert stats.is_lowest_90[CsvType.NEW]
        assert (stats.sales_rank_drops_30, stats.sales_rank_drops_90) == (13, 35)
        assert (stats.total_offer_count, stats.buy_box_price) == (1, None)

    def test_histories_in_pairs(self) -> None:
        history = Product.from_json(sample("product_B0F7XPYCSJ.json")["products"][0]).history
        assert [point.value for point in history[CsvType.NEW]] == [2599, None, 2599]
        assert history[CsvType.NEW][1].at == from_keepa_minutes(7930604)
        assert len(history[CsvType.SALES]) == 358

    def test_histories_in_triples_with_shipping(self) -> None:
        product = Product.from_json(sample("product_B0D8W1YVBX.json")["products"][0])
        buy_box = product.history[CsvType.BUY_BOX_SHIPPING]
        assert len(buy_box) == 249
        assert buy_box[0] == PricePoint(from_keepa_minutes(7207224), 2499, 0)
        assert buy_box[-1] == PricePoint(from_keepa_minutes(8057266), 1499, 0)
        assert product.referral_fee_percent == 15.01
        assert product.stats is not None
        assert product.stats.buy_box_price == 1499
        assert product.stats.current[CsvType.COUNT_REVIEWS] == 11598


def raw_deal(**changes: object) -> dict:
    empty = [-1] * 36
    return {
        "asin": "B000000001",
        "title": "A <b>bold</b> &amp; <i>cheap</i>\n thing",
        "rootCat": 283155,
        "image": [ord(c) for c in "71abcDEF.jpg"],
        "creationDate": 8_000_000,
        "lastUpdate": 8_000_010,
        "current": [-1, 1999, -2, *empty[3:]],
        "currentSince": [0, 7_999_999, *([0] * 34)],
        "avg": [empty, empty, empty, [-1, 2999, *empty[2:]]],
        "delta": [[0] * 36] * 4,
        "deltaPercent": [[0] * 36] * 4,
    } | changes


def test_a_deal_has_cents_none_for_no_offer_and_a_plain_title() -> None:
    deal = Deal.from_json(raw_deal())
    assert deal.title == "A bold & cheap thing"
    assert deal.image == "71abcDEF.jpg"
    assert deal.value(CsvType.NEW) == 1999
    assert deal.value(CsvType.AMAZON) is None
    assert deal.value(CsvType.USED) is None
    assert deal.average(CsvType.NEW, Interval.DAYS_90) == 2999
    assert deal.average(CsvType.AMAZON, Interval.DAYS_90) is None
    assert deal.creation_date == from_keepa_minutes(8_000_000)
    assert deal.current_since[CsvType.AMAZON] is None


def test_an_unknown_root_category_is_none() -> None:
    assert Deal.from_json(raw_deal(rootCat=9223372036854775807)).root_category is None


def test_a_deal_without_its_arrays_has_no_values() -> None:
    deal = Deal.from_json({"asin": "B000000001", "creationDate": 1, "lastUpdate": 1})
    assert deal.value(CsvType.NEW) is None
    assert deal.average(CsvType.NEW, Interval.DAY) is None


@pytest.mark.parametrize("missing", ["asin", "creationDate", "lastUpdate"])
def test_a_deal_without_its_identity_is_an_error(missing: str) -> None:
    raw = raw_deal()
    del raw[missing]
    with pytest.raises(KeyError, match=missing):
        Deal.from_json(raw)


@pytest.mark.parametrize(
    "asin", ["", "A" * 11, "A" * 9, "b000000001", "B00000000\x00", "B00000 001", "B00000000²", None, 7]
)
def test_what_is_no_asin_is_an_error_that_names_it(asin: object) -> None:
    with pytest.raises(ValueError, match="is no ASIN"):
        Deal.from_json(raw_deal() | {"asin": asin})


def test_a_history_that_is_no_multiple_is_an_error_that_names_it() -> None:
    with pytest.raises(ValueError, match="BUY_BOX_SHIPPING has 4 numbers, not a multiple of 3"):
        parse_history(CsvType.BUY_BOX_SHIPPING, [1, 2, 3, 4])


def test_the_types_with_shipping_are_the_documented_ones() -> None:
    assert {int(kind) for kind in CsvType if kind.has_shipping} == {7, *range(18, 30), 32}


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("a < b and c > d", "a < b and c > d"),
        ("5<10 inch", "5<10 inch"),
        ("<script>alert(1)</script>", "alert(1)"),
        ("&lt;b&gt;", "<b>"),
        ("Tom&nbsp;&amp;&nbsp;Jerry", "Tom & Jerry"),
        (None, ""),
    ],
)
def test_titles_lose_tags_and_entities_but_no_text(markup: str | None, text: str) -> None:
    assert plain_text(markup) == text


def test_what_no_database_can_store_is_replaced() -> None:
    assert plain_text("a\x00b \ud83d c \U0001f600") == "a\ufffdb \ufffd c \U0001f600"


def test_an_image_is_ascii_codes_or_nothing() -> None:
    assert image_name([65, 46, 106]) == "A.j"
    assert image_name([]) is None
    for no_name in (
        [65, 0],
        [300],
        [-1],
        ["x"],
        [65] * 129,
        "a\x00",
        "ö.jpg",
        {"l": 1},
        "../x.jpg",
        'a"b',
        10**9,
    ):
        assert image_name(no_name) is None


def test_keepa_time_zero_is_2011() -> None:
    assert from_keepa_minutes(0) == utc(2011, 1, 1)
    assert unix_ms(from_keepa_minutes(8_000_000)) == (8_000_000 + 21_564_000) * 60_000


@given(st.integers(0, 50_000_000))
def test_keepa_minutes_survive_the_round_trip(minutes: int) -> None:
    assert to_keepa_minutes(from_keepa_minutes(minutes)) == minutes


@given(st.integers(0, 4_000_000_000_000))
def test_unix_milliseconds_survive_the_round_trip(ms: int) -> None:
    assert unix_ms(from_unix_ms(ms)) == ms


def test_a_naive_time_is_refused() -> None:
    with pytest.raises(ValueError, match="naive"):
        unix_ms(datetime(2026, 1, 1))  # noqa: DTZ001


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


def test_a_family_is_read_from_either_notation() -> None:
    raw = {"asin": "B000000001", "domainId": 1, "title": "T", "parentAsin": "B0PARENT01"}
    children = [{"asin": "B000000002", "attributes": []}, {"asin": "B000000003"}]
    new, old = raw | {"variations": children}, raw | {"variationCSV": "B000000002,B000000003"}
    for product in map(Product.from_json, (new, old)):
        assert (product.parent_asin, product.variations) == ("B0PARENT01", ("B000000002", "B000000003"))
    assert Product.from_json(raw | {"variations": None}).variations == ()


STRANGE = [10**30, -(10**30), 2**31, float("inf"), float("nan"), True, "7", [1], {"a": 1}, 1.5, None]


@pytest.mark.parametrize("strange", STRANGE, ids=repr)
def test_a_strange_optional_field_is_unknown_and_costs_nothing_else(strange: object) -> None:
    optional = ("rootCat", "image", "parentAsin", "avg", "delta")
    deal = Deal.from_json(raw_deal() | dict.fromkeys(optional, strange))
    assert deal.parent_asin is None
    assert deal.root_category in (None, 2**31)
    assert (any(deal.avg), any(deal.delta), deal.value(CsvType.NEW)) == (False, False, 1999)
    inside = Deal.from_json(raw_deal(current=[strange, 1999], currentSince=[strange], avg=[[strange, 2999]]))
    assert (inside.current, inside.current_since, inside.avg) == ((None, 1999), (None,), ((None, 2999),))


@pytest.mark.parametrize("field", ["creationDate", "lastUpdate"])
@pytest.mark.parametrize("strange", [*STRANGE, -1, 46_810_081], ids=repr)
def test_a_deal_of_an_impossible_time_is_an_error_that_names_it(field: str, strange: object) -> None:
    with pytest.raises(ValueError, match=f"{field} is "):
        Deal.from_json(raw_deal(**{field: strange}))


def test_a_change_from_an_unknown_average_is_unknown_and_not_zero() -> None:
    deal = Deal.from_json(
        raw_deal(
            current=[500, 1000, -1],
            avg=[[-1, 2000, 700], [1000, -2, 700]],
            delta=[[0, 1000, 0], [500, 0, 0]],
            deltaPercent=[[0, 50, 0], [50, 0, 0]],
        )
    )
    assert deal.delta_percent == ((None, 50, None), (50, None, None))
    assert deal.delta == ((None, 1000, None), (500, None, None))


def test_a_title_that_is_no_text_is_empty_and_a_long_one_is_cut() -> None:
    assert Deal.from_json(raw_deal(title=["T"])).title == ""
    long = Deal.from_json(raw_deal(title="word " * 100_000)).title
    assert (len(long) <= 2000, long[:9], long[-1]) == (True, "word word", "…")


RAW_PRODUCT = {"asin": "B000000001", "domainId": 1, "title": "T", "stats": {"current": [-1, 1999, -2]}}


def test_no_offer_and_what_keepa_did_not_fetch_are_no_price() -> None:
    stats = Product.from_json(RAW_PRODUCT).stats
    assert stats is not None
    assert stats.current == (None, 1999, None)


@pytest.mark.parametrize(
    "current", [None, {}, "x", [1.5], ["1"], [True], [10**12], [-3], [float("nan")]], ids=repr
)
def test_current_values_that_cannot_be_read_never_pass_for_no_offer(current: object) -> None:
    with pytest.raises(ValueError, match=r"stats\.current"):
        Product.from_json(RAW_PRODUCT | {"stats": {"current": current}})


@pytest.mark.parametrize(
    ("told", "known"), [(0, None), (-1, None), (344, 344), (1e300, None), (True, None), ([3], None)]
)
def test_a_fee_of_zero_cannot_be_calculated(told: object, known: int | None) -> None:
    assert Product.from_json(RAW_PRODUCT | {"fbaFees": {"pickAndPackFee": told}}).fba_fee == known
    assert Product.from_json(RAW_PRODUCT | {"fbaFees": told}).fba_fee is None


@pytest.mark.parametrize(
    ("told", "in_stock"), [(-1, False), (0, True), (3, False), (None, None), ("0", None)]
)
def test_minus_one_is_a_known_no_of_amazons(told: object, in_stock: bool | None) -> None:
    product = Product.from_json(RAW_PRODUCT | {"availabilityAmazon": told})
    assert detail_row(product, CsvType.NEW).amazon_in_stock is in_stock


def test_a_history_of_anything_but_numbers_is_an_error_only_when_it_is_asked_for() -> None:
    product = Product.from_json(
        RAW_PRODUCT | {"csv": [[1, 2], ["x", 1], {"a": 1}, [1, 2, 3], [1, 10**30], [-5, 9, 7, 9]]}
    )
    assert [point.value for point in product.history[CsvType.AMAZON]] == [2]
    for kind in (CsvType.NEW, CsvType.USED, CsvType.SALES, CsvType.LISTPRICE):
        with pytest.raises(ValueError, match=kind.name):
            product.history[kind]
    assert product.history[CsvType.COLLECTIBLE] == (PricePoint(from_keepa_minutes(7), 9),)


ENVELOPE = {"timestamp": 1_758_036_697_230, "tokensLeft": -249, "refillIn": 45_592, "refillRate": 5}


@pytest.mark.parametrize(
    "impossible",
    [
        {"refillIn": 10**15}, {"refillIn": -1}, {"refillIn": 3_600_001}, {"refillIn": "1"},
        {"refillRate": 0}, {"refillRate": -5}, {"refillRate": 10**9}, {"refillRate": 5.0},
        {"tokensLeft": 10**18}, {"tokensLeft": -(10**18)}, {"tokensLeft": float("inf")}, {"tokensLeft": [1]},
        {"timestamp": 0}, {"timestamp": 10**20}, {"timestamp": float("nan")}, {"timestamp": "now"},
        {"tokensConsumed": -1}, {"tokensConsumed": 10**12}, {"tokensConsumed": "5"},
    ],
    ids=repr,
)  # fmt: skip
def test_an_impossible_envelope_is_none_and_the_error_names_the_field(impossible: dict) -> None:
    (field,) = impossible
    with pytest.raises(ValueError, match=field):
        TokenEnvelope.from_json(ENVELOPE | impossible)


@pytest.mark.parametrize("missing", ENVELOPE)
def test_an_envelope_without_one_of_its_fields_is_none(missing: str) -> None:
    with pytest.raises(KeyError, match=missing):
        TokenEnvelope.from_json({name: value for name, value in ENVELOPE.items() if name != missing})


@pytest.mark.parametrize(
    "strange", [{"tokenFlowReduction": float("nan")}, {"processingTimeInMs": -7}, {"tokenFlowReduction": []}]
)
def test_a_strange_side_note_of_the_envelope_is_nothing(strange: dict) -> None:
    envelope = TokenEnvelope.from_json(ENVELOPE | strange)
    assert (envelope.tokens_left, envelope.token_flow_reduction, envelope.processing_time_ms) == (
        -249,
        0.0,
        0,
    )
