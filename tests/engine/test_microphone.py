"""Integration: a real capture through PortAudio from a virtual microphone."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tests.engine.running_daemon import all_events, events_until, of_type, running_daemon

from affectd.bench.virtual_microphone import (
    VirtualMicrophone,
    missing_tools,
    virtual_microphone,
)
from affectd.clients.address import Address
from affectd.clients.status import fetch_status
from affectd.engine.microphone import MicrophoneSource
from affectd.engine.sources import DemoSource, SourceError

MISSING = missing_tools()

pytestmark = pytest.mark.skipif(
    bool(MISSING), reason=f"not installed: {', '.join(MISSING)}; see .ci/system-packages test"
)


@pytest.fixture
def microphone(tmp_path: Path) -> Iterator[VirtualMicrophone]:
    with virtual_microphone(tmp_path) as microphone:
        yield microphone


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four clips, one of each emotion, with pauses, and a lead-in while the capture settles."""
    demo = DemoSource()
    pause = np.zeros(round(1.2 * demo.rate), np.float32)
    pieces = [pause]
    for clip, _ in zip(demo.clips(), range(4), strict=False):
        pieces += [clip, pause]
    path = tmp_path_factory.mktemp("speech") / "four.wav"
    soundfile.write(path, np.concatenate(pieces), demo.rate, subtype="PCM_16")
    return path


def test_the_microphone_gives_the_utterances_that_the_file_gives(
    microphone: VirtualMicrophone, spoken: Path
) -> None:
    with (
        running_daemon("--source", str(spoken), "--pace", "fast") as daemon,
        daemon.connect() as client,
    ):
        from_file = of_type(all_events(client), "utterance")
    with (
        running_daemon(
            "--source", "mic", "--device", "pulse", environment=microphone.environment
        ) as daemon,
        daemon.connect() as client,
    ):
        microphone.play(spoken)
        events = events_until(client, "utterance", count=len(from_file))
        daemon.stop()
    heard = of_type(events, "utterance")
    assert not of_type(events, "gap")
    assert [event["label"] for event in heard] == [event["label"] for event in from_file]
    # The frames begin elsewhere in the sound, and the captured silence is not quite the file's.
    for one, other in zip(heard, from_file, strict=True):
        assert one["end"] - one["start"] == pytest.approx(other["end"] - other["start"], abs=0.1)
        assert one["scores"] == pytest.approx(other["scores"], abs=0.25)


def test_a_device_at_another_rate_is_resampled_to_what_the_file_gives(
    tmp_path: Path, spoken: Path
) -> None:
    with (
        running_daemon("--source", str(spoken), "--pace", "fast") as daemon,
        daemon.connect() as client,
    ):
        from_file = of_type(all_events(client), "utterance")
    with (
        virtual_microphone(tmp_path, rate=44_100) as microphone,
        running_daemon(
            "--source",
            "mic",
            "--device",
            "pulse",
            "--rate",
            "44100",
            environment=microphone.environment,
        ) as daemon,
        daemon.connect() as client,
    ):
        microphone.play(spoken)
        events = events_until(client, "utterance", count=len(from_file))
        daemon.stop()
    heard = of_type(events, "utterance")
    assert not of_type(events, "gap")
    for one, other in zip(heard, from_file, strict=True):
        assert one["end"] - one["start"] == pytest.approx(other["end"] - other["start"], abs=0.1)
        assert one["arousal"] == pytest.approx(other["arousal"], abs=0.25)


class _Strict:
    """Stands in for PortAudio with a device that knows one rate: PulseAudio's takes every rate."""

    class PortAudioError(Exception):
        pass

    def __init__(self, rate: int, channels: int) -> None:
        self._rate, self._channels = rate, channels

    def query_devices(self, device: object, kind: str) -> dict[str, object]:
        return {
            "name": "strict",
            "default_samplerate": float(self._rate),
            "max_input_channels": self._channels,
        }

    def check_input_settings(self, device: object, *, samplerate: int, **settings: object) -> None:
        if samplerate != self._rate:
            raise self.PortAudioError("Invalid sample rate")


def test_a_device_that_refuses_16_khz_is_opened_at_its_own_rate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("affectd.engine.microphone.load_portaudio", lambda: _Strict(48_000, 2))
    assert MicrophoneSource().rate == 48_000


def test_a_rate_that_was_asked_for_is_not_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("affectd.engine.microphone.load_portaudio", lambda: _Strict(48_000, 2))
    with pytest.raises(SourceError, match="'strict' cannot be opened at 44100 Hz"):
        MicrophoneSource(rate=44_100)


def test_a_device_that_goes_away_is_reported_and_found_again(
    microphone: VirtualMicrophone, spoken: Path
) -> None:
    with (
        running_daemon(
            "--source", "mic", "--device", "pulse", environment=microphone.environment
        ) as daemon,
        daemon.connect() as client,
    ):
        status = fetch_status(Address(daemon.address))
        assert status["streams"][0]["capture"] == "machine code"
        microphone.play(spoken)
        events_until(client, "utterance")
        microphone.pull_out()
        while (lost := events_until(client, "device")[-1])["state"] != "lost":
            pass
        microphone.plug_in()
        events = events_until(client, "gap")
        while (restored := events_until(client, "device")[-1])["state"] != "restored":
            pass
        microphone.play(spoken)
        again = events_until(client, "utterance")
        daemon.stop()
    gap = of_type(events, "gap")[-1]
    assert gap["reason"] == "device"
    assert gap["lost_seconds"] > 0
    assert lost["seq"] < gap["seq"] < restored["seq"] < again[-1]["seq"]


@pytest.mark.skipif(
    Path("/proc/asound/cards").exists() or sys.platform == "darwin",
    reason="this machine has sound hardware, and so a microphone",
)
def test_no_microphone_is_one_clear_line(tmp_path: Path) -> None:
    environment = {
        "PULSE_SERVER": f"unix:{tmp_path / 'nobody'}",
        "HOME": str(tmp_path),
        "PATH": "/usr/bin:/bin",
    }
    done = subprocess.run(
        [sys.executable, "-m", "affectd", "run", "--source", "mic", "--port", "0", "--no-view"],
        capture_output=True,
        text=True,
        env=environment,
    )
    assert done.returncode == 1
    assert "no microphone was found" in done.stderr
    assert "Traceback" not in done.stderr
