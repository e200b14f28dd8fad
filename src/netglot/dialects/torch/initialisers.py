"""How the source fills its parameters, said in PyTorch where PyTorch's own default is another distribution.

What most layers of a class have in common stands in one function, `initialise`, that the network applies to its
modules; what single layers have otherwise follows it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from netglot.pivot.initialiser import Initialiser
from netglot.pivot.op import shape_of

HELPERS = {
    "truncated_normal_": '''
def truncated_normal_(tensor, std):
    """Normal around zero, cut at two deviations."""
    nn.init.trunc_normal_(tensor, std=std, a=-2 * std, b=2 * std)
'''
}
"""Functions that the emitted file defines, by name."""


@dataclass(frozen=True)
class Filled:
    """One trained parameter: its path, the class of its layer and its name there ("" for both without a layer), its
    shape, how the source fills it, and how many numbers go into one output of its layer."""

    path: str
    layer: str
    key: str
    shape: tuple[int, ...]
    how: Initialiser
    fan_in: int


def statements(filled: Iterable[Filled]) -> tuple[str, list[str]]:
    """The function `initialise` ("" where none is needed), and the statements that follow its use."""
    rules: dict[tuple[str, str], Counter[str]] = {}
    said = {one: _said(one) for one in filled}
    for one, texts in said.items():
        if one.layer:
            rules.setdefault((one.layer, one.key), Counter()).update(texts)
    common = {place: texts.most_common(1)[0][0] for place, texts in rules.items()}
    usual = {place: text for place, text in common.items() if text}
    single = []
    for one, texts in said.items():
        if common.get((one.layer, one.key), "") not in texts:
            single.append((texts[0] or _default(one)).replace("TENSOR", f"self.{one.path}"))
    return _function(usual), [line for line in single if line]


def _function(usual: dict[tuple[str, str], str]) -> str:
    """Layers that are filled alike share a branch."""
    branches: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for layer in dict.fromkeys(layer for layer, _ in usual):
        lines = tuple((key, text) for (name, key), text in usual.items() if name == layer)
        branches.setdefault(tuple(sorted(lines, key=lambda line: line[0] != "weight")), []).append(layer)
    if not branches:
        return ""
    lines = ["def initialise(module):", '    """Fills a new layer as the source does."""']
    for number, (texts, layers) in enumerate(branches.items()):
        kinds = layers[0] if len(layers) == 1 else f"({', '.join(layers)})"
        lines.append(f"    {'el' if number else ''}if isinstance(module, {kinds}):")
        for key, text in texts:
            call, guard = text.replace("TENSOR", f"module.{key}"), _guard(key)
            lines += [f"        if {guard}:", f"            {call}"] if guard else [f"        {call}"]
    return "\n".join(lines)


def _guard(key: str) -> str:
    """What must hold for a layer to have this parameter; "" for one that each has."""
    if key.endswith("bias"):
        return f"module.{key} is not None"
    needed = ["module.bias"] if key.startswith("bias_") else []
    return " and ".join(needed + (["module.bidirectional"] if key.endswith("_reverse") else []))


def _fans(one: Filled) -> tuple[int, int]:
    field = math.prod(one.shape[2:])
    return one.shape[1] * field, one.shape[0] * field


def _said(one: Filled) -> list[str]:
    """The calls that fill `TENSOR` so, any of which will do; "" where PyTorch does so by itself."""
    how = one.how
    default = [""] if _is_default(one) else []
    if how.kind == "constant":
        named = {0.0: "nn.init.zeros_(TENSOR)", 1.0: "nn.init.ones_(TENSOR)"}
        return [*default, named.get(how.a, f"nn.init.constant_(TENSOR, {how.a:g})")]
    if how.kind == "orthogonal":
        return [f"nn.init.orthogonal_(TENSOR{'' if how.a == 1 else f', gain={how.a:g}'})"]
    if how.kind == "uniform":
        named = _named(one, how.b**2, 6, "uniform_") if how.a == -how.b else []
        return [*default, *named, f"nn.init.uniform_(TENSOR, {how.a:.6g}, {how.b:.6g})"]
    if how.kind == "normal":
        named = _named(one, how.b**2, 2, "normal_") if how.a == 0 else []
        mean = "" if how.a == 0 else f"{how.a:.6g}, "
        return [*default, *named, f"nn.init.normal_(TENSOR, {mean}std={how.b:.6g})"]
    if how.a:
        low, high = how.a - 2 * how.b, how.a + 2 * how.b
        return [f"nn.init.trunc_normal_(TENSOR, {how.a:.6g}, {how.b:.6g}, {low:.6g}, {high:.6g})"]
    return [f"truncated_normal_(TENSOR, {text})" for text in _deviations(one)]


_CUT = 0.87962566103423978
"""The deviation of a normal distribution that is cut at two deviations."""


def _deviations(one: Filled) -> list[str]:
    """A deviation, by the number of inputs or outputs where it follows from it, and as a number."""
    texts = []
    if len(one.shape) > 1:
        for fan, text in zip(_fans(one), ("TENSOR[0].numel()", "TENSOR[:, 0].numel()"), strict=True):
            scale = (one.how.b * _CUT) ** 2 * fan
            if _near(scale, round(scale)) and 0.5 < scale < 3:
                texts.append(f"({round(scale)} / {text}) ** 0.5 / {_CUT:.6f}")
    return [*texts, f"{one.how.b:.6g}"]


def _named(one: Filled, square: float, numerator: int, ending: str) -> list[str]:
    """The functions of `nn.init` that have this spread."""
    if len(one.shape) < 2:
        return []
    fan_in, fan_out = _fans(one)
    found = [f"nn.init.xavier_{ending}(TENSOR)"] if _near(square * (fan_in + fan_out), numerator) else []
    for fan, mode in ((fan_in, ""), (fan_out, ', mode="fan_out"')):
        if _near(square * fan, numerator):
            found.append(f'nn.init.kaiming_{ending}(TENSOR{mode}, nonlinearity="relu")')
    return found


def _near(a: float, b: float) -> bool:
    return math.isclose(a, b, rel_tol=1e-3)


def _usual(one: Filled) -> Initialiser | None:
    """How PyTorch fills it; None where that is not listed here."""
    name = one.layer.removeprefix("nn.")
    if "Norm" in name:
        return Initialiser("constant", 1.0 if one.key == "weight" else 0.0)
    if name == "Embedding":
        return Initialiser("normal", 0.0, 1.0)
    if name == "PReLU":
        return Initialiser("constant", 0.25)
    if name == "MultiheadAttention" and one.key.endswith("bias"):
        return Initialiser("constant", 0.0)
    if name == "MultiheadAttention" and one.key != "out_proj.weight":
        bound = math.sqrt(6 / sum(_fans(one)))
        return Initialiser("uniform", -bound, bound)
    bound = one.fan_in**-0.5 if one.fan_in else 0.0
    return Initialiser("uniform", -bound, bound) if one.layer else Initialiser("constant", 0.0)


def _is_default(one: Filled) -> bool:
    usual = _usual(one)
    if usual is None or usual.kind != one.how.kind:
        return False
    return all(math.isclose(a, b, rel_tol=1e-3, abs_tol=1e-12) for a, b in ((usual.a, one.how.a), (usual.b, one.how.b)))


def _default(one: Filled) -> str:
    """PyTorch's own default as a call, for a layer whose siblings are filled otherwise."""
    usual = _usual(one)
    assert usual is not None
    if usual.kind == "constant":
        return f"nn.init.constant_(TENSOR, {usual.a:g})"
    if usual.kind == "normal":
        return "nn.init.normal_(TENSOR)"
    return f"nn.init.uniform_(TENSOR, {usual.a:.6g}, {usual.b:.6g})"


def filled_parameters(found, layers, parameters_of) -> tuple[list[Filled], list[str]]:
    """The trained parameters with how the source fills them, and the names of those of which that is not known.

    `layers` gives each variable's layer (None without one) by its path; `parameters_of` the parameters of a recipe.
    """
    filled, unknown = [], []
    for variable in found:
        if not variable.trainable:
            continue
        layer = layers.get(variable.path)
        hows = {p.initialiser for p in parameters_of(variable.recipe) if p.trainable}
        how = hows.pop() if len(hows) == 1 else None
        if not isinstance(how, Initialiser) or (how.kind == "orthogonal" and len(shape_of(variable.recipe)) != 2):
            unknown.append(variable.path)
            continue
        shape = tuple(int(size) for size in shape_of(variable.recipe))
        key = variable.path[len(layer[1]) + 1 :] if layer else ""
        filled.append(Filled(variable.path, layer[0].layer if layer else "", key, shape, how, _fan_in(layer, shape)))
    return filled, unknown


def _fan_in(layer, shape) -> int:
    """How many numbers go into one output; for a recurrent layer how many states there are, as PyTorch counts."""
    if layer is None:
        return 0
    spelling = layer[0]
    if spelling.layer.removeprefix("nn.").removeprefix("Masked") in ("LSTM", "GRU", "RNN", "ResetFirstGRU"):
        return int(spelling.arguments[1])
    weight = spelling.weights.get("weight", spelling.weights.get("out_proj.weight"))
    if weight is None or len(shape_of(weight)) < 2:
        return 0
    return math.prod(int(size) for size in shape_of(weight)[1:])
