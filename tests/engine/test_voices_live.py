"""End to end: baselines in the real daemon, with a real artefact, real speech and real sockets."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from tests.engine.running_daemon import all_events, of_type, running_daemon
from tests.engine.voice_artefact import artefact_with_voices

import affectd
from affectd.clients.refusal import RefusedError
from affectd.engine.analysis import Hearing
from affectd.engine.batcher import Batcher, Job
from affectd.engine.classifier import Classifier
from affectd.engine.enrolment import Enrolment
from affectd.engine.protocol import Event, Utterance
from affectd.engine.session import Session, Window
from affectd.engine.voice_baseline import VoiceBaseline, VoiceError
from affectd.engine.voice_files import VoiceFiles

RATE = 16_000


@pytest.fixture(scope="module")
def artefact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return artefact_with_voices(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def classifier(artefact: Path) -> Classifier:
    return Classifier(artefact)


@pytest.fixture(scope="module")
def talk(speech: np.ndarray) -> np.ndarray:
    return speech[: 15 * RATE]


@pytest.fixture(scope="module")
def talk_file(talk: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("speech") / "talk.wav"
    soundfile.write(path, talk, RATE, subtype="FLOAT")
    return path


def affectd_says(*arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "affectd", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "XDG_DATA_HOME": str(home)},
        check=False,
    )


def heard(
    classifier: Classifier, talk: np.ndarray, baseline: VoiceBaseline | None
) -> list[Utterance]:
    hearing = Hearing("talk", classifier, rate=RATE, baseline=baseline)
    events: list[Event] = [*hearing.feed(talk), *hearing.finish()]
    return [event for event in events if isinstance(event, Utterance)]


def test_the_first_utterance_is_heard_as_ever_and_the_next_beside_it(
    classifier: Classifier, talk: np.ndarray
) -> None:
    plain = heard(classifier, talk, None)
    known = heard(classifier, talk, VoiceBaseline(classifier.metadata))
    assert len(plain) == len(known) >= 3
    assert {each.voice_utterances for each in plain} == {None}
    learnt = 0
    for one, other in zip(plain, known, strict=True):
        assert other.voice_utterances == learnt
        assert (one.scores == other.scores) == (learnt == 0)
        learnt += other.abstained in (None, "uncertain")


def test_vectors_are_had_with_the_logits_and_cost_them_nothing(classifier: Classifier) -> None:
    rng = np.random.default_rng(0)
    windows = [rng.standard_normal((n, 64)).astype(np.float32) for n in (184, 40, 184, 97)]
    logits, vectors = classifier.hear(windows)
    np.testing.assert_array_equal(logits, classifier.run(windows))
    assert classifier.metadata.voice_experts
    assert vectors.shape == (4, classifier.metadata.voice_experts.size)
    alone = np.concatenate([classifier.hear([window])[1] for window in windows])
    np.testing.assert_allclose(vectors, alone, atol=0.1)
    assert np.abs(vectors[0] - vectors[2]).max() > 0.2


def test_streams_with_and_without_a_baseline_share_a_batch(
    classifier: Classifier, talk: np.ndarray
) -> None:
    """What each of them hears is what it hears alone, but for what eight bits do in company."""
    jobs: list[Job] = []
    baselines = {"with": VoiceBaseline(classifier.metadata), "without": None}
    sessions = {
        name: Session(name, classifier.metadata, rate=RATE, baseline=baseline)
        for name, baseline in baselines.items()
    }
    batcher = Batcher(classifier, jobs.append, costs=classifier.costs)
    events: dict[str, list[Event]] = {name: [] for name in sessions}
    windows = {
        name: [
            each
            for each in [*session.feed(talk, 0.0), *session.finish()]
            if isinstance(each, Window)
        ]
        for name, session in sessions.items()
    }
    for pair in zip(windows["with"], windows["without"], strict=True):
        batcher._infer([Job(window, read_at=0.0, keep=True) for window in pair])
        for job in jobs:
            assert job.logits is not None
            assert (job.vector is not None) == (job.window.stream == "with")
            session = sessions[job.window.stream]
            events[job.window.stream] += session.resolve(job.window, job.logits, job.vector)
        jobs.clear()
    plain = [each for each in events["without"] if isinstance(each, Utterance)]
    for one, other in zip(plain, heard(classifier, talk, None), strict=True):
        assert one.voice_utterances is None
        # An integer LSTM takes its range from the whole batch.
        assert one.scores == pytest.approx(other.scores, abs=0.05)
    known = [each for each in events["with"] if isinstance(each, Utterance)]
    assert known[-1].voice_utterances
    assert known[-1].scores != plain[-1].scores


def test_the_daemon_learns_a_voice_and_keeps_it_only_under_a_name(
    artefact: Path, talk_file: Path, tmp_path: Path
) -> None:
    environment = {"XDG_DATA_HOME": str(tmp_path)}
    common = ("--source", str(talk_file), "--pace", "fast", "--model", str(artefact))

    def run(*arguments: str) -> list[dict[str, Any]]:
        with running_daemon(*common, *arguments, environment=environment) as daemon:
            with daemon.connect() as client:
                events = all_events(client)
            assert daemon.process.wait(timeout=10) == 0
        return events

    running = run("--voice-baseline")
    assert running[0]["voice_baseline"] is True
    counts = [each["voice_utterances"] for each in of_type(running, "utterance")]
    assert counts[0] == 0
    assert counts[-1] > 0
    assert not list(tmp_path.iterdir()), "nothing is stored of a voice without a name"
    run("--voice", "anna")
    kept = json.loads((tmp_path / "affectd" / "voices" / "anna.json").read_text())
    utterances = round(sum(kept["counts"]))
    assert utterances >= counts[-1]
    again = run("--voice", "anna")
    assert of_type(again, "utterance")[0]["voice_utterances"] == utterances


def test_a_publisher_begins_with_an_enrolled_voice_and_keeps_it_over_a_loss(
    artefact: Path, talk: np.ndarray, talk_file: Path, tmp_path: Path
) -> None:
    enrolled = affectd_says(
        "enrol", "anna", str(talk_file), "--model", str(artefact), home=tmp_path
    )
    assert enrolled.returncode == 0, enrolled.stderr
    assert "anna: learnt from" in enrolled.stdout
    listed = affectd_says("voices", home=tmp_path)
    assert re.fullmatch(r"anna: [1-9][\d.]* utterances, heard by \S+\n", listed.stdout)
    environment = {"XDG_DATA_HOME": str(tmp_path), "AFFECTD_PUBLISHERS__AHEAD_SECONDS": "60"}

    samples = (talk * 32768).astype("<i2")

    async def publish(address: str) -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = []
        async with (
            asyncio.timeout(90),
            affectd.publish(address, rate=RATE, stream="kitchen", voice="anna") as publisher,
        ):
            await publisher.send(samples)
            async for event in publisher:
                events.append(event)
                if len(of_type(events, "utterance")) == 2:
                    break
            assert publisher._connection
            publisher._connection.transport.abort()
            events += await until_restored(publisher)
            await publisher.send(samples)
            await publisher.end()
            events += [event async for event in publisher]
        return events

    with running_daemon(
        "--source", "none", "--model", str(artefact), environment=environment
    ) as daemon:
        events = asyncio.run(publish(daemon.address))
        with pytest.raises(RefusedError, match="voice 'ben' is not known here"):
            asyncio.run(refused(daemon.address, "ben"))
        with pytest.raises(RefusedError, match="no name of a voice"):
            asyncio.run(refused(daemon.address, "../anna"))
    counts = [each["voice_utterances"] for each in of_type(events, "utterance")]
    kept = json.loads((tmp_path / "affectd" / "voices" / "anna.json").read_text())
    assert counts[0] >= 3
    assert counts == sorted(counts)
    assert counts[-1] > counts[0] + 2, "what was learnt before the loss still counts"
    assert round(sum(kept["counts"])) == counts[0], "a client changes nothing of an enrolled voice"


async def until_restored(publisher: Any) -> list[dict[str, Any]]:
    events = []
    async for event in publisher:
        events.append(event)
        if event.get("state") == "restored":
            break
    return events


async def refused(address: str, voice: str) -> None:
    async with affectd.publish(address, rate=RATE, voice=voice):
        pass


def test_an_enrolment_learns_sentence_by_sentence(
    classifier: Classifier, talk: np.ndarray, tmp_path: Path
) -> None:
    enrolment = Enrolment("anna", classifier, files=VoiceFiles(tmp_path))
    blocks = (talk[at : at + RATE] for at in range(0, talk.size, RATE))
    seconds = list(enrolment.hear(blocks, RATE))
    assert sum(seconds) == pytest.approx(talk.size / RATE)
    assert enrolment.utterances >= 3
    assert 3 < enrolment.seconds < 15
    path = enrolment.save()
    kept = VoiceFiles(tmp_path).baseline("anna", classifier.metadata)
    assert kept.utterances == enrolment.utterances
    assert path.parent == tmp_path


@pytest.mark.parametrize(
    ("seconds", "reason"), [(0.0, "no speech was heard"), (4.0, "of speech were heard: 5 s")]
)
def test_too_little_speech_enrols_nobody(
    classifier: Classifier, talk: np.ndarray, tmp_path: Path, seconds: float, reason: str
) -> None:
    enrolment = Enrolment("anna", classifier, files=VoiceFiles(tmp_path))
    spoken = talk[: round(seconds * RATE)] if seconds else np.zeros(3 * RATE, np.float32)
    list(enrolment.hear(iter([spoken]), RATE))
    with pytest.raises(VoiceError, match=reason):
        enrolment.save()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("enrol", "../anna", "FILE", "--model", "MODEL"), "no name of a voice"),
        (("enrol", "anna", "/no/such.wav", "--model", "MODEL"), "/no/such.wav"),
        (("run", "--voice", "anna", "--source", "none"), "--voice does nothing"),
        (("run", "--voice", "anna"), "several speak in the demo"),
        (("run", "--voice-baseline", "--model", "crnn-int8", "--port", "0"), "knows nothing of"),
    ],
)
def test_what_cannot_be_is_one_line(
    arguments: tuple[str, ...], reason: str, artefact: Path, talk_file: Path, tmp_path: Path
) -> None:
    given = {"FILE": str(talk_file), "MODEL": str(artefact)}
    done = affectd_says(*(given.get(each, each) for each in arguments), home=tmp_path)
    assert done.returncode == 1
    assert reason in done.stderr
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_recording_that_holds_nan_is_named(
    artefact: Path, talk_file: Path, tmp_path: Path
) -> None:
    spoilt = tmp_path / "spoilt.wav"
    soundfile.write(spoilt, np.array([0.0, np.nan] * 8_000, np.float32), RATE, subtype="FLOAT")
    files = (str(talk_file), str(spoilt))
    done = affectd_says("enrol", "anna", *files, "--model", str(artefact), home=tmp_path)
    assert done.returncode == 1
    assert done.stderr == f"affectd: {spoilt}: sample 1 is nan: audio must be finite\n"
