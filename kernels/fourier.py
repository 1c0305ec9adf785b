"""The power spectrum of 1,024 real samples, in vector instructions throughout.

A transform of 1,024 real numbers is one of 512 complex ones, of which the even samples are the
real parts and the odd ones the imaginary parts. Those lie as 32 rows of 16: the columns are
transformed side by side, turned by their twiddle factors and transposed, and the rows, columns
now, transformed in the same way (the four-step algorithm: D. H. Bailey, "FFTs in external or
hierarchical memory", J. Supercomputing 4, 1990). LLVM is given whole vectors, for it finds none of
this in loops; what the processor has no vectors as wide for is split.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

__all__ = ["POWER_SAMPLES", "power_spectrum"]

POWER_SAMPLES = 1_024
"""How many samples `power_spectrum` takes."""

_HALF = POWER_SAMPLES // 2
_LANES = 16
_ROWS = _HALF // _LANES
_VECTOR = ir.VectorType(ir.FloatType(), _LANES)
_FLAGS = ("contract",)

Complex = tuple[Any, Any]
"""Real and imaginary parts, each a vector of `_LANES` floats."""


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
        def data(place: int) -> Any:
            array = context.make_array(signature.args[place])
            return builder.ptrtoint(array(context, builder, arguments[place]).data, _ADDRESS)

        def at(base: Any, first: int, kind: Any = _VECTOR) -> Any:
            address = builder.add(base, ir.Constant(_ADDRESS, 4 * first))
            return builder.inttoptr(address, kind.as_pointer())

        def load(base: Any, first: int) -> Any:
            return builder.load(at(base, first), align=4, typ=_VECTOR)

        offset = builder.mul(arguments[1], ir.Constant(_ADDRESS, 4))
        source, taper, target = builder.add(data(0), offset), data(2), data(3)
        rows: list[Complex] = []
        for first in range(0, POWER_SAMPLES, 2 * _LANES):
            parts = [
                _multiply(builder, load(source, place), load(taper, place))
                for place in (first, first + _LANES)
            ]
            even, odd = (_pick(builder, *parts, range(odd, 2 * _LANES, 2)) for odd in (0, 1))
            rows.append((even, odd))
        halves = _transform(builder, rows)
        for block in range(_ROWS // 2):
            low, high = _powers(builder, halves, block)
            builder.store(low, at(target, _LANES * block), align=4)
            builder.store(high, at(target, _HALF - _LANES * (block + 1) + 1), align=4)
        middle = builder.extract_element(
            _absolute(builder, *halves[_ROWS // 2]), ir.Constant(ir.IntType(32), 0)
        )
        builder.store(middle, at(target, _HALF // 2, ir.FloatType()), align=4)
        return context.get_dummy_value()

    return types.void(samples, start, window, power), generate


# Numba supplies the typing context when it compiles a call.
power_spectrum: Any = _power_spectrum
_ADDRESS = ir.IntType(64)


def _transform(builder: ir.IRBuilder, rows: list[Complex]) -> list[Complex]:
    """Return 512 frequencies in their order of 512 values in theirs, 16 in each vector."""
    rows = [
        _turn(builder, value, [lane * row / _HALF for lane in range(_LANES)])
        for row, value in enumerate(_fourier(builder, rows))
    ]
    out = list(rows)
    for block in range(0, _ROWS, _LANES):
        real, imag = (
            _transposed(builder, [value[part] for value in rows[block : block + _LANES]])
            for part in (0, 1)
        )
        columns = _fourier(builder, list(zip(real, imag, strict=True)))
        for place, value in enumerate(columns):
            out[(_ROWS * place + block) // _LANES] = value
    return out


def _powers(builder: ir.IRBuilder, halves: list[Complex], block: int) -> tuple[Any, Any]:
    """Return the powers of 16 frequencies and of their mirror images, both ascending.

    The spectra of the even and of the odd samples are the two symmetric parts of the complex one.
    """
    backwards = range(_LANES, 0, -1)
    (low_real, low_imag) = halves[block]
    (high_real, high_imag) = (
        _pick(builder, halves[_ROWS - block - 1][part], halves[-block][part], backwards)
        for part in (0, 1)
    )
    even = (_add(builder, low_real, high_real), _subtract(builder, low_imag, high_imag))
    odd = (_add(builder, low_imag, high_imag), _subtract(builder, high_real, low_real))
    odd = _turn(builder, odd, [(_LANES * block + lane) / POWER_SAMPLES for lane in range(_LANES)])
    quarter = _constant([0.25] * _LANES)
    first, second = (
        _multiply(
            builder,
            quarter,
            _absolute(builder, *(join(builder, *parts) for parts in zip(even, odd, strict=True))),
        )
        for join in (_add, _subtract)
    )
    return first, _pick(builder, second, second, range(_LANES - 1, -1, -1))


def _add(builder: ir.IRBuilder, a: Any, b: Any) -> Any:
    return builder.fadd(a, b, flags=_FLAGS)


def _subtract(builder: ir.IRBuilder, a: Any, b: Any) -> Any:
    return builder.fsub(a, b, flags=_FLAGS)


def _absolute(builder: ir.IRBuilder, real: Any, imag: Any) -> Any:
    """Return the square of the absolute value."""
    return _add(builder, _multiply(builder, real, real), _multiply(builder, imag, imag))


def _multiply(builder: ir.IRBuilder, a: Any, b: Any) -> Any:
    return builder.fmul(a, b, flags=_FLAGS)


def _pick(builder: ir.IRBuilder, a: Any, b: Any, places: Any) -> Any:
    """Return a vector of the values at some places of two vectors laid one after the other."""
    chosen = [ir.Constant(ir.IntType(32), place) for place in places]
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(ir.IntType(32), _LANES), chosen))


def _transposed(builder: ir.IRBuilder, rows: list[Any]) -> list[Any]:
    """Return the columns of as many rows as there are lanes: one bit of both numbers at a time."""
    rows = list(rows)
    bit = _LANES // 2
    while bit:
        for place in range(_LANES):
            if place & bit:
                continue
            a, b = rows[place], rows[place | bit]
            low = [lane if not lane & bit else _LANES + lane - bit for lane in range(_LANES)]
            high = [lane + bit if not lane & bit else _LANES + lane for lane in range(_LANES)]
            rows[place], rows[place | bit] = _pick(builder, a, b, low), _pick(builder, a, b, high)
        bit //= 2
    return rows


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
        sums.append((_add(builder, a_real, b_real), _add(builder, a_imag, b_imag)))
        difference = (_subtract(builder, a_real, b_real), _subtract(builder, a_imag, b_imag))
        differences.append(_turn(builder, difference, [place / count] * _LANES))
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
        return imag, builder.fneg(real, flags=_FLAGS)
    cosine = _constant([math.cos(2 * math.pi * turn) for turn in turns])
    sine = _constant([math.sin(2 * math.pi * turn) for turn in turns])
    return (
        _add(builder, _multiply(builder, real, cosine), _multiply(builder, imag, sine)),
        _subtract(builder, _multiply(builder, imag, cosine), _multiply(builder, real, sine)),
    )


def _constant(values: list[float]) -> Any:
    floats = [ir.Constant(ir.FloatType(), float(np.float32(value))) for value in values]
    return ir.Constant(_VECTOR, floats)
