"""The spectrogram in dB, mel or linear: one kernel, a streaming face and a batch face."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from rocket_fft import r2c

from affectd.kernels.fourier import POWER_SAMPLES, power_spectrum
from affectd.kernels.front_end import FrontEnd
from affectd.kernels.jit import kernel
from affectd.kernels.mel import MelWeights, sums_of_bands
from affectd.kernels.samples import BadSampleError
from affectd.kernels.vectors import LANES

__all__ = ["LogMel", "NonFiniteSampleError", "require_finite"]

Samples = npt.NDArray[np.float32]
Frames = npt.NDArray[np.float32]

_FFT_AXES = np.zeros(1, np.int64)
_TAIL_SAMPLES = 3
"""Where the number of samples in the tail stands."""


class NonFiniteSampleError(BadSampleError):
    """A sample is NaN or infinite; `position` counts from the start of the stream."""


class LogMel:
    """Log-mel frames of one stream, or whatever else its front end says.

    `push` takes whatever block arrives and returns the frames that it completes; however a signal
    is cut, the frames are the same to the last bit. `batch` computes a whole signal at once with
    the same kernel and leaves the stream alone.

    Args:
        front_end: What to compute.
    """

    def __init__(self, front_end: FrontEnd | None = None) -> None:
        self.front_end = front_end = front_end or FrontEnd()
        self._plain = front_end.spectrum != "samples" and not front_end.extras
        numbers, self._constants = _constants(front_end)
        self._numbers = numbers.copy()
        self._tail = np.zeros(front_end.fft_samples, np.float32)
        self._position = 0

    def reset(self) -> None:
        """Forget the samples kept so far; the next one is position 0 again."""
        self._numbers[_TAIL_SAMPLES] = 0
        self._position = 0

    def push(self, samples: Samples) -> Frames:
        """Return the frames that these samples complete.

        Args:
            samples: Mono, at `FrontEnd.sample_rate`, nominally within ±1; float32 ``(n,)``.

        Returns:
            dB, float32 ``(frames, columns)``, newest last; often no frame at all. The columns are
            the bands and then `FrontEnd.extras`.

        Raises:
            NonFiniteSampleError: a sample is NaN or infinite. Nothing of the block is kept.
            TypeError: the block is not a one-dimensional float32 array.
        """
        samples = _checked(samples)
        if self._plain:
            out = _log_mel(self._numbers, self._constants, self._tail, samples)
        else:
            out = self._measured(self._numbers, self._tail, samples)
        if not out.shape[1]:
            require_finite(samples, self._position)
        self._position += samples.size
        return out

    def batch(self, samples: Samples) -> Frames:
        """Return every whole frame of a signal, as `push` would from its start.

        Args:
            samples: As for `push`.

        Returns:
            dB, float32 ``(FrontEnd.frames(n), columns)``.

        Raises:
            NonFiniteSampleError: a sample is NaN or infinite.
            TypeError: the signal is not a one-dimensional float32 array.
        """
        samples = _checked(samples)
        numbers = self._numbers.copy()
        numbers[_TAIL_SAMPLES] = 0
        tail = np.empty_like(self._tail)
        if self._plain:
            out = _log_mel(numbers, self._constants, tail, samples)
        else:
            out = self._measured(numbers, tail, samples)
        if not out.shape[1]:
            require_finite(samples)
        return out

    def _measured(self, numbers: npt.NDArray[np.int64], tail: Samples, samples: Samples) -> Frames:
        """Return frames with something else than a spectrum in them; see `_log_mel`."""
        if _first_non_finite(samples) >= 0:
            return np.empty((0, 0), np.float32)
        held = np.concatenate((tail[: numbers[_TAIL_SAMPLES]], samples))
        columns = self.front_end.columns
        if self.front_end.spectrum == "samples":
            whole = held.size - held.size % columns
            rest = held[whole:]
            tail[: rest.size] = rest
            numbers[_TAIL_SAMPLES] = rest.size
            return held[:whole].reshape(-1, columns)
        # Imported where needed: most models want the bands alone.
        from affectd.kernels.waveform import measure

        bands = _log_mel(numbers, self._constants, tail, samples)
        out = np.empty((len(bands), columns), np.float32)
        out[:, : self.front_end.bands] = bands
        measure(self.front_end, held, out)
        return out


@lru_cache(maxsize=16)  # all streams of a model share them; to make them takes a millisecond
def _constants(front_end: FrontEnd) -> tuple[npt.NDArray[np.int64], Samples]:
    """Return what `_log_mel` calls its numbers, with an empty tail, and its constants.

    They are few arrays, for each one that is handed over costs as much as a tenth of a hop's work.
    """
    mel = MelWeights(front_end.filterbank())
    size = front_end.fft_samples
    fixed = [front_end.hop_samples, size, front_end.bands, 0, max(mel.bins, size), mel.chunks.size]
    numbers = np.concatenate([fixed, mel.chunks, mel.first_bin])
    constants = np.concatenate([[front_end.floor_power], front_end.window(), mel.weights])
    return numbers, constants.astype(np.float32)


def _checked(samples: Samples) -> Samples:
    if samples.dtype != np.float32 or samples.ndim != 1:
        raise TypeError(
            f"samples are {samples.dtype} of shape {samples.shape}; needed is float32 (n,)"
        )
    return samples if samples.flags.c_contiguous else np.ascontiguousarray(samples)


def require_finite(samples: Samples, position: int = 0) -> None:
    """Refuse NaN and infinity.

    Args:
        samples: Contiguous float32 ``(n,)``.
        position: Number of the first sample in its stream.

    Raises:
        NonFiniteSampleError: a sample is NaN or infinite.
    """
    bad = _first_non_finite(samples)
    if bad >= 0:
        raise NonFiniteSampleError(position + bad, float(samples[bad]))


@kernel("int64(float32[::1])")
def _first_non_finite(samples: Samples) -> int:
    # A sum is non-finite if any term is: one fast pass, and a search only where there is a reason.
    total = np.float32(0)
    for index in range(samples.size):
        total += samples[index] * np.float32(0)
    if total == 0:
        return -1
    for index in range(samples.size):
        if not np.isfinite(samples[index]):
            return index
    return -1


@kernel()
def _to_db(values: Samples) -> None:
    """Turn powers into dB in place, without a call or a branch, so that all lanes are used.

    The logarithm is that of Cephes' ``logf`` (S. Moshier, 1992): exponent and mantissa are taken
    apart, and a polynomial of the eighth degree is good to one unit in the last place. Values are
    no smaller than the smallest normal number, and finite: the power of samples that
    `affectd.kernels.samples.require_audio` lets through is.
    """
    bits = values.view(np.int32)
    for place in range(values.size):
        word = bits[place]
        # Below the square root of a half the mantissa is doubled, so that it lies around 1.
        low = np.int32((word & 0x7FFFFF) < 0x3504F3)
        exponent = np.float32(np.int32(word >> 23) - np.int32(126) - low)
        bits[place] = np.int32((word & 0x7FFFFF) | (0x3F000000 + (low << 23)))
        x = values[place] - np.float32(1)
        z = x * x
        y = np.float32(7.0376836292e-2)
        y = y * x + np.float32(-1.1514610310e-1)
        y = y * x + np.float32(1.1676998740e-1)
        y = y * x + np.float32(-1.2420140846e-1)
        y = y * x + np.float32(1.4249322787e-1)
        y = y * x + np.float32(-1.6668057665e-1)
        y = y * x + np.float32(2.0000714765e-1)
        y = y * x + np.float32(-2.4999993993e-1)
        y = y * x + np.float32(3.3333331174e-1)
        y = x * z * y + exponent * np.float32(-2.12194440e-4) - np.float32(0.5) * z
        natural = x + y + exponent * np.float32(0.693359375)
        values[place] = natural * np.float32(4.342944819032518)


@kernel(
    "float32[:, ::1](int64[::1], float32[::1], float32[::1], float32[::1])",
    fastmath={"reassoc", "contract", "arcp", "nsz"},
)
def _log_mel(
    numbers: npt.NDArray[np.int64], constants: Samples, tail: Samples, samples: Samples
) -> Frames:
    """Return the frames that ``tail`` and then ``samples`` hold, and keep in ``tail`` the rest.

    Where a sample is not finite it returns frames of no bands and has changed nothing.

    Args:
        numbers: Hop, size of a frame, bands, samples in the tail, room for a spectrum, groups of
            bands; and `MelWeights.chunks` and `MelWeights.first_bin`.
        constants: The floor, the window, the weights.
        tail: Samples not yet spent, as many as a frame has at most.
        samples: The new ones.
    """
    if _first_non_finite(samples) >= 0:
        return np.empty((0, 0), np.float32)
    hop_samples, size, bands = numbers[0], numbers[1], numbers[2]
    tail_samples = numbers[_TAIL_SAMPLES]
    bins, groups = numbers[4], numbers[5]
    chunks = numbers[6 : 6 + groups]
    first_bin = numbers[6 + groups :]
    floor_power = constants[0]
    window = constants[1 : 1 + size]
    weights = constants[1 + size :]
    held = tail_samples + samples.size
    frames = max(0, (held - size) // hop_samples + 1)
    out = np.empty((frames, bands), np.float32)
    joined = np.empty(size, np.float32)
    power = np.zeros(bins, np.float32)
    summed = np.empty(first_bin.size, np.float32)
    spectrum = np.empty(size // 2 + 1, np.complex64)
    start = 0
    for frame in range(frames):
        place = start - tail_samples
        source = samples
        if place < 0:
            # The frame begins in the tail.
            for index in range(-place):
                joined[index] = tail[start + index]
            for index in range(size + place):
                joined[index - place] = samples[index]
            source, place = joined, 0
        if size == POWER_SAMPLES:
            power_spectrum(source, place, window, power)
        else:
            for index in range(size):
                joined[index] = source[place + index] * window[index]
            r2c(joined, spectrum, _FFT_AXES, True, 1.0, 1)
            for bin_index in range(spectrum.size):
                value = spectrum[bin_index]
                power[bin_index] = value.real * value.real + value.imag * value.imag
        taken = 0
        for group in range(groups):
            band = group * LANES
            sums_of_bands(weights, taken, power, first_bin, band, chunks[group], summed)
            taken += chunks[group] * LANES * LANES
        for band in range(bands):
            out[frame, band] = max(summed[band], floor_power)
        _to_db(out[frame])
        start += hop_samples

    kept_from_tail = max(tail_samples - start, 0)
    for index in range(kept_from_tail):
        tail[index] = tail[start + index]
    first_sample = max(start - tail_samples, 0)
    for index in range(samples.size - first_sample):
        tail[kept_from_tail + index] = samples[first_sample + index]
    numbers[_TAIL_SAMPLES] = kept_from_tail + samples.size - first_sample
    return out
