"""The first convolution in blocks gives what it gave before; ONNX Runtime is the judge."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from affectd.export.conversion import to_onnx
from affectd.export.quantisation import prepare
from affectd.export.runtime import scorer_of
from affectd.export.stem import block_kernel, gather_in_blocks
from affectd.models.checkpoint import Checkpoint


@pytest.mark.parametrize("size", [1, 3, 5, 7])
def test_a_kernel_of_blocks_sums_the_same_products(size: int) -> None:
    torch.manual_seed(0)
    kernel, signal = torch.randn(6, 1, size, size), torch.randn(2, 1, 26, 18)
    expected = nn.functional.conv2d(signal, kernel, stride=2, padding=size // 2)
    blocks = signal.reshape(2, 13, 2, 9, 2).permute(0, 2, 4, 1, 3).reshape(2, 4, 13, 9)
    half = size // 2
    before, after = -(-half // 2), half // 2
    padded = nn.functional.pad(blocks, (before, after, before, after))
    found = nn.functional.conv2d(padded, torch.from_numpy(block_kernel(kernel.numpy())))
    torch.testing.assert_close(found, expected)


def test_a_whole_graph_scores_windows_of_odd_and_even_length_as_before(
    checkpoint: Checkpoint,
) -> None:
    before = prepare(to_onnx(checkpoint.model(), bands=64, frames=184))
    content = before.SerializeToString()
    after = gather_in_blocks(before)
    assert before.SerializeToString() == content
    assert [node.op_type for node in after.graph.node].count("SpaceToDepth") == 1
    onnx.checker.check_model(after)
    old, new = scorer_of(content), scorer_of(after.SerializeToString())
    random = np.random.default_rng(0)
    for lengths in ([1], [2], [37], [184, 150, 91]):
        logmel = random.standard_normal((len(lengths), max(lengths), 64), np.float32)
        frames = np.array(lengths, np.int64)
        np.testing.assert_allclose(new(logmel, frames), old(logmel, frames), atol=1e-4)


def test_other_convolutions_are_left_alone(checkpoint: Checkpoint) -> None:
    graph = prepare(to_onnx(checkpoint.model(), bands=64, frames=184))
    for node in graph.graph.node:
        for attribute in node.attribute:
            if attribute.name == "strides":
                attribute.ints[:] = [1, 2]
    assert gather_in_blocks(graph).graph == graph.graph
