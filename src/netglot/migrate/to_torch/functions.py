"""TensorFlow's functions and `keras.ops` as functions of PyTorch."""

from __future__ import annotations

import ast

from netglot.migrate.declare import MISSING, Bound, Table, Unbound
from netglot.migrate.to_keras.unseen import PLAIN
from netglot.migrate.to_torch.names import plain_module

table = Table()
declare, rule, mark = table.declare, table.rule, table.mark


def _all(names: str) -> str:
    """Every spelling of a function: `tf.exp`, `tf.math.exp`, `keras.ops.exp`."""
    return "|".join(
        spelled
        for name in names.split()
        for spelled in (f"tf.{name}", f"tf.math.{name}", f"tf.nn.{name}", f"keras.ops.{name}", f"keras.backend.{name}")
    )


for _tf, _torch in {
    "exp": "exp", "expm1": "expm1", "log": "log", "log1p": "log1p", "sqrt": "sqrt", "rsqrt": "rsqrt", "abs": "abs",
    "sin": "sin", "cos": "cos", "tan": "tan", "tanh": "tanh", "sigmoid": "sigmoid", "floor": "floor", "ceil": "ceil",
    "round": "round", "sign": "sign", "erf": "erf", "square": "square", "negative": "neg", "relu": "relu",
    "logical_not": "logical_not", "reciprocal": "reciprocal", "softplus": "nn.functional.softplus",
    "log_sigmoid": "nn.functional.logsigmoid", "acos": "acos", "asin": "asin", "sinh": "sinh", "cosh": "cosh",
    "stop_gradient": "Tensor.detach",
    "is_nan": "isnan", "isnan": "isnan",
}.items():  # fmt: skip
    declare(f"{_all(_tf)}(x)", f"torch.{_torch}({{x:t}})")
for _name in ("zeros_like", "ones_like"):
    declare(f"{_all(_name)}(x, dtype=None)", f"torch.{_name}({{x:t}}<, dtype={{dtype:dtype}}>)")
for _name in ("relu", "elu", "selu", "silu", "relu6", "softsign", "mish", "hard_sigmoid"):
    _torch = {"hard_sigmoid": "hardsigmoid"}.get(_name, _name)
    declare(f"tf.nn.{_name}|keras.ops.{_name}|keras.activations.{_name}(x)", f"F.{_torch}({{x}})")
declare("tf.nn.swish|keras.activations.swish|keras.ops.swish(x)", "F.silu({x})")
declare("keras.activations.sigmoid(x)", "torch.sigmoid({x})")
declare("keras.activations.tanh(x)", "torch.tanh({x})")
declare("tf.nn.gelu|keras.activations.gelu(x, approximate=False)", "F.gelu({x})", when={"approximate": False})
declare(
    "tf.nn.gelu|keras.activations.gelu|keras.ops.gelu(x, approximate=True)",
    'F.gelu({x}, approximate="tanh")',
    when={"approximate": True},
)
declare("keras.ops.gelu(x, approximate=True)", "F.gelu({x})", when={"approximate": False})
declare("tf.nn.leaky_relu(x, alpha=0.2)", "F.leaky_relu({x}, {alpha})")
declare(
    "keras.ops.leaky_relu|keras.activations.leaky_relu(x, negative_slope=0.2)", "F.leaky_relu({x}, {negative_slope})"
)
for _name in ("softmax", "log_softmax"):
    declare(
        f"tf.nn.{_name}|keras.ops.{_name}|keras.activations.{_name}(x, axis=-1)",
        f"torch.{_name}({{x}}, dim={{axis}})",
    )
for _tf, _torch in {
    "add": "add", "subtract": "sub", "multiply": "mul", "divide": "div", "truediv": "div", "pow": "pow", "power": "pow",
    "maximum": "maximum", "minimum": "minimum", "equal": "eq", "not_equal": "ne", "less": "lt", "greater": "gt",
    "less_equal": "le", "greater_equal": "ge", "logical_and": "logical_and", "logical_or": "logical_or",
}.items():  # fmt: skip
    _hole = "torch.as_tensor({y})" if _torch in ("maximum", "minimum") else "{y}"
    declare(f"{_all(_tf)}(x, y)", f"torch.{_torch}({{x:t}}, {_hole})")
declare(f"{_all('matmul')}(a, b, transpose_a=False, transpose_b=False)", "torch.matmul({a}, {b})",
        when={"transpose_a": False, "transpose_b": False})  # fmt: skip
declare(f"{_all('matmul')}(a, b, transpose_a=False, transpose_b=False)", "torch.matmul({a}, {b:p}.mT)",
        when={"transpose_a": False, "transpose_b": True})  # fmt: skip
declare(f"{_all('matmul')}(a, b, transpose_a=False, transpose_b=False)", "torch.matmul({a:p}.mT, {b})",
        when={"transpose_a": True, "transpose_b": False})  # fmt: skip
declare(f"{_all('einsum')}(equation, *operands)", "torch.einsum({equation}, {operands})")
declare(f"{_all('tensordot')}(a, b, axes=2)", "torch.tensordot({a}, {b}, dims={axes})")
for _tf, _torch in {
    "reduce_sum sum": "sum", "reduce_mean mean": "mean", "reduce_prod prod": "prod", "reduce_any any": "any",
    "reduce_all all": "all",
}.items():  # fmt: skip
    declare(
        f"{_all(_tf)}(x, axis=None, keepdims=False)",
        f"torch.{_torch}({{x:t}}<, dim={{axis}}><, keepdim={{keepdims}}>)",
    )


@rule("keras.ops.mean|keras.backend.mean|tf.reduce_mean|tf.math.reduce_mean(x, axis=None, keepdims=False)")
def _mean(c: Bound) -> str | None:
    """PyTorch has no mean of what is true or false; Keras has: its share."""
    compares = isinstance(c.given["x"], ast.Compare)
    dtypes = ["bool"] if compares else c.rewriter.fact(c.given["x"]).dtypes
    if not dtypes or any("float" in one for one in dtypes):
        return None
    if c.callee.startswith("tf.") and "bool" not in dtypes:
        raise Unbound("a mean of whole numbers is a whole number in TensorFlow")
    return c.filled("torch.mean({x:p}.to(torch.get_default_dtype())<, dim={axis}><, keepdim={keepdims}>)")


for _name in ("keras.ops.mean", "keras.backend.mean", "tf.reduce_mean", "tf.math.reduce_mean"):
    table.rows[_name].insert(0, table.rows[_name].pop())  # it is asked before the plain one


for _tf, _torch in {"reduce_max max": "amax", "reduce_min min": "amin"}.items():
    declare(
        f"{_all(_tf)}(x, axis=None, keepdims=False)",
        f"torch.{_torch}({{x:t}}<, dim={{axis}}><, keepdim={{keepdims}}>)",
    )
declare(
    f"{_all('reduce_logsumexp logsumexp')}(x, axis, keepdims=False)",
    "torch.logsumexp({x}, dim={axis}<, keepdim={keepdims}>)",
)
declare(
    f"{_all('reduce_variance var')}(x, axis=None, keepdims=False)",
    "torch.var({x}<, dim={axis}>, correction=0<, keepdim={keepdims}>)",
)
declare(
    f"{_all('reduce_std std')}(x, axis=None, keepdims=False)",
    "torch.std({x}<, dim={axis}>, correction=0<, keepdim={keepdims}>)",
)
for _name in ("argmax", "argmin"):
    declare(
        f"tf.{_name}|tf.math.{_name}(x, axis=0, output_type=None)",
        f"torch.{_name}({{x:t}}, dim={{axis}})",
        infers="output_type",
    )
    declare(
        f"keras.ops.{_name}(x, axis=None, keepdims=False)",
        f"torch.{_name}({{x:t}}<, dim={{axis}}><, keepdim={{keepdims}}>)",
    )
    declare(f"keras.backend.{_name}(x, axis=-1)", f"torch.{_name}({{x:t}}, dim={{axis}})")
declare("tf.cumsum|tf.math.cumsum|keras.ops.cumsum(x, axis)", "torch.cumsum({x}, dim={axis})")
declare(
    "tf.norm(x, ord=2, axis=None, keepdims=False)",
    "torch.linalg.vector_norm({x}<, ord={ord}><, dim={axis}><, keepdim={keepdims}>)",
    when={"ord": lambda one: one != "euclidean"},
)
declare(
    "keras.ops.norm(x, ord=None, axis=None, keepdims=False)",
    "torch.linalg.norm({x}<, ord={ord}><, dim={axis}><, keepdim={keepdims}>)",
)
declare("tf.math.l2_normalize|tf.nn.l2_normalize(x, axis=None, epsilon=1e-12)",
        "({x:p} * torch.rsqrt(torch.clamp(torch.sum({x:p} ** 2, dim={axis}, keepdim=True), min={epsilon})))")  # fmt: skip

# -- shapes

declare("tf.concat(values, axis)", "torch.cat({values}, dim={axis})")
declare("keras.ops.concatenate(xs, axis=-1)", "torch.cat({xs}, dim={axis})")
declare("tf.stack|keras.ops.stack(values, axis=0)", "torch.stack({values}<, dim={axis}>)")
declare("tf.unstack|keras.ops.unstack(x, num=None, axis=0)", "torch.unbind({x}<, dim={axis}>)", infers="num")
declare("tf.reshape|keras.ops.reshape(x, shape)", "torch.reshape({x}, {shape:sizes})")


@rule("tf.expand_dims|keras.ops.expand_dims(x, axis)")
def _expanded(c: Bound) -> str:
    texts = "string" in c.rewriter.peek(c.given["x"]).dtypes
    return c.filled("np.expand_dims({x}, {axis})" if texts else "torch.unsqueeze({x:t}, {axis})")


declare("tf.squeeze|keras.ops.squeeze(x, axis=None)", "torch.squeeze({x}<, {axis}>)")
declare("tf.tile|keras.ops.tile(x, multiples)", "torch.tile({x}, {multiples:sizes})")
declare("tf.repeat|keras.ops.repeat(x, repeats, axis=None)", "torch.repeat_interleave({x}, {repeats}<, dim={axis}>)")
declare("tf.broadcast_to|keras.ops.broadcast_to(x, shape)", "torch.broadcast_to({x}, {shape:sizes})")
declare("tf.reverse|keras.ops.flip(x, axis)", "torch.flip({x}, {axis:many})")
declare("tf.roll|keras.ops.roll(x, shift, axis)", "torch.roll({x}, {shift}, {axis})")
declare("keras.ops.swapaxes(x, axis1, axis2)", "torch.swapaxes({x}, {axis1}, {axis2})")
declare("keras.ops.moveaxis(x, source, destination)", "torch.movedim({x}, {source}, {destination})")


@rule("tf.transpose|keras.ops.transpose(x, perm=None)")
def _transpose(c: Bound) -> str:
    if c.has("perm"):
        return c.filled("torch.permute({x}, {perm})")
    ranks = c.rewriter.peek(c.given["x"]).ranks
    if ranks and max(ranks) == 2:
        return c.filled("torch.t({x})")
    return c.filled("torch.permute({x}, tuple(reversed(range({x:p}.ndim))))")


@rule("tf.split|keras.ops.split(x, count, axis=0)")
def _split(c: Bound) -> str:
    if "int" in (c.rewriter.fact(c.given["count"]).kinds or []) or isinstance(c.literal("count"), int):
        return c.filled("torch.chunk({x}, {count}<, dim={axis}>)")
    if c.callee.startswith("keras"):
        raise Unbound("it is split at places")
    return c.filled("torch.split({x}, {count}<, dim={axis}>)")


declare("tf.shape|keras.ops.shape(x, out_type=None)", "{x:p}.shape", infers="out_type")
declare("tf.size|keras.ops.size(x, out_type=None)", "{x:p}.numel()", infers="out_type")
declare("tf.rank(x)", "{x:p}.ndim")


@rule("tf.gather(params, indices, validate_indices=None, axis=None, batch_dims=0)")
@rule("keras.ops.take(params, indices, axis=None)")
def _gather(c: Bound) -> str:
    axis = c.literal("axis")
    if c.has("batch_dims") and c.literal("batch_dims") != 0:
        raise Unbound("it goes by batch")
    if axis is None and c.callee.startswith("keras"):
        return c.filled("{params:p}.flatten()[{indices}]")
    axis = 0 if axis is None else axis
    ranks = c.rewriter.fact(c.given["params"]).ranks
    if axis is not MISSING and axis < 0 and len(set(ranks)) == 1:
        axis += ranks[0]
    if axis is MISSING or axis < 0:
        raise Unbound("the axis is not a plain number from the front")
    return c.filled("{params:p}[" + ":, " * axis + "{indices}]")


declare("tf.image.total_variation(images)", "total_variation({images})")
declare("tf.where|keras.ops.where(condition, x, y)", "torch.where({condition}, {x}, {y})")
declare(
    "tf.clip_by_value|keras.ops.clip(x, clip_value_min, clip_value_max)",
    "torch.clamp({x}, {clip_value_min}, {clip_value_max})",
)
declare("tf.one_hot(x, depth, on_value=None, off_value=None, axis=-1, dtype=None)",
        "F.one_hot({x:p}.long(), {depth}).to({dtype:dtype})", when={"on_value": None, "off_value": None, "axis": -1})  # fmt: skip
declare("keras.ops.one_hot(x, depth, axis=-1, dtype=None)", "F.one_hot({x:p}.long(), {depth}).to({dtype:dtype})",
        when={"axis": -1})  # fmt: skip
declare("tf.pad(x, paddings, mode='CONSTANT', constant_values=0)", "F.pad({x}, [s for pair in reversed({paddings}) for s in pair]<, value={constant_values}>)",
        when={"mode": "CONSTANT"})  # fmt: skip
declare("tf.linalg.band_part(x, lower, upper)", "torch.tril({x})", when={"lower": -1, "upper": 0})
declare("tf.linalg.band_part(x, lower, upper)", "torch.triu({x})", when={"lower": 0, "upper": -1})
declare("keras.ops.tril(x, k=0)", "torch.tril({x}<, {k}>)")
declare("keras.ops.triu(x, k=0)", "torch.triu({x}<, {k}>)")

# -- creation

declare("tf.zeros|keras.ops.zeros(shape, dtype=None)", "torch.zeros({shape:sizes}<, dtype={dtype:dtype}>)")
declare("tf.ones|keras.ops.ones(shape, dtype=None)", "torch.ones({shape:sizes}<, dtype={dtype:dtype}>)")
declare("tf.fill(shape, value)", "torch.full({shape:sizes}, {value})")
declare("tf.eye|keras.ops.eye(n, m=None, *, dtype=None)", "torch.eye({n}<, {m}><, dtype={dtype:dtype}>)")
declare(
    "tf.range(start, limit=None, delta=1, dtype=None)",
    "torch.arange({start}<, {limit}><, {delta}><, dtype={dtype:dtype}>)",
)
declare(
    "keras.ops.arange(start, stop=None, step=1, dtype=None)",
    "torch.arange({start}<, {stop}><, {step}><, dtype={dtype:dtype}>)",
)
declare("tf.linspace|keras.ops.linspace(start, stop, num)", "torch.linspace({start}, {stop}, {num})")


@rule("tf.constant|tf.convert_to_tensor|keras.ops.convert_to_tensor(x, dtype=None)")
def _text(c: Bound) -> str | None:
    """Text stays with NumPy: PyTorch's tensors hold none."""
    given = c.given.get("dtype")
    named = given is not None and (c.rewriter.dotted(given) or c.literal("dtype")) in ("tf.string", "string")
    dtypes = c.rewriter.fact(c.node).dtypes
    if named or dtypes == ["string"]:
        return c.filled("np.asarray({x})")
    if "string" in dtypes:
        return c.filled("as_input({x})")
    arrays = c.rewriter.peek(c.given["x"]).kinds == ["array"]  # TensorFlow copies what an array holds
    return c.filled("torch.tensor({x}<, dtype={dtype:dtype}>)") if arrays else None


declare(
    "tf.constant|tf.convert_to_tensor|keras.ops.convert_to_tensor(x, dtype=None)",
    "torch.as_tensor({x}<, dtype={dtype:dtype}>)",
)
declare("tf.random.normal|keras.random.normal(shape, mean=0.0, stddev=1.0, dtype=None, seed=None)", "torch.randn({shape:sizes})",
        when={"mean": 0.0, "stddev": 1.0}, infers="seed dtype")  # fmt: skip
declare("tf.random.normal|keras.random.normal(shape, mean=0.0, stddev=1.0, dtype=None, seed=None)", "({mean:p} + {stddev:p} * torch.randn({shape:sizes}))",
        infers="seed dtype")  # fmt: skip
declare("tf.random.uniform|keras.random.uniform(shape, minval=0, maxval=1, dtype=None, seed=None)", "torch.rand({shape:sizes})",
        when={"minval": 0, "maxval": 1}, infers="seed dtype")  # fmt: skip


@rule("tf.random.uniform|keras.random.uniform(shape, minval=0, maxval=1, dtype=None, seed=None)")
def _uniform(c: Bound) -> str:
    """Whole numbers where their dtype says so."""
    if any("int" in one for one in c.rewriter.fact(c.node).dtypes) or "int" in c.text("dtype"):
        return c.filled("torch.randint({minval}, {maxval}, {shape:sizes})")
    return c.filled("({minval:p} + ({maxval:p} - {minval:p}) * torch.rand({shape:sizes}))")


declare("keras.random.randint(shape, minval, maxval, dtype='int32', seed=None)", "torch.randint({minval}, {maxval}, {shape:sizes})",
        infers="seed dtype")  # fmt: skip
declare("keras.ops.convert_to_numpy(x)", "{x:p}.detach().numpy()")
for _kind in ("max", "avg"):
    for _n in ("", "1d", "2d", "3d"):
        declare(
            f"tf.nn.{_kind}_pool{_n}(input, ksize, strides, padding, data_format=None)",
            f'pool({{input}}, "{_kind}", inner_sizes({{input:p}}, {{ksize}}), inner_sizes({{input:p}}, {{strides}}), {{padding}})',
        )
declare(
    "tf.nn.conv2d|tf.nn.conv3d|tf.nn.convolution(input, filters, strides=1, padding='VALID', data_format=None, dilations=1)",
    "convolved({input}, {filters}, inner_sizes({input:p}, {strides}), {padding}<, inner_sizes({input:p}, {dilations})>)",
)


@rule("tf.cast|keras.ops.cast|keras.backend.cast(x, dtype)")
def _cast(c: Bound) -> str:
    """Numbers of Python may be cast too."""
    fact = c.rewriter.fact(c.given["x"])
    whole = bool(fact.kinds) and ("tensor" not in fact.kinds or fact.ranks == [0])  # a product of sizes is a number
    return c.filled("torch.as_tensor({x}, dtype={dtype:dtype})" if whole else "{x:p}.to({dtype:dtype})")


declare("tf.random.set_seed(seed)", "torch.manual_seed({seed})")
declare("keras.utils.set_random_seed(seed)", "set_random_seed({seed})")


@rule("tf.Variable|keras.Variable(value, *, trainable=True, name=None, dtype=None)", infers="dtype")
def _variable(c: Bound) -> str:
    """A variable has memory of its own: what is there already is copied."""
    fact, node = c.rewriter.peek(c.given["value"]), c.given["value"]
    value = "torch.tensor({value})" if fact.kinds == ["array"] else "torch.as_tensor({value})"
    if fact.kinds == ["tensor"] and isinstance(node, (ast.Name, ast.Attribute, ast.Subscript)):
        value = "{value:p}.detach().clone()"
    if _untracked(c):
        c.rewriter.notes.append(f"line {c.node.lineno}: Keras does not train a tf.Variable that a layer holds")
        floating = any("float" in one for one in c.rewriter.fact(c.node).dtypes) and c.literal("trainable") is not False
        return c.filled(f"nn.Buffer({value}, persistent=False)") + (".requires_grad_()" if floating else "")
    return c.filled(f"nn.Parameter({value}<, requires_grad={{trainable}}>)")


def _untracked(c: Bound) -> bool:
    """Whether a variable is held by a layer of Keras, which knows its own kind of variables alone."""
    holder, parent = c.rewriter.around(c.node, ast.ClassDef), c.rewriter.parent(c.node)
    held = isinstance(parent, ast.Assign) and isinstance(parent.targets[0], ast.Attribute)
    module = held and c.callee == "tf.Variable" and isinstance(holder, ast.ClassDef)
    kinds = c.rewriter.file.classes.get(holder.name, {}) if module else {}
    return kinds.get("kind") == "module" and not plain_module(c.rewriter, holder)


declare("keras.random.SeedGenerator(seed=None)", "None", infers="seed")
declare("keras.backend.flatten(x)", "torch.flatten({x})")
declare("keras.backend.batch_flatten(x)", "torch.flatten({x}, 1)")
declare("keras.backend.epsilon|keras.config.epsilon()", "1e-07")
declare("keras.backend.clear_session|keras.utils.clear_session()", "None")
declare("keras.backend.dot(x, y)", "torch.matmul({x}, {y})")
declare("keras.backend.clip(x, min_value, max_value)", "torch.clamp({x}, {min_value}, {max_value})")
declare("keras.backend.concatenate(tensors, axis=-1)", "torch.cat({tensors}, dim={axis})")
declare("keras.backend.expand_dims(x, axis=-1)", "torch.unsqueeze({x}, {axis})")
declare("keras.backend.squeeze(x, axis)", "torch.squeeze({x}, {axis})")
declare("keras.backend.reshape(x, shape)", "torch.reshape({x}, {shape:sizes})")
declare("keras.backend.permute_dimensions(x, pattern)", "torch.permute({x}, {pattern})")
declare("keras.backend.stack(x, axis=0)", "torch.stack({x}<, dim={axis}>)")
declare("keras.backend.shape|keras.backend.int_shape(x)", "{x:p}.shape")
declare("keras.backend.softmax(x, axis=-1)", "torch.softmax({x}, dim={axis})")
declare("keras.backend.relu(x)", "F.relu({x})")
declare("keras.backend.l2_normalize(x, axis=None)",
        "({x:p} * torch.rsqrt(torch.clamp(torch.sum({x:p} ** 2, dim={axis}, keepdim=True), min=1e-12)))")  # fmt: skip
declare("keras.backend.random_normal(shape, mean=0.0, stddev=1.0, dtype=None, seed=None)",
        "({mean:p} + {stddev:p} * torch.randn({shape:sizes}))", infers="seed dtype")  # fmt: skip
declare("keras.backend.binary_crossentropy(target, output, from_logits=False)",
        "F.binary_cross_entropy({output:p}.clamp(1e-7, 1 - 1e-7), {target:p}.to({output:p}.dtype), reduction='none')",
        when={"from_logits": False})  # fmt: skip
declare("keras.backend.get_value(x)", "{x:p}.detach().numpy()")
declare("tf.nn.sigmoid_cross_entropy_with_logits(labels=None, logits=None)",
        "sigmoid_cross_entropy_with_logits(labels={labels}, logits={logits})")  # fmt: skip
declare("tf.nn.softmax_cross_entropy_with_logits(labels, logits, axis=-1)",
        "softmax_cross_entropy_with_logits(labels={labels}, logits={logits}<, axis={axis}>)")  # fmt: skip
declare("tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)",
        "sparse_softmax_cross_entropy_with_logits(labels={labels}, logits={logits})")  # fmt: skip
declare("tf.clip_by_global_norm(t_list, clip_norm, use_norm=None)", "clip_by_global_norm({t_list}, {clip_norm})",
        when={"use_norm": None})  # fmt: skip
declare("tf.clip_by_norm(t, clip_norm)", "clip_by_norm({t}, {clip_norm})")
declare("tf.add_n(inputs)", "sum({inputs})")
declare("tf.print(*values)", "print({values})")
declare("tf.nn.dropout(x, rate)", "F.dropout({x}, {rate})")
declare("tf.stop_gradient(x)", "{x:p}.detach()")
declare("tf.random.shuffle|keras.random.shuffle(value, *, seed=None)", "{value:p}[torch.from_numpy(np.random.permutation(len({value})))]",
        infers="seed")  # fmt: skip
declare("tf.sequence_mask(lengths, maxlen)", "(torch.arange({maxlen}) < {lengths:t}[..., None])")
declare("keras.ops.top_k(x, k=1, sorted=True)", "torch.topk({x}, {k})", infers="sorted")
declare("keras.ops.sort(x, axis=-1)", "torch.sort({x}, dim={axis}).values")
declare("keras.ops.argsort(x, axis=-1)", "torch.argsort({x}, dim={axis}, stable=True)")
declare("tf.image.resize(images, size, method='bilinear')", "image_resized({images}, {size}<, method={method}>)",
        when={"method": lambda m: m in ("bilinear", "nearest")})  # fmt: skip


@rule("tf.image.resize(images, size, method)")
def _resized(c: Bound) -> str:
    """A method that is named by `ResizeMethod`."""
    method = c.rewriter.source(c.given["method"]).rpartition(".")[2]
    known = {"NEAREST_NEIGHBOR": "nearest", "BILINEAR": "bilinear"}
    if method not in known:
        raise Unbound(f"its method {method} is not carried over")
    return c.filled("image_resized({images}, {size}, method=") + f'"{known[method]}")'


_U = "keras.utils|keras.preprocessing.image"
for _name, _signature in {
    "array_to_img": "x, data_format=None, scale=True", "img_to_array": "image, data_format=None",
    "load_img": "path, color_mode='rgb', target_size=None",
}.items():  # fmt: skip
    _first, *_rest = (one.split("=")[0] for one in _signature.split(", "))
    _more = "".join(f"<, {one}={{{one}}}>" for one in _rest if one != "data_format")
    declare(
        f"{_U.replace('|', f'.{_name}|')}.{_name}({_signature}, *, dtype=None)", f"{_name}({{{_first}}}{_more})",
        when={"data_format": None} if "data_format" in _rest else {}, infers="dtype",
    )  # fmt: skip
declare("keras.ops.image.resize(images, size, interpolation='bilinear')",
        "image_resized({images}, {size}<, method={interpolation}>)",
        when={"interpolation": lambda m: m in ("bilinear", "nearest")})  # fmt: skip
declare("tf.image.grayscale_to_rgb(images)", "{images:p}.expand(*{images:p}.shape[:-1], 3)")
declare("keras.ops.image.extract_patches(images, size, strides=None, dilation_rate=1, padding='valid')",
        "image_patches({images}, {size}<, {strides}>)", when={"padding": "valid", "dilation_rate": 1})  # fmt: skip


@rule("tf.image.convert_image_dtype(image, dtype)")
def _image_dtype(c: Bound) -> str:
    """Bytes become shares of 255; numbers that are floating stay as they are."""
    if "float" not in c.text("dtype"):
        raise Unbound("it makes whole numbers")
    floating = all("float" in one for one in c.rewriter.fact(c.given["image"]).dtypes or ["uint8"])
    return c.filled(
        "{image:p}.to(torch.get_default_dtype())" if floating else "({image:p}.to(torch.get_default_dtype()) / 255)"
    )


declare("tf.squared_difference|tf.math.squared_difference(x, y)", "torch.square({x:p} - {y:p})")
declare("tf.multiply_no_nan(x, y)", "({x:p} * {y:p})")
declare("tf.floordiv|tf.math.floordiv|keras.ops.floor_divide(x, y)", "torch.div({x}, {y}, rounding_mode='floor')")
declare("tf.math.atan2|tf.atan2(y, x)", "torch.atan2({y}, {x})")
declare("tf.math.is_inf(x)", "torch.isinf({x})")
declare("tf.nn.bias_add(x, bias)", "({x:p} + {bias:p})")
declare("tf.nn.embedding_lookup(params, ids)", "{params:p}[{ids}]")
declare("tf.nn.moments(x, axes, *, keepdims=False)",
        "(torch.mean({x}, dim={axes}, keepdim={keepdims}), torch.var({x}, dim={axes}, correction=0, keepdim={keepdims}))")  # fmt: skip
declare("tf.identity(x)", "{x:p}.clone()")
declare("tf.group(*values)", "None")
declare("tf.random.categorical(logits, num_samples, dtype=None, seed=None)",
        "torch.multinomial(torch.softmax({logits}, dim=-1), {num_samples}, replacement=True)", infers="dtype seed")  # fmt: skip
declare("tf.config.list_physical_devices|tf.config.experimental.list_physical_devices(device_type=None)", "[]",
        infers="device_type", note="devices are PyTorch's own matter: `.to(device)`")  # fmt: skip


@rule("tf.Tensor.numpy|tf.Variable.numpy(x)")
def _numpy(c: Bound) -> str:
    """Texts are arrays already, and steps are counted by a number."""
    plain = "string" in (c.fact("x").dtypes or ()) or getattr(c.given["x"], "attr", "") == "iterations"
    single = 0 in c.fact("x").ranks and not _told(c.rewriter.parent(c.node))
    kept = ".copy()" if c.fact("x").extra.get("variable") else ""  # a weight changes where it stands
    return c.filled("{x}" if plain else "{x:p}.detach().numpy()" + ("[()]" if single else kept))


def _told(parent: ast.AST | None) -> bool:
    """Whether a number alone is printed or reckoned with: there an array without axes is as good as it."""
    if isinstance(parent, ast.Call):
        name = getattr(parent.func, "attr", getattr(parent.func, "id", ""))
        return name in ("print", "format", "float", "int", "bool", "str", "abs")
    return isinstance(parent, (ast.FormattedValue, ast.BinOp, ast.UnaryOp, ast.Compare, ast.Expr))


declare("tf.Tensor.assign(x, value)", "{x:p}.data.copy_({value:t})")
declare("tf.Tensor.assign_add(x, value)", "{x:p}.data.add_({value})")
declare("tf.Tensor.assign_sub(x, value)", "{x:p}.data.sub_({value})")
declare("tf.Tensor.get_shape(x)", "{x:p}.shape")
declare("tf.ensure_shape(x, shape)", "{x}", infers="shape")
declare("tf.train.latest_checkpoint(directory)", "latest_checkpoint({directory})")
declare(
    "tf.train.CheckpointManager(checkpoint, directory, max_to_keep=None, *, checkpoint_name='ckpt')",
    "CheckpointManager({checkpoint}, {directory}<, max_to_keep={max_to_keep}><, checkpoint_name={checkpoint_name}>)",
)
declare("tf.TensorShape.as_list(x)", "list({x})")
for _name, _why in {
    "keras.preprocessing.image.ImageDataGenerator": "PyTorch augments images in a Dataset, with torchvision.transforms",
    "keras.preprocessing.text.Tokenizer": "PyTorch has no tokenizer of its own",
    "keras.datasets.imdb.load_data": "torchvision has no copy of this data set",
    "tf.saved_model.save": "PyTorch has no SavedModel", "keras.mixed_precision.set_global_policy": "mixed precision is not carried over",
}.items():  # fmt: skip
    mark(_name, _why)
mark("tf.function keras.saving.register_keras_serializable", "it decorates TensorFlow's own code")


def sizes(c: Bound, name: str, text: str) -> str:
    """A shape; None among its sizes is not known here."""
    given = c.given.get(name)
    return text if not isinstance(given, ast.Constant) or not isinstance(given.value, int) else f"({text},)"


def as_tensor(c: Bound, name: str, text: str) -> str:
    """An argument that PyTorch wants as a tensor, where it was none, or not each time."""
    fact, given = c.fact(name), c.given.get(name)
    if isinstance(given, ast.Constant) or (isinstance(given, ast.Name) and not fact.kinds and PLAIN.search(given.id)):
        return c.rewriter.target.spell("torch.as_tensor(", c.rewriter) + f"{text})"
    if fact is None or not fact.kinds or ("tensor" in fact.kinds and not {"int", "float", "bool"} & {*fact.kinds}):
        return text
    return c.rewriter.target.spell("torch.as_tensor(", c.rewriter) + f"{text})"
