"""PyTorch's functions and the methods of its tensors as operations of Keras."""

from __future__ import annotations

import ast

from netglot.migrate.declare import MISSING, Bound, Table, Unbound

table = Table()
declare, rule, mark = table.declare, table.rule, table.mark


def _both(name: str, rest: str, write: str, **options) -> None:
    """A function that is also a method of tensors."""
    declare(f"torch.{name}|torch.Tensor.{name}({rest}", write, **options)


# -- elementwise

for _torch, _keras in {
    "exp": "exp", "expm1": "expm1", "log": "log", "log2": "log2", "log10": "log10", "log1p": "log1p", "sqrt": "sqrt",
    "rsqrt": "rsqrt", "abs": "abs", "absolute": "abs", "sin": "sin", "cos": "cos", "tan": "tan", "asin": "arcsin",
    "acos": "arccos", "atan": "arctan", "sinh": "sinh", "cosh": "cosh", "tanh": "tanh", "sigmoid": "sigmoid",
    "floor": "floor", "ceil": "ceil", "round": "round", "sign": "sign", "erf": "erf", "relu": "relu", "square": "square",
    "neg": "negative", "negative": "negative", "isnan": "isnan", "isinf": "isinf", "isfinite": "isfinite",
    "logical_not": "logical_not", "reciprocal": "reciprocal", "trunc": "trunc", "selu": "selu",
}.items():  # fmt: skip
    _both(_torch, "x)", f"ops.{_keras}({{x}})")
for _torch, _keras in {
    "add": "add", "sub": "subtract", "subtract": "subtract", "mul": "multiply", "multiply": "multiply",
    "true_divide": "divide", "maximum": "maximum", "minimum": "minimum", "eq": "equal", "ne": "not_equal",
    "lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal", "pow": "power", "fmod": "mod",
    "remainder": "mod", "logical_and": "logical_and", "logical_or": "logical_or", "logical_xor": "logical_xor",
    "outer": "outer", "floor_divide": "floor_divide", "atan2": "arctan2", "dot": "dot",
}.items():  # fmt: skip
    if _torch not in ("fmod", "maximum", "minimum", "eq"):
        _both(_torch, "x, other)", f"ops.{_keras}({{x}}, {{other}})")


def _alike(c: Bound, nodes: list) -> bool:
    """Whether tensors are of one dtype for sure: TensorFlow's own operations make none alike, Keras's do."""
    dtypes: set[str] = set()
    for one in nodes:
        fact, number = c.rewriter.peek(one), c.rewriter.constant(one)
        if isinstance(number, (int, float)) and not isinstance(number, bool):
            if isinstance(number, float):
                dtypes.add("float")
        elif fact.kinds != ["tensor"] or len(fact.dtypes) != 1:
            return False
        else:
            dtypes.add(fact.dtypes[0])
    return len(dtypes - {"float"}) == 1 and ("float" not in dtypes or "float" in "".join(dtypes - {"float"}))


for _torch, _keras in {"maximum": "maximum", "minimum": "minimum", "eq": "equal"}.items():

    def _pair(c: Bound, keras: str = _keras) -> str:
        place = "ops" if _alike(c, [c.given["x"], c.given["other"]]) else "keras.ops"
        return c.filled(f"{place}.{keras}({{x}}, {{other}})")

    rule(f"torch.{_torch}|torch.Tensor.{_torch}(x, other)")(_pair)


@rule(
    "|".join(f"{owner}.{name}" for name in ("matmul", "mm", "bmm", "mv") for owner in ("torch", "torch.Tensor"))
    + "(x, other)"
)
def _matmul(c: Bound) -> str:
    """TensorFlow's own product knows no vectors."""
    facts = [c.rewriter.peek(c.given[name]) for name in ("x", "other")]
    vectors = any(1 in one.ranks or not (one.ranks or one.count) for one in facts)
    return c.filled("keras.ops.matmul({x}, {other})" if vectors else "ops.matmul({x}, {other})")


_both(
    "div|torch.Tensor.divide|torch.divide",
    "x, other, rounding_mode=None)",
    "ops.divide({x}, {other})",
    when={"rounding_mode": None},
)
_both(
    "div|torch.Tensor.divide|torch.divide",
    "x, other, rounding_mode=None)",
    "ops.floor_divide({x}, {other})",
    when={"rounding_mode": "floor"},
)
_both("add", "x, other, *, alpha)", "({x:p} + {alpha:p} * {other:p})")
_both("sub", "x, other, *, alpha)", "({x:p} - {alpha:p} * {other:p})")
_both("frac", "x)", "({x:p} - ops.trunc({x}))")
_both("addcmul", "x, a, b, *, value=1)", "({x:p} + {value:p} * {a:p} * {b:p})")
_both("addcdiv", "x, a, b, *, value=1)", "({x:p} + {value:p} * {a:p} / {b:p})")
_both("addmm", "x, a, b, *, beta, alpha)", "({beta:p} * {x:p} + {alpha:p} * ops.matmul({a}, {b}))")
_both("addmm", "x, a, b)", "({x} + ops.matmul({a}, {b}))")
_both("baddbmm", "x, a, b)", "({x} + ops.matmul({a}, {b}))")
declare("torch.where(condition, x, y)", "ops.where({condition}, {x}, {y})")
declare("torch.Tensor.where(x, condition, y)", "ops.where({condition}, {x}, {y})")
declare("torch.special.expit(x)", "ops.sigmoid({x})")


@rule("torch.clamp|torch.Tensor.clamp|torch.clip|torch.Tensor.clip(x, min=None, max=None)")
def _clamp(c: Bound) -> str:
    if c.has("min") and c.has("max"):
        return c.filled("ops.clip({x}, {min}, {max})")
    return c.filled("ops.maximum({x}, {min})" if c.has("min") else "ops.minimum({x}, {max})")


_both("clamp_min", "x, min)", "ops.maximum({x}, {min})")
_both("clamp_max", "x, max)", "ops.minimum({x}, {max})")
_both("lerp", "x, end, weight)", "({x:p} + {weight:p} * ({end} - {x:p}))")

# -- reductions

for _torch, _keras in {
    "sum": "sum", "mean": "mean", "prod": "prod", "any": "any", "all": "all", "logsumexp": "logsumexp", "amax": "max",
    "amin": "min",
}.items():  # fmt: skip
    _both(_torch, "x, dim=None, keepdim=False)", f"ops.{_keras}({{x}}<, axis={{dim}}><, keepdims={{keepdim}}>)")
for _torch in ("argmax", "argmin"):
    _both(
        _torch,
        "x, dim=None, keepdim=False)",
        f'ops.cast(ops.{_torch}({{x}}<, axis={{dim}}><, keepdims={{keepdim}}>), "int64")',
    )
for _torch, _write in {"var": "variance({x}{rest})", "std": "ops.sqrt(variance({x}{rest}))"}.items():
    _rest = "<, axis={dim}><, keepdims={keepdim}>"
    for _given, _correction in (({"unbiased": True}, ""), ({"unbiased": False}, ", correction=0")):
        _both(
            _torch, "x, dim=None, unbiased=True, keepdim=False)",
            _write.replace("{rest}", _rest + _correction), when=_given,
        )  # fmt: skip
    _both(
        _torch,
        "x, dim=None, *, correction=1, keepdim=False)",
        _write.replace("{rest}", _rest + "<, correction={correction}>"),
    )


@rule("torch.max|torch.Tensor.max|torch.min|torch.Tensor.min(x, dim=None, keepdim=False)")
def _extreme(c: Bound) -> str:
    name = c.callee.rpartition(".")[2]
    if not c.has("dim"):
        return c.filled(f"ops.{name}({{x}})")
    fact = c.fact("dim")
    if fact is not None and "tensor" in fact.kinds:
        return c.filled(f"ops.{name}imum({{x}}, {{dim}})")
    return c.filled(f"{name}_along({{x}}, {{dim}}<, keepdims={{keepdim}}>)")


@rule("torch.median|torch.Tensor.median(x, dim=None, keepdim=False)")
def _median(c: Bound) -> str:
    return c.filled("median_along({x}, {dim}<, keepdims={keepdim}>)" if c.has("dim") else "median({x})")


@rule("torch.norm|torch.Tensor.norm(x, p='fro', dim=None, keepdim=False)")
@rule("torch.linalg.vector_norm(x, p=2, dim=None, keepdim=False)")
def _norm(c: Bound) -> str:
    """PyTorch takes the norm of all elements where Keras has norms of matrices."""
    if (
        c.literal("p") in ("fro", 2)
        and not c.has("dim")
        and any(rank > 2 for rank in c.rewriter.fact(c.given["x"]).ranks)
    ):
        return c.filled("norm({x}, 2<, keepdims={keepdim}>)")
    if c.literal("p") in ("fro", 2):
        return c.filled("ops.norm({x}<, axis={dim}><, keepdims={keepdim}>)")
    if c.has("dim") and isinstance(c.literal("dim"), int):
        return c.filled("ops.norm({x}, ord={p}, axis={dim}<, keepdims={keepdim}>)")
    return c.filled("norm({x}, {p}<, axis={dim}><, keepdims={keepdim}>)")


@rule("torch.linalg.norm(x, ord=None, dim=None, keepdim=False)")
def _flat_norm(c: Bound) -> str | None:
    """The norm of all elements, where Keras has norms of matrices."""
    plain = not c.has("dim") and c.literal("ord") is None and any(r > 2 for r in c.rewriter.fact(c.given["x"]).ranks)
    return c.filled("norm({x}, 2<, keepdims={keepdim}>)") if plain else None


declare(
    "torch.linalg.norm(x, ord=None, dim=None, keepdim=False)",
    "ops.norm({x}<, ord={ord}><, axis={dim}><, keepdims={keepdim}>)",
)
_both("cumsum", "x, dim)", "ops.cumsum({x}, axis={dim})")
_both("cumprod", "x, dim)", "ops.cumprod({x}, axis={dim})")


@rule("torch.topk|torch.Tensor.topk(x, k, dim=-1, largest=True, sorted=True)")
def _topk(c: Bound) -> str | None:
    """The largest or smallest values along an axis."""
    ranks, axis = c.rewriter.fact(c.given["x"]).ranks, c.literal("dim")
    last = axis == -1 or (axis is not MISSING and ranks and all(axis == rank - 1 for rank in ranks))
    if last and c.literal("largest") is True:
        return c.filled("largest({x}, {k})")
    return c.filled("top_along({x}, {k}<, axis={dim}><, largest={largest}>)")


_both("sort", "x, dim=-1, descending=False)", "sorted_along({x}<, {dim}><, descending={descending}>)")
_both("argsort", "x, dim=-1, descending=False)", "sorted_along({x}<, {dim}><, descending={descending}>)[1]")

# -- shapes


@rule("torch.cat|torch.concat|torch.concatenate(tensors, dim=0)")
def _joined(c: Bound) -> str:
    given = c.given["tensors"]
    apart = isinstance(given, (ast.List, ast.Tuple)) and len(c.rewriter.dtypes(given.elts)) > 1
    return c.filled(f"{'keras.ops' if apart else 'ops'}.concatenate({{tensors}}, axis={{dim}})")


declare("torch.stack(tensors, dim=0)", "ops.stack({tensors}<, axis={dim}>)")
_both("unsqueeze", "x, dim)", "ops.expand_dims({x}, {dim})")
_both("transpose|torch.Tensor.swapaxes|torch.swapaxes", "x, dim0, dim1)", "ops.swapaxes({x}, {dim0}, {dim1})")
_both("t", "x)", "ops.transpose({x})")
_both("flip", "x, dims)", "ops.flip({x}, {dims})")
_both("roll", "x, shifts, dims=None)", "ops.roll({x}, {shifts}<, axis={dims}>)")
_both("tril", "x, diagonal=0)", "ops.tril({x}<, {diagonal}>)")
_both("triu", "x, diagonal=0)", "ops.triu({x}<, {diagonal}>)")
_both("repeat_interleave", "x, repeats, dim=None)", "ops.repeat({x}, {repeats}<, axis={dim}>)")
_both("split", "x, size, dim=0)", "split({x}, {size}<, {dim}>)")
_both("chunk", "x, chunks, dim=0)", "chunk({x}, {chunks}<, {dim}>)")
_both("unbind", "x, dim=0)", "ops.unstack({x}<, axis={dim}>)")
_both("movedim", "x, source, destination)", "ops.moveaxis({x}, {source}, {destination})")
_both("narrow", "x, dim, start, length)", "ops.take({x}, ops.arange({start}, {start:p} + {length:p}), axis={dim})")
_both("select", "x, dim, index)", "ops.take({x}, {index}, axis={dim})")
_both("index_select", "x, dim, index)", "ops.take({x}, {index}, axis={dim})")


@rule("torch.gather|torch.Tensor.gather(x, dim, index)")
def _gather(c: Bound) -> str:
    """Keras broadcasts an index that is smaller than `x` along the other axes, where PyTorch takes a part of `x`."""
    axis, shapes = c.literal("dim"), [getattr(c.fact(name), "shapes", []) for name in ("x", "index")]
    fits = isinstance(axis, int) and len(shapes[0]) == len(shapes[1]) > 0
    for x, index in zip(*shapes, strict=False):
        fits = fits and all(a == b for n, (a, b) in enumerate(zip(x, index, strict=True)) if n != axis % len(x))
    return c.filled(f"{'ops.take_along_axis' if fits else 'gather'}({{x}}, {{index}}, axis={{dim}})")


_both("take_along_dim", "x, index, dim)", "ops.take_along_axis({x}, {index}, axis={dim})")
_both("scatter", "x, dim, index, src)", "scatter({x}, {dim}, {index}, {src})")
_both("scatter_add", "x, dim, index, src)", "scatter({x}, {dim}, {index}, {src}, add=True)")
_both("masked_fill", "x, mask, value)", "ops.where({mask}, {value}, {x})")
_both(
    "diagonal", "x, offset=0, dim1=0, dim2=1)", "ops.diagonal({x}<, offset={offset}><, axis1={dim1}><, axis2={dim2}>)"
)
_both("diag", "x, diagonal=0)", "ops.diag({x}<, {diagonal}>)")


@rule("torch.einsum(equation, *operands)")
def _einsum(c: Bound) -> str:
    given = c.given.get("operands", [])
    packed = len(given) == 1 and set(c.rewriter.fact(given[0]).kinds) & {"list", "tuple"}
    return c.filled(f"ops.einsum({{equation}}, {'*' if packed else ''}{{operands}})")


declare("torch.meshgrid(*tensors, indexing='ij')", 'ops.meshgrid({tensors}, indexing="ij")')
declare("torch.Tensor.expand_as(x, other)", "ops.broadcast_to({x}, ops.shape({other}))")
declare("torch.Tensor.view_as|torch.Tensor.reshape_as(x, other)", "ops.reshape({x}, ops.shape({other}))")
declare("torch.Tensor.dim|torch.Tensor.ndimension(x)", "len({x:p}.shape)")
_both("numel|torch.Tensor.nelement", "x)", "math.prod({x:p}.shape)")
_both("clone", "x)", "ops.copy({x})")
_both("detach", "x)", "ops.stop_gradient({x})")
declare("torch.Tensor.contiguous|torch.Tensor.cpu|torch.Tensor.requires_grad_(x)", "{x}")
declare("torch.Tensor.cuda(x, device=None)", "{x}")
declare("torch.broadcast_to|torch.Tensor.broadcast_to(x, size)", "ops.broadcast_to({x}, {size})")


def shape_text(c: Bound, name: str) -> str:
    """A shape in a template."""
    return _shape(c, name)


def _shape(c: Bound, name: str) -> str:
    """A shape that is given as one sequence or as numbers."""
    given = c.given.get(name, [])
    if len(given) == 1 and not isinstance(given[0], ast.Starred):
        fact = c.rewriter.fact(given[0])
        kinds = set(fact.kinds)
        if isinstance(given[0], (ast.Tuple, ast.List)) or kinds & {"tuple", "list", "size"}:
            return c.rewriter.parenthesised(given[0], c.rewriter.text(given[0]))
        text = c.rewriter.text(given[0])
        return f"({text},)" if not isinstance(given[0], ast.Tuple) else text
    return "(" + ", ".join(c.rewriter.text(one) for one in given) + ("," if len(given) == 1 else "") + ")"


def _whole_batch(c: Bound, given: list) -> bool:
    """Whether a shape is (the batch of x, -1): one row for each sample."""
    if len(given) != 2 or c.rewriter.constant(given[1]) != -1:
        return False
    first, x = given[0], c.rewriter.source(c.given["x"])
    text = c.rewriter.source(first).replace(" ", "")
    return text in (f"{x}.size(0)", f"{x}.shape[0]", f"len({x})", f"{x}.size()[0]", f"{x}.size(dim=0)")


@rule("torch.Tensor.view|torch.Tensor.reshape|torch.reshape(x, *shape)")
def _view(c: Bound) -> str:
    given = c.given.get("shape", [])
    if not given:
        raise Unbound("its shape is not given by position")
    if c.fact_of_first_is_dtype() if hasattr(c, "fact_of_first_is_dtype") else False:
        raise Unbound("it changes the dtype of the bytes")
    fact = c.rewriter.peek(c.given["x"])
    if _whole_batch(c, given) and fact.ranks and min(fact.ranks) > 1 and isinstance(c.given["x"], ast.Name):
        return c.filled("ops.reshape({x}, (-1, math.prod({x}.shape[1:])))")
    return c.filled("ops.reshape({x}, ") + _shape(c, "shape") + ")"


@rule("torch.Tensor.permute(x, *dims)")
def _permute(c: Bound) -> str:
    return c.filled("ops.transpose({x}, ") + _shape(c, "dims") + ")"


declare("torch.permute(x, dims)", "ops.transpose({x}, {dims})")


@rule("torch.Tensor.repeat|torch.Tensor.tile(x, *sizes)")
def _repeat(c: Bound) -> str:
    return c.filled("ops.tile({x}, ") + _shape(c, "sizes") + ")"


declare("torch.tile(x, sizes)", "ops.tile({x}, {sizes})")
declare("torch.Tensor.expand(x, *sizes)", "expand({x}, {sizes})")


@rule("torch.flatten|torch.Tensor.flatten(x, start_dim=0, end_dim=-1)")
def _flatten(c: Bound) -> str:
    start, end = c.literal("start_dim"), c.literal("end_dim")
    if start == 0 and end == -1:
        return c.filled("ops.reshape({x}, (-1,))")
    if start == 1 and end == -1 and isinstance(c.given["x"], ast.Name):
        return c.filled("ops.reshape({x}, (-1, math.prod({x}.shape[1:])))")
    return c.filled("flatten({x}, {start_dim}<, {end_dim}>)")


declare("torch.Tensor.unflatten|torch.unflatten(x, dim, sizes)", "unflatten({x}, {dim}, {sizes})")


@rule("torch.Tensor.squeeze|torch.squeeze(x, dim=None)")
def _squeeze(c: Bound) -> str:
    return c.filled("squeeze({x}<, {dim}>)")


@rule("torch.Tensor.size(x, dim=None)")
def _size(c: Bound) -> str:
    if not c.has("dim"):
        return c.filled("ops.shape({x})")
    dim = c.literal("dim")
    if dim is not MISSING and dim != 0:
        return c.filled("{x:p}.shape[{dim}]")
    return c.filled("ops.shape({x})[{dim}]")


mark("torch.compile torch.jit.script torch.jit.trace", "it compiles PyTorch's own code")
_R = "torch.nn.utils.rnn."
declare(
    f"{_R}pack_padded_sequence(input, lengths, batch_first=False, enforce_sorted=True)",
    "pack_padded_sequence({input}, {lengths}<, batch_first={batch_first}>)",
    infers="enforce_sorted",
)
declare(
    f"{_R}pad_packed_sequence(sequence, batch_first=False, padding_value=0.0, total_length=None)",
    "pad_packed_sequence({sequence}<, batch_first={batch_first}><, padding_value={padding_value}>"
    "<, total_length={total_length}>)",
)
declare(
    f"{_R}pad_sequence(sequences, batch_first=False, padding_value=0.0)",
    "pad_sequence({sequences}<, batch_first={batch_first}><, padding_value={padding_value}>)",
)
mark(f"{_R}pack_sequence {_R}PackedSequence", "netglot has no form of it")
mark("torch.utils.checkpoint.checkpoint", "Keras recomputes by keras.remat")
mark("torch.autograd.Function.apply", "netglot does not carry over gradients that are computed by hand")
