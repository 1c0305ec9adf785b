"""Vectors of 16 floats for kernels that are written for LLVM directly.

LLVM turns loops into vector instructions where it can prove that it may, which in a Fourier
transform or in sums of many short runs it cannot. Here it is given whole vectors; where a processor
has none as wide, it splits them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from llvmlite import ir

__all__ = [
    "LANES",
    "VECTOR",
    "Memory",
    "add",
    "constant",
    "multiply",
    "pick",
    "subtract",
    "transposed",
]

LANES = 16
VECTOR = ir.VectorType(ir.FloatType(), LANES)

_ADDRESS = ir.IntType(64)
# A product and a sum may become one instruction, rounded once.
_FLAGS = ("contract",)


class Memory:
    """A one-dimensional array of Numba's, read and written by vectors at any place.

    Args:
        context: Numba's.
        builder: Of the instructions.
        kind: The array's type.
        value: The array.
        start: Where place 0 is, int64; the array's own beginning where there is none.
    """

    def __init__(
        self, context: Any, builder: ir.IRBuilder, kind: Any, value: Any, start: Any = None
    ) -> None:
        self._builder = builder
        array = context.make_array(kind)(context, builder, value)
        self._item = 8 if kind.dtype.bitwidth == 64 else 4
        self._base = builder.ptrtoint(array.data, _ADDRESS)
        if start is not None:
            self._base = self._at(start)

    def load(self, place: Any) -> Any:
        """Return 16 floats from a place on, an int or an int64 of the program's."""
        return self._builder.load(self._pointer(place, VECTOR), align=4, typ=VECTOR)

    def integer(self, place: Any) -> Any:
        """Return the int64 at a place."""
        return self._builder.load(self._pointer(place, _ADDRESS), align=8, typ=_ADDRESS)

    def store(self, value: Any, place: Any) -> None:
        """Write floats from a place on, as many as the value has."""
        self._builder.store(value, self._pointer(place, value.type), align=4)

    def _pointer(self, place: Any, kind: Any) -> Any:
        return self._builder.inttoptr(self._at(place), kind.as_pointer())

    def _at(self, place: Any) -> Any:
        if isinstance(place, int):
            return self._builder.add(self._base, ir.Constant(_ADDRESS, self._item * place))
        bytes_before = self._builder.mul(place, ir.Constant(_ADDRESS, self._item))
        return self._builder.add(self._base, bytes_before)


def add(builder: ir.IRBuilder, a: Any, b: Any) -> Any:
    """Return the sum of two vectors."""
    return builder.fadd(a, b, flags=_FLAGS)


def subtract(builder: ir.IRBuilder, a: Any, b: Any) -> Any:
    """Return the difference of two vectors."""
    return builder.fsub(a, b, flags=_FLAGS)


def multiply(builder: ir.IRBuilder, a: Any, b: Any) -> Any:
    """Return the product of two vectors, lane by lane."""
    return builder.fmul(a, b, flags=_FLAGS)


def constant(values: Iterable[float]) -> Any:
    """Return a vector of known values."""
    return ir.Constant(VECTOR, [ir.Constant(ir.FloatType(), float(np.float32(v))) for v in values])


def pick(builder: ir.IRBuilder, a: Any, b: Any, places: Iterable[int]) -> Any:
    """Return a vector of the values at some places of two vectors laid one after the other."""
    chosen = [ir.Constant(ir.IntType(32), place) for place in places]
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(ir.IntType(32), LANES), chosen))


def transposed(builder: ir.IRBuilder, rows: Sequence[Any]) -> list[Any]:
    """Return the columns of 16 vectors: one bit of row and lane changes places at a time."""
    rows = list(rows)
    bit = LANES // 2
    while bit:
        low = [LANES + lane - bit if lane & bit else lane for lane in range(LANES)]
        high = [LANES + lane if lane & bit else lane + bit for lane in range(LANES)]
        for place in range(LANES):
            if not place & bit:
                a, b = rows[place], rows[place | bit]
                rows[place] = pick(builder, a, b, low)
                rows[place | bit] = pick(builder, a, b, high)
        bit //= 2
    return rows
