"""What is made sound again has nearly the spectrogram that it was made of."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from affectd.export.speech import demo_clips
from affectd.kernels.front_end import FrontEnd
from affectd.kernels.logmel import LogMel
from affectd.models.clips import read_audio
from affectd.models.resynthesis import resynthesised

FRONT_END = FrontEnd()


def centred(samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return a spectrogram in dB below its highest value, each frame around its time."""
    half = FRONT_END.fft_samples // 2
    frames = LogMel(FRONT_END).batch(np.pad(samples, half))
    return np.maximum(frames - frames.max(), -80)


@pytest.fixture(scope="module")
def speech() -> npt.NDArray[np.float32]:
    samples = read_audio(demo_clips()[0], sample_rate=FRONT_END.sample_rate)
    return samples[: 3 * FRONT_END.sample_rate]


def test_speech_keeps_its_spectrogram(speech: npt.NDArray[np.float32]) -> None:
    given = centred(speech)
    samples = resynthesised(given, FRONT_END)
    assert samples.dtype == np.float32
    assert samples.size == (len(given) - 1) * FRONT_END.hop_samples
    assert np.abs(samples).max() == pytest.approx(0.5)
    again = centred(samples)
    loud = given > -40
    assert loud.mean() > 0.2
    assert np.abs(again - given)[loud].mean() < 1.5
    # It is no copy: the phases are lost.
    least = min(speech.size, samples.size)
    assert abs(np.corrcoef(speech[:least], samples[:least])[0, 1]) < 0.5


def test_the_same_comes_out_each_time(speech: npt.NDArray[np.float32]) -> None:
    given = centred(speech)
    first, second = (resynthesised(given, FRONT_END) for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("frames", [1, 2, 40])
def test_silence_stays_silent(frames: int) -> None:
    samples = resynthesised(np.full((frames, FRONT_END.bands), -80, np.float32), FRONT_END)
    assert samples.size == (frames - 1) * FRONT_END.hop_samples
    assert not samples.any()
