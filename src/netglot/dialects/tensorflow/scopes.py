"""The layers of a SavedModel, from the names of its nodes and its variables.

A node of an exported Keras model is called `net_1/dense_1/MatMul` and its variable `dense/kernel`: TensorFlow numbers
what it traces again, and Keras names no model before a variable. Where the variables say so, the numbers and the name
of the whole model are left out, variables stand in the layer that uses them, and what a layer calls inside itself is
no layer of its own.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from netglot.pivot.graph import Frame, Node, Parameter

Path = tuple[str, ...]
_FUNCTION = re.compile(r"tf_\w+|Partitioned\w*|((dense_)?einsum|moments|batchnorm|gelu)(_\d+)?", re.IGNORECASE)
"""Scopes of functions: Keras 2 makes layers of those of TensorFlow."""


def in_layers(nodes: list[Node], parameters: dict[str, Parameter], known: Collection[Parameter]) -> None:
    """Names the scopes of nodes and the parameters, in place; the paths of `known` ones are those of the file."""
    paths = {id(node): _parts(node) for node in nodes}
    uses = [(id(node), one) for node in nodes for one in node.operand_values() if isinstance(one, Parameter)]
    uses = [(node, one) for node, one in uses if one in known and "." in one.name]
    if _is_numbered([(paths[node], _home(one)) for node, one in uses]):
        paths = {node: tuple(part.removesuffix("_1") for part in path) for node, path in paths.items()}
    places = {}
    for node, one in uses:
        start = _start(paths[node], _home(one))
        if start is not None:
            places.setdefault(one, paths[node][:start])
    whole = _common(list(places.values())) if places else ()
    paths = {node: path[len(whole) :] if path[: len(whole)] == whole else path for node, path in paths.items()}
    homes = {one: (*place[len(whole) :], *_home(one)) for one, place in places.items()}
    _rename(parameters, homes)
    layers = set(homes.values())
    prefixes = {home[:depth] for home in layers for depth in range(len(home) + 1)}
    cut = {node: _cut(path, layers, prefixes) for node, path in paths.items()}
    again = _further_calls(nodes, cut, homes, layers)
    for node in nodes:
        path, call = again.get(cut[id(node)], (cut[id(node)], 0))
        frames = [Frame(".".join(path[: depth + 1])) for depth in range(len(path))]
        node.scope = (*frames[:-1], Frame(frames[-1].path, call)) if frames else ()


def _parts(node: Node) -> Path:
    path = node.scope[-1].path.split(".") if node.scope else []
    return tuple(part for part in path if not _FUNCTION.fullmatch(part))


def _home(one: Parameter) -> Path:
    return tuple(one.name.split(".")[:-1])


def _start(path: Path, home: Path) -> int | None:
    """Where a home stands in a path; None where it does not."""
    starts = (at for at in range(len(path) - len(home) + 1) if path[at : at + len(home)] == home)
    return next(starts, None)


def _is_numbered(pairs: list[tuple[Path, Path]]) -> bool:
    """Whether the scopes have a number that the variables do not have."""
    stripped = [(tuple(part.removesuffix("_1") for part in path), home) for path, home in pairs]
    plain = any(_start(path, home) is not None for path, home in pairs)
    return not plain and any(_start(path, home) is not None for path, home in stripped)


def _common(paths: list[Path]) -> Path:
    """What all paths begin with."""
    shortest = min(paths, key=len)
    return next(shortest[:n] for n in range(len(shortest), -1, -1) if all(p[:n] == shortest[:n] for p in paths))


def _rename(parameters: dict[str, Parameter], homes: dict[Parameter, Path]) -> None:
    """Gives parameters the paths of their layers, where no two have the same."""
    made = {one: ".".join((*homes[one], one.name.rpartition(".")[2])) for one in homes}
    others = {one.name for one in parameters.values() if one not in made}
    if len(set(made.values()) | others) != len(made) + len(others):
        return
    for one, name in made.items():
        if one.name != name:
            one.name, one.aliases = name, (one.name,)
    held = list(parameters.values())
    parameters.clear()
    parameters.update({one.name: one for one in held})


def _cut(path: Path, layers: set[Path], prefixes: set[Path]) -> Path:
    """The path of the layer that a node stands in."""
    depth = 0
    while depth < len(path) and path[: depth + 1] in prefixes:
        depth += 1
    return path[:depth] if path[:depth] in layers else path[: depth + 1]


def _further_calls(nodes, cut, homes, layers) -> dict[Path, tuple[Path, int]]:
    """Scopes that are a further call of a layer: all variables that they use are those of one that stands elsewhere."""
    used: dict[Path, set[Path]] = {}
    for node in nodes:
        found = {homes[one] for one in node.operand_values() if isinstance(one, Parameter) and one in homes}
        used.setdefault(cut[id(node)], set()).update(found)
    again: dict[Path, tuple[Path, int]] = {}
    calls: dict[Path, int] = {}
    for path, found in used.items():
        if path and path not in layers and len(found) == 1:
            (layer,) = found
            calls[layer] = calls.get(layer, 0) + 1
            again[path] = (layer, calls[layer])
    return again
