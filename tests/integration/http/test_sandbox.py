"""The sandbox over HTTP: by Keepa's rules, with our client and with the public one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import keepa
import pytest
import requests
from keepa import keepa_sync

from keepa_deals.keepa.client import KeepaClient
from keepa_deals.keepa.enums import CsvType, Interval
from keepa_deals.keepa.errors import (
    KeyRefusedError,
    OutOfTokensError,
    ServerTroubleError,
)
from keepa_deals.keepa.token_costs import ProductOptions
from keepa_deals.sandbox.account import TICK_LATE_MS, Account
from keepa_deals.sandbox.behaviour import Behaviour
from keepa_deals.sandbox.catalogue.catalogue import Catalogue
from keepa_deals.sandbox.core import Sandbox
from keepa_deals.sandbox.faults import Fault, Faults
from keepa_deals.sandbox.http.app import create_app
from tests.support.accounts import ManualTime
from tests.support.paths import SAMPLES
from tests.support.servers.sandbox import KEY, SandboxProcess, ask, serving

SELECTION: dict[str, Any] = json.loads((resources.files("keepa_deals") / "deal_selection.json").read_text())
ALL_VARIATIONS = {**SELECTION, "singleVariation": False}
"""The same of all variations, none of them picked by chance: equal queries have equal answers."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A sandbox as it is by default: of a family each answer shows another variation."""
    with serving(Account(refill_rate=250), deals=400) as url:
        yield url


def client(url: str, **options: Any) -> KeepaClient:
    return KeepaClient(KEY, base_url=url, sleep=lambda _: None, **options)


def deal_url(url: str) -> str:
    return f"{url}/deal?key={KEY}"


# -- the account ---------------------------------------------------------------------------------
def test_every_call_costs_what_the_table_says(url: str) -> None:
    before = client(url).token_status()
    page = client(url).deals(SELECTION)
    assert page.envelope.tokens_consumed == 5
    assert page.envelope.tokens_left == before.tokens_left - 5
    asins = [deal.asin for deal in page.deals[:7]]
    assert client(url).products([*asins, "B000000000"]).envelope.tokens_consumed == 7
    assert client(url).products(asins, ProductOptions(buybox=True)).envelope.tokens_consumed == 21


def test_a_request_is_admitted_above_zero_and_may_go_far_below() -> None:
    with serving(Account(tokens=1, refill_rate=1)) as url:
        assert client(url).deals(SELECTION).envelope.tokens_left == -4
        with pytest.raises(OutOfTokensError) as error:
            client(url).deals(SELECTION)
        assert error.value.envelope is not None
        assert error.value.envelope.tokens_left == -4
        assert error.value.envelope.tokens_consumed == 0
        stats = ask(f"{url}/_sandbox/stats")
        assert (stats["rejected_429"], stats["tokens_consumed"], stats["by_path"]) == (1, 5, {"/deal": 2})


def test_a_key_of_another_length_is_refused_with_zeros_that_tell_nothing(url: str) -> None:
    answer = ask(f"{url}/token?key=short")
    assert answer["status"] == 400
    assert answer["error"]["type"] == "invalidParameter"
    assert {answer[name] for name in ("tokensLeft", "refillIn", "refillRate", "tokensConsumed")} == {0}


def test_a_429_is_a_bare_envelope() -> None:
    with serving(Account(tokens=0)) as url:
        answer = ask(deal_url(url), {**SELECTION, "page": 0})
    assert answer.pop("status") == 429
    assert "error" not in answer
    assert (answer["tokensLeft"], answer["tokensConsumed"]) == (0, 0)


def test_one_malformed_asin_fails_the_batch_with_200_and_costs_nothing(url: str) -> None:
    answer = ask(f"{url}/product?key={KEY}&domain=1&asin=B000000000,b00000000x")
    assert answer["error"]["type"] == "invalidParameter"
    assert "status" not in answer  # 200
    assert "products" not in answer
    assert answer["tokensConsumed"] == 0


def test_a_key_is_refused_and_a_subscription_lapses_while_it_runs() -> None:
    with serving() as url:
        for state, status in (("refused", 400), ("lapsed", 402)):
            ask(f"{url}/_sandbox/account", {"key": state}, method="PATCH")
            assert ask(f"{url}/token?key={KEY}")["status"] == status
        ask(f"{url}/_sandbox/account", {"key": "accepted"}, method="PATCH")
        assert "status" not in ask(f"{url}/token?key={KEY}")
        assert ask(f"{url}/_sandbox/account", {"key": "lost"}, method="PATCH")["status"] == 400


def test_control_wants_the_token_but_the_counts_are_open() -> None:
    with serving() as url:
        assert requests.get(f"{url}/_sandbox/stats", timeout=5).json()["requests"] == 0
        for token in ({}, {"Authorization": "Bearer wrong"}):
            answer = requests.put(f"{url}/_sandbox/faults", json={"500": 1}, headers=token, timeout=5)
            assert answer.status_code == 401
            assert "Bearer" in answer.json()["error"]
        assert "status" not in ask(f"{url}/token?key={KEY}")


def test_a_sandbox_without_a_token_lets_nobody_meddle() -> None:
    client = create_app(Account(), Catalogue.for_deals(10)).test_client()
    answer = client.post("/_sandbox/truth", json={}, headers={"Authorization": "Bearer None"})
    assert answer.status_code == 403
    assert "--control-token-file" in answer.get_json()["error"]


def test_the_command_makes_up_a_control_token_for_its_owner(tmp_path: Path) -> None:
    file = tmp_path / "token"
    sandbox = SandboxProcess("--deals", "10", "--control-token-file", str(file), token=None)
    try:
        assert file.stat().st_mode & 0o777 == 0o600
        token = {"Authorization": f"Bearer {file.read_text().strip()}"}
        assert requests.get(f"{sandbox.url}/_sandbox/faults", headers=token, timeout=5).json() == {}
    finally:
        sandbox.stop()


def test_ticks_come_late_by_chance_as_recorded() -> None:
    clock = ManualTime()
    account = Account(refill_rate=20, tokens=20, clock=clock, tick_late_ms=TICK_LATE_MS)
    announced, balance, late = [], account.tokens_left, []
    for _ in range(61 * 60 * 5):
        clock.sleep(0.2)
        envelope = account.envelope()
        assert envelope["refillIn"] >= 522
        if envelope["tokensLeft"] != balance:
            if announced:
                late.append(envelope["timestamp"] - announced[0])
            announced, balance = [], envelope["tokensLeft"]
        if not announced:
            announced = [envelope["timestamp"] + envelope["refillIn"]]
    assert 50 <= len(late) <= 60
    assert 150 <= sum(late) / len(late) <= 450  # 299 ms in the mean were recorded
    assert max(late) - min(late) > 500


def test_numbers_as_text_are_honoured_as_recorded(url: str) -> None:
    exported = {**ALL_VARIATIONS, "page": "0", "domainId": "1", "dateRange": "3", "priceTypes": ["1"]}
    plain = ask(deal_url(url), {**ALL_VARIATIONS, "page": 0})["deals"]["dr"]
    assert [d["asin"] for d in ask(deal_url(url), exported)["deals"]["dr"]] == [d["asin"] for d in plain]


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the recorded answers of Keepa are not beside this checkout")
@pytest.mark.parametrize(
    ("sample", "path", "state"),
    [
        ("error_429_bucket_empty.json", "/deal", {"tokens": 0}),
        ("invalid_key_400.json", "/token", {"key": "refused"}),
        ("token_full_bucket.json", "/token", {}),
    ],
)
def test_account_answers_have_the_recorded_fields(sample: str, path: str, state: dict[str, Any]) -> None:
    recorded = json.loads((SAMPLES / sample).read_text())
    recorded = recorded.get("answer", recorded)
    with serving() as url:
        ask(f"{url}/_sandbox/account", state, method="PATCH")
        body = {**SELECTION, "page": 0} if path == "/deal" else None
        answer = ask(f"{url}{path}?key={KEY}", body)
    answer.pop("status", None)
    assert set(answer) == set(recorded)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"brand": "Acme"}, "brand"),
        ({"isHighest": True}, "isHighest"),
        ({"nonsense": 1}, "nonsense"),
        ({"priceTypes": [0, 1]}, "priceTypes"),
        ({"priceTypes": [4]}, "priceTypes"),
        ({"dateRange": 4}, "dateRange"),
        ({"sortType": "newest"}, "sortType"),
        ({"domainId": True}, "domainId"),
        ({"deltaPercentRange": [5, 90]}, "deltaPercentRange"),
        ({"currentRange": [2, 1]}, "currentRange"),
        ({"page": -1}, "page"),
        ({"isRangeEnabled": 1}, "isRangeEnabled"),
    ],
)
def test_a_wrong_or_unknown_option_is_named_and_costs_nothing(
    url: str, change: dict[str, Any], named: str
) -> None:
    answer = ask(deal_url(url), {**SELECTION, "page": 0, **change})
    assert answer["status"] == 400
    assert named in answer["error"]["details"]
    assert answer["tokensConsumed"] == 0


@pytest.mark.parametrize("parameter", ["offers=20", "stock=1", "foo=1", "stats=x", "domain=7"])
def test_a_product_option_that_is_not_implemented_is_refused(url: str, parameter: str) -> None:
    query = "&".join(p for p in ("domain=1", "asin=B000000000", parameter) if p.split("=")[0])
    if parameter.startswith("domain"):
        query = f"asin=B000000000&{parameter}"
    answer = ask(f"{url}/product?key={KEY}&{query}")
    assert answer["status"] == 400
    assert parameter.split("=")[0] in answer["error"]["details"]


def test_an_unknown_path_answers_404_with_the_envelope(url: str) -> None:
    answer = ask(f"{url}/nothing?key={KEY}")
    assert answer["status"] == 404
    assert "tokensLeft" in answer


# -- the catalogue -------------------------------------------------------------------------------
def everything(url: str, **change: Any) -> list[Any]:
    found: list[Any] = []
    for number in range(20):
        page = client(url).deals({**ALL_VARIATIONS, **change}, number)
        found += page.deals
        if len(page.deals) < 150:
            return found
    raise AssertionError("no last page")


def test_about_as_many_deals_as_asked_for_are_live_in_pages_of_150(url: str) -> None:
    found = everything(url)
    assert 300 <= len(found) <= 520
    assert len({deal.asin for deal in found}) == len(found)
    assert len(client(url).deals(SELECTION).deals) == 150


def test_the_newest_come_first(url: str) -> None:
    created = [deal.creation_date for deal in everything(url)]
    assert created == sorted(created, reverse=True)


def test_ranges_hold_for_every_deal(url: str) -> None:
    for deal in everything(url):
        price, average = deal.value(CsvType.NEW), deal.average(CsvType.NEW, Interval.DAYS_90)
        assert price is not None
        assert average is not None
        assert 1500 <= price <= 30000
        assert (average - price) / average >= 0.19
        assert 1 <= (deal.value(CsvType.SALES) or 0) <= 500_000


@pytest.mark.parametrize("sort", [2, -2, 3, -3, 4, -4])
def test_other_sorts_order_and_invert(url: str, sort: int) -> None:
    deals = everything(url, sortType=sort)
    keys = {
        2: lambda d: -d.delta[Interval.DAYS_90][CsvType.NEW],
        3: lambda d: d.value(CsvType.SALES),
        4: lambda d: -d.delta_percent[Interval.DAYS_90][CsvType.NEW],
    }
    values = [keys[abs(sort)](deal) for deal in deals]
    assert values == sorted(values, reverse=sort < 0)


@pytest.mark.parametrize(
    ("change", "holds"),
    [
        ({"minRating": 35}, lambda d: (d.value(CsvType.RATING) or 0) >= 35),
        ({"mustHaveAmazonOffer": True}, lambda d: d.value(CsvType.AMAZON) is not None),
        ({"mustNotHaveAmazonOffer": True}, lambda d: d.value(CsvType.AMAZON) is None),
        ({"hasReviews": True}, lambda d: (d.value(CsvType.COUNT_REVIEWS) or 0) > 0),
        ({"includeCategories": [283155]}, lambda d: d.root_category == 283155),
        ({"excludeCategories": [283155]}, lambda d: d.root_category != 283155),
        ({"deltaPercentRange": [45, 90]}, lambda d: d.delta_percent[3][1] >= 45),
        ({"dateRange": 0}, lambda d: d.delta_percent[0][1] >= 20),
    ],
)
def test_a_filter_leaves_some_deals_and_only_those_that_match(url: str, change: Any, holds: Any) -> None:
    found, all_of_them = everything(url, **change), everything(url)
    assert found
    assert {deal.asin for deal in found} != {deal.asin for deal in all_of_them}
    assert all(holds(deal) for deal in found)


def test_a_title_search_finds_its_words(url: str) -> None:
    word = client(url).deals(SELECTION).deals[0].title.split()[0]
    found = everything(url, titleSearch=word)
    assert found
    assert all(word.lower() in deal.title.lower() for deal in found)


def test_the_product_says_what_the_deal_says(url: str) -> None:
    deals = {deal.asin: deal for deal in client(url).deals(SELECTION, 1).deals[:20]}
    batch = client(url).products(list(deals), ProductOptions(stats_days=90, history=True))
    assert {p.asin for p in batch.products} == set(deals)
    # The feed shows a change up to three minutes late, and Keepa may have looked at Amazon between the two
    # requests: such a product is ahead of its deal.
    settled = [
        p
        for p in batch.products
        if p.history[CsvType.NEW][-1].at <= deals[p.asin].creation_date
        and p.last_update == deals[p.asin].last_update
    ]
    assert len(settled) > 10
    for product in settled:
        deal = deals[product.asin]
        assert product.stats is not None
        assert product.title == deal.title
        assert product.stats.current[CsvType.NEW] == deal.value(CsvType.NEW)
        assert product.stats.avg90[CsvType.NEW] == deal.average(CsvType.NEW, Interval.DAYS_90)
        assert product.history[CsvType.NEW][-1].value == deal.value(CsvType.NEW)


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the recorded answers of Keepa are not beside this checkout")
def test_deals_have_the_shape_of_the_recorded_ones(url: str) -> None:
    recorded = json.loads((SAMPLES / "deal_page_last_short.json").read_text())
    ours = ask(deal_url(url), {**SELECTION, "page": 0})
    assert set(ours) == set(recorded)
    assert set(ours["deals"]) == set(recorded["deals"])
    theirs, entry = recorded["deals"]["dr"][0], ours["deals"]["dr"][0]
    assert set(entry) == set(theirs)
    for name, value in theirs.items():
        if value is not None and entry[name] is not None:
            assert type(entry[name]) is type(value), name
        if isinstance(value, list) and name not in ("categories", "image"):
            assert len(entry[name]) == len(value), name


def test_every_date_is_when_the_price_last_changed_and_every_percent_follows(url: str) -> None:
    """Recorded: 5,324 of 5,324 dates, 21,265 of 21,265 percentages."""
    for deal in ask(deal_url(url), {**SELECTION, "page": 0})["deals"]["dr"]:
        assert deal["creationDate"] == deal["currentSince"][1]
        assert deal["creationDate"] % 2 == 0
        for average, delta, percent in zip(deal["avg"], deal["delta"], deal["deltaPercent"], strict=True):
            for kind, now in enumerate(deal["current"]):
                known = average[kind] > 0 and now >= 0
                assert delta[kind] == (average[kind] - now if known else 0)
                assert percent[kind] == (round(100 * delta[kind] / average[kind]) if known else 0)


def test_counts_ignore_the_categories_that_are_asked_for(url: str) -> None:
    """Recorded: the counts sum to 2,904 and more where 724 to 792 deals match."""
    plain = ask(deal_url(url), {**ALL_VARIATIONS, "page": 0})["deals"]
    books = ask(deal_url(url), {**ALL_VARIATIONS, "page": 0, "includeCategories": [283155]})["deals"]
    assert abs(sum(books["categoryCount"]) - sum(plain["categoryCount"])) <= 3  # a minute may have passed
    own = dict(zip(books["categoryIds"], books["categoryCount"], strict=True))[283155]
    assert own == len(everything(url, includeCategories=[283155]))


def test_a_page_past_the_end_is_empty_with_full_counts_and_costs_as_much(url: str) -> None:
    answer = ask(deal_url(url), {**SELECTION, "page": 50})
    assert answer["deals"]["dr"] == []
    assert sum(answer["deals"]["categoryCount"]) > 100
    assert (answer["tokensConsumed"], answer["dealsCached"]) == (5, False)


def test_a_plain_product_does_not_tell_what_offers_and_the_buy_box_would(url: str) -> None:
    asins = ",".join(d["asin"] for d in ask(deal_url(url), {**SELECTION, "page": 0})["deals"]["dr"][:30])
    address = f"{url}/product?key={KEY}&domain=1&asin={asins}&stats=90&update=-1"
    plain, asked = (ask(address + more)["products"] for more in ("", "&buybox=1&rating=1"))
    for product in plain:
        told = {kind for kind, value in enumerate(product["stats"]["current"]) if value >= 0}
        assert not told & {7, 9, 10, 16, 17, 18, *range(19, 28), 31, 32, 33}
        assert product["stats"]["buyBoxPrice"] == -2
    assert any(product["stats"]["current"][18] > 0 for product in asked)
    assert any(product["stats"]["current"][17] > 0 for product in asked)
    assert {p["availabilityAmazon"] for p in plain} == {-1, 0}
    assert {p["variableClosingFee"] for p in plain} <= {0, 180}
    assert {p.get("returnRate") for p in plain} <= {None, 1, 2}


def test_a_live_refresh_takes_its_time_unless_it_is_forbidden() -> None:
    clock = ManualTime()
    catalogue = Catalogue.for_deals(50, seed="test", behaviour=Behaviour(refresh_seconds=10))
    sandbox = Sandbox(Account(clock=clock), catalogue, clock=clock)
    asins = ",".join(catalogue.item(index).facts.asin for index in range(20))
    query = {"domain": "1", "asin": asins, "stats": "90", "history": "0"}
    for more, seconds in (
        ({"update": "-1"}, 0),
        ({}, 10),
        ({}, 0),
    ):  # what was looked at is fresh for an hour
        before = clock.monotonic()
        entries = sandbox.product({**query, **more})[0]["products"]
        assert clock.monotonic() - before == seconds
    assert all(sandbox.minute - entry["lastUpdate"] <= 60 for entry in entries)
    assert sandbox.product({**query, "update": "0"})[1] == 40  # fresh, and looked at all the same


def test_one_variation_of_a_family_is_shown_by_chance_with_each_query() -> None:
    with serving(deals=60, behaviour=Behaviour(siblings_every=3)) as url:
        truth = ask(f"{url}/_sandbox/truth", {**SELECTION, "page": 0})["deals"]
        family = {deal["asin"]: deal["family"] for deal in truth}
        assert len(set(family.values())) < len(family)
        answers = [ask(deal_url(url), {**SELECTION, "page": 0})["deals"]["dr"] for _ in range(3)]
        shown = [{deal["asin"] for deal in deals} for deals in answers]
        assert shown[0] != shown[1] or shown[1] != shown[2]
        for asins in shown:
            families = [family[asin] for asin in asins if asin in family]
            assert len(families) == len(set(families))
        asin = next(asin for asin in family if family[asin] != asin)
        product = ask(f"{url}/product?key={KEY}&domain=1&asin={asin}")["products"][0]
        assert product["parentAsin"] == family[asin]
        assert {v["asin"] for v in product["variations"]} >= {a for a in family if family[a] == family[asin]}
        without = {**SELECTION, "page": 0, "singleVariation": False}
        assert {d["asin"] for d in ask(deal_url(url), without)["deals"]["dr"]} >= set(family) - {""}


def test_an_answer_may_come_from_a_cache_and_says_so() -> None:
    with serving(behaviour=Behaviour(cached=1.0), deals=30) as url:
        first, second = (ask(deal_url(url), {**SELECTION, "page": 0}) for _ in range(2))
    assert (first["dealsCached"], second["dealsCached"]) == (False, True)
    assert first["deals"] == second["deals"]
    assert second["tokensConsumed"] == 5


def test_a_feed_may_be_out_of_order() -> None:
    with serving(behaviour=Behaviour(disorder=1.0)) as url:
        created = [deal.creation_date for deal in client(url).deals(SELECTION).deals]
    assert created != sorted(created, reverse=True)


def test_an_unknown_asin_has_no_data(url: str) -> None:
    assert client(url).products(["B000000000"]).unknown == ("B000000000",)


def test_the_same_seed_grows_the_same_catalogue() -> None:
    with serving(seed="one") as first, serving(seed="one") as again, serving(seed="two") as other:
        pages = [[d.asin for d in client(u).deals(SELECTION).deals] for u in (first, again, other)]
    assert pages[0] == pages[1]
    assert not set(pages[0]) & set(pages[2])


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the recorded answers of Keepa are not beside this checkout")
def test_products_have_the_shape_of_the_recorded_ones(url: str) -> None:
    recorded = json.loads((SAMPLES / "product_B0F7XPYCSJ.json").read_text())
    product = recorded["products"][0] if "products" in recorded else recorded
    asin = client(url).deals(SELECTION).deals[0].asin
    ours = ask(f"{url}/product?key={KEY}&domain=1&asin={asin}&stats=90&history=1")["products"][0]
    book = json.loads((SAMPLES / "product_055299068X.json").read_text())["products"][0]
    told = {"stats", "returnRate"}  # in the public client's schema; no recorded product has it
    assert set(ours) <= set(product) | set(book) | told
    for name, value in ours.items():
        if value is not None and product.get(name) is not None:
            assert type(value) is type(product[name]) or {type(value), type(product[name])} == {int, float}, (
                name
            )


# -- faults --------------------------------------------------------------------------------------
@pytest.mark.parametrize("fault", [Fault.SERVER_ERROR, Fault.BAD_GATEWAY, Fault.TRUNCATED, Fault.GARBAGE])
def test_a_fault_is_trouble_for_the_client(fault: Fault) -> None:
    with serving(faults=Faults({fault: 1.0})) as url, pytest.raises(ServerTroubleError):
        client(url, max_attempts=1).deals(SELECTION)


def test_silence_is_a_timeout_for_the_client() -> None:
    with (
        serving(faults=Faults({Fault.TIMEOUT: 1.0})) as url,
        pytest.raises(ServerTroubleError, match="no answer"),
    ):
        client(url, max_attempts=1, timeout=(1, 0.2)).deals(SELECTION)


def test_a_lapsed_subscription_is_said_so() -> None:
    with serving(faults=Faults({Fault.LAPSED: 1.0})) as url, pytest.raises(KeyRefusedError):
        client(url).deals(SELECTION)


@pytest.mark.parametrize(
    ("fault", "status"), [(Fault.ERROR_IN_200, 200), (Fault.KEY_REFUSED, 400), (Fault.TOO_MANY, 429)]
)
def test_faults_have_the_status_that_they_are_named_after(fault: Fault, status: int) -> None:
    with serving(faults=Faults({fault: 1.0})) as url:
        answer = requests.post(deal_url(url), json={**SELECTION, "page": 0}, timeout=5)
        assert answer.status_code == status
        assert "deals" not in answer.text
        assert ask(f"{url}/_sandbox/stats")["tokens_consumed"] == 0
        assert ("Retry-After" in answer.headers) == (fault is Fault.TOO_MANY)


def test_faults_account_and_prices_change_while_it_runs() -> None:
    with serving(Account(tokens=100)) as url:
        ask(f"{url}/_sandbox/faults", {"500": 1}, method="PUT")
        assert ask(f"{url}/token?key={KEY}")["status"] == 500
        ask(f"{url}/_sandbox/faults", {}, method="PUT")
        ask(f"{url}/_sandbox/prices", {"deal": 10}, method="PUT")
        assert client(url).deals(SELECTION).envelope.tokens_consumed == 50
        ask(f"{url}/_sandbox/account", {"refill_rate": 60, "tokens": 7, "spend": 3}, method="PATCH")
        status = client(url).token_status()
        assert (status.refill_rate, status.tokens_left) == (60, 4)
        assert ask(f"{url}/_sandbox/faults", {"999": 1}, method="PUT")["status"] == 400


def test_truth_is_what_a_dashboard_should_show(url: str) -> None:
    truth = ask(f"{url}/_sandbox/truth", {**SELECTION, "page": 0})["deals"]
    shown = {deal.asin: deal.value(CsvType.NEW) for deal in everything(url)}
    differs = [deal for deal in truth if shown.get(deal["asin"]) != deal["price"]]
    assert len(differs) <= len(truth) * 0.02  # a minute may have passed in between


# -- the command and the public client -----------------------------------------------------------
def test_the_command_prints_its_address_and_ends_on_sigterm() -> None:
    sandbox = SandboxProcess("--deals", "50", "--tokens", "7", "--refill-rate", "5")
    try:
        assert client(sandbox.url).token_status().tokens_left == 7
        assert sandbox.stats()["rejected_429"] == 0
    finally:
        assert sandbox.stop() == 0


@pytest.fixture
def public_client(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The ``keepa`` package, whose base address is a literal in its request method, sent to a sandbox."""

    def build(url: str) -> keepa.Keepa:
        class Redirected:
            @staticmethod
            def get(address: str, *args: Any, **options: Any) -> requests.Response:
                return requests.get(address.replace("https://api.keepa.com", url), *args, **options)

        monkeypatch.setattr(keepa_sync, "requests", Redirected)
        return keepa.Keepa(KEY, timeout=60)  # a new catalogue on a busy machine takes longer than its ten

    return build


@pytest.mark.filterwarnings("default")  # the public client's own
def test_the_public_client_reads_deals_and_products(url: str, public_client: Any) -> None:
    api = public_client(url)
    api.update_status()
    assert api.tokens_left > 0
    deals = api.deals({**SELECTION, "page": 0})
    assert len(deals["dr"]) == 150
    asins = [deal["asin"] for deal in deals["dr"][:5]]
    products = api.query(asins, stats=90, progress_bar=False)
    assert {product["asin"] for product in products} == set(asins)
    known = {deal["asin"]: deal for deal in deals["dr"]}
    for product in products:
        deal = known[product["asin"]]
        offered = [price for price in product["data"]["NEW"] if price == price]  # NaN where nobody offers it
        newest = [round(price * 100) for price in offered[-3:]]
        assert deal["current"][1] in newest, "the feed shows a change up to three minutes late"
        now = product["stats_parsed"]["current"].get("NEW")  # none: nobody offers it any more
        assert now is None or round(now * 100) in newest
    left = api.tokens_left
    api.update_status()
    assert api.tokens_left >= left


@pytest.mark.filterwarnings("default")
def test_the_public_client_waits_for_tokens_by_itself(public_client: Any) -> None:
    with serving(Account(tokens=-40, refill_rate=1200, tick_seconds=1)) as url:
        api = public_client(url)
        assert api.deals({**SELECTION, "page": 0})["dr"]
        stats = ask(f"{url}/_sandbox/stats")
        assert stats["rejected_429"] > 0
        assert stats["tokens_consumed"] == 5
