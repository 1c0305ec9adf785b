"""What all tests share: how Hypothesis searches, and where Numba keeps what it compiled."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from hypothesis import HealthCheck, settings

# Two shared cores make single examples slow at times; no example is random between two runs.
settings.register_profile(
    "affectd",
    deadline=None,
    derandomize=True,
    max_examples=30,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("affectd")

if worker := os.environ.get("PYTEST_XDIST_WORKER"):
    # Two processes that compile one of librosa's functions for different types at the same time
    # take the same file for both, and the next one to load it runs the wrong machine code. The
    # daemons that a worker starts use its folder, too.
    root = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for source in sorted((root / "kernels").glob("*.py")):
        digest.update(source.read_bytes())
    cache = root / ".pytest_cache" / f"numba-{digest.hexdigest()[:16]}-{worker}"
    os.environ["NUMBA_CACHE_DIR"] = str(cache)
