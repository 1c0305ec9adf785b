"""Integration tests of the sources: real sound files, real pipes, the embedded demo."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from affectd.engine.sources import DemoSource, FileSource, Notice, Source, SourceError, StdinSource
from affectd.kernels.ring import Block


def heard(source: Source, *, until: int | None = None) -> tuple[list[Block], list[Notice]]:
    """Run a source to its end, or until it gave so many samples."""
    woken = threading.Event()
    source.start(woken.set)
    blocks: list[Block] = []
    samples = 0
    while until is None or samples < until:
        assert woken.wait(30), "the source fell silent"
        woken.clear()
        said = bool(source.notices)  # before reading: what it is said of is written by then
        while (block := source.ring.read()) is not None:
            blocks.append(block)
            samples += block.samples.size
        if said:
            break
    source.stop()
    return blocks, list(source.notices)


def joined(blocks: list[Block]) -> np.ndarray:
    return np.concatenate([block.samples for block in blocks])


def tone(seconds: float, rate: int, channels: int = 1) -> np.ndarray:
    seconds_ = np.arange(round(seconds * rate)) / rate
    tones = [0.5 * np.sin(2 * np.pi * 220 * (n + 1) * seconds_) for n in range(channels)]
    return np.stack(tones, axis=1).astype(np.float32)


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 48_000])
def test_a_file_is_heard_whole_and_exactly(tmp_path: Path, rate: int) -> None:
    path = tmp_path / "tone.wav"
    samples = tone(1.2345, rate)
    soundfile.write(path, samples, rate, subtype="FLOAT")
    source = FileSource(path, pace="fast")
    assert (source.name, source.rate, source.device, source.waits) == ("tone", rate, False, True)
    blocks, notices = heard(source)
    assert np.array_equal(joined(blocks), samples[:, 0])
    assert all(block.overrun == 0 for block in blocks)
    assert [notice.state for notice in notices] == ["ended"]


def test_channels_are_averaged(tmp_path: Path) -> None:
    path = tmp_path / "stereo.flac"
    samples = tone(0.5, 16_000, channels=3)
    soundfile.write(path, samples, 16_000, subtype="PCM_24")
    blocks, _ = heard(FileSource(path, pace="fast"))
    np.testing.assert_allclose(joined(blocks), samples.mean(axis=1), atol=2e-7)


def test_a_long_file_waits_for_the_reader_and_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    samples = tone(30, 16_000)
    soundfile.write(path, samples, 16_000, subtype="FLOAT")
    source = FileSource(path, pace="fast")
    source.start(lambda: None)
    while source.ring.room >= 160:
        pass
    source.notices.clear()
    total = []
    deadline = threading.Event()
    for _ in range(30_000):
        said = bool(source.notices)
        block = source.ring.read()
        if block is None:
            if said:
                break
            deadline.wait(0.001)
            continue
        assert block.overrun == 0
        total.append(block)
    source.stop()
    assert np.array_equal(joined(total), samples[:, 0])


def test_at_real_pace_blocks_are_stamped_one_after_the_other(tmp_path: Path) -> None:
    path = tmp_path / "short.wav"
    soundfile.write(path, tone(0.3, 16_000), 16_000)
    source = FileSource(path, pace="real")
    assert not source.waits
    blocks, _ = heard(source)
    stamps = [block.captured_at for block in blocks]
    np.testing.assert_allclose(np.diff(stamps), 0.01, atol=1e-9)


def test_stop_ends_a_source_that_is_paced(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    soundfile.write(path, tone(20, 8_000), 8_000)
    source = FileSource(path, pace="real")
    blocks, notices = heard(source, until=80)
    assert blocks
    assert not notices, "who stops it knows that it ends"


def test_stop_ends_a_source_that_waits_for_its_reader(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    soundfile.write(path, tone(30, 16_000), 16_000)
    source = FileSource(path, pace="fast")
    source.start(lambda: None)
    while source.ring.room >= 160:
        pass
    source.stop()
    assert source._thread is not None
    assert not source._thread.is_alive()


def test_a_file_that_holds_nan_is_passed_on_for_the_session_to_refuse(tmp_path: Path) -> None:
    path = tmp_path / "nan.wav"
    samples = tone(0.1, 16_000)
    samples[700] = np.nan
    soundfile.write(path, samples, 16_000, subtype="FLOAT")
    blocks, _ = heard(FileSource(path, pace="fast"))
    assert np.flatnonzero(np.isnan(joined(blocks))).tolist() == [700]


def test_a_file_that_is_cut_off_gives_what_it_has_or_says_that_it_breaks_off(
    tmp_path: Path,
) -> None:
    path = tmp_path / "cut.flac"
    soundfile.write(path, np.random.default_rng(1).normal(0, 0.1, 80_000), 16_000)
    path.write_bytes(path.read_bytes()[:60_000])
    blocks, notices = heard(FileSource(path, pace="fast"))
    assert 0 < joined(blocks).size < 80_000
    assert notices[0].state in ("ended", "failed")
    if notices[0].state == "failed":
        assert "cut.flac breaks off" in notices[0].detail


@pytest.mark.skipif(not shutil.which("ffmpeg"), reason="ffmpeg is not installed")
def test_ffmpeg_decodes_what_libsndfile_cannot(tmp_path: Path) -> None:
    talk, film = tmp_path / "talk.wav", tmp_path / "talk.mka"
    soundfile.write(talk, tone(1.5, 16_000), 16_000, subtype="PCM_16")
    subprocess.run(
        ["ffmpeg", "-v", "error", "-i", str(talk), "-c:a", "flac", str(film)], check=True
    )
    expected, _ = soundfile.read(talk, dtype="float32")
    blocks, notices = heard(FileSource(film, pace="fast"))
    assert np.array_equal(joined(blocks), expected)
    assert [notice.state for notice in notices] == ["ended"]


def test_the_end_of_a_file_that_is_cut_off_says_how_much_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "cut.wav"
    soundfile.write(path, tone(2.0, 16_000), 16_000, subtype="PCM_16")
    path.write_bytes(path.read_bytes()[: 44 + 16_000])
    blocks, notices = heard(FileSource(path, pace="fast"))
    assert joined(blocks).size == 8_000
    said = "cut.wav is cut off: the last 1.5 of 2.0 s are missing"
    assert [(notice.state, notice.detail) for notice in notices] == [("ended", said)]


def bad_files(folder: Path) -> Iterator[tuple[Path, str]]:
    yield folder / "none.wav", "cannot be read: there is no such file"
    yield folder, "cannot be read: it is a folder"
    (folder / "empty.wav").touch()
    yield folder / "empty.wav", "cannot be read: it is empty"
    (folder / "text.wav").write_text("no audio at all\n" * 9)
    yield folder / "text.wav", r"cannot be read: .*libsndfile.* \("
    soundfile.write(folder / "nothing.wav", np.zeros(0), 16_000)
    yield folder / "nothing.wav", "holds no audio"


def test_a_bad_file_is_refused_with_the_reason(tmp_path: Path) -> None:
    for path, message in bad_files(tmp_path):
        with pytest.raises(SourceError, match=f"{path} {message}"):
            FileSource(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is unreadable for root")
def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "secret.wav"
    soundfile.write(path, tone(0.1, 16_000), 16_000)
    path.chmod(0)
    with pytest.raises(SourceError, match="permission denied"):
        FileSource(path)


def test_the_demo_holds_twelve_clips_of_four_emotions() -> None:
    demo = DemoSource()
    assert len(demo.labels) == len(list(demo.clips())) == 12
    assert set(demo.labels) == {"angry", "happy", "neutral", "sad"}
    assert all(1 < clip.size / demo.rate < 10 for clip in demo.clips())


def test_the_demo_plays_its_clips_with_pauses_between() -> None:
    demo = DemoSource(pace="fast", repeat=False)
    blocks, notices = heard(demo)
    pause = np.zeros(round(demo.pause_seconds * demo.rate), np.float32)
    expected = np.concatenate([piece for clip in demo.clips() for piece in (clip, pause)])
    assert np.array_equal(joined(blocks), expected)
    assert [notice.state for notice in notices] == ["ended"]


def test_the_demo_begins_again_at_its_end() -> None:
    once = sum(clip.size + 19_200 for clip in DemoSource().clips())
    blocks, _ = heard(DemoSource(pace="fast"), until=once + 16_000)
    samples = joined(blocks)
    assert np.array_equal(samples[once : once + 16_000], samples[:16_000])


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Standard input as a real pipe; the end to write to."""
    read_fd, write_fd = os.pipe()
    with os.fdopen(read_fd, "r") as standard_input:
        monkeypatch.setattr(sys, "stdin", standard_input)
        yield write_fd


def test_standard_input_is_heard_however_it_is_cut(pipe: int) -> None:
    random = np.random.default_rng(1)
    samples = random.integers(-32_768, 32_768, 20_000).astype("<i2")
    data = samples.tobytes()

    def write() -> None:
        position = 0
        while position < len(data):
            size = int(random.integers(1, 999))  # odd sizes cut samples in two
            position += os.write(pipe, data[position : position + size])
        os.close(pipe)

    writer = threading.Thread(target=write)
    writer.start()
    source = StdinSource(16_000)
    blocks, notices = heard(source)
    writer.join()
    assert (source.name, source.waits) == ("stdin", True)
    assert np.array_equal(joined(blocks), samples.astype(np.float32) / 32_768)
    assert [notice.state for notice in notices] == ["ended"]


def test_half_a_sample_at_the_end_is_dropped(pipe: int) -> None:
    os.write(pipe, b"\x00\x40\xff")
    os.close(pipe)
    blocks, notices = heard(StdinSource(16_000))
    assert joined(blocks).tolist() == [0.5]
    assert [notice.state for notice in notices] == ["ended"]


def test_standard_input_without_audio_says_so(pipe: int) -> None:
    os.close(pipe)
    blocks, notices = heard(StdinSource(16_000))
    assert blocks == []
    assert notices == [
        Notice("failed", "standard input holds no audio: it is read as raw s16le mono")
    ]


def test_stop_ends_a_source_whose_pipe_is_silent(pipe: int) -> None:
    source = StdinSource(16_000)
    source.start(lambda: None)
    source.stop()
    assert source._thread is not None
    assert not source._thread.is_alive()
    assert not source.notices, "who stops it knows that it ends"
    os.close(pipe)
