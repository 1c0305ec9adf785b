"""Integration: files in, tables, pictures and subtitles out, as a person would have it."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple, Protocol, get_args

import numpy as np
import onnx
import pandas
import pytest
import soundfile

import affectd
from affectd.analyze import Format
from affectd.cli import main
from affectd.clients.subtitles import Subtitles
from affectd.engine.shipped import find_model
from affectd.engine.sources import DemoSource

RATE = 16_000


class Done(NamedTuple):
    """What a command left behind."""

    stdout: str
    stderr: str


class Command(Protocol):
    """Runs ``affectd analyze``; the exit code must be the one that is expected."""

    def __call__(self, *arguments: str, code: int = 0) -> Done: ...


@pytest.fixture
def affectd_(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """The command line, in this process: a new interpreter for each would take most of the time."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")

    def run(*arguments: str, code: int = 0) -> Done:
        monkeypatch.setattr(sys, "argv", ["affectd", "analyze", *arguments])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        done = Done(*capfd.readouterr())
        assert ended.value.code == code, done.stderr
        return done

    return run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two recordings, one of them in a folder of its own, and a file that is none."""
    folder = tmp_path_factory.mktemp("recordings")
    clips = list(DemoSource().clips())
    pause = np.zeros(19_200, np.float32)
    talk = np.concatenate([part for clip in clips[:3] for part in (pause, clip)])
    soundfile.write(folder / "talk.wav", talk, RATE)
    (folder / "inner").mkdir()
    soundfile.write(folder / "inner" / "one.flac", clips[6], RATE)
    (folder / "broken.wav").write_text("nobody speaks here")
    (folder / "notes.txt").write_text("not meant to be heard")
    return folder


@pytest.fixture(scope="module")
def recognizer() -> affectd.Recognizer:
    return affectd.Recognizer()


@pytest.fixture(scope="module")
def frame(recognizer: affectd.Recognizer, folder: Path) -> pandas.DataFrame:
    return recognizer.analyze(folder / "talk.wav")


def test_a_folder_is_heard_and_what_is_no_audio_is_named_and_skipped(
    affectd_: Command, folder: Path, frame: pandas.DataFrame
) -> None:
    done = affectd_(str(folder), "--format", "jsonl")
    assert "affectd: skipped: " in done.stderr
    assert "broken.wav cannot be read" in done.stderr
    assert "notes.txt" not in done.stderr
    assert "s of audio per second" in done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert {Path(line["path"]).name for line in lines} == {"talk.wav", "one.flac"}
    talk = [line for line in lines if line["path"] == str(folder / "talk.wav")]
    assert [line["label"] for line in talk] == list(frame["label"])
    assert [line["label"] for line in talk] == ["neutral", "angry", "sad"]
    for line in talk:
        assert line["end"] > line["start"]
        assert sum(line["scores"].values()) == pytest.approx(1, abs=1e-3)
        assert line["confidence"] == max(line["scores"].values())


def test_the_environment_names_the_model(
    affectd_: Command, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AFFECTD_MODEL", "open")
    assert "score_surprised" not in affectd_(str(folder / "talk.wav"), "--format", "csv").stdout
    given = affectd_(str(folder / "talk.wav"), "--format", "csv", "--model", "light").stdout
    assert "score_surprised" in given, "the command line comes first"


@pytest.mark.filterwarnings("default")
def test_a_model_that_its_export_rejected_is_told_of_in_one_line(
    affectd_: Command, folder: Path, tmp_path: Path
) -> None:
    model = onnx.load(find_model("light"))
    (gates,) = (entry for entry in model.metadata_props if entry.key == "affectd.gates")
    gate = {"name": "agreement", "figure": 90.0, "limit": 99.0, "passed": False}
    gates.value = json.dumps([gate])
    path = tmp_path / "mine.onnx.rejected"
    onnx.save(model, path)
    done = affectd_(str(folder / "talk.wav"), "--model", str(path))
    (line,) = (line for line in done.stderr.splitlines() if "mine" in line)
    assert line.startswith(
        f"affectd: {path} missed what its export demands (agreement 90.0, limit 99)"
    )


def test_many_files_at_once_score_as_one_after_the_other(
    affectd_: Command, folder: Path, tmp_path: Path
) -> None:
    clips = list(DemoSource().clips())
    for number, clip in enumerate(clips[:8]):
        soundfile.write(tmp_path / f"{number}.wav", clip, RATE)
    at_once, in_turn = (
        affectd_(str(tmp_path), "--format", "jsonl", "--jobs", jobs).stdout for jobs in ("4", "1")
    )
    assert len(at_once.splitlines()) >= 8
    assert at_once == in_turn


def test_a_table_says_who_sounds_how(affectd_: Command, folder: Path) -> None:
    said = affectd_(str(folder / "talk.wav"), str(folder / "inner")).stdout
    assert "one.flac" in said
    assert "sounds mostly" in said
    assert "angry" in said


def test_tables_and_pictures_are_what_other_programs_read(
    affectd_: Command, folder: Path, frame: pandas.DataFrame, tmp_path: Path
) -> None:
    talk = str(folder / "talk.wav")
    rows = list(csv.DictReader(io.StringIO(affectd_(talk, "--format", "csv").stdout)))
    assert [row["label"] for row in rows] == list(frame["label"])
    assert [float(row["score_angry"]) for row in rows] == [s["angry"] for s in frame["scores"]]

    affectd_(talk, "-o", str(tmp_path / "talk.parquet"))
    read = pandas.read_parquet(tmp_path / "talk.parquet")
    assert list(read["start"]) == list(frame["start"])

    affectd_(talk, "-o", str(tmp_path / "talk.png"))
    assert (tmp_path / "talk.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"

    affectd_(talk, "-o", str(tmp_path / "talk.html"))
    page = (tmp_path / "talk.html").read_text("utf-8")
    line = page[page.index('<div class="line"') : page.index("</div>") + 6]
    # An area a label and utterance; some go on from one piece to the next.
    assert len(ET.fromstring(line).findall(".//{*}path")) >= 7 * 3
    assert len(ET.fromstring(line).findall(".//{*}text[@y='22']")) == 3  # each is named once
    assert "src=" not in page
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")


def test_subtitles_are_made_one_file_each(affectd_: Command, folder: Path, tmp_path: Path) -> None:
    affectd_(str(folder / "*.wav"), str(folder / "inner"), "--format", "vtt", "-o", str(tmp_path))
    assert {path.name for path in tmp_path.iterdir()} == {"talk.vtt", "one.vtt"}
    text = (tmp_path / "talk.vtt").read_text("utf-8")
    assert text.startswith("WEBVTT\n")
    assert [text.count(word) for word in ("[neutrally]", "[angrily]", "[sadly]")] == [1, 1, 1]


def test_subtitles_of_one_name_overwrite_no_others(
    affectd_: Command, folder: Path, tmp_path: Path
) -> None:
    sources = []
    for place in ("talk.wav", "a/x/talk.wav", "b/x/talk.wav", "c/x/talk.wav"):
        sources.append(tmp_path / place)
        sources[-1].parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / "inner" / "one.flac", sources[-1])
    out = tmp_path / "out"
    for _ in range(2):  # a second time they are the same four
        affectd_(*map(str, sources), "--format", "srt", "-o", str(out))
        assert {path.name for path in out.iterdir()} == {
            "talk.srt",
            "x-talk.wav.srt",
            "x-talk.wav-2.srt",
            "x-talk.wav-3.srt",
        }


@pytest.mark.parametrize("spelling", ["broken.wav", "./broken.wav", "inner/../broken.wav"])
def test_a_file_that_was_named_and_cannot_be_heard_is_a_failure_however_it_was_spelt(
    affectd_: Command, folder: Path, monkeypatch: pytest.MonkeyPatch, spelling: str
) -> None:
    monkeypatch.chdir(folder)
    assert "skipped" in affectd_(spelling, "inner/one.flac", code=1).stderr


@pytest.mark.parametrize("format_", get_args(Format))
def test_any_name_of_a_file_can_be_written(
    affectd_: Command, folder: Path, tmp_path: Path, format_: str
) -> None:
    path = tmp_path / os.fsdecode(b"$x^$ caf\xe9.wav")
    shutil.copy(folder / "inner" / "one.flac", path)
    affectd_(str(path), "--format", format_, "-o", str(tmp_path / "out"))
    written = (tmp_path / "out").read_bytes()
    assert written
    if format_ == "jsonl":
        said = json.loads(written.splitlines()[0])["path"]
        assert said == str(tmp_path / r"$x^$ caf\xe9.wav")


def test_existing_subtitles_get_a_word_where_it_is_sure_and_stay_as_they_are(
    affectd_: Command, folder: Path, frame: pandas.DataFrame, tmp_path: Path
) -> None:
    def time(seconds: float) -> str:
        return f"00:00:{int(seconds):02},{round(seconds % 1 * 1000):03}"

    spoken = [(row.start, row.end) for row in frame.itertuples()]
    spans = [(0.0, 0.5), *spoken]  # nobody speaks under the first
    srt = "".join(
        f"{n}\r\n{time(a)} --> {time(b)}\r\nLine {n}\r\n\r\n" for n, (a, b) in enumerate(spans, 1)
    )
    file = tmp_path / "talk.srt"
    file.write_bytes(srt.encode())
    talk = str(folder / "talk.wav")
    affectd_(
        talk, "--subtitles", str(file), "--language", "de", "-o", str(tmp_path / "talk.de.srt")
    )
    said = (tmp_path / "talk.de.srt").read_bytes().decode()
    expected = srt.replace("Line 2", "[sachlich] Line 2").replace("Line 3", "[wütend] Line 3")
    assert said == expected.replace("Line 4", "[traurig] Line 4")
    emoji = affectd_(talk, "--subtitles", str(file), "--style", "emoji").stdout
    assert "😠 Line 3" in emoji
    assert len(Subtitles(emoji).cues) == 4


def test_what_is_read_is_never_written_over(
    affectd_: Command, folder: Path, tmp_path: Path
) -> None:
    talk, subtitles = tmp_path / "talk.wav", tmp_path / "talk.srt"
    shutil.copy(folder / "talk.wav", talk)
    subtitles.write_text("1\n00:00:01,000 --> 00:00:03,000\nHi\n")
    other = tmp_path / "other.csv"
    other.symlink_to(talk)
    before = talk.read_bytes(), subtitles.read_bytes()
    for arguments in (
        ["--format", "csv", "-o", str(talk)],
        ["--format", "csv", "-o", str(tmp_path / "." / "talk.wav")],
        ["-o", str(other)],
        ["--subtitles", str(subtitles), "-o", str(subtitles)],
    ):
        done = affectd_(str(talk), *arguments, code=1)
        assert "it would be written over" in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert (talk.read_bytes(), subtitles.read_bytes()) == before


@pytest.mark.parametrize(
    ("name", "text", "output"),
    [
        ("talk.srt", "1\n00:00:01,000 --> 00:00:03,000\nHi\n", "out.vtt"),
        ("talk.srt", "1\n00:00:01,000 --> 00:00:03,000\nHi\n", "out.html"),
        ("talk.vtt", "WEBVTT\n\n00:01.000 --> 00:03.000\nHi\n", "out.SRT"),
    ],
)
def test_subtitles_are_not_named_what_they_are_not(
    affectd_: Command, folder: Path, tmp_path: Path, name: str, text: str, output: str
) -> None:
    (tmp_path / name).write_text(text)
    arguments = [str(folder / "talk.wav"), "--subtitles", str(tmp_path / name)]
    done = affectd_(*arguments, "-o", str(tmp_path / output), code=1)
    kind = name[-3:]
    assert f"they stay {kind}, as in {tmp_path / 'out'}.{kind}" in done.stderr
    assert not (tmp_path / output).exists()


def test_a_cue_that_tells_an_emotion_already_is_left_alone(
    affectd_: Command, folder: Path, frame: pandas.DataFrame, tmp_path: Path
) -> None:
    row = next(each for each in frame.itertuples() if each.label == "angry")
    times = f"00:00:{row.start:06.3f} --> 00:00:{row.end:06.3f}".replace(".", ",")
    file, once, again = (tmp_path / f"{name}.srt" for name in ("talk", "once", "again"))
    file.write_text(f"1\n{times}\nWhere were you?\n")
    talk = str(folder / "talk.wav")
    affectd_(talk, "--subtitles", str(file), "-o", str(once))
    assert "[angrily] Where" in once.read_text()
    for manner in ([], ["--style", "emoji"], ["--language", "de"]):
        done = affectd_(talk, "--subtitles", str(once), "-o", str(again), *manner)
        assert again.read_bytes() == once.read_bytes()
        assert "1 cue tells an emotion already, and stays as it is" in done.stderr


def test_broken_subtitles_are_refused_with_the_line(
    affectd_: Command, folder: Path, tmp_path: Path
) -> None:
    file = tmp_path / "talk.srt"
    file.write_text("1\n00:00:01,000 --> soon\nHi\n")
    done = affectd_(str(folder / "talk.wav"), "--subtitles", str(file), code=1)
    assert f"{file}, line 2: no times like" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["no-such.wav"], "none of the files could be heard"),
        (["no-*.wav"], "nothing matches 'no-*.wav'"),
        ([".", "--format", "png"], "--format png needs -o FILE"),
        ([".", "-o", "no/where.csv"], "there is no folder"),
        ([".", "-o", "out.docx"], "say with --format which"),
        ([".", "--format", "csv", "-o", "out.html"], "ends as html does, and --format says csv"),
        ([".", "--language", "xx"], "there are de, en, pl"),
    ],
)
def test_bad_input_gets_a_line(
    affectd_: Command,
    arguments: list[str],
    says: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(folder)
    assert says in affectd_(*arguments, code=1).stderr.splitlines()[-1]


def test_a_bad_sample_in_a_folder_skips_that_file_alone(
    affectd_: Command, folder: Path, tmp_path: Path
) -> None:
    shutil.copy(folder / "inner" / "one.flac", tmp_path)
    soundfile.write(tmp_path / "nan.wav", np.full(8000, np.nan), RATE, subtype="FLOAT")
    done = affectd_(str(tmp_path), "--format", "jsonl")
    assert "nan.wav: sample 0 is nan: audio must be finite" in done.stderr
    assert len(done.stdout.splitlines()) >= 1


def test_a_file_that_is_cut_off_is_said_to_be(
    affectd_: Command, folder: Path, tmp_path: Path, recognizer: affectd.Recognizer
) -> None:
    path = tmp_path / "cut.wav"
    path.write_bytes((folder / "talk.wav").read_bytes()[:100_000])
    assert f"affectd: {path} is cut off: the last " in affectd_(str(path)).stderr
    with pytest.warns(UserWarning, match="is cut off"):
        recognizer.analyze(path)


@pytest.mark.skipif(not shutil.which("ffmpeg"), reason="ffmpeg is not installed")
def test_ffmpeg_reads_what_libsndfile_cannot(
    folder: Path, frame: pandas.DataFrame, tmp_path: Path, recognizer: affectd.Recognizer
) -> None:
    film = tmp_path / "talk.mka"
    command = ["ffmpeg", "-v", "error", "-i", str(folder / "talk.wav"), str(film)]
    subprocess.run(command, check=True)
    assert list(recognizer.analyze(film)["label"]) == list(frame["label"])


def test_a_stream_hears_what_a_file_holds(
    recognizer: affectd.Recognizer, folder: Path, frame: pandas.DataFrame
) -> None:
    samples, rate = soundfile.read(folder / "talk.wav")
    stream = recognizer.stream(rate)
    events = [
        event for at in range(0, samples.size, 999) for event in stream.feed(samples[at : at + 999])
    ]
    events += stream.finish()
    said = [event["label"] for event in events if event["type"] == "utterance"]
    assert said == list(frame["label"])


def test_a_prediction_is_the_utterances_and_silence_has_none(
    recognizer: affectd.Recognizer,
) -> None:
    clip = next(DemoSource().clips())
    found = recognizer.predict(clip, RATE)
    assert (found.label, found.abstained) == ("neutral", None)
    assert recognizer.predict(np.zeros(RATE), RATE).abstained == "not_speech"
    whole = np.rint(clip * 32_768).clip(-32_768, 32_767)
    same = recognizer.predict(whole.astype(np.int16), RATE)
    assert same.scores == pytest.approx(found.scores, abs=0.02)
    with pytest.raises(ValueError, match="int32; needed are"):
        recognizer.predict(whole.astype(np.int32), RATE)
    with pytest.raises(ValueError, match="rate 100 Hz"):
        recognizer.predict(np.zeros(100), 100)
    with pytest.raises(ValueError, match="no samples"):
        recognizer.predict([], RATE)


def test_a_notebook_shows_a_timeline(
    frame: pandas.DataFrame, recognizer: affectd.Recognizer
) -> None:
    def tags(text: str) -> list[str]:
        found: list[str] = []
        parser = HTMLParser()
        parser.handle_starttag = lambda tag, _: found.append(tag)  # type: ignore[method-assign]
        parser.feed(text)
        return found

    assert tags(frame._repr_html_()).count("path") >= 7 * 3
    assert "svg" not in tags(frame[["label"]]._repr_html_())
    assert tags(recognizer.predict(next(DemoSource().clips()), RATE)._repr_html_()).count("tr") == 7
