"""Keras's layers as PyTorch modules."""

from __future__ import annotations

import ast
import dataclasses
from typing import Any

from netglot.migrate.declare import MISSING, Bound, Table, Unbound
from netglot.migrate.to_torch import plain

table = Table()
declare, rule, mark = table.declare, table.rule, table.mark
_L = "keras.layers."


def _same(name: str, signature: str, *, helper: str = "", when: dict | None = None, infers: str = "") -> None:
    """A layer whose helper takes the same arguments: those that are given are passed on."""
    from netglot.migrate.declare import parsed

    _, parameters = parsed(f"f({signature})")
    silent = set((when or {}) if when else ()) | set(infers.split()) | {"name"}
    parts = []
    for p in parameters:
        if p.name in silent:
            continue
        parts.append(f"{{{p.name}}}" if p.default is None else f"<{p.name}={{{p.name}}}>")
    head, rest = [p for p in parts if not p.startswith("<")], [p for p in parts if p.startswith("<")]
    inner = ", ".join(head)
    for one in rest:
        inner += f"<, {one[1:-1]}>"
    declare(f"{_L}{name}({signature})", f"{helper or name}({inner})", when=when, infers=infers + " name")


STANDARDS = (None, "lower", "strip_punctuation", "lower_and_strip_punctuation")
_NONE: dict = dict.fromkeys(
    ("kernel_regularizer", "bias_regularizer", "activity_regularizer", "kernel_constraint", "bias_constraint")
)
_REG = ", ".join(f"{key}=None" for key in _NONE) + ", name=None, dtype=None"
_DENSE = "activation=None, use_bias=True, kernel_initializer='glorot_uniform', bias_initializer='zeros'"
_SHAPES = ", input_shape=None, input_dim=None, data_format=None, trainable=True, batch_input_shape=None"
_QUIET = "input_shape input_dim batch_input_shape dtype"
_FIXED = _NONE | {"data_format": lambda value: value in (None, "channels_last"), "trainable": True}

_same("Dense", f"units, {_DENSE}, {_REG}{_SHAPES}", when=_FIXED, infers=_QUIET)
for _n in "123":
    _same(
        f"Conv{_n}D",
        f"filters, kernel_size, strides=1, padding='valid', dilation_rate=1, groups=1, {_DENSE}, {_REG}{_SHAPES}",
        when=_FIXED, infers=_QUIET,
    )  # fmt: skip
    table.rows[f"{_L}Convolution{_n}D"] = table.rows[f"{_L}Conv{_n}D"]
    _same(
        f"Conv{_n}DTranspose", f"filters, kernel_size, strides=1, padding='valid', {_DENSE}, {_REG}{_SHAPES}",
        when=_FIXED, infers=_QUIET,
    )  # fmt: skip
    for _kind, _short in (("MaxPooling", "max"), ("AveragePooling", "avg")):
        _alias = {"MaxPooling": "MaxPool", "AveragePooling": "AvgPool"}[_kind]
        declare(
            f"{_L}{_kind}{_n}D|{_L}{_alias}{_n}D(pool_size=2, strides=None, padding='valid', data_format=None, name=None)",
            f'FunctionLayer(pool, kind="{_short}", pool_size={{pool_size}}<, strides={{strides}}><, padding={{padding}}>)',
            when={"data_format": lambda value: value in (None, "channels_last")},
        )
    for _kind, _method in (("Average", "mean"), ("Max", "amax")):
        _axes = tuple(range(1, int(_n) + 1))
        _dims = f"{_axes}" if len(_axes) > 1 else "1"
        declare(
            f"{_L}Global{_kind}Pooling{_n}D|{_L}Global{'Avg' if _kind == 'Average' else 'Max'}Pool{_n}D"
            "(keepdims=False, data_format=None, name=None)",
            f"FunctionLayer(torch.{_method}, dim={_dims}<, keepdim={{keepdims}}>)",
            when={"data_format": lambda value: value in (None, "channels_last")},
        )
    if _n == "1":
        declare(f"{_L}GlobalAveragePooling1D|{_L}GlobalAvgPool1D(name=None, data_format=None)", "FunctionLayer(masked_mean)",
                when={"data_format": None})  # fmt: skip
    _size = "size=2" + (", interpolation='nearest'" if _n == "2" else "")
    declare(
        f"{_L}UpSampling{_n}D({_size}, data_format=None, name=None)",
        "FunctionLayer(upsampled<, size={size}>" + ("<, interpolation={interpolation}>" if _n == "2" else "") + ")",
        when={"data_format": lambda value: value in (None, "channels_last")}
        | ({"interpolation": lambda m: m in ("nearest", "bilinear")} if _n == "2" else {}),
    )
    declare(f"{_L}ZeroPadding{_n}D(padding=1, name=None)", "FunctionLayer(zero_padded, padding={padding})")
    declare(f"{_L}Cropping{_n}D(cropping=0, name=None)", "FunctionLayer(cropped, cropping={cropping})")
    declare(f"{_L}SpatialDropout{_n}D(rate, name=None)", "Dropout({rate}, noise_axes=(0, -1))")
for _row in [r for rows in table.rows.values() for r in rows if "interpolation" in r.when]:
    object.__setattr__(_row, "write", _row.write.replace("><, interp", ">, interp") if False else _row.write)
_same(
    "DepthwiseConv2D",
    "kernel_size, strides=1, padding='valid', depth_multiplier=1, dilation_rate=1, activation=None, use_bias=True, "
    f"depthwise_initializer='glorot_uniform', bias_initializer='zeros', {_REG}{_SHAPES}",
    when=_FIXED, infers=_QUIET,
)  # fmt: skip
_same(
    "SeparableConv2D",
    "filters, kernel_size, strides=1, padding='valid', dilation_rate=1, depth_multiplier=1, activation=None, "
    f"use_bias=True, depthwise_initializer='glorot_uniform', pointwise_initializer='glorot_uniform', {_REG}{_SHAPES}",
    when=_FIXED, infers=_QUIET,
)  # fmt: skip
_STARTS = "beta_initializer='zeros', gamma_initializer='ones'"
_same("BatchNormalization", f"axis=-1, momentum=0.99, epsilon=0.001, center=True, scale=True, {_STARTS}, name=None, trainable=True, input_shape=None",
      when={"trainable": True}, infers="input_shape")  # fmt: skip
_same("LayerNormalization", f"axis=-1, epsilon=0.001, center=True, scale=True, {_STARTS}, name=None")
_same("Dropout", "rate, name=None, seed=None, input_shape=None", infers="seed input_shape")
declare(f"{_L}Dropout(rate, noise_shape=None, seed=None, name=None, input_shape=None)",
        "Dropout({rate}, noise_axes=[i for i, one in enumerate({noise_shape}) if one != 1])", infers="seed input_shape")  # fmt: skip
_same(
    "Embedding", "input_dim, output_dim, embeddings_initializer='uniform', mask_zero=False, input_length=None, name=None, "
    "input_shape=None, trainable=True, weights=None, embeddings_constraint=None, dtype=None",
    when={"trainable": True, "weights": None, "embeddings_constraint": None}, infers="input_length input_shape dtype",
)  # fmt: skip
_RNN = (
    "use_bias=True, return_sequences=False, return_state=False, go_backwards=False, "
    "kernel_initializer='glorot_uniform', recurrent_initializer='orthogonal', bias_initializer='zeros', name=None, "
    f"dropout=0.0, recurrent_dropout=0.0, stateful=False, unroll=False, implementation=2{_SHAPES}"
)
_PLAIN = {"stateful": False, "trainable": True, "data_format": None}
_KINDS = {
    "LSTM": "activation='tanh', recurrent_activation='sigmoid', unit_forget_bias=True, ",
    "GRU": "activation='tanh', recurrent_activation='sigmoid', reset_after=True, ", "SimpleRNN": "activation='tanh', ",
}  # fmt: skip
for _n, _own in _KINDS.items():
    _same(_n, f"units, {_own}{_RNN}", when=_PLAIN, infers=_QUIET + " unroll implementation")
_CELL = _RNN.replace("return_sequences=False, return_state=False, go_backwards=False, ", "")
_CELL = _CELL.replace("stateful=False, unroll=False, implementation=2", "seed=None")
for _n, _own in _KINDS.items():
    _same(f"{_n}Cell", f"units, {_own}{_CELL}", when={"trainable": True, "data_format": None}, infers=_QUIET + " seed")
declare(f"{_L}StackedRNNCells(cells, name=None)", "StackedCells({cells})")
_same("RNN", "cell, return_sequences=False, return_state=False, go_backwards=False, unroll=False, name=None",
      infers="unroll")  # fmt: skip
_same("Bidirectional", "layer, merge_mode='concat', name=None, input_shape=None", infers="input_shape")
_same("TimeDistributed", "layer, name=None, input_shape=None", infers="input_shape")
_same(
    "MultiHeadAttention", "num_heads, key_dim, value_dim=None, dropout=0.0, use_bias=True, output_shape=None, name=None"
)
declare(f"{_L}Flatten(data_format=None, name=None, input_shape=None)", "FunctionLayer(torch.flatten, start_dim=1)",
        when={"data_format": None}, infers="input_shape name")  # fmt: skip
declare(f"{_L}Reshape(target_shape, name=None, input_shape=None)",
        "FunctionLayer(lambda x, shape: x.reshape(len(x), *shape), shape={target_shape})", infers="input_shape name")  # fmt: skip
declare(f"{_L}Permute(dims, name=None)", "FunctionLayer(lambda x, dims: x.permute(0, *dims), dims={dims})")
declare(f"{_L}RepeatVector(n, name=None)", "FunctionLayer(lambda x, n: x[:, None].repeat(1, n, 1), n={n})")
declare(f"{_L}Activation(activation, name=None)", "FunctionLayer(function_of({activation}))")
_same("ReLU", "max_value=None, negative_slope=0.0, threshold=0.0, name=None")
declare(f"{_L}LeakyReLU(negative_slope=0.3, name=None)", "FunctionLayer(F.leaky_relu, negative_slope={negative_slope})")
declare(f"{_L}LeakyReLU(*, alpha, name=None)", "FunctionLayer(F.leaky_relu, negative_slope={alpha})")
declare(f"{_L}ELU(alpha=1.0, name=None)", "FunctionLayer(F.elu, alpha={alpha})")
_same("PReLU", "alpha_initializer='zeros', shared_axes=None, name=None")
_same("GroupNormalization", "groups=32, axis=-1, epsilon=0.001, center=True, scale=True, name=None", when={"axis": -1})
_same("Masking", "mask_value=0.0, name=None, input_shape=None", infers="input_shape")
_same("Attention", "use_scale=False, dropout=0.0, name=None", when={"use_scale": False})
_same(
    "Normalization",
    "axis=-1, mean=None, variance=None, input_shape=None, name=None, dtype=None",
    infers="input_shape dtype",
)
for _n in ("GaussianNoise", "GaussianDropout", "AlphaDropout"):
    _rate = "stddev" if _n == "GaussianNoise" else "rate"
    _write = f"nn.AlphaDropout({{{_rate}}})" if _n == "AlphaDropout" else f"{_n}({{{_rate}}})"
    declare(f"{_L}{_n}({_rate}, seed=None, name=None)", _write, infers="seed")
for _n, _signature in {
    "RandomFlip": "mode='horizontal_and_vertical'", "RandomRotation": "factor, fill_mode='reflect'",
    "RandomZoom": "height_factor, width_factor=None, fill_mode='reflect'",
    "RandomTranslation": "height_factor, width_factor, fill_mode='reflect'", "RandomContrast": "factor",
    "RandomBrightness": "factor",
}.items():  # fmt: skip
    _same(_n, f"{_signature}, seed=None, name=None, input_shape=None, interpolation='bilinear', fill_value=0.0",
          when={"interpolation": "bilinear", "fill_value": 0.0}, infers="seed input_shape")  # fmt: skip
declare(f"{_L}Resizing(height, width, interpolation='bilinear', name=None)",
        "FunctionLayer(image_resized, size=({height}, {width})<, method={interpolation}>)",
        when={"interpolation": lambda m: m in ("bilinear", "nearest")})  # fmt: skip
_same("CategoryEncoding", "num_tokens=None, output_mode='multi_hot', name=None")
declare(f"{_L}UnitNormalization(axis=-1, name=None)", "FunctionLayer(F.normalize, dim={axis})")
declare(f"{_L}Dot(axes, normalize=False, name=None)", "FunctionLayer(dotted, axes={axes}<, normalize={normalize}>)")
declare(f"{_L}dot(inputs, axes, normalize=False, name=None)",
        "FunctionLayer(dotted, axes={axes}<, normalize={normalize}>)({inputs})")  # fmt: skip
declare(f"{_L}Softmax(axis=-1, name=None)", "FunctionLayer(torch.softmax, dim={axis})")
declare(f"{_L}Identity(name=None)", "FunctionLayer(lambda x: x)")
declare(f"{_L}Lambda(function, name=None, output_shape=None, input_shape=None, mask=None, arguments=None)", "FunctionLayer({function})",
        when={"mask": None, "arguments": None}, infers="output_shape name input_shape")  # fmt: skip
declare(f"{_L}Lambda(function, name=None, output_shape=None, arguments=None)", "FunctionLayer({function}, **{arguments})",
        infers="output_shape name")  # fmt: skip
declare(f"{_L}Rescaling(scale, offset=0.0, name=None, input_shape=None)",
        "FunctionLayer(lambda x, scale, offset: x * scale + offset, scale={scale}, offset={offset})",
        infers="input_shape name")  # fmt: skip
declare(f"{_L}Concatenate(axis=-1, name=None)", "FunctionLayer(torch.cat, dim={axis})")
declare(f"{_L}concatenate(inputs, axis=-1, name=None)", "FunctionLayer(torch.cat, dim={axis})({inputs})")
for _kind in ("Add", "Multiply", "Average", "Subtract", "Maximum", "Minimum"):
    declare(f"{_L}{_kind}(name=None)", f'FunctionLayer(merged, how="{_kind.lower()}")')
    declare(f"{_L}{_kind.lower()}(inputs, name=None)", f'FunctionLayer(merged, how="{_kind.lower()}")({{inputs}})')
declare("keras.Input|keras.layers.Input|keras.layers.InputLayer|keras.InputLayer(shape=None, batch_size=None, dtype=None, name=None, *, input_shape=None)",
        "Input(shape={input_shape}<, dtype={dtype}>)", when={"shape": None, "batch_size": None}, infers="batch_size shape name")  # fmt: skip
declare("keras.Input|keras.layers.Input|keras.layers.InputLayer|keras.InputLayer(shape=None, batch_size=None, dtype=None, name=None, *, batch_shape=None)",
        "Input({shape}<, batch_size={batch_size}><, dtype={dtype}><, batch_shape={batch_shape}>)")  # fmt: skip


@rule("keras.Sequential|keras.models.Sequential(layers=None, name=None)", infers="name")
def _sequential(c: Bound) -> str:
    if (made := plain.sequential(c.rewriter, c.node, c.given.get("layers"))) is not None:
        return made
    if (made := _with_input(c)) is not None:
        return made
    return c.filled("Sequential(") + (c.text("layers") if c.has("layers") else "") + ")"


def _with_input(c: Bound) -> str | None:
    """Layers of which the first one says what its input is, with that input before them."""
    r, listed = c.rewriter, c.given.get("layers")
    first = listed.elts[0] if isinstance(listed, ast.List) and listed.elts else None
    shape = declared_input(r, first) if isinstance(first, ast.Call) else None
    if shape is None:
        return None
    gap = ",\n" + r.spans.indent(first) if r._begins_line(first) else ", "
    put = f"{r.need('Input')}(shape={shape}){gap}"
    inner = r.spans.composed(listed, lambda one: put + r.text(one) if one is first else r.text(one))
    return c.filled("Sequential(") + inner + ")"


def declared_input(r: Any, layer: ast.Call) -> str | None:
    """The shape that a layer declares of its input, as text; None where it declares none, or is given more by it."""
    name = r.dotted(layer.func) or ""
    if not name.startswith("keras.layers.") or name.endswith(("Input", "InputLayer")):
        return None
    for option in layer.keywords:
        if option.arg == "input_shape":
            return r.text(option.value)
        if option.arg == "input_dim" and not name.endswith("Embedding"):
            return f"({r.text(option.value)},)"
        if option.arg == "batch_input_shape":
            return f"{r.text(option.value)}[1:]"
    return None


@rule("keras.Model|keras.models.Model(inputs, outputs, name=None)", infers="name")
def _model(c: Bound) -> str:
    """Outputs have names where the file calls them by name."""
    names = c.rewriter.fact(c.node).extra.get("outputs", ())
    told = {one.value for one in ast.walk(c.rewriter.file.tree) if isinstance(one, ast.Constant)}
    listed = f", output_names={list(names)}".replace("'", '"') if len(names) > 1 and set(names) <= told else ""
    dictionary = isinstance(c.given["outputs"], ast.Dict)
    return c.filled("Model({inputs}, {outputs}") + ("" if dictionary else listed) + ")"


declare(
    f"{_L}TextVectorization(max_tokens=None, standardize='lower_and_strip_punctuation', split='whitespace', ngrams=None, "
    "output_mode='int', output_sequence_length=None, pad_to_max_tokens=False, vocabulary=None, name=None, "
    "input_shape=None, dtype=None, ragged=False, encoding='utf-8')",
    "TextVectorization(<max_tokens={max_tokens}><, standardize={standardize}><, split={split}><, output_mode={output_mode}>"
    "<, output_sequence_length={output_sequence_length}><, vocabulary={vocabulary}>)",
    when={
        "ngrams": None, "ragged": False, "pad_to_max_tokens": False, "standardize": lambda value: value in STANDARDS,
        "split": lambda value: value in ("whitespace", "character", None),
        "output_mode": lambda value: value in ("int", "multi_hot", "count"),
    },
    infers="input_shape dtype encoding",
)  # fmt: skip
for _row in table.rows[f"{_L}TextVectorization"][:1]:
    _free = {name: wanted for name, wanted in _row.when.items() if name != "standardize"}
    table.rows[f"{_L}TextVectorization"].append(dataclasses.replace(_row, when=_free))
for _lookup, _oov in (("StringLookup", "'[UNK]'"), ("IntegerLookup", "-1")):
    declare(
        f"{_L}{_lookup}(max_tokens=None, num_oov_indices=1, mask_token=None, oov_token={_oov}, vocabulary=None, "
        "invert=False, output_mode='int', name=None, dtype=None)",
        "Lookup(<max_tokens={max_tokens}><, num_oov_indices={num_oov_indices}><, mask_token={mask_token}>"
        + (", oov_token={oov_token}" if _lookup == "IntegerLookup" else "<, oov_token={oov_token}>")
        + "<, vocabulary={vocabulary}><, invert={invert}><, output_mode={output_mode}>)",
        when={"num_oov_indices": lambda value: value in (0, 1),
              "output_mode": lambda value: value in ("int", "one_hot", "multi_hot", "count")}, infers="dtype",
    )  # fmt: skip


@rule("keras.models.clone_model|keras.clone_model(model)")
def _cloned(c: Bound) -> str:
    """Keras's clone starts anew; one that is given its weights anyway is a copy."""
    parent = c.rewriter.parent(c.node)
    held = c.rewriter.source(parent.targets[0]) if isinstance(parent, ast.Assign) else ""
    given = any(
        isinstance(one, ast.Call) and isinstance(one.func, ast.Attribute) and one.func.attr == "set_weights"
        and c.rewriter.source(one.func.value) == held for one in ast.walk(c.rewriter.file.tree)
    )  # fmt: skip
    return c.filled("copy.deepcopy({model})" if given else "clone_model({model})")


declare("keras.regularizers.L2|keras.regularizers.l2(l2=0.01)", "l2(<{l2}>)")
declare("keras.regularizers.L2|keras.regularizers.l2(*, l)", "l2({l})")
declare("keras.regularizers.L1|keras.regularizers.l1(l1=0.01)", "l1(<{l1}>)")
declare("keras.regularizers.L1L2|keras.regularizers.l1_l2(l1=0.0, l2=0.0)", "l1_l2(l1={l1}, l2={l2})")
for _keras, _torch in {
    "HeNormal": '"he_normal"', "HeUniform": '"he_uniform"', "GlorotUniform": '"glorot_uniform"',
    "GlorotNormal": '"glorot_normal"', "LecunNormal": '"lecun_normal"', "LecunUniform": '"lecun_uniform"',
    "Zeros": '"zeros"', "Ones": '"ones"',
}.items():  # fmt: skip
    _old = _keras[0].lower() + "".join("_" + c.lower() if c.isupper() else c for c in _keras[1:])
    declare(
        f"keras.initializers.{_keras}|tf.{_old}_initializer|tf.initializers.{_keras}(seed=None)", _torch, infers="seed"
    )
declare(
    "keras.initializers.Orthogonal(gain=1.0, seed=None)",
    "functools.partial(nn.init.orthogonal_, gain={gain})",
    infers="seed",
)
declare("keras.initializers.RandomNormal|tf.random_normal_initializer|tf.initializers.RandomNormal(mean=0.0, stddev=0.05, seed=None)",
        "functools.partial(nn.init.normal_, mean={mean}, std={stddev})", infers="seed")  # fmt: skip
declare("keras.initializers.TruncatedNormal|tf.initializers.TruncatedNormal(mean=0.0, stddev=0.05, seed=None)",
        "functools.partial(nn.init.trunc_normal_, mean={mean}, std={stddev}, a={mean} - 2 * {stddev}, b={mean} + 2 * {stddev})", infers="seed")  # fmt: skip
declare("keras.initializers.RandomUniform|tf.random_uniform_initializer|tf.initializers.RandomUniform(minval=-0.05, maxval=0.05, seed=None)",
        "functools.partial(nn.init.uniform_, a={minval}, b={maxval})", infers="seed")  # fmt: skip


@rule(
    "keras.initializers.Constant|keras.initializers.constant|tf.constant_initializer|tf.initializers.Constant(value=0.0)"
)
def _constant(c: Bound) -> str:
    """One number everywhere, or the values of an array."""
    whole = c.literal("value") is MISSING and not {"int", "float"} & {*c.rewriter.peek(c.given["value"]).kinds}
    whole = whole or isinstance(c.literal("value"), list)
    return c.filled("filled_with({value})" if whole else "functools.partial(nn.init.constant_, val={value})")


declare("keras.initializers.get(identifier)", "{identifier}")
declare("keras.regularizers.get(identifier)", "penalty_of({identifier})")
declare("keras.activations.get(identifier)", "function_of({identifier})")


@rule(
    "keras.initializers.serialize|keras.regularizers.serialize|keras.activations.serialize|keras.constraints.serialize(x)"
)
def _serialized(c: Bound) -> str:
    """What a layer tells of itself is said by the same words."""
    holder = c.rewriter.around(c.node, ast.FunctionDef)
    if not isinstance(holder, ast.FunctionDef) or holder.name != "get_config":
        raise Unbound("PyTorch has no configurations of layers")
    return c.filled("{x}")
