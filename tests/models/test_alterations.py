"""Unit tests of the alterations: each does what its name says, and the level counts right."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from affectd.models.alterations import SAMPLE_RATE, alterations, with_noise

Samples = npt.NDArray[np.float32]


def speech() -> Samples:
    """Two seconds of a buzz with syllables, between half seconds of nothing."""
    seconds = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
    buzz = sum(np.sin(2 * np.pi * 150 * part * seconds) / part for part in range(1, 40))
    spoken = 0.1 * buzz * (0.1 + np.sin(2 * np.pi * 2 * seconds) ** 2)
    silence = np.zeros(SAMPLE_RATE // 2)
    return np.concatenate((silence, spoken, silence)).astype(np.float32)


def noise() -> Samples:
    return np.random.default_rng(3).standard_normal(SAMPLE_RATE).astype(np.float32)


def altered(name: str) -> Samples:
    (way,) = [way for way in alterations([noise()]) if way.name == name]
    found = way.change(speech(), np.random.default_rng(0))
    assert found.dtype == np.float32
    return found


def band_db(samples: Samples, low: float, high: float) -> float:
    power = np.abs(np.fft.rfft(samples)) ** 2
    hz = np.fft.rfftfreq(samples.size, 1 / SAMPLE_RATE)
    return float(10 * np.log10(power[(hz >= low) & (hz < high)].mean() + 1e-20))


def test_all_alterations_give_finite_samples_and_leave_the_clip_alone() -> None:
    clip = speech()
    for way in alterations([noise()]):
        found = way.change(clip, np.random.default_rng(0))
        assert np.isfinite(found).all(), way.name
        assert not np.array_equal(found, clip), way.name
    np.testing.assert_array_equal(clip, speech())


def test_the_same_chance_alters_in_the_same_way() -> None:
    for one, other in zip(alterations([noise()]), alterations([noise()]), strict=True):
        first = one.change(speech(), np.random.default_rng(5))
        np.testing.assert_array_equal(first, other.change(speech(), np.random.default_rng(5)))


def test_without_recordings_only_white_noise_is_added() -> None:
    assert not [way for way in alterations() if way.name.startswith("everyday")]
    assert [way for way in alterations([noise()]) if way.name.startswith("everyday")]


@pytest.mark.parametrize(("name", "factor"), [("gain +20 dB", 10.0), ("gain -20 dB", 0.1)])
def test_gain_multiplies(name: str, factor: float) -> None:
    np.testing.assert_allclose(altered(name), factor * speech(), rtol=1e-6)


def test_silence_is_put_before_or_behind() -> None:
    clip = speech()
    before, behind = altered("leading silence, 1 s"), altered("trailing silence, 1 s")
    np.testing.assert_array_equal(before[SAMPLE_RATE:], clip)
    np.testing.assert_array_equal(behind[: clip.size], clip)
    assert np.abs(before[:SAMPLE_RATE]).max() < 1e-3


def test_a_tenth_of_what_is_spoken_is_cropped() -> None:
    lost = speech().size - altered("cropped by 10 %").size
    assert lost == pytest.approx(0.1 * 2 * SAMPLE_RATE, rel=0.02)


def test_a_telephone_carries_nothing_above_4_khz() -> None:
    assert (
        band_db(altered("telephone, G.711 mu-law"), 4_300, 8_000)
        < band_db(speech(), 4_300, 8_000) - 20
    )
    assert band_db(altered("telephone, G.711 mu-law"), 300, 3_000) == pytest.approx(
        band_db(speech(), 300, 3_000), abs=1
    )


def test_opus_keeps_length_and_loudness() -> None:
    found = altered("Opus, 16 kbit/s")
    assert found.size == speech().size
    assert found.std() == pytest.approx(speech().std(), rel=0.1)


def test_a_tenth_of_what_sounds_is_clipped() -> None:
    found = altered("clipped, 10 % of samples")
    clip = np.abs(speech())
    sounding = clip > clip.max() * 10 ** (-30 / 20)
    assert np.mean(clip[sounding] > np.abs(found).max()) == pytest.approx(0.1, abs=0.01)


def test_a_room_dies_away_by_60_db_in_half_a_second() -> None:
    (way,) = [way for way in alterations() if way.family == "room"]
    click = np.zeros(2 * SAMPLE_RATE, np.float32)
    click[0] = 1
    echo = way.change(click, np.random.default_rng(0)).astype(np.float64)
    early = np.square(echo[800:1_600]).mean()
    late = np.square(echo[800 + 4_000 : 1_600 + 4_000]).mean()
    # A quarter of a second later it is 30 dB weaker.
    assert 10 * np.log10(early / late) == pytest.approx(30, abs=2)
    assert np.square(echo[1:]).sum() == pytest.approx(1, rel=0.01)


@pytest.mark.parametrize("snr_db", [20, 10, 5])
def test_noise_is_as_strong_as_asked_for(snr_db: int) -> None:
    clip = speech()
    added = altered(f"everyday noise, {snr_db} dB") - clip
    frames = np.square(clip[: clip.size // 320 * 320].reshape(-1, 320)).mean(axis=1)
    active = frames[frames > frames.max() / 1_000].mean()
    assert 10 * np.log10(active / np.square(added).mean()) == pytest.approx(snr_db, abs=0.1)


def test_silence_takes_no_noise() -> None:
    silence = np.zeros(1_000, np.float32)
    np.testing.assert_array_equal(with_noise(silence, noise(), 10), silence)
