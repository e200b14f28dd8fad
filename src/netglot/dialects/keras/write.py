"""From a graph to a folder of Keras source and weights."""

from __future__ import annotations

import ast

import netglot.dialects.keras.ops  # noqa: F401  (fills the dialect)
from netglot.dialects.keras.building import load_function
from netglot.dialects.keras.dialect import keras
from netglot.dialects.keras.initialisers import usual_mode
from netglot.dialects.keras.masks import leave_masks
from netglot.dialects.keras.padding import global_vectors, pad_alike, zero_padded_maxima
from netglot.dialects.keras.style import KerasStyle
from netglot.dialects.keras.ties import shared_ties
from netglot.dialects.keras.unsigned import refuse_wide_unsigned
from netglot.errors import Refusal, never
from netglot.passes.canonical import canonicalise
from netglot.passes.composed.recurrent import spell_out
from netglot.passes.fold import fold
from netglot.passes.layout import arrange
from netglot.passes.legal import lower
from netglot.passes.patterns import raise_patterns
from netglot.passes.raising import raise_ops
from netglot.pivot.graph import Graph, Parameter, Value
from netglot.source.blueprint import Blueprint
from netglot.source.classes import blueprints
from netglot.source.module_file import TargetVariable, Written, helpers_used, module_text
from netglot.source.outline import Outline
from netglot.source.parts import Instance, Member


def write(graph: Graph, *, keep_layout: bool = False, exact_training: bool = False) -> Written:
    """Writes `graph` as Keras source.

    Raises:
        UnsupportedOps: everything that Keras cannot express.
    """
    source = graph
    if not graph.inputs:
        raise Refusal(never("a Keras network is called with something, and this one has no input"))
    graph = refuse_wide_unsigned(graph)
    graph = raise_ops(raise_patterns(canonicalise(fold(canonicalise(shared_ties(graph))))))
    graph = canonicalise(lower(pad_alike(global_vectors(spell_out(graph))), keras))
    graph = zero_padded_maxima(graph)
    arranged = arrange(graph, keras.layouts, keep_interface=keep_layout)
    arranged.graph = leave_masks(canonicalise(arranged.graph))
    style = KerasStyle(exact_training=exact_training, mode=usual_mode(graph.parameters.values()))
    outline = Outline(arranged.graph, keras, style, arranged.arguments(source))
    classes = blueprints(outline)
    source = _source(arranged.graph, outline, classes, source.sizes)
    root = classes[outline.root]
    return Written(source, arranged, variables(outline), root.name, outline, classes)


def _source(graph: Graph, outline: Outline, classes: dict[Instance, Blueprint], sizes: dict[str, int]) -> str:
    imports = "import math\nimport pathlib\n\nimport h5py\nimport keras\nfrom keras import layers, ops\n\n"
    imports += 'WEIGHTS = pathlib.Path(__file__).with_name("model.weights.h5")'
    head = [f'"""{graph.name}, in Keras."""', imports, *_helpers(outline)]
    load = load_function(graph, classes[outline.root].name, variables(outline), sizes)
    return module_text(outline, classes, head, load)


def _helpers(outline: Outline) -> list[str]:
    """The source of every helper that the network uses."""
    from netglot.dialects.keras.helpers import HELPERS
    from netglot.dialects.keras.initialisers import HELPERS as INITIALISERS

    made = [INITIALISERS[name].strip() for name in sorted(outline.style.helpers)]
    return [*made, *helpers_used(outline, HELPERS)]


def trace(written: Written) -> tuple[str, dict[str, tuple[int, ...]]]:
    """The text of `trace.py` for what was written, and the order of axes of each value that it records."""
    from netglot.source.tracing import trace_source

    recorded: dict[Value, str] = {}
    for old, (new, _) in written.arranged.moved.items():
        if not isinstance(new, Parameter):
            recorded.setdefault(new, old.name)  # what only moves axes is the same value: the first has the op
    imports = "\n\n".join(["import math\n\nimport keras\nfrom keras import layers, ops", *_helpers(written.outline)])
    orders = {old.name: order for old, (_, order) in written.arranged.moved.items()}
    source = trace_source(written.outline, imports, recorded, as_dict=len(written.arranged.graph.inputs) > 1)
    return source, orders


def variables(outline: Outline) -> list[TargetVariable]:
    """Every variable of the emitted network, with its attribute path and its place in the weights file."""
    found: list[TargetVariable] = []
    seen: set[int] = set()

    def walk(instance: Instance, path: str, group: str) -> None:
        if id(instance) in seen:
            return
        seen.add(id(instance))
        bare = sorted((m for m in instance.members if m.kind == "weight"), key=Member.place)
        bare.sort(key=lambda m: not outline.trainable(m.recipe))
        for index, member in enumerate(bare):
            found.append(
                TargetVariable(
                    f"{path}{member.attr}",
                    f"{group}vars/{index}",
                    member.recipe,
                    outline.trainable(member.recipe),
                    "buffer",  # its constructor says that it is not trained
                    outline.style.forms.of(member, outline) is None,
                )
            )
        layers = _layers_names(instance, outline) if instance is outline.root else {}
        names: dict[str, dict[str, int]] = {}
        for member in sorted(instance.members, key=lambda m: (_visited(m.attr), m.index or 0)):
            if member.kind == "weight":
                continue
            place = f"{path}{member.attr}" + ("" if member.index is None else f"[{member.index}]")
            if member in layers:
                visit(member, place, f"{group}layers/{layers[member]}/")
            elif member.index is not None:
                used = names.setdefault(member.attr, {})
                visit(member, place, f"{group}{member.attr}/{_unique(used, member, outline)}/")
            else:
                visit(member, place, f"{group}{member.attr}/")

    def visit(member, path: str, group: str) -> None:
        if member.kind == "instance":
            walk(member.instance, path + ".", group)
        elif member.kind == "sequence":
            used: dict[str, int] = {}
            for index, item in enumerate(member.items):
                visit(item, f"{path}.layers[{index}]", f"{group}layers/{_unique(used, item, outline)}/")
        else:
            counts: dict[str, int] = {}
            for key, tree in member.layer.weights.items():
                inner, _, _ = key.rpartition(".")
                directory = group + "".join(f"{part}/" for part in inner.split(".") if part)
                index = counts.get(directory, 0)
                counts[directory] = index + 1
                recipe = outline.recipe(tree)
                trainable = key not in member.layer.frozen and outline.trainable(recipe)
                kind = "buffer" if key in member.layer.frozen else "parameter"
                found.append(TargetVariable(f"{path}.{key}", f"{directory}vars/{index}", recipe, trainable, kind))

    walk(outline.root, "", "")
    return found


def _visited(attr: str) -> str:
    """By this Keras sorts the attributes of a layer when it saves them."""
    return f"~{attr}" if attr.startswith("_") else attr


def _layers_names(instance: Instance, outline: Outline) -> dict[Member, str]:
    """The members that Keras saves through a model's property `layers`, and how it calls each of them there.

    The property is an attribute like the others and has its place in their alphabetical order; what comes behind it
    has been saved through it already. The names are counted over all layers, in the order of the constructor. Keras's
    loader does not forgive another place: it takes a nested Sequential as loaded that it has not found.
    """
    used: dict[str, int] = {}
    names = {}
    first = {}
    for member in sorted(instance.members, key=Member.place):
        first.setdefault(member.attr, member.place())
    for member in sorted(instance.members, key=lambda m: (first[m.attr], m.index or 0)):
        if member.kind != "weight":
            name = _unique(used, member, outline)
            if _visited(member.attr) > "layers":
                names[member] = name
    return names


def _unique(used: dict[str, int], member, outline: Outline) -> str:
    """The name that Keras gives to an element of a list: its class in snake case, numbered."""
    if member.kind == "instance":
        name = _keras_snake(outline.class_names[member.instance])
    elif member.kind == "sequence":
        name = "sequential"
    else:
        name = _keras_snake(member.layer.layer.rpartition(".")[2])
    count = used.get(name, 0)
    used[name] = count + 1
    return name if count == 0 else f"{name}_{count}"


def _keras_snake(name: str) -> str:
    """Keras's own snake case."""
    import re

    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def save_weights(written: Written, path) -> None:
    """Writes the weights file that Keras's own loader reads, one variable at a time."""
    import h5py
    import numpy as np

    from netglot.pivot.evaluate import evaluate_op

    with h5py.File(path, "w") as file:
        for variable in written.variables:
            recipe = variable.recipe
            array = recipe.load() if isinstance(recipe, Parameter) else evaluate_op(recipe)
            array = np.asarray(array)
            if str(array.dtype) == "bfloat16":
                array = array.astype(np.float32)
            file.create_dataset(variable.stored, data=array)


__all__ = ["Written", "ast", "save_weights", "write"]
