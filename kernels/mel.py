"""The mel bands of a power spectrum: 64 short sums of different lengths, 16 at a time.

A band's sum is taken 16 bins at a time, and those of 16 bands side by side, so that what is left
to add up across the lanes is one transposition for all of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.core import cgutils as untyped_cgutils
from numba.extending import intrinsic

from affectd.kernels.front_end import Filterbank
from affectd.kernels.vectors import LANES, Memory, add, constant, multiply, transposed

__all__ = ["MelWeights", "sums_of_bands"]

_cgutils: Any = untyped_cgutils


class MelWeights:
    """Mel filters laid out for `sums_of_bands`.

    Args:
        filterbank: The filters.

    Attributes:
        first_bin: First bin of each band, int64, filled up with zeros to whole groups of 16.
        chunks: How many times 16 bins each group of 16 bands needs, int64 ``(groups,)``.
        weights: float32, flat: group by group, in it 16 bins by 16 bins, in them band by band.
        bins: How long a power spectrum has to be, zeros after its own end.
    """

    def __init__(self, filterbank: Filterbank) -> None:
        widths = np.diff(filterbank.offset)
        groups = -(-widths.size // LANES)
        self.first_bin = np.zeros(groups * LANES, np.int64)
        self.first_bin[: widths.size] = filterbank.first_bin
        self.chunks = np.zeros(groups, np.int64)
        parts: list[npt.NDArray[np.float32]] = []
        for group in range(groups):
            bands = range(group * LANES, min((group + 1) * LANES, widths.size))
            chunks = self.chunks[group] = max(-(-widths[band] // LANES) for band in bands)
            laid = np.zeros((LANES, int(chunks) * LANES), np.float32)
            for band in bands:
                run = filterbank.weights[filterbank.offset[band] : filterbank.offset[band + 1]]
                laid[band - bands.start, : run.size] = run
            parts.append(laid.reshape(LANES, -1, LANES).transpose(1, 0, 2).ravel())
        self.weights = np.concatenate(parts)
        reach = self.first_bin.reshape(groups, LANES).max(axis=1) + self.chunks * LANES
        self.bins = int(reach.max())


@intrinsic
def _sums_of_bands(
    typing_context: Any,
    weights: Any,
    first_weight: Any,
    power: Any,
    first_bin: Any,
    first_band: Any,
    chunks: Any,
    out: Any,
) -> Any:
    """Fill ``out`` with the sums of 16 bands from ``first_band`` on.

    Args:
        typing_context: Numba's.
        weights: As `MelWeights.weights`.
        first_weight: Where the group's weights begin, int64.
        power: float32 ``(MelWeights.bins,)``, zeros after the spectrum's own end.
        first_bin: As `MelWeights.first_bin`.
        first_band: A multiple of 16, int64.
        chunks: The group's, int64.
        out: float32, as long as ``first_bin``.
    """

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        def memory(place: int, start: Any = None) -> Memory:
            return Memory(context, builder, signature.args[place], arguments[place], start)

        taps, values, target = memory(0, arguments[1]), memory(2), memory(6, arguments[4])
        firsts = memory(3, arguments[4])
        starts = [firsts.integer(lane) for lane in range(LANES)]
        zero = constant([0.0] * LANES)
        sums = [_cgutils.alloca_once_value(builder, zero) for _ in range(LANES)]
        with _cgutils.for_range(builder, arguments[5]) as loop:
            bins = builder.mul(loop.index, ir.Constant(loop.index.type, LANES))
            taken = builder.mul(bins, ir.Constant(loop.index.type, LANES))
            for band, (start, total) in enumerate(zip(starts, sums, strict=True)):
                place = builder.add(taken, ir.Constant(taken.type, LANES * band))
                product = multiply(builder, taps.load(place), values.load(builder.add(start, bins)))
                builder.store(add(builder, builder.load(total), product), total)
        columns = transposed(builder, [builder.load(total) for total in sums])
        while len(columns) > 1:
            columns = [add(builder, a, b) for a, b in zip(columns[::2], columns[1::2], strict=True)]
        target.store(columns[0], 0)
        return context.get_dummy_value()

    arguments = (weights, first_weight, power, first_bin, first_band, chunks, out)
    return types.void(*arguments), generate


# Numba supplies the typing context when it compiles a call.
sums_of_bands: Any = _sums_of_bands
