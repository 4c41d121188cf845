"""What a seller's own application logs in with (guide: Authorizing Selling Partner API applications)."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass, fields

from keepa_deals import redaction
from keepa_deals.sp_api.places import REGIONS, Region

_CLIENT_ID = re.compile(r"amzn1\.application-oa2-client\.[0-9A-Za-z]{8,64}", re.ASCII)
_SECRET = re.compile(r"[!-~]{16,256}")
_REFRESH_TOKEN = re.compile(r"Atzr\|[!-~]{16,2040}")
_SELLER_ID = re.compile(r"A[0-9A-Z]{9,19}", re.ASCII)
_FORMS = {
    "client_id": (_CLIENT_ID, "amzn1.application-oa2-client. and letters and digits"),
    "client_secret": (_SECRET, "16 to 256 characters without blanks"),
    "refresh_token": (_REFRESH_TOKEN, "Atzr| and what follows it, without blanks"),
    "seller_id": (_SELLER_ID, "A and 9 to 19 capital letters and digits (Seller Central: merchant token)"),
}


@dataclass(frozen=True, slots=True)
class Credentials:
    """Of one seller and one region, which is that of ``domain_id``. Its text shows no secret."""

    client_id: str
    client_secret: str
    refresh_token: str
    seller_id: str
    domain_id: int

    def __repr__(self) -> str:
        return f"Credentials({self.shown})"

    @property
    def region(self) -> Region:
        return REGIONS[self.domain_id]

    @property
    def shown(self) -> str:
        """Whose they are, for people."""
        return f"seller {self.seller_id}, application …{self.client_id[-6:]}"

    @property
    def account_id(self) -> str:
        """Stands for the seller and the application, to whom Amazon's usage plans belong."""
        return hashlib.sha256(f"{self.client_id}/{self.seller_id}/{self.region}".encode()).hexdigest()[:16]

    def learn(self) -> Credentials:
        """Hide the secrets in whatever this process writes from now on."""
        redaction.learn(self.client_secret, self.refresh_token)
        return self

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Credentials:
        """What ``to_json`` wrote; a ``ValueError`` when it is none of its."""
        raw = json.loads(text)
        if not isinstance(raw, dict) or set(raw) != {field.name for field in fields(cls)}:
            raise ValueError("these are no credentials")
        return checked(**raw)


def checked(**given: object) -> Credentials:
    """Credentials of the right form; a ``ValueError`` names the field and never its value."""
    for name, (pattern, allowed) in _FORMS.items():
        value = given.get(name)
        if not isinstance(value, str) or pattern.fullmatch(value) is None:
            raise ValueError(f"{name.replace('_', ' ')}: must be {allowed}")
    if given.get("domain_id") not in REGIONS:
        raise ValueError(f"domain: must be one of {', '.join(map(str, sorted(REGIONS)))}")
    return Credentials(**given).learn()  # type: ignore[arg-type]
