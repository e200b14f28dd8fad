"""PyTorch's functions of whole arrays: statistics, searching, counting, and linear algebra, as operations of Keras."""

from __future__ import annotations

from netglot.migrate.declare import Bound, Table

table = Table()
declare, rule = table.declare, table.rule


def _both(name: str, rest: str, write: str, **options) -> None:
    """A function that is also a method of tensors."""
    declare(f"torch.{name}|torch.Tensor.{name}({rest}", write, **options)


@rule("torch.fmod|torch.Tensor.fmod(x, other)")
def _fmod(c: Bound) -> str | None:
    """The remainder that has the sign of `x`."""
    return c.filled("({x:p} - {other:p} * ops.trunc({x:p} / {other:p}))") if _floating(c) else None


@rule("torch.div|torch.Tensor.div|torch.divide|torch.Tensor.divide(x, other, *, rounding_mode)")
def _truncated(c: Bound) -> str | None:
    """Divided towards zero."""
    return c.filled("ops.trunc({x:p} / {other:p})") if c.literal("rounding_mode") == "trunc" and _floating(c) else None


def _floating(c: Bound) -> bool:
    dtypes = getattr(c.fact("x"), "dtypes", [])
    return bool(dtypes) and all("float" in dtype for dtype in dtypes)


declare("torch.spmm|torch.sparse.mm|torch.dsmm(x, y)", "ops.matmul({x}, {y})")
declare("torch.vstack|torch.row_stack(tensors)", "ops.vstack({tensors})")
declare("torch.hstack(tensors)", "ops.hstack({tensors})")
_both("masked_select", "x, mask)", "{x:p}[{mask}]")
_both("trace", "x)", "ops.trace({x})")
_both("nan_to_num", "x, nan=0.0)", "ops.nan_to_num({x}<, nan={nan}>)")
_both("count_nonzero", "x, dim=None)", 'ops.cast(ops.count_nonzero({x}<, axis={dim}>), "int64")')
_both("bincount", "x, minlength=0)", 'ops.cast(ops.bincount({x}<, minlength={minlength}>), "int64")')
_both("bincount", "x, weights, minlength=0)", "ops.bincount({x}, weights={weights}<, minlength={minlength}>)")
_both("nonzero", "x, *, as_tuple=False)", "ops.cast(ops.stack(ops.nonzero({x}), axis=-1), \"int64\")",
      when={"as_tuple": False})  # fmt: skip
_both("allclose", "x, other, rtol=1e-5, atol=1e-8)",
      "bool(ops.all(ops.isclose({x}, {other}<, rtol={rtol}><, atol={atol}>)))")  # fmt: skip
_both("isclose", "x, other, rtol=1e-5, atol=1e-8)", "ops.isclose({x}, {other}<, rtol={rtol}><, atol={atol}>)")
_both("diff", "x, n=1, dim=-1)", "ops.diff({x}<, n={n}><, axis={dim}>)")
_both("quantile", "x, q, dim=None, keepdim=False)", "ops.quantile({x}, {q}<, axis={dim}><, keepdims={keepdim}>)")
for _name, _write in {"var_mean": "variance({x}{rest})", "std_mean": "ops.sqrt(variance({x}{rest}))"}.items():
    _rest = "<, axis={dim}><, keepdims={keepdim}>"
    declare(
        f"torch.{_name}(x, dim=None, *, keepdim=False)",
        "(" + _write.replace("{rest}", _rest) + ", ops.mean({x}" + _rest + "))",
    )
declare("torch.cdist(x, y, p=2.0)", "distances({x}, {y})", when={"p": 2.0})

# -- linear algebra

declare("torch.inverse|torch.Tensor.inverse|torch.linalg.inv(x)", "ops.inv({x})")
declare(
    "torch.linalg.matrix_norm(x, ord='fro', dim=(-2, -1), keepdim=False)",
    "ops.norm({x}, axis=(-2, -1)<, keepdims={keepdim}>)",
    when={"ord": "fro", "dim": (-2, -1)},
)
declare("torch.det|torch.Tensor.det|torch.linalg.det(x)", "ops.det({x})")
declare("torch.linalg.solve(a, b)", "ops.solve({a}, {b})")
declare("torch.linalg.cholesky(x)", "ops.cholesky({x})")
declare("torch.tensordot(x, y, dims=2)", "ops.tensordot({x}, {y}, axes={dims})")
declare("torch.kron(x, y)", "ops.kron({x}, {y})")
declare("torch.ger|torch.Tensor.ger(x, y)", "ops.outer({x}, {y})")
_both("cross", "x, other, dim)", "ops.cross({x}, {other}, axis={dim})")
declare("torch.linalg.cross(x, other, dim=-1)", "ops.cross({x}, {other}, axis={dim})")
_both("hypot", "x, other)", "ops.hypot({x}, {other})")

# -- sorted boundaries

declare("torch.searchsorted(boundaries, x, right=False)", "places_among({boundaries}, {x}<, right={right}>)")
declare("torch.bucketize(x, boundaries, right=False)", "places_among({boundaries}, {x}<, right={right}>)")
