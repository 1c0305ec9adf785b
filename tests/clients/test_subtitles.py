"""Unit and property tests of subtitles, against pysubs2, which reads them its own way."""

from __future__ import annotations

import pysubs2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectd.clients.manner import LANGUAGES, manner
from affectd.clients.subtitles import SubtitleError, Subtitles, write_cues

SRT = (
    "\ufeff1\r\n00:00:01,000 --> 00:00:02,500 X1:40 X2:600\r\n{\\an8}<i>Where were you?</i>\r\n"
    "Second line\r\n\r\n7\r\n00:00:03,000 --> 00:00:04,000\r\n- Here.\r\n- Not there.\r\n\r\n"
)
VTT = """WEBVTT - a talk
Kind: captions

STYLE
::cue { color: lime }

NOTE 00:00 is the beginning

intro
00:01.000 --> 00:02.500 line:0 align:start
<v Anna>Where were you?

01:00:03.000 --> 01:00:04.000
Here &amp; there.
"""


@pytest.mark.parametrize(("text", "kind"), [(SRT, "srt"), (VTT, "vtt")])
def test_the_times_are_those_another_library_reads(text: str, kind: str) -> None:
    subtitles = Subtitles(text)
    assert subtitles.format == kind
    theirs = pysubs2.SSAFile.from_string(text.removeprefix("\ufeff"), kind)
    expected = [(each.start, each.end) for each in theirs]
    assert [(round(1000 * cue.start), round(1000 * cue.end)) for cue in subtitles.cues] == expected


@pytest.mark.parametrize("text", [SRT, VTT, VTT.replace("\n", "\r")])
def test_what_is_not_annotated_stays_byte_for_byte(text: str) -> None:
    assert Subtitles(text).annotated(["", ""]) == text


def test_only_the_words_before_a_cue_are_added() -> None:
    said = Subtitles(SRT).annotated(["[angrily]", "[sadly]"])
    assert said == SRT.replace("Where", "[angrily] Where").replace("Here.", "[sadly] Here.")
    said = Subtitles(VTT).annotated(["[angrily]", ""])
    assert said == VTT.replace("<v Anna>Where", "<v Anna>[angrily] Where")


@given(
    st.lists(
        st.tuples(
            st.integers(0, 359_000_000),
            st.integers(1, 60_000),
            st.text(st.characters(exclude_characters="\r\n", codec="utf-8"), min_size=1).filter(
                lambda words: words.strip(" \t\ufeff") and "-->" not in words
            ),
        ),
        min_size=1,
        max_size=5,
    ),
    st.sampled_from(["\n", "\r\n"]),
)
def test_any_cue_is_found_and_kept(cues: list[tuple[int, int, str]], end: str) -> None:
    def time(at: int) -> str:
        return f"{at // 3_600_000:02}:{at // 60_000 % 60:02}:{at // 1000 % 60:02},{at % 1000:03}"

    text = "".join(
        f"{n}{end}{time(at)} --> {time(at + long)}{end}{words}{end}{end}"
        for n, (at, long, words) in enumerate(cues, 1)
    )
    subtitles = Subtitles(text)
    assert subtitles.annotated([""] * len(subtitles.cues)) == text
    found = {(round(1000 * cue.start), round(1000 * cue.end)) for cue in subtitles.cues}
    assert found <= {(at, at + long) for at, long, _ in cues}
    marked = subtitles.annotated(["[x]"] * len(subtitles.cues))
    assert marked.replace("[x] ", "") == text.replace("[x] ", "")


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("1\n00:00:01,000 -> 00:00:02,000\nHi\n", 2, "no times like"),
        ("1\n00:00:01,000 --> 00:00:02\nHi\n", 2, "no times like"),
        ("1\n00:61:01,000 --> 00:62:02,000\nHi\n", 2, "no times like"),
        ("1\n00:00:03,000 --> 00:00:02,000\nHi\n", 2, "ends before it begins"),
        (SRT + "8\r\n00:00:0x,000 --> 00:00:09,000\r\nHi\r\n", 12, "no times like"),
        ("WEBVTT\n\n00:01 --> 00:02\nHi\n", 3, "no times like"),
        ("WEBVTT\n\nHi\n", 3, "no times like"),
        ("Dear reader,\nthese are no subtitles\n", 2, "no times like"),
    ],
)
def test_broken_times_are_refused_with_the_line(text: str, line: int, why: str) -> None:
    with pytest.raises(SubtitleError, match=rf"talk\.srt, line {line}: .*{why}"):
        Subtitles(text, name="talk.srt")


@pytest.mark.parametrize("text", ["", "\n\n", "WEBVTT\n"])
def test_a_file_without_a_cue_is_refused(text: str) -> None:
    with pytest.raises(SubtitleError, match="holds no cue"):
        Subtitles(text)


@pytest.mark.parametrize("kind", ["srt", "vtt"])
def test_what_is_written_another_library_reads(kind: str) -> None:
    utterances = [
        {"start": 0.9764, "end": 3.856, "label": "angry"},
        {"start": 4.0, "end": 5.0, "label": None},
        {"start": 3_661.5, "end": 3_662.0, "label": "sad"},
    ]
    text = write_cues(utterances, kind, manner("word", "pl"))  # type: ignore[arg-type]
    theirs = pysubs2.SSAFile.from_string(text, kind)
    assert [(each.start, each.end, each.text) for each in theirs] == [
        (976, 3856, "[gniewnie]"),
        (3_661_500, 3_662_000, "[smutno]"),
    ]


def test_every_language_and_sign_tells_seven_emotions_apart() -> None:
    labels = ["angry", "disgust", "fearful", "happy", "neutral", "sad", "surprised"]
    for describe in [*(manner("word", each) for each in LANGUAGES), manner("emoji")]:
        assert len({describe(label) for label in labels}) == 7
    signs = {manner("braille")(label) for label in labels}
    assert len(signs) == 7
    assert all("\u2800" <= cell <= "\u28ff" for sign in signs for cell in sign)
    assert manner("emoji")("amused") == "[amused]"


def test_an_unknown_language_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match="'xx' has no list of words; there are de, en, pl"):
        manner("word", "xx")
