"""What the names of weights still tell of modules: `layer1.0.conv1.weight` is of the layer `conv1` of `layer1.0`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence, Set

from netglot.passes.regions import LAYERS, NORMS
from netglot.pivot import ops
from netglot.pivot.graph import REARRANGING, Graph, Node, Parameter, Value

_NAMED = (*LAYERS, *NORMS, ops.Embedding, ops.Prelu)

_NUMBERED = re.compile(r"(?P<list>.+)\.[A-Za-z_]*(?P<number>\d+)")


class KeptNames:
    """The paths of layers, as the names of those weights tell that are `kept` from the source."""

    def __init__(self, graph: Graph, kept: Set[Parameter]):
        self.kept = kept
        self.producers = graph.producers()
        self.paths = {node: path for node in graph.nodes if (path := self._path(node))}

    def _path(self, node: Node) -> str:
        for value in node.operand_values():
            for parameter in behind(value, self.producers):
                if parameter in self.kept and "." in parameter.name and isinstance(node.op, _NAMED):
                    return parameter.name.rpartition(".")[0]
        return ""

    def common(self, nodes: Iterable[Node]) -> str:
        """The path of the module in which nodes stand; "" where no one module holds them and nothing else."""
        inside = {node for node in nodes if node in self.paths}
        parts = [self.paths[node].split(".") for node in inside]
        if not parts:
            return ""
        found: list[str] = []
        for words in zip(*(one[:-1] for one in parts), strict=False):
            if len(set(words)) > 1:
                break
            found.append(words[0])
        path = ".".join(found)
        foreign = any(other.startswith(f"{path}.") for node, other in self.paths.items() if node not in inside)
        return "" if foreign else path

    def within(self, node: Node, path: str) -> str:
        """The name of a layer in the module at `path`."""
        own = self.paths.get(node, "")
        return own[len(path) + 1 :].replace(".", "_") if path and own.startswith(f"{path}.") else ""


def list_of(path: str) -> str:
    """The list that a module is an item of: `layer1` for `layer1.0`, `encoder.layers` for `encoder.layers.layer_3`."""
    match = _NUMBERED.fullmatch(path)
    return match["list"] if match else ""


def short(paths: Sequence[str]) -> list[str]:
    """The last words of paths, as many as tell them apart."""
    for count in range(1, 9):
        found = ["_".join(path.split(".")[-count:]) for path in paths]
        if len(set(found)) == len(found) and not any(word.isdigit() for word in found):
            return found
    return [path.replace(".", "_") for path in paths]


def behind(value: object, producers: dict[Value, Node]) -> Iterator[Parameter]:
    """The parameters that a value rearranges."""
    if isinstance(value, Parameter):
        yield value
    elif isinstance(value, Value) and value in producers:
        node = producers[value]
        if type(node.op).__name__ in REARRANGING or isinstance(node.op, ops.Cast):
            for operand in node.operand_values():
                yield from behind(operand, producers)
