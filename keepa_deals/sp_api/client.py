"""The client of Amazon's Selling Partner API: a log-in, and the two operations that are needed.

Each call is one attempt: who may call, and when again, is decided by whoever holds the usage plan's bucket.
"""

from __future__ import annotations

import reprlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from keepa_deals import redaction
from keepa_deals.clock import Clock, SystemClock
from keepa_deals.keepa.fields import real, text
from keepa_deals.sp_api.answers import (
    MAX_MESSAGE,
    FeeEstimate,
    FeeQuestion,
    Restriction,
    estimates_of,
    restriction_of,
)
from keepa_deals.sp_api.credentials import Credentials
from keepa_deals.sp_api.errors import (
    AccessExpiredError,
    CredentialsRefusedError,
    QuestionRefusedError,
    SpApiError,
    ThrottledError,
    TroubleError,
)
from keepa_deals.sp_api.exchange import WHOLE_TIMEOUT, Exchange, Reply
from keepa_deals.sp_api.places import LOGIN_URL, MARKETPLACE_IDS
from keepa_deals.sp_api.plans import Operation, told_rate

MAX_QUESTIONS = 20
"""Of one call for fees (guide: Product Fees API)."""
_EARLY = 60.0
"""An access token is not used in its last minute."""
_LONGEST = 3600.0
"""Amazon's live an hour (guide: Connecting to the Selling Partner API)."""
_USER_AGENT = "keepa_deals/0.1 (Language=Python)"
"""The guide asks for application, version and language."""
_LOGIN_REFUSALS = ("invalid_client", "invalid_grant", "unauthorized_client", "access_denied")


class Access(NamedTuple):
    """An access token, and until when it is used by the monotonic clock."""

    token: str
    until: float


class SpApiClient:
    """Calls Amazon as one seller. ``api_url`` and ``login_url`` may lead to a sandbox.

    ``rates`` has what the answers told of each operation's rate, in calls a second.
    """

    def __init__(
        self,
        credentials: Credentials,
        *,
        api_url: str | None = None,
        login_url: str | None = None,
        clock: Clock | None = None,
        whole_timeout: float = WHOLE_TIMEOUT,
    ) -> None:
        self.credentials = credentials.learn()
        self.rates: dict[Operation, float] = {}
        self._api_url = api_url or credentials.region.url
        self._login_url = login_url or LOGIN_URL
        self._clock = clock or SystemClock()
        self._exchange = Exchange(whole_timeout=whole_timeout)
        self._access: Access | None = None

    def close(self) -> None:
        self._exchange.close()

    def log_in(self) -> str:
        """An access token, the same until it is about to expire; ``CredentialsRefusedError`` when refused."""
        now = self._clock.monotonic()
        if self._access is None or now >= self._access.until:
            self._access = self._ask_for_access(now)
        return self._access.token

    def restriction(self, asin: str, domain_id: int, condition: str) -> Restriction:
        """Whether the seller may list a product in a condition."""
        query = {
            "asin": asin,
            "conditionType": condition,
            "sellerId": self.credentials.seller_id,
            "marketplaceIds": MARKETPLACE_IDS[domain_id],
        }
        path = "/listings/2021-08-01/restrictions"
        body = self._call(Operation.RESTRICTIONS, "GET", path, params=query)
        return restriction_of(body, domain_id, condition)

    def fees(self, questions: Sequence[FeeQuestion]) -> Sequence[FeeEstimate]:
        """What Amazon says of the fees, in one call: 1 to 20 questions, as many estimates."""
        if not 1 <= len(questions) <= MAX_QUESTIONS:
            raise ValueError(f"{len(questions)} questions about fees: 1 to {MAX_QUESTIONS} a call")
        asked = [question.to_json() for question in questions]
        body = self._call(Operation.FEES, "POST", "/products/fees/v0/feesEstimate", json=asked)
        return estimates_of(body, questions)

    def _call(self, operation: Operation, method: str, path: str, **options: Any) -> Any:
        headers = {"x-amz-access-token": self.log_in(), "User-Agent": _USER_AGENT}
        what = f"Amazon {operation}"
        reply = self._exchange.send(method, self._api_url + path, what, headers=headers, **options)
        rate = told_rate(reply.headers)
        if rate is not None:
            self.rates[operation] = rate
        if reply.status == 200 and reply.body is not None:
            return reply.body
        raise self._refusal(what, reply)

    def _refusal(self, what: str, reply: Reply) -> SpApiError:
        """What an answer other than 200 means (model: the responses of each operation)."""
        code, message = _error_in(reply.body)
        said = f"{what}: {reply.status} {code}{': ' if message else ''}{message}".rstrip()
        if reply.status == 429:
            return ThrottledError(f"{what}: more calls than the usage plan allows (429)")
        if reply.status in (401, 403) and "expired" in message.lower():
            self._access = None
            return AccessExpiredError(said)
        if reply.status in (401, 403):
            self._access = None
            return CredentialsRefusedError(
                f"{said}. The application needs the roles Product Listing and Pricing, and the seller’s leave"
            )
        if reply.status in (400, 404, 413, 415) and code:
            return QuestionRefusedError(said)
        return TroubleError(f"{what}: {reply.status}" + ("" if code else ", and no answer that can be read"))

    def _ask_for_access(self, now: float) -> Access:
        """Log in with the refresh token (guide: Connecting to the Selling Partner API)."""
        own = self.credentials
        form = {
            "grant_type": "refresh_token",
            "refresh_token": own.refresh_token,
            "client_id": own.client_id,
            "client_secret": own.client_secret,
        }
        what = "Login with Amazon"
        reply = self._exchange.send("POST", self._login_url, what, data=form)
        body = reply.body if isinstance(reply.body, Mapping) else {}
        token, lives = body.get("access_token"), real(body.get("expires_in"), 1, 10 * _LONGEST)
        if reply.status == 200 and isinstance(token, str) and token.isprintable() and lives:
            redaction.learn(token)
            return Access(token, now + max(1.0, min(lives, _LONGEST) - _EARLY))
        if reply.status == 429:
            raise ThrottledError(f"{what}: too many log-ins (429)")
        error = text(body.get("error"), 60)
        if error in _LOGIN_REFUSALS:
            why = text(body.get("error_description"), MAX_MESSAGE)
            raise CredentialsRefusedError(
                f"{what} refuses the credentials ({error}{f': {why}' if why else ''})"
            )
        raise TroubleError(
            f"{what}: {reply.status}{f' {error}' if error else ', and no answer that can be read'}"
        )


def _error_in(body: Any) -> tuple[str, str]:
    """Code and words of an answer's first error (models: ``ErrorList``, an object or a bare list).

    That a token has expired is told in its details.
    """
    listed = body.get("errors") if isinstance(body, Mapping) else body
    first = listed[0] if isinstance(listed, list) and listed else None
    if not isinstance(first, Mapping):
        return "", ""
    code = text(first.get("code"), 60) or reprlib.repr(first.get("code"))
    words = [text(first.get(name), MAX_MESSAGE // 2) for name in ("message", "details")]
    return code, " ".join(filter(None, words))
