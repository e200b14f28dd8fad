"""TensorFlow's functions of whole arrays and `keras.ops`: picking, counting, padding, and linear algebra, in PyTorch."""

from __future__ import annotations

from netglot.migrate.declare import Bound, Table, Unbound

table = Table()
declare, rule = table.declare, table.rule

# -- numbers

declare("tf.math.divide_no_nan(x, y)", "divided_no_nan({x}, {y})")
declare("tf.math.floormod|keras.ops.mod(x, y)", "torch.remainder({x}, {y})")
declare("tf.math.is_finite|keras.ops.isfinite(x)", "torch.isfinite({x})")
declare("keras.ops.isinf(x)", "torch.isinf({x})")
declare("tf.math.reduce_euclidean_norm(x, axis=None, keepdims=False)",
        "torch.linalg.vector_norm({x}<, dim={axis}><, keepdim={keepdims}>)")  # fmt: skip
declare("tf.cumsum|tf.math.cumsum(x)", "torch.cumsum({x}, dim=0)")
declare("tf.cumprod|tf.math.cumprod(x, axis=0)", "torch.cumprod({x}, dim={axis})")
declare("keras.ops.cumprod(x, axis)", "torch.cumprod({x}, dim={axis})")
declare("keras.activations.elu|tf.nn.elu(x, alpha=1.0)", "F.elu({x}<, alpha={alpha}>)")
declare("tf.nn.l2_loss(x)", "(torch.sum({x:p} ** 2) / 2)")
declare("tf.nn.batch_normalization(x, mean, variance, offset, scale, variance_epsilon)",
        "(({x:p} - {mean:p}) * torch.rsqrt({variance:p} + {variance_epsilon}))", when={"offset": None, "scale": None})  # fmt: skip
declare("tf.nn.batch_normalization(x, mean, variance, offset, scale, variance_epsilon)",
        "(({x:p} - {mean:p}) * torch.rsqrt({variance:p} + {variance_epsilon}) * {scale:p} + {offset:p})")  # fmt: skip
declare("keras.ops.average(x, axis=None)", "torch.mean({x}<, dim={axis}>)")
declare("keras.ops.median(x, axis)", "torch.quantile({x}, 0.5, dim={axis})")
declare("keras.ops.quantile(x, q, axis=None, *, keepdims=False)",
        "torch.quantile({x}, {q}<, dim={axis}><, keepdim={keepdims}>)")  # fmt: skip
declare("keras.ops.normalize(x, axis=-1, order=2)", "F.normalize({x}<, p={order}>, dim={axis}, eps=1e-07)")


@rule("keras.ops.full(shape, value, dtype=None)")
def _full(c: Bound) -> str:
    """Keras takes its default dtype, PyTorch that of the value."""
    own = "" if c.has("dtype") or isinstance(c.literal("value"), float) else ", dtype=torch.get_default_dtype()"
    return c.filled("torch.full({shape:sizes}, {value}<, dtype={dtype:dtype}>" + own + ")")


@rule("tf.constant(value, dtype=None, *, shape)")
def _filled(c: Bound) -> str:
    if not isinstance(c.literal("value"), (int, float)):
        raise Unbound("its values are given one by one")
    return c.filled("torch.as_tensor({value}<, dtype={dtype:dtype}>).expand({shape:sizes})")


declare("tf.math.confusion_matrix(labels, predictions, num_classes=None, weights=None, dtype=None)",
        "confusion_matrix({labels}, {predictions}<, {num_classes}>)", when={"weights": None}, infers="dtype")  # fmt: skip
for _keras, _torch in {
    "log2": "torch.log2", "log10": "torch.log10", "absolute": "torch.abs", "copy": "torch.clone", "ravel": "torch.ravel",
    "hard_silu": "F.hardswish", "celu": "F.celu", "arctan": "torch.atan", "arcsin": "torch.asin", "arccos": "torch.acos",
    "trunc": "torch.trunc", "conjugate": "torch.conj",
}.items():  # fmt: skip
    declare(f"keras.ops.{_keras}(x)", f"{_torch}({{x:t}})")
for _name in ("vstack", "hstack"):
    declare(f"keras.ops.{_name}(xs)", f"torch.{_name}({{xs}})")
for _keras, _torch in {
    "true_divide": "div",
    "isclose": "isclose",
    "arctan2": "atan2",
    "logical_xor": "logical_xor",
}.items():
    declare(f"keras.ops.{_keras}(x, y)", f"torch.{_torch}({{x}}, {{y}})")
declare("keras.ops.identity(n)", "torch.eye({n})")
declare("keras.ops.glu(x, axis=-1)", "F.glu({x}<, dim={axis}>)")
declare("keras.ops.amax(x, axis=None, keepdims=False)", "torch.amax({x}<, dim={axis}><, keepdim={keepdims}>)")
declare("keras.ops.amin(x, axis=None, keepdims=False)", "torch.amin({x}<, dim={axis}><, keepdim={keepdims}>)")
declare("keras.ops.diff(x, n=1, axis=-1)", "torch.diff({x}<, n={n}>, dim={axis})")
declare("keras.ops.cross(x, y)", "torch.linalg.cross({x}, {y})")
declare("tf.ensure_shape(x, shape)", "{x}", infers="shape")


@rule("tf.map_fn|tf.vectorized_map(function, xs)")
def _mapped(c: Bound) -> str:
    """Of several tensors, and of results that are several, TensorFlow goes through the entries of each."""
    if c.rewriter.fact(c.given["xs"]).kinds != ["tensor"] or c.rewriter.fact(c.node).kinds != ["tensor"]:
        raise Unbound("it is not known to go through one tensor")
    return c.filled("torch.stack([({function})(one) for one in {xs:p}])")


declare("keras.metrics.categorical_accuracy(y_true, y_pred)",
        "({y_true:p}.argmax(dim=-1) == {y_pred:p}.argmax(dim=-1)).to(torch.get_default_dtype())")  # fmt: skip
declare("keras.metrics.sparse_categorical_accuracy(y_true, y_pred)",
        "({y_true:p}.reshape({y_pred:p}.shape[:-1]) == {y_pred:p}.argmax(dim=-1)).to(torch.get_default_dtype())")  # fmt: skip

# -- texts, which are arrays of NumPy

for _name in ("lower", "upper", "strip"):
    declare(f"tf.strings.{_name}(input)", f"each_text(lambda text: str(text).{_name}(), {{input}})")
declare("tf.strings.regex_replace(input, pattern, rewrite, replace_global=True)",
        "regex_replace({input}, {pattern}, {rewrite}<, replace_global={replace_global}>)")  # fmt: skip


@rule("tf.strings.unicode_split(input, input_encoding)")
def _letters(c: Bound) -> str:
    if c.rewriter.fact(c.given["input"]).kinds != ["str"] and c.rewriter.fact(c.given["input"]).ranks != [0]:
        raise Unbound("the texts have different lengths")
    return c.filled("np.asarray(list(str({input})))")


declare("tf.strings.reduce_join(inputs, axis=None, keepdims=False, separator='')",
        "joined_texts({inputs}<, axis={axis}><, separator={separator}>)", when={"keepdims": False})  # fmt: skip
declare("tf.strings.length(input)", "each_text(lambda text: len(str(text)), {input}, int)")

# -- counting and picking

declare("tf.math.count_nonzero|keras.ops.count_nonzero(x, axis=None)", "torch.count_nonzero({x}<, dim={axis}>)")
declare("tf.math.bincount|keras.ops.bincount(x, *, minlength=0)", "torch.bincount({x}<, minlength={minlength}>)")
declare("tf.where(condition)", "torch.nonzero({condition})")
declare("keras.ops.nonzero(x)", "torch.nonzero({x}, as_tuple=True)")
declare("tf.boolean_mask(x, mask)", "{x:p}[{mask}]")
declare("tf.nn.top_k|tf.math.top_k(x, k=1, sorted=True)", "torch.topk({x}, {k})", infers="sorted")
declare("tf.nn.in_top_k(targets, predictions, k)",
        "(torch.topk({predictions}, {k}).indices == {targets:p}[:, None]).any(dim=1)")  # fmt: skip
for _name, _write in {
    "sort": "torch.sort({x}, dim={axis}{rest}).values",
    "argsort": "torch.argsort({x}, dim={axis}{rest}, stable=True)",
}.items():
    for _direction, _rest in {"ASCENDING": "", "DESCENDING": ", descending=True"}.items():
        declare(f"tf.{_name}(x, axis=-1, direction='ASCENDING')", _write.replace("{rest}", _rest),
                when={"direction": _direction})  # fmt: skip
declare("tf.gather_nd(x, indices)", "{x:p}[tuple(torch.as_tensor({indices}).movedim(-1, 0))]")
declare("tf.gather(params, indices, *, axis=1, batch_dims)", "gathered_by_sample({params}, {indices})",
        when={"batch_dims": 1, "axis": 1})  # fmt: skip
declare("keras.ops.take_along_axis(x, indices, axis)", "torch.take_along_dim({x}, {indices:t}, dim={axis})")
declare("tf.slice|keras.ops.slice(x, start, size)", "sliced({x}, {start}, {size})")
declare("keras.ops.split(x, places, axis=0)", "torch.tensor_split({x}, {places}<, dim={axis}>)")
_PLACES = "tuple(torch.as_tensor({indices}).movedim(-1, 0)), torch.as_tensor({updates})"
declare("tf.tensor_scatter_nd_update|keras.ops.scatter_update(x, indices, updates)",
        f"torch.index_put({{x}}, {_PLACES})")  # fmt: skip
declare("tf.tensor_scatter_nd_add(x, indices, updates)", f"torch.index_put({{x}}, {_PLACES}, accumulate=True)")
declare("tf.scatter_nd|keras.ops.scatter(indices, updates, shape)",
        f"torch.zeros({{shape:sizes}}, dtype={{updates:p}}.dtype).index_put({_PLACES}, accumulate=True)")  # fmt: skip
declare("tf.math.unsorted_segment_sum|keras.ops.segment_sum(x, segment_ids, num_segments)",
        "segment_sum({x}, {segment_ids}, {num_segments})")  # fmt: skip
declare("tf.math.segment_sum(x, segment_ids)", "segment_sum({x}, {segment_ids})")
declare(
    "tf.sequence_mask(lengths, maxlen, *, dtype)", "(torch.arange({maxlen}) < {lengths:t}[..., None]).to({dtype:dtype})"
)

# -- shapes

declare("tf.pad(x, paddings, mode='CONSTANT')", "padded({x}, {paddings}, {mode})",
        when={"mode": lambda one: isinstance(one, str) and one.upper() in ("REFLECT", "SYMMETRIC")})  # fmt: skip
declare("keras.ops.pad(x, pad_width, mode='constant', constant_values=None)",
        "F.pad({x}, [s for pair in reversed({pad_width}) for s in pair]<, value={constant_values}>)",
        when={"mode": "constant"})  # fmt: skip
declare("keras.ops.pad(x, pad_width, mode='constant')", "padded({x}, {pad_width}, {mode})",
        when={"mode": lambda one: one in ("reflect", "symmetric")})  # fmt: skip
declare("keras.ops.ndim(x)", "{x:p}.ndim")
declare("tf.meshgrid|keras.ops.meshgrid(*xs, indexing='xy')", "torch.meshgrid({xs}, indexing={indexing})")
declare("tf.nn.space_to_depth(x, block_size)", "space_to_depth({x}, {block_size})")
declare("tf.nn.depth_to_space(x, block_size)", "depth_to_space({x}, {block_size})")
declare("tf.image.flip_left_right(image)", "torch.flip({image}, (-2,))")
declare("tf.image.flip_up_down(image)", "torch.flip({image}, (-3,))")


@rule("tf.image.rgb_to_grayscale(images)")
def _gray(c: Bound) -> str:
    """The weights of the colours are no whole numbers."""
    if not all("float" in one for one in c.rewriter.fact(c.given["images"]).dtypes or ["unknown"]):
        raise Unbound("its images are not known to be of floating numbers")
    return c.filled("({images:p} @ torch.tensor([0.2989, 0.587, 0.114], dtype={images:p}.dtype))[..., None]")


declare("tf.image.per_image_standardization(image)", "standardized({image})")

# -- images

declare("tf.nn.conv1d(input, filters, stride=1, padding='VALID', data_format=None, dilations=1)",
        "convolved({input}, {filters}, inner_sizes({input:p}, {stride}), {padding}"
        "<, inner_sizes({input:p}, {dilations})>)")  # fmt: skip
declare("keras.ops.conv(inputs, kernel, strides=1, padding='valid', *, dilation_rate=1)",
        "convolved({inputs}, {kernel}, inner_sizes({inputs:p}, {strides}), {padding:p}.upper()"
        "<, inner_sizes({inputs:p}, {dilation_rate})>)")  # fmt: skip
for _name, _kind in {"max_pool": "max", "average_pool": "avg"}.items():
    for _strides in ("strides", "pool_size"):
        declare(
            f"keras.ops.{_name}(inputs, pool_size, strides=None, padding='valid')",
            f'pool({{inputs}}, "{_kind}", inner_sizes({{inputs:p}}, {{pool_size}}), '
            f"inner_sizes({{inputs:p}}, {{{_strides}}}), {{padding:p}}.upper())",
            when={"strides": None} if _strides == "pool_size" else {"strides": lambda one: one is not None},
        )

# -- linear algebra

declare("tf.linalg.matvec(a, b)", "({a:p} @ {b:p}[..., None])[..., 0]")
declare("tf.linalg.diag(x)", "torch.diag_embed({x})")
declare("tf.linalg.diag_part(x)", "torch.diagonal({x}, dim1=-2, dim2=-1)")
declare("tf.linalg.trace(x)", "torch.diagonal({x}, dim1=-2, dim2=-1).sum(-1)")
declare("keras.ops.diag(x, k=0)", "torch.diag({x}<, {k}>)")
declare("keras.ops.diagonal(x, offset=0, axis1=0, axis2=1)",
        "torch.diagonal({x}<, {offset}><, dim1={axis1}><, dim2={axis2}>)")  # fmt: skip
declare("keras.ops.trace(x)", "torch.trace({x})")
declare("tf.linalg.inv|keras.ops.inv(x)", "torch.linalg.inv({x})")
declare("tf.linalg.det|keras.ops.det(x)", "torch.linalg.det({x})")
declare("tf.linalg.solve|keras.ops.solve(a, b)", "torch.linalg.solve({a}, {b})")
declare("tf.linalg.cholesky|keras.ops.cholesky(x)", "torch.linalg.cholesky({x})")
declare("keras.ops.outer(x, y)", "torch.outer({x:p}.flatten(), {y:p}.flatten())")


@rule("keras.ops.dot(x, y)")
def _dot(c: Bound) -> str | None:
    ranks = {*c.rewriter.fact(c.given["x"]).ranks, *c.rewriter.fact(c.given["y"]).ranks}
    return c.filled("torch.matmul({x}, {y})") if ranks and ranks <= {1, 2} else None
