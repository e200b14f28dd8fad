"""The spelling of every node of a graph that runs, and which layer holds which parameter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from netglot.dialects.dialect import Dialect
from netglot.errors import Refusal, RefusedOp, UnsupportedOps, notimpl
from netglot.passes.layout import constant_values
from netglot.pivot.evaluate import evaluate_op
from netglot.pivot.graph import REARRANGING, Graph, Node, Parameter, Part, Value
from netglot.pivot.offline import base_parameters, recipe
from netglot.pivot.op import FLOATS, Op, is_open, type_of
from netglot.source import spell
from netglot.source.parts import Style


class Spelled:
    """A graph of which every node that runs has a spelling, and every parameter at most one holder."""

    def __init__(self, graph: Graph, dialect: Dialect, style: Style):
        self.graph = graph
        self.dialect = dialect
        self.style = style
        self.producers = graph.producers()
        self.constant = constant_values(graph)
        self.offline = self._offline_values()
        self.consumers = graph.consumers()
        self.graph_outputs = {v for _, v in graph.outputs}
        self.runtime = [n for n in graph.nodes if not all(v in self.offline for v in n.results)]
        self.spelled: dict[Node, spell.Spelling] = self._spell_all()
        self._check_ownership()

    # -- values known before the network runs

    def _offline_values(self) -> set[Value]:
        """Values that can be computed once from parameters without changing how the network trains."""
        offline: set[Value] = set(self.graph.parameters.values())
        for node in self.graph.nodes:
            operands = list(node.operand_values())
            if not operands or not all(v in offline for v in operands) or not _static(node):
                continue
            frozen = not any(p.trainable for v in operands for p in self.base_parameters(v))
            if type(node.op).__name__ in REARRANGING or (frozen and not node.op.random):
                offline.update(node.results)
        return offline

    def base_parameters(self, tree: Any) -> list[Parameter]:
        """The parameters from which a value or an op tree is computed."""
        return base_parameters(tree, self.producers)

    def held_parameters(self, tree: Any) -> list[Parameter]:
        """Those of `base_parameters` that are then the layer's: constants beside weights stay everyone's."""
        found = self.base_parameters(tree)
        return [p for p in found if p.kind != "constant"] or found

    def recipe(self, tree: Any) -> Any:
        """An op tree over parameters only."""
        return recipe(tree, self.producers)

    def _weights_offline(self, layer: spell.Layer) -> bool:
        def fine(item) -> bool:
            if isinstance(item, Op):
                return all(fine(o) for o in item.operands())
            return item in self.offline if isinstance(item, Value) else True

        return all(fine(w) for w in layer.weights.values())

    # -- spelling

    def _spell_all(self) -> dict[Node, spell.Spelling]:
        spelled, refused = {}, []
        for node in self.runtime:
            used = frozenset(i for i, v in enumerate(node.results) if v in self.consumers or v in self.graph_outputs)
            try:
                spelling = self.style.tidy(self.dialect.spell(node.op, used))
                if isinstance(spelling, spell.Layer) and spelling.weights:
                    if self._weights_offline(spelling):
                        spelling = self.style.initialised(spelling, self.base_parameters)
                    else:
                        spelling = self.function(spelling, node)
                spelled[node] = spelling
            except Refusal as refusal:
                site = str(node.site) if node.site else None
                refused.append(RefusedOp(node.path, type(node.op).__name__, refusal.reason, site))
        if refused:
            raise UnsupportedOps(refused, len(self.runtime), self.dialect.title)
        return self._typed(spelled)

    def _typed(self, spelled: dict[Node, spell.Spelling]) -> dict[Node, spell.Spelling]:
        """Layers say their dtype where it is another than that of most, and weights have several."""
        kinds = {
            node: {type_of(self.recipe(tree)).dtype for tree in layer.weights.values()}
            for node, layer in spelled.items()
            if isinstance(layer, spell.Layer) and layer.weights and "dtype" not in layer.options
        }
        floats = {dtype for held in kinds.values() for dtype in held if dtype in FLOATS}
        floats |= {p.dtype for p in self.graph.parameters.values() if p.dtype in FLOATS and p.trainable}
        for node, held in kinds.items():
            if len(floats) > 1 and len(held) == 1 and "float32" not in held:
                spelled[node] = self.style.typed(spelled[node], *held)
        return spelled

    def function(self, layer: spell.Layer, node: Node) -> spell.Spelling:
        if layer.function is None:
            raise Refusal(notimpl(f"{type(node.op).__name__} with a weight that is computed while the network runs"))
        return self.style.tidy(layer.function)

    def _check_ownership(self) -> None:
        """Gives each parameter to the first layer that wants it, those of the module that holds it before others;
        layers that come too late become functions."""
        claims: dict[Parameter, list[tuple[tuple, Any]]] = {}
        for node in sorted(self.runtime, key=lambda node: not self._is_at_home(node)):
            layer = self.spelled[node]
            if not isinstance(layer, spell.Layer) or not layer.weights:
                continue
            key = self.layer_key(layer)
            wanted = {}
            for tree in layer.weights.values():
                for parameter in self.held_parameters(tree):
                    wanted.setdefault(parameter, []).append(self.recipe(tree))
            if all(self._compatible(p, key, recipes, claims.get(p, [])) for p, recipes in wanted.items()):
                for p, recipes in wanted.items():
                    claims.setdefault(p, []).append((key, recipes))
            else:
                try:
                    self.spelled[node] = self.function(layer, node)
                except Refusal as refusal:
                    site = str(node.site) if node.site else None
                    raise UnsupportedOps(
                        [RefusedOp(node.path, type(node.op).__name__, refusal.reason, site)],
                        len(self.runtime),
                        self.dialect.title,
                    ) from refusal

    def _is_at_home(self, node: Node) -> bool:
        """Whether the weights of a node are those of the module that it ran in."""
        layer = self.spelled[node]
        if not isinstance(layer, spell.Layer) or not layer.weights:
            return False
        parameters = [p for tree in layer.weights.values() for p in self.base_parameters(tree)]
        return all(p.name.rpartition(".")[0] == node.path for p in parameters)

    def layer_key(self, layer: spell.Layer) -> tuple:
        """What makes two weighted layers the same object: how the weights come from parameters, and the options."""
        names = tuple(repr(self.recipe(tree)) for tree in layer.weights.values())
        options = tuple(sorted((k, repr(v)) for k, v in layer.options.items()))
        return (layer.layer, layer.arguments, options, names)

    def _compatible(self, parameter: Parameter, key: tuple, recipes, claims) -> bool:
        """Whether a further layer may hold (a part of) a parameter: the same layer, or a part nobody holds."""
        if any(held == key for held, _ in claims):
            return True
        if not claims:
            return True
        mine = self._elements(parameter, recipes)
        return all(not (mine & self._elements(parameter, theirs)) for _, theirs in claims)

    def _elements(self, parameter: Parameter, recipes) -> set[int]:
        """The elements of a parameter that recipes use."""
        marks = np.arange(int(np.prod(parameter.shape)) or 1, dtype=np.float64).reshape(tuple(parameter.shape)) + 1.0
        found: set[int] = set()
        for one in recipes:
            marked = _substitute(one, lambda p: marks if p is parameter else np.zeros(tuple(p.shape)))
            found |= set(
                np.unique(np.asarray(evaluate_op(marked) if isinstance(marked, Op | Part) else marked)).tolist()
            )
        return found - {0.0}

    def trainable(self, recipe: Any) -> bool:
        """Whether any parameter of a recipe is trained."""
        return any(p.trainable for p in self.base_parameters(recipe))


def _static(node: Node) -> bool:
    """Whether nothing of a node depends on a size of the input."""
    return not is_open(node.op) and all(isinstance(size, int) for value in node.results for size in value.shape)


def _substitute(tree: Any, leaf: Callable[[Parameter], Any]) -> Any:
    if isinstance(tree, Parameter):
        return leaf(tree)
    if isinstance(tree, Part):
        return Part(_substitute(tree.op, leaf), tree.index)
    if isinstance(tree, Op):
        return tree.map_operands(lambda o: _substitute(o, leaf))
    return tree
