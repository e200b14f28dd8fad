"""Products of matrices and their generalisations in `keras.ops`."""

from __future__ import annotations

from netglot.dialects.keras.dialect import keras
from netglot.dialects.keras.functions.axes import axes_of, axis_of, flat, rank
from netglot.errors import Refusal, notimpl
from netglot.pivot import ops
from netglot.pivot.op import normal_axis


@keras.reads("ops.matmul")
def matmul(x1, x2):
    return ops.Matmul(x1, x2)


@keras.reads("ops.dot")
def dot(x1, x2):
    if rank(x1) == 0 or rank(x2) == 0:
        return ops.Multiply(x1, x2)
    if rank(x2) <= 2:
        return ops.Matmul(x1, x2)
    left = "abcdefgh"[: rank(x1) - 1]
    right = "ijklmnop"[: rank(x2) - 1]
    return ops.Einsum((x1, x2), f"{left}z,{right[:-1]}z{right[-1]}->{left}{right}")


@keras.reads("ops.einsum")
def einsum(subscripts, *operands):
    equation = subscripts.replace(" ", "")
    if "->" not in equation:
        letters = equation.replace(",", "").replace("...", "")
        once = "".join(sorted(c for c in set(letters) if letters.count(c) == 1))
        equation += "->" + ("..." if "..." in equation else "") + once
    return ops.Einsum(tuple(operands), equation)


@keras.reads("ops.outer")
def outer(x1, x2):
    return ops.Einsum((flat(x1), flat(x2)), "i,j->ij")


@keras.reads("ops.inner")
def inner(x1, x2):
    left, right = "abcdefgh"[: rank(x1) - 1], "ijklmnop"[: rank(x2) - 1]
    return ops.Einsum((x1, x2), f"{left}z,{right}z->{left}{right}")


@keras.reads("ops.vdot")
def vdot(x1, x2):
    return ops.Einsum((flat(x1), flat(x2)), "i,i->")


@keras.reads("ops.tensordot")
def tensordot(x1, x2, axes=2):
    if isinstance(axes, int):
        left = list(range(rank(x1) - axes, rank(x1)))
        right = list(range(axes))
    else:
        left, right = ([one] if isinstance(one, int) else list(one) for one in axes)
    left = [normal_axis(axis, rank(x1)) for axis in left]
    right = [normal_axis(axis, rank(x2)) for axis in right]
    names = {axis: "zyxwvuts"[i] for i, axis in enumerate(left)}
    first = "".join(names.get(i, "abcdefgh"[i]) for i in range(rank(x1)))
    others = {axis: names[left[i]] for i, axis in enumerate(right)}
    second = "".join(others.get(i, "ijklmnop"[i]) for i in range(rank(x2)))
    kept = "".join(c for c in first + second if c not in names.values())
    return ops.Einsum((x1, x2), f"{first},{second}->{kept}")


@keras.reads("ops.trace")
def trace(x, offset=0, axis1=0, axis2=1):
    diagonal = ops.Diagonal(x, offset, axis_of(x, axis1), axis_of(x, axis2))
    return ops.Sum(diagonal, (rank(x) - 2,), False)


@keras.reads("ops.cross")
def cross(x1, x2, axisa=-1, axisb=-1, axisc=-1, axis=None):
    if axis is not None:
        axisa = axisb = axisc = axis
    at, bt = axis_of(x1, axisa), axis_of(x2, axisb)
    a = [ops.Select(x1, at, i) for i in range(3)]
    b = [ops.Select(x2, bt, i) for i in range(3)]
    parts = [ops.Subtract(ops.Multiply(a[i], b[j]), ops.Multiply(a[j], b[i])) for i, j in ((1, 2), (2, 0), (0, 1))]
    place = normal_axis(axisc, max(rank(x1), rank(x2)))
    return ops.Stack(tuple(parts), place)


@keras.reads("ops.inv")
def inv(x):
    return ops.Inverse(x)


@keras.reads("ops.det")
def det(x):
    return ops.Determinant(x)


@keras.reads("ops.solve")
def solve(a, b):
    return ops.Solve(a, b)


@keras.reads("ops.cholesky")
def cholesky(x, upper=False):
    if upper:
        raise Refusal(notimpl("the upper triangle"))
    return ops.Cholesky(x)


@keras.reads("ops.cdist")
def cdist(x, y):
    n = rank(x)
    left = ops.Reshape(x, (*_shape(x)[:-1], 1, _shape(x)[-1]))
    right = ops.Reshape(y, (*_shape(y)[:-2], 1, *_shape(y)[-2:]))
    return ops.Sqrt(ops.Sum(ops.Square(ops.Subtract(left, right)), axes_of(left, n), False))


def _shape(x):
    from netglot.pivot.op import shape_of

    return shape_of(x)
