"""Saves a graph as `network.json` and `weights.safetensors`, and reads it back; see docs/format.md.

The JSON has one line for each node, so that a person can read it and a diff shows what changed. Weights are written
one at a time, and mapped into memory when they are used.
"""

from __future__ import annotations

import ast
import json
import os
import re
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from netglot.errors import Bug, InputError
from netglot.pivot import dims
from netglot.pivot.dims import Dim
from netglot.pivot.graph import Frame, Graph, Module, Node, Parameter, Site, Value
from netglot.pivot.initialiser import Initialiser
from netglot.pivot.op import DTYPES, Op, TensorType
from netglot.pivot.storage import read_tensors, stored_type, write_tensors

FORMAT = "netglot network"
VERSION = 1
NETWORK = "network.json"
WEIGHTS = "weights.safetensors"


@dataclass(frozen=True)
class Opaque:
    """Stands for an object of the source that is no plain data, such as a function given to a constructor."""

    text: str

    def __repr__(self) -> str:
        return self.text


def save(graph: Graph, folder: str | Path) -> None:
    """Writes `graph` and its weights into `folder`; each file appears when it is complete."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_tensors(folder / WEIGHTS, ((name, p.type, p.load) for name, p in graph.parameters.items()))
    aside = folder / (NETWORK + ".part")
    aside.write_text(to_json(graph), encoding="utf-8")
    os.replace(aside, folder / NETWORK)


def load(folder: str | Path) -> Graph:
    """The graph in `folder`; its weights are read when they are used.

    Raises:
        InputError: a file is missing or broken, of another version, or the weights do not fit.
    """
    folder = Path(folder)
    try:
        text = (folder / NETWORK).read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{folder / NETWORK} cannot be read: {error.strerror}") from error
    tensors = read_tensors(folder / WEIGHTS)

    def loader(name: str, type: TensorType):
        if name not in tensors:
            raise InputError(f"{folder / WEIGHTS} has no tensor {name!r}")
        kept, read = tensors[name]
        if kept != stored_type(type):
            raise InputError(f"{folder / WEIGHTS}: {name!r} is {kept} and the network says {type}")
        if type.dtype != "complex128":
            return read
        return lambda: read().reshape(*type.shape, 2).view("complex128").reshape(type.shape)

    return from_json(text, loader, where=str(folder / NETWORK))


# --- a graph as plain data


def to_data(graph: Graph) -> dict[str, Any]:
    """Everything that a graph says, weights aside, as numbers, strings, lists and dictionaries.

    Two graphs are equal where this is equal.
    """
    sites: dict[Site | None, int] = {}
    nodes = [_node_data(node, sites) for node in graph.nodes]
    return {
        "format": FORMAT,
        "version": VERSION,
        "name": graph.name,
        "inputs": [_value_data(value) for value in graph.inputs],
        "parameters": [_parameter_data(p) for p in graph.parameters.values()],
        "nodes": nodes,
        "output": _named(graph.output),
        "modules": [_module_data(module) for module in graph.modules.values()],
        "sites": [_site_data(site) for site in sites],
        "notes": list(graph.notes),
    }


def equal(one: Graph, other: Graph) -> bool:
    """Whether two graphs say the same, the numbers of their weights aside."""
    return to_data(one) == to_data(other)


def _value_data(value: Value) -> dict[str, Any]:
    return {"name": value.name, "type": str(value.type)} | ({"hint": value.hint} if value.hint else {})


def _parameter_data(parameter: Parameter) -> dict[str, Any]:
    data = _value_data(parameter)
    if parameter.kind != "parameter":
        data["kind"] = parameter.kind
    elif not parameter.trainable:
        data["trainable"] = False
    if parameter.aliases:
        data["aliases"] = list(parameter.aliases)
    if parameter.initialiser is not None:
        data["initialiser"] = encode(parameter.initialiser)
    return data


def _node_data(node: Node, sites: dict[Site | None, int]) -> dict[str, Any]:
    operands = {f.name: _named(getattr(node.op, f.name)) for f in node.op.operand_fields()}
    attributes = {name: encode(held) for name, held in node.op.attributes().items()}
    data = {"results": [_value_data(v) for v in node.results], "op": type(node.op).__name__, "operands": operands}
    if attributes:
        data["attributes"] = attributes
    if node.scope:
        data["scope"] = [[frame.path, frame.call] if frame.call else frame.path for frame in node.scope]
    if node.sites:
        data["sites"] = [sites.setdefault(site, len(sites)) for site in node.sites]
    return data


def _site_data(site: Site | None) -> list | None:
    return None if site is None else [getattr(site, f.name) for f in fields(Site)]


def _module_data(module: Module) -> dict[str, Any]:
    data: dict[str, Any] = {"path": module.path, "class_name": module.class_name}
    for field in fields(Module)[2:]:
        held = getattr(module, field.name)
        if held:
            data[field.name] = {k: encode(v) for k, v in held.items()} if isinstance(held, dict) else encode(held)
    return data


def _named(tree: Any) -> Any:
    """A nest of values as their names; numbers are themselves."""
    if isinstance(tree, Value):
        return tree.name
    if isinstance(tree, tuple):
        return [_named(one) for one in tree]
    if isinstance(tree, list):
        return {"$list": [_named(one) for one in tree]}
    if isinstance(tree, dict):
        return {"$dict": [[key, _named(one)] for key, one in tree.items()]}
    return encode(tree)


def _valued(data: Any, values: dict[str, Value]) -> Any:
    """What `_named` wrote."""
    if isinstance(data, str):
        return values[data]
    if isinstance(data, list):
        return tuple(_valued(one, values) for one in data)
    match data:
        case {"$list": held}:
            return [_valued(one, values) for one in held]
        case {"$dict": held}:
            return {key: _valued(one, values) for key, one in held}
    return decode(data)


def encode(held: Any) -> Any:
    """Any Python datum as JSON. What JSON lacks is an object with one key that starts with `$`."""
    match held:
        case None | bool() | str():
            return held
        case np.generic():
            return encode(held.item())
        case int():
            return int(held)
        case float():
            return held if np.isfinite(held) else {"$float": str(held)}
        case complex():
            return {"$complex": [held.real, held.imag]}
        case Dim():
            return {"$size": str(held)}
        case tuple():
            return [encode(one) for one in held]
        case list():
            return {"$list": [encode(one) for one in held]}
        case dict():
            return {"$dict": [[encode(key), encode(one)] for key, one in held.items()]}
        case Initialiser():
            return {"$initialiser": [held.kind, encode(held.a), encode(held.b)]}
        case Opaque():
            return {"$object": held.text}
        case Op() | Graph():
            raise Bug(f"a graph cannot hold {type(held).__name__} where plain data is meant")
    return {"$object": object_text(held)}


def object_text(held: Any) -> str:
    """What names an object in the same way each time."""
    if hasattr(held, "__qualname__"):
        return f"{held.__module__}.{held.__qualname__}"
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(held))


# --- JSON


def to_json(graph: Graph) -> str:
    """The text of `network.json`: the sections in order, one entry a line."""
    sections = []
    for key, held in to_data(graph).items():
        if isinstance(held, list) and held and key not in ("output",):
            lines = ",\n".join("    " + json.dumps(one, ensure_ascii=False) for one in held)
            sections.append(f'  "{key}": [\n{lines}\n  ]')
        else:
            sections.append(f'  "{key}": {json.dumps(held, ensure_ascii=False)}')
    return "{\n" + ",\n".join(sections) + "\n}\n"


def from_json(text: str, loader, *, where: str = "the network") -> Graph:
    """The graph that `to_json` wrote. `loader(name, type)` gives the function that reads a parameter.

    Raises:
        InputError: the text is not such a network, or of a newer version.
    """
    try:
        data = json.loads(text)
    except ValueError as error:
        raise InputError(f"{where} is no JSON: {error}") from error
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise InputError(f"{where} is no netglot network")
    if data.get("version") != VERSION:
        raise InputError(
            f"{where} has version {data.get('version')} and this netglot reads {VERSION}",
            advice="write it again with this netglot, or install the one that wrote it",
        )
    try:
        return from_data(data, loader)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise InputError(f"{where} is damaged: {type(error).__name__} {error}") from error


def from_data(data: dict[str, Any], loader) -> Graph:
    """The graph that `to_data` described."""
    import netglot.pivot.ops  # noqa: F401  (fills the registry)
    from netglot.pivot.op import REGISTRY

    values: dict[str, Value] = {}

    def value(entry: dict) -> Value:
        made = Value(entry["name"], parse_type(entry["type"]), entry.get("hint"))
        values[made.name] = made
        return made

    inputs = [value(entry) for entry in data["inputs"]]
    parameters = {entry["name"]: _parameter(entry, loader) for entry in data["parameters"]}
    values.update(parameters)
    sites = [None if entry is None else Site(*entry) for entry in data["sites"]]
    nodes = []
    for entry in data["nodes"]:
        operands = {name: _valued(one, values) for name, one in entry["operands"].items()}
        attributes = {name: decode(one) for name, one in entry.get("attributes", {}).items()}
        op = REGISTRY[entry["op"]](**operands, **attributes)
        results = tuple(value(one) for one in entry["results"])
        scope = tuple(Frame(*((one, 0) if isinstance(one, str) else one)) for one in entry.get("scope", ()))
        nodes.append(Node(op, results, scope, tuple(sites[place] for place in entry.get("sites", ()))))
    modules = {entry["path"]: _module(entry) for entry in data["modules"]}
    output = _valued(data["output"], values)
    return Graph(data["name"], inputs, parameters, nodes, output, modules, list(data["notes"]))


def _parameter(entry: dict, loader) -> Parameter:
    type = parse_type(entry["type"])
    made = Parameter(
        entry["name"],
        type,
        loader(entry["name"], type),
        kind=entry.get("kind", "parameter"),
        trainable=entry.get("trainable", True),
        aliases=tuple(entry.get("aliases", ())),
        initialiser=decode(entry.get("initialiser")),
    )
    made.hint = entry.get("hint")
    return made


def _module(entry: dict) -> Module:
    held = {}
    for name, one in entry.items():
        held[name] = {k: decode(v) for k, v in one.items()} if isinstance(one, dict) else decode(one)
    return Module(**held)


def decode(data: Any) -> Any:
    """What `encode` wrote."""
    if isinstance(data, list):
        return tuple(decode(one) for one in data)
    if not isinstance(data, dict):
        return data
    ((key, held),) = data.items()
    match key:
        case "$float":
            return float(held)
        case "$complex":
            return complex(*held)
        case "$size":
            return dims.parse(held)
        case "$list":
            return [decode(one) for one in held]
        case "$dict":
            return {decode(k): decode(v) for k, v in held}
        case "$initialiser":
            return Initialiser(held[0], decode(held[1]), decode(held[2]))
        case "$object":
            return Opaque(held)
    raise ValueError(f"{key} is not known")


def parse_type(text: str) -> TensorType:
    """The type that `str` of a type printed, such as `float32[B, 3]`.

    Raises:
        ValueError: the text is no type.
    """
    match = re.fullmatch(r"(\w+)\[(.*)\]", text.strip())
    if not match or match[1] not in DTYPES:
        raise ValueError(f"{text!r} is no type")
    # A size may hold a comma inside max(a, b), so the list is parsed as one expression.
    sizes = ast.parse(f"[{match[2]}]", mode="eval").body.elts
    return TensorType(match[1], tuple(dims.from_ast(size) for size in sizes))
