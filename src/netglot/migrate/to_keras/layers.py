"""PyTorch's modules as Keras layers."""

from __future__ import annotations

import ast
from typing import Any

from netglot.migrate.declare import MISSING, Bound, Table, Unbound
from netglot.migrate.to_keras.early import at_once

table = Table()
declare, rule, mark = table.declare, table.rule, table.mark

# -- dense, embedding


def _ranks(c: Bound) -> set[int]:
    """How many axes a layer that is made here was called with, as far as its calls by its name show."""
    r, place = c.rewriter, c.rewriter.parent(c.node)
    held = {ast.dump(one).replace("Store()", "Load()") for one in getattr(place, "targets", ())}
    return {
        rank for node in ast.walk(r.file.tree)
        if isinstance(node, ast.Call) and len(node.args) == 1 and ast.dump(node.func) in held
        for rank in r.peek(node.args[0]).ranks
    }  # fmt: skip


def _told(c: Bound, name: str) -> str:
    """The number of its inputs for a layer that makes its weights at once."""
    return f", inputs={{{name}}}" if at_once(c.rewriter) else ""


def _made(c: Bound, layer: str, sizes: str) -> str:
    """A layer of Keras, with its weights where they are made at once."""
    return c.filled(f"built({layer}, {sizes})" if at_once(c.rewriter) else layer)


@rule("torch.nn.Linear(in_features, out_features, bias=True)")
def _linear(c: Bound) -> str:
    return c.filled("Dense({out_features}<, use_bias={bias}>" + _told(c, "in_features") + ")")


declare("torch.nn.LazyLinear(out_features, bias=True)", "Dense({out_features}<, use_bias={bias}>)")
declare("torch.nn.Identity(*args)", "layers.Identity()", infers="args")
declare(
    "torch.nn.Embedding(num_embeddings, embedding_dim, padding_idx=None, sparse=False, _weight=None)",
    "Embedding({num_embeddings}, {embedding_dim}<, padding_idx={padding_idx}>)",
    infers="sparse",
)

# -- convolutions

for _n in "123":
    _signature = (
        f"torch.nn.Conv{_n}d(in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1, groups=1, "
        'bias=True, padding_mode="zeros")'
    )
    _options = (
        "{out_channels}, {kernel_size}<, strides={stride}><, padding={padding}><, dilation_rate={dilation}>"
        "<, groups={groups}><, use_bias={bias}><, padding_mode={padding_mode}>"
    )
    _known = {"padding_mode": lambda mode: mode in ("zeros", "reflect")}
    _grouped = f"GroupedConv{_n}D" if _n != "3" else f"Conv{_n}D"
    for _kind, _when in ((f"Conv{_n}D", _known | {"groups": 1}), (_grouped, _known)):

        def _conv(c: Bound, kind: str = _kind, options: str = _options) -> str:
            return c.filled(f"{kind}({options}{_told(c, 'in_channels')})")

        rule(_signature, when=_when)(_conv)

    def _transposed(c: Bound, kind: str = f"Conv{_n}DTranspose") -> str:
        return c.filled(
            f"{kind}({{out_channels}}, {{kernel_size}}<, strides={{stride}}><, padding={{padding}}>"
            f"<, output_padding={{output_padding}}><, use_bias={{bias}}><, dilation_rate={{dilation}}>"
            f"{_told(c, 'in_channels')})"
        )

    rule(
        f"torch.nn.ConvTranspose{_n}d(in_channels, out_channels, kernel_size, stride=1, padding=0, output_padding=0, "
        "groups=1, bias=True, dilation=1)",
        infers="in_channels",
        when={"groups": 1},
    )(_transposed)

# -- normalisation


def _momentum(text: str) -> str:
    try:
        return repr(round(1 - float(text), 12))
    except ValueError:
        return f"1 - {text}" if text.isidentifier() else f"1 - ({text})"


@rule(
    "torch.nn.BatchNorm1d|torch.nn.BatchNorm2d|torch.nn.BatchNorm3d|torch.nn.SyncBatchNorm"
    "(num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True)"
)
def _batch_norm(c: Bound) -> str:
    if c.literal("track_running_stats") is not True:
        raise Unbound("Keras's batch normalisation always keeps running statistics")
    options = []
    if c.has("momentum"):
        if c.literal("momentum") is None:
            raise Unbound("momentum=None averages all batches, which Keras does not")
        options.append(f"momentum={_momentum(c.text('momentum'))}")
    if c.has("eps"):
        options.append(f"epsilon={c.text('eps')}")
    if c.has("affine"):
        options += [f"center={c.text('affine')}", f"scale={c.text('affine')}"]
    if at_once(c.rewriter):
        options.append(f"inputs={c.text('num_features')}")
    return c.filled(f"BatchNormalization({', '.join(options)})")


@rule("torch.nn.LayerNorm(normalized_shape, eps=1e-5, elementwise_affine=True, bias=True)")
def _layer_norm(c: Bound) -> str:
    fact = c.fact("normalized_shape")
    shape = c.literal("normalized_shape")
    kinds = {"int"} if isinstance(shape, int) else {"list"} if shape is not MISSING else set(fact.kinds if fact else ())
    options = [f"epsilon={c.text('eps')}" if c.has("eps") else "epsilon=1e-5"]
    if not kinds <= {"int"}:
        if shape is not MISSING:
            options.insert(0, f"axis={list(range(-len(shape), 0))}" if len(shape) > 1 else "axis=-1")
        elif kinds == {"int", "list"} or kinds - {"list", "tuple", "size", "int"}:
            raise Unbound("the shape that it normalises is not known")
        else:
            options.insert(0, f"axis=list(range(-len({c.text('normalized_shape')}), 0))")
    if c.has("elementwise_affine"):
        options += [f"center={c.text('elementwise_affine')}", f"scale={c.text('elementwise_affine')}"]
    elif c.has("bias"):
        options.append(f"center={c.text('bias')}")
    return _made(
        c,
        f"layers.LayerNormalization({', '.join(options)})",
        ("" if kinds <= {"int"} else "*") + "{normalized_shape:p}",
    )


@rule("torch.nn.GroupNorm(num_groups, num_channels, eps=1e-5, affine=True)", infers="num_channels")
def _group_norm(c: Bound) -> str:
    layer = "layers.GroupNormalization({num_groups}, axis=1, epsilon={eps}<, center={affine}, scale={affine}>)"
    return _made(c, layer, "{num_channels}")


for _n in "123":

    @rule(
        f"torch.nn.InstanceNorm{_n}d(num_features, eps=1e-5, momentum=0.1, affine=False, track_running_stats=False)",
        infers="num_features momentum",
        when={"track_running_stats": False},
    )
    def _instance_norm(c: Bound) -> str:
        layer = "layers.GroupNormalization(-1, axis=1, epsilon={eps}, center={affine}, scale={affine})"
        return _made(c, layer, "{num_features}")

    declare(
        f"torch.nn.MaxPool{_n}d(kernel_size, stride=None, padding=0, dilation=1, return_indices=False, "
        "ceil_mode=False)",
        "FunctionLayer(max_pool, kernel_size={kernel_size}<, stride={stride}><, padding={padding}>"
        "<, ceil_mode={ceil_mode}>)",
        when={"dilation": 1, "return_indices": False},
    )
    declare(
        f"torch.nn.AvgPool{_n}d(kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, "
        "divisor_override=None)",
        "FunctionLayer(avg_pool, kernel_size={kernel_size}<, stride={stride}><, padding={padding}>"
        "<, ceil_mode={ceil_mode}><, count_include_pad={count_include_pad}>)",
    )
    declare(f"torch.nn.AdaptiveAvgPool{_n}d(output_size)", "FunctionLayer(adaptive_pool, output_size={output_size})")
    declare(
        f"torch.nn.AdaptiveMaxPool{_n}d(output_size, return_indices=False)",
        "FunctionLayer(adaptive_pool, output_size={output_size}, function=ops.max)",
    )

    def _channel_dropout(c: Bound, count: int = int(_n)) -> str:
        if count == 1 or _ranks(c) - {count + 2}:
            return c.filled("FunctionLayer(dropout2d, rate={p})")
        return c.filled(f'layers.SpatialDropout{count}D({{p}}, data_format="channels_first")')

    rule(f"torch.nn.Dropout{_n}d(p=0.5)", infers="inplace")(_channel_dropout)
    declare(f"torch.nn.ZeroPad{_n}d(padding)", f"PadLayer({_n}, {{padding}})")
    declare(f"torch.nn.ReflectionPad{_n}d(padding)", f'PadLayer({_n}, {{padding}}, mode="reflect")')
    declare(f"torch.nn.ReplicationPad{_n}d(padding)", f'PadLayer({_n}, {{padding}}, mode="replicate")')
    declare(f"torch.nn.ConstantPad{_n}d(padding, value)", f"PadLayer({_n}, {{padding}}, value={{value}})")
declare(
    "torch.nn.LocalResponseNorm(size, alpha=1e-4, beta=0.75, k=1.0)",
    "FunctionLayer(local_response_norm, size={size}<, alpha={alpha}><, beta={beta}><, k={k}>)",
)
declare(
    "torch.nn.Upsample(size=None, scale_factor=None, mode='nearest', align_corners=None)",
    "FunctionLayer(interpolate<, size={size}><, scale_factor={scale_factor}><, mode={mode}>"
    "<, align_corners={align_corners}>)",
    when={"mode": lambda mode: mode in ("nearest", "linear", "bilinear", "trilinear")},
)
declare(
    "torch.nn.UpsamplingBilinear2d(size=None, scale_factor=None)",
    'FunctionLayer(interpolate<, size={size}><, scale_factor={scale_factor}>, mode="bilinear", align_corners=True)',
)
declare(
    "torch.nn.UpsamplingNearest2d(size=None, scale_factor=None)",
    "FunctionLayer(interpolate<, size={size}><, scale_factor={scale_factor}>)",
)
declare("torch.nn.PixelShuffle(upscale_factor)", "FunctionLayer(pixel_shuffle, factor={upscale_factor})")

# -- activations

declare("torch.nn.ReLU(inplace=False)", "layers.ReLU()")
declare("torch.nn.ReLU6(inplace=False)", "layers.ReLU(max_value=6.0)")
declare("torch.nn.LeakyReLU(negative_slope=0.01, inplace=False)", "layers.LeakyReLU(negative_slope={negative_slope})")
declare("torch.nn.ELU(alpha=1.0, inplace=False)", "layers.ELU(<alpha={alpha}>)")
declare("torch.nn.CELU(alpha=1.0, inplace=False)", "FunctionLayer(ops.celu<, alpha={alpha}>)")
declare("torch.nn.SELU(inplace=False)", 'layers.Activation("selu")')
declare("torch.nn.GELU(approximate='none')", 'layers.Activation("gelu")', when={"approximate": "none"})
declare("torch.nn.GELU(approximate='none')", "FunctionLayer(ops.gelu, approximate=True)", when={"approximate": "tanh"})
declare("torch.nn.SiLU(inplace=False)", 'layers.Activation("silu")')
declare("torch.nn.Mish(inplace=False)", 'layers.Activation("mish")')
declare("torch.nn.Sigmoid()", 'layers.Activation("sigmoid")')
declare("torch.nn.Tanh()", 'layers.Activation("tanh")')
declare("torch.nn.Softplus(beta=1.0, threshold=20.0)", 'layers.Activation("softplus")')
declare("torch.nn.Softsign()", 'layers.Activation("softsign")')
declare("torch.nn.Hardswish(inplace=False)", 'layers.Activation("hard_swish")')
declare("torch.nn.Hardsigmoid(inplace=False)", 'layers.Activation("hard_sigmoid")')
declare("torch.nn.LogSigmoid()", 'layers.Activation("log_sigmoid")')
declare("torch.nn.Tanhshrink()", 'layers.Activation("tanh_shrink")')
declare(
    "torch.nn.Hardtanh(min_val=-1.0, max_val=1.0, inplace=False)",
    "FunctionLayer(ops.clip, x_min={min_val}, x_max={max_val})",
)
declare("torch.nn.Softmax(dim)", "layers.Softmax(axis={dim})")
declare("torch.nn.Softmax2d()", "layers.Softmax(axis=1)")
declare("torch.nn.LogSoftmax(dim)", "FunctionLayer(ops.log_softmax, axis={dim})")
declare("torch.nn.PReLU(num_parameters=1, init=0.25)", "PReLU(<{num_parameters}><, init={init}>)")
declare("torch.nn.GLU(dim=-1)", "FunctionLayer(ops.glu, axis={dim})")
declare("torch.nn.Dropout(p=0.5, inplace=False)", "layers.Dropout({p})")
declare("torch.nn.AlphaDropout(p=0.5, inplace=False)", "layers.AlphaDropout({p})")
declare("torch.nn.Flatten(start_dim=1, end_dim=-1)", "layers.Flatten()", when={"start_dim": 1, "end_dim": -1})
declare("torch.nn.Flatten(start_dim=1, end_dim=-1)", "FunctionLayer(flatten, start_dim={start_dim}, end_dim={end_dim})")
declare("torch.nn.Unflatten(dim, unflattened_size)", "FunctionLayer(unflatten, dim={dim}, sizes={unflattened_size})")
declare("torch.nn.CosineSimilarity(dim=1, eps=1e-8)", "FunctionLayer(cosine_similarity, axis={dim}, eps={eps})")
declare(
    "torch.nn.PairwiseDistance(p=2.0, eps=1e-6, keepdim=False)", "FunctionLayer(pairwise_distance, p={p}, eps={eps})"
)

# -- recurrent, attention

for _kind in ("LSTM", "GRU"):
    declare(
        f"torch.nn.{_kind}(input_size, hidden_size, num_layers=1, bias=True, batch_first=False, dropout=0.0, "
        "bidirectional=False, proj_size=0)",
        f"{_kind}({{input_size}}, {{hidden_size}}<, num_layers={{num_layers}}><, bias={{bias}}>"
        "<, batch_first={batch_first}><, dropout={dropout}><, bidirectional={bidirectional}>)",
    )
declare(
    "torch.nn.RNN(input_size, hidden_size, num_layers=1, nonlinearity='tanh', bias=True, batch_first=False, "
    "dropout=0.0, bidirectional=False)",
    "RNN({input_size}, {hidden_size}<, num_layers={num_layers}><, nonlinearity={nonlinearity}><, bias={bias}>"
    "<, batch_first={batch_first}><, dropout={dropout}><, bidirectional={bidirectional}>)",
)
for _kind in ("LSTMCell", "GRUCell"):
    declare(
        f"torch.nn.{_kind}(input_size, hidden_size, bias=True)",
        f"{_kind}({{input_size}}, {{hidden_size}}<, bias={{bias}}>)",
    )
declare(
    "torch.nn.RNNCell(input_size, hidden_size, bias=True, nonlinearity='tanh')",
    "RNNCell({input_size}, {hidden_size}<, bias={bias}><, nonlinearity={nonlinearity}>)",
)
declare(
    "torch.nn.MultiheadAttention(embed_dim, num_heads, dropout=0.0, bias=True, add_bias_kv=False, "
    "add_zero_attn=False, kdim=None, vdim=None, batch_first=False)",
    "MultiheadAttention({embed_dim}, {num_heads}<, dropout={dropout}><, bias={bias}><, batch_first={batch_first}>)",
)
declare(
    "torch.nn.TransformerEncoderLayer(d_model, nhead, dim_feedforward=2048, dropout=0.1, activation='relu', "
    "layer_norm_eps=1e-5, batch_first=False, norm_first=False, bias=True)",
    "TransformerEncoderLayer({d_model}, {nhead}<, dim_feedforward={dim_feedforward}><, dropout={dropout}>"
    "<, activation={activation}><, layer_norm_eps={layer_norm_eps}><, batch_first={batch_first}>"
    "<, norm_first={norm_first}>)",
)
declare(
    "torch.nn.TransformerEncoder(encoder_layer, num_layers, norm=None, enable_nested_tensor=True, mask_check=True)",
    "TransformerEncoder({encoder_layer}, {num_layers}<, norm={norm}>)",
    infers="enable_nested_tensor mask_check",
)

declare(
    "torch.nn.TransformerDecoderLayer(d_model, nhead, dim_feedforward=2048, dropout=0.1, activation='relu', "
    "layer_norm_eps=1e-5, batch_first=False, norm_first=False, bias=True)",
    "TransformerDecoderLayer({d_model}, {nhead}<, dim_feedforward={dim_feedforward}><, dropout={dropout}>"
    "<, activation={activation}><, layer_norm_eps={layer_norm_eps}><, batch_first={batch_first}>"
    "<, norm_first={norm_first}>)",
)
declare(
    "torch.nn.TransformerDecoder(decoder_layer, num_layers, norm=None)",
    "TransformerDecoder({decoder_layer}, {num_layers}<, norm={norm}>)",
)
declare(
    "torch.nn.Transformer(d_model=512, nhead=8, num_encoder_layers=6, num_decoder_layers=6, dim_feedforward=2048, "
    "dropout=0.1, activation='relu', custom_encoder=None, custom_decoder=None, layer_norm_eps=1e-5, batch_first=False, "
    "norm_first=False, bias=True)",
    "Transformer(<d_model={d_model}><, nhead={nhead}><, num_encoder_layers={num_encoder_layers}>"
    "<, num_decoder_layers={num_decoder_layers}><, dim_feedforward={dim_feedforward}><, dropout={dropout}>"
    "<, activation={activation}><, layer_norm_eps={layer_norm_eps}><, batch_first={batch_first}>"
    "<, norm_first={norm_first}>)",
)
_mask = "generate_square_subsequent_mask"
declare(
    f"torch.nn.Transformer.{_mask}|torch.nn.modules.transformer.Transformer.{_mask}(sz, device=None, dtype=None)",
    "causal_mask({sz})",
    infers="device dtype",
)
declare(f"torch.nn.Module.{_mask}(self, sz, device=None, dtype=None)", "causal_mask({sz})", infers="self device dtype")
# -- containers


@rule("torch.nn.Sequential(*layers)")
def _sequential(c: Bound) -> str:
    given = c.given.get("layers", [])
    if not given:
        return c.filled("keras.Sequential()" if _grows(c.rewriter, c.node) else "layers.Identity()")
    return c.filled("keras.Sequential(") + sequence(c.rewriter, c.node) + ")"


def _grows(r: Any, node: ast.Call) -> bool:
    """Whether layers are added to an empty Sequential by the name that it is given."""
    parent = r.parent(node)
    if not isinstance(parent, ast.Assign) or len(parent.targets) != 1:
        return False
    name = r.source(parent.targets[0])
    return any(
        isinstance(one, ast.Call) and isinstance(one.func, ast.Attribute) and one.func.attr in ("append", "add_module")
        and r.source(one.func.value) == name for one in ast.walk(r.file.tree)
    )  # fmt: skip


def sequence(r: Any, node: ast.Call) -> str:
    """The layers of a Sequential as a list: one by one, unpacked, or the values of an ordered dictionary."""
    if len(node.args) == 1 and not node.keywords:
        only = node.args[0]
        if isinstance(only, ast.Starred):
            return r.text(only.value)
        if r.fact(only).kinds == ["dict"] or (
            isinstance(only, ast.Call) and r.source(only.func).endswith("OrderedDict")
        ):
            return f"list({r.parenthesised(only, r.text(only))}.values())"
    return f"[{r.arguments(node)}]"


@rule("torch.nn.ModuleList|torch.nn.ParameterList(modules=[])")
def _module_list(c: Bound) -> str:
    if not c.has("modules"):
        return "[]"
    given = c.given["modules"]
    text = c.text("modules")
    if isinstance(given, (ast.List, ast.ListComp)):
        return text
    if isinstance(given, ast.GeneratorExp):
        return f"[{text.removeprefix('(').removesuffix(')')}]"
    return f"list({text})"


@rule("torch.nn.ModuleDict|torch.nn.ParameterDict(modules={})")
def _module_dict(c: Bound) -> str:
    return c.text("modules")


@rule("torch.nn.Parameter(data, requires_grad=True)")
def _parameter(c: Bound) -> str:
    trainable = f", trainable={c.text('requires_grad')}" if c.has("requires_grad") else ""
    return c.filled(f"parameter({{data}}{trainable})")


def _weighted(c: Bound) -> None:
    """Raises where what is normed is no dense or convolutional layer."""
    kinds = {kind.removeprefix("module:torch.nn.") for kind in c.rewriter.peek(c.given["module"]).kinds}
    if not kinds or not all(kind == "Linear" or kind.startswith("Conv") for kind in kinds):
        raise Unbound("netglot knows norms of the weights of dense and convolutional layers only")


@rule(
    "torch.nn.utils.weight_norm|torch.nn.utils.parametrizations.weight_norm(module, name='weight', dim=0)",
    when={"name": "weight"},
)
def _weight_norm(c: Bound) -> str:
    _weighted(c)
    return c.filled("WeightNorm({module}<, dim={dim}>)")


for _where, _begins in (("", ""), ("parametrizations.", ", parametrized=True")):

    def _spectral_norm(c: Bound, begins: str = _begins) -> str:
        _weighted(c)
        return c.filled("SpectralNorm({module}<, n_power_iterations={n_power_iterations}><, eps={eps}>" + begins + ")")

    rule(
        f"torch.nn.utils.{_where}spectral_norm(module, name='weight', n_power_iterations=1, eps=1e-12, dim=None)",
        when={"name": "weight", "dim": None},
    )(_spectral_norm)
declare(
    "torch.nn.Bilinear(in1_features, in2_features, out_features, bias=True)",
    "Bilinear({in1_features}, {in2_features}, {out_features}<, use_bias={bias}>)",
)
mark("torch.nn.DataParallel torch.nn.parallel.DistributedDataParallel", "Keras distributes by keras.distribution")
mark("torch.nn.LPPool1d torch.nn.LPPool2d torch.nn.Fold torch.nn.Unfold", "netglot has no form of it")
