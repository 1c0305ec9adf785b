"""Real speech for the tests of the live path."""

from __future__ import annotations

import numpy as np
import pytest

from affectd.engine.sources import DemoSource


@pytest.fixture(scope="session")
def clips() -> list[np.ndarray]:
    """The demo's clips, float32 at 16 kHz."""
    return list(DemoSource().clips())


@pytest.fixture(scope="session")
def speech(clips: list[np.ndarray]) -> np.ndarray:
    """All clips, each after 1.2 s of silence, float32 at 16 kHz."""
    pause = np.zeros(19_200, np.float32)
    return np.concatenate([piece for clip in clips for piece in (pause, clip)] + [pause])
