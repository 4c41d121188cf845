"""Where the project lies, and the recorded answers beside it."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT.parent / "shared" / "keepa_samples"
"""Not part of the project: a test that needs them skips with a reason where they are missing."""
