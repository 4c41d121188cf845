"""One HTTP exchange with Keepa: bounded in time and in memory, whatever comes back.

The key travels in the query string, and ``requests`` and ``urllib3`` put the URL into their messages:
their exceptions are therefore never chained and never quoted, only classified.
"""

from __future__ import annotations

import http.client
import http.cookiejar
import logging
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter

from keepa_deals.exchange_limit import WatchedAdapter, watched
from keepa_deals.keepa.errors import (
    AnswerTooLargeError,
    ServerTroubleError,
    TimedOutError,
    TooSlowError,
    UnreadableAnswerError,
)
from keepa_deals.logs import redact
from keepa_deals.settings import ca_bundle

CONNECT_TIMEOUT = 5.0
READ_TIMEOUT = 30.0
PRODUCT_TIMEOUT = 120.0
"""A call for products may refresh them first: what the official client waits (api_backend: KeepaAPI.java)."""
WHOLE_TIMEOUT = 120.0
"""Seconds for one exchange in all: a server that sends a byte now and then keeps every shorter limit."""
MAX_BYTES = 64 * 1024 * 1024
"""Of one answer, unpacked: a page of deals has half a megabyte, 100 products with histories some ten."""
CHUNK = 64 * 1024
MAX_CAUSES = 5
"""Of one error, each wrapped in the next."""
_ENCODINGS = frozenset({"", "identity", "gzip"})


class _WithoutKey(logging.Filter):
    """Takes the key out of what ``urllib3`` logs of its URLs, whatever level and handler are in use."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redact(record.getMessage()), ()
        return True


for _logger in ("urllib3.connection", "urllib3.connectionpool", "urllib3.poolmanager", "urllib3.util.retry"):
    logging.getLogger(_logger).addFilter(_WithoutKey())


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer as it came: its whole body, unpacked."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport:
    """Sends requests with the key; a failure is one of ``keepa.errors`` that names neither URL nor key."""

    def __init__(
        self,
        api_key: str,
        base_url: str,
        *,
        connect_timeout: float = CONNECT_TIMEOUT,
        whole_timeout: float = WHOLE_TIMEOUT,
        adapter: HTTPAdapter | None = None,
    ) -> None:
        self._key = api_key
        self.base_url = base_url.rstrip("/")
        self._connect_timeout = connect_timeout
        self._whole_timeout = whole_timeout
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy and no .netrc: the URL holds the key
        trusted = ca_bundle()
        if trusted is not None:
            self._session.verify = str(trusted[1])
        self._session.headers["Accept-Encoding"] = "gzip"
        self._session.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
        chosen = adapter or WatchedAdapter()
        self._session.mount("http://", chosen)
        self._session.mount("https://", chosen)

    def close(self) -> None:
        self._session.close()

    def send(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any],
        json_body: Mapping[str, Any] | None,
        read_timeout: float,
    ) -> Reply:
        """The answer; a ``ServerTroubleError`` of some kind when none comes whole, in time and in bounds."""
        trouble: ServerTroubleError
        with watched(self._whole_timeout) as watch:
            try:
                reply = self._exchange(method, path, query, json_body, read_timeout)
                if not watch.over:
                    return reply
                raise TimeoutError  # cut by us: a body without a length looks whole then
            except ServerTroubleError:
                raise
            except (
                requests.RequestException,
                urllib3.exceptions.HTTPError,
                OSError,
                http.client.HTTPException,
            ) as error:
                trouble = self._trouble(error, path, read_timeout, too_long=watch.over)
        # Raised outside the handlers: neither cause nor context leads to the URL.
        raise trouble

    def _exchange(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any],
        json_body: Mapping[str, Any] | None,
        read_timeout: float,
    ) -> Reply:
        response = self._session.request(
            method,
            self.base_url + path,
            params={**query, "key": self._key},
            json=json_body,
            timeout=(self._connect_timeout, min(read_timeout, self._whole_timeout)),
            allow_redirects=False,  # a redirect would carry the key elsewhere
            stream=True,
        )
        with response:
            encoding = response.headers.get("Content-Encoding", "").strip().lower()
            if encoding not in _ENCODINGS:
                raise UnreadableAnswerError(
                    f"Keepa {path}: {response.status_code} packed as {encoding[:20]!r}, not as asked for",
                    status=response.status_code,
                    maybe_charged=True,
                )
            body = _read(response, path)
            return Reply(response.status_code, response.headers, body)

    def _trouble(
        self, error: Exception, path: str, read_timeout: float, *, too_long: bool
    ) -> ServerTroubleError:
        """What a library's exception means; its words are not used, for they quote the URL."""
        inner = error.args[0] if error.args else None
        if too_long:
            return TooSlowError(
                f"Keepa {path}: no whole answer within {self._whole_timeout:g} s", maybe_charged=True
            )
        if isinstance(error, requests.ConnectTimeout):
            return ServerTroubleError(f"Keepa {path}: no connection within {self._connect_timeout:g} s")
        if isinstance(error, requests.Timeout | TimeoutError) or isinstance(
            inner, urllib3.exceptions.ReadTimeoutError
        ):
            return TimedOutError(f"Keepa {path}: no answer within {read_timeout:g} s", maybe_charged=True)
        if isinstance(error, requests.exceptions.SSLError):
            return ServerTroubleError(
                f"Keepa {path}: the TLS handshake with {self.base_url} failed{_distrust(error)}"
            )
        if isinstance(
            error, requests.exceptions.ChunkedEncodingError | requests.exceptions.ContentDecodingError
        ):
            return ServerTroubleError(f"Keepa {path}: the answer broke off", maybe_charged=True)
        if isinstance(error, requests.ConnectionError):
            return self._connection_trouble(error, path)
        return ServerTroubleError(f"Keepa {path}: {type(error).__name__}", maybe_charged=True)

    def _connection_trouble(self, error: requests.ConnectionError, path: str) -> ServerTroubleError:
        """Whether the connection never came about, or broke while the answer was on its way."""
        inner = error.args[0] if error.args else None
        if isinstance(inner, urllib3.exceptions.ProtocolError):
            return ServerTroubleError(
                f"Keepa {path}: the connection broke before the answer", maybe_charged=True
            )
        return ServerTroubleError(f"Keepa {path}: cannot connect to {self.base_url}")


def _distrust(error: BaseException) -> str:
    """Why a certificate is not trusted, in OpenSSL's words, and the way out; empty for another failure."""
    seen = 0
    inner: Any = error
    while isinstance(inner, BaseException) and seen < MAX_CAUSES:
        if isinstance(inner, ssl.SSLCertVerificationError):
            return f" ({inner.verify_message}): a CA of your own is named with REQUESTS_CA_BUNDLE"
        inner = getattr(inner, "reason", None) or (inner.args[0] if inner.args else None)
        seen += 1
    return ""


def _read(response: requests.Response, path: str) -> bytes:
    """The whole body; an ``AnswerTooLargeError`` as soon as it is more than ``MAX_BYTES``."""
    body = bytearray()
    for chunk in response.iter_content(CHUNK):  # unpacked piece by piece: a bomb does not go off
        body += chunk
        if len(body) > MAX_BYTES:
            raise AnswerTooLargeError(
                f"Keepa {path}: {response.status_code} with more than {MAX_BYTES >> 20} MB: too much",
                status=response.status_code,
                maybe_charged=True,
            )
    return bytes(body)
