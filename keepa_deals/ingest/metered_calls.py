"""Calls of Keepa within a run: reservation first, the bill settled and counted from every answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from keepa_deals.ingest.interfaces import Reservation
from keepa_deals.ingest.run import Run
from keepa_deals.keepa.deal import DealPage
from keepa_deals.keepa.envelope import TokenEnvelope
from keepa_deals.keepa.errors import OutOfTokensError
from keepa_deals.keepa.product import ProductBatch
from keepa_deals.keepa.reservation import CallReservation, Reserve
from keepa_deals.keepa.token_costs import DEAL_KIND, DEAL_PAGE_TOKENS, MAX_ASINS_PER_REQUEST, ProductOptions

TIMEOUT = 15 * 60.0
"""Seconds that the upserter waits for the tokens of one call, as far as its run has that time."""
MAX_REFUSALS = 3
"""A 429 corrects the balance, and the next reservation waits for it; so many in a row end the run."""
T = TypeVar("T")


@dataclass
class _CountedReservation:
    """A reservation that also tells the run what the call cost."""

    run: Run
    held: Reservation

    def settle(self, envelope: TokenEnvelope) -> None:
        self.held.settle(envelope)
        self.run.charged(envelope)

    def release(self) -> None:
        self.held.release()


def read_page(run: Run, selection: Mapping[str, Any], page: int) -> DealPage:
    """One page of the feed; waits for its tokens in the small lane, or until the run must stop.

    A ``TokensUnavailableError`` when they will not be there within ``TIMEOUT``: a deep deficit.
    """

    def ask() -> Reservation:
        tokens = run.context.tokens
        return tokens.request_permission_for_call(
            DEAL_PAGE_TOKENS, kind=DEAL_KIND, timeout=run.patience(TIMEOUT), task=run.job
        )

    call = partial(run.context.client.deals, selection, page, reserve=_reserve(run, ask))
    return _despite_refusals(run, call)


def read_bulk_page(run: Run, selection: Mapping[str, Any], page: int, *, timeout: float) -> DealPage:
    """One page of the feed out of what the upserter leaves over.

    A ``TokensUnavailableError`` when the tokens will not be there within ``timeout`` seconds.
    """

    def ask() -> Reservation:
        return run.context.tokens.request_batch(
            DEAL_KIND, max_items=1, price_hint=DEAL_PAGE_TOKENS, timeout=timeout, task=run.job
        )

    call = partial(run.context.client.deals, selection, page, reserve=_reserve(run, ask))
    return _despite_refusals(run, call)


def read_products(
    run: Run, asins: Sequence[str], options: ProductOptions, *, timeout: float | None
) -> tuple[Sequence[str], ProductBatch]:
    """As many of ``asins``, from the first on, as the tokens allow: which ones, and what Keepa says of them.

    A ``TokensUnavailableError`` when the tokens will not be there within ``timeout`` seconds.
    """
    tokens = run.context.tokens
    price = options.documented_tokens_per_product()
    first = tokens.request_batch(
        options.kind,
        max_items=min(len(asins), MAX_ASINS_PER_REQUEST),
        price_hint=price,
        timeout=timeout,
        task=run.job,
    )
    batch = asins[: first.items]
    unused = [first]

    def ask() -> Reservation:
        if unused:
            return unused.pop()
        size = len(batch)
        return tokens.request_batch(
            options.kind, max_items=size, min_items=size, price_hint=price, timeout=timeout, task=run.job
        )

    def call() -> ProductBatch:
        return run.context.client.products(
            batch, options, domain_id=run.context.domain_id, reserve=_reserve(run, ask)
        )

    return batch, _despite_refusals(run, call)


def read_few_products(run: Run, asins: Sequence[str], options: ProductOptions) -> ProductBatch:
    """The products of a few ``asins``, in the small lane: waits for their tokens like a page of the feed."""
    tokens = options.documented_tokens_per_product() * len(asins)

    def ask() -> Reservation:
        return run.context.tokens.request_permission_for_call(
            tokens, kind=options.kind, items=len(asins), timeout=run.patience(TIMEOUT), task=run.job
        )

    call = partial(
        run.context.client.products,
        asins,
        options,
        domain_id=run.context.domain_id,
        reserve=_reserve(run, ask),
    )
    return _despite_refusals(run, call)


def _reserve(run: Run, ask: Callable[[], Reservation]) -> Reserve:
    @contextmanager
    def reserve() -> Iterator[CallReservation]:
        with ask() as held:
            run.checkpoint()
            yield _CountedReservation(run, held)

    return reserve


def _despite_refusals(run: Run, call: Callable[[], T]) -> T:
    """The result of ``call``, made again after a 429, whose envelope told how long to wait."""
    for _ in range(MAX_REFUSALS - 1):
        run.checkpoint()
        try:
            return call()
        except OutOfTokensError:
            continue
    return call()
