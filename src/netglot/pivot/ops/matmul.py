"""Products of matrices and their generalisations."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from netglot.pivot.dims import minimum
from netglot.pivot.op import Op, Tensor, TensorType, broadcast_shapes, dtype_of, rand, shape_of


class Matmul(Op):
    """The product of matrices in the last two axes; the axes before them broadcast.

    A vector on the left is a row, on the right a column, and its axis is absent from the result.
    """

    x: Tensor
    y: Tensor

    def infer(self):
        left, right = shape_of(self.x), shape_of(self.y)
        rows = () if len(left) == 1 else (left[-2],)
        columns = () if len(right) == 1 else (right[-1],)
        batch = broadcast_shapes(left[:-2], right[:-2])
        return TensorType(dtype_of(self.x, self.y), (*batch, *rows, *columns))

    def reference(self):
        return np.asarray(np.matmul(self.x, self.y))

    cases = [
        dict(x=rand(3, 4), y=rand(4, 5, seed=1)),
        dict(x=rand(2, 3, 4), y=rand(2, 4, 5, seed=1)),
        dict(x=rand(2, 1, 3, 4), y=rand(7, 4, 5, seed=1)),
        dict(x=rand(4), y=rand(4, seed=1)),
        dict(x=rand(4), y=rand(4, 5, seed=1)),
        dict(x=rand(2, 3, 4), y=rand(4, seed=1)),
        dict(x=rand(4), y=rand(2, 4, 5, seed=1)),
    ]


class Linear(Op):
    """`x @ weight.T + bias` over the last axis of `x`."""

    x: Tensor
    weight: Annotated[Tensor, "out in"]
    bias: Annotated[Tensor, "out"] | None

    def infer(self):
        return TensorType(dtype_of(self.x, self.weight), (*shape_of(self.x)[:-1], shape_of(self.weight)[0]))

    def reference(self):
        product = self.x @ self.weight.T
        return product if self.bias is None else product + self.bias

    cases = [
        dict(x=rand(3, 4), weight=rand(5, 4, seed=1), bias=rand(5, seed=2)),
        dict(x=rand(1, 2, 3, 4), weight=rand(5, 4, seed=1), bias=None),
        dict(x=rand(4), weight=rand(5, 4, seed=1), bias=rand(5, seed=2)),
    ]


class Einsum(Op):
    """Sums of products of elements as the equation says, in Einstein's notation: `"bij,bjk->bik"`.

    Each operand's axes are letters; letters that the result lacks are summed over; `...` stands for axes that
    broadcast. The equation has an arrow and no blanks.
    """

    xs: tuple[Tensor, ...]
    equation: str

    def infer(self):
        left, result = self.equation.split("->")
        sizes: dict[str, int] = {}
        spread = []
        for term, x in zip(left.split(","), self.xs, strict=True):
            shape = shape_of(x)
            before, dots, after = term.partition("...")
            free = len(shape) - len(before) - len(after)
            if dots:
                spread.append(shape[len(before) : len(before) + free])
            letters = (*zip(before, shape, strict=False), *zip(after, shape[len(before) + free :], strict=False))
            for letter, size in letters:
                if sizes.get(letter, 1) == 1:
                    sizes[letter] = size
        before, dots, after = result.partition("...")
        middle = broadcast_shapes(*spread) if dots else ()
        return TensorType(dtype_of(*self.xs), (*(sizes[c] for c in before), *middle, *(sizes[c] for c in after)))

    def reference(self):
        dtype = self.xs[0].dtype
        xs = [x.astype("float32") for x in self.xs] if dtype.kind == "V" else self.xs  # NumPy has no sum of bfloat16
        return np.asarray(np.einsum(self.equation, *xs)).astype(dtype)

    cases = [
        dict(xs=(rand(3, 4), rand(4, 5, seed=1)), equation="ij,jk->ik"),
        dict(xs=(rand(2, 3, 4), rand(2, 5, 4, seed=1)), equation="bid,bjd->bij"),
        dict(xs=(rand(2, 3, 4), rand(2, 5, 4, seed=1), rand(5, seed=2)), equation="bid,bjd,j->bi"),
        dict(xs=(rand(2, 3, 4), rand(4, 5, seed=1)), equation="...d,de->...e"),
        dict(xs=(rand(4, 4),), equation="ii->i"),
        dict(xs=(rand(3, 4),), equation="ij->ji"),
        dict(xs=(rand(3), rand(4, seed=1)), equation="i,j->ij"),
        dict(xs=(rand(3, 4),), equation="ij->"),
    ]


class Solve(Op):
    """The `x` with `a @ x = b`, for square matrices in the last two axes; `b` has matrices there too."""

    a: Tensor
    b: Tensor

    def infer(self):
        left, right = shape_of(self.a), shape_of(self.b)
        return TensorType(dtype_of(self.a, self.b), (*broadcast_shapes(left[:-2], right[:-2]), *right[-2:]))

    def reference(self):
        return np.linalg.solve(self.a, self.b)

    cases = [
        dict(a=rand(3, 3) + 4 * np.eye(3), b=rand(3, 2, seed=1)),
        dict(a=rand(2, 3, 3) + 4 * np.eye(3), b=rand(2, 3, 1, seed=1)),
    ]


class Inverse(Op):
    """The inverses of the square matrices in the last two axes."""

    x: Tensor

    def infer(self):
        return TensorType(dtype_of(self.x), shape_of(self.x))

    def reference(self):
        return np.linalg.inv(self.x)

    cases = [dict(x=rand(2, 3, 3) + 4 * np.eye(3))]


class Determinant(Op):
    """The determinants of the square matrices in the last two axes."""

    x: Tensor

    def infer(self):
        return TensorType(dtype_of(self.x), shape_of(self.x)[:-2])

    def reference(self):
        return np.asarray(np.linalg.det(self.x))

    cases = [dict(x=rand(2, 3, 3) + 4 * np.eye(3)), dict(x=rand(3, 3))]


class SingularValues(Op):
    """The singular values of the matrices in the last two axes, the largest first."""

    x: Tensor

    def infer(self):
        shape = shape_of(self.x)
        return TensorType(dtype_of(self.x), (*shape[:-2], minimum(*shape[-2:])))

    def reference(self):
        return np.linalg.svd(self.x, compute_uv=False)

    cases = [dict(x=rand(2, 3, 4)), dict(x=rand(4, 3))]


class Cholesky(Op):
    """The lower triangular `l` with `l @ l.T = x`, for positive definite matrices in the last two axes."""

    x: Tensor

    def infer(self):
        return TensorType(dtype_of(self.x), shape_of(self.x))

    def reference(self):
        return np.linalg.cholesky(self.x)

    cases = [dict(x=rand(3, 3) @ rand(3, 3).T + np.eye(3))]
