"""How many examples a property tries: as many as its test says, or as many as the fuzzer asks for."""

from __future__ import annotations

import os

VARIABLE = "FUZZ_EXAMPLES"
"""Set by ``python -m tests.security.fuzz``."""


def examples(usual: int) -> int:
    return int(os.environ.get(VARIABLE, usual))
