"""Keepa's answers as they were recorded, which lie beside the checkout and not in it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.paths import SAMPLES

needs_samples = pytest.mark.skipif(
    not SAMPLES.is_dir(), reason="the recorded Keepa answers are not beside this checkout"
)


def sample(name: str) -> Any:
    """The recorded answer in the file ``name``."""
    return json.loads((SAMPLES / name).read_text())
