"""The attacks run against the same small dashboard as the tests of its pages."""

from __future__ import annotations

from tests.unit.web.conftest import client, send, stock, store, world

__all__ = ["client", "send", "stock", "store", "world"]
