"""Where two numbers are equal, which of them gets the gradient.

PyTorch gives each operand of a maximum half of it where they are equal, TensorFlow gives all of it to the first. Two
numbers that were both computed are not equal but by chance. A computed number and a constant are: scores that a mask
set to the lowest number there is meet just that bound.
"""

from __future__ import annotations

from dataclasses import replace

from netglot.pivot import ops
from netglot.pivot.graph import Builder, Graph, Node, Value, names_of
from netglot.pivot.op import FLOATS


def shared_ties(graph: Graph) -> Graph:
    """Maxima and minima of what was computed and a constant, with the gradient halved where both are equal.

    A bound that is a plain number is left alone: it comes from frameworks that do as TensorFlow does.
    """
    constant = {p for p in graph.parameters.values() if not p.trainable}
    nodes: list[Node] = []
    names = None
    for node in graph.nodes:
        fixed = [o in constant for o in node.operand_values()]
        if all(fixed) or isinstance(node.op, ops.StopGradient):
            constant.update(node.results)
        if isinstance(node.op, ops.Maximum | ops.Minimum) and sum(fixed) == 1 and len(fixed) == 2 and _is_float(node):
            names = names or names_of(graph)
            nodes += _shared(node, names, constant)
        else:
            nodes.append(node)
    return graph if names is None else replace(graph, nodes=nodes)


def _is_float(node: Node) -> bool:
    return node.result.dtype in FLOATS


def _shared(node: Node, names, constant: set[Value]) -> list[Node]:
    """The op's nodes: where both operands are equal, the one that was computed, with half of its gradient."""
    computed = next(o for o in node.operand_values() if o not in constant)
    other = next(o for o in node.operand_values() if o in constant)
    builder = Builder(names, scope=node.scope, sites=node.sites)
    half = ops.Multiply(computed, 0.5)
    builder.add(ops.Where(ops.Equal(computed, other), ops.Add(half, ops.StopGradient(half)), node.op.replace()))
    last = builder.nodes[-1]
    builder.nodes[-1] = Node(last.op, node.results, last.scope, last.sites)
    return builder.nodes
