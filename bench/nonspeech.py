"""Sounds that nobody speaks: recorded everyday noise, and music, breath and claps from formulas."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from affectd.models.clips import read_audio
from affectd.models.corpora import NOISE

__all__ = ["SAMPLE_RATE", "SYNTHETIC", "Sound", "recorded", "synthetic"]

Samples = npt.NDArray[np.float32]
Wave = npt.NDArray[np.float64]

SAMPLE_RATE = 16_000
_SECONDS = 5
_PEAK = 0.3


@dataclass(frozen=True, slots=True)
class Sound:
    """A sound at 16 kHz."""

    kind: str
    """What makes it."""
    name: str
    samples: Samples
    """float32 ``(n,)``."""
    fold: str = ""
    """Of a recording: those of one source are in one fold."""

    @property
    def made(self) -> bool:
        """Whether it is synthesised."""
        return not self.fold


def recorded(corpora: Path) -> Iterator[Sound]:
    """Yield ESC-10, class by class.

    Source: K. J. Piczak, "ESC: Dataset for Environmental Sound Classification", ACM Multimedia
    2015.

    Raises:
        CorpusError: it is not at hand.
    """
    for clip in NOISE.list(corpora).clips:
        samples = read_audio(clip.path, sample_rate=SAMPLE_RATE)
        yield Sound(clip.native, clip.name, samples, clip.speaker)


def synthetic(count: int, *, seed: int) -> Iterator[Sound]:
    """Yield so many sounds of five seconds of each kind in `SYNTHETIC`."""
    for place, (kind, make) in enumerate(SYNTHETIC.items()):
        for number in range(count):
            wave = make(np.random.default_rng((seed, place, number)))
            samples = (_PEAK * wave / max(np.abs(wave).max(), 1e-9)).astype(np.float32)
            yield Sound(kind, f"{kind} {seed}.{number}", samples)


def _plucked(rng: np.random.Generator) -> Wave:
    """Notes and chords of decaying partials, on a tempered scale."""
    return _notes(rng, lambda hz, seconds: _pluck(hz, seconds, rng))


def _blown(rng: np.random.Generator) -> Wave:
    """Notes that are held, with vibrato, as of a flute or an organ."""
    return _notes(rng, lambda hz, seconds: _held(hz, seconds, rng))


def _modulated(rng: np.random.Generator) -> Wave:
    """Notes by frequency modulation, bells and brass.

    Source: J. M. Chowning, "The Synthesis of Complex Audio Spectra by Means of Frequency
    Modulation", JAES 21(7), 1973.
    """
    ratio, depth = float(rng.choice([1, 1.4, 2, 3.5])), rng.uniform(1, 6)

    def note(hz: float, seconds: Wave) -> Wave:
        fade = np.exp(-seconds * rng.uniform(1, 5))
        turned = 2 * np.pi * hz * seconds
        return fade * np.sin(turned + depth * fade * np.sin(ratio * turned))

    return _notes(rng, note)


def _beaten(rng: np.random.Generator) -> Wave:
    """A drum kit: thuds that fall in pitch, and hisses, on a beat, below plucked notes."""
    out = _plucked(rng) * rng.uniform(0, 1)
    beat = rng.uniform(0.2, 0.4)
    for number, at in enumerate(np.arange(0, _SECONDS - 0.3, beat)):
        seconds = np.arange(round(0.2 * SAMPLE_RATE)) / SAMPLE_RATE
        if number % 2:
            hit = rng.standard_normal(seconds.size) * np.exp(-seconds * rng.uniform(20, 60))
        else:
            hit = np.sin(2 * np.pi * (50 * seconds - 4 * np.exp(-seconds * 30)))
            hit *= 2 * np.exp(-seconds * 18)
        first = round(at * SAMPLE_RATE)
        out[first : first + hit.size] += hit
    return out


def _breath(rng: np.random.Generator) -> Wave:
    """In and out: noise through two wide resonances, swelling and fading."""
    out = np.zeros(_SECONDS * SAMPLE_RATE)
    at = 0.2
    while at < _SECONDS - 1.5:
        length = rng.uniform(0.5, 1.4)
        count = round(length * SAMPLE_RATE)
        hiss = rng.standard_normal(count)
        for low, high, width in ((400, 900, 300), (1_200, 2_000, 500)):
            hiss = _resonate(hiss, rng.uniform(low, high), width)
        swell = np.sin(np.pi * np.arange(count) / count) ** 1.5
        first = round(at * SAMPLE_RATE)
        out[first : first + count] += hiss / hiss.std() * swell * rng.uniform(0.5, 1)
        at += length + rng.uniform(0.2, 0.8)
    return out


def _claps(rng: np.random.Generator) -> Wave:
    """Hands, one pair or several, each clap a short burst with a resonance."""
    out = np.zeros(_SECONDS * SAMPLE_RATE)
    for _ in range(int(rng.integers(1, 5))):
        at, every = rng.uniform(0, 0.5), rng.uniform(0.15, 0.6)
        while at < _SECONDS - 0.2:
            seconds = np.arange(round(0.12 * SAMPLE_RATE)) / SAMPLE_RATE
            burst = rng.standard_normal(seconds.size) * np.exp(-seconds * rng.uniform(50, 160))
            burst = _resonate(burst, rng.uniform(700, 2_500), 600)
            first = round(at * SAMPLE_RATE)
            out[first : first + seconds.size] += burst / np.abs(burst).max()
            at += every * rng.uniform(0.8, 1.2)
    return out


def _hum(rng: np.random.Generator) -> Wave:
    """A motor or a mains transformer that starts and stops, with its harmonics."""
    seconds = np.arange(_SECONDS * SAMPLE_RATE) / SAMPLE_RATE
    turned = np.cumsum(rng.uniform(40, 220) * (1 + 0.05 * np.sin(seconds * rng.uniform(0.2, 3))))
    out = np.zeros(seconds.size)
    for partial in range(1, 30):
        out += np.sin(2 * np.pi * partial * turned / SAMPLE_RATE + rng.uniform(0, 6.28)) / (
            partial ** rng.uniform(0.3, 1.2)
        )
    out += rng.uniform(0, 0.5) * rng.standard_normal(seconds.size)
    running = np.sin(2 * np.pi * seconds / rng.uniform(1.5, 4) + rng.uniform(0, 6.28)) > 0
    fade = np.convolve(running, np.ones(1_600) / 1_600, "same")
    return np.asarray(out * fade)


def _beeps(rng: np.random.Generator) -> Wave:
    """An alarm or a telephone: tones on and off, and sweeps."""
    seconds = np.arange(_SECONDS * SAMPLE_RATE) / SAMPLE_RATE
    low, high = sorted(rng.uniform(300, 3_500, 2))
    sweep = 0.5 + 0.5 * np.sin(2 * np.pi * seconds * rng.uniform(0.5, 6))
    hz = low + (high - low) * (sweep if rng.random() < 0.5 else (sweep > 0.5))
    on = np.sin(2 * np.pi * seconds * rng.uniform(0.8, 4)) > rng.uniform(-0.8, 0.2)
    fade = np.convolve(on, np.ones(160) / 160, "same")
    turned = 2 * np.pi * np.cumsum(hz) / SAMPLE_RATE
    partials = np.sin(turned) + rng.uniform(0, 0.6) * np.sin(2 * turned)
    return np.asarray(fade * partials + 1e-3 * rng.standard_normal(seconds.size))


SYNTHETIC: dict[str, Callable[[np.random.Generator], Wave]] = {
    "music, plucked": _plucked,
    "music, blown": _blown,
    "music, bells and brass": _modulated,
    "music, with drums": _beaten,
    "breath": _breath,
    "claps": _claps,
    "hum": _hum,
    "beeps": _beeps,
}
"""How each kind is made, at any level."""


def _notes(rng: np.random.Generator, note: Callable[[float, Wave], Wave]) -> Wave:
    out = np.zeros(_SECONDS * SAMPLE_RATE)
    chord = [1.0] if rng.random() < 0.5 else [1.0, 2 ** (rng.integers(3, 5) / 12), 2 ** (7 / 12)]
    lowest = 80 * 2 ** rng.uniform(0, 2)
    at = 0
    while at < out.size:
        count = min(round(rng.uniform(0.12, 0.7) * SAMPLE_RATE), out.size - at)
        seconds = np.arange(count) / SAMPLE_RATE
        hz = lowest * 2 ** (rng.integers(0, 24) / 12)
        if rng.random() < 0.9:
            out[at : at + count] += sum(note(hz * step, seconds) for step in chord)
        at += count
    return out


def _pluck(hz: float, seconds: Wave, rng: np.random.Generator) -> Wave:
    fall, slope = rng.uniform(1, 6), rng.uniform(0.8, 1.6)
    partials = [part for part in range(1, 10) if part * hz < 7_500]
    tone = sum(np.sin(2 * np.pi * part * hz * seconds) / part**slope for part in partials)
    return np.asarray(np.exp(-fall * seconds) * tone)


def _held(hz: float, seconds: Wave, rng: np.random.Generator) -> Wave:
    wave = rng.uniform(0, 0.01) * np.sin(2 * np.pi * rng.uniform(4, 7) * seconds)
    turned = 2 * np.pi * hz * (seconds + wave / 5)
    partials = [part for part in range(1, 14) if part * hz < 7_500]
    slope = rng.uniform(0.5, 2)
    tone = sum(np.sin(part * turned) / part**slope for part in partials)
    edge = np.minimum(1, np.minimum(seconds, seconds[-1] - seconds) / 0.03)
    return np.asarray(edge * tone + rng.uniform(0, 0.05) * rng.standard_normal(seconds.size))


def _resonate(wave: Wave, hz: float, width_hz: float) -> Wave:
    """Return a wave through one resonance, in the frequency domain."""
    size = 1 << (2 * wave.size - 1).bit_length()
    frequencies = np.fft.rfftfreq(size, 1 / SAMPLE_RATE)
    gain = 1 / (1 + 1j * (frequencies**2 - hz**2) / np.maximum(frequencies, 1) / width_hz)
    return np.asarray(np.fft.irfft(np.fft.rfft(wave, size) * gain, size)[: wave.size])
