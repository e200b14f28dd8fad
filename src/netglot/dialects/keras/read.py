"""From a live Keras model to the pivot."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from itertools import zip_longest
from typing import Any

import numpy as np

from netglot.errors import Bug, NetglotError, Refusal, UnsupportedOps, UserCodeError, notimpl
from netglot.pivot.dims import Dim, Size
from netglot.pivot.graph import Graph, Node, Parameter, Value, flatten_tree
from netglot.pivot.op import TensorType

BATCH = 1009
"""The size of a symbolic batch while a model is traced: a prime that no network uses, so that one that became a
constant is seen."""

LENGTHS = (
    {"image": (1103, 1097), "plain": (127, 113)},
    {"image": (224, 192), "plain": (64, 32)},
    {"image": (256, 128), "plain": (16, 8)},
    {"image": (96, 64), "plain": (7, 5)},
    {"image": (32, 64), "plain": (4, 3)},
    {"image": (512, 256), "plain": (4096, 2048)},
)
"""Sizes for other symbolic axes, tried in turn, each with another for a second look: an image may have to be divisible,
a sequence short, or a sound long."""


def read_keras(model: Any, *, inputs: Any = None, name: str | None = None) -> Graph:
    """Reads a live Keras model as a graph.

    Args:
        inputs: what the model is called with where it does not say so itself: a nest of `InputSpec`s (in the order of
            the call's arguments, or a dictionary of them), with symbolic sizes where axes may vary.
        name: the name of the graph; the model's class where it has one of its own, else its name.

    Raises:
        UnsupportedOps: layers and functions without a pivot form, all of them.
        Refusal: the model as a whole cannot be read.
        UserCodeError: the model's own code raised.
    """
    import keras

    import netglot.dialects.keras.functions
    import netglot.dialects.keras.layers
    import netglot.dialects.keras.ops  # noqa: F401

    if not isinstance(model, keras.layers.Layer):
        raise Refusal(notimpl(f"a {type(model).__name__} is not a Keras model"))
    specs = call_of(model, inputs)
    _build(model, specs)
    last: NetglotError | None = None
    for sizes, others in _choices(specs):
        try:
            graph = _read(model, specs, sizes, name)
        except (UserCodeError, Bug) as error:  # of sizes that the model does not take, Keras may say nothing
            last = last or error
            continue
        if others != sizes:
            _check_open(graph, lambda others=others: _read(model, specs, others, name))
        return graph
    assert last is not None
    raise last


def _read(model: Any, specs: Any, sizes: dict[str, int], name: str | None) -> Graph:
    import keras

    from netglot.dialects.keras.precision import in_single, told
    from netglot.dialects.keras.trace import Tracer

    tracer = Tracer(model, sizes)
    values: list[Value] = []

    def traced(spec):
        value, tensor = tracer.input(spec.name or "x", TensorType(_single(spec.dtype), spec.shape))
        values.append(value)
        return tensor

    args, kwargs = _map(traced, specs)
    with keras.device("cpu:0"), in_single(tracer.tree.layers) as policies:
        output = tracer.run(args, kwargs)
    if tracer.refused:
        raise UnsupportedOps(tracer.refused, max(tracer.total, len(tracer.refused)), "pivot")
    modules = tracer.tree.modules
    graph = Graph(
        name or _title(model), values, dict(tracer.parameters), tracer.nodes, output, modules, list(tracer.notes)
    )
    graph.arguments = tracer.arguments
    graph.prune()
    tracer.writes.check(graph)
    _drop_unused_constants(graph)
    _check_sizes(graph, sizes)
    graph.notes.extend([*told(policies), *_unused(graph)])
    return graph


def _single(dtype: str) -> str:
    from netglot.dialects.keras.precision import widened

    return widened(dtype)


def _title(model: Any) -> str:
    own = not type(model).__module__.startswith("keras.")
    return type(model).__name__ if own else "".join(w[:1].upper() + w[1:] for w in _words(model.name)) or "Network"


def _words(name: str) -> list[str]:
    import re

    return [word for word in re.split(r"\W+|_+", name) if word and not (word.isdigit())]


# -- inputs


def call_of(model: Any, inputs: Any) -> tuple[tuple, dict]:
    """The arguments of the call as nests of `InputSpec`s; where `inputs` is None, as the model says them itself."""
    from netglot.frontend.inputs import Inputs, parse_inputs

    if inputs is not None:
        given = inputs if isinstance(inputs, Inputs) else parse_inputs(inputs)
        named = _named_struct(model, dict(given.keyword)) if not given.positional else None
        return ((named,), {}) if named is not None else (_as_struct(model, given.positional), dict(given.keyword))
    struct = getattr(model, "_inputs_struct", None)
    functional = getattr(model, "_functional", None)
    if struct is None and functional is not None:
        struct = functional._inputs_struct
    if struct is not None:
        return (_functional_specs(struct),), {}
    return _subclassed_specs(model)


def _as_struct(model: Any, positional: tuple) -> tuple:
    """Several inputs of a functional model are one argument."""
    struct = getattr(model, "_inputs_struct", None)
    if struct is None or len(positional) == 1:
        return positional
    return (dict(zip(struct, positional, strict=True)) if isinstance(struct, dict) else list(positional),)


def _named_struct(model: Any, named: dict[str, Any]) -> Any:
    """Inputs of a functional model that are given by their names, as its one argument; None where they are others."""
    import keras

    struct = getattr(model, "_inputs_struct", None)
    if struct is None:
        return None
    names = [tensor.name for tensor in keras.tree.flatten(struct)]
    if sorted(names) != sorted(named):
        return None
    return keras.tree.map_structure(lambda tensor: named[tensor.name], struct)


def _called_specs(node: Any, name: str) -> tuple[tuple, dict]:
    """What a model was called with on symbolic tensors."""
    import keras

    args, kwargs = node.arguments.args, node.arguments.kwargs
    given = {name: held for name, held in kwargs.items() if keras.tree.flatten(held) and _all_symbolic(held)}
    tensors = keras.tree.flatten((args, given))
    specs = iter(keras.tree.flatten(_functional_specs(tensors, name)))
    filled_args, filled = keras.tree.map_structure(lambda _: next(specs), (args, given))
    return tuple(filled_args), filled


def _all_symbolic(held: Any) -> bool:
    import keras

    return all(isinstance(one, keras.KerasTensor) for one in keras.tree.flatten(held))


def _functional_specs(struct: Any, wanted: str = "x") -> Any:
    import keras

    batched: set[int] = set()
    count = len(keras.tree.flatten(struct))

    def spec(tensor):
        from netglot.frontend.inputs import InputSpec

        number = len(batched)
        batched.add(number)
        shape = tuple(_symbol(size, axis, number, count) for axis, size in enumerate(tensor.shape))
        return InputSpec(shape, _single(tensor.dtype), _input_name(tensor.name, number, count, wanted))

    return keras.tree.map_structure(spec, struct)


def _input_name(name: str, number: int, count: int, wanted: str) -> str:
    """The name that the user gave to an input, or `wanted` for one that Keras made up."""
    import re

    if re.fullmatch(r"(keras_tensor|input_layer|input)(_\d+)?", name):
        return wanted if count == 1 else f"{wanted}_{number}"
    return re.sub(r"\W+", "_", name)


def _symbol(size: int | None, axis: int, number: int, count: int) -> Size:
    if size is not None:
        return int(size)
    if axis == 0:
        return Dim.symbol("B")
    letter = "_TUVW"[axis] if axis < 5 else f"S{axis}"
    return Dim.symbol(letter if count == 1 else f"{letter}{number}")


def _subclassed_specs(model: Any) -> tuple[tuple, dict]:
    """The inputs that a built model of the user's own class remembers."""
    from netglot.frontend.inputs import InputSpec

    node = next(iter(getattr(model, "_inbound_nodes", ())), None)
    if node is not None and node.input_tensors:
        return _called_specs(node, _first_argument(model))
    shapes = getattr(model, "_build_shapes_dict", None)
    if not model.built or not shapes:
        raise Refusal(
            notimpl(
                "the model does not say what it is called with", "give inputs=..., such as inputs=[(1, 224, 224, 3)]"
            )
        )
    dtype = _single(model.input_dtype) if hasattr(model, "input_dtype") else "float32"

    def spec(shape, name):
        if isinstance(shape, dict):
            return {key: spec(one, key) for key, one in shape.items()}
        if shape and isinstance(shape[0], list | tuple):
            return [spec(one, f"{name}_{index}") for index, one in enumerate(shape)]
        sizes = [_symbol(None if axis == 0 else size, axis, 0, 1) for axis, size in enumerate(shape)]
        return InputSpec(tuple(sizes), dtype, name)

    named = {key.removesuffix("_shape"): shape for key, shape in shapes.items()}
    if list(named) == ["input"]:
        return (spec(named["input"], _first_argument(model)),), {}
    return (), {key: spec(shape, key) for key, shape in named.items()}


def _first_argument(model: Any) -> str:
    import inspect

    return next(iter(inspect.signature(model.call).parameters), "inputs")


def build_keras(model: Any, inputs: Any = None) -> None:
    """Makes the variables of a model that has none yet, from what it is called with.

    Raises:
        Refusal: it does not say what it is called with.
        UserCodeError: its own code raised.
    """
    if not model.built:
        _build(model, call_of(model, inputs))


def _build(model: Any, specs: tuple[tuple, dict]) -> None:
    """Makes the variables of a model that has none yet."""
    import keras

    if model.built and all(layer.built for layer in model._flatten_layers()):
        return

    def example(spec):
        shape = tuple(size if isinstance(size, int) else None for size in spec.shape)
        return keras.KerasTensor(shape, dtype=spec.dtype)

    from netglot.dialects.keras.construction import watching

    args, kwargs = _map(example, specs)
    try:
        with watching():
            model(*args, **kwargs)
    except Exception as error:
        raise UserCodeError(f"the model cannot be built: {type(error).__name__}: {error}") from error


def _map(function: Any, specs: tuple[tuple, dict]) -> tuple[tuple, dict]:
    args, kwargs = specs
    return tuple(_map_spec(function, one) for one in args), {
        key: _map_spec(function, one) for key, one in kwargs.items()
    }


def _map_spec(function: Any, tree: Any) -> Any:
    from netglot.frontend.inputs import InputSpec

    if isinstance(tree, InputSpec):
        return function(tree)
    if isinstance(tree, dict):
        return {key: _map_spec(function, one) for key, one in tree.items()}
    if isinstance(tree, list | tuple):
        return type(tree)(_map_spec(function, one) for one in tree)
    return tree


def _leaves(specs: Any) -> Iterator[Any]:
    found: list[Any] = []
    _map(found.append, specs)
    yield from found


# -- symbolic sizes


def _choices(specs: Any) -> Iterator[tuple[dict[str, int], dict[str, int]]]:
    """Sizes for the symbols, several tries where a network may need others; and with each the sizes of a second look.

    Both are alike in what divides them, and the batch is the same.
    """
    leaves = list(_leaves(specs))
    symbols = {
        str(size): (len(leaf.shape), axis)
        for leaf in leaves
        for axis, size in enumerate(leaf.shape)
        if isinstance(size, Dim)
    }
    for lengths in LENGTHS:
        yield _filled(symbols, lengths, 0), _filled(symbols, lengths, 1)
        if all(axis == 0 for _, axis in symbols.values()):
            return


def _filled(symbols: dict[str, tuple[int, int]], lengths: dict[str, tuple[int, int]], look: int) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for symbol, (rank, axis) in symbols.items():
        kind = "image" if rank >= 4 else "plain"
        side = lengths[kind][look]
        sizes[symbol] = BATCH if axis == 0 else side + (0 if kind == "plain" else _apart(sizes, side))
    return sizes


def _apart(sizes: dict[str, int], side: int) -> int:
    """How much to add to an image's second side, so that it differs from the first and divides as well."""
    taken = sum(1 for size in sizes.values() if size != BATCH)
    return taken * (32 if side % 32 == 0 else 6)


def _check_open(graph: Graph, again: Callable[[], Graph]) -> None:
    """Refuses a graph into which the sizes went as numbers: one that was read at other sizes says so."""
    try:
        other = again()
    except NetglotError:
        return  # it does not take those; the verification tries others still
    for one, another in zip_longest(graph.nodes, other.nodes):
        if one is None or another is None or _said(one) != _said(another):
            node = one or another
            where = f"{node.path or 'the model'} ({type(node.op).__name__})"
            symbols = ", ".join(symbol for symbol in graph.symbols() if symbol != "B")
            why = f"a size that may vary ({symbols}) is computed with, outside keras.ops, in {where}"
            raise Refusal(notimpl(why, "compute with keras.ops.shape(x), or give the inputs fixed sizes"))


def _said(node: Node) -> tuple:
    """What a node does and to what, as far as it can be compared."""
    operands = [_told(one) for one in node.op.operands()]
    return type(node.op), operands, {name: repr(held) for name, held in node.op.attributes().items()}


def _told(operand: Any) -> Any:
    if isinstance(operand, tuple):
        return tuple(_told(one) for one in operand)
    if isinstance(operand, Parameter) and operand.kind == "constant":
        return operand.type, hashlib.sha256(np.ascontiguousarray(operand.load()).tobytes()).digest()
    return (operand.name, operand.type) if isinstance(operand, Value) else repr(operand)


def _check_sizes(graph: Graph, sizes: dict[str, int]) -> None:
    """Refuses a graph in which a symbolic batch became a number."""
    if BATCH not in sizes.values():
        return
    for parameter in graph.parameters.values():
        if parameter.kind == "constant" and any(size and size % BATCH == 0 for size in parameter.shape):
            _refuse_baked(parameter.name)
    for node in graph.nodes:
        for held in (*node.op.attributes().values(), *(o for o in node.op.operands() if isinstance(o, int | float))):
            if any(_is_batch(one) for one in _flat(held)):
                _refuse_baked(f"{node.path or 'the model'} ({type(node.op).__name__})")


def _is_batch(one: Any) -> bool:
    if isinstance(one, bool) or not isinstance(one, int | float):
        return False
    return one in (BATCH, -BATCH, float(BATCH)) or (
        isinstance(one, int) and one != 0 and one % BATCH == 0 and abs(one) < 2**31
    )


def _flat(held: Any) -> Iterator[Any]:
    if isinstance(held, list | tuple):
        for one in held:
            yield from _flat(one)
    else:
        yield held


def _refuse_baked(where: str) -> None:
    raise Refusal(
        notimpl(
            f"the size of the batch is computed with, outside keras.ops, in {where}",
            "compute with keras.ops.shape(x)[0], or give the input a fixed batch size",
        )
    )


# -- what is left


def _drop_unused_constants(graph: Graph) -> None:
    used = set(graph.consumers()) | {value for _, value in flatten_tree(graph.output)}
    for name, parameter in list(graph.parameters.items()):
        if parameter.kind == "constant" and parameter not in used:
            del graph.parameters[name]


def _unused(graph: Graph) -> list[str]:
    """A sentence for the parameters that inference never uses."""
    used = set(graph.consumers()) | {value for _, value in flatten_tree(graph.output)}
    names = [p.name for p in graph.parameters.values() if p.kind == "parameter" and p not in used]
    if not names:
        return []
    tops = list(dict.fromkeys(name.rpartition(".")[0] or name for name in names))
    shown = ", ".join(tops[:4]) + (f" and {len(tops) - 4} more" if len(tops) > 4 else "")
    return [f"{len(names)} parameters take no part in inference and are left out: {shown}"]


__all__ = ["Parameter", "read_keras"]
