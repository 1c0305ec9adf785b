"""Voice activity: who speaks, decided every 10 ms by two judges and a memory."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import numpy.typing as npt
import webrtcvad
from annotated_types import Interval

__all__ = ["SAMPLE_RATE", "STEP_SAMPLES", "VoiceActivity", "VoiceSettings"]

STEP_SAMPLES = 160
"""10 ms at 16 kHz: the shortest frame that WebRTC's detector takes."""
STEP_SECONDS = 0.01
_RENEWED_STEPS = 3_000
# WebRTC's thresholds are made for speech whose peaks are about here, a quarter of full scale. It
# hears less and less of what is quieter, and ends words too soon.
_PEAK = 8_192
_MOST_GAIN = 100
_FADING = 512
SAMPLE_RATE = 16_000


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
    """

    def __init__(self, settings: VoiceSettings | None = None) -> None:
        self.settings = settings = settings or VoiceSettings()
        self._onset_steps = max(1, round(settings.onset_seconds / STEP_SECONDS))
        self._hangover_steps = max(1, round(settings.hangover_seconds / STEP_SECONDS))
        self._recent: deque[bool] = deque(maxlen=self._onset_steps * 3 // 2)
        self.reset()

    def reset(self) -> None:
        """Forget everything, as after a gap."""
        self._judge = webrtcvad.Vad(self.settings.aggressiveness)
        self._recent.clear()
        self._unvoiced_steps = 0
        self._loudest = 0
        self.speaking = False
        """Whether an utterance is going on, hang-over included."""

    def push(self, step: npt.NDArray[np.int16], snr_db: float) -> bool:
        """Hear the next 10 ms.

        Args:
            step: int16 ``(STEP_SAMPLES,)`` at 16 kHz.
            snr_db: The newest frame's level above the background.

        Returns:
            Whether this step is voiced; `speaking` is brought up to date.
        """
        voiced = snr_db >= self.settings.minimum_snr_db and self._judge.is_speech(
            self._levelled(step).tobytes(), SAMPLE_RATE
        )
        self._recent.append(voiced)
        if not self.speaking:
            self._unvoiced_steps += 1
            if self._unvoiced_steps >= _RENEWED_STEPS:
                # WebRTC's noise model drifts over minutes and has no reset. Half a minute after
                # the last utterance a new one takes its place, so that no onset is clipped.
                self._judge = webrtcvad.Vad(self.settings.aggressiveness)
                self._unvoiced_steps = 0
            if voiced and sum(self._recent) >= self._onset_steps:
                self.speaking = True
                self._unvoiced_steps = 0
        elif voiced:
            self._unvoiced_steps = 0
        else:
            self._unvoiced_steps += 1
            if self._unvoiced_steps >= self._hangover_steps:
                self.speaking = False
                self._recent.clear()
                self._unvoiced_steps = 0
        return bool(voiced)

    def _levelled(self, step: npt.NDArray[np.int16]) -> npt.NDArray[np.int16]:
        """Bring sound above its background to the detector's level, where it is quieter.

        The loudest sample fades by half in 3.5 s of such sound, and not in silence.
        """
        wide = step.astype(np.int32)
        peak = int(np.abs(wide).max())
        self._loudest = max(peak, self._loudest - self._loudest // _FADING)
        if self._loudest >= _PEAK:
            return step
        return (wide * _PEAK // max(self._loudest, _PEAK // _MOST_GAIN)).astype(np.int16)
