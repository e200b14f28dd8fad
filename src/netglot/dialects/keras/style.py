"""What Keras source looks like beyond single ops: base classes, constructors, weights, sizes."""

from __future__ import annotations

import ast
import dataclasses
from typing import Any

from netglot.dialects.keras.initialisers import HELPERS, bare, initialised
from netglot.pivot.dims import Dim
from netglot.pivot.graph import Value
from netglot.source import spell
from netglot.source.constants import Everywhere, Few, Form, Forms, Range, Triangle
from netglot.source.outline import Outline
from netglot.source.parts import Member

_ACTIVATIONS = {
    "layers.ReLU": "relu",
    "layers.Softmax": None,
}
_ROLES = {
    "Conv1D": "conv", "Conv2D": "conv", "Conv3D": "conv", "DepthwiseConv2D": "conv", "DepthwiseConv1D": "conv",
    "Conv1DTranspose": "conv", "Conv2DTranspose": "conv", "Conv3DTranspose": "conv",
    "BatchNormalization": "norm", "UnbiasedBatchNormalization": "norm", "LayerNormalization": "norm",
    "GroupNormalization": "norm", "RMSNormalization": "norm",
    "Activation": "activation", "ReLU": "activation", "LeakyReLU": "activation",
    "PReLU": "activation", "ELU": "activation", "Dense": "dense", "Embedding": "embedding", "Dropout": "dropout",
    "SpatialDropout1D": "dropout", "SpatialDropout2D": "dropout", "SpatialDropout3D": "dropout", "LSTM": "lstm",
    "GRU": "gru", "SimpleRNN": "rnn", "Bidirectional": "rnn", "MultiHeadAttention": "attention",
    "DropoutAttention": "attention", "MaskedDropoutAttention": "attention", "BiasedDropoutAttention": "attention",
    "ZeroPadding1D": "pad", "ZeroPadding2D": "pad", "ZeroPadding3D": "pad", "Flatten": "flatten",
}  # fmt: skip
_DEFAULTS: dict[str, Any] = {
    "strides": 1, "padding": "valid", "dilation_rate": 1, "groups": 1, "use_bias": True, "activation": None,
    "depth_multiplier": 1, "axis": -1, "center": True, "scale": True, "kernel_initializer": "glorot_uniform",
    "bias_initializer": "zeros", "return_sequences": False, "return_state": False, "go_backwards": False,
    "trainable": True, "noise_shape": None, "keepdims": False, "data_format": None,
}  # fmt: skip
_POSITIONAL: dict[str, tuple[str, ...]] = {
    "Conv": ("filters", "kernel_size"), "DepthwiseConv": ("kernel_size",), "Dense": ("units",),
    "Embedding": ("input_dim", "output_dim"), "LSTM": ("units",), "GRU": ("units",), "SimpleRNN": ("units",),
    "Dropout": ("rate",), "MaskedDropout": ("rate",), "BiasedDropout": ("rate",),
    "SpatialDropout": ("rate",), "Activation": ("activation",), "ZeroPadding": ("padding",),
    "MaxPooling": ("pool_size",), "AveragePooling": ("pool_size",), "GroupNormalization": ("groups",),
    "UpSampling": ("size",), "Cropping": ("cropping",),
    "AdaptiveAverage": ("output_size",), "AdaptiveMax": ("output_size",), "Reshape": ("target_shape",),
    "Permute": ("dims",), "RepeatVector": ("n",), "LeakyReLU": ("negative_slope",),
}  # fmt: skip
_BY_NAME = {
    "layers.MultiHeadAttention": ("num_heads", "key_dim"),
    "MaskedMultiHeadAttention": ("num_heads", "key_dim"),
}

_RESERVED = frozenset(
    "name dtype input output losses metrics variables weights layers call build trainable inputs outputs path "
    "add_weight summary compile fit evaluate predict save quantize optimizer loss input_spec supports_masking "
    "autocast built stop_evaluating distribute_strategy run_eagerly jit_compile train_step test_step".split()
)


class KerasStyle:
    """The `Style` of Keras 3.

    `exact_training` takes a subclass of batch normalisation that keeps the unbiased variance, as PyTorch does.
    `mode` is the fan by which the network's normal kernels are scaled.
    """

    def __init__(self, *, exact_training: bool = False, mode: str = "fan_out"):
        self.exact_training = exact_training
        self.mode = mode
        self.helpers: set[str] = set()
        self.forms = Forms()
        self.unknown: list[str] = []
        """Parameters whose initialiser is not known."""

    def initialised(self, layer: spell.Layer, parameters_of) -> spell.Layer:
        made, helpers, unknown = initialised(layer, parameters_of, self.mode)
        self.helpers.update(helpers)
        self.unknown.extend(unknown)
        return made

    omitted = frozenset(_DEFAULTS)
    append = "add"
    loose: frozenset[str] = frozenset()
    extreme = "ops.{}imum"
    forward = "call"  # Keras calls a layer for its input only
    order: tuple[str, ...] = ()
    last: tuple[str, ...] = ()
    reserved = _RESERVED

    def construct(self, layer: spell.Layer) -> spell.Call:
        options = {k: v for k, v in layer.options.items() if v is not spell.OMIT}
        named = _BY_NAME.get(layer.layer)
        if named:  # two numbers side by side say nothing
            return spell.Call(layer.layer, (), dict(zip(named, layer.arguments, strict=False)) | options)
        return spell.Call(layer.layer, layer.arguments, options)

    def positional(self, function: str) -> tuple[str, ...]:
        """The names of a layer's leading positional arguments."""
        plain = function.removeprefix("layers.")
        found = next((names for start, names in _POSITIONAL.items() if plain.startswith(start)), ())
        return (*found, *(f"argument{i}" for i in range(len(found), 9)))

    def default(self, name: str, layer: str) -> Any:
        if (name, layer) == ("groups", "layers.GroupNormalization"):
            return 32
        if name == "strides" and "Pooling" in layer:
            return None
        return _DEFAULTS.get(name)

    def role(self, layer: str) -> str:
        plain = layer.rpartition(".")[2]
        for ending in ("Pooling1D", "Pooling2D", "Pooling3D"):
            if plain.endswith(ending):
                return "pool"
        return _ROLES.get(plain, _snake(plain))

    def size(self, value: ast.expr, axis: int) -> ast.expr:
        shape = ast.Call(ast.parse("ops.shape", mode="eval").body, [value], [])
        return ast.Subscript(shape, ast.Constant(axis), ast.Load())

    def item(self, index: int) -> str:
        return f".layers[{index}]"

    def typed(self, layer: spell.Layer, dtype: str) -> spell.Layer:
        return dataclasses.replace(layer, options={**layer.options, "dtype": dtype})

    def tidy(self, spelling: spell.Spelling) -> spell.Spelling:
        if isinstance(spelling, spell.Call) and spelling.function in ("ops.reshape",):
            x, shape, *rest = spelling.arguments
            unknown = [i for i, size in enumerate(shape) if isinstance(size, Dim)]
            if unknown and _alone(x, shape, unknown[0]):
                shape = tuple(-1 if i == unknown[0] else size for i, size in enumerate(shape))
            return spell.Call(spelling.function, (x, tuple(shape), *rest), spelling.options, spelling.helper)
        if self.exact_training and isinstance(spelling, spell.Layer) and spelling.layer == "layers.BatchNormalization":
            name = "UnbiasedBatchNormalization"
            return dataclasses.replace(spelling, layer=name, helper=name)
        if (
            isinstance(spelling, spell.Layer)
            and not spelling.weights
            and not spelling.options
            and not spelling.arguments
        ):
            named = _ACTIVATIONS.get(spelling.layer)
            if named:
                return spell.Layer(
                    "layers.Activation", spelling.inputs, {}, arguments=(named,), function=spelling.function
                )
        return spelling

    def built(self, member: Member, shape: tuple) -> str | None:
        """The call that makes a layer's weights before its first call."""
        assert member.layer is not None
        known = tuple(None if isinstance(size, Dim) else size for size in shape)
        return "build()" if member.layer.layer == "layers.Embedding" else f"build({known!r})"

    def variable(self, member: Member, owner: ast.expr, key: str) -> ast.expr:
        for part in key.split("."):
            owner = ast.Attribute(owner, part, ast.Load())
        return owner

    # -- classes

    def base(self, root: bool) -> str:
        """The base class of an emitted class."""
        return "keras.Model" if root else "layers.Layer"

    def more_arguments(self) -> list[str]:
        """Arguments that every constructor takes besides its own."""
        return ["**kwargs"]

    def super_init(self) -> str:
        """The first statement of a constructor."""
        return "super().__init__(**kwargs)"

    def list(self, text: str) -> str:
        """A list of layers."""
        return text

    def sequence(self, items: ast.expr | None) -> ast.expr:
        """Layers that are called one after the other; None for none yet."""
        return ast.Call(ast.parse("keras.Sequential", mode="eval").body, [] if items is None else [items], [])

    def call_header(self, names: list[str], inputs: list[str] | None):
        """The first lines of a call; `inputs` are the names of the network's inputs where it is the network's."""
        if inputs is not None and len(inputs) > 1:
            yield "def call(self, inputs):"
            for name, key in zip(names, inputs, strict=True):
                yield f'    {name} = inputs["{key}"]'
        else:
            yield f"def call({', '.join(['self', *names])}):"

    def weight_arguments(self, member: Member, outline: Outline) -> dict[str, Any]:
        """What describes a bare variable."""
        assert member.value is not None
        return {
            "shape": tuple(member.value.shape),
            "trainable": outline.trainable(member.recipe),
            "dtype": None if member.value.dtype.startswith("float") else member.value.dtype,
            "initializer": self._weight_initialiser(member, outline),
        }

    def _weight_initialiser(self, member: Member, outline: Outline) -> Any:
        form = self.forms.of(member, outline)
        if isinstance(form, Form):
            return _filled(form)
        trained = [p for p in outline.base_parameters(member.recipe) if p.trainable]
        self.unknown.extend(p.name for p in trained[:1] if p.initialiser is None)
        made = bare(trained)
        if isinstance(made, spell.Call) and made.function in HELPERS:
            self.helpers.add(made.function)
        return made

    def weight_statements(self, member: Member, table: dict[str, ast.expr], outline: Outline):
        """The statements that make a bare variable."""
        parts = [f"shape={ast.unparse(table['shape'])}"]
        parts.append(f"initializer={ast.unparse(table['initializer'])}")
        for key, default in (("trainable", "True"), ("dtype", "None")):
            text = ast.unparse(table[key])
            if text != default:
                parts.append(f"{key}={text}")
        parts.append(f'name="{member.attr}"')
        yield f"self.{member.attr} = self.add_weight({', '.join(parts)})"


def _filled(form: Form) -> Any:
    """The initialiser of a constant."""
    made: Any
    match form:
        case Everywhere(value):
            if value in (0, 1):
                return "ones" if value else "zeros"
            made = value
        case Range(start, stop):
            made = spell.call("ops.arange", *((start, stop) if start else (stop,)))
        case Triangle():
            ones = spell.call("ops.ones", (form.rows, form.columns))
            made = spell.call("ops.tril" if form.lower else "ops.triu", ones, **_unless(form.diagonal, 0, "k"))
        case Few(values):
            made = values
    return spell.call("keras.initializers.Constant", made)


def _unless(value: int, default: int, name: str) -> dict[str, int]:
    return {} if value == default else {name: value}


def _alone(x: Any, shape, unknown: int) -> bool:
    """Whether -1 in the place of an unknown size says the same: the other sizes are known or can be written."""
    return isinstance(x, Value | spell.Spelling)


def _snake(text: str) -> str:
    import re

    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", text).lower()
