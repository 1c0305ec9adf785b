"""End to end: the real daemon, the shipped model, real speech, a real socket."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tests.engine.running_daemon import (
    all_events,
    events_until,
    of_type,
    running_daemon,
)

from affectd.engine.sources import DemoSource


@pytest.fixture(scope="module")
def demo_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    demo = DemoSource(pace="fast", repeat=False)
    path = tmp_path_factory.mktemp("speech") / "demo.wav"
    soundfile.write(path, np.concatenate(list(demo._blocks())), demo.rate, subtype="PCM_16")
    return path


@pytest.fixture(scope="module")
def demo_events(demo_file: Path) -> list[dict]:
    with running_daemon("--source", str(demo_file), "--pace", "fast") as daemon:
        with daemon.connect() as client:
            events = all_events(client)
        assert daemon.process.wait(timeout=10) == 0
    return events


def test_the_demo_is_heard_as_its_corpus_labels_it(demo_events: list[dict]) -> None:
    # A clip with long pauses is heard as several utterances: each counts, by the clip it lies in.
    utterances = of_type(demo_events, "utterance")
    demo = DemoSource()
    starts = np.cumsum(
        [0.0] + [clip.size / demo.rate + demo.pause_seconds for clip in demo.clips()]
    )
    heard = [
        int(np.searchsorted(starts, (each["start"] + each["end"]) / 2)) - 1 for each in utterances
    ]
    assert set(heard) == set(range(len(demo.labels))), "every clip is heard"
    right = sum(
        event["label"] == demo.labels[clip] for event, clip in zip(utterances, heard, strict=True)
    )
    assert right >= 0.7 * len(utterances)


def test_events_carry_what_the_protocol_promises(demo_events: list[dict]) -> None:
    for event in demo_events:
        assert {"type", "stream", "seq", "start", "end", "captured_at"} <= set(event)
    for event in of_type(demo_events, "utterance") + of_type(demo_events, "emotion"):
        assert {"label", "scores", "confidence", "age_ms"} <= set(event)
        assert sum(event["scores"].values()) == pytest.approx(1, abs=1e-3)
        if event["label"]:
            assert event["confidence"] == event["scores"][event["label"]]
        else:
            assert event["abstained"] in ("too_short", "noisy", "not_speech", "uncertain")


def test_provisional_events_come_every_hop_while_someone_speaks(demo_events: list[dict]) -> None:
    starts = [event["start"] for event in of_type(demo_events, "speech")]
    emotions = of_type(demo_events, "emotion")
    assert len(emotions) > len(of_type(demo_events, "utterance"))
    assert all(event["end"] >= starts[0] + 0.6 for event in emotions)
    steps = np.diff([event["end"] for event in emotions])
    # A hop is 250 ms; a frame of 16 ms decides where exactly a window ends.
    assert np.median(steps) == pytest.approx(0.25, abs=0.017)


def test_sequence_numbers_have_no_holes(demo_events: list[dict]) -> None:
    numbers = [event["seq"] for event in demo_events if event["stream"]]
    assert numbers == list(range(1, len(numbers) + 1))


def test_the_last_word_is_bye(demo_events: list[dict]) -> None:
    assert demo_events[0]["type"] == "hello"
    assert demo_events[-1]["type"] == "bye"


def test_standard_input_gives_what_the_file_gives(demo_file: Path, demo_events: list[dict]) -> None:
    samples, rate = soundfile.read(demo_file, dtype="int16")
    command = [sys.executable, "-m", "affectd", "run", "--source", "-", "--rate", str(rate)]
    command += ["--port", "0", "--no-view"]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
    ) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        address = process.stdout.readline().decode().rsplit(" ", 1)[1].strip()
        from affectd.clients.subscriber import subscribe_sync

        utterances = []
        with subscribe_sync(address, reconnect=False) as events:
            assert next(events)["type"] == "hello"
            process.stdin.write(samples.astype("<i2").tobytes() + b"\x00")
            process.stdin.close()
            utterances = [event for event in events if event["type"] == "utterance"]
        assert process.wait(timeout=10) == 0
        assert b"no client came" not in process.stderr.read()
    expected = [(event["start"], event["label"]) for event in of_type(demo_events, "utterance")]
    assert [(event["start"], event["label"]) for event in utterances] == expected


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_bye(signal_number: int) -> None:
    with running_daemon() as daemon, daemon.connect() as client:
        events_until(client, "emotion")
        daemon.process.send_signal(signal_number)
        told_at = time.monotonic()
        events = all_events(client)
        assert daemon.process.wait(timeout=10) == 0
        assert time.monotonic() - told_at < 10  # a safety net; the promise of 2 s is for bench
        assert events[-1]["reason"] == "shutdown"


def test_a_signal_before_anyone_listens_ends_it_too(demo_file: Path) -> None:
    with running_daemon("--source", str(demo_file), "--pace", "fast") as daemon:
        assert daemon.stop() == 0


def test_two_clients_hear_the_same() -> None:
    with running_daemon() as daemon, daemon.connect() as one, daemon.connect() as other:
        first = of_type(events_until(one, "utterance"), "utterance")
        second = of_type(events_until(other, "utterance"), "utterance")
        assert first == second
