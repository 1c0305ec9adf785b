"""The spectral gate: noise goes down, speech stays, and padding is not heard."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from affectd.kernels.front_end import FrontEnd
from affectd.models.spectral_gate import spectral_gate
from affectd.models.views import Image
from affectd.models.windowing import Windowing

_FRAMES, _BANDS = 120, 24


def _noisy(seed: int = 3) -> torch.Tensor:
    """Noise about -60 dB, with a burst at -10 dB in the middle of some bands."""
    rng = np.random.default_rng(seed)
    frames = rng.normal(-60, 3, (1, _FRAMES, _BANDS)).astype(np.float32)
    frames[0, 40:70, 6:14] = rng.normal(-10, 3, (30, 8))
    return torch.from_numpy(frames)


def _windowing() -> Windowing:
    front_end = FrontEnd(bands=_BANDS)
    return Windowing(
        front_end=front_end,
        normalisation="none",
        window_seconds=(_FRAMES - 1) * front_end.frame_seconds
        + front_end.fft_samples / front_end.sample_rate,
        hop_seconds=0.25,
        minimum_seconds=0.5,
    )


def test_noise_goes_down_and_a_burst_stays() -> None:
    noisy = _noisy()
    gated = spectral_gate(noisy, torch.ones(1, _FRAMES, 1), margin_db=15, reduction_db=20)
    change = (gated - noisy)[0]
    burst = torch.zeros(_FRAMES, _BANDS, dtype=torch.bool)
    burst[41:69, 7:13] = True
    around = torch.zeros_like(burst)
    around[39:71, 5:15] = True
    assert change[burst].abs().max() < 0.1
    assert change[~around].max() < -18
    assert change[~around].min() >= -20


def test_a_steady_hum_of_one_band_is_noise() -> None:
    noisy = _noisy()
    noisy[0, :, 20] = -20
    gated = spectral_gate(noisy, torch.ones(1, _FRAMES, 1), margin_db=15, reduction_db=20)
    assert (gated - noisy)[0, :, 20].max() < -18


@pytest.mark.parametrize("frames", [1, 5, 60, 119])
def test_what_is_not_valid_changes_nothing(frames: int) -> None:
    noisy = _noisy()
    padded = noisy.clone()
    padded[0, frames:] = 7.0
    valid = (torch.arange(_FRAMES) < frames).float()[None, :, None]
    alone = spectral_gate(
        noisy[:, :frames], torch.ones(1, frames, 1), margin_db=15, reduction_db=20
    )
    gated = spectral_gate(padded, valid, margin_db=15, reduction_db=20)
    torch.testing.assert_close(gated[:, :frames], alone, atol=1e-3, rtol=0)


def test_an_image_is_gated_before_it_is_scaled() -> None:
    windowing = _windowing()
    frames = torch.tensor([_FRAMES])
    plain = Image(windowing, levels="decibel")(_noisy(), frames)
    gated = Image(windowing, levels="decibel", gate_db=15)(_noisy(), frames)
    quiet, loud = (slice(None), 0, slice(0, 38)), (slice(None), 0, slice(42, 68), slice(8, 12))
    lowered = (plain[quiet] - 17 / 80).clamp(min=0)
    assert (gated[quiet] <= lowered + 1e-6).all()
    assert plain[quiet].median() > 0.15
    torch.testing.assert_close(plain[loud], gated[loud], atol=2e-3, rtol=0)


def test_a_gate_wants_levels_in_db() -> None:
    windowing = _windowing()
    with pytest.raises(ValueError, match="gate_db wants the levels"):
        Image(windowing, gate_db=15)
    with pytest.raises(ValueError, match="must not be negative"):
        Image(windowing, levels="decibel", gate_db=-1)
