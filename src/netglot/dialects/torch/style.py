"""What PyTorch source looks like beyond single ops: base classes, constructors, weights, sizes."""

from __future__ import annotations

import ast
import dataclasses
import re
from collections.abc import Iterator
from typing import Any

from netglot.pivot.dims import Dim
from netglot.pivot.initialiser import Initialiser
from netglot.pivot.op import FLOATS
from netglot.source import spell
from netglot.source.constants import Everywhere, Few, Form, Forms, Range, Triangle
from netglot.source.outline import Outline
from netglot.source.parts import Member

_ROLES = {
    "MultiheadAttention": "attention", "Linear": "linear", "Embedding": "embedding", "PReLU": "activation",
    "ReLU": "relu", "ReLU6": "relu", "GELU": "gelu", "SiLU": "silu", "ELU": "elu", "SELU": "selu", "CELU": "celu",
    "LeakyReLU": "activation", "LSTM": "lstm", "GRU": "gru", "RNN": "rnn", "ResetFirstGRU": "gru",
    "MaskedLSTM": "lstm", "ConvLSTM": "conv_lstm", "MaskedGRU": "gru", "MaskedRNN": "rnn", "MaskedResetFirstGRU": "gru",
    "Upsample": "upsample", "StochasticDepth": "drop_path", "SharedDropout": "dropout", "LayerNorm": "norm",
    "GroupNorm": "norm", "RMSNorm": "norm", "LocalResponseNorm": "norm",
}  # fmt: skip
_ROLE_STARTS = (
    ("ConvTranspose", "conv"), ("Conv", "conv"), ("BatchNorm", "norm"), ("InstanceNorm", "norm"),
    ("UnscaledBatchNorm", "norm"), ("UnshiftedBatchNorm", "norm"), ("Dropout", "dropout"), ("AlphaDropout", "dropout"),
    ("FeatureAlphaDropout", "dropout"), ("MaxPool", "pool"), ("AvgPool", "pool"), ("Adaptive", "pool"),
    ("ZeroPad", "pad"), ("ReflectionPad", "pad"), ("ReplicationPad", "pad"), ("CircularPad", "pad"),
)  # fmt: skip
_DEFAULTS: dict[str, Any] = {
    "stride": 1, "padding": 0, "output_padding": 0, "dilation": 1, "groups": 1, "bias": True, "affine": True,
    "track_running_stats": True, "elementwise_affine": True, "padding_idx": None, "batch_first": False,
    "bidirectional": False, "nonlinearity": "tanh", "dropout": 0.0, "kdim": None, "vdim": None, "ceil_mode": False,
    "count_include_pad": True, "divisor_override": None, "approximate": "none", "size": None, "scale_factor": None,
    "mode": "nearest", "align_corners": None, "alpha": 1.0, "lambd": 0.5, "beta": 1.0, "threshold": 20.0,
}  # fmt: skip
_DEFAULTS_OF: dict[tuple[str, str], Any] = {
    ("MaxPool", "stride"): None, ("AvgPool", "stride"): None, ("InstanceNorm", "affine"): False, ("GLU", "dim"): -1,
}  # fmt: skip
"""Defaults of layers, by the beginning of their name, that are others than in most layers."""
_POSITIONAL: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Conv", ("in_channels", "out_channels", "kernel_size")), ("Linear", ("in_features", "out_features")),
    ("BatchNorm", ("num_features",)), ("UnscaledBatchNorm", ("num_features",)),
    ("UnshiftedBatchNorm", ("num_features",)), ("InstanceNorm", ("num_features",)),
    ("LayerNorm", ("normalized_shape",)), ("RMSNorm", ("normalized_shape",)),
    ("GroupNorm", ("num_groups", "num_channels")), ("Embedding", ("num_embeddings", "embedding_dim")),
    ("LSTM", ("input_size", "hidden_size")), ("GRU", ("input_size", "hidden_size")),
    ("RNN", ("input_size", "hidden_size")), ("ResetFirstGRU", ("input_size", "hidden_size")),
    ("MultiheadAttention", ("embed_dim", "num_heads")), ("MaxPool", ("kernel_size",)), ("AvgPool", ("kernel_size",)),
    ("Adaptive", ("output_size",)), ("Dropout", ("p",)), ("AlphaDropout", ("p",)), ("FeatureAlphaDropout", ("p",)),
    ("StochasticDepth", ("p",)), ("SharedDropout", ("p", "axes")), ("PReLU", ("num_parameters",)),
    ("LocalResponseNorm", ("size",)), ("PixelShuffle", ("upscale_factor",)), ("PixelUnshuffle", ("downscale_factor",)),
    ("Flatten", ("start_dim", "end_dim")), ("Unflatten", ("dim", "unflattened_size")), ("ZeroPad", ("padding",)),
    ("ReflectionPad", ("padding",)), ("ReplicationPad", ("padding",)), ("CircularPad", ("padding",)),
    ("Threshold", ("threshold", "value")), ("Hardtanh", ("min_val", "max_val")), ("RReLU", ("lower", "upper")),
    ("Unfold", ("kernel_size",)), ("Fold", ("output_size", "kernel_size")),
)  # fmt: skip
_ORDER = tuple(
    "kernel_size stride padding output_padding dilation groups eps momentum elementwise_affine affine "
    "track_running_stats dropout nonlinearity bias kdim vdim batch_first bidirectional ceil_mode count_include_pad "
    "divisor_override".split()
)
_RESERVED = frozenset(
    "training forward parameters buffers children modules train eval type to float double half bfloat16 apply cpu "
    "cuda ipu xpu mtia state_dict load_state_dict add_module register_buffer register_parameter register_module "
    "requires_grad_ zero_grad compile share_memory get_parameter get_buffer get_submodule set_submodule extra_repr "
    "named_parameters named_buffers named_children named_modules get_extra_state set_extra_state to_empty".split()
)
_SHAPES = ("reshape", "expand", "repeat")
"""Methods whose arguments are sizes, of which -1 can stand for one."""


class TorchStyle:
    """The `Style` of PyTorch."""

    omitted = frozenset(_DEFAULTS)
    append = "append"
    loose = frozenset({"nn.Flatten", "nn.Unflatten"})
    order = _ORDER
    extreme = "{}"
    forward = ""

    def __init__(self):
        self.last: list[str] = []
        """The last statements of the root's constructor."""
        self.forms = Forms()
        self.unknown: list[str] = []
        """Parameters whose initialiser is not known."""

    reserved = _RESERVED

    def construct(self, layer: spell.Layer) -> spell.Call:
        options = {k: v for k, v in layer.options.items() if v is not spell.OMIT}
        return spell.Call(layer.layer, layer.arguments, options)

    def initialised(self, layer: spell.Layer, parameters_of) -> spell.Layer:
        return layer

    def positional(self, function: str) -> tuple[str, ...]:
        """The names of a layer's leading positional arguments."""
        plain = function.removeprefix("nn.")
        found = next((names for start, names in _POSITIONAL if plain.startswith(start)), ())
        return (*found, *(f"argument{i}" for i in range(len(found), 9)))

    def default(self, name: str, layer: str) -> Any:
        plain = layer.removeprefix("nn.")
        own = next((v for (start, n), v in _DEFAULTS_OF.items() if n == name and plain.startswith(start)), spell.OMIT)
        return _DEFAULTS.get(name) if own is spell.OMIT else own

    def role(self, layer: str) -> str:
        plain = layer.rpartition(".")[2]
        start = next((role for start, role in _ROLE_STARTS if plain.startswith(start)), None)
        return _ROLES.get(plain) or start or _snake(plain)

    def size(self, value: ast.expr, axis: int) -> ast.expr:
        return ast.Subscript(ast.Attribute(value, "shape", ast.Load()), ast.Constant(axis), ast.Load())

    def item(self, index: int) -> str:
        return f"[{index}]"

    def tidy(self, spelling: spell.Spelling) -> spell.Spelling:
        if isinstance(spelling, spell.Method) and spelling.name == "reshape":
            unknown = [i for i, size in enumerate(spelling.arguments) if isinstance(size, Dim)]
            if unknown and -1 not in spelling.arguments:
                sizes = tuple(-1 if i == unknown[0] else size for i, size in enumerate(spelling.arguments))
                return spell.Method(spelling.target, spelling.name, sizes, spelling.options)
        if isinstance(spelling, spell.Layer) and isinstance(spelling.function, spell.Method):
            function = self.tidy(spelling.function)
            return dataclasses.replace(spelling, function=function)
        return spelling

    def typed(self, layer: spell.Layer, dtype: str) -> spell.Layer:
        if not layer.layer.startswith("nn."):
            return layer
        return dataclasses.replace(layer, options={**layer.options, "dtype": spell.Name(f"torch.{dtype}")})

    def built(self, member: Member, shape: tuple) -> str | None:
        """Modules make their weights in the constructor."""
        return None

    def variable(self, member: Member, owner: ast.expr, key: str) -> ast.expr:
        for part in key.split("."):
            owner = ast.Attribute(owner, part, ast.Load())
        return owner

    # -- classes

    def base(self, root: bool) -> str:
        """The base class of an emitted class."""
        return "nn.Module"

    def more_arguments(self) -> list[str]:
        """Arguments that every constructor takes besides its own."""
        return []

    def super_init(self) -> str:
        """The first statement of a constructor."""
        return "super().__init__()"

    def list(self, text: str) -> str:
        """A list of modules."""
        return f"nn.ModuleList({text})"

    def sequence(self, items: ast.expr | None) -> ast.expr:
        """Modules that are called one after the other; None for none yet."""
        arguments = (
            [] if items is None else items.elts if isinstance(items, ast.List) else [ast.Starred(items, ast.Load())]
        )
        return ast.Call(ast.parse("nn.Sequential", mode="eval").body, arguments, [])

    def call_header(self, names: list[str], inputs: list[str] | None) -> Iterator[str]:
        """The first lines of a call."""
        yield f"def forward({', '.join(['self', *names])}):"

    def weight_arguments(self, member: Member, outline: Outline) -> dict[str, Any]:
        """What describes a bare variable."""
        assert member.value is not None
        kinds = {p.kind for p in outline.base_parameters(member.recipe)}
        dtype = member.value.dtype
        plain = dtype in FLOATS
        mixed = len({p.dtype for p in outline.graph.parameters.values() if p.dtype in FLOATS}) > 1
        hows = {p.initialiser for p in outline.base_parameters(member.recipe) if p.trainable}
        how = hows.pop() if len(hows) == 1 else None
        form = self.forms.of(member, outline)
        if isinstance(form, Form) and not isinstance(form, Everywhere):
            return {"fill": _filled(form, tuple(member.value.shape), dtype)} | {
                "shape": (), "kind": "buffer", "trainable": False, "dtype": None
            }  # fmt: skip
        fill = how.a if isinstance(how, Initialiser) and how.kind == "constant" else 0.0
        return {
            "fill": _filling(form.value) if isinstance(form, Everywhere) else fill,
            "shape": tuple(member.value.shape),
            "kind": "parameter" if "parameter" in kinds and plain else "buffer",
            "trainable": outline.trainable(member.recipe),
            "dtype": None if plain and (not mixed or dtype == "float32") else dtype,
        }

    def weight_statements(self, member: Member, table: dict[str, ast.expr], outline: Outline) -> Iterator[str]:
        """The statements that make a bare variable."""
        text = {key: ast.unparse(value) for key, value in table.items()}
        dtype = "" if text["dtype"] == "None" else f", dtype=torch.{ast.literal_eval(text['dtype'])}"
        shape = text["shape"].removesuffix(",)") + ")" if text["shape"].endswith(",)") else text["shape"]
        shape = shape if shape.count(",") or shape == "()" else shape.strip("()")
        if text["fill"].startswith("torch."):
            yield f'self.register_buffer("{member.attr}", {text["fill"]})'
            return
        named = {"0.0": f"torch.zeros({shape}{dtype})", "1.0": f"torch.ones({shape}{dtype})"}
        filled = named.get(text["fill"], f"torch.full({text['shape']}, {text['fill']}{dtype})")
        if ast.literal_eval(text["kind"]) == "buffer":
            yield f'self.register_buffer("{member.attr}", {filled})'
        else:
            frozen = "" if text["trainable"] == "True" else f", requires_grad={text['trainable']}"
            yield f"self.{member.attr} = nn.Parameter({filled}{frozen})"


def _filling(value: bool | int | float) -> int | float:
    return float(value) if value in (0, 1) else value


_BY_ITSELF = {bool: "bool", int: "int64", float: "float32"}
"""The dtype that PyTorch gives to numbers of a kind."""


def _filled(form: Range | Triangle | Few, shape: tuple, dtype: str) -> spell.Spelling:
    """The tensor of a constant."""
    kind = {"dtype": spell.Name(f"torch.{dtype}")}
    match form:
        case Few(values):
            return spell.call("torch.tensor", values, **({} if dtype == _BY_ITSELF[_kind(values)] else kind))
        case Range(start, stop):
            ends = (start, stop) if start else (stop,)
            made, given = spell.call("torch.arange", *ends, **({} if dtype == "int64" else kind)), (stop - start,)
        case Triangle():
            ones = spell.call("torch.ones", form.rows, form.columns, **({} if dtype == "float32" else kind))
            options = {"diagonal": form.diagonal} if form.diagonal else {}
            made = spell.call("torch.tril" if form.lower else "torch.triu", ones, **options)
            given = (form.rows, form.columns)
    return made if shape == given else spell.Method(made, "reshape", shape, {})


def _kind(values: Any) -> type:
    return _kind(values[0]) if isinstance(values, list) else type(values)


def _snake(text: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", text).lower()
