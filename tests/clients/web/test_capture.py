"""Unit: the audio thread's blocks."""

from __future__ import annotations

import pytest
from tests.clients.web.javascript import values_of

CAPTURE = """
globalThis.sampleRate = 48000;
globalThis.AudioWorkletProcessor = class { port = { postMessage: (block) => say([...block]) } };
globalThis.registerProcessor = (_, Capture) => (globalThis.capture = new Capture());
await load("capture.js");
const [quantum, quanta] = given;
for (let at = 0; at < quantum * quanta; at += quantum) {
  const left = Float32Array.from({ length: quantum }, (_, i) => at + i);
  capture.process([[left, left.map((sample) => sample + 2)]]);
}
"""


@pytest.mark.parametrize("quantum", [128, 100, 5000])
async def test_blocks_hold_every_sample_once_whatever_the_quantum(quantum: int) -> None:
    blocks = await values_of(CAPTURE, quantum, 40)
    assert len({len(block) for block in blocks}) == 1
    samples = [sample for block in blocks for sample in block]
    assert samples == [at + 1 for at in range(len(samples))], "in order, the mean of both channels"
    assert len(samples) > 40 * quantum - len(blocks[0])
