"""From a graph to a folder of PyTorch source and weights."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

import netglot.dialects.torch.write_ops  # noqa: F401  (fills the dialect)
from netglot.dialects.torch.cells import Cell, cells_of, named_apart
from netglot.dialects.torch.dialect import torch
from netglot.dialects.torch.helpers import HELPERS
from netglot.dialects.torch.initialisers import HELPERS as INITIALISERS
from netglot.dialects.torch.initialisers import filled_parameters, statements
from netglot.dialects.torch.style import TorchStyle
from netglot.dialects.torch.unsigned import widened
from netglot.dialects.torch.write_ops.attention import with_layer_mask
from netglot.passes.canonical import canonicalise
from netglot.passes.composed.recurrent import spell_out
from netglot.passes.fold import fold
from netglot.passes.layout import Arranged, arrange
from netglot.passes.legal import lower
from netglot.passes.patterns import raise_patterns
from netglot.passes.raising import raise_ops
from netglot.pivot import ops
from netglot.pivot.evaluate import evaluate_op
from netglot.pivot.graph import Builder, Graph, Node, Parameter, names_of
from netglot.pivot.op import FLOATS, Op, TensorType, numpy_dtype, type_of
from netglot.pivot.storage import Stretch, write_tensors
from netglot.source.blueprint import Blueprint
from netglot.source.classes import blueprints
from netglot.source.module_file import TargetVariable, Written, frozen_parts, helpers_used, module_text
from netglot.source.outline import Outline
from netglot.source.parts import Instance, Member
from netglot.source.spell import Layer

IMPORTS = """import math
import pathlib

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn

WEIGHTS = pathlib.Path(__file__).with_name("model.safetensors")
"""


def write(graph: Graph, *, keep_layout: bool = False, exact_training: bool = False) -> Written:
    """Writes `graph` as PyTorch source.

    Raises:
        UnsupportedOps: everything that PyTorch cannot express.
    """
    outline, classes, arranged = _arranged(graph, keep_layout)
    root = classes[outline.root].name
    layers: dict[str, tuple[Layer, str]] = {}
    found = variables(outline, layers)
    fills = _fills(outline, outline.style, found, layers)
    head = [f'"""{graph.name}, in PyTorch."""', IMPORTS, *_defined(outline), *fills]
    source = module_text(outline, classes, head, _load(root, found))
    return Written(source, arranged, found, root, outline, classes)


def _arranged(source: Graph, keep_layout: bool) -> tuple[Outline, dict[Instance, Blueprint], Arranged]:
    """The graph in PyTorch's terms, as instances of modules and the classes of these."""
    graph = raise_ops(raise_patterns(canonicalise(fold(canonicalise(source)))))
    graph = canonicalise(_masked_alike(lower(widened(spell_out(graph)), torch)))
    arranged = arrange(graph, torch.layouts, keep_interface=keep_layout)
    arranged.graph = canonicalise(arranged.graph)
    called = {frame.path for node in arranged.graph.nodes for frame in node.scope}
    classes = (module.class_name for path, module in source.modules.items() if path in called)
    named_apart(arranged.graph, {*HELPERS, *classes})
    outline = Outline(arranged.graph, torch, TorchStyle(), arranged.arguments(source))
    taken = {word for text in _defined(outline) for word in _CLASS.findall(text)}
    return outline, blueprints(outline, taken), arranged


_CLASS = re.compile(r"^(?:class|def) (\w+)", re.MULTILINE)


def outlined(graph: Graph) -> tuple[Outline, dict[Instance, Blueprint]]:
    """A graph as classes that take and give its tensors in its own order of axes."""
    outline, classes, _ = _arranged(graph, keep_layout=True)
    return outline, classes


def _defined(outline: Outline) -> list[str]:
    """What the file defines before its classes: helpers, and the cells of loops."""
    return [*helpers_used(outline, HELPERS), *(cell.classes for cell in cells_of(outline.forms.values()))]


def _fills(outline: Outline, style: TorchStyle, found: list[TargetVariable], layers) -> list[str]:
    """What the file defines to fill new parameters as the source does; the root's constructor uses it."""
    filled, unknown = filled_parameters(found, layers, outline.base_parameters)
    style.unknown.extend(unknown)
    function, single = statements(one for one in filled if one.layer or one.how.kind != "constant")
    style.last = (["self.apply(initialise)"] if function else []) + single
    text = "\n".join([function, *single])
    return [source.strip() for name, source in INITIALISERS.items() if name in text] + ([function] if function else [])


def _masked_alike(graph: Graph) -> Graph:
    """Gives each layer of attention its mask in the form that PyTorch's takes."""
    names = names_of(graph)
    nodes: list[Node] = []
    for node in graph.nodes:
        made = with_layer_mask(node.op) if isinstance(node.op, ops.MultiHeadAttention) else None
        if made is not None:
            builder = Builder(names, scope=node.scope, sites=node.sites)
            mask = builder.one(made.mask) if isinstance(made.mask, Op) else made.mask
            nodes += builder.nodes
            node = Node(made.replace(mask=mask), node.results, node.scope, node.sites)
        nodes.append(node)
    graph.nodes = nodes
    return graph


def _load(class_name: str, found: list[TargetVariable]) -> str:
    dtypes = {type_of(v.recipe).dtype for v in found if type_of(v.recipe).dtype in FLOATS}
    cast = f".to(torch.{dtypes.pop()})" if len(dtypes) == 1 and "float32" not in dtypes else ""
    frozen = [f"    model.{path}.requires_grad_(False)" for path in frozen_parts(found, lists=True)]
    return "\n".join(
        [
            "def load(weights=WEIGHTS):",
            '    """The network with its trained weights, ready to run; `weights=None` leaves it as it was made."""',
            f"    model = {class_name}(){cast}",
            *frozen,
            "    if weights is not None:",
            "        model.load_state_dict(load_file(weights))",
            *_constants(found),
            "    return model.eval()",
        ]
    )


def _constants(found: list[TargetVariable]) -> list[str]:
    """The lines that read what is neither trained nor told by the code, where nothing else is read."""
    names = [v.stored for v in found if v.given]
    if not names:
        return []
    return [
        "    else:  # constants, which are not trained",
        f"        known, names = load_file(WEIGHTS), {names!r}",
        "        model.load_state_dict({name: known[name] for name in names}, strict=False)",
    ]


_STATISTICS = ("running_mean", "running_var")


def variables(outline: Outline, layers: dict[str, tuple[Layer, str]] | None = None) -> list[TargetVariable]:
    """Every variable of the emitted network, with its attribute path and its name in the state dict.

    `layers` is given the layer of each variable and that layer's path.
    """
    found: list[TargetVariable] = []
    seen: set[int] = set()

    def walk(instance: Instance, path: str, name: str) -> None:
        if id(instance) in seen:
            return
        seen.add(id(instance))
        for member in sorted(instance.members, key=lambda m: (m.order, m.index or 0)):
            at = member.attr if member.index is None else f"{member.attr}[{member.index}]"
            stored = member.attr if member.index is None else f"{member.attr}.{member.index}"
            visit(member, f"{path}{at}", f"{name}{stored}")

    def visit(member: Member, path: str, name: str) -> None:
        if member.kind == "weight":
            kind = outline.style.weight_arguments(member, outline)["kind"]
            given = outline.style.forms.of(member, outline) is None
            found.append(TargetVariable(path, name, member.recipe, outline.trainable(member.recipe), kind, given))
        elif member.kind == "instance":
            assert member.instance is not None
            walk(member.instance, f"{path}.", f"{name}.")
        elif member.kind == "sequence":
            for index, item in enumerate(member.items):
                visit(item, f"{path}[{index}]", f"{name}.{index}")
        else:
            assert member.layer is not None
            for key, tree in member.layer.weights.items():
                recipe = outline.recipe(tree)
                frozen = key in member.layer.frozen
                kind = "buffer" if key.rpartition(".")[2] in _STATISTICS else "parameter"
                trainable = not frozen and outline.trainable(recipe)
                at = f"{path}.{key}"
                if member.layer.cell is not None:
                    at = _of_cell(member.layer.cell, path, key, layers)
                elif layers is not None:
                    layers[at] = (member.layer, path)
                found.append(TargetVariable(at, f"{name}.{key}", recipe, trainable, kind))

    walk(outline.root, "", "")
    return found


def _of_cell(cell: Cell, path: str, key: str, layers: dict[str, tuple[Layer, str]] | None) -> str:
    """The path of a variable of the cell that a layer runs; `layers` is given the layer within the cell."""
    stored = key.removeprefix("cell.")
    at = f"{path}.cell.{cell.paths[stored]}"
    if layers is not None and stored in cell.layers:
        inner, place = cell.layers[stored]
        layers[at] = (inner, f"{path}.cell.{place}")
    return at


def trace(written: Written) -> tuple[str, dict[str, tuple[int, ...]]]:
    """The text of `trace.py` for what was written, and the order of axes of each value that it records."""
    from netglot.source.tracing import trace_source

    moved = written.arranged.moved
    recorded = {new: old.name for old, (new, _) in moved.items() if not isinstance(new, Parameter)}
    imports = "\n\n".join(
        [
            "import math\n\nimport torch\nimport torch.nn.functional as F\nfrom torch import nn",
            *_defined(written.outline),
        ]
    )
    orders = {old.name: order for old, (_, order) in moved.items()}
    return trace_source(written.outline, imports, recorded, as_dict=False), orders


def save_weights(written: Written, path: str | Path) -> None:
    """Writes the network's state dict, one tensor at a time."""
    parameters = written.arranged.graph.parameters
    layers: dict[str, tuple[Layer, str]] = {}
    variables(written.outline, layers)

    def entries():
        for variable in written.variables:
            kind = type_of(variable.recipe)
            load = getattr(variable.recipe, "load", None)
            as_it_is = isinstance(load, Stretch) and load.type == kind
            yield variable.stored, kind, load if as_it_is else lambda v=variable, k=kind: _array(v, k)
            if variable.path in layers and variable.stored.endswith(".running_mean"):
                yield _counter(variable, parameters)

    write_tensors(Path(path), entries(), metadata={"format": "pt"})


def _counter(variable: TargetVariable, parameters):
    """The number of batches that a batch norm has seen: the source's, or 0."""
    stored = variable.stored.removesuffix("running_mean") + "num_batches_tracked"
    recipe = variable.recipe
    source = recipe.name.rpartition(".")[0] + ".num_batches_tracked" if isinstance(recipe, Parameter) else ""
    held = parameters.get(source)
    load = held.load if held is not None else lambda: np.zeros((), "int64")
    return stored, TensorType("int64", ()), lambda: np.asarray(load(), "int64").reshape(())


def _array(variable: TargetVariable, kind: TensorType) -> np.ndarray:
    recipe = variable.recipe
    array = np.asarray(recipe.load() if isinstance(recipe, Parameter) else evaluate_op(recipe))
    return array.astype(numpy_dtype(kind.dtype), copy=False).reshape(tuple(int(size) for size in kind.shape))


__all__ = ["Written", "save_weights", "write"]
