"""A batch of products in as many calls as it takes: halved around a malformed ASIN, and after a time-out."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from keepa_deals.errors import BudgetError
from keepa_deals.keepa.call_memory import Memory
from keepa_deals.keepa.entries import read_entries, strange
from keepa_deals.keepa.envelope import TokenEnvelope
from keepa_deals.keepa.errors import AnswerTooLargeError, KeepaError, RequestRejectedError, TimedOutError
from keepa_deals.keepa.fields import Json, is_asin
from keepa_deals.keepa.notices import StrangeAnswer
from keepa_deals.keepa.product import Product, ProductBatch
from keepa_deals.keepa.reservation import Reserve
from keepa_deals.keepa.token_costs import ProductOptions

log = logging.getLogger(__name__)

MAX_REJECTED = 10
"""Malformed ASINs of one batch that are looked for: more are no accident."""
MAX_ALONE = 3
"""Rejected one after the other, and nothing answered: then it is the call, not the ASINs."""
MAX_TROUBLES = 2
"""Time-outs of one batch, each of which may have been charged."""


class Caller(Protocol):
    """The part of the client that makes single calls."""

    def call_products(
        self, asins: Sequence[str], options: ProductOptions, domain_id: int, reserve: Reserve
    ) -> tuple[Mapping[str, Any], TokenEnvelope]: ...

    def learn_balance(self, doubt: KeepaError) -> None: ...

    def keep(self, answer: StrangeAnswer | None) -> None: ...


class ProductCalls:
    """One batch on its way. ``proven``: calls with these options were answered before."""

    def __init__(
        self,
        client: Caller,
        options: ProductOptions,
        domain_id: int,
        reserve: Reserve,
        memory: Memory,
        *,
        proven: bool,
    ) -> None:
        self._client = client
        self._options = options
        self._domain = domain_id
        self._reserve = reserve
        self._memory = memory
        self._proven = proven
        self._products: dict[str, Product] = {}
        self._unknown: list[str] = []
        self._unreadable: list[str] = []
        self._rejected: list[str] = []
        self._envelopes: list[TokenEnvelope] = []
        self._troubles = 0

    def ask(self, asins: Sequence[str]) -> ProductBatch:
        """What Keepa says of ``asins``; raises only when it has said nothing of any of them."""
        wanted = list(dict.fromkeys(asins))
        known = self._memory.rejected()
        sound = [asin for asin in wanted if is_asin(asin) and asin not in known]
        left_out = tuple(asin for asin in wanted if not is_asin(asin) or asin in known)
        if left_out:
            log.info(
                "Keepa /product: %d malformed ASINs are left out, the first %.40r", len(left_out), left_out[0]
            )
        if sound:
            self._ask_all(sound)
        else:
            with self._reserve() as reservation:  # what was reserved for the call goes back
                reservation.release()
        return ProductBatch(
            products=tuple(self._products.values()),
            unknown=tuple(self._unknown),
            envelope=self._bill(),
            unreadable=tuple(self._unreadable),
            rejected=(*left_out, *self._rejected),
        )

    def _bill(self) -> TokenEnvelope | None:
        """The newest state of the account, with the price of all the calls."""
        if not self._envelopes:
            return None
        return replace(self._envelopes[-1], tokens_consumed=sum(e.tokens_consumed for e in self._envelopes))

    def _ask_all(self, asins: Sequence[str]) -> None:
        todo = [asins]
        while todo:
            part = todo.pop()
            try:
                body, envelope = self._client.call_products(part, self._options, self._domain, self._reserve)
            except (KeepaError, BudgetError) as error:
                try:
                    todo += self._despite(error, part)
                except (KeepaError, BudgetError):
                    if not self._envelopes:
                        raise
                    # What was paid for is not thrown away because of what could not be had.
                    self._give_up(error, [part, *todo])
                    break
            else:
                self._envelopes.append(envelope)
                self._take(part, body)
        if self._envelopes or self._proven:
            for asin in self._rejected:
                self._memory.reject(asin)

    def _despite(self, error: KeepaError | BudgetError, part: Sequence[str]) -> list[Sequence[str]]:
        """What is still to be asked after ``error``; raises it when there is no way on."""
        if isinstance(error, RequestRejectedError) and error.divisible:
            if len(part) > 1:
                return _halves(part)
            self._reject(error, part[0])
            return []
        if isinstance(error, TimedOutError | AnswerTooLargeError) and len(part) > 1:
            self._troubles += 1
            if self._troubles < MAX_TROUBLES:
                log.warning("%s; asked again in two halves", error)
                self._client.learn_balance(error)
                return _halves(part)
        raise error

    def _reject(self, error: RequestRejectedError, asin: str) -> None:
        self._rejected.append(asin)
        alone = not self._envelopes and not self._proven and len(self._rejected) >= MAX_ALONE
        if alone or len(self._rejected) > MAX_REJECTED:
            self._unreadable += self._rejected
            self._rejected.clear()
            raise error
        log.warning("%s: it is the ASIN %s, which is left out", error, asin)

    def _give_up(self, error: Exception, parts: Sequence[Sequence[str]]) -> None:
        rest = [asin for part in parts for asin in part if asin not in self._unreadable]
        self._unreadable += rest
        log.warning("Keepa /product: nothing is known of %d of the ASINs: %s", len(rest), error)

    def _take(self, part: Sequence[str], body: Json) -> None:
        """Sort what an answer says of each ASIN of ``part``; of one that it leaves out nothing is known."""
        asked = frozenset(part)
        came = [raw for raw in body["products"][: 2 * len(part)] if raw is not None]
        entries = read_entries("/product", self._product, came)
        self._client.keep(strange("/product", entries))
        products = {product.asin: product for product in entries.read if product.asin in asked}
        for asin in part:
            product = products.get(asin)
            if product is None:
                self._unreadable.append(asin)
            elif product.is_void:
                self._unknown.append(asin)
            else:
                self._products[asin] = product
        missing = asked - products.keys() - set(entries.asins)
        if missing:
            log.warning("Keepa /product: %d of %d that were asked for are missing, among them %s",
                        len(missing), len(part), min(missing))  # fmt: skip

    def _product(self, raw: Json) -> Product:
        product = Product.from_json(raw, self._domain)
        if product.domain_id != self._domain:
            raise ValueError(f"domainId is {product.domain_id}, asked for was {self._domain}")
        if self._options.stats_days is not None and product.stats is None and not product.is_void:
            raise ValueError("its stats are missing")
        return product


def _halves(part: Sequence[str]) -> list[Sequence[str]]:
    """Both halves, the first one last: it is taken next."""
    middle = len(part) // 2
    return [part[middle:], part[:middle]]
