"""Unit and property tests of the noise floor, on noise whose level is known and on real speech."""

from __future__ import annotations

import itertools
from importlib import resources

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from affectd.kernels.front_end import FrontEnd
from affectd.kernels.logmel import LogMel
from affectd.kernels.speech import NoiseFloor

FRONT_ENDS = [FrontEnd(), FrontEnd(fft_samples=400, hop_samples=160, bands=80)]


def noise(seconds: float, level_db: float, seed: int = 5) -> np.ndarray:
    random = np.random.default_rng(seed)
    return (random.standard_normal(round(seconds * 16_000)) * 10 ** (level_db / 20)).astype(
        np.float32
    )


def snr_db(samples: np.ndarray, front_end: FrontEnd) -> np.ndarray:
    return NoiseFloor(front_end).push(LogMel(front_end).batch(samples))


def clip(name: str) -> np.ndarray:
    with (resources.files("affectd.engine") / "demo" / name).open("rb") as file:
        samples, _ = soundfile.read(file, dtype="float32")
    return samples


@pytest.mark.parametrize("front_end", FRONT_ENDS)
@pytest.mark.parametrize("level_db", [-60, -40, -20, -6])
@pytest.mark.parametrize("seed", [1, 2])
def test_steady_white_noise_never_stands_out_after_its_first_seconds(
    front_end: FrontEnd, level_db: float, seed: int
) -> None:
    heard = snr_db(noise(30, level_db, seed), front_end)
    settled = round(2 / front_end.frame_seconds)
    assert heard[settled:].max() < 3


@pytest.mark.parametrize("front_end", FRONT_ENDS)
@pytest.mark.parametrize("level_db", [-50, -40])
def test_the_floor_recovers_within_3_s_of_a_noise_step_of_20_db(
    front_end: FrontEnd, level_db: float
) -> None:
    samples = np.concatenate([noise(6, level_db, 1), noise(12, level_db + 20, 2)])
    heard = snr_db(samples, front_end)
    step = front_end.frames(6 * 16_000)
    assert heard[step + 5 : step + 20].min() > 10, "the step itself stands out"
    assert heard[step + round(3 / front_end.frame_seconds) :].max() < 3


def test_the_floor_comes_down_at_once_when_a_noise_stops() -> None:
    front_end = FrontEnd()
    loud, quiet, speech = noise(6, -20, 1), noise(1, -60, 2), clip("03a05Wb.opus")
    samples = np.concatenate([loud, quiet, speech + noise(speech.size / 16_000, -60, 3)])
    heard = snr_db(samples, front_end)
    assert np.median(heard[front_end.frames(7 * 16_000) :]) > 10


@pytest.mark.parametrize("name", ["03b09Nc.opus", "08a07Ta.opus", "03a04Fd.opus", "08b09Wc.opus"])
def test_speech_stands_clearly_above_a_quiet_room(name: str) -> None:
    front_end = FrontEnd()
    speech = clip(name)
    before = noise(3, -65, 1)
    samples = np.concatenate([before, speech + noise(speech.size / 16_000, -65, 2)])
    heard = snr_db(samples, front_end)[front_end.frames(before.size) + 4 :]
    assert np.percentile(heard, 75) > 20
    assert (heard > 3).mean() > 0.6


@pytest.mark.parametrize("gain_db", [-10, 20])
def test_speech_stands_out_alike_at_any_level(gain_db: int) -> None:
    spoken = clip("03b09Nc.opus")
    room = noise(2 + spoken.size / 16_000, -75)
    room[32_000:][: spoken.size] += spoken
    plain = snr_db(room, FrontEnd())
    changed = snr_db(np.float32(10 ** (gain_db / 20)) * room, FrontEnd())
    np.testing.assert_allclose(changed, plain, atol=0.01)


def test_speech_at_the_very_start_of_a_stream_stands_out() -> None:
    speech = clip("03a05Wb.opus")
    assert np.percentile(snr_db(speech, FrontEnd())[:40], 75) > 10


def test_digital_silence_has_the_lowest_ratio() -> None:
    heard = snr_db(np.zeros(5 * 16_000, np.float32), FrontEnd())
    assert (heard == -20).all()


def test_ratios_stay_within_their_range() -> None:
    samples = np.concatenate([np.zeros(48_000, np.float32), noise(1, 40), noise(1, -90)])
    heard = snr_db(samples, FrontEnd())
    assert heard.min() >= -20
    assert heard.max() == 60


@given(data=st.data())
def test_any_chunking_gives_the_same_ratios(data: st.DataObject) -> None:
    front_end = FrontEnd()
    frames = LogMel(front_end).batch(np.concatenate([noise(2, -50), clip("03a05Wb.opus")]))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(frames)), max_size=20)))
    floor = NoiseFloor(front_end)
    edges = [0, *cuts, len(frames)]
    pieces = [floor.push(frames[a:b]) for a, b in itertools.pairwise(edges)]
    expected = NoiseFloor(front_end).push(frames)
    assert np.concatenate(pieces).tobytes() == expected.tobytes()


def test_reset_forgets_the_background() -> None:
    front_end = FrontEnd()
    frames = LogMel(front_end).batch(noise(3, -30))
    floor = NoiseFloor(front_end)
    floor.push(frames + 30)
    floor.reset()
    assert floor.push(frames).tobytes() == NoiseFloor(front_end).push(frames).tobytes()


def test_steady_noise_is_no_sound_from_its_first_frame_on() -> None:
    heard = np.stack([snr_db(noise(3, -14, seed), FrontEnd()) for seed in range(8)])
    assert (heard >= 3).mean() < 0.05


def test_a_front_end_without_a_band_of_speech_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no band between 100\.0 and 5000\.0 Hz"):
        NoiseFloor(FrontEnd(low_hz=6_000.0, bands=8))
