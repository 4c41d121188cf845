"""One HTTP exchange with Amazon: bounded in time and in memory, whatever comes back.

Secrets travel in bodies and headers. Exceptions of ``requests`` are classified, never quoted or chained.
"""

from __future__ import annotations

import http.client
import http.cookiejar
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests
import urllib3

from keepa_deals.exchange_limit import WatchedAdapter, watched
from keepa_deals.settings import ca_bundle
from keepa_deals.sp_api.errors import TroubleError

CONNECT_TIMEOUT = 5.0
READ_TIMEOUT = 15.0
WHOLE_TIMEOUT = 20.0
"""Seconds for one exchange in all."""
MAX_BYTES = 2 * 1024 * 1024
"""Of one answer: twenty estimates have some 60 kB."""
_CHUNK = 64 * 1024


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: ``body`` is its JSON, ``None`` when it is none."""

    status: int
    headers: Mapping[str, str]
    body: Any


class Exchange:
    """Sends requests; a ``TroubleError`` when no answer comes whole, in time and in bounds."""

    def __init__(self, *, whole_timeout: float = WHOLE_TIMEOUT) -> None:
        self._whole_timeout = whole_timeout
        self._session = requests.Session()
        self._session.trust_env = False  # no .netrc; a proxy would see nothing, but nobody chose one here
        trusted = ca_bundle()
        if trusted is not None:
            self._session.verify = str(trusted[1])
        self._session.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
        adapter = WatchedAdapter()
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    def close(self) -> None:
        self._session.close()

    def send(self, method: str, url: str, what: str, **options: Any) -> Reply:
        """The answer; ``what`` names the call in errors, which quote nothing else of it."""
        trouble = f"{what}: the connection broke before the answer"
        with watched(self._whole_timeout) as watch:
            try:
                reply = self._exchange(method, url, what, options)
                if not watch.over:
                    return reply
                trouble = f"{what}: no whole answer within {self._whole_timeout:g} s"
            except TroubleError:
                raise
            except (
                requests.RequestException,
                urllib3.exceptions.HTTPError,
                OSError,
                http.client.HTTPException,
            ) as error:
                if watch.over or isinstance(error, requests.Timeout | TimeoutError):
                    trouble = f"{what}: no answer in time"
                elif isinstance(error, requests.exceptions.SSLError):
                    trouble = f"{what}: the TLS handshake failed"
                elif isinstance(error, requests.ConnectionError) and not _broke(error):
                    trouble = f"{what}: cannot connect"
        raise TroubleError(trouble)  # outside the handlers: neither cause nor context leads to a secret

    def _exchange(self, method: str, url: str, what: str, options: Mapping[str, Any]) -> Reply:
        response = self._session.request(
            method,
            url,
            timeout=(min(CONNECT_TIMEOUT, self._whole_timeout), min(READ_TIMEOUT, self._whole_timeout)),
            allow_redirects=False,  # a redirect would carry the secrets elsewhere
            stream=True,
            **options,
        )
        with response:
            body = bytearray()
            for chunk in response.iter_content(_CHUNK):
                body += chunk
                if len(body) > MAX_BYTES:
                    raise TroubleError(f"{what}: an answer of more than {MAX_BYTES >> 20} MB: too much")
        try:
            return Reply(response.status_code, response.headers, json.loads(body))
        except (ValueError, RecursionError):
            return Reply(response.status_code, response.headers, None)


def _broke(error: requests.ConnectionError) -> bool:
    """Whether there was a connection."""
    return isinstance(error.args[0] if error.args else None, urllib3.exceptions.ProtocolError)
