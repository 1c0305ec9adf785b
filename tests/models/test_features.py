from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from affectd.kernels.front_end import FrontEnd
from affectd.kernels.logmel import LogMel
from affectd.models.clips import read_audio
from affectd.models.corpora import CORPORA
from affectd.models.features import FeatureSet, cache_folder, extract
from affectd.models.recipes import load_recipe

FRONT_END = FrontEnd()


def test_features_are_the_front_ends_and_come_from_the_cache_the_second_time(
    corpora: Path, tmp_path: Path
) -> None:
    clips = CORPORA["emodb"].list(corpora).clips
    told: list[tuple[int, int]] = []
    first = extract(clips, front_end=FRONT_END, cache=tmp_path, advance=lambda *at: told.append(at))
    assert told[-1] == (len(clips), len(clips))
    expected = LogMel(FRONT_END).batch(read_audio(clips[2].path, sample_rate=16_000))
    assert np.abs(first.logmel(2) - expected).max() < 0.05  # half precision of some -100 dB
    told.clear()
    again = extract(clips, front_end=FRONT_END, cache=tmp_path, advance=lambda *at: told.append(at))
    assert not told
    assert np.array_equal(again.logmel(2), first.logmel(2))
    assert not list(tmp_path.glob("*.tmp"))


def test_two_processes_give_what_one_gives(corpora: Path, tmp_path: Path) -> None:
    clips = CORPORA["nemo"].list(corpora).clips
    one = extract(clips, front_end=FRONT_END, cache=tmp_path / "1", workers=1)
    two = extract(clips, front_end=FRONT_END, cache=tmp_path / "2", workers=2)
    assert np.array_equal(one.frames, two.frames)


def test_another_front_end_has_its_own_cache(corpora: Path, tmp_path: Path) -> None:
    clips = CORPORA["emodb"].list(corpora).clips
    extract(clips, front_end=FRONT_END, cache=tmp_path)
    other = extract(clips, front_end=FrontEnd(bands=40), cache=tmp_path)
    assert other.frames.shape[1] == 40


def test_an_unreadable_clip_is_named_and_left_out(corpora: Path, tmp_path: Path) -> None:
    clips = CORPORA["emodb"].list(corpora).clips
    broken = replace(clips[1], name="broken", path=tmp_path / "broken.wav")
    features = extract((clips[0], broken, clips[2]), front_end=FRONT_END, cache=tmp_path / "cache")
    assert [clip.name for clip in features.clips] == [clips[0].name, clips[2].name]
    (line,) = features.unreadable
    assert "broken.wav" in line
    with pytest.raises(ValueError, match=r"none of 1 clips could be read: .*broken\.wav"):
        extract((broken,), front_end=FRONT_END, cache=tmp_path / "cache")


def test_crema_d_is_scaled_and_cut_to_its_active_frames(corpora: Path, tmp_path: Path) -> None:
    clips = CORPORA["crema-d"].list(corpora).clips
    features = extract(clips, front_end=FRONT_END, cache=tmp_path)
    assert list(features.lengths) == [100, 188]
    assert features.logmel(0)[0, 0] == -80
    assert features.logmel(0)[50, 15] == pytest.approx(200 * 80 / 255 - 80, abs=0.01)
    assert tuple(features.speech[0]) == (20, 80)
    with pytest.raises(ValueError, match="made for another front end"):
        extract(clips, front_end=FrontEnd(bands=40), cache=tmp_path)


def test_crema_d_is_made_sound_again_where_that_is_asked_for(corpora: Path, tmp_path: Path) -> None:
    clips = CORPORA["crema-d"].list(corpora).clips
    whisper = load_recipe("fast").front_end
    features = extract(clips, front_end=whisper, cache=tmp_path / "one", resynthesise=True)
    # 100 and 188 frames of 16 ms, each around its time, hold 99 and 187 hops.
    assert list(features.lengths) == [whisper.frames(99 * 256), whisper.frames(187 * 256)]
    first, last = (whisper.frame_seconds * features.speech[0]).tolist()
    # A frame of either front end hears what lies up to 32 ms to its side.
    assert first == pytest.approx(20 * 0.016, abs=0.06)
    assert last == pytest.approx(80 * 0.016, abs=0.06)
    frames = features.logmel(0)
    inside = frames[40:120].mean(axis=0)
    assert inside[12:36].min() > inside[60:].max() + 20, "what is loud stays loud"
    processes = extract(
        clips, front_end=whisper, cache=tmp_path / "two", workers=2, resynthesise=True
    )
    np.testing.assert_array_equal(features.frames, processes.frames)


def test_an_utterance_keeps_a_margin_and_a_minimum(separable_clips: FeatureSet) -> None:
    whole = int(separable_clips.lengths[0])
    kept = separable_clips.utterance(0, margin_frames=2, minimum_frames=10)
    assert len(kept) == whole - 6
    assert len(separable_clips.utterance(0, margin_frames=99, minimum_frames=10)) == whole
    assert len(separable_clips.utterance(0, margin_frames=0, minimum_frames=10_000)) == whole


def test_joining_and_selecting_keep_clips_and_frames_together(
    corpora: Path, tmp_path: Path
) -> None:
    sets = [
        extract(CORPORA[name].list(corpora).clips, front_end=FRONT_END, cache=tmp_path)
        for name in ("emodb", "nemo", "crema-d")
    ]
    joined = FeatureSet.join(sets)
    assert len(joined) == sum(map(len, sets))
    chosen = joined.of_corpus("nemo")
    for index in range(len(chosen)):
        assert chosen.clips[index] == sets[1].clips[index]
        assert np.array_equal(chosen.logmel(index), sets[1].logmel(index))
    assert {clip.speaker for clip in joined.of_speakers("emodb", ("08",)).clips} == {"08"}
    with pytest.raises(ValueError, match="no features"):
        FeatureSet.join([])


def test_the_cache_follows_the_users_cache_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "affectd" / "features"
    assert cache_folder(Path("here")) == Path("here")


def test_the_extras_of_a_front_end_do_not_count_as_sound(corpora: Path, tmp_path: Path) -> None:
    clips = CORPORA["ravdess"].list(corpora).clips[:1]
    bare = FrontEnd(spectrum="linear", bands=513)
    measured = replace(bare, extras=("rms", "zero_crossings"))
    ours = extract(clips, front_end=measured, cache=tmp_path)
    assert ours.frames.shape[1] == 515
    theirs = extract(clips, front_end=bare, cache=tmp_path)
    assert np.array_equal(ours.speech, theirs.speech)
    assert ours.speech[0, 1] - ours.speech[0, 0] < ours.lengths[0] - 20, "silence is left out"
