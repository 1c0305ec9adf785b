"""Voice activity: who speaks, decided every 10 ms by two judges and a memory."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, ClassVar

import _webrtcvad
import numpy as np
import numpy.typing as npt
from annotated_types import Interval

from affectd.kernels.voicing import SAMPLE_RATE, STEP_SAMPLES, DetectorCode, Voicing

__all__ = ["SAMPLE_RATE", "STEP_SAMPLES", "VoiceActivity", "VoiceSettings"]

STEP_SECONDS = STEP_SAMPLES / SAMPLE_RATE
_RENEWED_STEPS = 3_000
_CAPSULE = b"WebRtcVadPtr"


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceSettings:
    """When speech begins and when it has ended."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    aggressiveness: Annotated[int, Interval(ge=0, le=3)] = 2
    """WebRTC's own setting, 0 (lets everything through) to 3."""
    minimum_snr_db: Annotated[float, Interval(ge=-20, le=60)] = 3.0
    """Sound must stand this far above its background. WebRTC alone calls 96–100 % of steady white
    noise speech; this judge, which follows the noise floor, lets through none of it."""
    onset_seconds: Annotated[float, Interval(ge=0.01, le=1)] = 0.08
    """Speech begins with this much voice within 1.5 times that time: less is a click."""
    hangover_seconds: Annotated[float, Interval(ge=0.1, le=1.5)] = 0.5
    """Speech has ended after this long without voice; pauses between words are shorter."""
    preroll_seconds: Annotated[float, Interval(ge=0, le=1)] = 0.3
    """What sounded just before the onset belongs to the utterance: soft consonants escape the
    detector."""


class VoiceActivity:
    """Hysteresis over the two judges. It holds no audio and knows no clock.

    Args:
        settings: When speech begins and ends.

    Attributes:
        voicing: The same, for kernels.
    """

    def __init__(self, settings: VoiceSettings | None = None) -> None:
        self.settings = settings = settings or VoiceSettings()
        # The package's C code is called by address, from kernels: through Python each of a
        # hundred calls a second costs more than the detector does.
        self._detector = _webrtcvad.create()
        self.voicing = Voicing(
            _detector_code(),
            _handle(self._detector),
            mode=settings.aggressiveness,
            minimum_snr_db=settings.minimum_snr_db,
            onset_steps=max(1, round(settings.onset_seconds / STEP_SECONDS)),
            hangover_steps=max(1, round(settings.hangover_seconds / STEP_SECONDS)),
            renewed_steps=_RENEWED_STEPS,
        )

    def reset(self) -> None:
        """Forget everything, as after a gap."""
        self.voicing.reset()

    @property
    def speaking(self) -> bool:
        """Whether an utterance is going on, hang-over included."""
        return self.voicing.speaking

    def push(self, step: npt.NDArray[np.float32], snr_db: float) -> bool:
        """Hear the next 10 ms.

        Args:
            step: float32 ``(STEP_SAMPLES,)`` at 16 kHz.
            snr_db: The newest frame's level above the background.

        Returns:
            Whether this step is voiced; `speaking` is brought up to date.
        """
        return self.voicing.push(step, snr_db)


@cache
def _detector_code() -> DetectorCode:
    library = ctypes.CDLL(_webrtcvad.__file__)

    def address(name: str) -> int:
        try:
            function = getattr(library, name)
        except AttributeError:
            raise ImportError(
                f"{_webrtcvad.__file__} does not export {name}: pip install webrtcvad-wheels"
            ) from None
        return ctypes.cast(function, ctypes.c_void_p).value or 0

    return DetectorCode(
        process=address("WebRtcVad_Process"),
        init=address("WebRtcVad_Init"),
        set_mode=address("WebRtcVad_set_mode"),
    )


def _handle(detector: Any) -> int:
    """Return the address that a detector's capsule holds."""
    pointer_of = ctypes.pythonapi.PyCapsule_GetPointer
    pointer_of.argtypes = [ctypes.py_object, ctypes.c_char_p]
    pointer_of.restype = ctypes.c_void_p
    return int(pointer_of(detector, _CAPSULE))
