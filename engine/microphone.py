"""A sound device through PortAudio, and what becomes of it when someone pulls the plug."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from affectd.engine.sources import BLOCK_SECONDS, Notice, Source, SourceError

if TYPE_CHECKING:
    from affectd.engine.capture import Capture

__all__ = ["InputDevice", "MicrophoneSource", "input_devices", "load_portaudio"]

_SILENT_CALLBACK_SECONDS = 1.0
_RETRY_SECONDS = 1.0
_LONGEST_RETRY_SECONDS = 5.0
_FIRST_BLOCK_SECONDS = 5.0
MODEL_RATE = 16_000


def load_portaudio() -> Any:
    """Import sounddevice.

    Raises:
        SourceError: the PortAudio library is not installed.
    """
    try:
        import sounddevice
    except OSError:
        raise SourceError(
            "PortAudio is missing, and without it no microphone can be heard. Install it with "
            "'apt install libportaudio2' (Debian, Ubuntu) or 'brew install portaudio' (macOS); "
            "the demo, files and standard input work without it"
        ) from None
    except Exception as error:  # PortAudio's own class, out of reach while its module fails
        raise SourceError(f"PortAudio does not start: {error}") from None
    return sounddevice


@dataclass(frozen=True, slots=True, kw_only=True)
class InputDevice:
    """A device that audio can be captured from."""

    index: int
    name: str
    channels: int
    rate: int
    """Hz, its own."""
    default: bool


def input_devices() -> list[InputDevice]:
    """List the devices that can be captured from, as PortAudio sees them now.

    Raises:
        SourceError: the PortAudio library is not installed.
    """
    sounddevice = load_portaudio()
    try:
        entries = sounddevice.query_devices()
    except sounddevice.PortAudioError as error:
        raise SourceError(f"PortAudio cannot list the devices: {error}") from None
    default = sounddevice.default.device[0]
    return [
        InputDevice(
            index=index,
            name=str(entry["name"]),
            channels=int(entry["max_input_channels"]),
            rate=int(entry["default_samplerate"]),
            default=index == default,
        )
        for index, entry in enumerate(entries)
        if entry["max_input_channels"] > 0
    ]


class MicrophoneSource(Source):
    """A sound device, opened at 16 kHz where it allows that, else at its own rate.

    A device that goes away is reported as ``lost`` and looked for every second until it is back.

    Args:
        device: Name (or a part of it) or number; `None` for the system's default.
        rate: Sampling rate to ask for, Hz; `None` for 16 kHz or else the device's own.

    Raises:
        SourceError: there is no PortAudio, no such device, or it cannot be opened.
    """

    device = True

    def __init__(self, device: str | None = None, *, rate: int | None = None) -> None:
        self._sounddevice = load_portaudio()
        self._wanted = int(device) if device is not None and device.isdigit() else device
        self._stream: Any = None
        chosen, channels = self._choose(rate)
        super().__init__("mic", chosen)
        self._channels = channels
        self._capture: Capture | None = None
        self._fallback = ""

    @property
    def manner(self) -> str:
        """What runs when PortAudio has samples, and why that is not machine code."""
        if self._capture is None:
            return ""
        reason = f" ({self._fallback})" if self._fallback else ""
        return self._capture.kind + reason

    def start(self, wake: Callable[[], None], *, bell: int | None = None) -> None:
        """Open the device and begin to deliver.

        Args:
            wake: Called after every notice, and after every block where `polled` is not set.
            bell: With one, the callback is compiled to machine code where that can be.

        Raises:
            SourceError: the device cannot be opened.
        """
        from affectd.engine.capture import capture_into

        self._wake = wake
        self._capture, self._fallback = capture_into(
            self.ring, rate=self.rate, channels=self._channels, wake=wake, bell=bell
        )
        self.polled = self._capture.kind == "machine code"
        self._open(self._capture)
        super().start(wake)

    def _choose(self, rate: int | None) -> tuple[int, int]:
        """Return a rate and a number of channels that the device takes."""
        sounddevice = self._sounddevice
        try:
            entry = sounddevice.query_devices(self._wanted, "input")
        except (ValueError, sounddevice.PortAudioError) as error:
            raise SourceError(self._no_device(error)) from None
        self._name = str(entry["name"])
        own = int(entry["default_samplerate"])
        reason: Exception | None = None
        for candidate in [rate] if rate else [MODEL_RATE, own]:
            for channels in (1, min(2, int(entry["max_input_channels"]))):
                try:
                    sounddevice.check_input_settings(
                        self._wanted, channels=channels, dtype="float32", samplerate=candidate
                    )
                except sounddevice.PortAudioError as error:
                    reason = error
                else:
                    return candidate, channels
        raise SourceError(
            f"the device {self._name!r} cannot be opened at {rate or own} Hz: {reason}"
        )

    def _no_device(self, error: Exception) -> str:
        names = [device.name for device in input_devices()]
        if not names:
            return (
                "no microphone was found: PortAudio lists no input device. "
                "'affectd run --source FILE' and 'affectd enrol NAME FILE' hear recordings instead"
            )
        if self._wanted is None:
            return f"there is no default microphone; choose one with --device: {', '.join(names)}"
        return f"no input device {self._wanted!r} ({error}); there are: {', '.join(names)}"

    def _open(self, capture: Capture) -> None:
        """Open the device and listen; blocks are dropped while `capture` does not deliver."""
        sounddevice = self._sounddevice
        blocksize = round(self.rate * BLOCK_SECONDS)
        try:
            stream = capture.open(sounddevice, device=self._wanted, blocksize=blocksize)
            stream.start()
        except (ValueError, sounddevice.PortAudioError) as error:
            raise SourceError(f"the microphone cannot be opened: {error}") from None
        self._stream = stream

    def _run(self) -> None:
        """Watch that blocks keep coming: an unplugged device raises nothing on its own."""
        assert self._capture
        capture = self._capture
        patience = _FIRST_BLOCK_SECONDS
        while not self._stopping.wait(0.1):
            away_since = capture.heard_at
            written = self.ring.written
            if time.monotonic() - away_since < patience and self._active():
                if written:
                    patience = _SILENT_CALLBACK_SECONDS
                continue
            capture.delivering = False
            self.notice(Notice("lost", f"{self._name} delivers nothing any more"))
            self._close()
            if not self._find_again(capture):
                return
            away = time.monotonic() - away_since
            # Said before the first new block is written, so that it is heard before it.
            self.notice(Notice("restored", self._name, lost_seconds=away))
            capture.delivering = True
            patience = _FIRST_BLOCK_SECONDS
        self._close()

    def _active(self) -> bool:
        try:
            return bool(self._stream.active)
        except self._sounddevice.PortAudioError:
            return False

    def _find_again(self, capture: Capture) -> bool:
        """Open the same device as before, however long it takes; false if told to stop."""
        sounddevice = self._sounddevice
        pause = _RETRY_SECONDS
        while not self._stopping.wait(pause):
            pause = min(pause * 1.2, _LONGEST_RETRY_SECONDS)
            try:
                # PortAudio lists the devices once: only a new start shows what was plugged in.
                sounddevice._terminate()
                sounddevice._initialize()
                # By its name: numbers change, and the default may now be another microphone.
                self._wanted = next(
                    device.index for device in input_devices() if device.name == self._name
                )
                self._open(capture)
            except (SourceError, sounddevice.PortAudioError, StopIteration):
                continue
            return True
        return False

    def _close(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.abort(ignore_errors=True)
            stream.close(ignore_errors=True)
