"""The one seller of the deployment: connected, told apart from others, and how the last calls went."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from keepa_deals.db.models import Deal, ListingCheck, SellerAccount
from keepa_deals.redaction import redact
from keepa_deals.secret_box import SecretBox, SecretBoxError
from keepa_deals.sp_api.credentials import Credentials

_ONLY = 1
REFUSED_FOR = timedelta(hours=1)
"""For so long refused credentials are not tried again: the seller's leave may come back."""


class NotConnectedError(LookupError):
    """No seller is connected."""


def connected(session: Session) -> SellerAccount | None:
    """The connected seller; ``None`` when there is none."""
    return session.get(SellerAccount, _ONLY)


def credentials_of(account: SellerAccount, box: SecretBox) -> Credentials:
    """Decrypted; a ``SecretBoxError`` that names the way out when that can't be done."""
    text = box.decrypt(account.credentials)
    try:
        return Credentials.from_json(text)
    except ValueError:
        raise SecretBoxError("the seller's credentials cannot be read: connect the seller again") from None


def connect(session: Session, box: SecretBox, credentials: Credentials, now: datetime) -> None:
    """Keep credentials that Amazon has taken. What another seller was told is forgotten."""
    before = connected(session)
    if before is None or not _is_of(before, box, credentials):
        _forget_answers(session, now)  # also those of a run that went on while another was disconnected
    session.merge(
        SellerAccount(
            id=_ONLY,
            credentials=box.encrypt(credentials.to_json()),
            shown=credentials.shown,
            domain_id=credentials.domain_id,
            connected_at=now,
            answered_at=now,
            refusal=None,
            refused_at=None,
            trouble=None,
            trouble_at=None,
        )
    )


def _is_of(account: SellerAccount, box: SecretBox, credentials: Credentials) -> bool:
    """Whether the account is of the same seller and application."""
    try:
        return credentials_of(account, box).account_id == credentials.account_id
    except SecretBoxError:
        return False


def disconnect(session: Session, now: datetime) -> None:
    """Forget the seller, and all that Amazon told them; ``NotConnectedError`` when there is none."""
    account = connected(session)
    if account is None:
        raise NotConnectedError
    session.delete(account)
    _forget_answers(session, now)
    session.flush()


def _forget_answers(session: Session, now: datetime) -> None:
    session.execute(delete(ListingCheck))
    known = update(Deal).where(Deal.may_sell.is_not(None)).values(may_sell=None, changed_at=now)
    session.execute(known, execution_options={"synchronize_session": False})


def rests(account: SellerAccount, now: datetime) -> bool:
    """Whether its credentials were refused a short while ago."""
    return account.refused_at is not None and timedelta(0) <= now - account.refused_at < REFUSED_FOR


def note_answer(session: Session, now: datetime) -> None:
    """Amazon answered: whatever was wrong is over."""
    _note(session, answered_at=now, refusal=None, refused_at=None, trouble=None, trouble_at=None)


def note_refusal(session: Session, why: str, now: datetime) -> None:
    """Amazon refuses the credentials, or they cannot be read."""
    _note(session, refusal=redact(why), refused_at=now)


def note_trouble(session: Session, why: str, now: datetime) -> None:
    """Amazon could not be asked."""
    _note(session, trouble=redact(why), trouble_at=now)


def _note(session: Session, **values: str | datetime | None) -> None:
    session.execute(update(SellerAccount).where(SellerAccount.id == _ONLY).values(values))
