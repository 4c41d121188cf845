"""The check never costs more than it has said, and what it spends stands in the service's books."""

from __future__ import annotations

import pytest

from keepa_deals.errors import TokensUnavailableError
from keepa_deals.keepa.envelope import TokenEnvelope
from keepa_deals.keepa_check.purse import TASK, TIMEOUT, Purse, TooDearError


def envelope(consumed: int) -> TokenEnvelope:
    return TokenEnvelope(0, 100, 1000, 20, 0.0, consumed, 0)


class FakeReservation:
    items = 1

    def __init__(self) -> None:
        self.settled: list[TokenEnvelope] = []
        self.left = False

    def settle(self, envelope: TokenEnvelope) -> None:
        self.settled.append(envelope)

    def release(self) -> None:
        """Nothing was reserved."""

    def __enter__(self) -> FakeReservation:
        return self

    def __exit__(self, *_: object) -> None:
        self.left = True


class Manager:
    """Grants, or refuses with ``error``; remembers how it was asked."""

    def __init__(self, error: Exception | None = None) -> None:
        self.asked: list[tuple[int, dict[str, object]]] = []
        self.error = error
        self.reservation = FakeReservation()

    def request_permission_for_call(self, cost: int, **how: object) -> FakeReservation:
        self.asked.append((cost, how))
        if self.error is not None:
            raise self.error
        return self.reservation


def spend(purse: Purse, price: int, consumed: int) -> None:
    with purse.reserve(price, kind="deal")() as reservation:
        reservation.settle(envelope(consumed))


def test_what_answers_say_is_what_was_spent() -> None:
    purse = Purse()
    spend(purse, 5, 5)
    spend(purse, 3, 4)
    assert purse.spent == 9


def test_nothing_is_asked_that_could_go_beyond_the_sum() -> None:
    purse = Purse(limit=10)
    spend(purse, 5, 6)
    with pytest.raises(TooDearError, match="6 of 10 tokens are spent, it costs 5"):
        spend(purse, 5, 5)
    assert purse.spent == 6


def test_a_call_without_an_answer_counts_at_its_documented_price() -> None:
    purse = Purse()
    with pytest.raises(OSError, match="gone"), purse.reserve(5, kind="deal")():
        raise OSError("gone")
    assert purse.spent == 5


def test_a_service_is_asked_for_a_small_request_and_hears_the_bill() -> None:
    manager = Manager()
    purse = Purse(manager)  # type: ignore[arg-type]
    assert purse.is_shared
    spend(purse, 5, 5)
    assert manager.asked == [(5, {"kind": "deal", "items": 1, "timeout": TIMEOUT, "task": TASK})]
    assert [settled.tokens_consumed for settled in manager.reservation.settled] == [5]
    assert manager.reservation.left


def test_what_the_service_does_not_grant_is_not_spent() -> None:
    purse = Purse(Manager(TokensUnavailableError("too late", retry_after=200)))  # type: ignore[arg-type]
    with pytest.raises(TokensUnavailableError):
        spend(purse, 5, 5)
    assert purse.spent == 0
