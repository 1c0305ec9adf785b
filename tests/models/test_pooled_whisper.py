"""The pooled network says what its parts say, and merges calm into neutral."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

from affectd.export.conversion import to_onnx
from affectd.models.architectures import build
from affectd.models.labels import LABELS
from affectd.models.pooled_whisper import PooledWhisper, PooledWhisperOptions, statistics_of
from affectd.models.recipes import load_recipe

WINDOWING = load_recipe("accurate").windowing
OPTIONS = PooledWhisperOptions(blocks=1, layers=(0, 1), corpora=2)


@pytest.fixture(
    scope="module", params=[("tiny", 1, 0), ("tiny", 2, 0), ("base", 2, 0), ("tiny", 2, 16)]
)
def network(request: pytest.FixtureRequest) -> PooledWhisper:
    torch.manual_seed(0)
    encoder, stride, hidden = request.param
    options = replace(OPTIONS, encoder=encoder, stride=stride)
    if hidden:
        options = replace(options, ahead=True, ahead_hidden=hidden, layers=(1, 2))
    return PooledWhisper(WINDOWING, classes=len(LABELS), options=options).eval()


def test_statistics_are_means_and_deviations_of_the_valid_steps() -> None:
    layer = torch.randn(2, 10, 384)
    weights = torch.zeros(2, 10)
    weights[0, 4:] = 1 / 6
    weights[1, 8:] = 1 / 2
    pooled = statistics_of([layer], weights).numpy()
    for row, first in ((0, 4), (1, 8)):
        valid = layer[row, first:].numpy()
        expected = np.concatenate([valid.mean(0), valid.std(0)])
        np.testing.assert_allclose(pooled[row], expected, atol=1e-4)


def test_padding_and_company_change_nothing(network: PooledWhisper) -> None:
    short, long = torch.randn(1, 80, 80), torch.randn(1, 300, 80)
    together = torch.zeros(2, 300, 80)
    together[0, :80], together[1] = short[0], long[0]
    with torch.inference_mode():
        both = network(together, torch.tensor([80, 300]))
        first = network(short, torch.tensor([80]))
        second = network(long, torch.tensor([300]))
    for place in (0, 1):
        torch.testing.assert_close(both[place][:1], first[place], atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(both[place][1:], second[place], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(both[2].sum(1), torch.ones(2))


def test_calm_counts_as_neutral_and_bored_as_nothing(network: PooledWhisper) -> None:
    outputs = torch.randn(5, len(LABELS) + 2)
    merged = network.merged(outputs)
    neutral = LABELS.index("neutral")
    expected = outputs[:, : len(LABELS)].clone()
    expected[:, neutral] = torch.logaddexp(outputs[:, neutral], outputs[:, len(LABELS)])
    torch.testing.assert_close(merged, expected)


def test_nothing_is_merged_where_nothing_stands_beside() -> None:
    options = replace(OPTIONS, beside=0)
    network = PooledWhisper(WINDOWING, classes=3, options=options)
    outputs = torch.randn(2, 3)
    assert network.merged(outputs) is outputs


@pytest.mark.parametrize("layers", [(), (2,), (-1,)])
def test_a_layer_that_is_not_there_is_named(layers: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"layers is .*; allowed are 0 to 1"):
        PooledWhisper(WINDOWING, classes=7, options=replace(OPTIONS, layers=layers))


@pytest.mark.parametrize("stride", [2, 4])
def test_only_some_steps_are_computed_up_to_the_last(stride: int) -> None:
    torch.manual_seed(0)
    whole = PooledWhisper(WINDOWING, classes=7, options=replace(OPTIONS, blocks=1)).trunk
    torch.nn.init.normal_(whole.positions)
    some = PooledWhisper(WINDOWING, classes=7, options=replace(OPTIONS, stride=stride)).trunk
    some.load_state_dict(whole.state_dict())
    window = torch.randn(1, 304, 80)
    stem, block = some.layers(window)
    torch.testing.assert_close(stem, whole.layers(window)[0][:, stride - 1 :: stride])
    torch.testing.assert_close(block, some.blocks[0](stem))


def test_a_stride_that_is_not_there_is_named() -> None:
    with pytest.raises(ValueError, match="stride is 3; allowed are 1, 2 and 4"):
        PooledWhisper(WINDOWING, classes=7, options=replace(OPTIONS, stride=3))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"encoder": "large"}, "encoder is 'large'; allowed are tiny, base"),
        ({"blocks": 5}, "blocks is 5; allowed are 0 to 4"),
        ({"encoder": "base", "blocks": 7}, "blocks is 7; allowed are 0 to 6"),
        ({"ahead_hidden": 8}, "ahead_hidden is 8; allowed is 0, or more where ahead is true"),
        ({"ahead": True, "ahead_hidden": -1}, "ahead_hidden is -1"),
    ],
)
def test_what_the_encoder_cannot_have_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PooledWhisper(WINDOWING, classes=7, options=replace(OPTIONS, **options))


def test_a_wider_encoder_gives_more_statistics(network: PooledWhisper) -> None:
    width = {"tiny": 384, "base": 512}[network.options.encoder]
    assert network.judge.in_features == 2 * 2 * width
    graph = to_onnx(network, bands=80, frames=WINDOWING.window_frames)
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    window = torch.randn(1, 200, 80)
    with torch.inference_mode():
        wanted = network(window, torch.tensor([200]))[0].numpy()
    fed = {"logmel": window.numpy(), "frames": np.array([200])}
    np.testing.assert_allclose(session.run(["logits"], fed)[0], wanted, atol=1e-3)


def test_other_windows_are_refused() -> None:
    with pytest.raises(ValueError, match="the trunk takes 80 bands"):
        build("pooled-whisper", bands=64, classes=7, options={})
