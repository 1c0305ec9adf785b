"""Unit tests of the contract between a model and the engine."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from tests.engine.fake_classifier import fake_metadata

from affectd.engine.artefact import ArtefactError, Metadata, golden_signal
from affectd.kernels.front_end import FrontEnd
from affectd.kernels.logmel import LogMel


def test_metadata_survives_its_properties() -> None:
    metadata = fake_metadata(uar={"ravdess/held-out": 61.2}, parity={"windows": 100.0})
    assert Metadata.from_props(metadata.to_props()) == metadata


def test_another_front_end_survives_too() -> None:
    front_end = FrontEnd(fft_samples=400, hop_samples=160, bands=80)
    metadata = fake_metadata(front_end=front_end, frame_sizes=(298,), normalisation="band")
    assert Metadata.from_props(metadata.to_props()).front_end == front_end


def test_every_property_is_json_under_the_prefix() -> None:
    props = fake_metadata().to_props()
    assert set(props) == {f"affectd.{name}" for name in Metadata.model_fields}
    assert json.loads(props["affectd.front_end"])["hop_samples"] == 256


def test_properties_of_others_are_left_alone() -> None:
    props = {**fake_metadata().to_props(), "author": "someone", "affectd.later": "[1, 2]"}
    assert Metadata.from_props(props) == fake_metadata()


def test_a_model_of_others_is_named_as_such() -> None:
    with pytest.raises(ArtefactError, match="it is an ONNX file without affectd metadata"):
        Metadata.from_props({"author": "someone"})


BAD: list[tuple[str, Any, str]] = [
    ("format_version", 2, "format_version is 2; this engine reads 1"),
    ("name", "", "'name'.*at least 1 character"),
    ("name", "../x", "'name'.*match pattern"),
    ("labels", ["angry"], "'labels'.*at least 2 items"),
    ("labels", ["a", "a", "b", "c"], "labels repeat"),
    ("labels", ["angry", "happy", "neutral", "bored"], "valence_arousal names .*, not the labels"),
    ("valence_arousal", {"angry": [0, 0]}, r"valence_arousal names \['angry'\], not the labels"),
    (
        "valence_arousal",
        {"angry": [0, 2], "happy": [0, 0], "neutral": [0, 0], "sad": [0, 0]},
        r"'valence_arousal\.angry\.1'.*less than or equal to 1",
    ),
    ("front_end", {"hop_samples": 256}, "'front_end'.*front-end field '.*' is missing"),
    ("front_end", {**FrontEnd().to_dict(), "hop_samples": 0}, "'front_end'.*hop_samples is 0"),
    ("front_end", {**FrontEnd().to_dict(), "mels": 3}, "unknown front-end field 'mels'"),
    ("front_end", {**FrontEnd().to_dict(), "bands": float("inf")}, "'bands' is inf, not a finite"),
    ("front_end_fingerprint", [1.0], "front_end_fingerprint has 1 values for 64 bands"),
    ("window_seconds", 0, "'window_seconds'.*greater than 0"),
    ("window_seconds", 4.0, "window_seconds gives 247 frames; frame_sizes end at 188"),
    ("window_seconds", 0.01, "window_seconds gives 0 frames"),
    ("hop_seconds", -1, "'hop_seconds'.*greater than 0"),
    ("minimum_seconds", 11, "'minimum_seconds'.*less than or equal to 10"),
    ("frame_sizes", [], "'frame_sizes'.*at least 1 item"),
    ("frame_sizes", [188, 64], r"frame_sizes \(188, 64\) do not ascend"),
    ("frame_sizes", [64, 64, 188], "do not ascend"),
    ("frame_sizes", [0, 188], "do not ascend"),
    ("normalisation", "median", "'normalisation'.*'none' or 'whisper'"),
    ("temperature", 0, "'temperature'.*greater than 0"),
    ("temperature", float("nan"), "'temperature'"),
    ("checkpoint_sha256", "abc", "'checkpoint_sha256'.*match pattern"),
    ("corpora", [{"name": "emodb"}], r"'corpora\.0\.licence'.*[Rr]equired"),
    ("uar", {"emodb": "good"}, r"'uar\.emodb'.*valid number"),
]


@pytest.mark.parametrize(("field", "value", "message"), BAD)
def test_what_the_engine_cannot_honour_is_refused_by_name(
    field: str, value: Any, message: str
) -> None:
    props = {**fake_metadata().to_props(), f"affectd.{field}": json.dumps(value)}
    with pytest.raises(ArtefactError, match=message):
        Metadata.from_props(props)


@pytest.mark.parametrize("field", ["labels", "front_end", "temperature", "normalisation"])
def test_a_missing_field_is_refused_by_name(field: str) -> None:
    props = fake_metadata().to_props()
    del props[f"affectd.{field}"]
    with pytest.raises(ArtefactError, match=f"metadata field '{field}': [Ff]ield required"):
        Metadata.from_props(props)


def test_what_is_no_json_is_refused_by_name() -> None:
    props = {**fake_metadata().to_props(), "affectd.temperature": "1,5"}
    with pytest.raises(ArtefactError, match="metadata field 'temperature' is no JSON: '1,5'"):
        Metadata.from_props(props)


@pytest.mark.parametrize("sample_rate", [8_000, 16_000, 44_100])
def test_the_golden_signal_reaches_every_band(sample_rate: int) -> None:
    golden = golden_signal(sample_rate)
    assert golden.dtype == np.float32
    assert golden.shape == (sample_rate,)
    assert np.abs(golden).max() <= 1
    front_end = FrontEnd(sample_rate=sample_rate, high_hz=sample_rate / 2)
    assert LogMel(front_end).batch(golden).max(axis=0).min() > -40
