"""Integers bit by bit."""

from __future__ import annotations

import numpy as np

from netglot.pivot.op import rand
from netglot.pivot.ops.arithmetic import Binary, Unary

_BITS = [
    dict(x=rand(3, 4, dtype="int64", low=-9, high=9), y=rand(3, 4, dtype="int64", low=0, high=7, seed=1)),
    dict(x=rand(3, 4, dtype="int64", low=-9, high=9), y=5),
]
_SHIFTS = [
    dict(x=rand(3, 4, dtype="int64", low=-9, high=9), y=rand(3, 4, dtype="int64", low=0, high=5, seed=1)),
    dict(x=rand(3, 4, dtype="int64", low=-9, high=9), y=2),
]


class BitwiseAnd(Binary):
    """Bits that are set in both integers."""

    meaning = np.bitwise_and
    cases = _BITS


class BitwiseOr(Binary):
    """Bits that are set in either integer."""

    meaning = np.bitwise_or
    cases = _BITS


class BitwiseXor(Binary):
    """Bits that are set in one of the integers."""

    meaning = np.bitwise_xor
    cases = _BITS


class BitwiseNot(Unary):
    """The bits of an integer turned over."""

    meaning = np.invert
    cases = [dict(x=rand(3, 4, dtype="int64", low=-9, high=9))]


class ShiftLeft(Binary):
    """The bits of `x` moved to higher places."""

    meaning = np.left_shift
    cases = _SHIFTS


class ShiftRight(Binary):
    """The bits of `x` moved to lower places; the sign stays."""

    meaning = np.right_shift
    cases = _SHIFTS
