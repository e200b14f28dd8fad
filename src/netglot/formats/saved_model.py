"""SavedModels of TensorFlow 2: the function behind a signature, and the variables that it uses.

Nothing of the Python that made the model is run: a SavedModel holds graphs.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netglot.errors import InputError, RequestError
from netglot.formats import wire
from netglot.formats.mapped import mapped
from netglot.pivot.dims import Dim
from netglot.pivot.graph import Graph
from netglot.pivot.op import TensorType

SERVING = "serving_default"


def sniff(path: str | Path) -> bool:
    """Whether a folder is a SavedModel."""
    return any(os.path.isfile(Path(path) / name) for name in ("saved_model.pb", "saved_model.pbtxt"))


@dataclass(frozen=True)
class Served:
    """One signature of a SavedModel: a network whose inputs and outputs have names."""

    path: str
    signature: str
    function: Any
    variables: dict[int, tuple[str, Any]]
    """The path and the variable of each resource, by the identity of its handle."""
    frozen: frozenset[str] = frozenset()
    """The paths of variables that Keras does not train, though TensorFlow would."""

    @property
    def name(self) -> str:
        """A title from the folder's name; a version's number is no name."""
        parts = [part for part in Path(self.path).absolute().parts if not part.isdigit()]
        return "".join(w[:1].upper() + w[1:] for w in re.split(r"\W+|_+", parts[-1]) if w) or "Network"

    @property
    def inputs(self) -> dict[str, TensorType]:
        """The types of the inputs by name, in order."""
        return {key: _type(spec, number) for number, (key, spec) in enumerate(_inputs(self.function).items())}


def serve(path: str | Path, signature: str | None = None) -> Served:
    """Opens one signature of a SavedModel.

    Raises:
        InputError: the folder is no SavedModel, or damaged.
        RequestError: it has no such signature; the advice lists those that it has.
    """
    loaded = load(path)
    function = choose(loaded, signature, str(path))
    held = variables(loaded)
    still = {id(one.handle) for one in getattr(loaded, "non_trainable_variables", ()) if hasattr(one, "handle")}
    frozen = frozenset(name for handle, (name, _) in held.items() if handle in still)
    return Served(str(path), function_name(function, loaded), function, held, frozen)


def read_served(served: Served, *, inputs: Mapping[str, TensorType] | None = None) -> Graph:
    """Reads a signature as a graph; `inputs` are types closer than its own, by name.

    Raises:
        UnsupportedOps: ops without a pivot form.
    """
    from netglot.dialects.tensorflow.read import read_signature

    graph = read_signature(served.function, served.variables, {**served.inputs, **(inputs or {})}, name=served.name)
    for one in graph.parameters.values():
        one.trainable = one.trainable and served.frozen.isdisjoint((one.name, *one.aliases))
    graph.notes.append(f"read from the signature {served.signature!r} of the SavedModel")
    return graph


_TABLES = wire.schema("""
SavedModel
  2 meta_graphs MetaGraph*
MetaGraph
  7 objects bytes
""")


def is_frozen(path: Path) -> bool:
    """Whether a path is a graph of TensorFlow 1: a file that is no part of a SavedModel, or a SavedModel's folder.

    A SavedModel of TensorFlow 2 says which objects hold its variables, one of TensorFlow 1 does not.
    """
    if path.suffix in (".pb", ".pbtxt", ".meta") and path.stem != "saved_model":
        return True
    if not (path / "saved_model.pb").is_file():
        return False
    try:
        graphs = wire.parse(mapped(path / "saved_model.pb"), _TABLES, "SavedModel").records("meta_graphs")
    except InputError:
        return False
    return bool(graphs) and not any("objects" in one for one in graphs)


def read(path: str | Path, *, signature: str | None = None) -> Graph:
    """Reads one signature of a SavedModel as a graph; raises what `serve` and `read_served` raise."""
    return read_served(serve(path, signature))


def load(path: str | Path) -> Any:
    """The loaded SavedModel.

    Raises:
        InputError: it cannot be loaded.
    """
    import tensorflow as tf

    if not sniff(path):
        raise InputError(f"{path} is no SavedModel: it has no saved_model.pb")
    try:
        try:
            return tf.saved_model.load(str(path))
        except AttributeError as error:
            if "add_slot" not in str(error):
                raise
            return _load_without_slots(Path(path))
    except Exception as error:
        detail = str(error).strip().partition("\n")[0]
        raise InputError(f"{path} cannot be loaded as a SavedModel: {detail}", advice="is it complete?") from error


def _load_without_slots(path: Path) -> Any:
    """A SavedModel that was saved with an optimiser whose class is not here, loaded without the optimiser's state."""
    import tensorflow as tf
    from tensorflow.core.protobuf import saved_model_pb2

    held = saved_model_pb2.SavedModel()
    held.ParseFromString((path / "saved_model.pb").read_bytes())
    for node in held.meta_graphs[0].object_graph_def.nodes:
        del node.slot_variables[:]
    with tempfile.TemporaryDirectory(prefix="netglot-") as folder:
        Path(folder, "saved_model.pb").write_bytes(held.SerializeToString())
        for one in path.iterdir():
            if one.is_dir():
                Path(folder, one.name).symlink_to(one.absolute(), target_is_directory=True)
        return tf.saved_model.load(folder)


def choose(loaded: Any, signature: str | None, path: str) -> Any:
    """The function of a signature: the one that is asked for, the serving one, or the only one.

    Raises:
        RequestError: there is none such.
    """
    known = dict(loaded.signatures)
    if signature is None:
        signature = SERVING if SERVING in known or len(known) != 1 else next(iter(known))
    if signature in known:
        return known[signature]
    if known:
        raise RequestError(
            f"{path} has no signature {signature!r}", advice=f"it has {', '.join(sorted(known))}: --signature NAME"
        )
    methods = [n for n in dir(loaded) if not n.startswith("_") and hasattr(getattr(loaded, n), "concrete_functions")]
    advice = "save it with signatures=..., or with model.export(path)"
    if methods:
        advice = f"it has the functions {', '.join(methods)}, without signatures; {advice}"
    raise RequestError(f"{path} has no signature to serve with", advice=advice)


def function_name(function: Any, loaded: Any) -> str:
    """The name of a signature."""
    return next((name for name, one in loaded.signatures.items() if one is function), SERVING)


def _inputs(function: Any) -> dict[str, Any]:
    """The inputs by name, in the order in which the function's graph has them."""
    _, named = function.structured_input_signature
    captured = {tensor.name for tensor in function.graph.internal_captures}
    order = [tensor for tensor in function.graph.inputs if tensor.name not in captured]
    found = {}
    for tensor in order:
        bare = tensor.name.split(":")[0]
        key = next((k for k, spec in named.items() if k == bare or getattr(spec, "name", None) == bare), None)
        found[key or bare] = named.get(key, tensor)
    return found


def _type(spec: Any, number: int) -> TensorType:
    if spec.shape.rank is None:
        raise InputError("an input of unknown rank", advice="export the model with a fixed rank")
    sizes = [
        size if size is not None else Dim.symbol("B" if axis == 0 else f"{'_TUVW'[axis]}{number or ''}")
        for axis, size in enumerate(spec.shape.as_list())
    ]
    return TensorType(spec.dtype.name, tuple(sizes))


def variables(loaded: Any) -> dict[int, tuple[str, Any]]:
    """The path and the variable of each resource of a SavedModel, by the identity of its handle."""
    found: dict[int, tuple[str, Any]] = {}
    seen: set[str] = set()
    attributes = _attributes(loaded)
    for function in loaded.signatures.values():
        for variable in function.variables:
            if id(variable.handle) not in found:
                path = _path(variable.name)
                if _UNNAMED.fullmatch(path):
                    path = attributes.get(id(variable.handle), path)
                found[id(variable.handle)] = (_unique(path, seen), variable)
    return found


_UNNAMED = re.compile(r"Variable(_\d+)?")
"""What TensorFlow calls a variable that nobody gave a name."""


def _attributes(loaded: Any) -> dict[int, str]:
    """The attribute path of each variable of the objects that were saved, by the identity of its handle."""
    found: dict[int, str] = {}
    seen = {id(loaded)}
    level = [("", loaded)]
    while level:
        below = []
        for path, one in level:
            for name, child in one._trackable_children().items():
                if id(child) in seen:
                    continue
                seen.add(id(child))
                inner = _path(f"{path}/{name}" if path else name)
                if hasattr(child, "handle"):
                    found.setdefault(id(child.handle), inner)
                elif hasattr(child, "_trackable_children"):
                    below.append((inner.replace(".", "/"), child))
        level = below
    return found


def _path(name: str) -> str:
    parts = [re.sub(r"\W+", "_", part) for part in name.split(":")[0].split("/")]
    return ".".join(parts)


def _unique(name: str, seen: set[str]) -> str:
    number, made = 0, name
    while made in seen:
        number += 1
        made = f"{name}_{number}"
    seen.add(made)
    return made
