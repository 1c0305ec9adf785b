"""The power spectrum of 1,024 real samples, in vector instructions throughout.

A transform of 1,024 real numbers is one of 512 complex ones, of which the even samples are the
real parts and the odd ones the imaginary parts. Those lie as 32 rows of 16: the columns are
transformed side by side, turned by their twiddle factors and transposed, and the rows, columns
now, transformed in the same way (the four-step algorithm: D. H. Bailey, "FFTs in external or
hierarchical memory", J. Supercomputing 4, 1990).
"""

from __future__ import annotations

import math
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from affectd.kernels.vectors import (
    LANES,
    Memory,
    add,
    constant,
    multiply,
    pick,
    subtract,
    transposed,
)

__all__ = ["POWER_SAMPLES", "power_spectrum"]

POWER_SAMPLES = 1_024
"""How many samples `power_spectrum` takes."""

_HALF = POWER_SAMPLES // 2
_ROWS = _HALF // LANES

Complex = tuple[Any, Any]
"""Real and imaginary parts, each a vector of `LANES` floats."""


@intrinsic
def _power_spectrum(typing_context: Any, samples: Any, start: Any, window: Any, power: Any) -> Any:
    """Compute the power of each frequency of 1,024 samples under a window.

    Args:
        typing_context: Numba's.
        samples: Contiguous float32, at least 1,024 of them from ``start`` on.
        start: The first one, int64.
        window: float32 ``(1024,)``.
        power: Filled, contiguous float32, at least ``(513,)``.
    """

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        def memory(place: int, start: Any = None) -> Memory:
            return Memory(context, builder, signature.args[place], arguments[place], start)

        source, taper, target = memory(0, arguments[1]), memory(2), memory(3)
        rows: list[Complex] = []
        for first in range(0, POWER_SAMPLES, 2 * LANES):
            left, right = (
                multiply(builder, source.load(place), taper.load(place))
                for place in (first, first + LANES)
            )
            even, odd = (pick(builder, left, right, range(odd, 2 * LANES, 2)) for odd in (0, 1))
            rows.append((even, odd))
        halves = _transform(builder, rows)
        for block in range(_ROWS // 2):
            low, high = _powers(builder, halves, block)
            target.store(low, LANES * block)
            target.store(high, _HALF - LANES * (block + 1) + 1)
        middle = builder.extract_element(
            _absolute(builder, *halves[_ROWS // 2]), ir.Constant(ir.IntType(32), 0)
        )
        target.store(middle, _HALF // 2)
        return context.get_dummy_value()

    return types.void(samples, start, window, power), generate


# Numba supplies the typing context when it compiles a call.
power_spectrum: Any = _power_spectrum


def _transform(builder: ir.IRBuilder, rows: list[Complex]) -> list[Complex]:
    """Return 512 frequencies in their order of 512 values in theirs, 16 in each vector."""
    rows = [
        _turn(builder, value, [lane * row / _HALF for lane in range(LANES)])
        for row, value in enumerate(_fourier(builder, rows))
    ]
    out = list(rows)
    for block in range(0, _ROWS, LANES):
        real, imag = (
            transposed(builder, [value[part] for value in rows[block : block + LANES]])
            for part in (0, 1)
        )
        columns = _fourier(builder, list(zip(real, imag, strict=True)))
        for place, value in enumerate(columns):
            out[(_ROWS * place + block) // LANES] = value
    return out


def _powers(builder: ir.IRBuilder, halves: list[Complex], block: int) -> tuple[Any, Any]:
    """Return the powers of 16 frequencies and of their mirror images, both ascending.

    The spectra of the even and of the odd samples are the two symmetric parts of the complex one.
    """
    backwards = range(LANES, 0, -1)
    (low_real, low_imag) = halves[block]
    (high_real, high_imag) = (
        pick(builder, halves[_ROWS - block - 1][part], halves[-block][part], backwards)
        for part in (0, 1)
    )
    even = (add(builder, low_real, high_real), subtract(builder, low_imag, high_imag))
    odd = (add(builder, low_imag, high_imag), subtract(builder, high_real, low_real))
    odd = _turn(builder, odd, [(LANES * block + lane) / POWER_SAMPLES for lane in range(LANES)])
    quarter = constant([0.25] * LANES)
    first, second = (
        multiply(
            builder,
            quarter,
            _absolute(builder, *(join(builder, *parts) for parts in zip(even, odd, strict=True))),
        )
        for join in (add, subtract)
    )
    return first, pick(builder, second, second, range(LANES - 1, -1, -1))


def _absolute(builder: ir.IRBuilder, real: Any, imag: Any) -> Any:
    """Return the square of the absolute value."""
    return add(builder, multiply(builder, real, real), multiply(builder, imag, imag))


def _fourier(builder: ir.IRBuilder, values: list[Complex]) -> list[Complex]:
    """Return the transform over a list of vectors, lane by lane; decimation in frequency."""
    count = len(values)
    if count == 1:
        return values
    half = count // 2
    sums: list[Complex] = []
    differences: list[Complex] = []
    for place in range(half):
        (a_real, a_imag), (b_real, b_imag) = values[place], values[place + half]
        sums.append((add(builder, a_real, b_real), add(builder, a_imag, b_imag)))
        difference = (subtract(builder, a_real, b_real), subtract(builder, a_imag, b_imag))
        differences.append(_turn(builder, difference, [place / count] * LANES))
    out: list[Complex] = []
    for pair in zip(_fourier(builder, sums), _fourier(builder, differences), strict=True):
        out.extend(pair)
    return out


def _turn(builder: ir.IRBuilder, value: Complex, turns: list[float]) -> Complex:
    """Return a value turned backwards, each lane by its share of a whole turn."""
    real, imag = value
    if not any(turns):
        return value
    if all(turn == 0.25 for turn in turns):
        return imag, builder.fneg(real)
    cosine = constant([math.cos(2 * math.pi * turn) for turn in turns])
    sine = constant([math.sin(2 * math.pi * turn) for turn in turns])
    return (
        add(builder, multiply(builder, real, cosine), multiply(builder, imag, sine)),
        subtract(builder, multiply(builder, imag, cosine), multiply(builder, real, sine)),
    )
