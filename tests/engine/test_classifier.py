"""Integration: real ONNX files through ONNX Runtime, good ones and every kind of bad one."""

from __future__ import annotations

import json
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import numpy as np
import onnx
import pytest

from affectd.engine.artefact import ArtefactError, ArtefactWarning
from affectd.engine.classifier import BATCHES, CPU, Classifier
from affectd.engine.runtime import load_runtime
from affectd.engine.shipped import DEFAULT_MODEL, find_model, shipped_models


@pytest.fixture(scope="module")
def shipped() -> Path:
    return find_model(DEFAULT_MODEL)


def windows(*lengths: int, bands: int = 64) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.standard_normal((length, bands)).astype(np.float32) for length in lengths]


def test_the_default_model_is_shipped() -> None:
    assert DEFAULT_MODEL in shipped_models()


def test_a_model_not_shipped_in_full_precision_goes_by_its_bare_name() -> None:
    assert find_model("accurate") == find_model("accurate-int8")
    assert find_model("fast") == find_model("fast-int8")
    assert find_model("crnn") != find_model("crnn-int8")


def test_the_accurate_model_hears_windows_alone_as_together() -> None:
    classifier = Classifier(find_model("accurate"))
    batch = windows(298, 59, 150, bands=80)
    together = classifier.run(batch)
    alone = np.concatenate([classifier.run([window]) for window in batch])
    assert together.shape == (3, 7)
    # Matrix products in eight bits take one range for a whole batch.
    np.testing.assert_allclose(together, alone, atol=0.5)


# The integer LSTM scales its input by the loudest value of the whole batch.
@pytest.mark.parametrize(("model", "tolerance"), [("crnn", 1e-4), ("crnn-int8", 0.1)])
def test_a_batch_gives_what_its_windows_give_alone(model: str, tolerance: float) -> None:
    classifier = Classifier(find_model(model))
    batch = windows(184, 184, 184)
    together = classifier.run(batch)
    alone = np.concatenate([classifier.run([window]) for window in batch])
    assert together.shape == (3, len(classifier.metadata.labels))
    np.testing.assert_allclose(together, alone, atol=tolerance)


def test_every_size_is_bound_and_timed_before_the_first_window_comes(shipped: Path) -> None:
    classifier = Classifier(shipped)
    seconds = classifier.costs.seconds
    assert tuple(seconds) == classifier.metadata.frame_sizes
    for batches in seconds.values():
        assert tuple(batches) == BATCHES
        assert min(batches.values()) > 0


@pytest.mark.parametrize("model", ["crnn", "crnn-int8"])
def test_windows_of_other_lengths_have_no_influence_at_all(model: str) -> None:
    classifier = Classifier(find_model(model))
    batch = windows(184, 40, 97)
    together = classifier.run(batch)
    alone = np.concatenate([classifier.run([window]) for window in batch])
    assert together.tobytes() == alone.tobytes()


def test_a_device_that_mixes_lengths_pads_them_to_the_same_frames() -> None:
    mixing = Classifier(find_model("crnn"), device=replace(CPU, mixes=True))
    assert mixing.costs.mixed
    batch = windows(184, 40, 150, 184, 61, 133)
    unmixed = Classifier(find_model("crnn"))
    alone = np.concatenate([unmixed.run([window]) for window in batch])
    np.testing.assert_allclose(mixing.run(batch), alone, atol=1e-4)


def test_more_windows_than_a_batch_has_come_back_in_their_order() -> None:
    classifier = Classifier(find_model("crnn"))
    many = windows(*[60, 184] * 11)
    together = classifier.run(many)
    alone = np.concatenate([classifier.run([window]) for window in many])
    np.testing.assert_allclose(together, alone, atol=1e-4)


def test_every_length_up_to_a_window_is_scored(shipped: Path) -> None:
    classifier = Classifier(shipped)
    bands = classifier.metadata.front_end.columns
    for length in (1, 2, 63, 64, 65, *classifier.metadata.frame_sizes):
        assert np.isfinite(classifier.run(windows(length, bands=bands))).all()


def test_threads_at_once_get_each_its_own_logits(shipped: Path) -> None:
    classifier = Classifier(shipped)
    bands = classifier.metadata.front_end.columns
    batches = [[window] for window in windows(*range(40, 184, 6), bands=bands)]
    alone = [classifier.run(batch) for batch in batches]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(8):
            together = list(pool.map(classifier.run, batches))
            np.testing.assert_array_equal(together, alone)


def changed(shipped: Path, tmp_path: Path, field: str, value: object) -> Path:
    model = onnx.load(shipped)
    for entry in model.metadata_props:
        if entry.key == f"affectd.{field}":
            entry.value = json.dumps(value)
    path = tmp_path / "changed.onnx"
    onnx.save(model, path)
    return path


def test_an_artefact_that_its_export_rejected_runs_with_a_warning(
    shipped: Path, tmp_path: Path
) -> None:
    gate = {"name": "agreement", "figure": 90.0, "limit": 99.0, "passed": False}
    path = changed(shipped, tmp_path, "gates", [gate])
    with pytest.warns(
        ArtefactWarning, match=r"changed\.onnx missed what .* \(agreement 90\.0, limit 99\)"
    ):
        Classifier(path)
    changed(shipped, tmp_path, "gates", [gate | {"allowed": True}])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Classifier(path)


def test_a_name_that_is_no_model_lists_those_there_are() -> None:
    with pytest.raises(ArtefactError, match=r"no model 'crmn'.*crnn"):
        find_model("crmn")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "it is empty"),
        (b"not a model at all", "damaged, truncated, or not an ONNX file"),
    ],
)
def test_a_file_that_is_no_model_is_refused(content: bytes, says: str, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(ArtefactError, match=says):
        Classifier(path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_truncated_artefact_is_refused(share: float, shipped: Path, tmp_path: Path) -> None:
    whole = shipped.read_bytes()
    path = tmp_path / "truncated.onnx"
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(ArtefactError, match=r"truncated\.onnx"):
        Classifier(path)


def test_an_onnx_file_of_someone_else_is_refused(shipped: Path, tmp_path: Path) -> None:
    model = onnx.load(shipped)
    del model.metadata_props[:]
    path = tmp_path / "foreign.onnx"
    onnx.save(model, path)
    with pytest.raises(ArtefactError, match="without affectd metadata"):
        Classifier(path)


def test_an_artefact_without_an_output_is_refused(shipped: Path, tmp_path: Path) -> None:
    model = onnx.load(shipped)
    model.graph.output.pop()
    path = tmp_path / "short.onnx"
    onnx.save(model, path)
    with pytest.raises(ArtefactError, match="no output 'attention'"):
        Classifier(path)


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("format_version", 2, "format_version is 2; this engine reads 1"),
        ("labels", ["angry", "happy"], "valence_arousal"),
        ("temperature", -1, "'temperature'"),
        ("normalisation", "minmax", "'normalisation'"),
        ("window_seconds", 9.0, "window_seconds gives"),
        ("front_end", {"sample_rate": 16000}, "front-end field"),
        ("front_end_fingerprint", [0.0] * 80, "differ by"),
    ],
)
def test_an_artefact_that_cannot_be_honoured_names_the_field(
    field: str, value: object, says: str, shipped: Path, tmp_path: Path
) -> None:
    with pytest.raises(ArtefactError, match=says):
        Classifier(changed(shipped, tmp_path, field, value))


def test_an_artefact_made_for_another_front_end_is_refused(shipped: Path, tmp_path: Path) -> None:
    front_end = Classifier(shipped).metadata.front_end.to_dict()
    other = changed(shipped, tmp_path, "front_end", front_end | {"high_hz": 7000.0})
    with pytest.raises(ArtefactError, match="front_end_fingerprint"):
        Classifier(other)


class _Installed:
    """Stands in for the list of installed packages: two runtimes cannot really be installed."""

    def __init__(self, *names: str) -> None:
        self._names = names

    def __call__(self, name: str) -> None:
        if name not in self._names:
            raise metadata.PackageNotFoundError(name)


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ((), r"ONNX Runtime is missing: pip install 'affectd\[cpu\]'"),
        (("onnxruntime", "onnxruntime-gpu"), "both installed and overwrite each other"),
    ],
)
def test_neither_and_both_runtimes_are_refused(
    names: tuple[str, ...], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metadata, "distribution", _Installed(*names))
    with pytest.raises(ImportError, match=says):
        load_runtime()
