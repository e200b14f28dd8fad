"""A CNTK network as functions that can be read: blocks are looked through, cycles found, variables resolved."""

from __future__ import annotations

from collections import Counter
from typing import Any

from netglot.errors import InputError
from netglot.formats.cntk import Function, Model, Variable

_WHOLE = {
    "Softmax": "ReduceElements Minus Exp ReduceElements Reciprocal ElementTimes",
    "LogSoftmax": "ReduceElements Minus Exp ReduceElements Log Minus Minus",
    "ELU": "ELU ElementTimes Less Select",
    "SELU": "ELU ElementTimes Less Select ElementTimes",
    "LeakyReLU": "ElementTimes Less Select",
    "Softplus": "LogPlus",
    "Softsign": "Abs Plus Reciprocal ElementTimes",
    "ElementDivide": "Reciprocal ElementTimes",
    "ElementMax": "Greater Select",
    "ElementMin": "Less Select",
    "LocalResponseNormalization": "ElementTimes Reshape Convolution Reshape Plus Log ElementTimes Exp Reciprocal "
    "ElementTimes",
    "Sequence::Softmax": "UnpackSequence ReduceElements ReconcileDynamicAxis Minus Exp UnpackSequence ReduceElements "
    "ReconcileDynamicAxis Reciprocal ElementTimes",
}
"""The blocks that are read as one operation, if they hold just these."""

_NEEDED = {"ELU": "alpha", "SELU": "alpha", "LeakyReLU": "alpha", "Softmax": "axis", "LogSoftmax": "axis",
           "LocalResponseNormalization": "depthRadius"}  # fmt: skip


class Graphlike:
    """Functions by what they need, blocks looked through."""

    def __init__(self, model: Model):
        self.model, self.functions = model, model.functions
        self.places = {key: value for one in model.functions.values() for key, value in one.places.items()}
        self.whole = {uid for uid, one in model.functions.items() if one.root and self._is_whole(one)}

    def _is_whole(self, function: Function) -> bool:
        """Whether a block is read as one operation: it holds what such a block holds."""
        wanted = _WHOLE.get(function.op)
        if wanted is None or _NEEDED.get(function.op, "") not in ("", *function.options):
            return False
        held, stack, seen = Counter(), [function.root], set()
        while stack:
            uid = stack.pop()
            one = self.functions.get(uid)
            if one is None or uid in seen or len(seen) > 40:
                continue
            seen.add(uid)
            if one.root:
                stack.append(one.root)
            else:
                held[one.op] += 1
            outside = set(function.places)
            stack += [name.rpartition("_Output_")[0] for name in one.inputs if name not in outside]
        return held == Counter(wanted.split())

    def resolve(self, variable: str) -> str:
        """What a variable is, through placeholders, blocks and combinations.

        Raises:
            InputError: it is itself, or a function lacks a result.
        """
        for _ in range(len(self.functions) + len(self.places) + 1):
            if variable in self.places:
                variable = self.places[variable]
                continue
            uid, number = self.source(variable)
            function = self.functions.get(uid)
            if function is None or uid in self.whole:
                return variable
            if function.op == "Combine":
                if number >= len(function.inputs):
                    raise InputError(f"{uid} has no result {number}")
                variable = function.inputs[number]
            elif function.root:
                variable = f"{function.root}_Output_{number}"
            else:
                return variable
        raise InputError(f"{variable} is made of itself", advice="is the file complete?")

    def source(self, variable: str) -> tuple[str, int]:
        """The function that makes a variable, and which of its results it is."""
        uid, mark, number = variable.rpartition("_Output_")
        return (uid, int(number)) if mark and number.isdecimal() and len(number) < 6 else (variable, 0)

    def operands(self, function: Function) -> list[str]:
        """What a function reads, resolved."""
        held = list(function.places.values()) if function.uid in self.whole else function.inputs
        return [self.resolve(one) for one in held]

    def results(self, uid: str) -> list[str]:
        """The results of a function, resolved."""
        function = self.functions[uid]
        if function.op == "Combine":
            return [self.resolve(one) for one in function.inputs]
        if function.root and uid not in self.whole:
            if function.root not in self.functions or function.root == uid:
                raise InputError(f"the block {uid} is empty")
            inner, seen = function.root, {uid}
            while self.functions[inner].root and inner not in self.whole and inner not in seen:
                seen.add(inner)
                inner = self.functions[inner].root
                if inner not in self.functions:
                    raise InputError(f"the block {uid} is empty")
            count = len(self.functions[inner].inputs) if self.functions[inner].op == "Combine" else 1
            return [self.resolve(f"{uid}_Output_{number}") for number in range(count)]
        return [f"{uid}_Output_0"]

    def variable(self, name: str) -> Variable | None:
        """The weight or constant of this name, if it is one."""
        found = self.model.variables.get(self.resolve(name))
        return found if found is not None and found.array is not None else None

    def declared(self, delay: Function) -> tuple[int, ...] | None:
        """The shape that the file declares for what a delay gives."""
        names = [delay.inputs[0], self.resolve(delay.inputs[0])]
        names += [key for key, value in self.places.items() if self.source(self.resolve(value))[0] == delay.uid]
        found = [self.model.variables[one].shape for one in names if one in self.model.variables]
        return next((shape for shape in found if all(size > 0 for size in shape)), None)

    def matrix(self, name: str) -> bool:
        """Whether a variable is a weight of two axes."""
        found = self.variable(name)
        return found is not None and len(found.shape) == 2

    def number(self, name: str) -> float | None:
        """The number that a constant is."""
        found = self.variable(name)
        if found is None or found.shape not in ((), (1,)):
            return None
        return float(found.array.load().reshape(()))

    def option(self, function: Function, name: str, default: Any = None) -> Any:
        """An option of a function as the file holds it."""
        held = function.options.raw(name)
        return held[0] if held else default

    def groups(self, wanted: list[str]) -> list[list[str]]:
        """The functions that the wanted variables need, what is needed first; those of a cycle in one list."""
        needs: dict[str, list[str]] = {}

        def needed(uid: str) -> list[str]:
            if uid not in needs:
                sources = [self.source(one)[0] for one in self.operands(self.functions[uid])]
                needs[uid] = [one for one in dict.fromkeys(sources) if one in self.functions]
            return needs[uid]

        order: dict[str, int] = {}
        low: dict[str, int] = {}
        path: list[str] = []
        on_path: set[str] = set()
        found: list[list[str]] = []
        for start in dict.fromkeys(self.source(one)[0] for one in wanted):
            if start not in self.functions or start in order:
                continue
            stack = [(start, 0)]
            while stack:
                uid, at = stack.pop()
                if at == 0:
                    order[uid] = low[uid] = len(order)
                    path.append(uid)
                    on_path.add(uid)
                elif needed(uid)[at - 1] in on_path:
                    low[uid] = min(low[uid], low[needed(uid)[at - 1]])
                if at < len(needed(uid)):
                    stack.append((uid, at + 1))
                    following = needed(uid)[at]
                    if following not in order:
                        stack.append((following, 0))
                    continue
                if low[uid] == order[uid]:
                    cut = path.index(uid) if path[-1] != uid else len(path) - 1
                    found.append(path[cut:])
                    on_path -= set(path[cut:])
                    del path[cut:]
        return found

    def loops(self, group: list[str]) -> bool:
        """Whether functions are a cycle."""
        if len(group) > 1:
            return True
        return group[0] in [self.source(one)[0] for one in self.operands(self.functions[group[0]])]

    def inner_order(self, group: list[str], delays: set[str]) -> list[str]:
        """The functions of a cycle in the order of one step, delays first.

        Raises:
            InputError: there is a cycle without a delay.
        """
        members, done, order = set(group), set(delays), [uid for uid in group if uid in delays]
        waiting = {
            uid: {self.source(one)[0] for one in self.operands(self.functions[uid])} & members - delays
            for uid in group
            if uid not in delays
        }
        while waiting:
            ready = [uid for uid, needs in waiting.items() if needs <= done]
            if not ready:
                raise InputError("a cycle of functions without a delay")
            order += ready
            done |= set(ready)
            for uid in ready:
                del waiting[uid]
        return order
