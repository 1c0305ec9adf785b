"""All the logic of one stream, with no thread, no clock and no I/O in it."""

from __future__ import annotations

from base64 import b64encode
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import soxr

from affectd.engine.artefact import Metadata
from affectd.engine.ear import Ear, Heard
from affectd.engine.judge import Judge, NonFiniteResultError
from affectd.engine.level import LevelWatch
from affectd.engine.protocol import (
    Device,
    Emotion,
    Error,
    ErrorCode,
    Event,
    Gap,
    Load,
    Mel,
    Speech,
    Utterance,
)
from affectd.engine.segmenter import Cut, Segmenter, SegmenterSettings
from affectd.engine.smoothing import SmoothingSettings
from affectd.engine.voice import SAMPLE_RATE, STEP_SAMPLES, VoiceActivity, VoiceSettings
from affectd.engine.voice_baseline import VoiceBaseline
from affectd.kernels.front_end import FrontEnd
from affectd.kernels.listening import FRAME_SPEAKING, FRAME_VOICED, Listener
from affectd.kernels.logmel import LogMel
from affectd.kernels.samples import require_audio
from affectd.kernels.speech import NoiseFloor

__all__ = ["Session", "SessionSettings", "Window"]


_MEL_FRAMES = 4
_MEL_RANGE_DB = (-80.0, 40.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSettings:
    """Everything about a stream that may be configured."""

    voice: VoiceSettings = field(default_factory=VoiceSettings)
    segmenter: SegmenterSettings = field(default_factory=SegmenterSettings)
    smoothing: SmoothingSettings = field(default_factory=SmoothingSettings)


@dataclass(frozen=True, slots=True)
class Window:
    """What the model shall hear: give its logits to `Session.resolve`."""

    stream: str
    cut: Cut
    logmel: npt.NDArray[np.float32]
    """As the model takes it, float32 ``(frames, bands)``."""
    captured_at: float
    """When its last sample was captured, in seconds of the engine's clock."""
    completed_at: float
    """When the last sample of the block that closed it was captured: later than `captured_at` by
    the rest of that block, and for a final window by the hang-over."""
    wants_vector: bool = False
    """Whether `Session.resolve` needs the model's vector of it, too."""


class Session:
    """One stream from samples to events.

    `feed` takes blocks of any size at the source's rate and returns, in stream order, events that
    need no model and windows that do; `resolve` turns a window's logits into events. The same
    audio gives the same events however it is cut into blocks.

    Args:
        stream: Name of the stream.
        artefact: The model's contract.
        rate: The source's sampling rate, Hz.
        settings: Everything that may be configured.
        device: Whether the source is a sound device, whose level is worth watching.
        seq: Number of the last event of an earlier stream with this name.
        baseline: What is known of the speaker's voice, where it shall count.

    Raises:
        ValueError: the settings ask for longer windows than the model takes.
    """

    def __init__(
        self,
        stream: str,
        artefact: Metadata,
        *,
        rate: int,
        settings: SessionSettings | None = None,
        device: bool = False,
        seq: int = 0,
        baseline: VoiceBaseline | None = None,
    ) -> None:
        self.stream = stream
        self.artefact = artefact
        self.rate = rate
        self.settings = settings = settings or SessionSettings()
        front_end = artefact.front_end
        self._model_rate = front_end.sample_rate
        largest = artefact.frame_sizes[-1]
        if front_end.frames(round(settings.segmenter.window_seconds * self._model_rate)) > largest:
            raise ValueError(
                f"setting 'segmenter.window_seconds' is {settings.segmenter.window_seconds}: the "
                f"model {artefact.name!r} takes at most "
                f"{front_end.samples(largest) / self._model_rate:.2f} s"
            )
        self._logmel = LogMel(front_end)
        self._voice = VoiceActivity(settings.voice)
        # The noise floor lives on the model's own frames, which costs nothing, where they are made
        # as it needs them; else on frames of its own.
        apart = self._model_rate != SAMPLE_RATE or front_end.spectrum != "mel" or front_end.extras
        self._ear = Ear(self._voice) if apart else None
        self._noise = NoiseFloor(front_end) if not apart else None
        self._listener = (
            Listener(self._logmel, self._noise, self._voice.voicing) if self._noise else None
        )
        self._segmenter = Segmenter(
            front_end, settings.segmenter, preroll_seconds=settings.voice.preroll_seconds
        )
        self._judge = Judge(artefact, settings.smoothing)
        self._baseline = baseline
        self._level = LevelWatch(rate) if device else None
        self._seq = seq
        self.shows_mel = False
        """Whether `feed` returns `Mel` events as well; it may be changed at any time."""
        self._source_position = 0
        self._resampler: Any = None
        self._pending = np.empty(0, np.float32)
        self._restart(0, captured_at=0.0)

    @property
    def seconds(self) -> float:
        """How much of the stream was heard or lost so far."""
        return self._source_position / self.rate

    @property
    def hop_seconds(self) -> float:
        """Distance between provisional windows; it may be changed at any time."""
        return self._segmenter.hop_seconds

    @hop_seconds.setter
    def hop_seconds(self, seconds: float) -> None:
        self._segmenter.hop_seconds = seconds

    @property
    def quiet_samples(self) -> int:
        """How many further samples, at the source's rate, no event and no window can come of.

        Whatever they hold: a window is not due sooner, and speech takes some voice to begin and a
        pause to end. Who hears them together, and not one by one, is late with nothing.
        """
        if self._ear or self._level or self.shows_mel:
            return 0
        if self._voice.speaking is not self._speaking:
            return 0  # a frame that is still open will tell
        change = self._position + self._voice.voicing.steps_to_change * STEP_SAMPLES
        soonest = min(change, self._segmenter.next_cut) if self._speaking else change
        return max(0, soonest * self.rate // self._model_rate - self._source_position)

    def wait(self, now: float) -> None:
        """Note the time while nothing has come: what is said before any audio carries it.

        Args:
            now: Seconds of the engine's clock.
        """
        if not self._source_position:
            self._anchor = (0.0, now)

    def feed(self, samples: npt.NDArray[np.float32], captured_at: float) -> list[Event | Window]:
        """Hear the next block.

        Args:
            samples: Mono, at the source's rate, nominally within ±1, float32 ``(n,)``.
            captured_at: When its first sample was captured, in seconds of the engine's clock.

        Returns:
            Events and windows in stream order.

        Raises:
            BadSampleError: a sample is NaN, infinite or beyond any sound; nothing of the block is
                kept.
        """
        require_audio(samples, self._source_position)
        self._anchor = (self.seconds, captured_at)
        self._block_end = captured_at + samples.size / self.rate
        self._source_position += samples.size
        out: list[Event | Window] = []
        if self._level:
            out += [self.device(state) for state in self._level.push(samples)]
        if self._ear:
            return out + self._hear_apart(self._ear, samples)
        if self._resampler:
            samples = self._resampler.resample_chunk(samples)
        return out + self._steps(samples)

    def finish(self) -> list[Event | Window]:
        """Return what is still to be said at the end of the stream."""
        out: list[Event | Window] = []
        rest = np.empty(0, np.float32)
        if self._ear:
            out += self._hear_apart(self._ear, rest, last=True)
        elif self._resampler:
            out += self._steps(self._resampler.resample_chunk(rest, last=True))
        self._resampler = self._ear_resampler = None
        return out + self._end_speech(self._segmenter.finish())

    def resolve(
        self,
        window: Window,
        logits: npt.NDArray[np.float32],
        vector: npt.NDArray[np.float32] | None = None,
    ) -> list[Event]:
        """Turn what the model said of a window into events.

        Args:
            window: As `feed` returned it; windows are resolved in their order, and some may be
                left out.
            logits: float32 ``(classes,)``.
            vector: The model's ``embedding``, float32 ``(d,)``, where the window wants it.

        Raises:
            NonFiniteResultError: the logits, the vector, or the window's level, are NaN or
                infinite.
        """
        cut = window.cut
        kind = Utterance if cut.final else Emotion
        baseline, known = self._baseline, logits
        if baseline and vector is not None:
            if not np.isfinite(vector).all():
                raise NonFiniteResultError("its vector holds NaN or infinity")
            known = baseline.beside(logits, vector)
        verdict = self._judge.judge(cut, known, self._seconds(cut.end))
        if baseline and vector is not None:
            verdict["voice_utterances"] = baseline.utterances
            baseline.follow(cut, logits, vector)
            if cut.final:
                baseline.settle(verdict["abstained"])
        return [
            kind(
                stream=self.stream,
                seq=self._next_seq(),
                start=self._seconds(cut.utterance_start if cut.final else cut.start),
                end=self._seconds(cut.end),
                captured_at=window.captured_at,
                **verdict,
            )
        ]

    def pause(self, captured_at: float) -> list[Event | Window]:
        """End the utterance, for nothing comes for now; no frame reaches across.

        Args:
            captured_at: When that was noticed.
        """
        out = self.finish()
        self._restart(self._source_position, captured_at=captured_at)
        return out

    def gap(
        self, reason: str, lost_seconds: float, captured_at: float, *, rate: int | None = None
    ) -> list[Event | Window]:
        """Note that audio is missing: the utterance ends, and no frame reaches across.

        Args:
            reason: As in `Gap.reason`.
            lost_seconds: How much is missing.
            captured_at: When the audio goes on.
            rate: The source's sampling rate from now on, Hz, where it is another.
        """
        out = self.finish()
        start = self.seconds
        if reason == "device":
            # What comes back may hear another room.
            if self._noise:
                self._noise.reset()
            if self._ear:
                self._ear.forget_background()
        if rate:
            self.rate = rate
        self._restart(round((start + lost_seconds) * self.rate), captured_at=captured_at)
        out.append(
            Gap(
                stream=self.stream,
                seq=self._next_seq(),
                start=start,
                end=self.seconds,
                captured_at=captured_at,
                reason=reason,  # type: ignore[arg-type]  # one of `Gap.reason`
                lost_seconds=round(lost_seconds, 4),
            )
        )
        return out

    def device(self, state: str, detail: str = "") -> Event:
        """Return the event that says what became of the source."""
        return Device(
            **self._now(),
            state=state,  # type: ignore[arg-type]  # one of `Device.state`
            detail=detail,
        )

    def load(self, state: str, dropped: int) -> Event:
        """Return the event that says whether the engine keeps up."""
        return Load(
            **self._now(),
            state=state,  # type: ignore[arg-type]  # one of `Load.state`
            dropped=dropped,
            hop_seconds=0.0 if state == "voice_only" else self.hop_seconds,
        )

    def failure(self, code: ErrorCode, message: str) -> Event:
        """Return the event that says why the stream ends."""
        return Error(**self._now(), code=code, message=message, fatal=True)

    def _restart(self, source_position: int, *, captured_at: float) -> None:
        self._source_position = source_position
        position = round(source_position * self._model_rate / self.rate)
        self._logmel.reset()
        self._voice.reset()
        if self._listener:
            self._listener.restart(position)
        self._segmenter.restart(position)
        self._position = position
        """Samples at the model's rate that were turned into steps."""
        self._frame_end = position + self._logmel.front_end.fft_samples
        self._last_heard = Heard(0, voiced=False, speaking=False, snr_db=-20.0)
        self._voiced = False
        self._speaking = False
        self._pending = np.empty(0, np.float32)
        self._mel: list[npt.NDArray[np.float32]] = []
        self._anchor = (self.seconds, captured_at)
        self._block_end = captured_at
        self._resampler = self._resampling(self._model_rate)
        self._ear_resampler = None
        if self._ear:
            self._ear.restart(round(source_position * SAMPLE_RATE / self.rate))
            self._ear_resampler = self._resampling(SAMPLE_RATE)
            self._frames: deque[npt.NDArray[np.float32]] = deque()
            self._heard: deque[Heard] = deque()

    def _resampling(self, rate: int) -> Any:
        """Return a stream from the source's rate to another, or `None` where they are the same."""
        if self.rate == rate:
            return None
        return soxr.ResampleStream(self.rate, rate, 1, dtype="float32", quality="LQ")

    def _steps(self, samples: npt.NDArray[np.float32]) -> list[Event | Window]:
        """Hear all whole steps, and keep the rest for the next time."""
        if not self._pending.size and not samples.size % STEP_SAMPLES:
            return self._hear(samples) if samples.size else []
        pending = np.concatenate((self._pending, samples)) if self._pending.size else samples
        whole = pending.size - pending.size % STEP_SAMPLES
        self._pending = pending[whole:].copy()
        return self._hear(pending[:whole]) if whole else []

    def _hear_apart(
        self, ear: Ear, samples: npt.NDArray[np.float32], *, last: bool = False
    ) -> list[Event | Window]:
        """Hear with an ear of its own: each frame waits for all steps up to its end."""
        frames, steps = (
            resampler.resample_chunk(samples, last=last) if resampler else samples
            for resampler in (self._resampler, self._ear_resampler)
        )
        self._frames.extend(self._logmel.push(frames))
        self._heard.extend(ear.push(steps))
        out: list[Event | Window] = []
        if self.shows_mel and len(ear.frames):
            out += self._show_mel(ear.frames, ear.front_end, ear.frames_end)
        while self._frames:
            end = self._frame_end * SAMPLE_RATE // self._model_rate
            while self._heard and self._heard[0].end <= end:
                self._voiced |= self._heard[0].voiced
                self._last_heard = self._heard.popleft()
                self._position = self._last_heard.end * self._model_rate // SAMPLE_RATE
            if not self._heard and not last:
                break  # a later step may still end before this frame does
            out += self._frame(
                self._frames.popleft(), self._last_heard.snr_db, self._last_heard.speaking
            )
        return out

    def _hear(self, samples: npt.NDArray[np.float32]) -> list[Event | Window]:
        assert self._listener is not None
        frames, snr_db, flags = self._listener.push(samples)
        begun, self._position = self._position, self._position + samples.size
        if not flags.size:
            return []
        out: list[Event | Window] = []
        front_end = self._logmel.front_end
        if self.shows_mel:
            end = self._frame_end + (len(frames) - 1) * front_end.hop_samples
            out += self._show_mel(frames, front_end, end)
        segmenter, keep = self._segmenter, self._segmenter.keep
        voiced = flags & FRAME_VOICED
        for place, flag in enumerate(flags.tolist()):
            if place % keep == 0:
                some = slice(place, place + keep)
                segmenter.store(frames[some], snr_db[some], voiced[some])
            speaking = flag >= FRAME_SPEAKING
            cuts = segmenter.step(flag & FRAME_VOICED == FRAME_VOICED, speaking)
            if cuts or speaking is not self._speaking:
                # Where the steps were when this frame ended.
                end = self._frame_end + place * front_end.hop_samples
                self._position = end - (end - begun) % STEP_SAMPLES
                out += self._told(cuts, speaking)
        self._frame_end += len(frames) * front_end.hop_samples
        self._position = begun + samples.size
        return out

    def _show_mel(
        self, frames: npt.NDArray[np.float32], front_end: FrontEnd, end: int
    ) -> list[Event | Window]:
        """Return the frames that are to be seen, a few at a time; the last one ends there."""
        self._mel += list(frames)
        if len(self._mel) < _MEL_FRAMES:
            return []
        low, high = _MEL_RANGE_DB
        seen = np.clip((np.stack(self._mel) - low) * (255 / (high - low)), 0, 255).astype(np.uint8)
        self._mel.clear()
        seconds = end / front_end.sample_rate
        anchor_seconds, captured_at = self._anchor
        return [
            Mel(
                stream=self.stream,
                seq=0,
                start=seconds - len(seen) * front_end.hop_samples / front_end.sample_rate,
                end=seconds,
                captured_at=captured_at + seconds - anchor_seconds,
                frames=len(seen),
                bands=seen.shape[1],
                low_db=low,
                high_db=high,
                data=b64encode(seen.tobytes()).decode(),
            )
        ]

    def _frame(
        self, frame: npt.NDArray[np.float32], snr_db: float, speaking: bool
    ) -> Iterator[Event | Window]:
        self._frame_end += self._logmel.front_end.hop_samples
        voiced, self._voiced = self._voiced, False
        cuts = self._segmenter.push(frame, snr_db, voiced=voiced, speaking=speaking)
        yield from self._told(cuts, speaking)

    def _told(self, cuts: list[Cut], speaking: bool) -> Iterator[Event | Window]:
        """Yield what is said of a frame: where speech begins or ends, and the windows it closes."""
        if speaking and not self._speaking:
            self._speaking = True
            yield self._speech("start", self._segmenter.utterance_start)
        elif not speaking and self._speaking:
            yield from self._end_speech(cuts)
            return
        yield from map(self._window, cuts)

    def _end_speech(self, cuts: list[Cut]) -> list[Event | Window]:
        if not self._speaking:
            return []
        self._speaking = False
        end = cuts[-1].end if cuts else self._position
        return [self._speech("end", end), *map(self._window, cuts)]

    def _window(self, cut: Cut) -> Window:
        return Window(
            stream=self.stream,
            cut=cut,
            logmel=self.artefact.window(cut.logmel),
            captured_at=self._captured_at(cut.end),
            completed_at=self._block_end,
            wants_vector=self._baseline is not None,
        )

    def _speech(self, state: str, position: int) -> Event:
        return Speech(
            stream=self.stream,
            seq=self._next_seq(),
            start=self._seconds(position),
            end=self._seconds(position),
            captured_at=self._captured_at(position),
            state=state,  # type: ignore[arg-type]  # one of `Speech.state`
        )

    def _now(self) -> dict[str, Any]:
        anchor_seconds, captured_at = self._anchor
        return {
            "stream": self.stream,
            "seq": self._next_seq(),
            "start": self.seconds,
            "end": self.seconds,
            "captured_at": captured_at + self.seconds - anchor_seconds,
        }

    def _captured_at(self, position: int) -> float:
        anchor_seconds, captured_at = self._anchor
        return captured_at + position / self._model_rate - anchor_seconds

    def _seconds(self, position: int) -> float:
        return position / self._model_rate

    def _next_seq(self) -> int:
        self._seq += 1
        return self._seq
