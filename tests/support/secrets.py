"""A search for the secrets of a running deployment in all that it has written and says."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from keepa_deals.redaction import PART_LENGTH, forms, secrets_in
from keepa_deals.settings import SECRET_SETTINGS, Settings
from tests.support.deployment import Service
from tests.support.paths import ROOT

HOLDERS = ("run/runtime.env",)
"""Files of the home that hold the secrets: the processes of the deployment read them there."""
PAGES = ("/", "/health", "/api/status", "/api/deals", "/api/openapi.json", "/metrics", "/feed.atom",
         "/export.json?status=all")  # fmt: skip
DIAGNOSE = (sys.executable, str(ROOT / "Diagnostics" / "diagnose_dwindling_deals.py"))


def parts(secret: str, length: int = PART_LENGTH) -> set[str]:
    """Every part of so many characters."""
    return {secret[at : at + length] for at in range(len(secret) - length + 1)}


def shown(text: str, *secrets: str, length: int = PART_LENGTH) -> set[str]:
    """The parts of secrets that a text shows, whatever their case."""
    folded = text.lower()
    return {part for secret in secrets for part in parts(secret, length) if part.lower() in folded}


def secrets_of(settings: Settings) -> list[str]:
    """The key and the passwords, also as they are written in the encodings of the web."""
    values = [getattr(settings, name) for name in SECRET_SETTINGS]
    plain = [s for value in values if value is not None for s in secrets_in(value.get_secret_value())]
    return sorted({form for secret in plain if len(secret) >= PART_LENGTH for form in forms(secret)})


@dataclass(frozen=True)
class Searched:
    """Where was looked, and the places that show a part of a secret (never the part itself)."""

    secrets: int
    places: int
    megabytes: float
    found: tuple[str, ...]

    def __str__(self) -> str:
        told = f"; SHOWN in {', '.join(self.found)}" if self.found else ", found none"
        return (
            f"searched {self.places} files and outputs ({self.megabytes:.1f} MB) for every part of "
            f"{PART_LENGTH} characters of {self.secrets} secrets{told}"
        )


def search(service: Service) -> Searched:
    """Look through the home, the diagnosis in its three forms, the dashboard's pages, and what scripts said.

    The secrets are those that the deployment runs with.
    """
    secrets = secrets_of(service.settings)
    assert secrets, "the deployment runs without any secret"
    wanted = {part.lower().encode() for secret in secrets for part in parts(secret)}
    found, places, size = [], 0, 0
    for name, data in _written(service):
        places, size = places + 1, size + len(data)
        folded = data.lower()
        if any(part in folded for part in wanted):
            found.append(name)
    values = [getattr(service.settings, name) for name in SECRET_SETTINGS]
    held = sum(len(secrets_in(v.get_secret_value())) > 0 for v in values if v is not None)
    return Searched(held, places, size / 1e6, tuple(found))


def _written(service: Service) -> Iterator[tuple[str, bytes]]:
    yield from _diagnosis(service)
    for path in PAGES:
        with urllib.request.urlopen(f"{service.address}{path}", timeout=60) as answer:
            yield path, answer.read()
    for number, text in enumerate(service.said):
        yield f"output {number} of a script", text.encode()
    for file in sorted(service.home.rglob("*")):
        name = str(file.relative_to(service.home))
        if file.is_file() and name not in HOLDERS:
            yield name, file.read_bytes()


def _diagnosis(service: Service) -> Iterator[tuple[str, bytes]]:
    with tempfile.TemporaryDirectory() as folder:
        bundle = Path(folder) / "bundle.tar.gz"
        for arguments in ((), ("--json",), ("--bundle", str(bundle))):
            command = [*DIAGNOSE, *arguments]
            done = subprocess.run(command, env=service.environment, capture_output=True, check=False)
            yield " ".join(("diagnosis", *arguments[:1])), done.stdout + done.stderr
        with tarfile.open(bundle) as archive:
            for member in archive:
                if (file := archive.extractfile(member)) is not None:
                    yield f"bundle: {member.name}", file.read()
