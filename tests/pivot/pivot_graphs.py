"""Small graphs for the tests of the pivot: one that has everything, and one around each case of each op."""

import numpy as np

from netglot.dialects.dialect import all_ops
from netglot.pivot import ops
from netglot.pivot.dims import Dim, maximum
from netglot.pivot.graph import Builder, Frame, Graph, Module, Names, Parameter, Site, Value
from netglot.pivot.op import TensorType, rand, type_of

B, T = Dim.symbol("B"), Dim.symbol("T")


def parameter(name, array, **options):
    """A parameter that holds `array`."""
    return Parameter(name, type_of(array), lambda: array, **options)


def rich() -> Graph:
    """A graph with symbolic sizes, several results, a nest of outputs, odd names, scopes, sites and modules."""
    x = Value("x", TensorType("float64", (B, T, 4)), hint="inputs")
    ids = Value("input ids", TensorType("int64", (B, 2 * T + 1)))
    weight = parameter("proj.weight", rand(6, 4), aliases=("tied.weight",))
    table = parameter("table", rand(3), kind="buffer")
    frozen = parameter("scale", rand(dtype="float32"), trainable=False, initialiser={"kind": "normal", "std": 0.02})
    names = Names(["x", "input ids", "proj.weight", "table", "scale"])
    site = Site("net.py", 12, "forward", 8, 12, 30)
    inner = Builder(names, scope=(Frame("proj"), Frame("proj.0", 1)), sites=(Site("net.py", 3), site))
    (hidden,) = inner.add(ops.Linear(x, weight, None), name="class")
    outer = Builder(names, scope=(Frame("proj"),), sites=(site, None))
    halves = outer.add(ops.Split(hidden, sizes=(2, 4), axis=2), name="half")
    halves[0].hint = "left"
    top = Builder(names)
    cut = top.one(ops.Slice(halves[1], axis=1, start=maximum(T - 3, 0), stop=T, step=1), name="p")
    clipped = top.one(ops.Clip(cut, float("-inf"), None))
    scaled = top.one(ops.Multiply(clipped, T))
    taken = top.one(ops.Take(table, ids, axis=0))
    output = {"out": (scaled, [halves[0], hidden]), "more.names": {"taken": taken, "none": None}}
    modules = {
        "": Module("", "Net", "net.Net", {"width": 3, "sizes": (1, [2, B]), "act": np.tanh}, {"eps": float("inf")}),
        "proj": Module("proj", "Sequential", doc='It "projects".', inputs=("x",), container="sequential"),
    }
    nodes = inner.nodes + outer.nodes + top.nodes
    parameters = {p.name: p for p in (weight, table, frozen)}
    return Graph("Rich net", [x, ids], parameters, nodes, output, modules, ["a note"])


def around(op) -> tuple[Graph, dict[str, np.ndarray]]:
    """A graph of one op, whose arrays are inputs, and the arrays."""
    arrays: dict[str, np.ndarray] = {}
    inputs: list[Value] = []

    def feed(operand):
        if not isinstance(operand, np.ndarray | np.generic):
            return operand
        value = Value(f"x{len(inputs)}", type_of(operand))
        inputs.append(value)
        arrays[value.name] = np.asarray(operand)
        return value

    builder = Builder(Names())
    results = builder.add(op.map_operands(feed))
    return Graph(type(op).__name__, inputs, {}, builder.nodes, tuple(results)), arrays


def all_cases():
    """Every case of every op, with a name."""
    for name, kind in all_ops().items():
        for number, case in enumerate(kind.cases):
            yield f"{name}-{number}", kind(**case)
