"""Known ways in which speech reaches a microphone otherwise than it left the mouth."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

__all__ = ["SAMPLE_RATE", "Alteration", "alterations", "with_noise"]

Samples = npt.NDArray[np.float32]
Change = Callable[[Samples, np.random.Generator], Samples]
Family = Literal["same words", "line", "noise", "room"]

SAMPLE_RATE = 16_000
_SILENCE_SECONDS = 1.0
_SILENCE_DB = -80.0
_CROPPED = 0.1
_TELEPHONE_RATE = 8_000
_OPUS_BITS_A_SECOND = 16_000
_REVERBERATION_SECONDS = 0.5
_DIRECT_TO_REVERBERANT_DB = 0.0
_CLIPPED = 0.1
_ACTIVE_DB = 30.0
_SPOKEN_DB = 40.0
_FRAME = 320


@dataclass(frozen=True, slots=True)
class Alteration:
    """One way to alter speech, and how well a model ought to bear it."""

    name: str
    family: Family
    change: Change
    """Takes samples at 16 kHz, float32 ``(n,)``, and a source of chance; returns new ones."""
    unchanged_at_least: float | None = None
    """Share of the winning labels, percent, that ought to stay as they were."""
    lost_at_most: float | None = None
    """Points of UAR that may be lost."""


def alterations(noises: Sequence[Samples] = ()) -> tuple[Alteration, ...]:
    """Return all alterations, from those that change nothing that is said to the hardest.

    Args:
        noises: Recordings of everyday noise at 16 kHz, float32 ``(n,)`` each; without any only
            white noise is added.
    """
    found = [
        Alteration("gain +20 dB", "same words", _gain(20.0), unchanged_at_least=95),
        Alteration("gain -20 dB", "same words", _gain(-20.0), unchanged_at_least=95),
        Alteration("leading silence, 1 s", "same words", _leading, unchanged_at_least=95),
        Alteration("trailing silence, 1 s", "same words", _trailing, unchanged_at_least=95),
        Alteration("cropped by 10 %", "same words", _crop, unchanged_at_least=95),
        Alteration("telephone, G.711 mu-law", "line", _telephone),
        Alteration("Opus, 16 kbit/s", "line", _opus),
        Alteration("clipped, 10 % of samples", "line", _clip),
        Alteration("room, RT60 0.5 s", "room", _reverberate),
    ]
    for snr_db in (20, 10, 5):
        lost = 5.0 if snr_db == 20 else None
        found.append(
            Alteration(f"white noise, {snr_db} dB", "noise", _white(snr_db), lost_at_most=lost)
        )
        if noises:
            found.append(
                Alteration(
                    f"everyday noise, {snr_db} dB",
                    "noise",
                    _everyday(noises, snr_db),
                    lost_at_most=lost,
                )
            )
    return tuple(found)


def with_noise(speech: Samples, noise: Samples, snr_db: float) -> Samples:
    """Return speech with noise added at a ratio of powers.

    Speech counts by its active level: the mean power of the 20 ms frames within 30 dB of the
    loudest, for pauses are no speech; noise by its mean power.

    Args:
        speech: float32 ``(n,)``.
        noise: float32, at least as long; what is too long is left out.
        snr_db: dB.
    """
    noise = noise[: speech.size]
    whole = speech.size - speech.size % _FRAME
    powers = np.square(speech[:whole].reshape(-1, _FRAME), dtype=np.float64).mean(axis=1)
    if not powers.size or not powers.max():
        return speech.copy()
    active = powers[powers > powers.max() * 10 ** (-_ACTIVE_DB / 10)].mean()
    wanted = active / 10 ** (snr_db / 10)
    gain = np.sqrt(wanted / max(float(np.square(noise, dtype=np.float64).mean()), 1e-20))
    mixed: Samples = speech + (gain * noise).astype(np.float32)
    return mixed


def _gain(decibels: float) -> Change:
    factor = np.float32(10 ** (decibels / 20))

    def change(samples: Samples, rng: np.random.Generator) -> Samples:
        # Nothing is cut off: float samples may pass full scale, as between two mixing desks.
        louder: Samples = samples * factor
        return louder

    return change


def _silence(rng: np.random.Generator) -> Samples:
    count = round(_SILENCE_SECONDS * SAMPLE_RATE)
    return (10 ** (_SILENCE_DB / 20) * rng.standard_normal(count)).astype(np.float32)


def _leading(samples: Samples, rng: np.random.Generator) -> Samples:
    return np.concatenate((_silence(rng), samples))


def _trailing(samples: Samples, rng: np.random.Generator) -> Samples:
    return np.concatenate((samples, _silence(rng)))


def _crop(samples: Samples, rng: np.random.Generator) -> Samples:
    """Cut away a tenth of what is spoken, part of it in front and the rest behind."""
    loud = np.flatnonzero(np.abs(samples) > np.abs(samples).max() * 10 ** (-_SPOKEN_DB / 20))
    if not loud.size:
        return samples.copy()
    first, last = int(loud[0]), int(loud[-1]) + 1
    cut = round(_CROPPED * (last - first))
    before = int(rng.integers(cut + 1))
    left = samples[first + before : last - (cut - before)]
    return np.concatenate((samples[:first], left, samples[last:]))


def _telephone(samples: Samples, rng: np.random.Generator) -> Samples:
    """Pass through 8 kHz and the mu-law of ITU-T G.711."""
    low = soxr.resample(samples, SAMPLE_RATE, _TELEPHONE_RATE)
    heard = _through_file(np.clip(low, -1, 1), _TELEPHONE_RATE, "WAV", "ULAW")
    return _as_long(soxr.resample(heard, _TELEPHONE_RATE, SAMPLE_RATE), samples.size)


def _opus(samples: Samples, rng: np.random.Generator) -> Samples:
    # libsndfile asks for 6,000 bit/s and 250,000 more times one less the compression level.
    level = 1 - (_OPUS_BITS_A_SECOND - 6_000) / 250_000
    heard = _through_file(np.clip(samples, -1, 1), SAMPLE_RATE, "OGG", "OPUS", level)
    return _as_long(heard, samples.size)


def _clip(samples: Samples, rng: np.random.Generator) -> Samples:
    """Cut off the loudest tenth of the samples that sound, as an amplifier does that is too loud.

    Pauses are left out of the count, or a clip with long ones would hardly be touched.
    """
    size = np.abs(samples)
    sounding = size[size > size.max() * 10 ** (-_ACTIVE_DB / 20)]
    if not sounding.size:
        return samples.copy()
    limit = float(np.quantile(sounding, 1 - _CLIPPED))
    clipped: Samples = np.clip(samples, -limit, limit)
    return clipped


def _reverberate(samples: Samples, rng: np.random.Generator) -> Samples:
    """Play it in a room: noise that dies away, as strong in sum as the sound itself.

    Source of the model: J.-D. Polack, "La transmission de l'énergie sonore dans les salles",
    Université du Maine, 1988.
    """
    count = round(_REVERBERATION_SECONDS * SAMPLE_RATE)
    decay = np.exp(-np.log(1e3) * np.arange(count) / count)
    tail = rng.standard_normal(count) * decay
    tail[: SAMPLE_RATE // 500] = 0  # the first echo comes after 2 ms
    tail *= 10 ** (-_DIRECT_TO_REVERBERANT_DB / 20) / np.sqrt(np.square(tail).sum())
    tail[0] = 1
    size = 1 << (samples.size + count - 1).bit_length()
    wet = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(tail, size), size)
    return wet[: samples.size + count // 2].astype(np.float32)


def _white(snr_db: float) -> Change:
    def change(samples: Samples, rng: np.random.Generator) -> Samples:
        noise = rng.standard_normal(samples.size).astype(np.float32)
        return with_noise(samples, noise, snr_db)

    return change


def _everyday(noises: Sequence[Samples], snr_db: float) -> Change:
    def change(samples: Samples, rng: np.random.Generator) -> Samples:
        noise = noises[int(rng.integers(len(noises)))]
        start = int(rng.integers(noise.size))
        return with_noise(samples, np.resize(np.roll(noise, -start), samples.size), snr_db)

    return change


def _through_file(
    samples: Samples, rate: int, kind: str, subtype: str, level: float | None = None
) -> Samples:
    """Write samples in a lossy format and read them again."""
    file = io.BytesIO()
    if level is None:
        soundfile.write(file, samples, rate, format=kind, subtype=subtype)
    else:
        soundfile.write(file, samples, rate, format=kind, subtype=subtype, compression_level=level)
    file.seek(0)
    heard, _ = soundfile.read(file, dtype="float32")
    return np.asarray(heard, np.float32)


def _as_long(samples: Samples, count: int) -> Samples:
    """Cut or pad a few samples that a codec added or lost."""
    out = np.zeros(count, np.float32)
    out[: min(count, samples.size)] = samples[:count]
    return out
