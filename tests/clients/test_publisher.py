"""Integration: the publishers and 'affectd send' against the real daemon and the shipped model."""

from __future__ import annotations

import array
import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from tests.engine.running_daemon import RunningDaemon, running_daemon

import affectd
from affectd.bench.virtual_microphone import missing_tools, virtual_microphone
from affectd.clients.address import Address
from affectd.clients.publication import Publication
from affectd.clients.refusal import RefusedError, SubscriptionError
from affectd.engine.microphone import input_devices
from affectd.engine.publisher_settings import PublisherSettings
from affectd.engine.sources import DemoSource

RATE = 16_000
DEADLINE = 60


@pytest.fixture(scope="module")
def daemon() -> Iterator[RunningDaemon]:
    environment = {"AFFECTD_PUBLISHERS__AHEAD_SECONDS": "60"}
    with running_daemon("--source", "none", environment=environment) as found:
        yield found


@pytest.fixture(scope="module")
def clip() -> np.ndarray:
    return next(DemoSource().clips())


def publish_async(address: str, audio: Any, **options: Any) -> list[dict[str, Any]]:
    async def run() -> list[dict[str, Any]]:
        async with asyncio.timeout(DEADLINE):
            async with affectd.publish(address, rate=RATE, **options) as publisher:
                assert await publisher.send(audio)
                await publisher.end()
                return [event async for event in publisher]

    return asyncio.run(run())


def publish_sync(address: str, audio: Any, **options: Any) -> list[dict[str, Any]]:
    with affectd.publish_sync(address, rate=RATE, **options) as publisher:
        assert publisher.send(audio)
        return list(publisher.end())


both = pytest.mark.parametrize("publish", [publish_async, publish_sync])


@both
def test_a_publisher_hears_what_it_said(
    publish: Any, daemon: RunningDaemon, clip: np.ndarray
) -> None:
    events = publish(daemon.address, clip, format="f32le", stream="kitchen")
    assert events[0]["state"] == "started"
    assert events[-1]["state"] == "ended"
    assert [event for event in events if event["type"] == "utterance"]
    assert {event["stream"] for event in events} == {"kitchen"}


@both
def test_integers_are_heard_as_floats_are(
    publish: Any, daemon: RunningDaemon, clip: np.ndarray
) -> None:
    integers = np.clip(clip * 32768, -32768, 32767).astype("<i2")
    one = publish(daemon.address, integers)
    other = publish(daemon.address, (integers / 32768).astype("<f4"), format="f32le")
    assert finals(one) == finals(other)


def finals(events: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """Return what does not depend on how busy the model is."""
    kinds = ("speech", "utterance")
    return [(each["type"], each["start"], each["end"]) for each in events if each["type"] in kinds]


@both
def test_a_refusal_is_raised_with_its_code(publish: Any, daemon: RunningDaemon) -> None:
    with pytest.raises(RefusedError) as refused:
        publish(daemon.address, b"\0\0", stream="no name")
    assert refused.value.code == "malformed_message"


def test_what_cannot_be_sent_is_refused_before_it_is(daemon: RunningDaemon) -> None:
    with pytest.raises(ValueError, match="rate is 4000 Hz"):
        affectd.publish(daemon.address, rate=4_000)
    with pytest.raises(ValueError, match="format 'mp3'"):
        affectd.publish(daemon.address, rate=RATE, format="mp3")
    with (
        affectd.publish_sync(daemon.address, rate=RATE) as publisher,
        pytest.raises(ValueError, match="3 bytes hold no whole number of s16le"),
    ):
        publisher.send(b"abc")
    with (
        pytest.raises(SubscriptionError, match="nothing answers"),
        affectd.publish_sync("ws://127.0.0.1:9", rate=RATE),
    ):
        pass


@pytest.mark.parametrize(
    ("format_", "audio", "error", "says"),
    [
        ("s16le", np.zeros(320), TypeError, "the samples are float64; s16le needs int16"),
        ("s16le", np.zeros(320, np.float32), TypeError, "are float32; s16le needs int16"),
        ("f32le", np.zeros(320, np.int16), TypeError, "are int16; f32le needs float32"),
        ("s16le", np.zeros(320, ">i2"), TypeError, "s16le needs int16"),
        ("s16le", array.array("H", [1, 2]), TypeError, "are 'H'; s16le needs int16"),
        ("s16le", "abc", TypeError, "audio is of type str; needed are bytes"),
        ("s16le", [1, 2], TypeError, "audio is of type list"),
        ("s16le", np.zeros((320, 2), np.int16), ValueError, r"shape \(320, 2\); needed is mono"),
        ("s16le", np.zeros(320, np.int16)[::2], ValueError, "send a copy"),
    ],
    ids=str,
)
def test_samples_of_another_kind_than_was_said_are_refused(
    format_: Any, audio: Any, error: type[Exception], says: str
) -> None:
    publication = Publication(Address("ws://127.0.0.1:9", ""), rate=RATE, format=format_)
    with pytest.raises(error, match=says):
        list(publication.frames(audio))


@pytest.mark.parametrize(
    "audio",
    [
        np.array([1, -2, 3], "<i2"),
        np.array([[1], [-2], [3]], "<i2"),
        array.array("h", [1, -2, 3]),
        b"\x01\0\xfe\xff\x03\0",
        bytearray(b"\x01\0\xfe\xff\x03\0"),
        memoryview(b"\x01\0\xfe\xff\x03\0"),
        np.frombuffer(b"\x01\0\xfe\xff\x03\0", np.uint8),
    ],
    ids=lambda audio: type(audio).__name__,
)
def test_any_buffer_of_the_right_samples_is_sent_as_it_is(audio: Any) -> None:
    publication = Publication(Address("ws://127.0.0.1:9", ""), rate=RATE)
    assert b"".join(publication.frames(audio)) == b"\x01\0\xfe\xff\x03\0"
    assert not list(publication.frames(np.zeros(0, np.int16)))


async def test_after_a_loss_it_goes_on_with_the_same_stream(
    daemon: RunningDaemon, clip: np.ndarray
) -> None:
    async with (
        asyncio.timeout(DEADLINE),
        affectd.publish(daemon.address, rate=RATE, format="f32le", stream="hall") as publisher,
    ):
        await publisher.send(clip)
        assert publisher._connection is not None
        publisher._connection.transport.abort()
        async for event in publisher:
            if event["type"] == "gap":
                break
        assert event["reason"] == "publisher"
        await publisher.send(clip)
        await publisher.end()
        rest = [event async for event in publisher]
        assert any(event["type"] == "utterance" for event in rest)
        assert rest[-1]["state"] == "ended"


async def test_after_a_loss_that_the_daemon_has_not_noticed_it_goes_on_too(
    start_station: Any, line_to: Any
) -> None:
    line = await line_to(await start_station(publishers=PublisherSettings()))
    async with (
        asyncio.timeout(DEADLINE),
        affectd.publish(line.url, rate=RATE, stream="hall") as publisher,
    ):
        line.drop_clients()
        while await publisher.send(bytes(640)):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
        while not await publisher.send(bytes(640)):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        assert publisher.stream == "hall"


async def test_what_is_over_takes_no_more_audio(daemon: RunningDaemon) -> None:
    async with (
        asyncio.timeout(DEADLINE),
        affectd.publish(daemon.address, rate=RATE, stream="done") as publisher,
    ):
        await publisher.end()
        assert [event async for event in publisher][-1]["state"] == "ended"
        with pytest.raises(SubscriptionError, match="'done' has ended"):
            await publisher.send(bytes(640))


async def test_audio_that_cannot_be_heard_is_why_it_takes_no_more(daemon: RunningDaemon) -> None:
    async with (
        asyncio.timeout(DEADLINE),
        affectd.publish(daemon.address, rate=RATE, format="f32le") as publisher,
    ):
        await publisher.send(np.full(320, np.nan, "<f4"))
        assert [event async for event in publisher][-1]["code"] == "bad_audio"
        with pytest.raises(RefusedError, match="must be finite") as refused:
            await publisher.send(bytes(1280))
        assert refused.value.code == "bad_audio"


async def test_closing_it_can_be_cancelled(start_station: Any) -> None:
    station = await start_station(publishers=PublisherSettings())
    publisher = await affectd.publish(station.url, rate=RATE).__aenter__()
    closing = asyncio.create_task(publisher.aclose())
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    async with asyncio.timeout(DEADLINE):
        while len(station.hub):  # noqa: ASYNC110 - it is closed all the same
            await asyncio.sleep(0.01)


def send(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "affectd", "send", *arguments],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )


def test_the_command_sends_a_file(daemon: RunningDaemon, clip: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "clip.wav"
    soundfile.write(path, np.stack([clip, clip], axis=1), RATE)
    done = send(str(path), daemon.address, "--stream", "file", "--json")
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert {event["stream"] for event in events if event["stream"]} == {"file"}
    assert [event for event in events if event["type"] == "utterance"]


@pytest.mark.skipif(not shutil.which("ffmpeg"), reason="ffmpeg is not installed")
def test_the_command_sends_what_ffmpeg_reads_and_says_what_is_cut_off(
    daemon: RunningDaemon, clip: np.ndarray, tmp_path: Path
) -> None:
    talk, film = tmp_path / "clip.wav", tmp_path / "clip.mka"
    soundfile.write(talk, clip, RATE)
    subprocess.run(["ffmpeg", "-v", "error", "-i", str(talk), str(film)], check=True)
    done = send(str(film), daemon.address, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert '"type":"utterance"' in done.stdout.replace(" ", "")
    talk.write_bytes(talk.read_bytes()[:20_000])
    done = send(str(talk), daemon.address)
    assert done.returncode == 0
    assert f"{talk} is cut off: the last " in done.stderr


def test_the_command_fails_with_a_file_that_is_no_audio(
    daemon: RunningDaemon, tmp_path: Path
) -> None:
    path = tmp_path / "nan.wav"
    samples = np.zeros(RATE, np.float32)
    samples[-7] = np.nan  # nearly all of it was sent before anyone can say so
    soundfile.write(path, samples, RATE, subtype="FLOAT")
    done = send(str(path), daemon.address)
    assert done.returncode == 1
    assert "sample 15993 is nan" in done.stderr
    assert done.stderr.startswith("affectd: ")
    assert done.stderr.count("\n") == 1


@contextlib.contextmanager
def sending(*arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Run the command until its stream has begun, which its first event says."""
    process = subprocess.Popen(
        [sys.executable, "-m", "affectd", "send", *arguments, "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    try:
        assert process.stdout
        assert process.stdout.readline(), process.communicate()
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def long_talk(clip: np.ndarray, tmp_path: Path) -> str:
    path = tmp_path / "talk.wav"
    soundfile.write(path, np.tile(clip, 30), RATE)
    return str(path)


def test_an_interrupt_ends_the_stream_and_its_last_events_are_shown(
    daemon: RunningDaemon, long_talk: str
) -> None:
    with sending(long_talk, daemon.address, "--stream", "cut") as process:
        process.send_signal(signal.SIGINT)
        said, complaints = process.communicate(timeout=DEADLINE)
    assert (process.returncode, complaints) == (0, "")
    assert json.loads(said.splitlines()[-1])["state"] == "ended"


def test_an_interrupt_is_heard_while_the_daemon_answers_nothing(
    daemon: RunningDaemon, long_talk: str
) -> None:
    with sending(long_talk, daemon.address) as process:
        daemon.process.send_signal(signal.SIGSTOP)
        try:
            process.send_signal(signal.SIGINT)
            _, complaints = process.communicate(timeout=15)  # it would take minutes
        finally:
            daemon.process.send_signal(signal.SIGCONT)
    assert (process.returncode, complaints) == (0, "")


@pytest.mark.skipif(bool(missing_tools()), reason="PulseAudio is missing")
def test_an_interrupt_is_heard_while_the_microphone_delivers_nothing(
    daemon: RunningDaemon, tmp_path: Path
) -> None:
    with virtual_microphone(tmp_path) as microphone:
        environment = microphone.environment
        with sending("mic", daemon.address, **environment) as process:
            silence = ["pactl", "suspend-sink", "mic", "1"]
            subprocess.run(silence, check=True, env=environment)
            process.send_signal(signal.SIGINT)
            _, complaints = process.communicate(timeout=15)
    assert process.returncode == 0, complaints


def test_audio_that_cannot_be_heard_fails_in_one_line(
    daemon: RunningDaemon, long_talk: str
) -> None:
    audio, _ = soundfile.read(long_talk, dtype="float32", frames=RATE)
    audio[100] = np.nan
    soundfile.write(long_talk, audio, RATE, subtype="FLOAT")
    done = send(long_talk, daemon.address)
    assert done.returncode == 1
    assert "must be finite" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_file_that_breaks_off_fails_in_one_line(
    daemon: RunningDaemon, clip: np.ndarray, tmp_path: Path
) -> None:
    path = tmp_path / "cut.flac"
    soundfile.write(path, clip, RATE)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    done = send(str(path), daemon.address)
    assert done.returncode == 1
    assert "breaks off after" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.skipif(bool(input_devices()), reason="this machine has a microphone")
def test_a_machine_without_a_microphone_is_told_so_in_one_line(daemon: RunningDaemon) -> None:
    done = send("mic", daemon.address)
    assert done.returncode == 1
    said = "affectd: there is no microphone: PortAudio lists no input device\n"
    assert done.stderr.endswith(said), done.stderr


@pytest.mark.parametrize(
    ("source", "says"), [("missing.wav", "there is no such file"), (__file__, "cannot be read")]
)
def test_the_command_refuses_in_one_line(source: str, says: str, daemon: RunningDaemon) -> None:
    done = send(source, daemon.address)
    assert done.returncode == 1
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
