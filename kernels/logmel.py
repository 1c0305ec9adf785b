"""The spectrogram in dB, mel or linear: one kernel, a streaming face and a batch face."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from rocket_fft import r2c

from affectd.kernels.front_end import FrontEnd
from affectd.kernels.jit import kernel

__all__ = ["LogMel", "NonFiniteSampleError", "require_finite"]

Samples = npt.NDArray[np.float32]
Frames = npt.NDArray[np.float32]

_FFT_AXES = np.zeros(1, np.int64)


class NonFiniteSampleError(ValueError):
    """A sample is NaN or infinite; `position` counts from the start of the stream."""

    def __init__(self, position: int, value: float) -> None:
        super().__init__(f"sample {position} is {value}: audio must be finite")
        self.position = position
        self.value = value


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
        filterbank = front_end.filterbank()
        self._window = front_end.window()
        self._first_bin, self._offset = filterbank.first_bin, filterbank.offset
        self._weights = filterbank.weights
        # As long as the spectrum at least, for it holds the samples first and their power then.
        self._windowed = np.empty(front_end.fft_samples, np.float32)
        self._spectrum = np.empty(front_end.fft_samples // 2 + 1, np.complex64)
        self._tail = np.zeros(front_end.fft_samples, np.float32)
        self._tail_samples = 0
        self._position = 0

    def reset(self) -> None:
        """Forget the samples kept so far; the next one is position 0 again."""
        self._tail_samples = 0
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
        held = self._tail_samples + samples.size
        out = np.empty((self.front_end.frames(held), self.front_end.columns), np.float32)
        kept = self._run(self._tail, self._tail_samples, samples, out)
        if kept < 0:
            require_finite(samples, self._position)
        self._tail_samples = kept
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
        out = np.empty((self.front_end.frames(samples.size), self.front_end.columns), np.float32)
        if self._run(np.zeros(self.front_end.fft_samples, np.float32), 0, samples, out) < 0:
            require_finite(samples)
        return out

    def _run(self, tail: Samples, tail_samples: int, samples: Samples, out: Frames) -> int:
        plain = self.front_end.spectrum != "samples" and not self.front_end.extras
        if not plain and _first_non_finite(samples) >= 0:
            return -1
        if self.front_end.spectrum == "samples":
            held = np.concatenate((tail[:tail_samples], samples))
            out[:] = held[: out.size].reshape(out.shape)
            rest = held[out.size :]
            tail[: rest.size] = rest
            return rest.size
        if self.front_end.extras and len(out):
            # Imported where needed: most models want the bands alone.
            from affectd.kernels.waveform import measure

            measure(self.front_end, np.concatenate((tail[:tail_samples], samples)), out)
        return _log_mel(
            tail,
            tail_samples,
            samples,
            self.front_end.hop_samples,
            self._window,
            self._first_bin,
            self._offset,
            self._weights,
            np.float32(self.front_end.floor_power),
            self._windowed,
            self._spectrum,
            out,
        )


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
    finite, and no smaller than the smallest normal number.
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
    "int64(float32[::1], int64, float32[::1], int64, float32[::1], int64[::1], int64[::1],"
    " float32[::1], float32, float32[::1], complex64[::1], float32[:, ::1])",
    fastmath={"reassoc", "contract", "arcp", "nsz"},
)
def _log_mel(
    tail: Samples,
    tail_samples: int,
    samples: Samples,
    hop_samples: int,
    window: Samples,
    first_bin: npt.NDArray[np.int64],
    offset: npt.NDArray[np.int64],
    weights: Samples,
    floor_power: np.float32,
    windowed: Samples,
    spectrum: npt.NDArray[np.complex64],
    out: Frames,
) -> int:
    """Fill ``out`` from ``tail`` and then ``samples``; return how much ``tail`` now holds.

    Where a sample is not finite it returns -1 and has changed nothing.
    """
    if _first_non_finite(samples) >= 0:
        return -1
    fft_samples = window.size
    power = windowed  # its samples are spent once the transform has run
    start = 0
    for frame in range(out.shape[0]):
        from_tail = min(max(tail_samples - start, 0), fft_samples)
        for index in range(from_tail):
            windowed[index] = tail[start + index] * window[index]
        shift = start - tail_samples
        for index in range(from_tail, fft_samples):
            windowed[index] = samples[shift + index] * window[index]
        r2c(windowed, spectrum, _FFT_AXES, True, 1.0, 1)
        for bin_index in range(spectrum.size):
            value = spectrum[bin_index]
            power[bin_index] = value.real * value.real + value.imag * value.imag
        for band in range(first_bin.size):
            first = first_bin[band]
            low = offset[band]
            total = np.float32(0)
            for index in range(offset[band + 1] - low):
                total += weights[low + index] * power[first + index]
            out[frame, band] = max(total, floor_power)
        _to_db(out[frame][: first_bin.size])
        start += hop_samples

    kept_from_tail = max(tail_samples - start, 0)
    for index in range(kept_from_tail):
        tail[index] = tail[start + index]
    first_sample = max(start - tail_samples, 0)
    for index in range(samples.size - first_sample):
        tail[kept_from_tail + index] = samples[first_sample + index]
    return kept_from_tail + samples.size - first_sample
