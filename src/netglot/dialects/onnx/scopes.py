"""Which module each node belongs to, by the names that exporters leave.

PyTorch's newer exporter writes paths and classes into the metadata of nodes; its older one names nodes
`/layer1/layer1.0/conv1/Conv`; TensorFlow's converters name them `model/block/conv/Conv2D`. Weights whose names an
exporter made up get those of the layer that uses them.
"""

from __future__ import annotations

import ast
import re
from typing import Any

import numpy as np

from netglot.pivot import ops
from netglot.pivot.graph import Frame, Graph, Module, Node, Parameter, Scope, Value, names_of

_SCOPES, _CLASSES = "pkg.torch.onnx.name_scopes", "pkg.torch.onnx.class_hierarchy"
_CALLS = re.compile(r"^(Stateful)?PartitionedCall|^cond|^while|^functional")
_MADE_UP = re.compile(
    r"^$|^constant(_\d+)?$|::|^_?val_?\d*|^\d+$|const_fold_opt|^n\d+_|^/|Constant_\d+|_output_\d+$|ReadVariableOp|^new_shape|"
    r"const_(starts|ends|axes)|^(W|B|w|b)\d+$|__\d+$|/.*:\d+$"
)
"""Names of initialisers that exporters make up."""


def made_up(name: str) -> bool:
    """Whether an exporter, and no person, named an initialiser."""
    return bool(_MADE_UP.search(name))


_LOST = (Frame("?"),)
"""The scope of a node that an exporter's optimiser made, which left no trace of a module on it."""

_LONGEST = 20_000
"""Characters of metadata beyond which they are no hierarchy."""

_ROLES = {
    ("Conv", "weight"): "weight",
    ("BatchNorm", "scale"): "weight",
    ("BatchNorm", "offset"): "bias",
    ("BatchNorm", "mean"): "running_mean",
    ("BatchNorm", "variance"): "running_var",
    ("LayerNorm", "scale"): "weight",
    ("LayerNorm", "offset"): "bias",
    ("Matmul", "y"): "weight",
    ("Matmul", "x"): "weight",
    ("Multiply", "y"): "scale",
    ("Add", "y"): "bias",
    ("Add", "x"): "bias",
    ("Take", "x"): "weight",
}
"""What a parameter is called by the op that uses it and the operand that it is."""

_STEMS = {
    "Conv": "conv",
    "ConvTranspose": "deconv",
    "Linear": "fc",
    "Matmul": "fc",
    "BatchNorm": "norm",
    "LayerNorm": "norm",
    "Embedding": "embedding",
    "Lstm": "lstm",
    "Gru": "gru",
    "Rnn": "rnn",
    "Prelu": "prelu",
}
"""What a layer is called that has no name, by what it does."""


_STATELESS = frozenset(
    "Relu LeakyRelu Elu Selu Celu Gelu HardSwish HardSigmoid Mish Sigmoid Tanh Softplus Softsign Softmax Clip Dropout "
    "MaxPool AveragePool GlobalAveragePool Identity".split()
)
"""Operators of modules that a network may call twice, because they hold nothing."""


class Scopes:
    """The hierarchy of a model."""

    def __init__(self, proto: Any):
        self.classes: dict[str, str] = {}
        nodes = proto.graph.node
        self._torch = any(n.name.startswith("/") for n in nodes)
        self._parts = {part for n in nodes for part in n.name.split("/")[:-1]} if self._torch else set()
        self._told = any(one.key == _SCOPES for n in nodes for one in n.metadata_props)
        self._root, self._again = ("", False) if self._torch or self._told else _root(nodes)

    def of(self, node: Any, frame: Any) -> Scope:
        """The module calls around a node, those of the functions that it stands in first."""
        outer: Scope = ()
        for call in frame.calls if frame is not None else ():
            around = (*outer, *_below(outer, self._found(call)))
            word = re.sub(r"\W+", "_", call.name or call.op_type).strip("_") or "block"
            path = f"{around[-1].path}.{word}" if around else word
            self.classes.setdefault(path, call.op_type)
            outer = (*around, Frame(path))
        scope = (*outer, *_below(outer, self._found(node))) if outer else self._plain(node)
        if frame is None or not frame.turn or scope == _LOST:
            return scope
        around = {one.path for one in (*outer, *_below(outer, self._found(frame.loop)))}
        return tuple(one if one.path in around else Frame(one.path, frame.turn) for one in scope)

    def _found(self, node: Any) -> Scope:
        scope = self._plain(node)
        return () if scope == _LOST else scope

    def _plain(self, node: Any) -> Scope:
        held = {one.key: one.value for one in node.metadata_props}
        if _SCOPES in held:
            paths, classes = (_listed(held.get(key, "")) for key in (_SCOPES, _CLASSES))
            found = []
            for index, path in enumerate(paths[1:-1], 1):
                name, _, call = path.partition("@")
                if index < len(classes):
                    self.classes.setdefault(name, classes[index])
                found.append(Frame(name, int(call) if call.isdigit() else 0))
            return tuple(found)
        if self._told:
            return _LOST
        parts = [part for part in node.name.split("/")[:-1] if part]
        if self._torch:
            return self._dotted(parts, node.op_type)
        return _slashed(self._within(parts or self._of_a_weight(node)))

    def _of_a_weight(self, node: Any) -> list[str]:
        """The parts of the name of a weight, for a layer that a converter named anew."""
        named = next((name.split("/") for name in node.input[1:] if "/" in name and name.endswith(":0")), [])
        return named[:-2] if len(named) > 2 and self._root == named[0] else []

    def _within(self, parts: list[str]) -> list[str]:
        """The parts without the name of the whole model, and without the number of its call."""
        if self._root and parts and parts[0] == self._root:
            parts = parts[1:]
        return [parts[0].removesuffix("_1"), *parts[1:]] if self._again and parts else parts

    def _dotted(self, parts: list[str], kind: str) -> Scope:
        """`layer1`, `layer1.0`, `conv1`: an element of a container repeats the container's name, and the second call
        of a module has a number."""
        found: list[Frame] = []
        last = ""
        for part in parts:
            base = found[-1].path if found else ""
            if last and part.startswith(last + "."):
                path = base + part[len(last) :]
            else:
                path = f"{base}.{part}" if base else part
            again = re.fullmatch(r"(.+)_(\d+)", part)
            if again and kind in _STATELESS and again[1] in self._parts:
                found.append(Frame(_tidy(path).removesuffix(f"_{again[2]}"), int(again[2])))
            else:
                found.append(Frame(_tidy(path)))
            last = part
        return tuple(found)

    def parameter(self, name: str) -> str:
        """The name of a parameter in the graph."""
        return name

    def finish(self, graph: Graph) -> None:
        """Fills in the modules of a graph that was read, and names what has no name."""
        _find_lost(graph)
        _unshare(graph)
        for node in graph.nodes:
            node.scope = _of_the_weight(node)
        paths: dict[str, None] = {}
        for node in graph.nodes:
            for frame in node.scope:
                for prefix in _prefixes(frame.path):
                    paths.setdefault(prefix)
        called = {frame.path for node in graph.nodes for frame in node.scope}
        children: dict[str, list[str]] = {}
        for path in paths:
            children.setdefault(path.rpartition(".")[0], []).append(path.rpartition(".")[2])
        direct = {node.path for node in graph.nodes}
        graph.modules[""] = Module("", graph.name)
        for path in paths:
            graph.modules[path] = self._module(path, children.get(path, []), path in called, path in direct)
        name_parameters(graph)

    def _module(self, path: str, children: list[str], called: bool, direct: bool) -> Module:
        qualified = self.classes.get(path, "")
        numbered = _numbered(children)
        if qualified.startswith(_OPENED):
            return Module(path, _class_name(path))
        if qualified and not (numbered and called and not direct and len(children) > 2):
            container = "sequential" if qualified.endswith("container.Sequential") else ""
            return Module(path, qualified.rpartition(".")[2], qualified, container=container)
        if numbered and not direct:
            if called:
                return Module(path, "Sequential", "torch.nn.modules.container.Sequential", container="sequential")
            return Module(path, "ModuleList", "torch.nn.modules.container.ModuleList", container="list")
        return Module(path, _class_name(path))


_OPENED = ("torch.nn.modules.activation.MultiheadAttention", "torch.nn.modules.transformer.")
"""PyTorch's layers of which an exporter writes down the pieces."""


def _numbered(children: list[str]) -> bool:
    """Whether children are the elements of a list: numbers, or one word with numbers that follow each other."""
    found = [re.fullmatch(r"(\D*?)_?(\d+)", child) for child in children]
    if not found or len({match[1] if match else child for match, child in zip(found, children, strict=True)}) != 1:
        return False
    places = sorted(int(match[2]) for match in found if match)
    plain = not found[0] or not found[0][1]
    return len(places) == len(children) and (plain or (len(places) > 2 and places[-1] - places[0] == len(places) - 1))


def _of_the_weight(node: Node) -> Scope:
    """The scope of a node, in the module that its weight is named after: a fused layer stands where its norm stood."""
    weight = getattr(node.op, "weight", None)
    if not node.scope or not isinstance(weight, Parameter) or made_up(weight.name):
        return node.scope
    path, own = weight.name.rpartition(".")[0], node.scope[-1]
    if path and path != own.path and path.rpartition(".")[0] == own.path.rpartition(".")[0]:
        return (*node.scope[:-1], Frame(path))
    return node.scope


def _find_lost(graph: Graph) -> None:
    """Puts each lost node into the module that holds all who use it."""
    consumers = graph.consumers()
    for node in reversed(graph.nodes):
        if node.scope == _LOST:
            users = [user.scope for value in node.results for user in consumers.get(value, ())]
            node.scope = _common(users) if users else ()


def _common(scopes: list[Scope]) -> Scope:
    """The calls that all scopes begin with."""
    common = []
    for frames in zip(*scopes, strict=False):
        if len(set(frames)) != 1:
            break
        common.append(frames[0])
    return tuple(common)


def _below(outer: Scope, inner: Scope) -> Scope:
    """A scope inside of another: its paths go on from there."""
    if not outer:
        return inner
    if inner and inner[0].path.startswith(outer[-1].path + "."):
        return inner
    return tuple(Frame(f"{outer[-1].path}.{frame.path}", frame.call) for frame in inner)


def _listed(text: str) -> list[str]:
    """A list of strings as Python prints it; nothing where it is none."""
    if len(text) > _LONGEST:
        return []
    try:
        held = ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return []
    return [one for one in held if isinstance(one, str)] if isinstance(held, list) else []


def _root(nodes: Any) -> tuple[str, bool]:
    """The name of the model that all names of TensorFlow's nodes begin with, and whether all layers have the number of
    a second call."""
    named = [parts for n in nodes if len(parts := n.name.split("/")) > 1]
    first = {parts[0] for parts in named}
    if len(first) != 1 or len(named) < 3:
        return "", False
    layers = {parts[1] for parts in named if len(parts) > 2}
    return first.pop(), bool(layers) and all(layer.endswith("_1") for layer in layers)


def _slashed(parts: list[str]) -> Scope:
    """`model`, `block`, `conv`, without the calls that TensorFlow puts around them."""
    kept = [_tidy(part).replace(".", "_") for part in parts if not _CALLS.match(part)]
    return tuple(Frame(".".join(kept[: i + 1])) for i in range(len(kept)))


def _tidy(path: str) -> str:
    return ".".join(re.sub(r"\W+", "_", part) or "_" for part in path.split("."))


def _prefixes(path: str) -> list[str]:
    parts = path.split(".")
    return [".".join(parts[: i + 1]) for i in range(len(parts))]


def _class_name(path: str) -> str:
    """A class for a module of which only the path is known: elements of a list share one, numbers do not count."""
    *outer, last = path.split(".")
    stem = re.sub(r"_?\d+$", "", last)
    if not stem:
        holder = re.sub(r"_?\d+$", "", outer[-1]) if outer else ""
        stem = f"{holder.removesuffix('s') or 'net'}_block"
    return "".join(word[:1].upper() + word[1:] for word in stem.split("_")) or "Block"


# -- names of parameters

_SHARED = ("weight", "bias", "scale", "offset", "mean", "variance", "x", "y")


def _unshare(graph: Graph) -> None:
    """Gives layers that are not the same their own copy of a parameter that holds one number throughout.

    Exporters keep equal tensors once, and those of a network that was not trained yet are equal. Layers in different
    modules are not the same, and neither are those of which another weight differs.
    """
    names = names_of(graph)
    users: dict[Parameter, list[tuple[Node, str]]] = {}
    for node in graph.nodes:
        for name in _SHARED:
            if name in ("x", "y") and not isinstance(node.op, ops.Multiply | ops.Add):
                continue
            held = getattr(node.op, name, None)
            if isinstance(held, Parameter) and held.kind != "constant":
                users.setdefault(held, []).append((node, name))
    for parameter, several in users.items():
        layers = {_layer(node, users) for node, _ in several}
        if len(layers) < 2 or () in layers or not _uniform(parameter):
            continue
        for node, name in several:
            role = _ROLES.get((type(node.op).__name__, name), name)
            path = f"{node.path}.{role}" if node.path else names.unique("constant")
            if path == parameter.name:
                continue
            if path not in graph.parameters:
                graph.parameters[path] = Parameter(
                    path, parameter.type, parameter.load, kind=parameter.kind, trainable=parameter.trainable
                )
            node.op = node.op.replace(**{name: graph.parameters[path]})
    used = set(graph.consumers()) | {value for _, value in graph.outputs}
    graph.parameters = {name: p for name, p in graph.parameters.items() if p in used}


def _layer(node: Node, users: dict[Parameter, list[tuple[Node, str]]]) -> tuple:
    """What tells the layer of a node from others: its module, or the weights that it has for itself."""
    held = [getattr(node.op, name, None) for name in _SHARED]
    return node.scope or tuple(one.name for one in held if one in users and len(users[one]) == 1)


def _uniform(parameter: Parameter) -> bool:
    if any(not isinstance(size, int) for size in parameter.shape) or int(np.prod(parameter.shape)) > 1 << 20:
        return False
    array = np.asarray(parameter.load()).reshape(-1)
    return array.size > 0 and bool((array == array[0]).all())


def name_parameters(graph: Graph) -> None:
    """Gives parameters whose names were made up those of the layers that use them."""
    users = _users(graph)
    renamed: dict[str, Parameter] = {}
    taken = {p.name for p in graph.parameters.values() if not made_up(p.name)}
    taken |= {value.name for value in graph.values() if not isinstance(value, Parameter)}
    stems: dict[int, str] = {}
    counts: dict[str, int] = {}
    for name, parameter in graph.parameters.items():
        if made_up(name) and parameter in users and parameter.kind != "constant":
            node, field = users[parameter]
            place = _place(node, stems, counts)
            role = _ROLES.get((type(node.op).__name__, field), field)
            wanted = f"{place}.{role}" if place else role
            number, name = 1, wanted
            while name in taken:
                number += 1
                name = f"{wanted}_{number}"
            parameter.name = name
        taken.add(name)
        renamed[name] = parameter
    graph.parameters = renamed


def _place(node: Node, stems: dict[int, str], counts: dict[str, int]) -> str:
    """The path of the layer that a node is: its module, or a number for one without."""
    if node.scope:
        return node.path
    if id(node) not in stems:
        stem = _STEMS.get(type(node.op).__name__, "layer")
        counts[stem] = counts.get(stem, 0) + 1
        stems[id(node)] = f"{stem}{counts[stem]}"
    return stems[id(node)]


_MOVING = (ops.Permute, ops.Reshape, ops.Slice, ops.Select, ops.Concat, ops.Cast, ops.Split)
"""Ops behind which a parameter is still looked for."""


def _users(graph: Graph) -> dict[Value, tuple[Node, str]]:
    """The node that first computes with each parameter, moving elements aside, and as which operand."""
    found: dict[Value, tuple[Node, str]] = {}
    carried: dict[Any, list[Value]] = {}
    for node in graph.nodes:
        moving = isinstance(
            node.op, ops.Permute | ops.Reshape | ops.Slice | ops.Select | ops.Concat | ops.Cast | ops.Split
        )
        for field in node.op.operand_fields():
            held = getattr(node.op, field.name)
            for one in held if isinstance(held, tuple) else (held,):
                sources = (
                    carried.get(one, [one] if isinstance(one, Parameter) else []) if isinstance(one, Value) else []
                )
                if moving and sources:
                    for result in node.results:
                        carried.setdefault(result, []).extend(sources)
                else:
                    for source in sources:
                        found.setdefault(source, (node, field.name))
    return found
