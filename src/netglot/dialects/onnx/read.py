"""From an ONNX model to the pivot."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from netglot.dialects.onnx import told
from netglot.dialects.onnx.common import ELEMENT_TYPES, NARROW, decimal
from netglot.dialects.onnx.interpret import Frame, Interpreter, Sink
from netglot.dialects.onnx.known import BIND, Sizes, Stored
from netglot.dialects.onnx.scopes import Scopes, made_up
from netglot.errors import InputError, Refusal, RefusedOp, RequestError, UnsupportedOps, never, notimpl
from netglot.formats.onnx_file import OnnxModel, read_file
from netglot.frontend.inputs import Inputs, as_numpy, tensors_only
from netglot.passes.blocks import with_blocks
from netglot.passes.growing import grow
from netglot.passes.lifted import lift, settle_constants
from netglot.passes.scales import merge_scales
from netglot.pivot import ops
from netglot.pivot.dims import Dim, Size, parse
from netglot.pivot.graph import Builder, Graph, Names, Node, Parameter, Part, Value, flatten_tree
from netglot.pivot.op import FLOATS, Elementwise, Op, TensorType

LATEST = 28
"""The newest version of the standard's operators that the readers know."""


def read_onnx(path: Path, inputs: Inputs | None = None, *, weights: Any = None) -> Graph:
    """Reads an ONNX file as a graph.

    Args:
        inputs: shapes that replace those of the file, by name or in order. An input that decides about shapes becomes
            a constant where its array was given.

    Raises:
        InputError: the file is damaged, or its graph is not valid.
        UnsupportedOps: operators without a pivot form, all of them.
    """
    if weights is not None:
        raise RequestError("an ONNX model holds its weights", advice="leave out the file of weights")
    return read_model(read_file(Path(path)), _title(Path(path).stem), inputs)


def read_model(model: OnnxModel, name: str = "Network", inputs: Inputs | None = None) -> Graph:
    """Reads a parsed model as a graph; see `read_onnx`."""
    wanted = _Wanted(model, inputs)
    while True:
        try:
            return _Reading(model, name, wanted).run()
        except (UnsupportedOps, Refusal) as refusal:
            if not wanted.bind(_asked(refusal)):
                raise


def _asked(refusal: UnsupportedOps | Refusal) -> list[str]:
    """The inputs that would have to be known."""
    reasons = [r.reason for r in refusal.refused] if isinstance(refusal, UnsupportedOps) else [refusal.reason]
    advice = [reason.advice[len(BIND) :] for reason in reasons if reason.advice and reason.advice.startswith(BIND)]
    return [name for names in advice for name in names.split(", ")]


class _Wanted:
    """What the user said of the inputs: `specs` by name, and `bound`, those that are constants."""

    def __init__(self, model: OnnxModel, inputs: Inputs | None):
        names = [info.name for info in model.proto.graph.input if info.name not in model.tensors]
        self.specs: dict[str, Any] = {}
        self.bound: dict[str, Any] = {}
        if not inputs:
            return
        plain = {_identifier(name): name for name in names}
        for name, tree in tensors_only(inputs).keyword.items():
            if name not in names and name not in plain:
                raise RequestError(f"the model has no input {name!r}", advice=f"its inputs are {', '.join(names)}")
            self.specs[name if name in names else plain[name]] = tree
        left = [name for name in names if name not in self.specs]
        if len(inputs.positional) > len(left):
            raise RequestError(
                f"{len(inputs.positional)} inputs were given, and the model has {len(left)}",
                advice=f"its inputs are {', '.join(names)}",
            )
        self.specs |= dict(zip(left, inputs.positional, strict=False))
        self.bound = {name: None for name, tree in self.specs.items() if tree is None}

    def bind(self, names: list[str]) -> bool:
        """Makes constants of inputs, where their arrays were given."""
        more = {
            name: self.specs[name].example
            for name in names
            if name not in self.bound and getattr(self.specs.get(name), "example", None) is not None
        }
        self.bound |= more
        return bool(more)


class _Reading:
    """The graph under construction."""

    def __init__(self, model: OnnxModel, name: str, wanted: _Wanted):
        self.model, self.name, self.wanted = model, name, wanted
        self.names = Names()
        self.nodes: list[Node] = []
        self.parameters: dict[str, Parameter] = {}
        self.refused: list[RefusedOp] = []
        self.notes: list[str] = []
        self.scopes = Scopes(model.proto)
        self._not_trained = told.kinds(model.proto)
        self._told: dict[Parameter, str] = {}
        self._made: dict[int, Parameter] = {}
        self._kept: list[Any] = []

    def run(self) -> Graph:
        """The graph."""
        proto = self.model.proto
        held: dict[str, Any] = {}
        for name, (kind, load) in self.model.tensors.items():
            count = int(np.prod(kind.shape, dtype=object)) if kind.shape else 1
            weight = kind.dtype in FLOATS and count > 1
            held[name] = Stored(name, kind, load, weight, narrow=name in self.model.narrow)
        inputs = self._inputs(held)
        reader = Interpreter(Sink(self.build, self.operand, self.materialise, self.refused.append, self.origins))
        reader.run(proto.graph.node, held, self._frame())
        output = self._output(held) if not self.refused else ()
        if self.refused:
            raise UnsupportedOps(self.refused, max(reader.total, len(self.refused)), "pivot")
        self._tidy_parameters(output)
        graph = Graph(self.name, inputs, self.parameters, self.nodes, output, {}, self.notes)
        graph.prune()
        self._drop_unused(graph)
        kept = {p for p in graph.parameters.values() if not made_up(p.name)}
        self.scopes.finish(grow(merge_scales(graph)))
        if proto.training_info:
            graph.notes.append("the model's training information is left out")
        return settle_constants(lift(with_blocks(graph, kept)), _nameless)

    def _frame(self) -> Frame:
        proto = self.model.proto
        opsets = {("" if o.domain == "ai.onnx" else o.domain): o.version for o in proto.opset_import}
        if opsets.get("", 0) > LATEST:
            self.notes.append(f"the model is of version {opsets['']} of the standard, and version {LATEST} is known")
        if not opsets:
            raise InputError("the model does not say which version of the operators it uses")
        return Frame(opsets, {(f.domain, f.name): f for f in proto.functions})

    # -- inputs and outputs

    def _inputs(self, held: dict[str, Any]) -> list[Value]:
        found: list[Value] = []
        symbols: dict[str, Dim] = {}
        free = [info for info in self.model.proto.graph.input if info.name not in held]
        overridden = [
            i.name for i in self.model.proto.graph.input if i.name in held and self.model.proto.ir_version >= 4
        ]
        if overridden:
            self.notes.append(f"inputs that have a value in the file keep it: {', '.join(overridden[:4])}")
        for info in free:
            if info.name in self.wanted.bound:
                held[info.name] = self._known(info.name, self.wanted.bound[info.name])
                continue
            made = self._input(info, self.wanted.specs.get(info.name), symbols, len(free))
            held[info.name] = made
            found += made if isinstance(made, list) else [made]
        fixed = [name for name, given in self.wanted.bound.items() if given is not None]
        if fixed:
            self.notes.append(f"inputs that decide about shapes are constants: {', '.join(fixed)}")
        return found

    def _known(self, name: str, given: Any) -> Any:
        if given is None:
            return None
        array = as_numpy(given)
        return Stored(name, TensorType(str(array.dtype), array.shape), lambda: array, False, [array])

    def _input(self, info: Any, spec: Any, symbols: dict[str, Dim], count: int) -> Any:
        kind = info.type
        if isinstance(spec, list | tuple):
            return [self._value(f"{info.name}_{i}", tuple(one.shape), one.dtype) for i, one in enumerate(spec)]
        if kind.HasField("optional_type"):
            kind = kind.optional_type.elem_type
        if kind.HasField("sequence_type"):
            raise Refusal(notimpl(f"the input {info.name!r} is a sequence, whose length no graph can leave open"))
        if not kind.HasField("tensor_type"):
            raise Refusal(never(f"the input {info.name!r} is no tensor"))
        code = kind.tensor_type.elem_type
        if code not in ELEMENT_TYPES:
            raise Refusal(never(f"the input {info.name!r} holds {NARROW.get(code, 'elements of no known type')}"))
        if ELEMENT_TYPES[code] == "string":
            raise Refusal(never(f"the input {info.name!r} is text, and no framework's layers work on text"))
        if spec is not None:
            shape = tuple(spec.shape)
        elif kind.tensor_type.HasField("shape"):
            several = count > 1
            shape = tuple(
                _size(d, axis, info.name, several, symbols) for axis, d in enumerate(kind.tensor_type.shape.dim)
            )
        else:
            raise InputError(
                f"the file does not say how many axes the input {info.name!r} has", advice="give inputs=..."
            )
        return self._value(info.name, shape, ELEMENT_TYPES[code])

    def _value(self, name: str, shape: tuple, dtype: str) -> Value:
        plain = _identifier(name)
        return Value(self.names.unique(plain), TensorType(dtype, shape), hint=name)

    def _output(self, held: dict[str, Any]) -> Any:
        found: dict[str, Any] = {}
        for info in self.model.proto.graph.output:
            if info.name not in held:
                raise InputError(f"nothing makes the output {info.name!r}")
            one = self._result(held[info.name])
            if one is None:
                raise Refusal(never(f"the output {info.name!r} holds nothing"))
            found[_identifier(info.name)] = one
        if len(found) != len(self.model.proto.graph.output):
            raise InputError("two outputs have one name")
        if not found:
            raise InputError("the model has no output")
        return next(iter(found.values())) if len(found) == 1 else found

    def _result(self, one: Any) -> Any:
        if isinstance(one, list):
            return [self._result(inner) for inner in one]
        if isinstance(one, Stored):
            return self.operand(one, False)
        if isinstance(one, Sizes):
            return self.materialise(one, None, None)
        return one

    # -- what the interpreter hands over

    def build(self, parts: list[Any], node: Any, frame: Any) -> list[Any]:
        """Adds what a reader returned."""
        scope = self.scopes.of(node, frame) if node is not None else ()
        builder = _Building(self.names, self.nodes, self._constant, self._weight, scope=scope)
        done: dict = {}
        return [self._built(part, builder, done) for part in parts]

    def _built(self, part: Any, builder: _Building, done: dict) -> Any:
        if part is None:
            return None
        if isinstance(part, np.ndarray):
            return self._constant(part)
        if isinstance(part, Part | Op):
            inner = part.op if isinstance(part, Part) else part
            if id(inner) not in done:
                done[id(inner)] = builder._add(inner, done)
            return done[id(inner)][part.index if isinstance(part, Part) else 0]
        return part

    def operand(self, one: Stored, weight: bool) -> Parameter:
        """A tensor of the file as a parameter of the graph."""
        if id(one) in self._made:
            made = self._made[id(one)]
            if weight and made.kind == "constant" and one.type.dtype in FLOATS:
                made.kind, made.trainable = "parameter", True
            return made
        trained = one.type.dtype in FLOATS and (weight or one.weight)
        name = self.names.unique(self.scopes.parameter(one.name or "constant"))
        made = Parameter(
            name,
            one.type,
            one.array if one.count <= 1 << 16 else one.load,
            kind="parameter" if trained else "constant",
            trainable=trained,
        )
        self.parameters[name] = made
        if one.name in self._not_trained:
            self._told[made] = self._not_trained[one.name]
        self._made[id(one)] = made
        self._kept.append(one)
        return made

    def _constant(self, array: np.ndarray) -> Parameter:
        return self.operand(
            Stored("constant", TensorType(str(array.dtype), array.shape), lambda: array, False, [array]), False
        )

    def _weight(self, one: Stored) -> Parameter:
        """What a reader made of a tensor of the file, as a weight with its name."""
        name = self.scopes.parameter(one.name)
        stored = self.parameters.get(name)
        made = self.operand(one, True)
        if stored is not None and stored is not made and stored.type.dtype not in FLOATS:
            stored.name, made.name = made.name, stored.name
            self.parameters |= {stored.name: stored, made.name: made}
        return made

    def materialise(self, one: Sizes, node: Any, frame: Any) -> Value:
        """A tensor of sizes, some of which are only known when the network runs."""
        parts = []
        for item in one.array.reshape(-1):
            if not isinstance(item, int | np.integer | Dim):
                raise Refusal(notimpl("a fraction of a size that is not known, as a tensor"))
            item = item if isinstance(item, Dim) else int(item)
            kind = one.dtype if "int" in one.dtype else "int64"
            parts.append(ops.Arange(item, item + 1, 1, kind))
        whole: Any = ops.Concat(tuple(parts), 0) if len(parts) > 1 else parts[0]
        if "int" not in one.dtype:
            whole = ops.Cast(whole, one.dtype)
        return self.build([ops.Reshape(whole, one.array.shape)], node, frame)[0]

    def origins(self, value: Value) -> list[Value]:
        """The inputs of the graph that a value is computed from."""
        producers = {result: node for node in self.nodes for result in node.results}
        found: dict[Value, None] = {}
        stack, seen = [value], {value}
        while stack:
            one = stack.pop()
            node = producers.get(one)
            if node is None and not isinstance(one, Parameter):
                found[one] = None
            for operand in node.operand_values() if node is not None else ():
                if operand not in seen:
                    seen.add(operand)
                    stack.append(operand)
        return list(found)

    # -- parameters

    def _tidy_parameters(self, output: Any) -> None:
        """Statistics of batch norms are no trained parameters."""
        roles: dict[Parameter, set[str]] = {}
        frozen = told.frozen(self.model.proto)
        for node in self.nodes:
            for field in node.op.operand_fields():
                held = getattr(node.op, field.name)
                for one in held if isinstance(held, tuple) else (held,):
                    if isinstance(one, Parameter):
                        role = field.name if isinstance(node.op, ops.BatchNorm) else ""
                        role = "mask" if isinstance(node.op, ops.Add | ops.Where | ops.Attention) else role
                        roles.setdefault(one, set()).add(role)
        for parameter, used in roles.items():
            if parameter.name in frozen:
                parameter.trainable = False
            if parameter in self._told and parameter.kind == "parameter":
                parameter.kind, parameter.trainable = self._told[parameter], False
            if used == {"mask"} and _forbids(parameter):
                parameter.kind, parameter.trainable = "constant", False
            if used <= {"mean", "variance"} and parameter.kind == "parameter":
                parameter.kind, parameter.trainable = "buffer", False

    def _drop_unused(self, graph: Graph) -> None:
        used = set(graph.consumers()) | {value for _, value in flatten_tree(graph.output)}
        for name, parameter in list(graph.parameters.items()):
            if parameter not in used:
                del graph.parameters[name]


class _Building(Builder):
    """A builder that takes arrays as constants, and numbers beside tensors as numbers."""

    def __init__(self, names: Names, nodes: list, constant: Any, weight: Any, *, scope=()):
        super().__init__(names, scope=scope)
        self.nodes = nodes
        self.constant, self.weight = constant, weight

    def _add(self, op: Op, built, types=None, name=None):
        op = op.map_operands(lambda operand: self._taken(operand, built))
        if isinstance(op, Elementwise) and not isinstance(op, ops.Cast):
            op = _numbered(op)
        return super()._add(op, built, types, name)

    def _taken(self, operand: Any, built: dict) -> Any:
        if isinstance(operand, np.ndarray | np.generic):
            return self.constant(np.asarray(operand))
        if isinstance(operand, Stored):
            return self.weight(operand)
        return self._resolve(operand, built)


def _numbered(op: Op) -> Op:
    """Constants of one element as Python numbers, where a tensor beside them keeps dtype and shape."""
    fields = [f.name for f in op.operand_fields() if f.name != "condition" and f.operand != "many"]
    held = {name: getattr(op, name) for name in fields}
    tensors = {n: o for n, o in held.items() if isinstance(o, Value)}
    plain = {n: o for n, o in tensors.items() if isinstance(o, Parameter) and o.kind == "constant" and _single(o)}
    others = [o for n, o in tensors.items() if n not in plain]
    if isinstance(op, ops.Where) and not others:
        return _chosen(op)
    if not others:
        return op
    rank = max(o.type.rank for o in others)
    changes = {n: _number(o) for n, o in plain.items() if o.type.rank <= rank}
    return op.replace(**{n: v for n, v in changes.items() if v is not None}) if changes else op


def _chosen(op: ops.Where) -> Op:
    """A choice between two numbers; the first keeps the dtype."""
    first, second = (_number(one) if isinstance(one, Parameter) and _single(one) else None for one in (op.x, op.y))
    plain = all(isinstance(one, Parameter) and one.kind == "constant" for one in (op.x, op.y))
    if not plain or first is None or second is None or op.y.type.rank > op.x.type.rank:
        return op
    return op.replace(x=ops.Full(tuple(op.x.shape), first, op.x.dtype), y=second)


def _forbids(parameter: Parameter) -> bool:
    """Whether a tensor that is added to something forbids what it stands beside: no weight grows as large."""
    if parameter.kind != "parameter" or _elements(parameter) > _LARGEST_MASK:
        return False
    lowest = float(np.asarray(parameter.load()).min(initial=0))
    return lowest <= (-6e4 if parameter.dtype == "float16" else -1e30)  # the least of half precision is -65504


_LARGEST_MASK = 1 << 22
"""Elements of a mask beyond which it is not looked into."""


def _elements(parameter: Parameter) -> int:
    return int(np.prod(parameter.shape, dtype=object))


def _single(parameter: Parameter) -> bool:
    return all(size == 1 for size in parameter.shape)


def _number(parameter: Parameter) -> Any:
    """The one element of a constant, as it was meant."""
    array = np.asarray(parameter.load()).reshape(-1)
    if parameter.dtype in ("float16", "bfloat16"):
        return float(str(array[0]))
    if parameter.dtype == "float32":
        return decimal(float(array[0]))
    if parameter.dtype in ("float64", "int64", "int32", "bool"):
        return array[0].item()
    return None


def _size(dim: Any, axis: int, name: str, several: bool, symbols: dict[str, Dim]) -> Size:
    """One size of an input: a number, a symbol that the file names, or one for each axis that it leaves open."""
    if dim.WhichOneof("value") == "dim_value":
        if dim.dim_value > 0:
            return dim.dim_value
        if dim.dim_value == 0:
            return 0
    text = dim.dim_param
    if text and not re.match(r"^(unk__|\?|-1)", text):
        if text not in symbols:
            symbols[text] = _named(text, axis)
        return symbols[text]
    if axis == 0:
        return Dim.symbol("B")
    letter = {1: "T", 2: "H", 3: "W", 4: "D"}.get(axis, f"S{axis}")
    return Dim.symbol(f"{letter}_{_identifier(name)}" if several else letter)


def _named(text: str, axis: int) -> Dim | int:
    """A size by the file's name for it; expressions are understood."""
    if text.isidentifier():
        return Dim.symbol("B" if axis == 0 and text.lower() in ("n", "batch", "batch_size", "batchsize", "b") else text)
    try:
        return parse(text)
    except (ValueError, SyntaxError, RecursionError):
        return Dim.symbol(_identifier(text))


def _identifier(name: str) -> str:
    """A name of the file as a Python name."""
    plain = re.sub(r"\W+", "_", name).strip("_")
    return plain if plain and not plain[0].isdigit() else f"x_{plain}" if plain else "x"


def _nameless(name: str) -> bool:
    """Whether a tensor has the name of what computed it."""
    return made_up(name) or "/" in name or "::" in name or re.fullmatch(r"onnx__\w+", name) is not None


def _title(stem: str) -> str:
    """A file's name as the name of a class."""
    words = [word for word in re.split(r"[^A-Za-z0-9]+", stem) if word]
    title = "".join(word[:1].upper() + word[1:] for word in words)
    return title if title and not title[0].isdigit() else f"Net{title}"


__all__ = ["read_model", "read_onnx"]
