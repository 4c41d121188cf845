"""What the client makes of refusals: of the key, of a call, of one malformed ASIN among a hundred."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler

import pytest

from keepa_deals.errors import TokensUnavailableError
from keepa_deals.keepa.call_memory import LocalMemory
from keepa_deals.keepa.client import KeepaClient
from keepa_deals.keepa.envelope import TokenEnvelope
from keepa_deals.keepa.errors import (
    KeyRefusedError,
    OutOfTokensError,
    RequestRejectedError,
    ServerTroubleError,
    TimedOutError,
)
from keepa_deals.keepa.token_costs import ProductOptions
from tests.support.samples import needs_samples, sample
from tests.support.servers.keepa import ENVELOPE, KEY, Keepa, Recorder, product, reply

REJECTED = ENVELOPE | {"tokensConsumed": 0, "error": {"type": "invalidParameter", "message": "asin"}}
ASINS = [f"B{n:09}" for n in range(100)]


@pytest.fixture
def keepa() -> Iterator[Keepa]:
    server = Keepa()
    yield server
    server.close()


class Heard:
    """What the client told of, and a clock that its pauses move."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.pauses: list[float] = []
        self.results: list[str] = []
        self.balances: list[TokenEnvelope] = []

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def client(keepa: Keepa, heard: Heard) -> Iterator[KeepaClient]:
    made = KeepaClient(
        KEY,
        base_url=keepa.url,
        timeout=(1.0, 5.0),
        product_timeout=0.5,
        sleep=heard.sleep,
        memory=LocalMemory(lambda: heard.now),
        on_answer=lambda answer: heard.results.append(answer.result),
        on_balance=heard.balances.append,
    )
    yield made
    made.close()


def asked(keepa: Keepa) -> list[Sequence[str]]:
    """The ASINs of each call for products."""
    return [query["asin"][0].split(",") for _, path, query, _ in keepa.requests if path == "/product"]


def rejecting(*malformed: str, empty: Sequence[str] = ()):
    """A Keepa that rejects every call which names a malformed ASIN."""

    def answer(handler: BaseHTTPRequestHandler, asins: Sequence[str]) -> None:
        if any(asin in malformed for asin in asins):
            reply(200, REJECTED)(handler)
        else:
            found = [{"asin": a, "title": None} if a in empty else product(a) for a in asins]
            reply(200, ENVELOPE | {"tokensConsumed": len(found), "products": found})(handler)

    return answer


# -- the key -----------------------------------------------------------------------------------
ZEROS = {"refillIn": 0, "refillRate": 0, "tokensLeft": 0, "tokensConsumed": 0}
REFUSED_KEY = ZEROS | {"error": {"type": "invalidParameter", "message": "unknown key"}}


@pytest.mark.parametrize(
    ("status", "body", "words", "result"),
    [
        (400, REFUSED_KEY, "400 the key is refused.*check KEEPA_API_KEY", "key_refused"),
        (400, REFUSED_KEY | {"timestamp": 1_780_000_000_000}, "400 the key is refused", "key_refused"),
        (
            400,
            {"error": {"type": "invalidParameter", "message": "Invalid API key"}},
            "400 the key",
            "key_refused",
        ),
        (400, {"error": "wrong key"} | ZEROS, "400 the key is refused", "key_refused"),
        (400, {"error": {"type": "REQUEST_REJECTED", "message": "access key"}}, "400 the key", "key_refused"),
        (
            401,
            {"error": {"type": "invalidParameter", "message": "key"}},
            "401 the key is refused",
            "key_refused",
        ),
        (403, ZEROS | {"error": {"message": "This api_key is not valid"}}, "403 the key", "key_refused"),
        (402, ENVELOPE | {"error": {"type": "paymentRequired"}}, "402 the key is refused.*has lapsed", "402"),
        (402, {}, "402 the key is refused.*has lapsed", "402"),
    ],
)
def test_a_refused_key_teaches_the_account_nothing_and_costs_nothing(
    keepa: Keepa, client: KeepaClient, heard: Heard, status: int, body: dict, words: str, result: str
) -> None:
    keepa.answers = [reply(status, body)]
    reserve = Recorder()
    with pytest.raises(KeyRefusedError, match=words) as caught:
        client.deals({}, 0, reserve=reserve)
    assert (reserve.settled, reserve.released, caught.value.envelope) == ([], 1, None)
    assert (heard.results, len(keepa.requests)) == ([result], 1)


@needs_samples
def test_the_recorded_refusal_of_a_key(keepa: Keepa, client: KeepaClient) -> None:
    recorded = sample("invalid_key_400.json")
    keepa.answers = [reply(recorded["status"], recorded["answer"])]
    with pytest.raises(KeyRefusedError, match="400 the key is refused"):
        client.token_status()


@pytest.mark.parametrize("message", ["no key of the query is known", "wrong keyword"])
def test_a_refusal_with_an_account_or_about_something_else_is_not_about_the_key(
    keepa: Keepa, client: KeepaClient, message: str
) -> None:
    account = ENVELOPE if "key of" in message else {}
    keepa.answers = [reply(400, account | {"error": {"type": "invalidParameter", "message": message}})]
    with pytest.raises(RequestRejectedError):
        client.deals({}, 0, reserve=Recorder())


def test_a_rejected_parameter_of_a_working_key_is_no_refused_key(keepa: Keepa, client: KeepaClient) -> None:
    keepa.answers = [reply(400, REJECTED)]
    reserve = Recorder()
    with pytest.raises(RequestRejectedError, match="400 request rejected"):
        client.deals({}, 0, reserve=reserve)
    assert [envelope.tokens_left for envelope in reserve.settled] == [42]


# -- 429 -----------------------------------------------------------------------------------------
@needs_samples
def test_a_deep_debt_takes_as_many_ticks_as_it_takes(keepa: Keepa, client: KeepaClient) -> None:
    keepa.answers = [reply(429, sample("deal_429.json")["answer"])]
    with pytest.raises(OutOfTokensError) as caught:
        client.deals({}, 0)
    # 250 tokens at 5 a minute: 50 ticks, the first in 45.592 s
    assert caught.value.retry_after == pytest.approx(45.592 + 49 * 60)
    assert caught.value.envelope is not None
    assert caught.value.envelope.tokens_left == -249


NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7),
        ({"Retry-After": "0"}, 1),
        ({"Retry-After": "99999999999999999999999"}, 3600),
        ({"Retry-After": "-5"}, 60),
        ({"Retry-After": "soon"}, 60),
        ({}, 60),
        ({"Retry-After": format_datetime(NOW + timedelta(seconds=42)), "Date": format_datetime(NOW)}, 42),
        ({"Retry-After": format_datetime(NOW - timedelta(days=2)), "Date": format_datetime(NOW)}, 1),
    ],
    ids=repr,
)
def test_a_429_of_a_proxy_is_waited_for_as_long_as_it_says(
    keepa: Keepa, client: KeepaClient, heard: Heard, headers: dict, seconds: float
) -> None:
    page = b"<html>slow down</html>"
    keepa.answers = [reply(429, page, kind="text/html", headers=headers), reply(200, ENVELOPE)]
    reserve = Recorder()
    with pytest.raises(OutOfTokensError) as caught:
        client.deals({}, 0, reserve=reserve)
    assert caught.value.retry_after == seconds
    assert (reserve.settled, reserve.released) == ([], 1)
    if seconds > 120:
        with pytest.raises(OutOfTokensError, match="not asked, Keepa wants no call for 3600 s more"):
            client.token_status()
        assert (len(keepa.requests), heard.pauses) == (1, [])
    else:
        client.token_status()
        assert heard.pauses == [seconds]


# -- 200 that is a rejection -----------------------------------------------------------------------
@needs_samples
@pytest.mark.parametrize("call", ["deals", "token_status"])
def test_a_200_with_an_error_is_a_rejected_request(
    keepa: Keepa, client: KeepaClient, heard: Heard, call: str
) -> None:
    keepa.answers = [reply(200, sample("error_in_200.json")["answer"])]
    reserve = Recorder()
    with pytest.raises(RequestRejectedError, match="200 with an error, the request rejected"):
        client.deals({}, 0, reserve=reserve) if call == "deals" else client.token_status()
    assert (heard.results, len(keepa.requests)) == (["rejected"], 1)
    assert reserve.released == (call == "deals"), (
        "nothing is charged, and the recorded answer has no timestamp"
    )


def test_one_malformed_asin_of_a_hundred_is_found_remembered_and_left_out(
    keepa: Keepa, client: KeepaClient
) -> None:
    bad, gone = ASINS[37], ASINS[3]
    keepa.by_asins = rejecting(bad, empty=[gone])
    reserve = Recorder()
    batch = client.products(ASINS, reserve=reserve)
    assert batch.rejected == (bad,)
    assert batch.unknown == (gone,)
    assert {found.asin for found in batch.products} == {*ASINS} - {bad, gone}
    assert batch.envelope is not None
    assert batch.envelope.tokens_consumed == 99, "of all the calls together"
    assert len(asked(keepa)) <= 15
    assert reserve.asked == len(asked(keepa))

    before = len(keepa.requests)
    again = client.products(ASINS)
    assert (again.rejected, len(keepa.requests) - before) == ((bad,), 1)
    assert bad not in asked(keepa)[-1]


def test_what_is_no_asin_is_never_sent(keepa: Keepa, client: KeepaClient) -> None:
    keepa.by_asins = rejecting()
    batch = client.products(["b00lower00", ASINS[0], "B0000000012", "B00000000\u0661"])
    assert batch.rejected == ("b00lower00", "B0000000012", "B00000000\u0661")
    assert asked(keepa) == [[ASINS[0]]]


def test_a_batch_of_nothing_but_malformed_asins_gives_its_tokens_back(
    keepa: Keepa, client: KeepaClient
) -> None:
    reserve = Recorder()
    batch = client.products(["short"], reserve=reserve)
    assert (batch.rejected, batch.envelope, keepa.requests) == (("short",), None, [])
    assert (reserve.asked, reserve.released) == (1, 1)


def test_a_call_that_is_rejected_whatever_it_names_is_an_error_and_nothing_is_remembered(
    keepa: Keepa, client: KeepaClient
) -> None:
    keepa.by_asins = rejecting(*ASINS)
    with pytest.raises(RequestRejectedError):
        client.products(ASINS)
    assert len(asked(keepa)) < 20
    keepa.by_asins = rejecting()
    assert len(client.products(ASINS).products) == 100


def test_one_asin_alone_is_rejected_without_a_proof_and_not_remembered(
    keepa: Keepa, client: KeepaClient
) -> None:
    keepa.by_asins = rejecting(ASINS[0])
    assert client.products(ASINS[:1]).rejected == (ASINS[0],)
    keepa.by_asins = rejecting()
    assert client.products(ASINS[:1]).rejected == ()
    keepa.by_asins = rejecting(ASINS[0])
    assert client.products(ASINS[:1]).rejected == (ASINS[0],)
    assert client.products(ASINS[:2]).rejected == (ASINS[0],)
    assert asked(keepa)[-1] == [ASINS[1]], "another call of this kind was answered, so it was the ASIN"


# -- time-outs ---------------------------------------------------------------------------------------
def test_after_a_time_out_the_halves_are_asked_for_once_the_balance_is_known(
    keepa: Keepa, client: KeepaClient, heard: Heard
) -> None:
    sound = rejecting()
    keepa.by_asins = lambda handler, asins: (keepa.silent if len(asins) > 60 else lambda h: sound(h, asins))(
        handler
    )
    keepa.answers = [reply(200, ENVELOPE)]
    batch = client.products(ASINS)
    assert len(batch.products) == 100
    assert [path for _, path, _, _ in keepa.requests] == ["/product", "/token", "/product", "/product"]
    assert [len(asins) for asins in asked(keepa)] == [100, 50, 50]
    assert [envelope.tokens_left for envelope in heard.balances] == [42]


def test_nothing_is_paid_for_again_while_nobody_knows_the_balance(keepa: Keepa, client: KeepaClient) -> None:
    keepa.by_asins = lambda handler, asins: keepa.silent(handler)
    keepa.answers = [reply(502, b"<html>", kind="text/html")]
    with pytest.raises(TimedOutError, match=r"/product: no answer within 0\.5 s") as caught:
        client.products(ASINS)
    assert caught.value.maybe_charged
    assert len(asked(keepa)) == 1


def test_a_broken_answer_to_a_batch_is_asked_for_again_once_the_balance_is_known(
    keepa: Keepa, client: KeepaClient, heard: Heard
) -> None:
    sound, broken = rejecting(), [True]
    keepa.by_asins = lambda handler, asins: (
        reply(200, b"{") if broken and broken.pop() else lambda h: sound(h, asins)
    )(handler)
    keepa.answers = [reply(200, ENVELOPE)]
    assert len(client.products(ASINS).products) == 100
    assert [path for _, path, _, _ in keepa.requests] == ["/product", "/token", "/product"]
    assert len(heard.balances) == 1


def test_what_was_paid_for_is_kept_when_the_rest_cannot_be_had(keepa: Keepa, client: KeepaClient) -> None:
    bad = ASINS[60]

    class Poor(Recorder):
        def __call__(self):  # type: ignore[no-untyped-def, override]
            if self.asked == 3:
                raise TokensUnavailableError("no tokens", retry_after=60)
            return super().__call__()

    keepa.by_asins = rejecting(bad)
    batch = client.products(ASINS, reserve=Poor())
    assert [len(asins) for asins in asked(keepa)] == [100, 50, 50]
    assert {found.asin for found in batch.products} == set(ASINS[:50])
    assert set(batch.unreadable) == set(ASINS[50:]), "of these nothing is known"
    assert (batch.unknown, batch.rejected) == ((), ())


def test_a_refusal_for_lack_of_tokens_before_anything_was_told_is_raised(
    keepa: Keepa, client: KeepaClient
) -> None:
    keepa.by_asins = lambda handler, asins: reply(429, ENVELOPE | {"tokensLeft": -3})(handler)
    with pytest.raises(OutOfTokensError):
        client.products(ASINS)


def test_by_default_products_are_answered_without_refreshing_them(keepa: Keepa, client: KeepaClient) -> None:
    keepa.by_asins = rejecting()
    client.products(ASINS[:1])
    client.products(ASINS[:1], ProductOptions(update_hours=None))
    queries = [query for _, path, query, _ in keepa.requests]
    assert (queries[0]["update"], "update" in queries[1]) == (["-1"], False)
    assert ProductOptions().kind == "product"


def test_something_that_answers_in_keepas_place_is_no_refusal(keepa: Keepa, client: KeepaClient) -> None:
    keepa.answers = [reply(403, b"<html>Forbidden</html>", kind="text/html")]
    with pytest.raises(ServerTroubleError, match="403, and not in Keepa's JSON"):
        client.deals({}, 0)
