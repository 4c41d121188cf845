"""The client of Amazon's Selling Partner API against its sandbox."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
import requests

from keepa_deals.deals.may_sell import MaySell
from keepa_deals.sandbox.faults import Fault
from keepa_deals.sp_api.answers import FeeQuestion
from keepa_deals.sp_api.client import SpApiClient
from keepa_deals.sp_api.credentials import Credentials
from keepa_deals.sp_api.errors import (
    AccessExpiredError,
    CredentialsRefusedError,
    QuestionRefusedError,
    ThrottledError,
    TroubleError,
)
from keepa_deals.sp_api.plans import Operation
from tests.support.accounts import ManualTime
from tests.support.servers.sandbox import TOKEN, SandboxProcess
from tests.support.servers.sp_api import CREDENTIALS, SpApiServer, serving


@pytest.fixture
def server() -> Iterator[SpApiServer]:
    with serving() as server:
        yield server


@pytest.fixture
def client(server: SpApiServer) -> Iterator[SpApiClient]:
    client = client_of(server)
    yield client
    client.close()


def client_of(server: SpApiServer, credentials: Credentials = CREDENTIALS) -> SpApiClient:
    return SpApiClient(credentials, api_url=server.url, login_url=server.login_url, whole_timeout=3.0)


def asin_of(server: SpApiServer, number: int = 0) -> str:
    return server.seller.catalogue.item(number).facts.asin


def test_each_answer_is_what_the_seller_may_do(server: SpApiServer, client: SpApiClient) -> None:
    server.seller.set_rate(Operation.RESTRICTIONS, 100)
    found = set()
    for number in range(40):
        asin = asin_of(server, number)
        for attempt in range(50):
            try:
                answer = client.restriction(asin, 1, "new_new")
                break
            except ThrottledError:
                threading.Event().wait(0.01 * (attempt + 1))
        assert answer.may_sell is server.seller.may_sell(asin, 1, "new_new")
        assert (answer.link is not None) == (answer.may_sell is MaySell.APPROVAL)
        found.add(answer.may_sell)
    assert found == set(MaySell)
    assert server.seller.statistics()["log_ins"] == 1


def test_an_unknown_product_cannot_be_listed(client: SpApiClient) -> None:
    answer = client.restriction("B000000000", 1, "new_new")
    assert answer.may_sell is MaySell.REFUSED
    assert "does not exist" in answer.message


def test_fees_of_twenty_products_are_one_call(server: SpApiServer, client: SpApiClient) -> None:
    asked = [FeeQuestion(asin_of(server, n), 1, 2000 + n, by_amazon=n % 2 == 0) for n in range(19)]
    told = client.fees([*asked, FeeQuestion("B000000000", 1, 999, by_amazon=True)])
    assert [one.total is not None for one in told] == [True] * 19 + [False]
    assert told[-1].problem == "The ASIN is not known."
    assert all(
        one.total == (one.referral or 0) + (one.closing or 0) + (one.fulfilment or 0) for one in told[:-1]
    )
    assert server.seller.statistics()["by_operation"] == {"getMyFeesEstimates": 1}


def test_what_amazon_does_not_understand_is_told_in_its_words(client: SpApiClient) -> None:
    question = FeeQuestion("B000000000", 1, 2000, by_amazon=True)
    broken = replace(question, asin="")
    broken_json = {**broken.to_json(), "FeesEstimateRequest": {"MarketplaceId": "WRONG"}}
    with pytest.raises(QuestionRefusedError, match="Incorrect Marketplace"):
        client._call(Operation.FEES, "POST", "/products/fees/v0/feesEstimate", json=[broken_json])


def test_more_calls_than_the_plan_allows_are_refused_and_the_rate_is_told(
    server: SpApiServer, client: SpApiClient
) -> None:
    question = [FeeQuestion(asin_of(server), 1, 2000, by_amazon=True)]
    client.fees(question)
    with pytest.raises(ThrottledError):
        client.fees(question)
    assert client.rates == {Operation.FEES: 0.5}


def test_an_expired_token_is_told_apart_and_the_next_call_logs_in_anew(
    server: SpApiServer, client: SpApiClient
) -> None:
    client.restriction(asin_of(server), 1, "new_new")
    server.seller.expire_tokens()
    with pytest.raises(AccessExpiredError):
        client.restriction(asin_of(server), 1, "new_new")
    client.restriction(asin_of(server), 1, "new_new")
    assert server.seller.statistics()["log_ins"] == 2


def test_a_token_is_not_used_in_its_last_minute(server: SpApiServer) -> None:
    clock = ManualTime()
    client = SpApiClient(CREDENTIALS, api_url=server.url, login_url=server.login_url, clock=clock)
    tokens = [client.log_in()]
    clock.ms += 3_539_000
    tokens.append(client.log_in())
    clock.ms += 2_000
    tokens.append(client.log_in())
    assert (tokens[0] == tokens[1], tokens[1] == tokens[2]) == (True, False)


@pytest.mark.parametrize(("state", "word"), [("refused", "invalid_client"), ("revoked", "invalid_grant")])
def test_credentials_that_are_refused_say_so_in_one_line_without_a_secret(
    server: SpApiServer, client: SpApiClient, state: str, word: str
) -> None:
    server.seller.credentials = state
    with pytest.raises(CredentialsRefusedError, match=word) as error:
        client.restriction(asin_of(server), 1, "new_new")
    said = str(error.value)
    assert "\n" not in said
    assert CREDENTIALS.client_secret not in said
    assert CREDENTIALS.refresh_token not in said


def test_leave_that_was_taken_back_meanwhile_is_a_refusal(server: SpApiServer, client: SpApiClient) -> None:
    client.restriction(asin_of(server), 1, "new_new")
    server.seller.credentials = "revoked"
    with pytest.raises(CredentialsRefusedError, match="Unauthorized"):
        client.restriction(asin_of(server), 1, "new_new")


@pytest.mark.parametrize(
    "fault",
    [Fault.SERVER_ERROR, Fault.BAD_GATEWAY, Fault.UNAVAILABLE, Fault.GARBAGE, Fault.TRUNCATED, Fault.TIMEOUT],
)
def test_a_fault_on_the_way_ends_in_time_as_a_trouble(
    server: SpApiServer, client: SpApiClient, fault: Fault
) -> None:
    client.log_in()
    server.break_with(fault)
    begun = time.monotonic()
    with pytest.raises(TroubleError):
        client.restriction(asin_of(server), 1, "new_new")
    assert time.monotonic() - begun < 10


def test_a_log_in_that_is_down_is_a_trouble_and_no_refusal(server: SpApiServer, client: SpApiClient) -> None:
    for fault in (Fault.UNAVAILABLE, Fault.GARBAGE):
        server.break_with(fault)
        with pytest.raises(TroubleError, match="Login with Amazon"):
            client.log_in()


def test_nobody_listening_is_a_trouble() -> None:
    client = SpApiClient(CREDENTIALS, api_url="http://127.0.0.1:9", login_url="http://127.0.0.1:9/auth")
    with pytest.raises(TroubleError, match="cannot connect"):
        client.log_in()


def test_a_secret_stays_out_of_the_address(server: SpApiServer) -> None:
    """Addresses are what proxies and servers log."""
    seen: list[str] = []

    @server.app.before_request
    def note() -> None:
        from flask import request

        seen.append(request.full_path)

    client = client_of(server, replace(CREDENTIALS, seller_id="A1EXAMPLESELLER"))
    client.restriction(asin_of(server), 1, "new_new")
    assert seen
    assert not any(CREDENTIALS.client_secret in path or CREDENTIALS.refresh_token in path for path in seen)


# -- the command ---------------------------------------------------------------------------------
def test_the_command_serves_both_and_its_seller_can_be_meddled_with() -> None:
    sandbox = SandboxProcess("--deals", "20", "--sp-api-port", "0")
    try:
        assert sandbox.process.stdout is not None
        greeting = sandbox.process.stdout.readline()
        url = greeting.split()[-1]
        client = SpApiClient(CREDENTIALS, api_url=url, login_url=f"{url}/auth/o2/token")
        assert client.restriction("B000000000", 1, "new_new").may_sell is MaySell.REFUSED
        stats = requests.get(f"{url}/_sandbox/stats", timeout=5).json()
        assert stats["by_product"] == {"1/B000000000/new_new": 1}
        closed = requests.patch(f"{url}/_sandbox/seller", json={"credentials": "refused"}, timeout=5)
        assert closed.status_code == 401
        opened = requests.patch(
            f"{url}/_sandbox/seller",
            json={"credentials": "refused", "rates": {"getMyFeesEstimates": 1}},
            headers={"Authorization": f"Bearer {TOKEN}"},
            timeout=5,
        )
        assert opened.json() == {"ok": True}
        with pytest.raises(CredentialsRefusedError):
            client.restriction("B000000000", 1, "new_new")
    finally:
        assert sandbox.stop() == 0
