"""Unit and property tests: what can be a sample, and where the first is that cannot."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectd.kernels.samples import LARGEST_SAMPLE, BadSampleError, require_audio


@given(
    size=st.integers(1, 300),
    place=st.integers(0, 299),
    value=st.sampled_from([np.nan, np.inf, -np.inf, 65_537.0, -1e25, 3e38]),
    position=st.integers(0, 10**12),
)
def test_the_first_bad_sample_is_named(size: int, place: int, value: float, position: int) -> None:
    samples = np.linspace(-1, 1, size, dtype=np.float32)
    place = min(place, size - 1)
    samples[place:] = value
    with pytest.raises(BadSampleError) as caught:
        require_audio(samples, position)
    assert caught.value.position == position + place
    assert str(caught.value).startswith(f"sample {position + place} is ")


def test_all_that_may_be_sound_is_taken() -> None:
    require_audio(np.array([0, -0.0, 1, -32_768, LARGEST_SAMPLE, -LARGEST_SAMPLE], np.float32))
    require_audio(np.full(99, np.finfo(np.float32).tiny / 4, np.float32))
    require_audio(np.empty(0, np.float32))
