"""What blocks and their layers are called when nothing else says it: by what they compute."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from netglot.passes.regions import ACTIVATIONS, NORMS, Item
from netglot.passes.repeats import Unit
from netglot.pivot import ops
from netglot.pivot.graph import Graph, Node, Parameter, Value

_STEMS: dict[type, str] = {
    ops.Conv: "conv",
    ops.ConvTranspose: "deconv",
    ops.Linear: "fc",
    ops.Lstm: "lstm",
    ops.Gru: "gru",
    ops.Rnn: "rnn",
    ops.Embedding: "embedding",
    ops.Prelu: "prelu",
    ops.MultiHeadAttention: "attention",
} | dict.fromkeys(NORMS, "norm")

_GATES = (ops.Sigmoid, ops.Hardsigmoid, ops.Clip)


def class_of(unit: Unit) -> tuple[str, str]:
    """The class of a block, and the word for one that stands alone."""
    kinds = [type(node.op) for node in unit.nodes]
    if ops.Attention in kinds or ops.MultiHeadAttention in kinds:
        return "TransformerBlock", "block"
    if _adds_features(unit):
        return "DenseLayer", "layer"
    whole = unit.items[0]
    if whole.join is not None and isinstance(whole.join.op, ops.Concat) and len(whole.branches) > 1:
        return "Inception", "inception"
    if unit.items[0].token and isinstance(whole.token, tuple) and whole.token[0] == "run":
        return "DenseLayer", "layer"
    if any(isinstance(item.token, tuple) and item.token[0] == "residual" for item in unit.items):
        return _residual(unit), "block"
    return "Block", "block"


def _adds_features(unit: Unit) -> bool:
    """Whether a block ends by joining what it made to what it was given."""
    last, made = unit.nodes[-1].op, {value for node in unit.nodes for value in node.results}
    return isinstance(last, ops.Concat) and len(last.xs) == 2 and last.xs[0] not in made and last.xs[1] in made


def _residual(unit: Unit) -> str:
    item = next(item for item in unit.items if isinstance(item.token, tuple) and item.token[0] == "residual")
    convs = [node.op for part in item.main for node in part.nodes if isinstance(node.op, ops.Conv)]
    if any(_is_depthwise(conv) for conv in convs):
        return "InvertedResidual"
    if len(convs) == 3 and _kernel(convs[0]) == _kernel(convs[2]) == 1:
        return "Bottleneck"
    return "BasicBlock" if len(convs) == 2 else "ResidualBlock"


def _kernel(conv: ops.Conv) -> int:
    return max((size for size in conv.weight.shape[2:] if isinstance(size, int)), default=1)


def _is_depthwise(conv: ops.Conv) -> bool:
    return conv.groups > 1 and conv.groups == conv.x.shape[conv.axis]


def gate(item: Item) -> bool:
    """Whether a region weighs its channels by what is in them."""
    if item.join is None or not isinstance(item.join.op, ops.Multiply) or item.weighted < 2:
        return False
    return any(isinstance(node.op, ops.Mean | ops.AdaptiveAvgPool | ops.AvgPool) for node in item.nodes)


def inner_parts(unit: Unit) -> Iterator[tuple[str, list[Node], str]]:
    """Parts of a block that are modules of their own: their names, their nodes, their classes."""
    residuals = [item for item in unit.items if item.residual]
    counts: dict[str, int] = {}
    for item in residuals if len(residuals) > 1 else []:
        part = [node for step in _body(item.main) for node in step.nodes]
        if sum(isinstance(node.op, ops.Linear | ops.Conv) for node in part) < 2:
            continue
        word, kind = _part_of(part)
        counts[word] = counts.get(word, 0) + 1
        yield (word if counts[word] == 1 else f"{word}{counts[word]}"), part, kind
    for item in _all(unit.items):
        if gate(item):
            yield "squeeze_excitation", list(item.nodes), "SqueezeExcitation"


def _part_of(nodes: Iterable[Node]) -> tuple[str, str]:
    attention = any(isinstance(node.op, ops.Attention | ops.MultiHeadAttention | ops.Softmax) for node in nodes)
    return ("attention", "Attention") if attention else ("mlp", "Mlp")


def _body(chain: Sequence[Item]) -> Sequence[Item]:
    """A branch without the norm that it begins with, and without what scales its result."""
    chain = list(chain)
    if chain and len(chain[0].nodes) == 1 and isinstance(chain[0].nodes[0].op, NORMS):
        chain = chain[1:]
    while (
        chain and len(chain[-1].nodes) == 1 and isinstance(chain[-1].nodes[0].op, (ops.Multiply, ops.Dropout, *NORMS))
    ):
        chain = chain[:-1]
    return chain


def _all(items: Iterable[Item]) -> Iterator[Item]:
    for item in items:
        yield item
        for branch in item.branches:
            yield from _all(branch)


class LayerNames:
    """Names for the layers of one block."""

    def __init__(self, graph: Graph):
        self.producers = graph.producers()

    def of(self, nodes: Sequence[Node], unit: Unit | None = None) -> dict[Node, str]:
        """The name of each layer; those of shortcuts do not count among the others."""
        found = self._attention(nodes)
        side = _shortcuts(unit) if unit is not None else set()
        layers = [node for node in nodes if type(node.op) in _STEMS and node not in found]
        for node in layers:
            if node in side:
                found[node] = "downsample" if not isinstance(node.op, NORMS) else "downsample_norm"
        found |= self._inverted([node for node in layers if node not in side])
        stems: dict[str, list[Node]] = {}
        for node in layers:
            if node not in found:
                stems.setdefault(_STEMS[type(node.op)], []).append(node)
        for stem, several in stems.items():
            for number, node in enumerate(several, 1):
                found[node] = f"{stem}{number}" if len(several) > 1 else stem
        return found

    def _inverted(self, layers: list[Node]) -> dict[Node, str]:
        """Three convolutions of which the second sees each channel for itself."""
        convs = [node for node in layers if isinstance(node.op, ops.Conv)]
        if len(convs) != 3 or not _is_depthwise(convs[1].op) or _is_depthwise(convs[0].op):
            return {}
        found: dict[Node, str] = dict(zip(convs, ("expand", "depthwise", "project"), strict=True))
        norms = [node for node in layers if isinstance(node.op, NORMS)]
        if len(norms) == 3:
            found |= dict(zip(norms, ("expand_norm", "depthwise_norm", "project_norm"), strict=True))
        return found

    def _attention(self, nodes: Sequence[Node]) -> dict[Node, str]:
        """The layers before and behind an attention."""
        found: dict[Node, str] = {}
        inside = set(nodes)
        attentions = [node for node in nodes if isinstance(node.op, ops.Attention)]
        for number, node in enumerate(attentions):
            prefix = (
                "" if len(attentions) == 1 else ("self_", "cross_")[number] if len(attentions) == 2 else f"a{number}_"
            )
            sources = {role: self._layer(getattr(node.op, role), inside) for role in ("query", "key", "value")}
            for role, layer in sources.items():
                if layer is not None:
                    shared = [r for r, other in sources.items() if other is layer]
                    word = {1: role, 2: "key_value", 3: "qkv"}[len(shared)]
                    found.setdefault(layer, prefix + word)
            behind = self._behind(node, nodes)
            if behind is not None:
                found.setdefault(behind, prefix + "out")
        return found

    def _layer(self, value: Value, inside: set[Node]) -> Node | None:
        """The linear layer that makes a value."""
        for _ in range(12):
            node = self.producers.get(value)
            if node is None or node not in inside:
                return None
            if isinstance(node.op, ops.Linear):
                return node
            before = [v for v in node.operand_values() if not isinstance(v, Parameter)]
            if not before:
                return None
            value = before[0]
        return None

    def _behind(self, attention: Node, nodes: Sequence[Node]) -> Node | None:
        """The linear layer that takes the result of an attention."""
        made = set(attention.results)
        for node in nodes[list(nodes).index(attention) + 1 :]:
            if any(v in made for v in node.operand_values()):
                if isinstance(node.op, ops.Linear):
                    return node
                if isinstance(node.op, (*ACTIVATIONS, ops.Add)):
                    return None
                made.update(node.results)
        return None


def _shortcuts(unit: Unit) -> set[Node]:
    """The nodes on the shorter branches of residual regions."""
    found: set[Node] = set()
    for item in unit.items:
        if item.residual and len(item.branches) > 1:
            found |= {
                node for branch in item.branches if branch is not item.main for part in branch for node in part.nodes
            }
    return found
