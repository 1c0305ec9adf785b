"""Unit and property tests of the session: real speech, a fake model, no clock and no thread."""

from __future__ import annotations

import itertools
from base64 import b64decode
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.engine.fake_classifier import LABELS, fake_logits, fake_metadata

from affectd.engine.protocol import (
    Abstention,
    Emotion,
    ErrorCode,
    Event,
    Gap,
    Mel,
    Result,
    Speech,
    Utterance,
)
from affectd.engine.segmenter import SegmenterSettings
from affectd.engine.session import Session, SessionSettings, Window
from affectd.engine.smoothing import SmoothingSettings
from affectd.engine.voice import VoiceSettings
from affectd.kernels.front_end import FrontEnd
from affectd.kernels.logmel import LogMel
from affectd.kernels.samples import LARGEST_SAMPLE, BadSampleError

METADATA = fake_metadata()
BEGAN = 5_000.0


def blocks(samples: np.ndarray, cuts: Sequence[int]) -> list[np.ndarray]:
    edges = [0, *cuts, samples.size]
    return [samples[a:b] for a, b in itertools.pairwise(edges)]


def resolved(session: Session, heard: list[Event | Window]) -> list[Event]:
    """Resolve windows where they stand in the stream."""
    events: list[Event] = []
    for each in heard:
        if isinstance(each, Window):
            events += session.resolve(each, fake_logits(each.logmel))
        else:
            events.append(each)
    return events


def hear(
    samples: np.ndarray,
    *,
    rate: int = 16_000,
    cuts: Sequence[int] | None = None,
    session: Session | None = None,
    **settings: Any,
) -> list[Event]:
    """Return all events of a signal, fed in the blocks of a microphone if not said otherwise."""
    session = session or Session("mic", METADATA, rate=rate, settings=SessionSettings(**settings))
    if cuts is None:
        cuts = range(rate // 100, samples.size, rate // 100)
    events: list[Event] = []
    position = 0
    for block in blocks(samples, cuts):
        events += resolved(session, session.feed(block, BEGAN + position / rate))
        position += block.size
    return events + resolved(session, session.finish())


def comparable(events: list[Event]) -> list[dict[str, Any]]:
    """Return events without their numbers, which follow the order in which results come back."""
    return [{**event.to_wire(), "seq": 0} for event in events]


def of(events: list[Event], kind: type[Event]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


@pytest.fixture(scope="module")
def short_speech(clips: list[np.ndarray]) -> np.ndarray:
    pause = np.zeros(12_000, np.float32)
    return np.concatenate([pause, clips[0], pause, clips[1], pause, clips[3]])


@settings(max_examples=20)
@given(data=st.data())
def test_the_same_audio_gives_the_same_events_however_it_is_cut(
    short_speech: np.ndarray, data: st.DataObject
) -> None:
    cuts = data.draw(st.lists(st.integers(0, short_speech.size), max_size=80))
    expected = comparable(hear(short_speech))
    assert comparable(hear(short_speech, cuts=sorted(cuts))) == expected
    assert len(of_types(expected, "utterance")) == 3


def of_types(events: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [event for event in events if event["type"] == kind]


@pytest.mark.parametrize("block", [1, 7, 159, 161, 1_024, 10**9])
def test_the_same_audio_gives_the_same_events_in_blocks_of_one_size(
    short_speech: np.ndarray, block: int
) -> None:
    samples = short_speech[: 40_000 if block == 1 else None]
    expected = comparable(hear(samples))
    assert comparable(hear(samples, cuts=range(block, samples.size, block))) == expected
    assert of_types(expected, "emotion")


@pytest.mark.parametrize("rate", [44_100, 48_000])
@settings(max_examples=8)
@given(data=st.data())
def test_resampled_audio_gives_the_same_events_however_it_is_cut(
    short_speech: np.ndarray, rate: int, data: st.DataObject
) -> None:
    samples = soxr.resample(short_speech, 16_000, rate)
    cuts = data.draw(st.lists(st.integers(0, samples.size), max_size=80))
    expected = comparable(hear(samples, rate=rate))
    assert comparable(hear(samples, rate=rate, cuts=sorted(cuts))) == expected
    assert len(of_types(expected, "utterance")) == 3


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000])
def test_another_rate_gives_nearly_the_same_utterances(short_speech: np.ndarray, rate: int) -> None:
    expected = of(hear(short_speech), Utterance)
    found = of(hear(soxr.resample(short_speech, 16_000, rate), rate=rate), Utterance)
    for ours, theirs in zip(found, expected, strict=True):
        # The band above 4 kHz that 8 kHz lacks may decide on a consonant more or less.
        assert ours.start == pytest.approx(theirs.start, abs=0.2)
        assert ours.end == pytest.approx(theirs.end, abs=0.2)


def test_each_clip_of_the_demo_is_heard_as_it_was_spoken(
    speech: np.ndarray, clips: list[np.ndarray]
) -> None:
    events = hear(speech)
    utterances = of(events, Utterance)
    phrases: Counter[int] = Counter()
    position = 0
    for number, clip in enumerate(clips):
        start, end = (position + 19_200) / 16_000, (position + 19_200 + clip.size) / 16_000
        for each in utterances:
            if start - 0.5 <= each.start and each.end <= end + 0.3:
                phrases[number] += 1
        position += 19_200 + clip.size
    assert phrases == Counter(range(12))
    assert sum(phrases.values()) == len(utterances)
    assert all(utterance.abstained != Abstention.TOO_SHORT for utterance in utterances)

    states = [event.state for event in of(events, Speech)]
    assert states == ["start", "end"] * len(utterances)


def test_speech_begins_and_ends_with_its_utterance(speech: np.ndarray) -> None:
    events = hear(speech)
    turns = of(events, Speech)
    for start, end, utterance in zip(turns[::2], turns[1::2], of(events, Utterance), strict=True):
        assert (start.start, end.end) == (utterance.start, utterance.end)
    for emotion in of(events, Emotion):
        assert any(
            utterance.start <= emotion.start and emotion.end <= utterance.end + 0.5
            for utterance in of(events, Utterance)
        )


def test_provisional_windows_come_every_quarter_of_a_second_of_speech_from_0_6_s_on(
    speech: np.ndarray,
) -> None:
    frame = METADATA.front_end.frame_seconds
    ends: list[float] = []
    start = 0.0
    steps: list[float] = []
    for event in hear(speech):
        if isinstance(event, Speech) and event.state == "start":
            start, ends = event.start, []
        elif isinstance(event, Emotion):
            assert event.end >= start + 0.6
            assert event.end - event.start <= 3.0
            ends.append(event.end)
        elif isinstance(event, Utterance):
            # Only where a pause between words skipped some is the next one off the beat.
            spoken = event.end - event.start
            assert 1 <= len(ends) <= spoken / 0.25
            steps += list(np.diff(ends))
    assert len(steps) > 70
    on_the_beat = [step for step in steps if abs(step - 0.25) <= frame]
    assert len(on_the_beat) > 0.7 * len(steps)


@pytest.mark.parametrize("block", [160, 1_000])
def test_seq_increases_by_one(speech: np.ndarray, block: int) -> None:
    events = hear(speech, cuts=range(block, speech.size, block))
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert {event.stream for event in events} == {"mic"}


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(20 * 16_000, np.float32),
        *(
            (level * np.random.default_rng(seed).standard_normal(20 * 16_000)).astype(np.float32)
            for seed, level in enumerate([1e-4, 1e-2, 0.2])
        ),
    ],
    ids=["silence", "faint noise", "noise", "loud noise"],
)
def test_silence_and_white_noise_are_no_speech(samples: np.ndarray) -> None:
    assert hear(samples) == []


def test_speech_is_heard_with_another_front_end(speech: np.ndarray) -> None:
    front_end = FrontEnd(fft_samples=400, hop_samples=160, bands=80)
    metadata = fake_metadata(front_end=front_end, frame_sizes=(100, 298), normalisation="band")
    events = hear(speech, session=Session("mic", metadata, rate=16_000))
    assert 12 <= len(of(events, Utterance)) <= 15


OTHER_FRONT_ENDS = [
    FrontEnd(sample_rate=22_050, fft_samples=2_048, hop_samples=512, bands=96, high_hz=11_025.0),
    FrontEnd(bands=513, spectrum="linear", extras=("zero_crossings", "rms")),
]


def other_session(front_end: FrontEnd, *, rate: int) -> Session:
    metadata = fake_metadata(front_end=front_end, frame_sizes=(188,), normalisation="none")
    return Session("mic", metadata, rate=rate)


@pytest.mark.parametrize("front_end", OTHER_FRONT_ENDS, ids=["22,050 Hz", "linear"])
@pytest.mark.parametrize("rate", [16_000, 22_050, 48_000])
def test_speech_is_heard_at_other_rates_and_without_mel_bands(
    short_speech: np.ndarray, front_end: FrontEnd, rate: int
) -> None:
    usual = of(hear(short_speech), Utterance)
    samples = soxr.resample(short_speech, 16_000, rate)
    found = of(hear(samples, rate=rate, session=other_session(front_end, rate=rate)), Utterance)
    assert len(found) == len(usual) == 3
    for theirs, ours in zip(usual, found, strict=True):
        assert ours.start == pytest.approx(theirs.start, abs=0.1)
        assert ours.end == pytest.approx(theirs.end, abs=0.1)


@pytest.mark.parametrize("front_end", OTHER_FRONT_ENDS, ids=["22,050 Hz", "linear"])
@settings(max_examples=8)
@given(data=st.data())
def test_another_front_end_gives_the_same_events_however_the_audio_is_cut(
    short_speech: np.ndarray, front_end: FrontEnd, data: st.DataObject
) -> None:
    cuts = data.draw(st.lists(st.integers(0, short_speech.size), max_size=60))
    expected = comparable(hear(short_speech, session=other_session(front_end, rate=16_000)))
    cut = hear(short_speech, cuts=sorted(cuts), session=other_session(front_end, rate=16_000))
    assert comparable(cut) == expected


def test_a_gap_ends_the_utterance_with_another_front_end_too(short_speech: np.ndarray) -> None:
    session = other_session(OTHER_FRONT_ENDS[0], rate=16_000)
    events = resolved(session, session.feed(short_speech[:24_000], BEGAN))
    events += resolved(session, session.gap("device", 1.0, BEGAN + 2.5))
    assert [type(event) for event in events[-3:]] == [Speech, Utterance, Gap]
    later = resolved(session, session.feed(short_speech, BEGAN + 2.5))
    assert of(later + resolved(session, session.finish()), Utterance)[0].start > 2.5


def test_results_are_calibrated_and_complete(short_speech: np.ndarray) -> None:
    for result in of(hear(short_speech), Utterance):
        assert tuple(result.scores) == LABELS
        assert sum(result.scores.values()) == pytest.approx(1, abs=5e-4)
        assert result.confidence == max(result.scores.values())
        assert (result.label is None) == (result.abstained is not None)
        if result.label:
            assert result.scores[result.label] == result.confidence
        weights = METADATA.valence_arousal
        assert result.valence == pytest.approx(
            sum(result.scores[label] * weights[label][0] for label in LABELS), abs=2e-3
        )
        assert result.arousal == pytest.approx(
            sum(result.scores[label] * weights[label][1] for label in LABELS), abs=2e-3
        )


def test_the_final_posterior_is_the_mean_over_all_full_windows(
    clips: list[np.ndarray],
) -> None:
    """Worked with numpy from logits that the test makes up."""
    random = np.random.default_rng(4)
    session = Session(
        "mic",
        METADATA,
        rate=16_000,
        settings=SessionSettings(segmenter=SegmenterSettings(window_seconds=1.0)),
    )
    samples = np.concatenate([np.zeros(16_000, np.float32), clips[5], np.zeros(16_000, np.float32)])
    windows = [each for each in session.feed(samples, 0.0) if isinstance(each, Window)]
    full: list[np.ndarray] = []
    final = None
    for window in windows:
        logits = random.normal(size=4).astype(np.float32)
        [event] = session.resolve(window, logits)
        if window.cut.final or window.cut.start > window.cut.utterance_start:
            full.append(logits)
        if window.cut.final:
            final = event
    assert len(full) > 4
    assert isinstance(final, Utterance)
    weights = np.exp(np.stack(full) / METADATA.temperature)
    posteriors = weights / weights.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(list(final.scores.values()), posteriors.mean(axis=0), atol=1e-4)


def test_an_utterance_no_longer_than_a_window_is_judged_by_its_last_window_alone(
    clips: list[np.ndarray],
) -> None:
    session = Session("mic", METADATA, rate=16_000)
    samples = np.concatenate([np.zeros(16_000, np.float32), clips[0], np.zeros(16_000, np.float32)])
    windows = [each for each in session.feed(samples, 0.0) if isinstance(each, Window)]
    assert len(windows) > 2
    for window in windows[:-1]:
        session.resolve(window, np.array([9, 0, 0, 0], np.float32))
    [final] = session.resolve(windows[-1], np.array([0, 0, 0, 3], np.float32))
    assert isinstance(final, Utterance)
    weights = np.exp(np.array([0, 0, 0, 3]) / METADATA.temperature)
    np.testing.assert_allclose(list(final.scores.values()), weights / weights.sum(), atol=1e-4)


def test_windows_may_be_left_out(short_speech: np.ndarray) -> None:
    session = Session("mic", METADATA, rate=16_000)
    heard = session.feed(short_speech, 0.0) + session.finish()
    finals = [each for each in heard if isinstance(each, Window) and each.cut.final]
    events = [event for each in finals for event in session.resolve(each, fake_logits(each.logmel))]
    assert [type(event) for event in events] == [Utterance] * 3


def test_smoothing_does_not_reach_across_utterances(short_speech: np.ndarray) -> None:
    smooth = SessionSettings(smoothing=SmoothingSettings(time_constant_seconds=60.0))
    session = Session("mic", METADATA, rate=16_000, settings=smooth)
    windows = [each for each in session.feed(short_speech, 0.0) if isinstance(each, Window)]
    shown: dict[int, list[str]] = {}
    for window in windows:
        logits = np.zeros(4, np.float32)
        logits[window.cut.utterance % 4] = 9
        [event] = session.resolve(window, logits)
        shown.setdefault(window.cut.utterance, []).append(event.label)
    assert {number: set(labels) for number, labels in shown.items()} == {
        1: {"happy"},
        2: {"neutral"},
        3: {"sad"},
    }


def test_a_word_too_short_to_judge_is_told_and_not_labelled(clips: list[np.ndarray]) -> None:
    silence = np.zeros(16_000, np.float32)
    loud = int(np.abs(clips[1]).argmax())
    word = clips[1][loud - 1_600 : loud + 1_600]
    utterances = of(hear(np.concatenate([silence, word, silence])), Utterance)
    assert [each.abstained for each in utterances] == [Abstention.TOO_SHORT]
    assert utterances[0].label is None


def test_an_utterance_without_a_pause_is_cut_at_the_longest(clips: list[np.ndarray]) -> None:
    running = np.concatenate([clips[1], clips[5], clips[9], clips[3]])
    events = hear(running, segmenter=SegmenterSettings(longest_seconds=3.0))
    utterances = of(events, Utterance)
    assert len(utterances) >= 3
    for each in utterances:
        # The cut waits for the next voiced frame; a pause that long would end the utterance.
        assert each.end - each.start <= 3.0 + VoiceSettings().hangover_seconds
    for before, after in itertools.pairwise(utterances):
        assert after.start <= before.end + 0.5


def test_results_carry_the_time_of_capture_of_their_last_sample(short_speech: np.ndarray) -> None:
    for event in hear(short_speech):
        assert event.captured_at == pytest.approx(BEGAN + event.end, abs=1e-6)


@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_a_gap_ends_the_utterance_and_advances_the_stream_exactly(
    clips: list[np.ndarray], rate: int
) -> None:
    session = Session("mic", METADATA, rate=rate)
    clip = soxr.resample(clips[5], 16_000, rate) if rate != 16_000 else clips[5]
    first, rest = clip[: rate * 2 + 13], clip[rate * 2 + 13 :]
    assert not of(resolved(session, session.feed(first, 0.0)), Utterance)
    lost = 54_321 / rate
    events = resolved(session, session.gap("overrun", lost, captured_at=77.0))
    assert [type(event) for event in events[-3:]] == [Speech, Utterance, Gap]
    end, utterance, gap = events[-3:]
    assert (end.state, end.end) == ("end", utterance.end)
    assert utterance.end <= first.size / rate
    assert (gap.reason, gap.lost_seconds, gap.captured_at) == ("overrun", round(lost, 4), 77.0)
    assert gap.start == first.size / rate
    assert gap.end == session.seconds == (first.size + 54_321) / rate
    after = resolved(session, session.feed(rest, 77.0)) + resolved(session, session.finish())
    assert of(after, Utterance), "speech is heard again"
    # What is heard lies on the model's samples, the gap on the source's.
    for event in after:
        assert event.start >= gap.end - 1 / 16_000
        assert event.captured_at == pytest.approx(77.0 + event.end - gap.end, abs=1e-6)
    assert session.seconds == (clip.size + 54_321) / rate


def test_what_the_resampler_held_back_is_heard_before_a_gap(clips: list[np.ndarray]) -> None:
    clip = soxr.resample(clips[5], 16_000, 44_100)
    for size in range(40_000, 120_000, 7_919):
        session = Session("mic", METADATA, rate=44_100)
        ended = hear(clip[:size], rate=44_100)
        events = resolved(session, session.feed(clip[:size], BEGAN))
        events += resolved(session, session.gap("overrun", 1.0, captured_at=0.0))
        assert comparable(events[:-1]) == comparable(ended)


def test_after_a_gap_in_the_middle_of_speech_no_one_is_speaking(clips: list[np.ndarray]) -> None:
    session = Session("mic", METADATA, rate=16_000)
    session.feed(clips[5][:32_000], 0.0)
    assert session.gap("device", 1.0, captured_at=0.0)
    assert session.feed(np.zeros(16_000, np.float32), 0.0) == []


@settings(max_examples=20)
@given(
    rate=st.sampled_from([8_000, 16_000, 22_050, 44_100, 48_000]),
    steps=st.lists(st.tuples(st.integers(0, 5_000), st.integers(0, 100_000)), max_size=20),
)
def test_stream_seconds_are_exact_after_any_number_of_gaps(
    rate: int, steps: list[tuple[int, int]]
) -> None:
    session = Session("mic", METADATA, rate=rate)
    total = 0
    for fed, lost in steps:
        session.feed(np.zeros(fed, np.float32), total / rate)
        total += fed
        [gap] = session.gap("overflow", lost / rate, captured_at=(total + lost) / rate)
        assert gap.start == total / rate
        total += lost
        assert gap.end == session.seconds == total / rate


def test_nothing_of_before_a_gap_is_heard_after_it(short_speech: np.ndarray) -> None:
    """But for the noise floor, which the room keeps."""
    silence = np.zeros(3 * 16_000, np.float32)
    fresh = Session("mic", METADATA, rate=16_000)
    fresh.feed(silence, 0.0)
    fresh.gap("device", 1.0, captured_at=BEGAN)
    used = Session("mic", METADATA, rate=16_000)
    used.feed(silence[:-50], 0.0)
    used.gap("device", 1.0 + 50 / 16_000, captured_at=BEGAN)
    one = hear(short_speech, session=fresh)
    other = hear(short_speech, session=used)
    assert comparable(one) == comparable(other)


@pytest.mark.parametrize("rate", [44_100, 48_000])
def test_what_the_resampler_held_back_is_heard_at_the_end(
    clips: list[np.ndarray], rate: int
) -> None:
    clip = soxr.resample(clips[5], 16_000, rate)
    [utterance] = of(hear(clip, rate=rate), Utterance)
    assert utterance.end == pytest.approx(clip.size / rate, abs=0.35)
    silence = Session("mic", METADATA, rate=rate)
    silence.feed(clip, 0.0)
    silence.finish()
    # All whole steps of 10 ms that the clip has, and no more.
    assert clip.size / rate - 0.01 <= silence._position / 16_000 <= clip.size / rate


def test_finish_says_everything_once(short_speech: np.ndarray) -> None:
    session = Session("mic", METADATA, rate=48_000)
    session.feed(soxr.resample(short_speech, 16_000, 48_000), 0.0)
    assert session.finish()
    assert session.finish() == []


@pytest.mark.parametrize("rate", [16_000, 48_000])
@pytest.mark.parametrize("value", [np.nan, -1e25])
def test_a_block_that_is_no_audio_is_refused_and_the_stream_goes_on_as_if_it_had_not_come(
    short_speech: np.ndarray, rate: int, value: float
) -> None:
    samples = soxr.resample(short_speech, 16_000, rate)
    session = Session("mic", METADATA, rate=rate)
    half = samples.size // 2
    events = resolved(session, session.feed(samples[:half], BEGAN))
    bad = samples[half : half + 999].copy()
    bad[123] = value
    with pytest.raises(BadSampleError) as caught:
        session.feed(bad, 9e9)
    assert caught.value.position == half + 123
    events += resolved(session, session.feed(samples[half:], BEGAN + half / rate))
    events += resolved(session, session.finish())
    assert comparable(events) == comparable(hear(samples, rate=rate))


def test_the_loudest_samples_that_are_taken_give_finite_results(short_speech: np.ndarray) -> None:
    loud = short_speech * (LARGEST_SAMPLE / np.abs(short_speech).max())
    events = hear(np.concatenate([short_speech, loud, short_speech]).astype(np.float32))
    results = [event for event in events if isinstance(event, Result)]
    assert len(results) > 3
    for result in results:
        assert np.isfinite([result.snr_db, result.confidence, *result.scores.values()]).all()


def test_a_device_without_sound_is_told_and_a_file_without_is_not() -> None:
    zeros = np.zeros(5 * 16_000, np.float32)
    session = Session("mic", METADATA, rate=16_000, device=True)
    [silent] = hear(zeros, session=session)
    assert (silent.type, silent.state) == ("device", "silent")
    assert silent.start == silent.end == 2.0
    assert silent.captured_at == pytest.approx(BEGAN + 2.0)
    assert hear(zeros) == []


def test_the_source_and_the_load_are_told_at_the_streams_time() -> None:
    session = Session("mic", METADATA, rate=48_000)
    session.feed(np.zeros(72_000, np.float32), 10.0)
    session.hop_seconds = 0.5
    told = [
        session.device("lost", "unplugged"),
        session.load("degraded", 3),
        session.failure(ErrorCode.SOURCE_FAILED, "gone"),
    ]
    assert [event.seq for event in told] == [1, 2, 3]
    assert {(event.start, event.end, event.captured_at) for event in told} == {(1.5, 1.5, 11.5)}
    wire = [event.to_wire() for event in told]
    assert (wire[0]["state"], wire[0]["detail"]) == ("lost", "unplugged")
    assert (wire[1]["dropped"], wire[1]["hop_seconds"]) == (3, 0.5)
    assert (wire[2]["code"], wire[2]["message"], wire[2]["fatal"]) == (
        "source_failed",
        "gone",
        True,
    )


def test_a_longer_hop_gives_fewer_windows(short_speech: np.ndarray) -> None:
    session = Session("mic", METADATA, rate=16_000)
    session.hop_seconds = 1.0
    assert session.hop_seconds == 1.0
    fewer = len(of(hear(short_speech, session=session), Emotion))
    assert 0 < fewer < len(of(hear(short_speech), Emotion)) / 2


def test_longer_windows_than_the_model_takes_are_refused() -> None:
    with pytest.raises(
        ValueError,
        match=r"'segmenter.window_seconds' is 5.0: the model 'fake' takes at most 3.06 s",
    ):
        Session(
            "mic",
            METADATA,
            rate=16_000,
            settings=SessionSettings(segmenter=SegmenterSettings(window_seconds=5.0)),
        )


@pytest.mark.parametrize("front_end", [FrontEnd(), *OTHER_FRONT_ENDS], ids=str)
def test_the_spectrogram_is_shown_to_whom_wants_it_and_changes_nothing_else(
    front_end: FrontEnd, short_speech: np.ndarray
) -> None:
    session = other_session(front_end, rate=16_000)
    session.shows_mel = True
    events = hear(short_speech[:32_000], session=session)
    shown = [event for event in events if isinstance(event, Mel)]
    rest = [event for event in events if not isinstance(event, Mel)]
    unseen = hear(short_speech[:32_000], session=other_session(front_end, rate=16_000))
    assert comparable(rest) == comparable(unseen)
    assert {event.seq for event in shown} == {0}
    for earlier, later in itertools.pairwise(shown):
        assert earlier.end == pytest.approx(later.start)
    # Whatever the model hears, what is shown is log-mel.
    frames = LogMel(FrontEnd()).batch(short_speech[:32_000])
    seen = np.concatenate(
        [np.frombuffer(b64decode(each.data), np.uint8).reshape(-1, each.bands) for each in shown]
    )
    decibels = seen * (120 / 255) - 80
    expected = np.clip(frames[: len(seen)], -80, 40)
    assert len(frames) - len(seen) < 4
    assert np.abs(decibels - expected).max() < 0.5


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
@pytest.mark.parametrize("longest", [1.0, 15.0])
def test_nothing_comes_of_samples_that_may_wait_and_many_may(
    short_speech: np.ndarray, rate: int, longest: float
) -> None:
    spoken = soxr.resample(short_speech, 16_000, rate).astype(np.float32)
    segmenting = SegmenterSettings(longest_seconds=longest)
    session = Session("mic", METADATA, rate=rate, settings=SessionSettings(segmenter=segmenting))
    size = rate // 200
    quiet_until = needed = told = 0
    for start in range(0, spoken.size, size):
        block = spoken[start : start + size]
        heard = session.feed(block, BEGAN + start / rate)
        reached = start + block.size
        told += bool(heard)
        assert not heard or reached >= quiet_until
        needed += reached >= quiet_until
        quiet_until = max(quiet_until, reached + session.quiet_samples)
    assert told >= 20
    assert needed < spoken.size / size / 4


def test_a_session_that_is_looked_at_lets_nothing_wait(short_speech: np.ndarray) -> None:
    session = Session("mic", METADATA, rate=16_000)
    session.feed(short_speech[:4_000], BEGAN)
    assert session.quiet_samples > 0
    session.shows_mel = True
    assert session.quiet_samples == 0


def test_a_session_with_an_ear_or_a_device_lets_nothing_wait(short_speech: np.ndarray) -> None:
    apart = fake_metadata(front_end=FrontEnd(sample_rate=8_000, high_hz=4_000))
    for session in (
        Session("mic", apart, rate=16_000),
        Session("mic", METADATA, rate=16_000, device=True),
    ):
        session.feed(short_speech[:4_000], BEGAN)
        assert session.quiet_samples == 0
