"""The way without masks gives what the way with them gives, to the last bit."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
import pytest

from affectd.engine.artefact import INPUTS
from affectd.engine.shipped import find_model
from affectd.export.conversion import to_onnx
from affectd.export.inspection import open_artefact
from affectd.export.quantisation import Scheme, prepare, quantise
from affectd.export.runtime import open_session, scorer_of
from affectd.export.shortcut import add_shortcut, along_shortcut
from affectd.export.speech import Windows, windows_at_hand
from affectd.models.checkpoint import Checkpoint


@pytest.fixture(scope="module")
def quantised(checkpoint: Checkpoint) -> onnx.ModelProto:
    demo = windows_at_hand(checkpoint.recipe.windowing)
    few = Windows(demo.windows[::32], demo.source, demo.real)
    return quantise(prepare(to_onnx(checkpoint.model(), bands=64, frames=184)), few, Scheme())


@pytest.fixture(scope="module")
def short(quantised: onnx.ModelProto) -> onnx.ModelProto:
    return add_shortcut(quantised, frames=range(1, 185), bands=64)


def batch(*lengths: int, padded: int = 0) -> tuple[np.ndarray, np.ndarray]:
    logmel = np.random.default_rng(0).standard_normal(
        (len(lengths), max(lengths) + padded, 64), np.float32
    )
    return logmel, np.array(lengths, np.int64)


@pytest.mark.parametrize(
    "lengths", [(1,), (2,), (101,), (184,), (77, 77), (184,) * 4, (184, 40, 97), (3, 90)]
)
@pytest.mark.parametrize("padded", [0, 9])
def test_every_batch_is_scored_as_before_to_the_last_bit(
    quantised: onnx.ModelProto, short: onnx.ModelProto, lengths: tuple[int, ...], padded: int
) -> None:
    logmel, frames = batch(*lengths, padded=padded)
    # What lies past a batch's longest window is cut off, where it was masked before.
    before = scorer_of(quantised.SerializeToString())(logmel[:, : max(lengths)], frames)
    after = scorer_of(short.SerializeToString())(logmel, frames)
    assert after.tobytes() == before.tobytes()


def test_the_shortcut_has_no_masks_no_sorting_and_nothing_that_is_usual(
    short: onnx.ModelProto,
) -> None:
    kinds = Counter(node.op_type for node in along_shortcut(short).graph.node)
    # Neither lengths nor states of zeros are made for the LSTMs.
    assert not {"Less", "TopK", "ScatterElements", "ConstantOfShape", "If"} & set(kinds)
    assert kinds["Conv"] == 4
    assert kinds["DynamicQuantizeLSTM"] == 2
    # One of each for the input, four convolutions and three poolings: no round trips in between.
    assert kinds["QuantizeLinear"] <= 8


def test_the_shortcut_alone_is_a_graph_that_scores_as_the_whole_does(
    short: onnx.ModelProto,
) -> None:
    alone = along_shortcut(short)
    onnx.checker.check_model(alone)
    logmel, frames = batch(150, 150)
    found = scorer_of(alone.SerializeToString())(logmel, frames)
    assert found.tobytes() == scorer_of(short.SerializeToString())(logmel, frames).tobytes()


def test_the_attention_has_the_steps_of_the_longest_window(short: onnx.ModelProto) -> None:
    session = open_session(short.SerializeToString())
    for lengths in ((60, 60), (60, 33)):
        values = batch(*lengths, padded=40)
        (attention,) = session.run(["attention"], dict(zip(INPUTS, values, strict=True)))
        assert attention.shape == (2, 15)
        np.testing.assert_allclose(attention.sum(axis=1), 1, atol=1e-6)


def test_a_mask_that_masks_a_whole_window_is_not_taken_for_idle(
    quantised: onnx.ModelProto,
) -> None:
    """A graph that forgets the last frame of every window needs its masks always."""
    changed = onnx.ModelProto()
    changed.CopyFrom(quantised)
    first = next(place for place, node in enumerate(changed.graph.node) if "frames" in node.input)
    changed.graph.initializer.append(onnx.numpy_helper.from_array(np.ones(1, np.int64), "one"))
    for node in changed.graph.node:
        for place, name in enumerate(node.input):
            if name == "frames":
                node.input[place] = "fewer"
    changed.graph.node.insert(first, onnx.helper.make_node("Sub", ["frames", "one"], ["fewer"]))
    forgetful = add_shortcut(changed, frames=range(2, 40), bands=64)
    kinds = Counter(node.op_type for node in along_shortcut(forgetful).graph.node)
    assert kinds["Less"]
    logmel, frames = batch(39, 39)
    before = scorer_of(changed.SerializeToString())(logmel, frames)
    assert scorer_of(forgetful.SerializeToString())(logmel, frames).tobytes() == before.tobytes()


def test_the_shipped_model_has_a_shortcut() -> None:
    graph, _ = open_artefact(find_model("crnn-int8"))
    assert along_shortcut(graph) is not graph
