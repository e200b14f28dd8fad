"""From a CNTK file to the pivot."""

from __future__ import annotations

import inspect
from collections import Counter
from pathlib import Path
from typing import Any

import netglot.dialects.cntk.ops  # noqa: F401  (fills the dialect)
from netglot.dialects.assembly import Assembly, class_name, fitting, identifier, with_open_batch
from netglot.dialects.cntk.dialect import cntk
from netglot.dialects.cntk.loops import Cell, Unknown, raised, unrolled
from netglot.dialects.cntk.network import Graphlike
from netglot.dialects.cntk.sample import Sample, Work
from netglot.dialects.cntk.weights import Weights
from netglot.dialects.fitting import fitted
from netglot.errors import InputError, Refusal, notimpl
from netglot.formats.cntk import PLACEHOLDER, Function, Model, Variable, read_model
from netglot.passes.blocks import with_blocks
from netglot.pivot.dims import Dim
from netglot.pivot.graph import Graph, Node

_BATCH = "defaultBatchAxis"
_DELAYS = ("PastValue", "FutureValue")


def read_cntk(path: Path, *, weights: Path | None = None, inputs: Any = None) -> Graph:
    """Reads a `.model` or `.cmf` of CNTK 2.

    Raises:
        InputError: the file is missing or damaged.
        Refusal, UnsupportedOps: it is of the first version, or has functions without a pivot form.
    """
    path = Path(path)
    if weights is not None:
        raise InputError(f"{path} holds its weights already", advice="leave --weights out")
    model = read_model(path)
    tried: list[_Reading] = []

    def read(free: bool) -> Graph:
        rows = next((size for one in tried for size in one.assembly.beside), 1)
        tried.append(_Reading(path, model, inputs, free, rows))
        return tried[-1].graph()

    return with_open_batch(read, asked=inputs)


class _Reading(Graphlike):
    """One network under construction. `rows` is the size of the batch where it is not left open."""

    def __init__(self, path: Path, model: Model, given: Any, free: bool, rows: int):
        super().__init__(model)
        self.given, self.free, self.rows = given, free, rows
        self.assembly = Assembly(cntk, class_name(path.name.split(".")[0]) or "Network")
        self.wanted = self.results(model.root)
        self.order = self.groups(self.wanted)
        reached = [uid for group in self.order for uid in group]
        reads = [(one, self.functions[uid].op) for uid in reached for one in self.operands(self.functions[uid])]
        self.uses = Counter(one for one, _ in reads) + Counter(self.wanted)
        consumers: dict[str, set[str]] = {}
        for one, op in reads:
            consumers.setdefault(one, set()).add(op)
        self.read_variables = list(dict.fromkeys([one for one, _ in reads] + self.wanted))
        self.weights = Weights(model, self.assembly, consumers)
        self.makers: dict[int, Node] = {}
        self.known = 0

    def graph(self) -> Graph:
        """The network as a graph."""
        self._inputs()
        for group in self.order:
            if self.loops(group):
                self._recurrence(group)
            else:
                function = self.functions[group[0]]
                names = self._results_used(function)
                self.assembly.step(self._where(function), function.op, names, lambda f=function: self._plain(f))
        outputs: dict[str, Any] = {}
        for number, one in enumerate(self.wanted):
            if not self.assembly.refused:
                name = self._title(one, number)
                outputs[name if name not in outputs else f"{name}_{number}"] = self.sample(one).value
        found = list(outputs.values())
        graph = self.assembly.finish(found[0] if len(found) == 1 else outputs)
        used = {v for node in graph.nodes for v in node.operand_values()} | {v for _, v in graph.outputs}
        graph.inputs = [value for value in graph.inputs if value in used]
        self.weights.name(graph)
        return with_blocks(graph, frozenset(graph.parameters.values()))

    # -- inputs

    def _inputs(self) -> None:
        held = [self.model.variables[one] for one in self.read_variables if one in self.model.variables]
        held = [one for one in held if one.array is None and self.source(one.uid)[0] not in self.functions]
        held.sort(key=lambda one: _number(one.uid))
        sequences: dict[str, Dim] = {}
        declared = []
        for one in held:
            lead: list = []
            for axis in one.dynamic:
                if axis == _BATCH:
                    lead.append(self.rows)
                else:
                    size = Dim.symbol(f"T{len(sequences) or ''}")
                    lead.append(sequences.setdefault(axis, size))
            if one.dynamic and (one.dynamic[0] != _BATCH or len(lead) > 2):
                raise Refusal(notimpl(f"an input with the dynamic axes {', '.join(one.dynamic)}"))
            declared.append((self._input_name(one), (*lead, *(0 if size < 0 else size for size in one.shape))))
        whole = frozenset(name for one, (name, _) in zip(held, declared, strict=True) if not one.dynamic)
        dtypes = [one.dtype for one in held]
        shapes = fitted(declared, self.given, self.free, dtypes, scalars=True, whole=whole)
        for one, (name, _), (shape, dtype) in zip(held, declared, shapes, strict=True):
            value = self.assembly.input(name, shape, dtype)
            self.assembly.tensors[one.uid] = Sample(value, one.dynamic)
            self._tell(one, name)

    def _tell(self, one: Variable, name: str) -> None:
        if one.sparse:
            self.note(f"{name} is sparse in CNTK and dense here: rows that are 1 in one place")
        if one.kind == PLACEHOLDER:
            self.note(f"{name} is a placeholder that the file leaves open: an input")
        if len(one.dynamic) > 1:
            self.note("sequences of one batch are of one length")

    def _input_name(self, one: Variable) -> str:
        return identifier(one.name or one.uid).lower() if not one.name else one.name

    def note(self, text: str) -> None:
        """Tells something once."""
        if text not in self.assembly.notes:
            self.assembly.notes.append(text)

    # -- functions

    def sample(self, name: str) -> Sample:
        """What a variable holds.

        Raises:
            Poisoned: it was refused.
        """
        name = self.resolve(name)
        if name not in self.assembly.tensors and name in self.model.variables:
            self.assembly.tensors[name] = self.weights.sample(self.model.variables[name])
        return self.assembly.tensor(name)

    def _plain(self, function: Function) -> list[Sample]:
        return list(self.read(function, self.sample).values())

    def read(self, function: Function, operand) -> dict[str, Sample]:
        """The results of a function by name; `operand` gives what it reads."""
        names = self.operands(function)
        operands = [operand(one) for one in names]
        if function.own:
            reader = self.assembly.custom("UserDefinedFunction", "the function", function.own)
        else:
            reader = self.assembly.reader(function.op)
        work = _Work(self, function, dict(zip(map(id, operands), names, strict=True)))
        made = _called(function, reader, work, operands)
        made = list(made) if isinstance(made, list | tuple) else [made]
        trees = self.assembly.build([[one.value, one.truth, one.ids] for one in made])
        self._remember()
        found = {}
        for number, (one, (value, truth, ids)) in enumerate(zip(made, trees, strict=True)):
            found[f"{function.uid}_Output_{number}"] = Sample(value, one.dynamic, truth, ids, one.flags, one.variable)
        return found

    def _remember(self) -> None:
        """Keeps which node makes a value."""
        for node in self.assembly.nodes[self.known :]:
            self.makers.update((id(value), node) for value in node.results)
        self.known = len(self.assembly.nodes)

    def _results_used(self, function: Function) -> list[str]:
        numbers = [self.source(one)[1] for one in self.uses if self.source(one)[0] == function.uid]
        return [f"{function.uid}_Output_{number}" for number in range(max(numbers, default=0) + 1)]

    def _recurrence(self, group: list[str]) -> None:
        cell = Cell(self, set(group))
        outside = [uid for other in self.order if other is not group for uid in other]
        read = {one for uid in outside for one in self.operands(self.functions[uid])} | set(self.wanted)
        wanted = sorted(one for one in read if self.source(one)[0] in cell.members)
        fed = {self.resolve(delay.inputs[0]) for delay in cell.delays.values() if delay.inputs}

        def run():
            if not cell.delays:
                raise InputError("a cycle of functions without a delay")
            # what only reads a state one step later is part of no cell
            if len(wanted) == 1 and wanted[0] in fed:
                try:
                    made = raised(cell, wanted[0], self)
                    return [Sample(self.assembly.build(made.value), made.dynamic)]
                except Unknown:
                    pass
            order = self.inner_order(group, set(cell.delays))
            if any(self.source(one)[0] in cell.delays for one in wanted):
                raise Refusal(notimpl("a recurrence whose earlier states are read elsewhere"))
            found = unrolled(cell, order, wanted, self)
            return [found[one] for one in wanted]

        first = next(iter(cell.delays.values()), self.functions[group[0]])
        self.assembly.step(self._where(first), "recurrence", wanted, fitting()(run))
        self._remember()

    # -- names

    def _where(self, function: Function) -> str:
        return function.name or function.uid

    def _title(self, variable: str, number: int) -> str:
        function = self.functions.get(self.source(variable)[0])
        if function is not None and function.name:
            return identifier(function.name)
        return f"output_{number}"


class _Work(Work):
    """One function at work in a network."""

    def __init__(self, network: _Reading, function: Function, names: dict[int, str]):
        super().__init__(function, network.assembly, network.weights, function.uid)
        self.network, self.names = network, names

    def note(self, text: str) -> None:
        """Tells something once."""
        self.network.note(text)

    def maker(self, held: Sample) -> Node | None:
        """The node that makes an operand, if nothing else reads it."""
        name = self.names.get(id(held))
        return self.network.makers.get(id(held.value)) if name and self.network.uses[name] == 1 else None

    def derived_from(self, op: str, place: int) -> bool:
        """Whether an operand comes from such a function."""
        uid, _ = self.network.source(self.network.operands(self.function)[place])
        function = self.network.functions.get(uid)
        while function is not None and function.op == "StopGradient":
            function = self.network.functions.get(self.network.source(self.network.operands(function)[0])[0])
        return function is not None and function.op == op


def _called(function: Function, reader, work: _Work, operands: list[Sample]) -> Any:
    """What a reader makes; options that do not fit are refused, a wrong number of operands is damage."""
    try:
        inspect.signature(reader).bind(work, *operands)
    except TypeError as error:
        raise InputError(f"{function.uid} has {len(operands)} operands: {error}") from error
    with fitting():
        return reader(work, *operands)


def _number(uid: str) -> tuple:
    digits = "".join(c for c in uid if c.isdecimal())
    return (int(digits[:18] or 0), uid)
