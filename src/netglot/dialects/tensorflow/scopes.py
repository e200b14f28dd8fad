"""The layers of a SavedModel, from the names of its nodes and its variables.

A node of an exported Keras model is called `net_1/dense_1/MatMul` and its variable `dense/kernel`: TensorFlow numbers
what it traces again, and Keras names no model before a variable. Where the variables say so, the numbers and the name
of the whole model are left out, variables stand in the layer that uses them, and what a layer calls inside itself is
no layer of its own.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection

from netglot.pivot.graph import Frame, Node, Parameter

Path = tuple[str, ...]
_FUNCTION = re.compile(
    r"tf_\w+|Partitioned\w*|((dense_)?einsum|tensordot|moments|batchnorm|gelu|l2_normalize|reduce_logsumexp"
    r"|(inverse_)?stft|frame|linear_to_mel_weight_matrix)(_\d+)?",
    re.IGNORECASE,
)
"""Scopes of functions: Keras 2 makes layers of those of TensorFlow."""


def in_layers(nodes: list[Node], parameters: dict[str, Parameter], known: Collection[Parameter]) -> None:
    """Names the scopes of nodes and the parameters, in place; the paths of `known` ones are those of the file."""
    paths = {id(node): _parts(node) for node in nodes}
    uses = [(id(node), one) for node in nodes for one in node.operand_values() if isinstance(one, Parameter)]
    uses = [(node, one) for node, one in uses if one in known and "." in one.name]
    if _is_numbered([(paths[node], _home(one)) for node, one in uses]):
        paths = {node: tuple(map(_traced_once, path)) for node, path in paths.items()}
    places = {}
    for node, one in uses:
        start = _start(paths[node], _home(one))
        if start is not None:
            places.setdefault(one, paths[node][:start])
    whole = _common(list(places.values())) if places else ()
    paths = {node: path[len(whole) :] if path[: len(whole)] == whole else path for node, path in paths.items()}
    homes = {one: (*place[len(whole) :], *_home(one)) for one, place in places.items()}
    homes |= _homes_by_use(uses, homes, paths)
    _rename(parameters, homes)
    layers = set(homes.values())
    prefixes = {home[:depth] for home in layers for depth in range(len(home) + 1)}
    cut = {node: _cut(path, layers, prefixes) for node, path in paths.items()}
    cut = _without_steps(cut, layers)
    again = _further_calls(nodes, cut, homes, layers)
    for node in nodes:
        path, call = again.get(cut[id(node)], (cut[id(node)], 0))
        frames = [Frame(".".join(path[: depth + 1])) for depth in range(len(path))]
        node.scope = (*frames[:-1], Frame(frames[-1].path, call)) if frames else ()
    _count_afresh(nodes, parameters)


def _count_afresh(nodes: list[Node], parameters: dict[str, Parameter]) -> None:
    """Counts the names that Keras made up from the first in each layer around them, in place.

    Keras counts across the whole process, so that equal blocks have other names inside: `block/dense_4` and
    `block_1/dense_6`. A name is made up where no number comes with it twice, in whichever layer it stands.
    """
    paths = {tuple(node.scope[-1].path.split(".")) for node in nodes if node.scope}
    paths |= {tuple(name.split(".")[:-1]) for name in parameters}
    children = {path[:depth] for path in paths for depth in range(1, len(path) + 1)}
    numbers: dict[str, dict[Path, list[int]]] = {}
    for *around, name in children:
        base, number = _numbered(name)
        numbers.setdefault(base, {}).setdefault(tuple(around), []).append(number)
    first: dict[tuple[Path, str], int] = {}
    for base, held in numbers.items():
        found = [number for one in held.values() for number in one]
        if len(held) > 1 and len(set(found)) == len(found):
            first |= {(around, base): min(one) for around, one in held.items()}

    def renamed(path: Path) -> Path:
        made: list[str] = []
        for depth, name in enumerate(path):
            base, number = _numbered(name)
            number -= first.get((path[:depth], base), 0)
            made.append(f"{base}_{number}" if number else base)
        return tuple(made)

    for node in nodes:
        path = renamed(tuple(node.scope[-1].path.split("."))) if node.scope else ()
        node.scope = tuple(Frame(".".join(path[: at + 1]), one.call) for at, one in enumerate(node.scope))
    _rename(parameters, {one: renamed(_home(one)) for one in parameters.values() if "." in one.name})


def _numbered(name: str) -> tuple[str, int]:
    """The name and the number behind it, 0 where there is none."""
    found = re.fullmatch(r"(.+?)_([1-9]\d*)", name)
    return (found[1], int(found[2])) if found else (name, 0)


def _parts(node: Node) -> Path:
    path = node.scope[-1].path.split(".") if node.scope else []
    return tuple(part for part in path if not _FUNCTION.fullmatch(part))


def _last(one: Parameter) -> str:
    return one.name.rpartition(".")[2]


def _home(one: Parameter) -> Path:
    return tuple(one.name.split(".")[:-1])


def _start(path: Path, home: Path) -> int | None:
    """Where a home stands in a path; None where it does not."""
    starts = (at for at in range(len(path) - len(home) + 1) if path[at : at + len(home)] == home)
    return next(starts, None)


def _homes_by_use(uses: list, homes: dict[Parameter, Path], paths: dict[int, Path]) -> dict[Parameter, Path]:
    """The layers in which variables are used whose names do not tell them apart.

    A subclassed model of Keras 3 builds its layers when it is called first, and all their kernels are `net/kernel`.
    """
    alike: dict[tuple, set[Parameter]] = {}
    for one, home in homes.items():
        alike.setdefault((home, _numbered(_last(one))[0]), set()).add(one)
    nameless = {one for found in alike.values() if len(found) > 1 for one in found}
    used: dict[Parameter, list[Path]] = {}
    for node, one in uses:
        used.setdefault(one, []).append(paths[node])
    found = {one: _common(used[one]) for one in homes if one in nameless}
    if len(set(found.values())) < 2 or any(path[: len(homes[one])] != homes[one] for one, path in found.items()):
        return {}
    return found


def _traced_once(part: str) -> str:
    """The name of a layer without the number of its second trace: 1, or another where that name was taken."""
    return re.sub(r"(_\d+)_\d+$", r"\1", part) if re.search(r"_\d+_\d+$", part) else part.removesuffix("_1")


def _is_numbered(pairs: list[tuple[Path, Path]]) -> bool:
    """Whether the scopes have a number that the variables do not have."""
    stripped = [(tuple(map(_traced_once, path)), home) for path, home in pairs]
    plain = any(_start(path, home) is not None for path, home in pairs)
    return not plain and any(_start(path, home) is not None for path, home in stripped)


def _common(paths: list[Path]) -> Path:
    """What all paths begin with."""
    shortest = min(paths, key=len)
    return next(shortest[:n] for n in range(len(shortest), -1, -1) if all(p[:n] == shortest[:n] for p in paths))


def _rename(parameters: dict[str, Parameter], homes: dict[Parameter, Path]) -> None:
    """Gives parameters the paths of their layers, where no two have the same."""
    made = {one: ".".join((*homes[one], _last(one))) for one in homes}
    plain = {one: ".".join((*homes[one], _numbered(_last(one))[0])) for one in homes}
    counts = Counter(plain.values())  # a number that told variables of one layer apart has nothing to tell in several
    made |= {one: name for one, name in plain.items() if counts[name] == 1 and homes[one] != _home(one)}
    others = {one.name for one in parameters.values() if one not in made}
    if len(set(made.values()) | others) != len(made) + len(others):
        return
    for one, name in made.items():
        if one.name != name:
            one.name, one.aliases = name, one.aliases or (one.name,)
    held = list(parameters.values())
    parameters.clear()
    parameters.update({one.name: one for one in held})


def _cut(path: Path, layers: set[Path], prefixes: set[Path]) -> Path:
    """The path of the layer that a node stands in."""
    depth = 0
    while depth < len(path) and path[: depth + 1] in prefixes:
        depth += 1
    return path[:depth] if path[:depth] in layers else path[: depth + 1]


def _without_steps(cut: dict[int, Path], layers: set[Path]) -> dict[int, Path]:
    """The paths without the scopes of a few steps that hold no variables: those of functions, of which the file says
    no more than a name. One or two steps are a layer without weights, or are written as if they were."""
    counts = Counter(cut.values())
    around = {path for path in counts if any(one[: len(path)] == path != one for one in counts)}
    return {
        node: path[:-1] if path not in layers | around and 2 < counts[path] <= _FEW else path
        for node, path in cut.items()
    }


_FEW = 8
"""Steps that are read as well where they stand as in a class of their own."""


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
