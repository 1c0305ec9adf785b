from __future__ import annotations

from pathlib import Path

import pytest

from affectd.models.corpora import CORPORA, NOISE, CorpusError, corpora_folder, corpus_named


def by_name(corpora: Path, corpus: str) -> dict[str, tuple[str, str | None, str | None, str]]:
    clips = CORPORA[corpus].list(corpora).clips
    return {clip.name: (clip.speaker, clip.sex, clip.label, clip.native) for clip in clips}


def test_ravdess_merges_calm_and_passes_songs_over(corpora: Path) -> None:
    clips = by_name(corpora, "ravdess")
    assert len(clips) == 12
    assert clips["03-01-02-01-01-01-21"] == ("21", "male", "neutral", "calm")
    assert clips["03-01-05-01-01-01-02"] == ("02", "female", "angry", "angry")


def test_tess_knows_its_misnamed_file_and_pleasant_surprise(corpora: Path) -> None:
    clips = by_name(corpora, "tess")
    assert clips["OA_bite_neutral"] == ("OAF", "female", "neutral", "neutral")
    assert clips["YAF_back_ps"] == ("YAF", "female", "surprised", "ps")
    assert clips["YAF_back_fear"][2] == "fearful"


def test_emodb_leaves_boredom_without_a_label(corpora: Path) -> None:
    listing = CORPORA["emodb"].list(corpora)
    clips = by_name(corpora, "emodb")
    assert clips["03a01Fa"] == ("03", "male", "happy", "happiness")
    assert clips["08a02La"] == ("08", "female", None, "boredom")
    assert len(listing.labelled) == 4
    assert "5 clips of the 535 published, 2 speakers" in str(listing)


def test_nemo_goes_by_its_table(corpora: Path) -> None:
    clips = by_name(corpora, "nemo")
    assert len(clips) == 6
    assert clips["KS0_anger_1"] == ("KS0", "male", "angry", "anger")


def test_crema_d_prefers_audio_over_log_mel(tmp_path: Path, corpora: Path) -> None:
    clips = {clip.name: clip for clip in CORPORA["crema-d"].list(corpora).clips}
    assert clips["1090_IEO_SAD_HI"].row == 1
    assert (clips["1001_DFA_ANG_XX"].sex, clips["1001_DFA_ANG_XX"].label) == ("male", "angry")
    folder = tmp_path / "crema-d"
    (folder / "AudioWAV").mkdir(parents=True)
    for name in ("logmel64.npz", "VideoDemographics.csv"):
        (folder / name).write_bytes((corpora / "crema-d" / name).read_bytes())
    (folder / "AudioWAV/1001_DFA_ANG_XX.wav").touch()
    clips = {clip.name: clip for clip in CORPORA["crema-d"].list(tmp_path).clips}
    assert clips["1001_DFA_ANG_XX"].row is None
    assert clips["1001_DFA_ANG_XX"].path.suffix == ".wav"
    assert clips["1090_IEO_SAD_HI"].row == 1


def test_ravdess_song_is_apart_from_its_speech(corpora: Path) -> None:
    clips = by_name(corpora, "ravdess-song")
    assert set(clips.values()) == {
        (actor, sex, label, native)
        for actor, sex in (("01", "male"), ("18", "female"))
        for label, native in (("neutral", "calm"), ("angry", "angry"))
    }


def test_savee_takes_the_speaker_from_its_folder_or_its_name(corpora: Path, tmp_path: Path) -> None:
    official = by_name(corpora, "savee")
    assert official == {
        "DC_a01": ("DC", "male", "angry", "anger"),
        "DC_sa02": ("DC", "male", "sad", "sadness"),
        "KL_su15": ("KL", "male", "surprised", "surprise"),
    }
    (tmp_path / "savee").mkdir()
    (tmp_path / "savee/JK_n30.wav").touch()
    assert by_name(tmp_path, "savee") == {"JK_n30": ("JK", "male", "neutral", "neutral")}


def test_iemocap_goes_by_its_evaluations(corpora: Path, tmp_path: Path) -> None:
    clips = by_name(corpora, "iemocap")
    assert clips["Ses01F_impro01_F000"] == ("Ses01F", "female", "happy", "exc")
    assert clips["Ses01F_impro01_F001"][2] is None, "frustrated is none of the seven"
    assert clips["Ses01F_impro01_M000"] == ("Ses01M", "male", "neutral", "neu")
    (tmp_path / "iemocap").mkdir()
    (tmp_path / "iemocap/Ses01F_impro01_F000.wav").touch()
    with pytest.raises(CorpusError, match="no evaluations: expected are Session1/dialog"):
        CORPORA["iemocap"].list(tmp_path)


def test_esd_takes_the_emotion_from_a_folder(corpora: Path) -> None:
    assert by_name(corpora, "esd") == {
        "0011_000351": ("0011", None, "angry", "Angry"),
        "0002_001501": ("0002", None, "surprised", "Surprise"),
    }


def test_jl_corpus_leaves_its_secondary_emotions_without_a_label(corpora: Path) -> None:
    clips = by_name(corpora, "jl-corpus")
    assert clips["female1_angry_10a_1"] == ("female1", "female", "angry", "angry")
    assert clips["male2_excited_3b_2"] == ("male2", "male", "happy", "excited")
    assert clips["male2_anxious_3b_2"][2] is None


def test_noise_has_no_label(corpora: Path) -> None:
    (clip,) = NOISE.list(corpora).clips
    assert (clip.name, clip.label, clip.native, clip.licence) == (
        "rain/1-1",
        None,
        "rain",
        "CC BY 3.0",
    )


@pytest.mark.parametrize("name", CORPORA)
def test_every_clip_carries_its_licence_and_corpus(corpora: Path, name: str) -> None:
    clips = CORPORA[name].list(corpora).clips
    assert {(clip.corpus, clip.licence) for clip in clips} == {(name, CORPORA[name].licence)}


def test_a_missing_an_empty_and_a_foreign_folder_say_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"no folder .*expected there is Actor_01/"):
        CORPORA["ravdess"].list(tmp_path)
    (tmp_path / "ravdess").mkdir()
    with pytest.raises(CorpusError, match=r"expected in .* is Actor_01/.*; found nothing"):
        CORPORA["ravdess"].list(tmp_path)
    (tmp_path / "ravdess/somebody.wav").touch()
    with pytest.raises(CorpusError, match=r"found 1 entries, none of them so \(somebody\.wav\)"):
        CORPORA["ravdess"].list(tmp_path)
    (tmp_path / "nemo").mkdir()
    with pytest.raises(CorpusError, match=r"data\.tsv cannot be read"):
        CORPORA["nemo"].list(tmp_path)
    (tmp_path / "nemo/data.tsv").write_text("file_id\temotion\nx.wav\tanger\n")
    with pytest.raises(CorpusError, match="has no column 'raw_text'"):
        CORPORA["nemo"].list(tmp_path)
    (tmp_path / "crema-d").mkdir()
    (tmp_path / "crema-d/logmel64.npz").write_text("no archive")
    with pytest.raises(CorpusError, match="no file of log-mel features"):
        CORPORA["crema-d"].list(tmp_path)


def test_the_folder_is_found_by_option_then_by_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AFFECTD_CORPORA", raising=False)
    with pytest.raises(CorpusError, match="give --corpora DIR or set AFFECTD_CORPORA"):
        corpora_folder()
    monkeypatch.setenv("AFFECTD_CORPORA", str(tmp_path))
    assert corpora_folder() == tmp_path
    with pytest.raises(CorpusError, match="is not a folder"):
        corpora_folder(tmp_path / "gone")


def test_a_mistyped_corpus_is_guessed() -> None:
    with pytest.raises(CorpusError, match="did you mean ravdess"):
        corpus_named("ravdes")
    with pytest.raises(CorpusError, match="known are crema-d, emodb"):
        corpus_named("xyzzy")


def test_the_documentation_says_how_each_corpus_is_laid_out() -> None:
    page = (Path(__file__).parents[2] / "docs/how-to/model.md").read_text("utf-8")
    for corpus in (*CORPORA.values(), NOISE):
        told = (
            f"| `{corpus.name}` | {corpus.language or '–'} | {corpus.licence} | `{corpus.layout}` |"
        )
        assert told in page
