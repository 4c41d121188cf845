"""A client of the Keepa API over one ``requests.Session`` (Keepa docs: Browsing Deals, Products).

The key travels in the query string, and ``requests`` and ``urllib3`` put the URL into their messages:
their exceptions are therefore never chained and never quoted, only classified.
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, NoReturn, Protocol, TypeVar

import requests
import tenacity
from requests.adapters import HTTPAdapter

from keepa_deals.keepa.costs import MAX_ASINS_PER_REQUEST, ProductOptions
from keepa_deals.keepa.errors import (
    KeepaError,
    KeyRefusedError,
    OutOfTokensError,
    RequestRejectedError,
    ServerTroubleError,
)
from keepa_deals.keepa.types import Answer, Deal, DealPage, Product, ProductBatch, TokenEnvelope, is_asin
from keepa_deals.logs import redact

log = logging.getLogger(__name__)

CONNECT_TIMEOUT = 5.0
READ_TIMEOUT = 30.0
MAX_ATTEMPTS = 3
BACKOFF_INITIAL = 0.5
BACKOFF_MAX = 8.0
RETRY_AFTER_UNKNOWN = 60.0
"""Seconds to wait after a 429 that does not say when tokens arrive: one tick of a real account."""
T = TypeVar("T")
_MISSHAPEN = (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError)
"""What reading an answer of another shape than the documented one provokes."""


class _WithoutKey(logging.Filter):
    """Takes the key out of what ``urllib3`` logs of its URLs, whatever level and handler are in use."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redact(record.getMessage()), ()
        return True


for _logger in ("urllib3.connection", "urllib3.connectionpool", "urllib3.poolmanager", "urllib3.util.retry"):
    logging.getLogger(_logger).addFilter(_WithoutKey())


class Permission(Protocol):
    """What a permit grants: somebody who wants to hear what the call really cost."""

    def settle(self, envelope: TokenEnvelope) -> object: ...


Permit = Callable[[], AbstractContextManager[Permission]]
"""Asked once for every attempt, before it is sent; may block until the tokens are there."""


class _Unmetered:
    def settle(self, envelope: TokenEnvelope) -> None:
        """Nobody keeps the account."""


@contextmanager
def unmetered() -> Iterator[Permission]:
    """A permit that grants everything: for calls that cost nothing."""
    yield _Unmetered()


def _nobody(answer: Answer) -> None:
    """Keeps no log."""


class KeepaClient:
    """Calls Keepa; each method returns a parsed answer or raises one of ``keepa.errors``.

    Server trouble is retried ``max_attempts`` times in all, with exponential backoff and jitter; each
    attempt asks ``permit`` anew, because the one before may have been charged. ``on_answer`` hears how
    each attempt ended.
    """

    def __init__(
        self,
        api_key: str,
        *,
        base_url: str = "https://api.keepa.com",
        timeout: tuple[float, float] = (CONNECT_TIMEOUT, READ_TIMEOUT),
        max_attempts: int = MAX_ATTEMPTS,
        sleep: Callable[[float], None] = time.sleep,
        adapter: HTTPAdapter | None = None,
        on_answer: Callable[[Answer], None] = _nobody,
    ) -> None:
        self._key = api_key
        self._on_answer = on_answer
        self._base_url = base_url.rstrip("/")
        self._timeout = timeout
        self._max_attempts = max_attempts
        self._sleep = sleep
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy and no .netrc: the URL holds the key
        self._session.headers["Accept-Encoding"] = "gzip"
        if adapter is not None:
            self._session.mount("http://", adapter)
            self._session.mount("https://", adapter)

    def __repr__(self) -> str:
        return f"KeepaClient({self._base_url!r})"

    def close(self) -> None:
        self._session.close()

    def token_status(self) -> TokenEnvelope:
        """The account's state. Free, but not to be polled (akaszynski/keepa#203): learn it from answers."""
        _, envelope = self._call("GET", "/token", unmetered)
        return envelope

    def deals(self, selection: Mapping[str, Any], page: int = 0, *, permit: Permit = unmetered) -> DealPage:
        """Page ``page`` (from 0) of the deals that match ``selection``: 5 tokens, at most 150 deals."""
        answer, envelope = self._call("POST", "/deal", permit, json_body={**selection, "page": page})
        with _parsing("/deal", envelope):
            found = answer["deals"]
            ids = found.get("categoryIds") or ()
            deals, unreadable = _readable("/deal", Deal.from_json, found.get("dr") or ())
            return DealPage(
                deals=deals,
                category_names=dict(zip(ids, found.get("categoryNames") or (), strict=False)),
                category_counts=dict(zip(ids, found.get("categoryCount") or (), strict=False)),
                envelope=envelope,
                unreadable=len(unreadable),
                deals_cached=answer.get("dealsCached") is True,
                unreadable_asins=tuple(asin for asin in unreadable if is_asin(asin)),
            )

    def products(
        self,
        asins: Sequence[str],
        options: ProductOptions | None = None,
        *,
        domain_id: int = 1,
        permit: Permit = unmetered,
    ) -> ProductBatch:
        """The products of 1 to 100 ``asins``: a token each that Keepa knows, more with options."""
        if not 1 <= len(asins) <= MAX_ASINS_PER_REQUEST:
            raise ValueError(f"{len(asins)} ASINs in one call: 1 to {MAX_ASINS_PER_REQUEST} are allowed")
        query = {"domain": domain_id, "asin": ",".join(asins), **_product_query(options or ProductOptions())}
        answer, envelope = self._call("GET", "/product", permit, query=query)
        with _parsing("/product", envelope):
            entries = [raw for raw in answer.get("products") or () if raw and raw.get("title")]
            products, misshapen = _readable("/product", Product.from_json, entries)
        known = {product.asin for product in products}
        unreadable = tuple(asin for asin in misshapen if asin in asins and asin not in known)
        unknown = tuple(asin for asin in asins if asin not in known and asin not in unreadable)
        return ProductBatch(products, unknown, envelope, unreadable)

    # -- one call --------------------------------------------------------------------------
    def _call(
        self,
        method: str,
        path: str,
        permit: Permit,
        *,
        query: Mapping[str, Any] | None = None,
        json_body: Mapping[str, Any] | None = None,
    ) -> tuple[Mapping[str, Any], TokenEnvelope]:
        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(self._max_attempts),
            wait=tenacity.wait_exponential_jitter(multiplier=BACKOFF_INITIAL, max=BACKOFF_MAX),
            retry=tenacity.retry_if_exception_type(ServerTroubleError),
            before_sleep=_log_retry,
            reraise=True,
            sleep=self._sleep,
        )
        for attempt in retrying:
            with attempt:
                return self._attempt(method, path, permit, query, json_body)
        raise AssertionError("tenacity returns or raises")

    def _attempt(
        self,
        method: str,
        path: str,
        permit: Permit,
        query: Mapping[str, Any] | None,
        json_body: Mapping[str, Any] | None,
    ) -> tuple[Mapping[str, Any], TokenEnvelope]:
        with permit() as permission:
            began = time.monotonic()
            try:
                status, body = self._send(method, path, query, json_body)
            except ServerTroubleError as trouble:
                result = "no_answer" if trouble.maybe_charged else "no_connection"
                self._on_answer(Answer(path, result, time.monotonic() - began))
                raise
            envelope = _envelope(body)
            result = "unreadable" if status == 200 and envelope is None else str(status)
            self._on_answer(Answer(path, result, time.monotonic() - began, envelope))
            if envelope is not None:
                permission.settle(envelope)
            if status != 200:
                _raise_for(status, path, body, envelope)
            if envelope is None or not isinstance(body, Mapping):
                raise ServerTroubleError(
                    f"Keepa {path}: 200 without an account envelope", status=status, maybe_charged=True
                )
            return body, envelope

    def _send(
        self, method: str, path: str, query: Mapping[str, Any] | None, json_body: Mapping[str, Any] | None
    ) -> tuple[int, object]:
        """The HTTP status and the parsed body (``None`` when it is no JSON); no exception names the URL."""
        trouble: ServerTroubleError
        try:
            response = self._session.request(
                method,
                self._base_url + path,
                params={**(query or {}), "key": self._key},
                json=json_body,
                timeout=self._timeout,
                allow_redirects=False,  # a redirect would carry the key elsewhere
            )
            return response.status_code, _json_or_none(response)
        except requests.ConnectTimeout:
            trouble = ServerTroubleError(f"Keepa {path}: no connection within {self._timeout[0]:g} s")
        except requests.Timeout:
            trouble = ServerTroubleError(
                f"Keepa {path}: no answer within {self._timeout[1]:g} s", maybe_charged=True
            )
        except requests.exceptions.SSLError:
            trouble = ServerTroubleError(f"Keepa {path}: the TLS handshake with {self._base_url} failed")
        except (requests.exceptions.ChunkedEncodingError, requests.exceptions.ContentDecodingError):
            trouble = ServerTroubleError(f"Keepa {path}: the answer broke off", maybe_charged=True)
        except requests.ConnectionError as error:
            trouble = _connection_trouble(error, path, self._base_url)
        except requests.RequestException as error:
            trouble = ServerTroubleError(f"Keepa {path}: {type(error).__name__}", maybe_charged=True)
        # Raised outside the handlers: neither cause nor context leads to the URL.
        raise trouble


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


def _json_or_none(response: requests.Response) -> object:
    """The parsed body; ``None`` when it is not JSON (an HTML page of a proxy, a cut answer)."""
    try:
        return json.loads(response.content)
    except ValueError:
        return None


def _envelope(body: object) -> TokenEnvelope | None:
    if not isinstance(body, Mapping):
        return None
    try:
        return TokenEnvelope.from_json(body)
    except _MISSHAPEN:
        return None


def _readable(
    path: str, parse: Callable[[Mapping[str, Any]], T], entries: Sequence[Mapping[str, Any]]
) -> tuple[tuple[T, ...], list[str]]:
    """The entries that can be read, and the ASINs of the others; the error of the first when none can.

    One that cannot must not cost what the others tell: the call is paid for, and would be again.
    """
    parsed: list[T] = []
    failed: list[str] = []
    first: Exception | None = None
    for raw in entries:
        try:
            parsed.append(parse(raw))
        except _MISSHAPEN as error:
            first = first or error
            failed.append(str(raw.get("asin")) if isinstance(raw, Mapping) else "")
    if first is not None and not parsed:
        raise first
    if first is not None:
        log.warning("Keepa %s: %d of %d entries cannot be read and are left out, the first %.40s (%r)",
                    path, len(failed), len(entries), failed[0], first)  # fmt: skip
    return tuple(parsed), failed


@contextmanager
def _parsing(path: str, envelope: TokenEnvelope) -> Iterator[None]:
    """Turns whatever a misshapen answer provokes into server trouble that names the field."""
    trouble: ServerTroubleError | None = None
    try:
        yield
    except _MISSHAPEN as error:
        trouble = ServerTroubleError(
            f"Keepa {path}: unexpected answer ({error!r})", status=200, envelope=envelope
        )
    if trouble is not None:
        raise trouble


def _connection_trouble(error: requests.ConnectionError, path: str, base_url: str) -> ServerTroubleError:
    """Whether the connection never came about, or broke while the answer was on its way."""
    reached = "Remote end closed" in str(error) or "aborted" in str(error).lower() or "reset" in str(error)
    if reached:
        return ServerTroubleError(f"Keepa {path}: the connection broke before the answer", maybe_charged=True)
    return ServerTroubleError(f"Keepa {path}: cannot connect to {base_url}")


def _raise_for(status: int, path: str, body: object, envelope: TokenEnvelope | None) -> NoReturn:
    detail = _error_detail(body)
    if status == 429:
        retry_after = envelope.refill_in_ms / 1000 if envelope else RETRY_AFTER_UNKNOWN
        raise OutOfTokensError(
            f"Keepa {path}: 429 out of tokens{detail}",
            status=status,
            envelope=envelope,
            retry_after=retry_after,
        )
    if status == 402:
        raise KeyRefusedError(
            f"Keepa {path}: 402 the key is refused{detail}: check KEEPA_API_KEY and the subscription",
            status=status,
            envelope=envelope,
        )
    if status >= 500 or 300 <= status < 400:
        raise ServerTroubleError(f"Keepa {path}: {status}{detail}", status=status, envelope=envelope)
    if 400 <= status < 500:
        raise RequestRejectedError(
            f"Keepa {path}: {status} request rejected{detail}", status=status, envelope=envelope
        )
    raise KeepaError(f"Keepa {path}: unexpected status {status}{detail}", status=status, envelope=envelope)


_LONG_TOKEN = re.compile(r"[A-Za-z0-9]{40,}")


def _error_detail(body: object) -> str:
    """Keepa's own words on an error, shortened, with anything that could be a key removed."""
    error = body.get("error") if isinstance(body, Mapping) else None
    if not isinstance(error, Mapping):
        return ""
    words = " ".join(str(error[part]) for part in ("type", "message", "details") if error.get(part))
    return f" ({_LONG_TOKEN.sub('…', words)[:300]})" if words else ""


def _log_retry(state: tenacity.RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    pause = state.next_action.sleep if state.next_action else 0.0
    log.warning("%s; attempt %d follows in %.1f s", error, state.attempt_number + 1, pause)
