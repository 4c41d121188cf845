"""A client of the Keepa API (docs: Browsing Deals, Products): reservation first, every answer settled."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import tenacity
from requests.adapters import HTTPAdapter

from keepa_deals.keepa.answers import interpret, misshapen
from keepa_deals.keepa.batches import ProductCalls
from keepa_deals.keepa.call_memory import LocalMemory, Memory
from keepa_deals.keepa.deal import DealPage
from keepa_deals.keepa.entries import deal_page, strange
from keepa_deals.keepa.envelope import TokenEnvelope
from keepa_deals.keepa.errors import (
    AnswerTooLargeError,
    KeepaError,
    MisshapenAnswerError,
    OutOfTokensError,
    ServerTroubleError,
    TimedOutError,
)
from keepa_deals.keepa.notices import Answer, StrangeAnswer
from keepa_deals.keepa.parsing import TooLargeError, parse
from keepa_deals.keepa.product import ProductBatch
from keepa_deals.keepa.reservation import NullReservation, Reserve
from keepa_deals.keepa.token_costs import MAX_ASINS_PER_REQUEST, ProductOptions
from keepa_deals.keepa.transport import (
    CONNECT_TIMEOUT,
    PRODUCT_TIMEOUT,
    READ_TIMEOUT,
    WHOLE_TIMEOUT,
    Reply,
    Transport,
)

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 3
BACKOFF_INITIAL = 0.5
BACKOFF_MAX = 8.0
MAX_PAUSE = 120.0
"""Seconds that a call waits because Keepa asked for it; of a longer time the caller hears at once."""


def _ignore(_: object) -> None:
    """Does not listen."""


@dataclass(frozen=True, slots=True)
class _Request:
    """One call: how it is sent, and how long its answer may take."""

    method: str
    path: str
    query: Mapping[str, Any] = field(default_factory=dict)
    json_body: Mapping[str, Any] | None = None
    timeout: float = READ_TIMEOUT


class KeepaClient:
    """Calls Keepa; each method returns a parsed answer or raises one of ``keepa.errors``.

    Server trouble is retried ``max_attempts`` times in all, with exponential backoff and jitter; each
    attempt asks ``reserve`` anew, because the one before may have been charged. ``on_answer`` hears how
    each attempt ended, ``on_strange`` gets what nobody understands, ``on_balance`` what ``/token`` said when
    a call may have been charged without an answer. ``memory`` holds what outlasts a call.
    """

    def __init__(
        self,
        api_key: str,
        *,
        base_url: str = "https://api.keepa.com",
        timeout: tuple[float, float] = (CONNECT_TIMEOUT, READ_TIMEOUT),
        product_timeout: float = PRODUCT_TIMEOUT,
        whole_timeout: float = WHOLE_TIMEOUT,
        max_attempts: int = MAX_ATTEMPTS,
        sleep: Callable[[float], None] = time.sleep,
        adapter: HTTPAdapter | None = None,
        memory: Memory | None = None,
        on_answer: Callable[[Answer], None] = _ignore,
        on_strange: Callable[[StrangeAnswer], None] = _ignore,
        on_balance: Callable[[TokenEnvelope], object] = _ignore,
    ) -> None:
        connect, self._timeout = timeout
        self._product_timeout = product_timeout
        self._transport = Transport(
            api_key, base_url, connect_timeout=connect, whole_timeout=whole_timeout, adapter=adapter
        )
        self._max_attempts = max_attempts
        self._sleep = sleep
        self._memory = memory or LocalMemory()
        self._on_answer = on_answer
        self._on_strange = on_strange
        self._on_balance = on_balance
        self._told: set[str] = set()

    def __repr__(self) -> str:
        return f"KeepaClient({self._transport.base_url!r})"

    def close(self) -> None:
        self._transport.close()

    def token_status(self) -> TokenEnvelope:
        """The account's state. Free, but not to be polled (akaszynski/keepa#203): learn it from answers."""
        _, envelope = self._call(_Request("GET", "/token", timeout=self._timeout), NullReservation)
        return envelope

    def deals(
        self, selection: Mapping[str, Any], page: int = 0, *, reserve: Reserve = NullReservation
    ) -> DealPage:
        """Page ``page`` (from 0) of the deals that match ``selection``: 5 tokens, at most 150 deals."""
        body = {**selection, "page": page}
        request = _Request("POST", "/deal", json_body=body, timeout=self._timeout)
        answer, envelope = self._call(request, reserve)
        trouble: MisshapenAnswerError
        try:
            page_of_deals, entries = deal_page(answer, envelope)
        except ValueError as error:
            trouble = misshapen("/deal", str(error), envelope)
        else:
            self.keep(strange("/deal", entries))
            return page_of_deals
        raise trouble

    def products(
        self,
        asins: Sequence[str],
        options: ProductOptions | None = None,
        *,
        domain_id: int = 1,
        reserve: Reserve = NullReservation,
    ) -> ProductBatch:
        """The products of 1 to 100 ``asins``: a token each that Keepa knows, more with options.

        An ASIN that Keepa takes for malformed spoils the whole call: it is found by halving, remembered, and
        left out from then on. After a time-out the halves are asked for, when the balance is known again.
        """
        if not 1 <= len(asins) <= MAX_ASINS_PER_REQUEST:
            raise ValueError(f"{len(asins)} ASINs in one call: 1 to {MAX_ASINS_PER_REQUEST} are allowed")
        options = options or ProductOptions()
        calls = ProductCalls(
            self, options, domain_id, reserve, self._memory, proven=options.kind in self._told
        )
        batch = calls.ask(asins)
        if batch.products or batch.unknown:
            self._told.add(options.kind)
        return batch

    # -- what the batches need -------------------------------------------------------------
    def call_products(
        self, asins: Sequence[str], options: ProductOptions, domain_id: int, reserve: Reserve
    ) -> tuple[Mapping[str, Any], TokenEnvelope]:
        """One call for products as it is answered; raises as every call does, after a time-out at once."""
        query = {"domain": domain_id, "asin": ",".join(asins), **_product_query(options)}
        return self._call(_Request("GET", "/product", query=query, timeout=self._product_timeout), reserve)

    def learn_balance(self, doubt: KeepaError) -> None:
        """Ask for the balance, which a call left in doubt; raises ``doubt`` when nobody tells it."""
        try:
            envelope = self.token_status()
        except KeepaError as error:
            log.warning("%s; the balance is not known either: %s", doubt, error)
            envelope = None
        if envelope is None:
            raise doubt
        self._on_balance(envelope)

    def keep(self, answer: StrangeAnswer | None) -> None:
        """Hand over what nobody understands."""
        if answer is not None:
            self._on_strange(answer)

    # -- one call --------------------------------------------------------------------------
    def _call(self, request: _Request, reserve: Reserve) -> tuple[Mapping[str, Any], TokenEnvelope]:
        def may_go_well(error: BaseException) -> bool:
            halves = request.path == "/product" and isinstance(error, TimedOutError)
            return isinstance(error, KeepaError) and error.retryable and not halves

        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(self._max_attempts),
            wait=tenacity.wait_exponential_jitter(multiplier=BACKOFF_INITIAL, max=BACKOFF_MAX),
            retry=tenacity.retry_if_exception(may_go_well),
            before_sleep=lambda state: self._before_retry(request, state),
            reraise=True,
            sleep=self._sleep,
        )
        for attempt in retrying:
            with attempt:
                return self._attempt(request, reserve)
        raise AssertionError("tenacity returns or raises")

    def _before_retry(self, request: _Request, state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        pause = state.next_action.sleep if state.next_action else 0.0
        if request.path == "/product" and isinstance(error, KeepaError) and error.maybe_charged:
            self.learn_balance(error)  # a batch is dear: not paid twice on a guess
        log.warning("%s; attempt %d follows in %.1f s", error, state.attempt_number + 1, pause)

    def _attempt(self, request: _Request, reserve: Reserve) -> tuple[Mapping[str, Any], TokenEnvelope]:
        self._wait_while_paused(request.path)
        with reserve() as reservation:
            began = time.monotonic()
            try:
                reply = self._transport.send(
                    request.method, request.path, request.query, request.json_body, request.timeout
                )
                parsed = self._parsed(request.path, reply)
            except ServerTroubleError as trouble:
                self._on_answer(Answer(request.path, _result(trouble), time.monotonic() - began))
                if not trouble.maybe_charged:
                    reservation.release()
                raise
            answer = interpret(request.path, reply, parsed)
            self._on_answer(Answer(request.path, answer.result, time.monotonic() - began, answer.envelope))
            if answer.envelope is not None:
                reservation.settle(answer.envelope)
            elif answer.free:
                reservation.release()
            if answer.strange:
                self.keep(
                    StrangeAnswer(request.path, answer.result, str(answer.error), reply.body, reply.status)
                )
            if isinstance(answer.error, OutOfTokensError) and answer.envelope is None:
                self._memory.pause(answer.error.retry_after)
            if answer.error is not None:
                raise answer.error
            assert answer.envelope is not None
            return answer.body, answer.envelope

    def _parsed(self, path: str, reply: Reply) -> object:
        """The body as JSON; ``None`` when it is none (a page of a proxy, a cut answer)."""
        trouble: AnswerTooLargeError
        try:
            return parse(reply.body)
        except TooLargeError as error:
            self.keep(StrangeAnswer(path, "too large", f"reading it takes {error}", reply.body, reply.status))
            trouble = AnswerTooLargeError(
                f"Keepa {path}: {reply.status} with {len(reply.body) >> 20} MB, which would take {error}",
                status=reply.status,
                maybe_charged=True,
            )
        except ValueError:
            return None
        raise trouble

    def _wait_while_paused(self, path: str) -> None:
        """Wait for as long as Keepa asked; an ``OutOfTokensError`` when that is too long to stand still."""
        left = self._memory.paused()
        if left > MAX_PAUSE:
            raise OutOfTokensError(
                f"Keepa {path}: not asked, Keepa wants no call for {left:.0f} s more (429 with Retry-After)",
                status=None,
                envelope=None,
                retry_after=left,
            )
        if left > 0:
            log.info("Keepa %s waits %.0f s, as Keepa asked (429 with Retry-After)", path, left)
            self._sleep(left)


def _result(trouble: ServerTroubleError) -> str:
    """How an attempt without a usable answer ended, for the log of answers."""
    if trouble.status is not None:
        return "unreadable" if trouble.status == 200 else str(trouble.status)
    return "no_answer" if trouble.maybe_charged else "no_connection"


def _product_query(options: ProductOptions) -> dict[str, int]:
    query: dict[str, int] = {"history": int(options.history)}
    optional = {
        "stats": options.stats_days,
        "days": options.days,
        "offers": options.offers,
        "update": options.update_hours,
        "rating": 1 if options.rating else None,
        "buybox": 1 if options.buybox else None,
        "stock": 1 if options.stock else None,
    }
    return query | {name: value for name, value in optional.items() if value is not None}
