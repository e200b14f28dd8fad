"""Runs one op as the PyTorch dialect writes it: lowered, arranged, spelled, and interpreted with PyTorch itself."""

from __future__ import annotations

import functools
import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from harness import Arrays, arranged, as_tuple, evaluate, spellings_of, to_graph
from torch import nn

import netglot.dialects.torch.write_ops  # noqa: F401  (fills the dialect)
from netglot.dialects.torch.dialect import torch as dialect
from netglot.dialects.torch.helpers import HELPERS
from netglot.dialects.torch.write_ops.attention import with_layer_mask
from netglot.pivot import ops
from netglot.pivot.graph import Builder, Names, Parameter, Part, Value
from netglot.pivot.op import Op
from netglot.source import spell

NAMES = {"torch": torch, "nn": nn, "F": F, "math": math, "self": SimpleNamespace(training=False)}
"""What stands for the imports at the head of an emitted file, and for the module in whose `forward` a call stands."""


@functools.cache
def names_with(helper: str | None) -> dict[str, Any]:
    """The imports, and one helper with those that its source names."""
    space = dict(NAMES)
    for name, source in HELPERS.items():
        if helper and (name == helper or name in HELPERS[helper]):
            exec(source, space)
    return space


def resolve(dotted: str, helper: str | None = None) -> Any:
    """The object behind a dotted name of an emitted file."""
    head, *rest = dotted.split(".")
    return functools.reduce(getattr, rest, names_with(helper)[head])


class Interpreter:
    """Evaluates spellings with PyTorch; `arrays` are the operands."""

    def __init__(self, arrays: Arrays):
        self.arrays = arrays

    def run(self, spelling: Any) -> Any:
        """What a spelling, or a nest of literals, values and spellings, evaluates to."""
        match spelling:
            case Value():
                return torch.from_numpy(np.array(self.arrays[spelling]))
            case spell.Call(function=function, arguments=arguments, options=options, helper=helper):
                return resolve(function, helper)(*self.run(list(arguments)), **self.run(options))
            case spell.Layer():
                return self._layer(spelling)
            case spell.Method(target=target, name=name, arguments=arguments, options=options):
                return getattr(self.run(target), name)(*self.run(list(arguments)), **self.run(options))
            case spell.Attribute(target=target, name=name):
                return getattr(self.run(target), name)
            case spell.Infix(operator=operator, left=left, right=right):
                return eval(f"left {operator} right", {"left": self.run(left), "right": self.run(right)})
            case spell.Prefix(operator=operator, operand=operand):
                return eval(f"{operator} operand", {"operand": self.run(operand)})
            case spell.Choice(condition=condition, yes=yes, no=no):
                return self.run(yes) if self.run(condition) else self.run(no)
            case spell.Device():
                return torch.device("cpu")
            case spell.Subscript(target=target, indices=indices):
                index = tuple(self._index(i) for i in indices)
                return self.run(target)[index if len(index) != 1 else index[0]]
            case spell.Name(name=name):
                return resolve(name)
            case list() | tuple():
                return type(spelling)(self.run(one) for one in spelling)
            case dict():
                return {key: self.run(one) for key, one in spelling.items() if one is not spell.OMIT}
        assert not isinstance(spelling, spell.Spelling | Op | Part), f"a spelling cannot hold {spelling!r}"
        return spelling

    def _index(self, index):
        if isinstance(index, slice):
            return slice(self.run(index.start), self.run(index.stop), self.run(index.step))
        return self.run(index)

    def _layer(self, spelling: spell.Layer):
        held = [_cell(spelling.cell)] if spelling.cell is not None else self.run(list(spelling.arguments))
        module = resolve(spelling.layer, spelling.helper)(*held, **self.run(spelling.options))
        held = {n: t for n, t in module.state_dict(keep_vars=True).items() if not n.endswith("num_batches_tracked")}
        assert set(held) == set(spelling.weights), f"{spelling.layer} holds {list(held)}, not {list(spelling.weights)}"
        with torch.no_grad():
            for name, tree in spelling.weights.items():
                array = evaluate(tree, self.arrays)
                assert tuple(held[name].shape) == np.shape(array), f"{name}: {tuple(held[name].shape)}, {array.shape}"
                held[name].copy_(torch.from_numpy(np.asarray(array)))
                assert held[name].requires_grad or name in spelling.frozen
            module.eval()
            made = module(*self.run(list(spelling.inputs)), **self.run(spelling.call_options))
        return _unpacked(spelling.unpacks, made) if spelling.unpacks else made


def _cell(cell) -> nn.Module:
    """The module of a class that a loop calls for each step."""
    space = dict(NAMES)
    exec(cell.classes, space)
    return space[cell.made.function]()


def _unpacked(unpacks: spell.Unpacks, made) -> tuple:
    """The results of the op from what a call returned."""
    found: dict[str, Any] = {}

    def visit(nest, held):
        if isinstance(nest, str):
            found[nest] = held
        else:
            for inner, part in zip(nest, held, strict=True):
                visit(inner, part)

    visit(unpacks.nest, made)
    return tuple(
        found[name] if index is None or found[name] is None else found[name][index] for name, index in unpacks.places
    )


def run(op: Op) -> list[dict[int, np.ndarray]]:
    """The results of an op in PyTorch by index, once for each way of writing it (layer, function, parts)."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        return _lowered(*to_graph(op))
    finally:
        torch.set_default_dtype(before)


def _lowered(op: Op, arrays: Arrays) -> list[dict[int, np.ndarray]]:
    """Lowers `op` until the dialect writes it, and runs what was written."""
    lowering = dialect.lowerings.get(type(op))
    lowered = lowering(op) if lowering else None
    if lowered is None:
        return _spelled(op, arrays)
    builder, built, named = Builder(Names(v.name for v in arrays)), {}, []
    for root in lowered if isinstance(lowered, tuple | list) else (lowered,):
        inner, index = (root.op, root.index) if isinstance(root, Part) else (root, 0)
        if isinstance(inner, Op) and id(inner) not in built:
            built[id(inner)] = builder._add(inner, built)
        named.append(built[id(inner)][index] if isinstance(inner, Op) else inner)
    arrays, stands_for = dict(arrays), {}
    for node in builder.nodes:
        inner = node.op.map_operands(lambda o: stands_for.get(o, o) if isinstance(o, Value) else o)
        operands = [o for o in inner.operands() if isinstance(o, Value)]
        constant = bool(operands) and all(isinstance(o, Parameter) for o in operands)
        # What depends on parameters alone is folded when the weights are written.
        results = dict(enumerate(as_tuple(evaluate(inner, arrays)))) if constant else _lowered(inner, arrays)[0]
        for index, array in results.items():
            value = node.results[index]
            assert value.shape == array.shape, f"{inner} gives {array.shape}, inferred {value.shape}"
            if constant:
                folded = Parameter(value.name, value.type, lambda array=array: array)
                stands_for[value], value = folded, folded
            arrays[value] = array
    return [{i: arrays[stands_for.get(v, v)] for i, v in enumerate(named)}]


def _with_layer_mask(op: Op, arrays: Arrays) -> tuple[Op, Arrays]:
    """Attention with its mask as the writer hands it to PyTorch's layer."""
    made = with_layer_mask(op) if isinstance(op, ops.MultiHeadAttention) else None
    if made is None or not isinstance(made.mask, Op):
        return made or op, arrays
    mask = Value("mask", made.mask.result_types()[0])
    return made.replace(mask=mask), {**arrays, mask: evaluate(made.mask, arrays)}


def _spelled(op: Op, arrays: Arrays) -> list[dict[int, np.ndarray]]:
    count = len(op.result_types())
    op, arrays = _with_layer_mask(op, arrays)
    op, arrays, restore = arranged(op, arrays, dialect)
    runs = []
    for used in [None] if count == 1 else [None, frozenset({0}), frozenset({count - 1})]:
        for spelling in spellings_of(dialect.spell(op, used)):
            made = Interpreter(arrays).run(spelling)
            results = tuple(made) if isinstance(made, tuple | list) else (made,)
            indices = getattr(spelling, "produces", None) or range(len(results))
            found = {i: r.detach().numpy() for i, r in zip(indices, results, strict=True) if r is not None}
            missing = (used or frozenset(range(count))) - set(found)
            assert not missing, f"{type(op).__name__}: results {sorted(missing)} are used and not produced"
            runs.append({i: restore(i, array) for i, array in found.items()})
    return runs
