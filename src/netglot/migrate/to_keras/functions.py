"""PyTorch's functions and the methods of its tensors as operations of Keras."""

from __future__ import annotations

import ast

from netglot.migrate.declare import MISSING, Bound, Table, Unbound
from netglot.migrate.to_keras.names import constant

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

# -- activations

_F = "torch.nn.functional."
for _torch, _keras in {
    "relu": "relu", "relu6": "relu6", "sigmoid": "sigmoid", "tanh": "tanh", "silu": "silu",
    "selu": "selu", "softsign": "softsign", "hardswish": "hard_silu", "hardsigmoid": "hard_sigmoid",
    "logsigmoid": "log_sigmoid", "tanhshrink": "tanh_shrink", "relu_": "relu",
}.items():  # fmt: skip
    declare(f"{_F}{_torch}(x, inplace=False)", f"ops.{_keras}({{x}})")
declare(
    f"{_F}leaky_relu|{_F}leaky_relu_(x, negative_slope=0.01, inplace=False)",
    "ops.leaky_relu({x}, negative_slope={negative_slope})",
)
declare(f"{_F}elu(x, alpha=1.0, inplace=False)", "ops.elu({x}<, alpha={alpha}>)")
declare(f"{_F}celu(x, alpha=1.0, inplace=False)", "ops.celu({x}<, alpha={alpha}>)")
declare(f"{_F}gelu(x, approximate='none')", "ops.gelu({x}, approximate=False)", when={"approximate": "none"})
declare(f"{_F}gelu(x, approximate='none')", "ops.gelu({x}, approximate=True)", when={"approximate": "tanh"})
declare(f"{_F}mish(x, inplace=False)", "({x:p} * ops.tanh(ops.softplus({x})))")
declare(f"{_F}softmin(x, dim)", "ops.softmax(-{x:p}, axis={dim})")
declare(f"{_F}softplus(x, beta=1.0, threshold=20.0)", "ops.softplus({x})", when={"beta": 1.0})
declare(f"{_F}softplus(x, beta=1.0, threshold=20.0)", "(ops.softplus({x:p} * {beta}) / {beta:p})")
declare(f"{_F}hardtanh(x, min_val=-1.0, max_val=1.0, inplace=False)", "ops.clip({x}, {min_val}, {max_val})")
declare(f"{_F}glu(x, dim=-1)", "ops.glu({x}, axis={dim})")
for _name in ("softmax", "log_softmax"):
    declare(f"{_F}{_name}|torch.{_name}|torch.Tensor.{_name}(x, dim)", f"ops.{_name}({{x}}, axis={{dim}})")


@rule(f"{_F}softmax|{_F}log_softmax(x, dim=None)")
def _softmax(c: Bound) -> str | None:
    """Without a dimension PyTorch takes the first of 0, 1 and 3 axes, else the second."""
    if c.has("dim") and c.literal("dim") is not None:
        return None
    ranks = c.rewriter.fact(c.given["x"]).ranks
    if len(ranks) != 1:
        raise Unbound("it lacks dim, and it is not known how many axes there are")
    return c.filled(f"ops.{c.callee.rpartition('.')[2]}({{x}}, axis={0 if ranks[0] in (0, 1, 3) else 1})")


declare(f"{_F}normalize(x, p=2.0, dim=1, eps=1e-12)", "normalize({x}<, p={p}><, axis={dim}><, eps={eps}>)")
declare(
    f"{_F}cosine_similarity|torch.cosine_similarity(x, y, dim=1, eps=1e-8)",
    "cosine_similarity({x}, {y}<, axis={dim}><, eps={eps}>)",
)
declare(
    f"{_F}pairwise_distance|torch.pairwise_distance(x, y, p=2.0, eps=1e-6, keepdim=False)",
    "pairwise_distance({x}, {y}<, p={p}><, eps={eps}><, keepdims={keepdim}>)",
)
declare(
    f"{_F}dropout|torch.dropout(x, p=0.5, training=True, inplace=False)", "dropout({x}<, {p}><, training={training}>)"
)
for _name in ("dropout1d", "dropout2d", "dropout3d"):
    declare(f"{_F}{_name}(x, p=0.5, training=True, inplace=False)", "dropout2d({x}<, {p}><, training={training}>)")
declare(f"{_F}linear(x, weight, bias=None)", "linear({x}, {weight}<, {bias}>)")
declare(f"{_F}embedding(ids, weight)", "ops.take({weight}, {ids}, axis=0)")
declare(f"{_F}one_hot(x, num_classes)", 'ops.one_hot({x}, {num_classes}, dtype="int64")')
declare(f"{_F}one_hot(x)", 'ops.one_hot({x}, int(ops.max({x})) + 1, dtype="int64")')
declare(
    f"{_F}scaled_dot_product_attention(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None)",
    "scaled_dot_product_attention({query}, {key}, {value}<, attn_mask={attn_mask}><, dropout_p={dropout_p}>"
    "<, is_causal={is_causal}><, scale={scale}>)",
)

declare(
    f"{_F}layer_norm(x, shape, weight=None, bias=None, eps=1e-5)",
    "layer_norm({x}, {shape}<, {weight}><, {bias}><, {eps}>)",
)
for _n in "123":
    declare(
        f"{_F}conv{_n}d|torch.conv{_n}d(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1)",
        "conv({x}, {weight}<, bias={bias}><, stride={stride}><, padding={padding}><, dilation={dilation}>"
        "<, groups={groups}>)",
    )

# -- losses

for _names, _rest in {
    "cross_entropy CrossEntropyLoss": "weight=None, ignore_index=-100, reduction='mean', label_smoothing=0.0",
    "nll_loss NLLLoss": "weight=None, ignore_index=-100, reduction='mean'",
    "mse_loss MSELoss": "reduction='mean'",
    "l1_loss L1Loss": "reduction='mean'",
    "smooth_l1_loss SmoothL1Loss": "reduction='mean', beta=1.0",
    "huber_loss HuberLoss": "reduction='mean', delta=1.0",
    "binary_cross_entropy BCELoss": "weight=None, reduction='mean'",
    "binary_cross_entropy_with_logits BCEWithLogitsLoss": "weight=None, reduction='mean', pos_weight=None",
    "kl_div KLDivLoss": "reduction='mean', log_target=False",
}.items():  # fmt: skip
    _function, _module = _names.split()
    _options = "".join(f"<, {_p.split('=')[0]}={{{_p.split('=')[0]}}}>" for _p in _rest.split(", "))
    declare(f"{_F}{_function}(x, target, {_rest})", f"{_function}({{x}}, {{target}}{_options})")
    declare(f"torch.nn.{_module}({_rest})", f"Loss({_function}{_options})")
for _names, _given, _rest in (
    ("triplet_margin_loss TripletMarginLoss", "anchor, positive, negative", "margin=1.0, p=2.0, eps=1e-6, reduction='mean'"),
    ("cosine_embedding_loss CosineEmbeddingLoss", "x, y, target", "margin=0.0, reduction='mean'"),
    ("margin_ranking_loss MarginRankingLoss", "x, y, target", "margin=0.0, reduction='mean'"),
    ("hinge_embedding_loss HingeEmbeddingLoss", "x, target", "margin=1.0, reduction='mean'"),
    ("soft_margin_loss SoftMarginLoss", "x, target", "reduction='mean'"),
    ("poisson_nll_loss PoissonNLLLoss", "x, target", "log_input=True, eps=1e-8, reduction='mean'"),
    ("ctc_loss CTCLoss", "logs, target, input_lengths, target_lengths",
     "blank=0, reduction='mean', zero_infinity=False"),
    ("gaussian_nll_loss GaussianNLLLoss", "x, target, var", "full=False, eps=1e-6, reduction='mean'"),
):  # fmt: skip
    _function, _module = _names.split()
    _options = "".join(f"<, {_p.split('=')[0]}={{{_p.split('=')[0]}}}>" for _p in _rest.split(", "))
    _passed = ", ".join(f"{{{_p}}}" for _p in _given.split(", "))
    declare(f"{_F}{_function}({_given}, {_rest})", f"{_function}({_passed}{_options})")
    declare(f"torch.nn.{_module}({_rest})", f"Loss({_function}{_options})")

# -- images

for _n in "123":
    declare(
        f"{_F}max_pool{_n}d|torch.max_pool{_n}d(x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, "
        "return_indices=False)",
        "max_pool({x}, {kernel_size}<, stride={stride}><, padding={padding}><, ceil_mode={ceil_mode}>)",
        when={"dilation": 1, "return_indices": False},
    )
    declare(
        f"{_F}avg_pool{_n}d(x, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True)",
        "avg_pool({x}, {kernel_size}<, stride={stride}><, padding={padding}><, ceil_mode={ceil_mode}>"
        "<, count_include_pad={count_include_pad}>)",
    )
    declare(f"{_F}adaptive_avg_pool{_n}d(x, output_size)", "adaptive_pool({x}, {output_size})")
    declare(
        f"{_F}adaptive_max_pool{_n}d(x, output_size, return_indices=False)",
        "adaptive_pool({x}, {output_size}, ops.max)",
        when={"return_indices": False},
    )
declare(
    f"{_F}interpolate|{_F}upsample(x, size=None, scale_factor=None, mode='nearest', align_corners=None)",
    "interpolate({x}<, size={size}><, scale_factor={scale_factor}><, mode={mode}><, align_corners={align_corners}>)",
    when={"mode": lambda mode: mode in ("nearest", "linear", "bilinear", "trilinear")},
)
declare(f"{_F}pad(x, pad, mode='constant', value=None)", "pad({x}, {pad}<, mode={mode}><, value={value}>)",
        when={"mode": lambda mode: mode in ("constant", "reflect", "replicate")})  # fmt: skip
declare(f"{_F}pixel_shuffle|torch.pixel_shuffle(x, upscale_factor)", "pixel_shuffle({x}, {upscale_factor})")

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
    if c.literal("p") in ("fro", 2):
        return c.filled("ops.norm({x}<, axis={dim}><, keepdims={keepdim}>)")
    if c.has("dim") and isinstance(c.literal("dim"), int):
        return c.filled("ops.norm({x}, ord={p}, axis={dim}<, keepdims={keepdim}>)")
    return c.filled("norm({x}, {p}<, axis={dim}><, keepdims={keepdim}>)")


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
    return "(" + ", ".join(c.rewriter.text(one) for one in given) + ")"


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


# -- creation

for _torch, _write in {
    "zeros": "ops.zeros({shape}{dtype})", "ones": "ops.ones({shape}{dtype})", "empty": "ops.zeros({shape}{dtype})",
    "randn": "keras.random.normal({shape}{dtype})", "rand": "keras.random.uniform({shape}{dtype})",
}.items():  # fmt: skip

    def _creates(c: Bound, write: str = _write) -> str:
        if not c.given.get("size") and c.has("size"):
            raise Unbound("its shape is not known")
        dtype = f", dtype={c.text('dtype')}" if c.has("dtype") else ""
        if c.has("generator") and write.startswith("keras.random"):
            dtype += f", seed={c.text('generator')}"
        head, tail = write.split("{shape}")
        shape = (
            _shape(c, "size") if isinstance(c.given.get("size"), list) else c.text("size") if c.has("size") else "()"
        )
        return c.filled(head) + shape + tail.replace("{dtype}", dtype)

    rule(f"torch.{_torch}(*size, dtype=None, generator=None)")(_creates)
    rule(f"torch.{_torch}(size, *, dtype=None, generator=None)")(_creates)

for _torch, _write in {
    "zeros_like": "ops.zeros_like({x}<, dtype={dtype}>)", "ones_like": "ops.ones_like({x}<, dtype={dtype}>)",
    "full_like": "ops.full_like({x}, {fill_value}<, dtype={dtype}>)",
    "randn_like": "keras.random.normal(ops.shape({x})<, dtype={dtype}>)",
    "rand_like": "keras.random.uniform(ops.shape({x})<, dtype={dtype}>)",
    "empty_like": "ops.zeros_like({x}<, dtype={dtype}>)",
}.items():  # fmt: skip
    _fill = ", fill_value" if "full" in _torch else ""
    declare(f"torch.{_torch}(x{_fill}, dtype=None)", _write)


@rule("torch.full(size, fill_value, dtype=None)")
def _full(c: Bound) -> str:
    """PyTorch takes the dtype of the value, Keras its own default."""
    dtypes = c.rewriter.fact(c.node).dtypes
    own = f', dtype="{dtypes[0]}"' if not c.has("dtype") and len(dtypes) == 1 and dtypes != ["float32"] else ""
    if not c.has("dtype") and not dtypes and isinstance(c.literal("fill_value"), int):
        own = f', dtype="{"bool" if isinstance(c.literal("fill_value"), bool) else "int64"}"'
    return c.filled("ops.full({size}, {fill_value}<, dtype={dtype}>" + own + ")")


declare("torch.eye(n, m=None, dtype=None)", "ops.eye({n}<, {m}><, dtype={dtype}>)")
declare("torch.linspace(start, end, steps, dtype=None)", "ops.linspace({start}, {end}, {steps}<, dtype={dtype}>)")
declare("torch.logspace(start, end, steps, dtype=None)", "ops.logspace({start}, {end}, {steps}<, dtype={dtype}>)")


@rule("torch.arange(end, *, dtype=None)")
@rule("torch.arange(start, end, step=1, dtype=None)")
def _arange(c: Bound) -> str:
    """Whole numbers of Python have 64 bits in PyTorch."""
    own = ', dtype="int64"' if not c.has("dtype") and c.rewriter.fact(c.node).dtypes == ["int64"] else ""
    start = "{start}, {end}<, {step}>" if c.has("start") else "{end}"
    return c.filled(f"ops.arange({start}<, dtype={{dtype}}>{own})")


declare(
    "torch.randint(low, high, size, dtype=None, generator=None)",
    'keras.random.randint({size}, {low}, {high}, dtype="int64")',
)
declare(
    "torch.randint(high, size, *, dtype=None, generator=None)", 'keras.random.randint({size}, 0, {high}, dtype="int64")'
)
declare("torch.randperm(n, generator=None)", "keras.random.shuffle(ops.arange({n}))")


@rule("torch.tensor|torch.as_tensor(data, dtype=None)")
def _tensor(c: Bound) -> str:
    """Whole numbers of Python have 64 bits in PyTorch."""
    plain = {*c.rewriter.fact(c.given["data"]).kinds} <= {"int", "list", "tuple"}
    if not c.has("dtype") and plain and c.rewriter.fact(c.node).dtypes == ["int64"]:
        return c.filled('ops.convert_to_tensor({data}, dtype="int64")')
    return c.filled("ops.convert_to_tensor({data}<, dtype={dtype}>)")


declare("torch.autograd.Variable(data, requires_grad=False, volatile=False)", "{data}", infers="requires_grad volatile")
declare(
    "torch.Tensor.fill_diagonal(x, fill_value)", 'ops.where(ops.eye({x:p}.shape[0], dtype="bool"), {fill_value}, {x})'
)
_both("fill", "x, value)", "ops.full_like({x}, {value})")
declare("torch.Tensor.zero(x)", "ops.zeros_like({x})")
declare("torch.Tensor.new_zeros(x, *size)", "ops.zeros({size:s}, dtype={x:p}.dtype)")
declare("torch.Tensor.new_ones(x, *size)", "ops.ones({size:s}, dtype={x:p}.dtype)")
declare("torch.Tensor.new_tensor(x, data)", "ops.convert_to_tensor({data}, dtype={x:p}.dtype)")
declare("torch.Tensor.new_full(x, size, fill_value)", "ops.full({size}, {fill_value}, dtype={x:p}.dtype)")
declare(
    "torch.multinomial|torch.Tensor.multinomial(x, num_samples, replacement=False)",
    "multinomial({x}, {num_samples}<, replacement={replacement}>)",
)
declare("torch.from_numpy(data)", "ops.convert_to_tensor({data})")
for _name, _dtype in {"FloatTensor": "float32", "Tensor": "float32", "LongTensor": "int64", "cuda.FloatTensor": "float32",
                      "cuda.LongTensor": "int64", "DoubleTensor": "float64", "IntTensor": "int32",
                      "BoolTensor": "bool"}.items():  # fmt: skip

    def _old_tensor(c: Bound, dtype: str = _dtype) -> str | None:
        given = c.given.get("data", [])
        if len(given) == 1 and c.rewriter.fact(given[0]).kinds and "int" not in c.rewriter.fact(given[0]).kinds:
            return c.filled("ops.convert_to_tensor(") + c.rewriter.text(given[0]) + f', dtype="{dtype}")'
        kinds = [c.rewriter.fact(one).kinds for one in given]
        if kinds and all(one in (["int"], []) for one in kinds) and (len(given) > 1 or kinds[0]):
            return c.filled("ops.zeros((") + c.rewriter.arguments(c.node) + f',), dtype="{dtype}")'
        if len(given) == 1 and isinstance(given[0], (ast.List, ast.ListComp)):
            return c.filled("ops.convert_to_tensor(") + c.rewriter.text(given[0]) + f', dtype="{dtype}")'
        return None

    rule(f"torch.{_name}(*data)")(_old_tensor)
    declare(
        f"torch.{_name}(*data)",
        {"float32": "float_tensor({data})", "int64": "long_tensor({data})"}.get(_dtype, "float_tensor({data})"),
        when={} if _dtype in ("float32", "int64") else {"data": "none of this kind"},
    )
declare("torch.normal(mean, std, size)", "keras.random.normal({size}, {mean}, {std})")
declare("torch.bernoulli|torch.Tensor.bernoulli(x)", "keras.random.binomial(ops.shape({x}), 1, {x})")
declare("torch.is_tensor(x)", "keras.ops.is_tensor({x})")
declare("torch.manual_seed|torch.random.manual_seed(seed)", "keras.utils.set_random_seed({seed})")
declare("torch.finfo(dtype)", "np.finfo({dtype})")

# -- dtypes

for _method, _dtype in {
    "float": "float32", "double": "float64", "half": "float16", "bfloat16": "bfloat16", "long": "int64", "int": "int32",
    "bool": "bool", "short": "int16", "byte": "uint8",
}.items():  # fmt: skip
    declare(f"torch.Tensor.{_method}(x)", f'ops.cast({{x}}, "{_dtype}")')
declare("torch.Tensor.type_as(x, other)", "ops.cast({x}, {other:p}.dtype)")


_TENSORS = {
    f"torch.{place}{kind}Tensor": dtype
    for place in ("", "cuda.")
    for kind, dtype in {
        "": "float32", "Float": "float32", "Double": "float64", "Half": "float16", "Long": "int64", "Int": "int32",
        "Short": "int16", "Byte": "uint8", "Bool": "bool",
    }.items()
}  # fmt: skip
"""The classes of tensors, as they were named before dtypes were."""


@rule("torch.Tensor.to|torch.Tensor.type(x, target=None, dtype=None, copy=False)")
def _to(c: Bound) -> str | None:
    if c.has("dtype"):
        return c.filled("ops.cast({x}, {dtype})")
    fact = c.fact("target")
    if fact is None:
        return c.filled("{x}")
    kinds = set(fact.kinds)
    literal = c.literal("target")
    if not kinds and literal is MISSING:  # it never ran
        dotted = c.rewriter.dotted(c.given["target"]) or ""
        if constant(dotted) is not None or c.rewriter.source(c.given["target"]).endswith("dtype"):
            return c.filled("ops.cast({x}, {target})")
        if "device" not in c.rewriter.source(c.given["target"]):
            raise Unbound("it is not known whether this is a device or a dtype")
    if kinds == {"class"} and len(named := {_TENSORS.get(one) for one in fact.values}) == 1 and None not in named:
        return c.filled('ops.cast({x}, "' + named.pop() + '")')
    if kinds & {"name"}:
        return c.filled("ops.cast({x}, {target})")
    if "tensor" in kinds:
        return c.filled("ops.cast({x}, {target:p}.dtype)")
    if kinds <= {"device", "str", "int"} or isinstance(literal, str):
        return c.filled("{x}")
    return None


@rule("torch.Tensor.item(x)")
def _item(c: Bound) -> str:
    fact = c.rewriter.fact(c.given["x"])
    whole = fact.dtypes and all("int" in one for one in fact.dtypes)
    return c.filled(("int" if whole else "float") + ("(ops.squeeze({x}))" if any(fact.ranks) else "({x})"))


declare("torch.Tensor.numpy(x)", "ops.convert_to_numpy({x})")
declare("torch.Tensor.tolist(x)", "ops.convert_to_numpy({x}).tolist()")

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
mark("torch.autograd.grad torch.autograd.Function.apply", "netglot does not carry over gradients taken by hand")
