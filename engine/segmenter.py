"""From voice activity to windows: which frames the model hears, and when."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import numpy.typing as npt
from annotated_types import Interval

from affectd.kernels.front_end import FrontEnd

__all__ = ["Cut", "Segmenter", "SegmenterSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmenterSettings:
    """When windows are cut."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    window_seconds: Annotated[float, Interval(ge=0.5, le=30)] = 3.0
    """Longest window."""
    hop_seconds: Annotated[float, Interval(ge=0.05, le=10)] = 0.25
    """Distance between two provisional windows."""
    first_seconds: Annotated[float, Interval(ge=0.2, le=10)] = 0.6
    """Speech before the first provisional window; shorter utterances are too short to judge."""
    tail_seconds: Annotated[float, Interval(ge=0, le=1)] = 0.1
    """What is kept after the last voiced step of an utterance."""
    longest_seconds: Annotated[float, Interval(ge=1, le=600)] = 15.0
    """An utterance is cut here even without a pause, at the next voiced frame."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A window of an utterance, in samples at the front end's rate since the stream began."""

    utterance: int
    start: int
    end: int
    utterance_start: int
    final: bool
    """Whether the utterance ends with this window."""
    too_short: bool
    """Whether the utterance ended before there was enough of it to judge."""
    voiced_fraction: float
    """Share of voiced frames in the window, 0 to 1."""
    snr_db: float
    """Mean of the voiced frames, dB."""
    logmel: npt.NDArray[np.float32]
    """A copy, dB, float32 ``(frames, bands)``; no frame reaches outside the utterance."""

    @property
    def counts(self) -> bool:
        """Whether it is one of those that the verdict on the utterance is the mean of.

        They are the last one, and those that were full: a window that begins where the utterance
        does is part of the next.
        """
        return self.final or self.start > self.utterance_start


class Segmenter:
    """Keeps the frames of the last seconds and cuts windows from them.

    Each frame is stored once; overlapping windows are copied from the same store. It is told
    about every frame with the voice activity at that frame's end, and answers with the cuts that
    this frame completes.

    Args:
        front_end: The frames' front end.
        settings: When to cut.
        preroll_seconds: How far before its onset an utterance begins.
    """

    def __init__(
        self, front_end: FrontEnd, settings: SegmenterSettings, *, preroll_seconds: float
    ) -> None:
        self._front_end = front_end
        rate = front_end.sample_rate
        self._window_frames = front_end.frames(round(settings.window_seconds * rate))
        self._hop = settings.hop_seconds * rate
        self._first = settings.first_seconds * rate
        self._tail = round(settings.tail_seconds * rate)
        self._longest = round(settings.longest_seconds * rate)
        self._preroll = round(preroll_seconds * rate)
        # A final window ends before the hang-over, so the store reaches back further than one.
        self._kept = self._window_frames + front_end.frames(round(2.0 * rate))
        self._store = np.empty((2 * self._kept, front_end.columns), np.float32)
        self._snr_db = np.empty(2 * self._kept, np.float32)
        self._voiced = np.empty(2 * self._kept, np.bool_)
        self._utterance = 0
        self.restart(0)

    @property
    def hop_seconds(self) -> float:
        """Distance between two provisional windows; may be changed at any time."""
        return self._hop / self._front_end.sample_rate

    @hop_seconds.setter
    def hop_seconds(self, seconds: float) -> None:
        self._hop = seconds * self._front_end.sample_rate

    def restart(self, position: int) -> None:
        """Forget all frames; the next one begins at this absolute sample."""
        self._origin = position
        self._frames = 0  # frames since the origin
        self._held = 0  # frames in the store
        self._speaking = False
        self._continued = False
        self._utterance_frame = 0
        self._onset = 0
        self._due = 0.0
        self._last_voiced_end = 0

    def push(
        self, frame: npt.NDArray[np.float32], snr_db: float, *, voiced: bool, speaking: bool
    ) -> list[Cut]:
        """Take one frame.

        Args:
            frame: dB, float32 ``(bands,)``.
            snr_db: The frame's level above the background.
            voiced: Whether speech sounds at its end.
            speaking: Whether an utterance is going on, hang-over included.

        Returns:
            The windows that end here, oldest first.
        """
        self.store(frame[None], np.array([snr_db], np.float32), np.array([voiced]))
        return self.step(voiced, speaking)

    @property
    def keep(self) -> int:
        """How many frames `store` takes at once."""
        return self._kept

    def store(
        self,
        frames: npt.NDArray[np.float32],
        snr_db: npt.NDArray[np.float32],
        voiced: npt.NDArray[np.bool_] | npt.NDArray[np.int64],
    ) -> None:
        """Keep some frames, each of which is then to be told by `step`.

        Args:
            frames: At most `keep`, dB, float32 ``(n, bands)``.
            snr_db: Their levels above the background, float32 ``(n,)``.
            voiced: Whether speech sounds at their ends, bool, or 0 and 1, ``(n,)``.
        """
        if self._held + len(frames) > len(self._store):
            for store in (self._store, self._snr_db, self._voiced):
                store[: self._kept] = store[self._held - self._kept : self._held]
            self._held = self._kept
        stop = self._held + len(frames)
        self._store[self._held : stop] = frames
        self._snr_db[self._held : stop] = snr_db
        self._voiced[self._held : stop] = voiced

    def step(self, voiced: bool, speaking: bool) -> list[Cut]:
        """Take the next frame of those that `store` keeps; as `push`."""
        self._held += 1
        self._frames += 1
        if not voiced and not speaking and not self._speaking:
            return []
        end = self._end_of(self._frames - 1)
        if voiced:
            self._last_voiced_end = end
        cuts: list[Cut] = []
        if speaking and not self._speaking:
            self._begin(end)
        elif not speaking and self._speaking:
            cuts += self._finish()
        if self._speaking:
            # A pause between words brings nothing new: the window is cut when speech goes on.
            if end >= self._due and voiced and self._frames > self._utterance_frame:
                cuts.append(self._cut(self._frames, final=False))
                while self._due <= end:
                    self._due += self._hop
            if voiced and end - self._position_of(self._utterance_frame) >= self._longest:
                cuts += self._finish()
                self._begin(end)
                self._continued = True
                # Its first frame is the first that begins where that one ends.
                overlapping = -(-self._front_end.fft_samples // self._front_end.hop_samples)
                self._utterance_frame = self._frames - 1 + overlapping
        return cuts

    def finish(self) -> list[Cut]:
        """End the utterance that is going on, if any, as at a gap or at the end of the stream."""
        return self._finish() if self._speaking else []

    @property
    def utterance_start(self) -> int:
        """First sample of the utterance that is going on, or went on last."""
        return self._position_of(self._utterance_frame)

    @property
    def next_cut(self) -> int:
        """First sample after which the utterance that is going on may be cut again."""
        longest = self._position_of(self._utterance_frame) + self._longest
        return min(math.ceil(self._due), longest)

    def _begin(self, end: int) -> None:
        self._speaking = True
        self._continued = False
        self._utterance += 1
        self._onset = end
        # Round outward: the pre-roll is at least as long as was asked for.
        reach = self._preroll + self._front_end.fft_samples
        frames = -(-reach // self._front_end.hop_samples)
        self._utterance_frame = max(self._frames - self._held, self._frames - frames)
        self._due = end + self._first

    def _finish(self) -> list[Cut]:
        self._speaking = False
        if self._continued and (
            self._last_voiced_end <= self._onset or self._frames <= self._utterance_frame
        ):
            return []  # speech ended just where a long utterance was cut in two
        last_end = self._last_voiced_end + self._tail
        frames = self._front_end.frames(last_end - self._origin)
        return [self._cut(min(self._frames, max(frames, self._utterance_frame + 1)), final=True)]

    def _cut(self, end_frame: int, *, final: bool) -> Cut:
        start_frame = max(self._utterance_frame, end_frame - self._window_frames)
        low = self._held - (self._frames - start_frame)
        high = self._held - (self._frames - end_frame)
        snr_db = self._snr_db[low:high]
        heard = snr_db[self._voiced[low:high]]
        chosen = heard if heard.size else snr_db
        return Cut(
            utterance=self._utterance,
            start=self._position_of(start_frame),
            end=self._end_of(end_frame - 1),
            utterance_start=self._position_of(self._utterance_frame),
            final=final,
            too_short=final and self._last_voiced_end - self._onset < self._first * 0.5,
            voiced_fraction=heard.size / snr_db.size,
            # As `mean` does it, which takes as long again to find out how.
            snr_db=float(np.add.reduce(chosen) / np.float32(chosen.size)),
            logmel=self._store[low:high].copy(),
        )

    def _position_of(self, frame: int) -> int:
        return self._origin + frame * self._front_end.hop_samples

    def _end_of(self, frame: int) -> int:
        return self._position_of(frame) + self._front_end.fft_samples
