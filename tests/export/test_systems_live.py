"""Every system of the papers is built, trained a step, exported, and heard through a session."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import soundfile
from onnx.helper import set_model_props

from affectd.engine.artefact import Metadata
from affectd.engine.classifier import Classifier
from affectd.engine.protocol import Utterance
from affectd.engine.session import Session, Window
from affectd.export.artefact import metadata_of
from affectd.export.conversion import to_onnx
from affectd.export.original import Original
from affectd.export.speech import demo_clips
from affectd.models.clips import Clip, read_audio
from affectd.models.features import extract
from affectd.models.scoring import torch_scorer
from affectd.models.system_inputs import window_of
from affectd.models.system_protocols import Place, train_system
from affectd.models.systems import System, recipe_from, system_named, systems

SENTENCES = 1
SMALL: dict[str, dict[str, Any]] = {
    "wav2vec": {
        "convolution": 16, "width": 32, "layers": 2, "heads": 2, "hidden": 64, "projector": [16]
    },
    "vision": {"width": 0.125},
}  # fmt: skip


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    """One sentence of the demo, with a pause around it."""
    samples = read_audio(demo_clips()[0], sample_rate=16_000)
    pause = np.zeros(12_000, np.float32)
    return np.concatenate([pause, samples, pause])


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """RAVDESS with a few sentences of the demo under its names: every emotion once."""
    root = tmp_path_factory.mktemp("papers")
    rng = np.random.default_rng(0)
    for number, clip in enumerate(demo_clips()[:8], 1):
        samples = read_audio(clip, sample_rate=16_000)
        for actor in range(1, SENTENCES + 1):
            name = f"03-01-{number:02d}-01-01-01-{actor:02d}.wav"
            file = root / "corpora/ravdess" / f"Actor_{actor:02d}" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            noisy = samples + 1e-3 * rng.standard_normal(samples.size)
            soundfile.write(file, noisy.astype(np.float32), 16_000)
    return Place(corpora=root / "corpora", cache=root / "cache", runs=root / "runs")


def hurried(system: System) -> System:
    """The system with one epoch of one batch, on the clips that the test has."""
    values = system.to_dict()
    values["pretrained"] = False  # nobody's weights are needed to see that it runs
    if system.architecture == "wav2vec" and system.options["tuned"]:
        values["options"]["tuned"] = [0, 1]
    values["corpora"] = {"ravdess": 1.0}
    # The pretrained ones' sizes are their weights': without them, a small one of the same kind.
    values["options"] |= SMALL.get(system.architecture, {})
    values["schedule"] |= {"epochs": 1, "batch": 8, "patience": 0}
    values["schedule"]["pretraining_epochs"] = min(1, system.schedule.pretraining_epochs)
    values["schedule"]["forest_grid"] = {
        "trees": [5], "depth": [0], "split": [2], "leaf": [1], "criterion": ["gini"]
    }  # fmt: skip
    values["split"] |= {"train": 1.0, "development": 0.0, "test_clips": 0, "left_out": []}
    return System.from_dict(values)


@pytest.mark.parametrize("name", systems())
def test_every_system_is_trained_exported_and_heard(
    name: str, place: Place, speech: np.ndarray, tmp_path: Path
) -> None:
    system = hurried(system_named(name))
    checkpoint = train_system(system, place, tmp_path)
    assert recipe_from(checkpoint.recipe.to_dict()) == checkpoint.recipe
    original = Original.of_checkpoint(tmp_path / "best.pt")
    front_end, frames = original.windowing.front_end, original.windowing.window_frames
    proto = to_onnx(original.model, bands=front_end.columns, frames=frames)
    set_model_props(proto, metadata_of(original).to_props())
    path = tmp_path / f"{name}.onnx"
    onnx.save(proto, path)
    classifier = Classifier(path)
    assert classifier.metadata.labels == system.labels
    assert classifier.metadata.margin_seconds == system.margin_seconds
    utterances = heard(classifier, speech, torch_scorer(original.model))
    assert len(utterances) == 1
    assert set(utterances[0].scores) == set(system.labels)


def test_a_system_is_given_live_what_it_was_trained_with(place: Place, tmp_path: Path) -> None:
    """Speech with little silence around it, where an utterance is cut with more."""
    system = hurried(system_named("dnn-stft"))
    train_system(system, place, tmp_path)
    metadata = metadata_of(Original.of_checkpoint(tmp_path / "best.pt"))
    clip = demo_clips()[0]
    listed = Clip(
        corpus="ravdess",
        name=clip.stem,
        path=clip,
        speaker="01",
        sex=None,
        label="angry",
        native="angry",
        licence="",
    )
    features = extract((listed,), front_end=system.front_end, cache=tmp_path)
    taught = len(window_of(features, 0, system))
    room = 1e-4 * np.random.default_rng(0).standard_normal(12_000).astype(np.float32)
    samples = np.concatenate([room, read_audio(clip, sample_rate=16_000), room])

    def lengths(metadata: Metadata) -> list[int]:
        session = Session("mic", metadata, rate=16_000)
        heard = [*session.feed(samples, 0.0), *session.finish()]
        return [len(each.logmel) for each in heard if isinstance(each, Window) and each.cut.final]

    assert lengths(metadata) == [pytest.approx(taught, abs=4)]
    assert lengths(metadata.model_copy(update={"margin_seconds": None}))[0] > taught + 8


def heard(classifier: Classifier, speech: np.ndarray, reference: Any) -> list[Utterance]:
    """Hear a stream, and hold each window's logits against the network's own."""
    session = Session("mic", classifier.metadata, rate=16_000)
    utterances: list[Utterance] = []
    compared = 0
    for each in [*session.feed(speech, 0.0), *session.finish()]:
        if isinstance(each, Window):
            logits = classifier.run([each.logmel])
            if each.cut.final:
                expected = reference(each.logmel[None], np.array([len(each.logmel)]))
                # Of two lags that are as good as each other, as of pitch, a processor's rounding
                # may choose either: one frame of many is then another.
                np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-2)
                compared += 1
            said = session.resolve(each, logits[0])
            utterances += [event for event in said if isinstance(event, Utterance)]
    assert compared
    return utterances
