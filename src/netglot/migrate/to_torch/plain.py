"""A `keras.Sequential` whose sizes are known, as the `nn.Sequential` that a person would write.

The sizes follow from the declared input, layer by layer: numbers where they are numbers, else the expressions that the
source gives. Anything that is not spoken of here leaves the whole network to the general way, whose layers find their
sizes when they meet their first input.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable
from typing import Any

GONE = "\0input"
ACTIVATIONS = {
    "relu": "nn.ReLU()", "sigmoid": "nn.Sigmoid()", "tanh": "nn.Tanh()", "softmax": "nn.Softmax(dim=-1)",
    "elu": "nn.ELU()", "selu": "nn.SELU()", "gelu": "nn.GELU()", "silu": "nn.SiLU()", "swish": "nn.SiLU()",
    "softplus": "nn.Softplus()", "softsign": "nn.Softsign()", "relu6": "nn.ReLU6()", "leaky_relu": "nn.LeakyReLU(0.2)",
    "mish": "nn.Mish()", "log_softmax": "nn.LogSoftmax(dim=-1)", "linear": "",
}  # fmt: skip
QUIET = {"name", "dtype"}
STARTS = {"kernel_initializer": "glorot_uniform", "bias_initializer": "zeros"}
USES = {"layers", "get_layer", "add", "pop", "input", "output", "inputs", "outputs", "output_shape", "input_shape"}
"""Attributes of Keras's own Sequential: who asks for them has layers that are counted as Keras counts them."""

Size = int | str | None


class Otherwise(Exception):
    """The network is not one that can be said plainly."""


class Plain:
    """One network on its way: the shape of a sample so far, and whether its channels come first by now."""

    def __init__(self, r: Any):
        self.r = r
        self.shape: list[Size] | None = None
        self.first = False
        self.needs = {"glorot_uniform"}

    # -- arguments

    def given(self, node: ast.Call, names: str) -> dict[str, ast.expr]:
        """The arguments of a layer by their names; options that are not named lead to the general way."""
        known = names.split()
        if len(node.args) > len(known) or any(isinstance(a, ast.Starred) for a in node.args):
            raise Otherwise
        found = dict(zip(known, node.args, strict=False))
        for keyword in node.keywords:
            if keyword.arg in QUIET:
                continue
            if keyword.arg in ("input_shape", "input_dim"):
                self.declared(keyword.value, keyword.arg == "input_dim")
            elif keyword.arg in STARTS:
                if _value(keyword.value) != STARTS[keyword.arg]:
                    raise Otherwise
            elif keyword.arg in known:
                found[keyword.arg] = keyword.value
            else:
                raise Otherwise
        return found

    def declared(self, node: ast.AST, single: bool = False) -> None:
        """The shape of one sample, as `input_shape=(20,)` says it."""
        if self.shape is not None:
            return
        if not single and not isinstance(node, ast.Tuple):
            raise Otherwise
        self.shape = [self.size(one) for one in ([node] if single else node.elts)]  # type: ignore[attr-defined, list-item]

    def size(self, node: ast.AST) -> Size:
        """A size: a number, or the expression for it, which must be one that can be said twice."""
        if isinstance(node, ast.Constant) and (node.value is None or isinstance(node.value, int)):
            return node.value
        if any(
            isinstance(one, (ast.Call, ast.NamedExpr, ast.Starred, ast.Constant)) and not _number(one)
            for one in ast.walk(node)
        ):
            raise Otherwise
        return self.r.text(node)

    def last(self) -> Size:
        """The number of channels or features of a sample."""
        if not self.shape or self.shape[0 if self.first else -1] is None:
            raise Otherwise
        return self.shape[0 if self.first else -1]

    def numbers(self, node: ast.AST | None, count: int, default: int = 1) -> tuple[int, ...]:
        """An option for each axis, as numbers."""
        value = default if node is None else _value(node)
        if isinstance(value, int) and not isinstance(value, bool):
            return (value,) * count
        if isinstance(value, (tuple, list)) and len(value) == count and all(isinstance(one, int) for one in value):
            return tuple(value)
        raise Otherwise

    def activation(self, node: ast.AST | None) -> list[str]:
        """The activation of a layer as a module behind it."""
        if node is None:
            return []
        name = _value(node)
        if not isinstance(name, str) and name is not None:
            name = (self.r.dotted(node) or "").rpartition(".")[2]
        if name is not None and name not in ACTIVATIONS:
            raise Otherwise
        if name in ("softmax", "log_softmax") and self.first:
            raise Otherwise
        return [ACTIVATIONS[name]] if name and ACTIVATIONS[name] else []

    def channels(self, first: bool) -> list[str]:
        """Moves the channels where the next layer wants them."""
        if self.first == first:
            return []
        assert self.shape is not None
        rank, shape = len(self.shape), self.shape
        self.first = first
        self.shape = [shape[-1], *shape[:-1]] if first else [*shape[1:], shape[0]]
        if not first and all(one == 1 for one in shape[1:]):
            return []
        self.needs.add("Permute")
        axes = (0, rank, *range(1, rank)) if first else (0, *range(2, rank + 1), 1)
        return [f"Permute({', '.join(map(str, axes))})"]

    # -- layers

    def dense(self, node: ast.Call) -> list[str]:
        given = self.given(node, "units activation use_bias")
        if "units" not in given:
            raise Otherwise
        before, units = self.channels(first=False), self.size(given["units"])
        bias = f", bias={self.r.text(given['use_bias'])}" if "use_bias" in given else ""
        made = f"nn.Linear({self.last()}, {units}{bias})"
        assert self.shape is not None
        self.shape[-1] = units
        return [*before, made, *self.activation(given.get("activation"))]

    def conv(self, node: ast.Call, count: int) -> list[str]:
        given = self.given(node, "filters kernel_size strides padding activation use_bias")
        if not {"filters", "kernel_size"} <= set(given) or self.shape is None or len(self.shape) != count + 1:
            raise Otherwise
        before = self.channels(first=True)
        kernel, steps = self.numbers(given["kernel_size"], count), self.numbers(given.get("strides"), count)
        pads, padding = self.padded(given.get("padding"), kernel, steps)
        if pads is None:
            before.append(f"nn.ZeroPad{count}d({padding})")
        filters = self.size(given["filters"])
        options = "" if steps == (1,) * count else f", stride={_short(steps)}"
        options += f", padding={padding}" if pads is not None and padding not in ("0", "") else ""
        options += f", bias={self.r.text(given['use_bias'])}" if "use_bias" in given else ""
        made = f"nn.Conv{count}d({self.last()}, {filters}, {_short(kernel)}{options})"
        self.shape = [filters, *self.shrunk(given.get("padding"), kernel, steps)]
        return [*before, made, *self.activation(given.get("activation"))]

    def padded(self, node: ast.AST | None, kernel: tuple, steps: tuple) -> tuple[list | None, str]:
        """How a layer pads its images: PyTorch's word for it, or, where that differs, zeros put there before."""
        how = "valid" if node is None else _value(node)
        if how == "valid":
            return [], ""
        if how != "same":
            raise Otherwise
        if all(step == 1 for step in steps):
            return [], '"same"'
        totals = self.totals(kernel, steps)
        if all(total % 2 == 0 for total in totals):
            return [], _short(tuple(total // 2 for total in totals))
        ends = [end for total in reversed(totals) for end in (total // 2, total - total // 2)]
        return None, f"({', '.join(map(str, ends))})"

    def totals(self, kernel: tuple, steps: tuple) -> list[int]:
        """How many places "same" adds along each axis."""
        assert self.shape is not None
        sizes = self.shape[1:]
        if not all(isinstance(size, int) for size in sizes):
            raise Otherwise
        return [max((-(-n // s) - 1) * s + k - n, 0) for n, k, s in zip(sizes, kernel, steps, strict=True)]

    def shrunk(self, node: ast.AST | None, kernel: tuple, steps: tuple) -> list[Size]:
        """The sizes of the images behind a layer."""
        assert self.shape is not None
        sizes: list[Size] = []
        for n, k, s in zip(self.shape[1:], kernel, steps, strict=True):
            if isinstance(n, int):
                sizes.append(-(-n // s) if node is not None and _value(node) == "same" else (n - k) // s + 1)
            else:
                sizes.append(None)
        return sizes

    def pool(self, node: ast.Call, kind: str, count: int) -> list[str]:
        given = self.given(node, "pool_size strides padding")
        if self.shape is None or len(self.shape) != count + 1:
            raise Otherwise
        before = self.channels(first=True)
        window = self.numbers(given.get("pool_size"), count, 2)
        steps = (
            window
            if "strides" not in given or _value(given["strides"]) is None
            else self.numbers(given["strides"], count)
        )
        options = "" if steps == window else f", stride={_short(steps)}"
        if "padding" in given and _value(given["padding"]) != "valid":
            if _value(given["padding"]) != "same":
                raise Otherwise
            totals = self.totals(window, steps)
            if any(totals) and (kind == "Avg" or any(total % 2 for total in totals)):
                raise Otherwise
            options += f", padding={_short(tuple(t // 2 for t in totals))}" if any(totals) else ""
        self.shape = [self.shape[0], *self.shrunk(given.get("padding"), window, steps)]
        return [*before, f"nn.{kind}Pool{count}d({_short(window)}{options})"]

    def pooled(self, node: ast.Call, kind: str, count: int) -> list[str]:
        self.given(node, "")
        if self.shape is None or len(self.shape) != count + 1:
            raise Otherwise
        before = self.channels(first=True)
        self.shape, self.first = [self.shape[0]], False
        return [*before, f"nn.Adaptive{kind}Pool{count}d(1)", "nn.Flatten()"]

    def flatten(self, node: ast.Call) -> list[str]:
        self.given(node, "")
        before = self.channels(first=False)
        sizes = self.shape
        if not sizes or not all(isinstance(size, int) for size in sizes):
            raise Otherwise
        self.shape = [math.prod(sizes)]  # type: ignore[arg-type]
        return [*before, "nn.Flatten()"]

    def dropout(self, node: ast.Call) -> list[str]:
        given = self.given(node, "rate noise_shape seed")
        if "noise_shape" in given or "rate" not in given:
            raise Otherwise
        return [f"nn.Dropout({self.r.text(given['rate'])})"]

    def batch_norm(self, node: ast.Call) -> list[str]:
        given = self.given(node, "axis momentum epsilon")
        if self.shape is None or (not self.first and len(self.shape) != 1) or _of(given, "axis", -1) != -1:
            raise Otherwise
        momentum = _of(given, "momentum", 0.99)
        if not isinstance(momentum, float):
            raise Otherwise
        self.needs.add("BatchNorm")
        epsilon = self.r.text(given["epsilon"]) if "epsilon" in given else "0.001"
        return [f"BatchNorm({self.last()}, eps={epsilon}, momentum={round(1 - momentum, 12):g})"]

    def layer_norm(self, node: ast.Call) -> list[str]:
        given = self.given(node, "axis epsilon")
        if self.first or _of(given, "axis", -1) != -1:
            raise Otherwise
        return [f"nn.LayerNorm({self.last()}, eps={self.r.text(given['epsilon']) if 'epsilon' in given else '0.001'})"]

    def active(self, node: ast.Call) -> list[str]:
        return self.activation(self.given(node, "activation").get("activation"))

    def relu(self, node: ast.Call) -> list[str]:
        self.given(node, "")
        return ["nn.ReLU()"]

    def softmax(self, node: ast.Call) -> list[str]:
        self.given(node, "")
        return self.activation(ast.Constant("softmax"))

    def leaky(self, node: ast.Call) -> list[str]:
        given = self.given(node, "negative_slope alpha")
        slope = next(iter(given.values()), None)
        return [f"nn.LeakyReLU({'0.3' if slope is None else self.r.text(slope)})"]

    def input(self, node: ast.Call) -> list[str]:
        given = self.given(node, "shape batch_size")
        if "shape" in given:
            self.declared(given["shape"])
        if "batch_size" in given or any(k.arg == "dtype" for k in node.keywords):
            raise Otherwise
        return [GONE]


LAYERS: dict[str, Callable[[Plain, ast.Call], list[str]]] = {
    "Input": Plain.input, "InputLayer": Plain.input, "Dense": Plain.dense, "Dropout": Plain.dropout,
    "Flatten": Plain.flatten, "BatchNormalization": Plain.batch_norm, "LayerNormalization": Plain.layer_norm,
    "Activation": Plain.active, "ReLU": Plain.relu, "Softmax": Plain.softmax, "LeakyReLU": Plain.leaky,
    **{f"Conv{n}D": lambda p, node, n=n: p.conv(node, n) for n in (1, 2)},
    **{f"MaxPooling{n}D": lambda p, node, n=n: p.pool(node, "Max", n) for n in (1, 2)},
    **{f"MaxPool{n}D": lambda p, node, n=n: p.pool(node, "Max", n) for n in (1, 2)},
    **{f"AveragePooling{n}D": lambda p, node, n=n: p.pool(node, "Avg", n) for n in (1, 2)},
    **{f"GlobalAveragePooling{n}D": lambda p, node, n=n: p.pooled(node, "Avg", n) for n in (1, 2)},
    **{f"GlobalMaxPooling{n}D": lambda p, node, n=n: p.pooled(node, "Max", n) for n in (1, 2)},
}  # fmt: skip


def sequential(r: Any, node: ast.Call, listed: ast.AST | None) -> str | None:
    """The call of `keras.Sequential` with its layers in a list, said plainly; None where it cannot be."""
    if not isinstance(listed, ast.List) or not listed.elts or _used_otherwise(r):
        return None
    plain, texts = Plain(r), {}
    marks = len(r.marks)
    try:
        for element in listed.elts:
            name = _layer(r, element)
            if name not in LAYERS or not isinstance(element, ast.Call):
                return None
            texts[id(element)] = LAYERS[name](plain, element)
    except Otherwise:
        return None
    if plain.shape is None or plain.first or len(r.marks) > marks:
        return None
    r.imports.add("nn")
    for helper in sorted(plain.needs):
        r.need(helper)
    inner = _joined(r, listed, texts)
    return f"nn.Sequential({inner}).apply({r.need('glorot_uniform')})"


def added(r: Any, node: ast.Assign) -> dict[int, str] | None:
    """What is written for `model = Sequential()` and the `model.add(...)` that follow; None where it is not plain."""
    adds = _plans(r).get(id(node))
    if not adds or _used_otherwise(r):
        return None
    plain, marks, texts = Plain(r), len(r.marks), {}
    name = node.targets[0].id  # type: ignore[attr-defined]
    try:
        for statement in adds:
            layer = statement.value.args[0]
            if (kind := _layer(r, layer)) not in LAYERS:
                return None
            made = [one for one in LAYERS[kind](plain, layer) if one != GONE]
            lines = [f"{name}.append({one})" for one in made]
            texts[id(statement)] = ("\n" + r.spans.indent(statement)).join(lines)
    except Otherwise:
        return None
    if plain.shape is None or plain.first or len(r.marks) > marks or not texts[id(adds[-1])]:
        return None
    r.imports.add("nn")
    for helper in sorted(plain.needs):
        r.need(helper)
    texts[id(adds[-1])] += f"\n{r.spans.indent(adds[-1])}{name}.apply({r.need('glorot_uniform')})"
    return texts | {id(node): f"{name} = nn.Sequential()"}


def _plans(r: Any) -> dict[int, list[ast.Expr]]:
    """Where a Sequential without layers is given its layers, all of them in one run of statements."""
    if "plans" not in r._state:
        r._state["plans"] = {}
        for holder in ast.walk(r.file.tree):
            body = getattr(holder, "body", None)
            for place, node in enumerate(body if isinstance(body, list) else ()):
                match node:
                    case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(args=[]) as call) if (
                        _layer(r, call) == "Sequential"
                    ):
                        adds = [one for one in body[place + 1 :] if _is_add(one, name)]
                        last = body.index(adds[-1]) if adds else place
                        between = [one for one in body[place + 1 : last] if one not in adds]
                        scope = holder if isinstance(holder, ast.FunctionDef) else r.file.tree
                        named = sum(_is_add(one, name) for one in ast.walk(scope))
                        free = not any(_names(one, name) for one in between)
                        if free and named == len(adds):
                            r._state["plans"][id(node)] = adds
    return r._state["plans"]


def _is_add(node: ast.AST, name: str) -> bool:
    match node:
        case ast.Expr(ast.Call(func=ast.Attribute(value=ast.Name(id=other), attr="add"), args=[_], keywords=[])):
            return other == name
    return False


def _names(node: ast.AST, name: str) -> bool:
    return any(isinstance(one, ast.Name) and one.id == name for one in ast.walk(node))


def _joined(r: Any, listed: ast.List, texts: dict[int, list[str]]) -> str:
    """What stood between the brackets, with each layer's modules in its place; comments and lines are kept."""

    def render(node: ast.AST) -> str:
        gap = ",\n" + r.spans.indent(node) if r._begins_line(node) else ", "
        return gap.join(texts[id(node)]) or GONE

    first, last = r.spans.of(listed)
    inner = r.spans.between(first + 1, last - 1, listed.elts, render)
    while GONE in inner:
        before, _, after = inner.partition(GONE)
        after = after.lstrip()
        inner = before + (after[1:].lstrip() if after.startswith(",") else after)
    return inner


def _layer(r: Any, node: ast.AST) -> str:
    """The class of a layer that is made in a list: `Dense`."""
    if not isinstance(node, ast.Call):
        return ""
    name = r.dotted(node.func) or ""
    return name.rpartition(".")[2] if name.startswith(("keras.", "tf.", "tensorflow.")) else ""


def _used_otherwise(r: Any) -> bool:
    """Whether the file also writes networks down in Keras's functional way, or asks a Sequential for its layers."""
    if "plain" not in r._state:
        inside = {
            id(one) for call in ast.walk(r.file.tree) if isinstance(call, ast.Call) and _layer(r, call) == "Sequential"
            for one in ast.walk(call)
        }  # fmt: skip
        inside |= {id(one) for adds in _plans(r).values() for add in adds for one in ast.walk(add)}
        r._state["plain"] = any(
            (isinstance(one, ast.Call) and _layer(r, one) == "Input" and id(one) not in inside)
            or (isinstance(one, ast.Attribute) and one.attr in USES and r.dotted(one) is None and id(one) not in inside)
            for one in ast.walk(r.file.tree)
        )
    return r._state["plain"]


def _value(node: ast.AST) -> Any:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError):
        return node


def _of(given: dict[str, ast.expr], name: str, default: Any) -> Any:
    return _value(given[name]) if name in given else default


def _number(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int)


def _short(values: tuple[int, ...]) -> str:
    return str(values[0]) if len(set(values)) == 1 else str(values)
