"""Padding and pooling as a Keras user writes them.

Three passes over the graph before it is written. Convolutions that stand at the same place of the same class are padded
in the same way, so that a block with stride 1 and its sibling with stride 2 are one class. And max pooling over
values that are never negative may pad with zeros, which a layer can do, instead of minus infinity. A global average
that is flattened at once never keeps its axes of size 1.
"""

from __future__ import annotations

import math

from netglot.pivot import ops
from netglot.pivot.graph import Builder, Graph, Node, Value, names_of
from netglot.pivot.op import type_of


def _place(graph: Graph, node: Node) -> tuple:
    """The class around a convolution and its attribute in it."""
    if len(node.scope) < 1:
        return (node.path,)
    parent = node.scope[-2].path if len(node.scope) > 1 else ""
    module = graph.modules.get(parent)
    inside = node.path[len(parent) + 1 :] if parent else node.path
    return (module.qualified_name if module else parent, inside)


def _same_fits(op: ops.Conv) -> bool:
    """Whether `padding="same"` means this padding."""
    kernel = type_of(op.weight).shape[2:]
    return all(
        stride == 1 and before == after and before * 2 == dilation * (k - 1)
        for (before, after), stride, dilation, k in zip(op.padding, op.stride, op.dilation, kernel, strict=True)
    )


def pad_alike(graph: Graph) -> Graph:
    """Takes the padding out of each convolution that has a sibling for which `padding="same"` does not do."""
    groups: dict[tuple, list[Node]] = {}
    for node in graph.nodes:
        if isinstance(node.op, ops.Conv) and any(sum(p) for p in node.op.padding):
            groups.setdefault(_place(graph, node), []).append(node)
    chosen = {
        id(node)
        for group in groups.values()
        if any(not _same_fits(n.op) for n in group) and any(_same_fits(n.op) for n in group)
        for node in group
        if _same_fits(node.op)
    }
    if not chosen:
        return graph
    names = names_of(graph)
    nodes: list[Node] = []
    for node in graph.nodes:
        if id(node) in chosen:
            builder = Builder(names, scope=node.scope, sites=node.sites)
            padded = builder.one(_pad(node.op))
            nodes += builder.nodes
            op = node.op.replace(x=padded, padding=tuple((0, 0) for _ in node.op.padding))
            node = Node(op, node.results, node.scope, node.sites)
        nodes.append(node)
    graph.nodes = nodes
    return graph


def _pad(op: ops.Conv) -> ops.Pad:
    rank = type_of(op.x).rank
    spatial = iter(op.padding)
    pairs = [(0, 0) if axis in (0, op.axis) else next(spatial) for axis in range(rank)]
    return ops.Pad(op.x, tuple(b for b, _ in pairs), tuple(a for _, a in pairs), "constant", 0.0)


_NEVER_NEGATIVE = (ops.Relu, ops.Sigmoid, ops.Softmax, ops.Hardsigmoid, ops.Square, ops.Abs, ops.Exp)
_KEEPING = (ops.MaxPool, ops.AvgPool, ops.Concat, ops.Dropout, ops.Reshape, ops.Permute, ops.Slice)


def zero_padded_maxima(graph: Graph) -> Graph:
    """Pads with zero before max pooling where no value is negative: the maximum, and its gradient, are the same.

    The gradient too: where a zero of the padding wins against a zero of the values, that zero came out of an
    activation that passes no gradient there, or is the exact bound of one that never reaches it.
    """
    producers, consumers = graph.producers(), graph.consumers()

    def positive(value: Value, depth: int = 0) -> bool:
        node = producers.get(value)
        if node is None or depth > 50:
            return False
        op = node.op
        if isinstance(op, ops.Clip) and isinstance(op.low, int | float) and op.low >= 0:
            return True
        if isinstance(op, _NEVER_NEGATIVE):
            return True
        return isinstance(op, _KEEPING) and all(positive(v, depth + 1) for v in node.operand_values())

    for node in graph.nodes:
        op = node.op
        if (
            isinstance(op, ops.Pad)
            and op.mode == "constant"
            and op.value == -math.inf
            and all(isinstance(c.op, ops.MaxPool) for c in consumers.get(node.result, ()))
            and positive(op.x)
        ):
            node.op = op.replace(value=0.0)
    return graph


def global_vectors(graph: Graph) -> Graph:
    """Global average pooling and the flattening behind it are one mean over the spatial axes."""
    producers, consumers = graph.producers(), graph.consumers()
    gone: set[int] = set()
    for node in graph.nodes:
        pool = producers.get(node.op.x) if isinstance(node.op, ops.Reshape) else None
        if pool is None or len(consumers.get(pool.result, ())) != 1 or pool.result in {v for _, v in graph.outputs}:
            continue
        axes = _averaged_axes(pool.op)
        kept = tuple(size for axis, size in enumerate(pool.result.shape) if axis not in axes) if axes else None
        if kept == tuple(node.op.shape):
            pool.op = ops.Mean(pool.op.x, tuple(axes), False)
            pool.results = node.results
            gone.add(id(node))
    graph.nodes = [node for node in graph.nodes if id(node) not in gone]
    return graph


def _averaged_axes(op) -> tuple[int, ...]:
    """The axes that an op averages to size 1; none where it does anything else."""
    if isinstance(op, ops.AdaptiveAvgPool) and all(size == 1 for size in op.output_size):
        return tuple(op.axes)
    if isinstance(op, ops.Mean) and op.keepdims:
        return tuple(op.axes)
    return ()
