"""The client against a real HTTP server that answers what each test wants, sockets included."""

from __future__ import annotations

import json
import logging
import socket
import traceback
from collections.abc import Iterator

import pytest

from keepa_deals.keepa.client import KeepaClient
from keepa_deals.keepa.errors import (
    KeepaError,
    MisshapenAnswerError,
    OutOfTokensError,
    RequestRejectedError,
    ServerTroubleError,
)
from keepa_deals.keepa.token_costs import ProductOptions
from tests.support.servers.keepa import (
    ENVELOPE,
    KEY,
    Answer,
    Keepa,
    Recorder,
    cut_short,
    hang_up,
    product,
    reply,
)


@pytest.fixture
def keepa() -> Iterator[Keepa]:
    server = Keepa()
    yield server
    server.close()


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def client(keepa: Keepa, pauses: list[float]) -> Iterator[KeepaClient]:
    made = KeepaClient(KEY, base_url=keepa.url, timeout=(1.0, 0.3), sleep=pauses.append)
    yield made
    made.close()


def deal_page(*deals: dict) -> dict:
    return ENVELOPE | {
        "deals": {
            "dr": list(deals),
            "categoryIds": [7],
            "categoryNames": ["Books"],
            "categoryCount": [len(deals)],
        }
    }


DEAL = {"asin": "B000000001", "title": "T", "creationDate": 8_000_000, "lastUpdate": 8_000_000, "current": []}


def test_a_page_of_deals_is_posted_with_integers_and_parsed(keepa: Keepa, client: KeepaClient) -> None:
    keepa.answers = [reply(200, deal_page(DEAL), compressed=True)]
    page = client.deals({"domainId": 1, "priceTypes": [1], "sortType": 1}, 3)
    method, path, query, body = keepa.requests[0]
    assert (method, path, query) == ("POST", "/deal", {"key": [KEY]})
    assert json.loads(body) == {"domainId": 1, "priceTypes": [1], "sortType": 1, "page": 3}
    assert [deal.asin for deal in page.deals] == ["B000000001"]
    assert (page.category_names, page.category_counts) == ({7: "Books"}, {7: 1})
    assert page.envelope.tokens_consumed == 5


def test_products_are_asked_with_their_options_and_the_unknown_are_named(
    keepa: Keepa, client: KeepaClient
) -> None:
    found = {"asin": "B000000001", "domainId": 3, "title": "T", "stats": {"current": [1]}}
    keepa.answers = [reply(200, ENVELOPE | {"products": [found, {"asin": "B000000002", "domainId": 3}]})]
    batch = client.products(
        ["B000000001", "B000000002"], ProductOptions(rating=True, buybox=True, days=90), domain_id=3
    )
    _, path, query, _ = keepa.requests[0]
    assert path == "/product"
    assert query == {
        "domain": ["3"],
        "asin": ["B000000001,B000000002"],
        "history": ["0"],
        "stats": ["90"],
        "update": ["-1"],
        "days": ["90"],
        "rating": ["1"],
        "buybox": ["1"],
        "key": [KEY],
    }
    assert [product.asin for product in batch.products] == ["B000000001"]
    assert batch.unknown == ("B000000002",)


@pytest.mark.parametrize("count", [0, 101])
def test_a_call_takes_1_to_100_asins(client: KeepaClient, count: int) -> None:
    with pytest.raises(ValueError, match=f"{count} ASINs"):
        client.products(["B"] * count)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, RequestRejectedError),
        (404, RequestRejectedError),
        (429, OutOfTokensError),
    ],
)
def test_a_refusal_is_typed_settled_and_never_tried_again(
    keepa: Keepa, client: KeepaClient, status: int, error: type[KeepaError]
) -> None:
    told = {"error": {"type": "someType", "message": f"key {KEY} is bad", "details": ""}}
    keepa.answers = [reply(status, ENVELOPE | {"tokensConsumed": 0} | told)]
    reserve = Recorder()
    with pytest.raises(error, match="someType") as caught:
        client.deals({}, 0, reserve=reserve)
    assert KEY not in str(caught.value)
    assert caught.value.envelope is not None
    assert caught.value.envelope.tokens_left == 42
    assert (reserve.asked, len(reserve.settled), len(keepa.requests)) == (1, 1, 1)


def test_out_of_tokens_says_when_to_come_back(keepa: Keepa, client: KeepaClient) -> None:
    keepa.answers = [reply(429, ENVELOPE | {"tokensLeft": -3, "refillIn": 12_500})]
    with pytest.raises(OutOfTokensError) as caught:
        client.deals({}, 0)
    assert caught.value.retry_after == 12.5


def test_server_trouble_is_tried_again_with_growing_pauses_and_a_permission_each(
    keepa: Keepa, client: KeepaClient, pauses: list[float]
) -> None:
    keepa.answers = [
        reply(500, ENVELOPE | {"tokensConsumed": 0}),
        reply(502, b"<html>Bad gateway</html>", kind="text/html"),
        reply(200, deal_page(DEAL)),
    ]
    reserve = Recorder()
    assert len(client.deals({}, 0, reserve=reserve).deals) == 1
    assert reserve.asked == 3
    assert len(reserve.settled) == 2, "the HTML page told nothing"
    assert len(pauses) == 2
    assert 0.5 <= pauses[0] < pauses[1] + 1


@pytest.mark.parametrize("status", [500, 502, 503, 504, 302])
def test_server_trouble_that_lasts_is_a_typed_error(keepa: Keepa, client: KeepaClient, status: int) -> None:
    keepa.answers = [reply(status, b"<html>trouble</html>", kind="text/html")]
    with pytest.raises(ServerTroubleError, match=f"/deal: {status}"):
        client.deals({}, 0)
    assert len(keepa.requests) == 3


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (reply(200, b"not json"), "without an account envelope"),
        (reply(200, [1, 2]), "without an account envelope"),
        (reply(200, {"deals": {}}), "without an account envelope"),
        (cut_short, "broke off"),
        (hang_up, "the connection broke"),
    ],
)
def test_an_unreadable_answer_may_have_been_charged(
    keepa: Keepa, client: KeepaClient, answer: Answer, text: str
) -> None:
    keepa.answers = [answer]
    with pytest.raises(ServerTroubleError, match=text) as caught:
        client.deals({}, 0)
    assert caught.value.maybe_charged


def test_an_answer_that_never_comes_may_have_been_charged(keepa: Keepa, client: KeepaClient) -> None:
    keepa.answers = [keepa.silent]
    with pytest.raises(ServerTroubleError, match=r"no answer within 0\.3 s") as caught:
        client.token_status()
    assert caught.value.maybe_charged


def test_a_server_that_is_not_there_was_not_charged() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    client = KeepaClient(KEY, base_url=f"http://127.0.0.1:{port}", max_attempts=1)
    with pytest.raises(ServerTroubleError, match="cannot connect") as caught:
        client.token_status()
    assert not caught.value.maybe_charged
    client.close()


@pytest.mark.parametrize("broken", [{"deals": None}, {"deals": []}, {"deals": 7}, {}], ids=repr)
def test_a_200_without_what_was_asked_for_is_a_rejected_request_and_never_tried_again(
    keepa: Keepa, client: KeepaClient, broken: dict
) -> None:
    keepa.answers = [reply(200, ENVELOPE | broken)]
    reserve = Recorder()
    with pytest.raises(RequestRejectedError, match="200 without deals, the request rejected") as caught:
        client.deals({}, 0, reserve=reserve)
    assert (len(keepa.requests), len(reserve.settled)) == (1, 1)
    assert caught.value.envelope is not None


@pytest.mark.parametrize(
    ("broken", "named"),
    [
        ({"dr": None}, r"deals\.dr is no list"),
        ({}, r"deals\.dr is no list"),
        (
            {"dr": [{"asin": "B000000001"}] * 10},
            "none of 10 deals can be read, the first: it has no creationDate",
        ),
    ],
    ids=repr,
)
def test_a_page_in_another_format_is_an_error_that_names_it_and_never_tried_again(
    keepa: Keepa, client: KeepaClient, broken: dict, named: str
) -> None:
    keepa.answers = [reply(200, ENVELOPE | {"deals": broken})]
    with pytest.raises(MisshapenAnswerError, match=named):
        client.deals({}, 0)
    assert len(keepa.requests) == 1


MISSHAPEN_DEALS = [
    {"asin": "B000000002"},
    {"asin": "B000000003", "creationDate": 10**10, "lastUpdate": 1},
    None,
    {"asin": "b2"},
]


def test_what_cannot_be_read_of_a_page_is_left_out_counted_and_said(
    keepa: Keepa, client: KeepaClient, caplog: pytest.LogCaptureFixture
) -> None:
    sound = {"asin": "B000000001", "creationDate": 1, "lastUpdate": 1}
    keepa.answers = [reply(200, ENVELOPE | {"deals": {"dr": [*MISSHAPEN_DEALS, sound]}})]
    page = client.deals({}, 0)
    assert ([deal.asin for deal in page.deals], page.unreadable, page.size) == (["B000000001"], 4, 5)
    assert page.unreadable_asins == ("B000000002", "B000000003")
    assert "4 of 5 entries cannot be read and are left out, the first B000000002" in caplog.text


ONE, TWO, THREE, FOUR = (f"B00000000{n}" for n in range(1, 5))


@pytest.mark.parametrize(
    "odd",
    [
        product(TWO, stats={"current": [1.5, "x"]}),
        product(TWO, stats=None),
        product(TWO, stats=[1]),
        product(TWO, domainId=3),
        product(THREE),
        {"title": "of nobody"},
        None,
        [],
    ],
    ids=repr,
)
def test_of_a_product_that_is_missing_or_cannot_be_read_nothing_is_known(
    keepa: Keepa, client: KeepaClient, odd: object
) -> None:
    keepa.answers = [reply(200, ENVELOPE | {"products": [odd, product(ONE)]})]
    batch = client.products([ONE, TWO])
    assert [found.asin for found in batch.products] == [ONE]
    assert (batch.unreadable, batch.unknown, batch.rejected) == ((TWO,), (), ())


@pytest.mark.parametrize(
    "empty",
    [
        {"asin": TWO, "domainId": 1, "title": None},
        {"asin": TWO, "domainId": 1},
        {"asin": TWO, "title": None, "stats": {"current": [-1, -2]}, "csv": None},
    ],
    ids=repr,
)
def test_only_an_entry_that_came_back_empty_is_unknown_to_keepa(
    keepa: Keepa, client: KeepaClient, empty: dict
) -> None:
    keepa.answers = [reply(200, ENVELOPE | {"products": [product(ONE), empty]})]
    assert client.products([ONE, TWO]).unknown == (TWO,)


def test_a_title_of_null_with_stats_is_a_product(keepa: Keepa, client: KeepaClient) -> None:
    keepa.answers = [reply(200, ENVELOPE | {"products": [product(ONE, title=None, newPriceIsMAP=True)]})]
    (found,) = client.products([ONE]).products
    assert found.title == ""


@pytest.mark.parametrize(
    "answer", [cut_short, hang_up, reply(302, b""), reply(402, ENVELOPE), reply(500, b"x"), reply(200, b"x")]
)
def test_the_key_is_in_no_log_line_no_exception_and_nothing_chained_to_it(
    keepa: Keepa, client: KeepaClient, caplog: pytest.LogCaptureFixture, answer: Answer
) -> None:
    caplog.set_level(logging.DEBUG)
    keepa.answers = [answer]
    with pytest.raises(KeepaError) as caught:
        client.products(["B000000001"])
    error: BaseException | None = caught.value
    while error is not None:
        assert KEY not in str(error)
        assert KEY not in repr(error.args)
        assert type(error).__module__.startswith("keepa_deals"), "a library's error quotes the URL"
        error = error.__cause__ or error.__context__
    assert KEY not in "".join(traceback.format_exception(caught.value))
    assert KEY not in caplog.text
    assert KEY not in repr(client)


def test_what_urllib3_logs_of_its_urls_comes_without_the_key(
    keepa: Keepa, client: KeepaClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    keepa.answers = [reply(200, ENVELOPE)]
    client.token_status()
    assert "/token?key=[key]" in caplog.text
    assert KEY not in caplog.text


def test_a_header_that_urllib3_cannot_read_is_logged_without_the_key(
    client: KeepaClient, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("urllib3.connection", "urllib3.poolmanager"):
        logging.getLogger(name).warning("Failed to parse headers (url=%s)", f"http://keepa/token?key={KEY}")
    assert "/token?key=[key]" in caplog.text
    assert KEY not in caplog.text


def test_how_every_attempt_ended_is_told(keepa: Keepa) -> None:
    heard: list[tuple[str, str, bool]] = []
    client = KeepaClient(
        KEY,
        base_url=keepa.url,
        timeout=(1.0, 0.3),
        sleep=lambda seconds: None,
        on_answer=lambda answer: heard.append((answer.call, answer.result, answer.envelope is not None)),
    )
    keepa.answers = [reply(502, b"<html>"), hang_up, reply(200, ENVELOPE)]
    client.token_status()
    keepa.answers = [reply(200, b"<html>")] * 3
    with pytest.raises(ServerTroubleError):
        client.token_status()
    client.close()
    bad = [("/token", "502", False), ("/token", "no_answer", False)]
    assert heard == [*bad, ("/token", "200", True), *[("/token", "unreadable", False)] * 3]
