"""Forms that only our own pages can send. Flask-WTF makes and checks the tokens; we mask them.

A page is compressed, and it repeats what stands in its address. A token that were the same bytes in every
answer could then be guessed from the answers' lengths over TLS (BREACH). So each answer carries it under a
random mask of its own.
"""

from __future__ import annotations

import base64
import binascii
import secrets

from flask import Flask, Response
from flask_wtf.csrf import CSRFError, CSRFProtect, generate_csrf

from keepa_deals.web.auth.guard import bears_token, is_program_of_open_dashboard
from keepa_deals.web.http import errors


class _MaskedCsrf(CSRFProtect):  # type: ignore[misc]  # Flask-WTF comes without types
    def _get_csrf_token(self) -> str | None:
        return unmasked(super()._get_csrf_token())

    def protect(self, apply_exemptions: bool = False) -> None:
        if bears_token() or is_program_of_open_dashboard():
            return
        try:
            super().protect(apply_exemptions=apply_exemptions)
        except ValueError:  # over TLS the library splits the Referer that a stranger sent
            raise CSRFError("The referrer can't be read.") from None


def configure(app: Flask) -> None:
    app.config.update(WTF_CSRF_TIME_LIMIT=None)  # pages stay open all day; a session's end ends its token
    _MaskedCsrf(app)
    app.register_error_handler(CSRFError, _refused)


def csrf_token() -> str:
    """What a request that changes something sends as ``csrf_token`` (or in the header ``X-CSRFToken``)."""
    token = generate_csrf().encode()
    mask = secrets.token_bytes(len(token))
    return base64.urlsafe_b64encode(mask + _xor(token, mask)).decode()


def unmasked(masked: str | None) -> str | None:
    """The token under its mask; ``None`` when it is none of ours."""
    try:
        both = base64.b64decode((masked or "").encode("ascii"), altchars=b"-_", validate=True)
        half = len(both) // 2
        return _xor(both[half:], both[:half]).decode("ascii") or None
    except (binascii.Error, ValueError):
        return None


def _xor(text: bytes, mask: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(text, mask, strict=True))


def _refused(error: CSRFError) -> Response:
    return errors.answer(
        400,
        "This form did not come from a page of this dashboard, or the page is older than your session "
        f"({error.description}) Go back, reload the page and try again; cookies must be allowed.",
    )
