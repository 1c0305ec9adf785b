"""Whether somebody speaks: a detector's word every 10 ms, a level above the noise, and a memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from affectd.kernels.jit import kernel

__all__ = ["SAMPLE_RATE", "STEP_SAMPLES", "DetectorCode", "Voicing", "voice_step"]

SAMPLE_RATE = 16_000
STEP_SAMPLES = 160
"""10 ms at 16 kHz: the shortest frame that WebRTC's detector takes."""

Numbers = npt.NDArray[np.int64]
Samples = npt.NDArray[np.float32]

# The detector's thresholds are absolute: what is quieter it ends too soon, what is louder too late.
# So sound above its background is brought here before it is rounded, by up to 40 dB upwards.
_PEAK = np.float32(8_192)
# The loudest sample is kept in units of 2**-30 of full scale.
_QUIETEST = np.int64(_PEAK / 100 / 32_768 * 2**30)
# Floats may pass full scale; a glitch far beyond it must not make all that follows too faint.
_LOUDEST_KEPT = np.float32(16)
_FADING = 512

# Where things stand in `Voicing.numbers`.
_PROCESS, _INIT, _SET_MODE, _HANDLE, _MODE = range(5)
_ONSET_STEPS, _HANGOVER_STEPS, _RENEWED_STEPS = range(5, 8)
_UNVOICED_STEPS, SPEAKING, _PLACE, _LOUDEST, _RECENT = range(8, 13)


@dataclass(frozen=True, slots=True)
class DetectorCode:
    """WebRTC's detector as its C functions, by their addresses (<webrtc_vad.h>)."""

    process: int
    """``int WebRtcVad_Process(VadInst*, int fs, const int16_t* frame, size_t length)``"""
    init: int
    """``int WebRtcVad_Init(VadInst*)``"""
    set_mode: int
    """``int WebRtcVad_set_mode(VadInst*, int mode)``"""


class Voicing:
    """Hysteresis over the two judges: a detector in C, called without the interpreter, and a level.

    Args:
        code: The detector's functions.
        handle: Address of the detector of this stream, which must outlive this object.
        mode: The detector's aggressiveness, 0 to 3.
        minimum_snr_db: The detector is asked only where sound stands this far above its background.
        onset_steps: So many voiced steps, among one and a half times as many, begin speech.
        hangover_steps: After so many steps without voice it has ended.
        renewed_steps: The detector begins anew after so many steps without speech.

    Attributes:
        numbers: The whole state, as `voice_step` takes it.
    """

    def __init__(
        self,
        code: DetectorCode,
        handle: int,
        *,
        mode: int,
        minimum_snr_db: float,
        onset_steps: int,
        hangover_steps: int,
        renewed_steps: int,
    ) -> None:
        self.minimum_snr_db = minimum_snr_db
        self.numbers = np.zeros(_RECENT + max(1, onset_steps * 3 // 2), np.int64)
        fixed = (code.process, code.init, code.set_mode, handle, mode)
        self.numbers[: _RENEWED_STEPS + 1] = (*fixed, onset_steps, hangover_steps, renewed_steps)
        self.reset()

    def reset(self) -> None:
        """Forget everything, as after a gap."""
        _reset(self.numbers)

    @property
    def speaking(self) -> bool:
        """Whether an utterance is going on, hang-over included."""
        return bool(self.numbers[SPEAKING])

    @property
    def steps_to_change(self) -> int:
        """How many further steps `speaking` takes to change at the soonest, whatever they hold."""
        if self.speaking:
            return int(self.numbers[_HANGOVER_STEPS] - self.numbers[_UNVOICED_STEPS])
        return max(1, int(self.numbers[_ONSET_STEPS] - self.numbers[_RECENT:].sum()))

    def push(self, step: Samples, snr_db: float) -> bool:
        """Hear the next 10 ms, and return whether they are voiced.

        Args:
            step: float32 ``(STEP_SAMPLES,)`` at 16 kHz.
            snr_db: The newest frame's level above the background.
        """
        return bool(_push(self.numbers, self.minimum_snr_db, step, snr_db))


@intrinsic
def _call_intrinsic(typing_context: Any, function: Any, first: Any, others: Any) -> Any:
    """Call a C function by its address: a pointer, and then integers as they are typed."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address, pointer, rest = arguments
        values = [builder.extract_value(rest, place) for place in range(len(others))]
        given = [builder.inttoptr(pointer, context.get_value_type(types.voidptr)), *values]
        made = ir.FunctionType(context.get_value_type(types.int32), [each.type for each in given])
        return builder.call(builder.inttoptr(address, made.as_pointer()), given)

    return types.int32(types.int64, types.int64, others), generate


# Numba supplies the typing context when it compiles a call.
_call: Any = _call_intrinsic


@kernel()
def _renew(numbers: Numbers) -> None:
    _call(numbers[_INIT], numbers[_HANDLE], ())
    _call(numbers[_SET_MODE], numbers[_HANDLE], (np.int32(numbers[_MODE]),))


@kernel("void(int64[::1])")
def _reset(numbers: Numbers) -> None:
    _renew(numbers)
    numbers[_UNVOICED_STEPS:] = 0


@kernel()
def _level(numbers: Numbers, step: Samples, pcm: npt.NDArray[np.int16]) -> None:
    """Give the detector sound above its background, at the detector's level.

    The loudest sample fades by half in 3.5 s of such sound, and not in silence.
    """
    peak = np.float32(0)
    for sample in step:
        size = sample if sample > 0 else -sample
        peak = size if size > peak else peak
    peak = min(peak, _LOUDEST_KEPT)
    faded = numbers[_LOUDEST] - numbers[_LOUDEST] // _FADING
    numbers[_LOUDEST] = max(np.int64(peak * np.float32(2**30)), faded, _QUIETEST)
    gain = _PEAK * np.float32(2**30) / np.float32(numbers[_LOUDEST])
    for index in range(step.size):
        # As selections and not calls, so that all lanes are used.
        value = step[index] * gain
        value = value if value > -_PEAK else -_PEAK
        pcm[index] = np.int16(np.int32(value if value < _PEAK else _PEAK))


@kernel()
def voice_step(
    numbers: Numbers,
    minimum_snr_db: float,
    step: Samples,
    snr_db: float,
    pcm: npt.NDArray[np.int16],
) -> bool:
    """Hear one step; see `Voicing.push`. For other kernels.

    The last argument, as long as a step, is overwritten.
    """
    voiced = False
    if snr_db >= minimum_snr_db:
        _level(numbers, step, pcm)
        rate, samples = np.int32(SAMPLE_RATE), np.int64(STEP_SAMPLES)
        given = (rate, np.int64(pcm.ctypes.data), samples)
        voiced = _call(numbers[_PROCESS], numbers[_HANDLE], given) == 1
    recent = numbers[_RECENT:]
    recent[numbers[_PLACE]] = voiced
    numbers[_PLACE] = (numbers[_PLACE] + 1) % recent.size
    if numbers[SPEAKING] == 0:
        numbers[_UNVOICED_STEPS] += 1
        if numbers[_UNVOICED_STEPS] >= numbers[_RENEWED_STEPS]:
            # WebRTC's noise model drifts over minutes. Half a minute after the last utterance it
            # begins anew, so that no onset is clipped.
            _renew(numbers)
            numbers[_UNVOICED_STEPS] = 0
        if voiced and recent.sum() >= numbers[_ONSET_STEPS]:
            numbers[SPEAKING] = 1
            numbers[_UNVOICED_STEPS] = 0
    elif voiced:
        numbers[_UNVOICED_STEPS] = 0
    else:
        numbers[_UNVOICED_STEPS] += 1
        if numbers[_UNVOICED_STEPS] >= numbers[_HANGOVER_STEPS]:
            numbers[SPEAKING] = 0
            numbers[_UNVOICED_STEPS] = 0
            recent[:] = 0
    return voiced


@kernel("boolean(int64[::1], float64, float32[::1], float64)")
def _push(numbers: Numbers, minimum_snr_db: float, step: Samples, snr_db: float) -> bool:
    return voice_step(numbers, minimum_snr_db, step, snr_db, np.empty(STEP_SAMPLES, np.int16))
