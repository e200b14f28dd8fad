"""A network as the steps of a file: what the writers of model files share.

A dialect spells an op as a `step`: its kind, its operands and its options. Operands are values, ops of the pivot
(written in their turn, or computed once where they hold parameters only), arrays, other steps, or `Held` weights,
which are stored under a name of their own. The `Emitter` puts them in order and names everything after the source.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from netglot.dialects.dialect import Dialect
from netglot.errors import Refusal, RefusedOp, UnsupportedOps, never, notimpl
from netglot.passes.canonical import canonicalise
from netglot.passes.fold import fold
from netglot.passes.layout import Arranged, arrange
from netglot.passes.patterns import raise_patterns
from netglot.passes.raising import raise_ops
from netglot.pivot.dims import Dim
from netglot.pivot.evaluate import evaluate_op
from netglot.pivot.graph import Graph, Names, Node, Parameter, Part, Value
from netglot.pivot.op import Op, dtype_of, is_open, is_scalar, numpy_dtype, type_of
from netglot.source.module_file import TargetVariable
from netglot.source.spell import Call

_DEEPEST = 40


@dataclass(frozen=True, eq=False)
class Held:
    """A weight of a step: what it holds, and what the framework calls it ("weight", "bias", "gamma")."""

    role: str
    tree: Any


@dataclass(frozen=True, eq=False)
class Result:
    """One result of a step that has several."""

    step: Call
    index: int
    count: int


@dataclass(frozen=True, eq=False)
class Several(Call):
    """The results of an op, each a term of its own."""

    terms: tuple = ()


@dataclass
class Step:
    """One step of the file: what it reads (tensors and weights by name), what it makes, and its options."""

    kind: str
    name: str
    inputs: list[str]
    outputs: list[str]
    options: dict[str, Any]
    shapes: list[tuple] = field(default_factory=list)
    """The shapes of its operands that are not weights, where they are known."""


def step(kind: str, *operands: Any, **options: Any) -> Call:
    """A step; options that are None are left out."""
    return Call(kind, operands, {name: held for name, held in options.items() if held is not None})


def several(*terms: Any) -> Several:
    """The results of an op, in order."""
    first = next((t for t in terms if isinstance(t, Call)), None)
    kind = first.function if first is not None else next(t.step.function for t in terms if isinstance(t, Result))
    return Several(kind, (), {}, None, terms)


def held(role: str, tree: Any) -> Held | None:
    """A weight under its role; None stays None."""
    return None if tree is None else Held(role, tree)


class Emitter:
    """The steps and weights of a file under construction.

    Args:
        separator: what stands in names where the source has a dot.
        roles: whether a weight is named after its layer and its role; else as the source names it.
    """

    def __init__(self, graph: Graph, dialect: Dialect, *, separator: str = "_", input_name: Callable = str):
        self.graph, self.dialect, self.separator = graph, dialect, separator
        self.steps: list[Step] = []
        self.weights: dict[str, Any] = {}
        """The recipe of each stored weight: a parameter, an array, or ops over these."""
        self.names: dict[Value, str] = {}
        self.taken = Names()
        self.at: Node | None = None
        self._producers = graph.producers()
        self._built: dict[int, list[str]] = {}
        self._kept: list[Any] = []
        self._stored: dict[Any, str] = {}
        for value in graph.inputs:
            self.names[value] = self.taken.unique(input_name(value.name))

    def run(self) -> None:
        """Writes all nodes.

        Raises:
            UnsupportedOps: those that the format cannot express, all of them.
        """
        self.offline = self._offline()
        self._paths: dict[str, int] = {}
        for node in self.graph.nodes:
            self._paths[node.path] = self._paths.get(node.path, 0) + 1
        used = {value for node in self.graph.nodes for value in node.operand_values()}
        used |= {value for _, value in self.graph.outputs}
        refused: list[RefusedOp] = []
        for node in self.graph.nodes:
            if all(value in self.offline for value in node.results):
                continue
            self.at = node
            try:
                wanted = frozenset(i for i, value in enumerate(node.results) if value in used)
                self.names.update(zip(node.results, self._op(node.op, wanted), strict=False))
            except Refusal as refusal:
                site = str(node.site) if node.site else None
                refused.append(RefusedOp(node.path, type(node.op).__name__, refusal.reason, site))
                self.stand_in(node)
        self.at = None
        if refused:
            raise UnsupportedOps(refused, len(self.graph.nodes), self.dialect.title)

    def outputs(self) -> list[str]:
        """The names of the network's results, in order."""
        return [self.value(value, value.dtype) for _, value in self.graph.outputs]

    # -- what is known before the network runs

    def _offline(self) -> set[Value]:
        found: set[Value] = set(self.graph.parameters.values())
        for node in self.graph.nodes:
            values = list(node.operand_values())
            if values and all(value in found for value in values) and self._may(node.op):
                found.update(node.results)
        return found

    def _may(self, op: Op) -> bool:
        """Whether an op over weights may be computed once: its sizes are known and it draws nothing."""
        sizes = [size for kind in op.result_types() for size in kind.shape]
        return not op.random and not is_open(op) and not any(isinstance(size, Dim) for size in sizes)

    def known(self, tree: Any) -> bool:
        """Whether an operand is computed from weights and arrays alone."""
        if isinstance(tree, Value):
            return tree in self.offline
        if isinstance(tree, Part):
            return self.known(tree.op)
        if isinstance(tree, Op):
            operands = list(tree.operands())
            return self._may(tree) and all(is_scalar(o) or self.known(o) for o in operands) and bool(operands)
        return isinstance(tree, np.ndarray | np.generic)

    def base(self, tree: Any) -> list[Parameter]:
        """The parameters in a tree of ops."""
        if isinstance(tree, Parameter):
            return [tree]
        if isinstance(tree, Value):
            return self.base(self._producers[tree].op) if tree in self._producers else []
        if isinstance(tree, Part):
            return self.base(tree.op)
        if isinstance(tree, Op):
            return list(dict.fromkeys(p for operand in tree.operands() for p in self.base(operand)))
        return []

    def recipe(self, tree: Any) -> Any:
        """A tree of ops over parameters, arrays and numbers alone."""
        if isinstance(tree, Value) and not isinstance(tree, Parameter):
            node = self._producers[tree]
            made = self.recipe(node.op)
            return made if len(node.results) == 1 else Part(made, node.results.index(tree))
        if isinstance(tree, Part):
            return Part(self.recipe(tree.op), tree.index)
        return tree.map_operands(self.recipe) if isinstance(tree, Op) else tree

    def stored(self, tree: Any, role: str = "") -> str:
        """The name under which a weight is stored; the same weight is stored once."""
        key = (tree if isinstance(tree, Value) else id(tree), role)
        if key not in self._stored:
            self._kept.append(tree)
            recipe = self.recipe(tree)
            base = self.base(recipe)
            name = self.taken.unique(self._weight_name(base, role, recipe))
            self.weights[name] = recipe
            self._stored[key] = name
        return self._stored[key]

    def _weight_name(self, base: list[Parameter], role: str, recipe: Any) -> str:
        if not base:
            return self.separator.join(filter(None, (self.step_name("constant"), role)))
        owner, _, last = base[0].name.rpartition(".")
        if not role:
            return base[0].name.replace(".", self.separator)
        return self.separator.join(filter(None, (owner.replace(".", self.separator) or self.step_name(last), role)))

    def variables(self) -> list[TargetVariable]:
        """The stored weights that hold what belongs to the network."""
        found = []
        for name, recipe in self.weights.items():
            base = self.base(recipe)
            if any(p.kind != "constant" for p in base):
                trained = any(p.trainable for p in base)
                found.append(TargetVariable(name, name, recipe, trained, "parameter" if trained else "buffer"))
        return found

    # -- terms

    def value(self, item: Any, dtype: str = "float32") -> str:
        """The name of the tensor that a term means; numbers are of `dtype`."""
        if item is None:
            return ""
        if isinstance(item, Held):
            return self.weight_of(item)
        if isinstance(item, Value):
            return self.stored(item) if item in self.offline else self.names[item]
        if isinstance(item, Result):
            return self._several(item.step, item.count)[item.index]
        if isinstance(item, Call):
            return self._several(item, 1)[0]
        if isinstance(item, Part):
            return self._nested(item.op)[item.index]
        if isinstance(item, Op):
            return self._nested(item)[0]
        return self.stored(np.asarray(item) if isinstance(item, np.ndarray) else np.asarray(item, numpy_dtype(dtype)))

    def weight_of(self, item: Held) -> str:
        """The name of a weight.

        Raises:
            Refusal: it is computed while the network runs.
        """
        if not self.known(item.tree):
            raise Refusal(notimpl(f"a {item.role} that the network computes"))
        return self.stored(item.tree, item.role)

    def _nested(self, op: Op) -> list[str]:
        if id(op) not in self._built:
            self._kept.append(op)
            self._built[id(op)] = self._op(op, None)
        return self._built[id(op)]

    def stand_in(self, node: Node) -> None:
        """Names the results of a node that was refused, so that what follows is looked at too."""
        self.names.update({value: value.name for value in node.results})

    def _op(self, op: Op, used: frozenset[int] | None, depth: int = 0) -> list[str]:
        """The results of an op: known already, written with others, or a step of its own."""
        if depth > _DEEPEST:
            raise Refusal(notimpl(f"{type(op).__name__} is written with itself"))
        count = len(op.result_types())
        if self.known(op):
            return [self.stored(op)] if count == 1 else [self.stored(Part(op, i)) for i in range(count)]
        lowering = self.dialect.lowerings.get(type(op))
        made = lowering(op) if lowering else None
        if made is not None:
            parts = list(made) if isinstance(made, tuple | list) else [made]
            if len(parts) == 1 and isinstance(parts[0], Op):
                return self._op(parts[0], used, depth + 1)
            return [self.value(part) for part in parts]
        spelled = self.dialect.spell(op, used)
        if isinstance(spelled, Several):
            return [self.value(term) for term in spelled.terms]
        if isinstance(spelled, Call):
            return self._several(spelled, count, kind_of_numbers(op))
        return [self.value(spelled)]

    def _several(self, call: Call, count: int, dtype: str = "float32") -> list[str]:
        if id(call) not in self._built:
            self._kept.append(call)
            self._built[id(call)] = self.add(call, count, dtype)
        return self._built[id(call)]

    def add(self, call: Call, count: int, dtype: str) -> list[str]:
        """A step with its operands before it; the names of its results."""
        shapes = [_shape(one) for one in call.arguments if one is not None and not isinstance(one, Held)]
        inputs = [self.value(one, dtype) for one in call.arguments]
        while inputs and not inputs[-1]:
            inputs.pop()
        options = {
            key: self.stored(one.tree, one.role) if isinstance(one, Held) else one for key, one in call.options.items()
        }
        weighted = any(isinstance(one, Held) for one in (*call.arguments, *call.options.values()))
        name = self.taken.unique(self.step_name(call.function, weighted))
        outputs = [name] if count == 1 else [self.taken.unique(f"{name}_{i}") for i in range(count)]
        self.steps.append(Step(call.function, name, inputs, outputs, options, shapes))
        return outputs

    def step_name(self, kind: str, weighted: bool = False) -> str:
        """The name of a step: that of its module, and what it does where the module does more."""
        path = self.at.path if self.at is not None else ""
        kind = re.sub(r"\W+", "", kind).lower().strip("_") or "step"
        parts = path.split(".") if path else []
        if not parts or not (weighted or self._paths.get(path) == 1):
            parts.append(kind)
        return self.separator.join(parts)


def kind_of_numbers(op: Op) -> str:
    """The dtype of the numbers among the operands of an op."""
    tensors = [o for o in op.operands() if not is_scalar(o)]
    return dtype_of(tensors[0]) if tensors else op.result_types()[0].dtype


def _shape(item: Any) -> tuple:
    try:
        return tuple(type_of(item).shape)
    except (AttributeError, AssertionError):
        return ()


# -- a whole file


@dataclass
class _Style:
    unknown: list[str] = field(default_factory=list)


@dataclass
class _Outline:
    """What the report asks of a writer: the dialect, and what is not known of initialisers, which files have not."""

    dialect: Dialect
    style: _Style = field(default_factory=_Style)


@dataclass
class WrittenFile:
    """A network for a file: its text, and how each weight of it is made."""

    source: str
    arranged: Arranged
    variables: list[TargetVariable]
    class_name: str
    outline: _Outline
    weights: dict[str, Any]
    content: Any = None
    """What the format needs beside the weights when it saves."""

    def load(self, name: str) -> np.ndarray:
        """One weight, in the precision that it has in the network: what was computed once is kept in a higher one."""
        recipe = self.weights[name]
        if not isinstance(recipe, Parameter):
            return np.asarray(evaluate_recipe(recipe))
        return np.asarray(recipe.load()).astype(numpy_dtype(recipe.dtype), copy=False)


def evaluate_recipe(recipe: Any) -> np.ndarray:
    """What a recipe of parameters, arrays and ops makes, rounded once at the end."""
    if not isinstance(recipe, Part | Op):
        return np.asarray(recipe)
    made = evaluate_op(recipe.op if isinstance(recipe, Part) else recipe, precision="float64")
    index = recipe.index if isinstance(recipe, Part) else 0
    array = np.asarray(made[index] if isinstance(made, tuple) else made)
    return array.astype(numpy_dtype(type_of(recipe).dtype), copy=False)


def prepared(graph: Graph, dialect: Dialect, keep_layout: bool) -> Arranged:
    """The graph in one form, with its axes in the order that the dialect wants.

    Raises:
        Refusal: it has no result.
    """
    if not graph.outputs:
        raise Refusal(never(f"a file of {dialect.title} has a result, and this network has none"))
    source = raise_ops(raise_patterns(canonicalise(fold(canonicalise(graph)))))
    arranged = arrange(source, dialect.layouts, keep_interface=keep_layout)
    arranged.graph = canonicalise(arranged.graph)
    return arranged


def written_file(emitter: Emitter, arranged: Arranged, graph: Graph, source: str, content: Any) -> WrittenFile:
    """What a writer hands back."""
    return WrittenFile(
        source, arranged, emitter.variables(), graph.name, _Outline(emitter.dialect), emitter.weights, content
    )
