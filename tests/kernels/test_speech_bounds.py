"""Where speech lies between silences, and what is kept of them."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from affectd.kernels.front_end import FrontEnd
from affectd.kernels.speech_bounds import speech_bounds, trimmed


@given(
    lead=st.integers(0, 80), speech=st.integers(5, 150), trail=st.integers(0, 80), gap=st.booleans()
)
def test_speech_is_found_between_silences(lead: int, speech: int, trail: int, gap: bool) -> None:
    rng = np.random.default_rng(0)
    logmel = rng.normal(-70, 1, (lead + speech + trail, 64)).astype(np.float32)
    logmel[lead : lead + speech] += 50
    if gap and speech > 20:
        logmel[lead + 8 : lead + 12] -= 50  # a pause within is kept
    if lead + trail > 10 or not gap:
        assert speech_bounds(logmel) == (lead, lead + speech)


def test_a_window_is_trimmed_to_its_speech_with_a_margin_and_a_minimum() -> None:
    front_end = FrontEnd()
    logmel = np.random.default_rng(0).normal(-70, 1, (150, front_end.bands)).astype(np.float32)
    logmel[60:110] += 50
    kept = trimmed(logmel, front_end, margin_seconds=0.1, minimum_seconds=0.2)
    margin = round(0.1 / front_end.frame_seconds)
    np.testing.assert_array_equal(kept, logmel[60 - margin : 110 + margin])
    longer = trimmed(logmel, front_end, margin_seconds=0.1, minimum_seconds=1.5)
    assert len(longer) == front_end.frames(round(1.5 * front_end.sample_rate))
    assert len(trimmed(logmel, front_end, margin_seconds=0.1, minimum_seconds=60)) == 150
