"""Keeps secrets, as channels' addresses and a seller's credentials: encrypted, by a key that is in the home.

Whoever reads the database alone, or a copy of it, learns none. From the same key come what signs a webhook's
messages and the links that mute an alert.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import os
from collections.abc import Sequence
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from keepa_deals import atomic_file, redaction

KEY_FILE = "channels.key"
"""In the home. With a lost key the secrets must be given again; a new first line changes the key."""
_LINK_BYTES = 16
MUTE = "mute"
"""The purpose of a link that mutes an alert."""


class SecretBoxError(Exception):
    """The key can't be read, or does not fit what was encrypted; the text names the file and the way out."""


class SecretBox:
    """Encrypts and signs with the key of a home, which is made when it is first needed."""

    def __init__(self, home: Path) -> None:
        self._path = home / KEY_FILE
        self._keys: Sequence[bytes] = ()

    def encrypt(self, text: str) -> str:
        return self._fernet().encrypt(text.encode()).decode("ascii")

    def decrypt(self, token: str) -> str:
        """The text again; ``SecretBoxError`` when another key encrypted it."""
        try:
            return self._fernet().decrypt(token.encode()).decode()
        except InvalidToken:
            raise SecretBoxError(
                f"{self._path} is not the key that this was encrypted with: restore the old one, "
                "or delete the channel and add it again, or connect the seller again"
            ) from None

    def signing_secret(self, channel_id: int) -> bytes:
        """With it a webhook's messages are signed."""
        return self._derive(f"webhook {channel_id}")

    def link_token(self, purpose: str, number: int) -> str:
        """What a link carries that does one thing, and needs no log-in for it."""
        mac = self._derive(f"{purpose} {number}")[:_LINK_BYTES]
        return f"{number}-{base64.urlsafe_b64encode(mac).rstrip(b'=').decode('ascii')}"

    def number_of(self, purpose: str, token: str) -> int | None:
        """The number in a link's token; ``None`` when the token is none of ours."""
        number = token.partition("-")[0]
        if not (number.isascii() and number.isdigit() and len(number) < 10):
            return None
        fits = hmac.compare_digest(self.link_token(purpose, int(number)).encode(), token.encode())
        return int(number) if fits else None

    def _derive(self, purpose: str) -> bytes:
        return hmac.digest(self._read()[0], purpose.encode(), hashlib.sha256)

    def _fernet(self) -> MultiFernet:
        return MultiFernet([Fernet(key) for key in self._read()])

    def _read(self) -> Sequence[bytes]:
        if not self._keys:
            try:
                text = self._path.read_bytes()
            except FileNotFoundError:
                text = self._make()
            except OSError as error:
                raise SecretBoxError(f"{self._path} can't be read: {error.strerror}") from None
            self._keys = self._checked(text.split())
        return self._keys

    def _checked(self, keys: Sequence[bytes]) -> Sequence[bytes]:
        try:
            MultiFernet([Fernet(key) for key in keys])
        except ValueError:
            raise SecretBoxError(
                f"{self._path} holds no key: restore it, or delete it, add the channels again and connect the"
                " seller again"
            ) from None
        redaction.learn(*(key.decode("ascii") for key in keys))
        return keys

    def _make(self) -> bytes:
        """A new key; that of another process that made one at the same moment."""
        draft = self._path.with_name(f".{self._path.name}.{os.getpid()}.new")
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            atomic_file.write(draft, Fernet.generate_key())
            with contextlib.suppress(FileExistsError):
                os.link(draft, self._path)
            return self._path.read_bytes()
        except OSError as error:
            raise SecretBoxError(f"{self._path} can't be written: {error.strerror}") from None
        finally:
            draft.unlink(missing_ok=True)
