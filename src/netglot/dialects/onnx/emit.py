"""Turning the terms of the writers into named nodes: constants kept once, weights computed before the model runs."""

from __future__ import annotations

from typing import Any

import numpy as np

from netglot.dialects.onnx.dialect import onnx
from netglot.dialects.onnx.versions import known_in_version
from netglot.dialects.onnx.write_ops.terms import Result, ScalarSize, Several, cast, node
from netglot.errors import Refusal, RefusedOp, UnsupportedOps, notimpl
from netglot.pivot.dims import Dim
from netglot.pivot.graph import REARRANGING, Graph, Names, Node, Parameter, Part, Value
from netglot.pivot.offline import base_parameters, recipe
from netglot.pivot.op import Op, dtype_of, is_scalar, numpy_dtype, shape_of
from netglot.source.spell import Call

_DEEPEST = 40


class Emitter:
    """The nodes and weights of a model under construction."""

    def __init__(self, graph: Graph):
        self.graph = graph
        self.nodes: list[Any] = []
        self.weights: dict[str, Any] = {}
        """The recipe of each initialiser: a parameter, or ops over parameters and arrays."""
        self.names: dict[Value, str] = {}
        self.taken = Names()
        self.producers = graph.producers()
        self._constants: dict[tuple, str] = {}
        self._built: dict[int, list[str]] = {}
        self._kept: list[Any] = []
        self._sizes: dict[Any, str] = {}
        self.at: Node | None = None
        self._numbers: dict[str, int] = {}

    def run(self) -> None:
        """Writes all nodes.

        Raises:
            UnsupportedOps: those that ONNX cannot express.
        """
        for value in self.graph.inputs:
            self.names[value] = self.taken.unique(value.name)
        self.offline = self._offline()
        self._users = {}
        for written in self.graph.nodes:
            for value in written.operand_values():
                self._users.setdefault(value, 0)
                self._users[value] += 1
        refused = []
        for one in self.graph.nodes:
            if all(value in self.offline for value in one.results):
                continue
            self.at = one
            try:
                used = frozenset(i for i, v in enumerate(one.results) if v in self._users or self._is_output(v))
                found = self._op(one.op, [value.name for value in one.results], used)
                self.names.update(zip(one.results, found, strict=False))
            except Refusal as refusal:
                refused.append(RefusedOp(one.path, type(one.op).__name__, refusal.reason))
                self.names.update({value: value.name for value in one.results})
        self.at = None
        self._keep_borders()
        if refused:
            raise UnsupportedOps(refused, len(self.graph.nodes), "ONNX")

    def _keep_borders(self) -> None:
        """Names the axes of padding before pools, which onnxruntime then leaves alone.

        It takes zeros around pictures for the padding of a pool, which is of no number at all (seen in 1.31).
        """
        pooled = {one.input[0] for one in self.nodes if one.op_type in ("MaxPool", "AveragePool")}
        for one in self.nodes:
            if one.op_type == "Pad" and one.output[0] in pooled and len(one.input) < 4:
                count = len(self.weights[one.input[1]]) // 2 if one.input[1] in self.weights else 0
                if count:
                    one.input.extend([""] * (3 - len(one.input)))
                    one.input.append(self._constant(np.arange(count)))

    def _is_output(self, value: Value) -> bool:
        return any(one is value for _, one in self.graph.outputs)

    def name_outputs(self, wanted: list[str], values: list[Value]) -> list[str]:
        """Gives the results of the model their names; each is a tensor of its own."""
        found: list[str] = []
        fixed = {self.names[value] for value in self.graph.inputs}
        for name, value in zip(wanted, values, strict=True):
            held = self.value(value, value.dtype)
            plain = name.replace(".", "_")
            if held in fixed or held in self.weights or held in found or held in self._constants.values():
                held = self._node(node("Identity", value), 1, [plain], value.dtype)[0]
            elif held != plain and plain not in self._all_names():
                self._rename(held, plain)
                held = plain
            found.append(held)
        return found

    def _all_names(self) -> set[str]:
        return (
            {name for one in self.nodes for name in (*one.input, *one.output)}
            | set(self.weights)
            | set(self.names.values())
        )

    def _rename(self, old: str, new: str) -> None:
        for one in self.nodes:
            for names in (one.input, one.output):
                for i, name in enumerate(names):
                    if name == old:
                        names[i] = new
        self.names = {value: new if name == old else name for value, name in self.names.items()}
        self.taken.unique(new)

    # -- what is known before the model runs

    def _offline(self) -> set[Value]:
        found: set[Value] = set(self.graph.parameters.values())
        for written in self.graph.nodes:
            values = list(written.operand_values())
            if values and all(v in found for v in values) and self._may(written.op):
                found.update(written.results)
        return found

    def _may(self, op: Op) -> bool:
        """Whether an op over weights may be computed once: it moves elements, or nothing in it is trained."""
        if any(isinstance(s, Dim) for kind in op.result_types() for s in kind.shape) or op.random:
            return False
        moving = type(op).__name__ in REARRANGING
        return moving or not any(p.trainable for p in self.base(op))

    def base(self, tree: Any) -> list[Parameter]:
        """The parameters in a tree of ops."""
        return base_parameters(tree, self.producers)

    def trainable(self, recipe: Any) -> bool:
        """Whether an initialiser is made of trained parameters."""
        return any(p.trainable for p in self.base(recipe))

    def belongs(self, recipe: Any) -> bool:
        """Whether an initialiser holds what belongs to the network, and is no constant of its computation."""
        return any(p.kind != "constant" for p in self.base(recipe))

    def recipe(self, tree: Any) -> Any:
        """A tree of ops over parameters, arrays and numbers alone."""
        return recipe(tree, self.producers)

    def _weight(self, tree: Any) -> str:
        """The name of an initialiser for a tree that is known; weights that were only moved keep their name."""
        key = tree if isinstance(tree, Value) else id(tree)
        if key in self._sizes:
            return self._sizes[key]
        recipe = tree if isinstance(tree, Parameter) else self.recipe(tree)
        same = (
            next((n for n, r in self.weights.items() if _alike(r, recipe)), None)
            if not isinstance(recipe, Parameter)
            else None
        )
        if same is not None:
            self._sizes[key] = same
            return same
        base = self.base(recipe)
        wanted = base[0].name if base else "constant"
        name = self.taken.unique(wanted)
        self.weights[name] = recipe
        self._sizes[key] = name
        self._kept.append(tree)
        return name

    # -- terms

    def value(self, item: Any, dtype: str) -> str:
        """The name of the tensor that a term means; numbers are of `dtype`."""
        if item is None:
            return ""
        if isinstance(item, Value):
            return self._weight(item) if item in self.offline else self.names[item]
        if isinstance(item, np.ndarray | np.generic):
            return self._constant(np.asarray(item))
        if isinstance(item, Result):
            return self._several(item.node, item.count, dtype)[item.index]
        if isinstance(item, Call):
            return self._several(item, 1, dtype)[0]
        if isinstance(item, Part):
            return self._nested(item.op)[item.index]
        if isinstance(item, Op):
            return self._nested(item)[0]
        if isinstance(item, list | tuple):
            return self._vector(list(item))
        if isinstance(item, ScalarSize):
            return self._scalar(item.size, item.dtype)
        if isinstance(item, Dim):
            return self._scalar(item, dtype)
        return self._constant(np.asarray(item, numpy_dtype(dtype)))

    def _nested(self, op: Op) -> list[str]:
        if id(op) not in self._built:
            self._kept.append(op)
            self._built[id(op)] = self._op(op, [], None)
        return self._built[id(op)]

    def _op(self, op: Op, wanted: list[str], used: frozenset[int] | None, depth: int = 0) -> list[str]:
        """The results of an op: known already, written with others, or an operator of its own."""
        if depth > _DEEPEST:
            raise Refusal(notimpl(f"{type(op).__name__} is written with itself"))
        if not wanted and self._is_known(op) and self._may(op):
            return (
                [self._weight(op)]
                if len(op.result_types()) == 1
                else [self._weight(Part(op, i)) for i in range(len(op.result_types()))]
            )
        lowering = onnx.lowerings.get(type(op))
        made = lowering(op) if lowering else None
        if made is not None:
            parts = list(made) if isinstance(made, tuple | list) else [made]
            if len(parts) == 1 and isinstance(parts[0], Op):
                return self._op(parts[0], wanted, used, depth + 1)
            return [self.value(part, dtype_of(*_tensors(op))) for part in parts]
        spelled = onnx.spell(op, used)
        kind = self._kind(op)
        if isinstance(spelled, Several):
            found = []
            for index, term in enumerate(spelled.terms):
                plain = type(term) is Call and index < len(wanted)
                found.append(self._node(term, 1, [wanted[index]], kind)[0] if plain else self.value(term, kind))
            return found
        return self._node(spelled, len(op.result_types()), wanted, kind)

    def _is_known(self, op: Op) -> bool:
        """Whether all that an op is computed from are weights or arrays."""
        operands = list(op.operands())
        if not any(not is_scalar(o) for o in operands):
            return False
        return all(
            is_scalar(o)
            or isinstance(o, np.ndarray)
            or (isinstance(o, Value) and o in self.offline)
            or (isinstance(o, Op) and self._is_known(o) and self._may(o))
            for o in operands
        )

    def _kind(self, op: Op) -> str:
        """The dtype of the numbers among the operands of an op."""
        tensors = _tensors(op)
        return dtype_of(*tensors) if tensors else op.result_types()[0].dtype

    def _several(self, call: Call, count: int, dtype: str) -> list[str]:
        if id(call) not in self._built or len(self._built[id(call)]) < count:
            self._kept.append(call)
            self._built[id(call)] = self._node(call, count, [], dtype)
        return self._built[id(call)]

    def _node(self, call: Call, count: int, wanted: list[str], dtype: str) -> list[str]:
        from onnx import helper

        options = dict(call.options)
        like = options.pop("like", None)
        inputs = [
            self._vector(one, like) if isinstance(one, list) else self.value(one, dtype) for one in call.arguments
        ]
        while inputs and not inputs[-1]:
            inputs.pop()
        known_in_version(call.function, options)
        names = [wanted[i] if i < len(wanted) else call.function.lower() for i in range(count)]
        outputs = [self.taken.unique(name) for name in names]
        made = helper.make_node(call.function, inputs, outputs, self._node_name(call.function))
        for name, value in options.items():
            made.attribute.append(_attribute(name, value))
        self._describe(made)
        self.nodes.append(made)
        return outputs

    def _node_name(self, kind: str) -> str:
        path = self.at.path.replace(".", "/") if self.at is not None else ""
        stem = f"/{path}/{kind}" if path else f"/{kind}"
        self._numbers[stem] = self._numbers.get(stem, -1) + 1
        return stem if not self._numbers[stem] else f"{stem}_{self._numbers[stem]}"

    def _describe(self, made: Any) -> None:
        """Writes the modules around a node into its metadata, as PyTorch's exporter does."""
        if self.at is None or not self.at.scope:
            return
        scopes, classes = [""], [self._class("")]
        for frame in self.at.scope:
            scopes.append(f"{frame.path}@{frame.call}" if frame.call else frame.path)
            classes.append(self._class(frame.path))
        for key, held in (("name_scopes", [*scopes, made.name]), ("class_hierarchy", [*classes, made.op_type])):
            entry = made.metadata_props.add()
            entry.key, entry.value = f"pkg.torch.onnx.{key}", repr(held)

    def _class(self, path: str) -> str:
        module = self.graph.modules.get(path)
        return "" if module is None else module.qualified_name or module.class_name

    # -- constants and sizes

    def _constant(self, array: np.ndarray) -> str:
        key = (str(array.dtype), array.shape, array.tobytes())
        if key not in self._constants:
            name = self.taken.unique("constant")
            self._constants[key] = name
            self.weights[name] = array
        return self._constants[key]

    def _vector(self, items: list, like: Any = None) -> str:
        """Sizes as a vector of int64; for a reshape, what is left and what stays are said so."""
        if all(not isinstance(one, Dim) for one in items):
            return self._constant(np.asarray(items, "int64").reshape(len(items)))
        if like is not None:
            shape, zero = shape_of(like), 0 in [one for one in items if not isinstance(one, Dim)]
            open_ = [i for i, one in enumerate(items) if isinstance(one, Dim)]
            if len(open_) == 1 and not zero:
                return self._constant(np.asarray([-1 if i in open_ else one for i, one in enumerate(items)], "int64"))
            kept = [0 if i in open_ and i < len(shape) and shape[i] == one else one for i, one in enumerate(items)]
            left = [i for i, one in enumerate(kept) if isinstance(one, Dim)]
            if len(left) <= 1 and not zero:
                return self._constant(np.asarray([-1 if i in left else one for i, one in enumerate(kept)], "int64"))
        parts: list[Any] = []
        for one in items:
            if not isinstance(one, Dim) and parts and isinstance(parts[-1], np.ndarray):
                parts[-1] = np.append(parts[-1], np.int64(one))
            else:
                parts.append(_Named(self.size(one)) if isinstance(one, Dim) else np.asarray([one], "int64"))
        names = [part.name if isinstance(part, _Named) else self._constant(part) for part in parts]
        return names[0] if len(names) == 1 else self._plain("Concat", names, axis=0)

    def _scalar(self, size: Dim, dtype: str) -> str:
        whole = self._plain("Squeeze", [self.size(size), self._constant(np.asarray([0], "int64"))])
        return whole if dtype == "int64" else self._plain("Cast", [whole], to=cast(None, dtype).options["to"])

    def _plain(self, kind: str, inputs: list[str], **attributes: Any) -> str:
        from onnx import helper

        output = self.taken.unique(kind.lower())
        self.nodes.append(helper.make_node(kind, inputs, [output], self._node_name(kind), **attributes))
        return output

    def size(self, size: int | Dim) -> str:
        """A size as a vector of one element, computed from the shapes of the inputs."""
        if not isinstance(size, Dim):
            return self._constant(np.asarray([size], "int64"))
        if size not in self._sizes:
            self._sizes[size] = self._computed(size)
        return self._sizes[size]

    def _computed(self, size: Dim) -> str:
        for value in self.graph.inputs:
            for axis, one in enumerate(value.shape):
                if one == size:
                    return self._plain("Shape", [self.names[value]], start=axis, end=axis + 1)
        if len(size.terms) == 1 and size.terms[0][1] == 1 and len(size.terms[0][0]) == 1:
            ((atom, power),) = size.terms[0][0]
            if power == 1:
                return self._atom(atom)
        total = ""
        for monomial, coefficient in size.terms:
            factors = [self.size(Dim(((((atom, 1),), 1),))) for atom, power in monomial for _ in range(power)]
            if coefficient != 1 or not factors:
                factors.append(self._constant(np.asarray([coefficient], "int64")))
            product = factors[0]
            for factor in factors[1:]:
                product = self._plain("Mul", [product, factor])
            total = self._plain("Add", [total, product]) if total else product
        return total

    def _atom(self, atom: Any) -> str:
        if isinstance(atom, str):
            raise Refusal(notimpl(f"the size {atom}, which is no size of an input"))
        kind = {"floor": "Div", "mod": "Mod", "max": "Max", "min": "Min"}[atom.function]
        return self._plain(kind, [self.size(atom.left), self.size(atom.right)])


class _Named:
    """A tensor that has its name."""

    def __init__(self, name: str):
        self.name = name


def _tensors(op: Op) -> list[Any]:
    """The operands of an op that are tensors and share its dtype."""
    found = []
    for one in op.operand_fields():
        held = getattr(op, one.name)
        if one.name in ("condition", "indices", "ids", "mask", "grid", "segments", "boundaries"):
            continue
        found += [o for o in (held if isinstance(held, tuple) else (held,)) if o is not None and not is_scalar(o)]
    return found[:1]


def _alike(one: Any, other: Any) -> bool:
    """Whether two recipes are the same."""
    if type(one) is not type(other):
        return False
    if isinstance(one, Part):
        return one.index == other.index and _alike(one.op, other.op)
    if isinstance(one, Op):
        ours, theirs = list(one.operands()), list(other.operands())
        return (
            one.attributes() == other.attributes()
            and len(ours) == len(theirs)
            and all(_alike(a, b) for a, b in zip(ours, theirs, strict=True))
        )
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other)
    return one is other or (is_scalar(one) and one == other)


def _attribute(name: str, value: Any) -> Any:
    from onnx import helper, numpy_helper

    if isinstance(value, np.ndarray):
        value = numpy_helper.from_array(value)
    return helper.make_attribute(name, value)


__all__ = ["Emitter"]
