"""What ingestion needs of its surroundings, as narrow interfaces: tests and simulations bring their own."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Protocol

from keepa_deals.keepa.deal import DealPage
from keepa_deals.keepa.product import ProductBatch
from keepa_deals.keepa.reservation import CallReservation, Reserve
from keepa_deals.keepa.token_costs import ProductOptions
from keepa_deals.tokens.snapshot import TokenSnapshot


class Reservation(CallReservation, Protocol):
    """Reserved tokens: entered around the call, settled with what it really cost."""

    @property
    def items(self) -> int: ...

    def __enter__(self) -> Reservation: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> object: ...


class TokenSource(Protocol):
    """The part of the TokenManager that spends, and that tells what there is to spend."""

    def request_permission_for_call(
        self,
        cost: int,
        *,
        timeout: float | None = None,
        kind: str | None = None,
        items: int = 1,
        task: str | None = None,
    ) -> Reservation: ...

    def request_batch(
        self,
        kind: str,
        *,
        max_items: int,
        min_items: int = 1,
        price_hint: int = 1,
        timeout: float | None = None,
        task: str | None = None,
    ) -> Reservation: ...

    def snapshot(self) -> TokenSnapshot | None: ...


class KeepaApi(Protocol):
    """The two calls of Keepa that ingestion makes."""

    def deals(self, selection: Mapping[str, Any], page: int = 0, *, reserve: Reserve = ...) -> DealPage: ...

    def products(
        self,
        asins: Sequence[str],
        options: ProductOptions | None = None,
        *,
        domain_id: int = 1,
        reserve: Reserve = ...,
    ) -> ProductBatch: ...


class Lock(Protocol):
    """A single-flight lock; ``lost`` is set when it went to another owner while we held it."""

    lost: threading.Event

    def acquire(self) -> bool: ...

    def release(self) -> object: ...
