"""ATen's products of matrices, and the linear algebra that networks use."""

from __future__ import annotations

import string

from netglot.dialects.torch.dialect import torch
from netglot.dialects.torch.numbers import as_float, is_bool, is_whole
from netglot.dialects.torch.ops.binary import scaled
from netglot.dialects.torch.ops.reduction import vector_norm
from netglot.dialects.torch.ops.shape import permuted, reshaped
from netglot.errors import Refusal, never, notimpl
from netglot.pivot import dims, ops
from netglot.pivot.op import broadcast_shapes, normal_axis, shape_of, type_of


def _rank(x) -> int:
    return len(shape_of(x))


@torch.reads("aten.linear.default")
def linear(input, weight, bias=None):
    if _rank(weight) == 1:
        product = ops.Matmul(input, weight)
        return product if bias is None else ops.Add(product, bias)
    if bias is not None and _rank(bias) != 1:
        return ops.Add(ops.Linear(input, weight, None), bias)
    return ops.Linear(input, weight, bias)


@torch.reads("aten.matmul.default", "aten.linalg_matmul.default")
def matmul(self, other):
    return ops.Matmul(self, other)


@torch.reads("aten.dot.default")
def dot(self, tensor):
    return ops.Matmul(self, tensor)


@torch.reads("aten.vdot.default", "aten.inner.default")
def inner(self, other):
    if not shape_of(self) or not shape_of(other):
        return ops.Multiply(self, other)
    if _rank(other) == 1:
        return ops.Matmul(self, other)
    free = permuted(other, (_rank(other) - 1, *range(_rank(other) - 1)))
    columns = shape_of(other)[:-1]
    product = ops.Matmul(self, reshaped(free, (shape_of(other)[-1], dims.product(columns))))
    return reshaped(product, (*shape_of(self)[:-1], *columns))


@torch.reads("aten.mv.default")
def mv(self, vec):
    return ops.Matmul(self, vec)


@torch.reads("aten.mm.default", "aten.bmm.default")
def mm(self, mat2):
    return ops.Matmul(self, mat2)


def _plus(x, product, beta, alpha):
    """`beta * x + alpha * product`; nothing of `x`, not even its NaNs, where `beta` is 0."""
    if is_bool(x):
        raise Refusal(notimpl("sums of products of truth values"))
    if is_whole(x):
        beta, alpha = int(beta), int(alpha)
    product = scaled(product, alpha)
    return product if beta == 0 else ops.Add(scaled(x, beta), product)


@torch.reads("aten.addmm.default")
def addmm(self, mat1, mat2, *, beta=1, alpha=1):
    return _plus(self, ops.Matmul(mat1, mat2), beta, alpha)


@torch.reads("aten.addmv.default")
def addmv(self, mat, vec, *, beta=1, alpha=1):
    return _plus(self, ops.Matmul(mat, vec), beta, alpha)


@torch.reads("aten.baddbmm.default")
def baddbmm(self, batch1, batch2, *, beta=1, alpha=1):
    return _plus(self, ops.Matmul(batch1, batch2), beta, alpha)


@torch.reads("aten.addbmm.default")
def addbmm(self, batch1, batch2, *, beta=1, alpha=1):
    return _plus(self, ops.Sum(ops.Matmul(batch1, batch2), axes=(0,), keepdims=False), beta, alpha)


def _column(x):
    return ops.Reshape(x, shape=(*shape_of(x), 1))


@torch.reads("aten.addr.default")
def addr(self, vec1, vec2, *, beta=1, alpha=1):
    return _plus(self, ops.Multiply(_column(vec1), vec2), beta, alpha)


@torch.reads("aten.outer.default", "aten.ger.default")
def outer(self, vec2):
    return ops.Multiply(_column(self), vec2)


@torch.reads("aten.linalg_vecdot.default")
def vecdot(x, y, *, dim=-1):
    product = ops.Multiply(x, y)
    rank = max(_rank(x), _rank(y))
    return ops.Sum(product, axes=(normal_axis(dim, rank),), keepdims=False)


@torch.reads("aten.bilinear.default")
def bilinear(input1, input2, weight, bias=None):
    product = ops.Einsum((input1, weight, input2), equation="...i,oij,...j->...o")
    return product if bias is None else ops.Add(product, bias)


def whole_equation(equation: str) -> str:
    """An equation with an arrow and no blanks: an absent result is the letters that occur once, in order."""
    equation = equation.replace(" ", "")
    if "->" in equation:
        return equation
    letters = equation.replace(",", "").replace("...", "")
    once = sorted(letter for letter in set(letters) if letters.count(letter) == 1)
    return f"{equation}->{'...' if '...' in equation else ''}{''.join(once)}"


def _named_dots(equation: str, ranks) -> str:
    """An equation whose result lacks the `...` of its operands, with letters for them: those axes are summed."""
    left, result = equation.split("->")
    if "..." not in left or "..." in result:
        return equation
    free = [letter for letter in string.ascii_letters if letter not in equation]
    terms = left.split(",")
    counts = [rank - len(term.replace("...", "")) for term, rank in zip(terms, ranks, strict=True)]
    letters = "".join(free[: max(counts)])
    terms = [t.replace("...", letters[len(letters) - n :]) for t, n in zip(terms, counts, strict=True)]
    return f"{','.join(terms)}->{result}"


@torch.reads("aten.einsum.default")
def einsum(equation, tensors, *, path=None):
    # `path` is the order in which the operands are contracted.
    named = _named_dots(whole_equation(equation), [_rank(t) for t in tensors])
    return ops.Einsum(tuple(tensors), equation=named)


def _same_sizes(x, y, axes_of_x, axes_of_y):
    """`x` summed over those of its axes that meet an axis of size 1 of `y`."""
    pairs = [(normal_axis(a, _rank(x)), normal_axis(b, _rank(y))) for a, b in zip(axes_of_x, axes_of_y, strict=True)]
    lone = tuple(a for a, b in pairs if shape_of(y)[b] == 1 and shape_of(x)[a] != 1)
    return ops.Sum(x, axes=lone, keepdims=True) if lone else x


@torch.reads("aten.tensordot.default")
def tensordot(self, other, dims_self, dims_other):
    letters = iter(string.ascii_letters)
    self, other = _same_sizes(self, other, dims_self, dims_other), _same_sizes(other, self, dims_other, dims_self)
    left = [next(letters) for _ in shape_of(self)]
    right = [next(letters) for _ in shape_of(other)]
    for a, b in zip(dims_self, dims_other, strict=True):
        right[normal_axis(b, len(right))] = left[normal_axis(a, len(left))]
    result = [c for c in left if c not in right] + [c for c in right if c not in left]
    return ops.Einsum((self, other), equation=f"{''.join(left)},{''.join(right)}->{''.join(result)}")


@torch.reads("aten.kron.default")
def kron(self, other):
    rank = max(_rank(self), _rank(other))
    left = (1,) * (rank - _rank(self)) + tuple(shape_of(self))
    right = (1,) * (rank - _rank(other)) + tuple(shape_of(other))
    spread = ops.Multiply(
        reshaped(self, tuple(size for a in left for size in (a, 1))),
        reshaped(other, tuple(size for b in right for size in (1, b))),
    )
    return reshaped(spread, tuple(a * b for a, b in zip(left, right, strict=True)))


@torch.reads("aten.chain_matmul.default")
def chain_matmul(matrices):
    return _chain(matrices)


@torch.reads("aten.linalg_multi_dot.default")
def multi_dot(tensors):
    return _chain(tensors)


def _chain(tensors):
    product = tensors[0]
    for tensor in tensors[1:]:
        product = ops.Matmul(product, tensor)
    return product


def cross_product(x, y, axis: int):
    """The vector product along `axis`, which has three places."""
    shape = broadcast_shapes(shape_of(x), shape_of(y))
    x, y = (v if tuple(shape_of(v)) == shape else ops.Broadcast(v, shape=shape) for v in (x, y))

    def rolled(v, by):
        return ops.Roll(v, shifts=(by,), axes=(axis,))

    return ops.Subtract(
        ops.Multiply(rolled(x, -1), rolled(y, -2)),
        ops.Multiply(rolled(x, -2), rolled(y, -1)),
    )


@torch.reads("aten.cross.default")
def cross(self, other, dim=None):
    rank = max(_rank(self), _rank(other))
    if dim is None:
        dim = list(shape_of(self)).index(3)
    return cross_product(self, other, normal_axis(dim, rank))


@torch.reads("aten.linalg_cross.default")
def linalg_cross(self, other, *, dim=-1):
    return cross_product(self, other, normal_axis(dim, max(_rank(self), _rank(other))))


@torch.reads("aten.linalg_matrix_power.default", "aten.matrix_power.default")
def matrix_power(self, n):
    if n == 0:
        size = shape_of(self)[-1]
        return ops.Broadcast(ops.Eye(size, size, dtype=type_of(self).dtype), shape=tuple(shape_of(self)))
    base = ops.Inverse(self) if n < 0 else self
    power = None
    for digit in bin(abs(n))[2:]:
        power = ops.Matmul(power, power) if power is not None else None
        if digit == "1":
            power = base if power is None else ops.Matmul(power, base)
    return ops.Identity(power) if power is self else power


@torch.reads("aten.linalg_inv.default")
def linalg_inv(A):
    return ops.Inverse(A)


@torch.reads("aten.inverse.default")
def inverse(self):
    return ops.Inverse(self)


@torch.reads("aten.linalg_inv_ex.default")
def linalg_inv_ex(A, *, check_errors=False):
    return ops.Inverse(A), _success(A)


def _success(x):
    """The codes by which LAPACK says that a matrix was no trouble."""
    return ops.Full(tuple(shape_of(x)[:-2]), value=0, dtype="int32")


@torch.reads("aten.linalg_slogdet.default")
def linalg_slogdet(A):
    determinant = ops.Determinant(A)
    return ops.Sign(determinant), ops.Log(ops.Abs(determinant))


@torch.reads("aten.slogdet.default")
def slogdet(self):
    return linalg_slogdet(self)


@torch.reads("aten.logdet.default")
def logdet(self):
    return ops.Log(ops.Determinant(self))


@torch.reads("aten.linalg_det.default")
def linalg_det(A):
    return ops.Determinant(A)


@torch.reads("aten.det.default")
def det(self):
    return ops.Determinant(self)


@torch.reads("aten.linalg_cholesky.default")
def linalg_cholesky(self, *, upper=False):
    return _cholesky(self, upper)


@torch.reads("aten.linalg_cholesky_ex.default")
def linalg_cholesky_ex(self, *, upper=False, check_errors=False):
    return _cholesky(self, upper), _success(self)


@torch.reads("aten.cholesky.default")
def cholesky(self, upper=False):
    return _cholesky(self, upper)


def _cholesky(x, upper):
    rank = _rank(x)
    lower = ops.Cholesky(x)
    return ops.Permute(lower, axes=(*range(rank - 2), rank - 1, rank - 2)) if upper else lower


@torch.reads("aten.linalg_solve.default")
def linalg_solve(A, B, *, left=True):
    if not left:
        raise Refusal(notimpl("linear systems solved from the right"))
    vector = _rank(B) == 1 or (_rank(B) == _rank(A) - 1 and tuple(shape_of(B)) == tuple(shape_of(A)[:-1]))
    if not vector:
        return ops.Solve(A, B)
    solved = ops.Solve(A, _column(B))
    return ops.Reshape(solved, shape=tuple(broadcast_shapes(shape_of(A)[:-2], shape_of(B)[:-1])) + shape_of(B)[-1:])


@torch.reads("aten.linalg_solve_ex.default")
def linalg_solve_ex(A, B, *, left=True, check_errors=False):
    return linalg_solve(A, B, left=left), _success(A)


@torch.reads("aten.linalg_vander.default")
def linalg_vander(x, *, N=None):
    x = x if shape_of(x) else ops.Reshape(x, shape=(1,))
    count = shape_of(x)[-1] if N is None else N
    return ops.Power(_column(x), ops.Arange(0, count, 1, dtype=type_of(x).dtype))


# --- distances


@torch.reads("aten.cosine_similarity.default")
def cosine_similarity(x1, x2, dim=1, eps=1e-08):
    shape = broadcast_shapes(shape_of(x1), shape_of(x2))
    if not shape:
        return ops.Reshape(cosine_similarity(*(reshaped(x, (1,)) for x in (x1, x2)), 0, eps), shape=())
    axis = normal_axis(dim, len(shape))
    x1, x2 = (v if tuple(shape_of(v)) == shape else ops.Broadcast(v, shape=shape) for v in (x1, x2))

    def unit(x):
        return ops.Divide(x, ops.Clip(ops.Norm(x, axes=(axis,), keepdims=True, p=2.0), low=eps, high=None))

    return ops.Sum(ops.Multiply(unit(x1), unit(x2)), axes=(axis,), keepdims=False)


@torch.reads("aten.pairwise_distance.default")
def pairwise_distance(x1, x2, p=2.0, eps=1e-06, keepdim=False):
    difference = ops.Add(ops.Subtract(as_float(x1), as_float(x2)), eps)
    return vector_norm(difference, p, -1, keepdim)


@torch.reads("aten.cdist.default")
def cdist(x1, x2, p=2.0, compute_mode=None):
    rows = ops.Reshape(x1, shape=(*shape_of(x1)[:-1], 1, shape_of(x1)[-1]))
    columns = ops.Reshape(x2, shape=(*shape_of(x2)[:-2], 1, *shape_of(x2)[-2:]))
    difference = ops.Subtract(rows, columns)
    if p != 2:
        return vector_norm(difference, p, -1, False)
    square = ops.Sum(ops.Square(difference), axes=(len(shape_of(difference)) - 1,), keepdims=False)
    same = ops.Equal(square, 0.0)  # where the root has no gradient, PyTorch's is 0
    return ops.Where(same, 0.0, ops.Sqrt(ops.Where(same, 1.0, square)))


@torch.reads("aten.pdist.default")
def pdist(self, p=2.0):
    count = shape_of(self)[0]
    if not isinstance(count, int):
        raise Refusal(notimpl("the pairs of a symbolic number of points"))
    if count < 2:
        return ops.Full((0,), value=0.0, dtype=type_of(self).dtype)
    first = [i for i in range(count) for _ in range(i + 1, count)]
    second = [j for i in range(count) for j in range(i + 1, count)]
    pairs = [ops.Stack(tuple(ops.Select(self, axis=0, index=i) for i in picks), axis=0) for picks in (first, second)]
    return vector_norm(ops.Subtract(*pairs), p, -1, False)


_FACTORED = never(
    "a factorisation that is unique only up to signs or order, so that two frameworks need not give the same"
)
for _name in ("linalg_svd", "svd", "linalg_qr", "qr", "linalg_eig", "linalg_eigh", "geqrf", "linalg_lu", "lu_unpack"):
    torch.refuses_reading(f"aten.{_name}.default", _FACTORED)
