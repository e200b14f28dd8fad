"""`torch.nn.functional` as operations of Keras: activations, losses, images."""

from __future__ import annotations

from netglot.migrate.declare import Bound, Table, Unbound

table = Table()
declare, rule, mark = table.declare, table.rule, table.mark


def _both(name: str, rest: str, write: str, **options) -> None:
    """A function that is also a method of tensors."""
    declare(f"torch.{name}|torch.Tensor.{name}({rest}", write, **options)


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
