"""The body of a loop: what a function adds to the graph, as a sub-graph of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from netglot.pivot.graph import Frame, Graph, Module, Names, Node, Parameter, Value
from netglot.pivot.op import TensorType
from netglot.pivot.text import to_text


def body_of(
    layer: Any, run: Callable[..., list], given: dict[str, TensorType], title: str = ""
) -> tuple[str, list[Value]]:
    """The text of the sub-graph that `run` makes of values of the types `given`, and what it uses from outside.

    Args:
        layer: the `LayerView` of the layer that loops.
        run: makes the outputs of the body from its inputs, adding to the tracer's graph.
        title: the name of the body; else that of the class of the module that it calls.
    """
    tracer, before = layer.tracer, len(layer.tracer.nodes)
    inputs = [Value(tracer.names.unique(name), type, hint=name) for name, type in given.items()]
    calls = dict(tracer.calls)
    outputs = [tracer.build(one) for one in run(*inputs)]
    nodes = tracer.nodes[before:]
    del tracer.nodes[before:]
    tracer.calls = calls
    return _as_body(nodes, inputs, outputs, list(given), layer.path, tracer, title)


def _as_body(nodes: list[Node], inputs, outputs, wanted, path: str, tracer, title: str) -> tuple[str, list[Value]]:
    """The body with names of its own, and with paths as they are seen from the layer."""
    depth = len(tracer.frames)
    made = {value for node in nodes for value in node.results} | set(inputs)
    used = dict.fromkeys(value for node in nodes for value in node.operand_values() if value not in made)
    used |= dict.fromkeys(value for value in outputs if value not in made)
    scopes = [_within(node.scope[depth:], path) for node in nodes]
    root = _only_root(scopes)
    names, table = Names(), {}
    for value, name in [*zip(inputs, wanted, strict=True), *((one, _short(one, path, root)) for one in used)]:
        table[value] = Value(names.unique(name), value.type, hint=name if name in wanted else None)
    body = []
    for node, scope in zip(nodes, scopes, strict=True):
        op = node.op.map_operands(lambda one: table.get(one, one) if isinstance(one, Value) else one)
        for value in node.results:
            table[value] = Value(names.unique(value.name), value.type, value.hint)
        frames = tuple(Frame(_below(frame.path, root), frame.call) for frame in scope[bool(root) :])
        body.append(Node(op, tuple(table[value] for value in node.results), frames))
    modules = _modules(tracer.tree.modules, path, root, title)
    graph = Graph(modules[""].class_name, [table[one] for one in (*inputs, *used)], {}, body, None, modules)
    graph.output = tuple(table[value] for value in outputs)
    graph.prune()
    return to_text(graph), list(used)


def _within(scope: tuple[Frame, ...], path: str) -> tuple[Frame, ...]:
    """The calls within the loop, each with its path from the layer."""
    return tuple(Frame(_below(frame.path, path), 0 if place == 0 else frame.call) for place, frame in enumerate(scope))


def _below(path: str, above: str) -> str:
    return path.removeprefix(f"{above}.") if above else path


def _only_root(scopes: list[tuple[Frame, ...]]) -> str:
    """The path of the one module that is called; "" where there is none, or are several."""
    tops = {scope[0].path for scope in scopes if scope}
    return tops.pop() if len(tops) == 1 else ""


def _short(value: Value, path: str, root: str) -> str:
    """The name of what is used from outside: a weight's, as it is seen from the body."""
    return _below(_below(value.name, path), root) if isinstance(value, Parameter) else value.name


def _modules(modules: dict[str, Module], path: str, root: str, title: str) -> dict[str, Module]:
    """The modules of the body by their paths in it; its own record stands first."""
    home = ".".join(filter(None, (path, root)))
    found = {}
    for name, module in modules.items():
        if name == home or name.startswith(f"{home}."):
            inner = _below(name, home) if name != home else ""
            home_of = (
                "" if module.class_name.endswith("Cell") else module.qualified_name
            )  # a cell is a class of its own
            found[inner] = Module(inner, module.class_name, home_of, inputs=module.inputs, container=module.container)
    top = found.pop("", None)
    name = top.class_name if top is not None and root else "Cell"
    return {"": Module("", title or name)} | found
