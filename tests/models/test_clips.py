from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from affectd.models.clips import UnreadableClipError, read_audio


def test_stereo_at_another_rate_becomes_mono_at_ours(tmp_path: Path) -> None:
    time = np.arange(48_000) / 48_000
    left, right = 0.4 * np.sin(2 * np.pi * 440 * time), 0.2 * np.sin(2 * np.pi * 440 * time)
    soundfile.write(tmp_path / "a.flac", np.stack([left, right], axis=1), 48_000)
    samples = read_audio(tmp_path / "a.flac", sample_rate=16_000)
    assert samples.dtype == np.float32
    assert samples.shape == (16_000,)
    expected = 0.3 * np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)
    assert np.abs(samples - expected)[200:-200].max() < 1e-3


@pytest.mark.parametrize("extension", ["wav", "flac", "ogg", "opus", "mp3"])
def test_any_format_of_libsndfile_reads(tmp_path: Path, extension: str) -> None:
    path = tmp_path / f"a.{extension}"
    tone = (0.3 * np.sin(np.arange(16_000) / 10)).astype(np.float32)
    if extension == "opus":
        soundfile.write(path, tone, 16_000, format="OGG", subtype="OPUS")
    else:
        soundfile.write(path, tone, 16_000)
    assert abs(read_audio(path, sample_rate=16_000).size - 16_000) < 2_500


def test_what_is_no_speech_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnreadableClipError, match=r"gone\.wav"):
        read_audio(tmp_path / "gone.wav", sample_rate=16_000)
    (tmp_path / "text.wav").write_text("hello")
    with pytest.raises(UnreadableClipError, match=r"text\.wav"):
        read_audio(tmp_path / "text.wav", sample_rate=16_000)
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), 16_000)
    with pytest.raises(UnreadableClipError, match="holds no samples"):
        read_audio(tmp_path / "empty.wav", sample_rate=16_000)
    broken = np.zeros(100, np.float32)
    broken[42] = np.nan
    soundfile.write(tmp_path / "nan.wav", broken, 16_000, subtype="FLOAT")
    with pytest.raises(UnreadableClipError, match="sample 42 is nan"):
        read_audio(tmp_path / "nan.wav", sample_rate=16_000)
