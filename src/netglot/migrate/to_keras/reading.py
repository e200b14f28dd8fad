"""What a training loop of PyTorch does, where it does nothing but train; else why it is not that simple."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import Any

from netglot.migrate.rewrite import Rewriter
from netglot.migrate.to_keras import plans

MOVES = ("to", "cuda", "cpu")
NUMBERS = ("item", "detach", "cpu", "data", "float", "double", "type", "numpy")
MODES = ("torch.nn.Module.train", "torch.nn.Module.eval", "torch.nn.Sequential.train", "torch.nn.Sequential.eval")


class NotPlain(Exception):
    """A loop does more than `fit` would; the reason."""


@dataclass
class Sum:
    """A number that is added up over batches: "loss", "whole loss" (by samples), "correct", "count" or "batches"."""

    name: str
    kind: str


@dataclass
class Batches:
    """One loop over the batches of a loader."""

    node: ast.For
    loader: ast.expr
    inputs: str = ""
    targets: str = ""
    outputs: str = ""
    model: Any = None
    model_text: str = ""
    optimizer: Any = None
    called: ast.Call | None = None
    """The call of the network, where it stands inside the loss."""
    loss: str = ""
    losses: list[ast.stmt] = field(default_factory=list)
    sums: list[Sum] = field(default_factory=list)
    schedules: list[ast.expr] = field(default_factory=list)
    shown: bool = False
    after: list[str] = field(default_factory=list)
    """Names of the last batch that are read behind the loop."""
    target_rank: int = 0
    target_dtype: str = "float32"
    output_rank: int = 0
    one_output: bool = False

    @property
    def accuracy(self) -> bool:
        """Whether right answers are counted."""
        return any(one.kind == "correct" for one in self.sums)


def read(r: Rewriter, node: ast.For, trains: bool = True) -> Batches:
    """What a loop over batches does.

    Raises:
        NotPlain: it does more than train, or than measure where `trains` is false.
    """
    return _Reader(r, node, trains).found


class _Reader:
    """Goes through the statements of one loop."""

    def __init__(self, r: Rewriter, node: ast.For, trains: bool):
        self.r, self.node, self.trains = r, node, trains
        self.parts: dict[str, str] = {}
        self.predictions: set[str] = set()
        self.rest: list[ast.stmt] = []
        self.bar = False
        self.found = Batches(node, self._loader())
        self.found.shown = self.bar
        self.backward = self.stepped = False
        for one in node.body:
            self._statement(one)
        self._finish()

    def _no(self, node: ast.AST, why: str) -> NotPlain:
        return NotPlain(f"line {node.lineno}: {why}")  # type: ignore[attr-defined]

    def _loader(self) -> ast.expr:
        source, target = self.node.iter, self.node.target
        if isinstance(source, ast.Call) and self._callee(source) == "builtins.enumerate":
            source = source.args[0]
            if not isinstance(target, ast.Tuple) or len(target.elts) != 2:
                raise self._no(self.node, "what it goes through is not told apart here")
            target = target.elts[1]
        if isinstance(source, ast.Call) and "tqdm" in self._callee(source) and source.args:
            source, self.bar = source.args[0], True
        if self.r.fact(source).kinds != ["loader"]:
            raise self._no(self.node, "it does not go through a DataLoader")
        if isinstance(target, ast.Name):
            self.parts[target.id] = "batch"
        elif isinstance(target, (ast.Tuple, ast.List)) and len(target.elts) == 2:
            self._bind(target, ("inputs", "targets"))
        else:
            raise self._no(self.node, "a batch is not one input and one target")
        return source

    def _bind(self, target: ast.AST, parts: tuple[str, ...]) -> None:
        names = target.elts if isinstance(target, (ast.Tuple, ast.List)) else [target]
        if len(names) != len(parts) or not all(isinstance(one, ast.Name) for one in names):
            raise self._no(target, "a batch is not one input and one target")
        for one, part in zip(names, parts, strict=True):
            self.parts[one.id] = part  # type: ignore[attr-defined]

    def _callee(self, node: ast.Call) -> str:
        return (self.r.fact(node).callees or [self.r.dotted(node.func) or ""])[0]

    def _part(self, node: ast.AST) -> str | None:
        """Which part of a batch an expression is: moved to a device it is the same."""
        match node:
            case ast.Name(id=name):
                return self.parts.get(name)
            case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=0 | 1 as place)):
                return ("inputs", "targets")[place] if self.parts.get(name) == "batch" else None
            case ast.Call(func=ast.Attribute(value=value, attr=attr), args=args) if attr in MOVES:
                plain = all({*self.r.fact(one).kinds} <= {"device", "str"} for one in args)
                quiet = all(k.arg in ("non_blocking", "device") for k in node.keywords)  # type: ignore[attr-defined]
                return self._part(value) if plain and quiet else None
        return None

    # -- statements

    def _statement(self, node: ast.stmt) -> None:
        name = plans.callee(self.r, node)
        if name in plans.RESETS or name in MODES or isinstance(node, ast.Pass):
            return
        if name == plans.BACKWARD:
            self._backward(node.value)  # type: ignore[attr-defined]
        elif name == plans.STEP:
            self.found.optimizer, self.stepped = node.value.func.value, True  # type: ignore[attr-defined]
        elif name.startswith("torch.optim.lr_scheduler.") and name.endswith(".step") and not node.value.args:  # type: ignore[attr-defined]
            self.found.schedules.append(node.value)  # type: ignore[attr-defined]
        elif prints(node):
            self.found.shown = True
        elif isinstance(node, ast.Assign) and len(node.targets) == 1:
            self._assign(node, node.targets[0])
        elif isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Add) and isinstance(node.target, ast.Name):
            self.rest.append(node)
        else:
            raise self._no(node, f"fit has no place for: {' '.join(self.r.source(node).split())[:60]}")

    def _backward(self, call: ast.Call) -> None:
        if self.backward or call.args or call.keywords or not isinstance(call.func.value, ast.Name):  # type: ignore[attr-defined]
            raise self._no(call, "backward is asked more than once, or of more than a loss")
        self.backward, self.found.loss = True, call.func.value.id  # type: ignore[attr-defined]

    def _assign(self, node: ast.Assign, target: ast.expr) -> None:
        values = node.value.elts if isinstance(node.value, ast.Tuple) else [node.value]
        parts = [self._part(one) for one in values]
        if parts == ["batch"] and isinstance(target, ast.Tuple):
            self._bind(target, ("inputs", "targets"))
        elif all(one in ("inputs", "targets") for one in parts):
            self._bind(target, tuple(parts))  # type: ignore[arg-type]
        elif (call := self._network(node.value)) is not None and isinstance(target, ast.Name):
            self._called(call, node, target)
        else:
            self.rest.append(node)

    def _network(self, node: ast.expr) -> ast.Call | None:
        """The call of the network in an expression."""
        calls = [
            one for one in ast.walk(node)
            if isinstance(one, ast.Call) and self.r.fact(one).extra.get("weights")
            and any(c.startswith(("call:user", "call:torch.nn.Sequential")) for c in self.r.fact(one).callees)
        ]  # fmt: skip
        if len(calls) > 1 or (calls and self.found.model is not None):
            raise self._no(node, "networks are called more than once")
        return calls[0] if calls else None

    def _called(self, call: ast.Call, node: ast.Assign, target: ast.Name) -> None:
        if len(call.args) != 1 or call.keywords or self._part(call.args[0]) != "inputs":
            raise self._no(call, "the network is not called with what the loader gives")
        whole = {f"call:user:{name}" for name in self.r.project.outermost} | {"call:torch.nn.Sequential"}
        if not set(self.r.fact(call).callees) <= whole:
            raise self._no(call, "what is called is not one whole network")
        if self.trains and False in self.r.fact(call).modes:
            raise self._no(call, "the network is in eval mode while it is trained")
        self.found.model = call.func
        if node.value is call:
            self.found.outputs = target.id
        else:
            self.found.outputs = "outputs" if "outputs" not in self.r.bound else "outputs_"
            self.found.called = call
            self.rest.append(node)
        shapes = self.r.fact(call).shapes
        if self.r.fact(call).kinds != ["tensor"] or not shapes:
            raise self._no(call, "the network gives more than one tensor")
        self.found.output_rank, self.found.one_output = len(shapes[0]), shapes[0][-1:] == [1]

    # -- what the rest is

    def _finish(self) -> None:
        found = self.found
        if found.model is None:
            raise self._no(self.node, "no network is called with the inputs of a batch")
        if self.trains and not (self.backward and self.stepped):
            raise self._no(self.node, "an optimiser does not step after each backward")
        names = [name for name, part in self.parts.items() if part == "targets"]
        if not names:
            raise self._no(self.node, "the loader gives no targets")
        found.targets = names[-1]
        found.inputs = next((name for name, part in self.parts.items() if part == "inputs"), "")
        found.model_text = self.r.text(found.model)
        self._targets_seen()
        if not self.trains:
            found.loss = self._loss_name()
        found.losses = self._needed(found.loss) if found.loss else []
        for one in self.rest:
            if one not in found.losses and not self._predicts(one):
                if not isinstance(one, ast.AugAssign):
                    raise self._no(one, f"fit has no place for: {' '.join(self.r.source(one).split())[:60]}")
                found.sums.append(Sum(one.target.id, self._kind(one.value)))  # type: ignore[attr-defined]
        found.after = self._read_behind()

    def _targets_seen(self) -> None:
        facts = [
            self.r.fact(one) for one in ast.walk(self.node)
            if isinstance(one, ast.Name) and one.id == self.found.targets and isinstance(one.ctx, ast.Load)
        ]  # fmt: skip
        seen = next((one for one in facts if one.kinds == ["tensor"]), None)
        if seen is None:
            raise self._no(self.node, "the targets are no tensor")
        self.found.target_rank, self.found.target_dtype = seen.ranks[0], seen.dtypes[0]

    def _loss_name(self) -> str:
        """The loss of a loop that only measures: what is added up as a number."""
        for one in self.rest:
            if isinstance(one, ast.AugAssign):
                names = {n.id for n in ast.walk(one.value) if isinstance(n, ast.Name)}
                stored = [
                    two for two in self.rest
                    if isinstance(two, ast.Assign) and isinstance(two.targets[0], ast.Name) and two.targets[0].id in names
                ]  # fmt: skip
                for two in stored:
                    if self.r.fact(two.value).ranks == [0] and any("float" in d for d in self.r.fact(two.value).dtypes):
                        return two.targets[0].id  # type: ignore[attr-defined]
        return ""

    def _needed(self, loss: str) -> list[ast.stmt]:
        """The statements that the loss is computed by, of the targets and the outputs alone."""
        wanted, kept = {loss}, []
        for one in reversed(self.rest):
            stored = {n.id for n in ast.walk(one) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
            if isinstance(one, ast.Assign) and stored & wanted:
                kept.insert(0, one)
                wanted |= {n.id for n in ast.walk(one.value) if isinstance(n, ast.Name)}
        if not kept:
            raise self._no(self.node, f"{loss} is not computed in the loop")
        inside = {id(n) for n in ast.walk(self.found.called)} if self.found.called is not None else set()
        others = {name for name, part in self.parts.items() if part != "targets"} | {
            name for name, part in self.parts.items() if part == "targets" and name != self.found.targets
        }
        for one in kept:
            for name in ast.walk(one):
                if isinstance(name, ast.Name) and id(name) not in inside and name.id in others:
                    raise self._no(one, "the loss looks at more of a batch than its targets")
        return kept  # type: ignore[return-value]

    def _predicts(self, node: ast.stmt) -> bool:
        """Whether a statement takes the likeliest class of each sample."""
        if not isinstance(node, ast.Assign):
            return False
        target, value = node.targets[0], node.value
        if isinstance(target, ast.Tuple) and len(target.elts) == 2 and self._largest(value):
            self.predictions.add(target.elts[1].id)  # type: ignore[attr-defined]
            return True
        if isinstance(target, ast.Name) and self._predicted(value):
            self.predictions.add(target.id)
            return True
        return False

    def _largest(self, node: ast.AST, attr: str = "max") -> bool:
        """Whether an expression is `outputs.max(1)` or `torch.max(outputs, 1)`, or the same by another name."""
        value: ast.AST
        match node:
            case ast.Call(func=ast.Attribute(value=value, attr=name), args=args) if name == attr:
                given = [*args, *(k.value for k in node.keywords if k.arg in ("dim", "axis"))]
                if self.r.dotted(value) == "torch":
                    value, *given = given
                return self._outputs(value) and [self.r.constant(one) for one in given[:1]] in ([1], [-1])
        return False

    def _outputs(self, node: ast.AST) -> bool:
        node = _number(node)
        return isinstance(node, ast.Name) and node.id == self.found.outputs and self.found.output_rank == 2

    def _predicted(self, node: ast.AST) -> bool:
        node = _number(node)
        match node:
            case ast.Name(id=name):
                return name in self.predictions
            case ast.Subscript(value=value, slice=ast.Constant(value=1)):
                return self._largest(value)
            case ast.Attribute(value=value, attr="indices"):
                return self._largest(value)
        return self._largest(node, "argmax")

    def _kind(self, value: ast.AST) -> str:
        """What is added up."""
        value = _number(value)
        if isinstance(value, ast.Constant) and value.value == 1:
            return "batches"
        if isinstance(value, ast.Name) and value.id == self.found.loss:
            return "loss"
        if self._counts(value):
            return "count"
        if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Mult):
            sides = (value.left, value.right)
            for mine, other in (sides, sides[::-1]):
                inner = _number(mine)
                if isinstance(inner, ast.Name) and inner.id == self.found.loss and self._counts(other):
                    return "whole loss"
        if self._correct(value):
            return "correct"
        raise self._no(value, f"fit does not add up: {self.r.source(value)[:60]}")

    def _counts(self, node: ast.AST) -> bool:
        match node:
            case ast.Call(func=ast.Attribute(value=one, attr="size"), args=[ast.Constant(value=0)]):
                pass
            case ast.Call(func=ast.Name(id="len"), args=[one]):
                pass
            case ast.Subscript(value=ast.Attribute(value=one, attr="shape"), slice=ast.Constant(value=0)):
                pass
            case _:
                return False
        known = isinstance(one, ast.Name) and (one.id == self.found.outputs or one.id in self.parts)
        return known and "drop_last" not in self.r.file.text

    def _correct(self, node: ast.AST) -> bool:
        """Whether an expression counts the right answers."""
        match node:
            case ast.Call(func=ast.Attribute(value=inner, attr="sum"), args=[]) if self.r.dotted(inner) != "torch":
                pass
            case ast.Call(func=ast.Attribute(attr="sum"), args=[inner]):
                pass
            case _:
                return False
        inner = _number(inner)
        match inner:
            case ast.Compare(left=left, ops=[ast.Eq()], comparators=[right]):
                pass
            case ast.Call(func=ast.Attribute(value=left, attr="eq"), args=[right]):
                pass
            case _:
                return False
        sides = (left, right)
        whole = self.found.target_rank == 1 and "int" in self.found.target_dtype and "drop_last" not in self.r.file.text
        return whole and any(self._predicted(a) and self._is_target(b) for a, b in (sides, sides[::-1]))

    def _is_target(self, node: ast.AST) -> bool:
        match node:
            case ast.Call(func=ast.Attribute(value=value, attr="view_as" | "view")):
                node = value
        node = _number(node)
        return isinstance(node, ast.Name) and self.parts.get(node.id) == "targets"

    def _read_behind(self) -> list[str]:
        """What the loop binds for one batch, and what is read behind it."""
        stored = {n.id for n in ast.walk(self.node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        own = stored - {one.name for one in self.found.sums}
        return read_behind(self.r, self.node, own)


def read_behind(r: Rewriter, node: ast.AST, names: set[str]) -> list[str]:
    """Which names are read behind a statement, in its function or file, before they are bound anew there."""
    place = r.around(node, ast.FunctionDef, ast.Module) or r.file.tree
    seen = sorted(
        (one for one in ast.walk(place) if isinstance(one, ast.Name) and one.id in names
         and (one.lineno, one.col_offset) > (node.end_lineno, node.end_col_offset)),  # type: ignore[attr-defined]
        key=lambda one: (one.lineno, isinstance(one.ctx, ast.Store), one.col_offset),
    )  # fmt: skip
    first: dict[str, ast.Name] = {}
    for one in seen:
        first.setdefault(one.id, one)
    return sorted(name for name, one in first.items() if isinstance(one.ctx, ast.Load))


def _number(node: ast.AST) -> ast.AST:
    """What a number is of: `loss.item()` of `loss`."""
    while True:
        match node:
            case ast.Call(func=ast.Attribute(value=value, attr=attr)) if attr in NUMBERS:
                node = value
            case ast.Call(func=ast.Name(id="float" | "int"), args=[value]):
                node = value
            case ast.Attribute(value=value, attr="data"):
                node = value
            case _:
                return node


def prints(node: ast.stmt) -> bool:
    """Whether a statement only shows how far it is."""
    if isinstance(node, ast.If):
        return not node.orelse and all(prints(one) for one in node.body)
    match node:
        case ast.Expr(value=ast.Call(func=ast.Name(id="print"))):
            return True
        case ast.Expr(value=ast.Call(func=ast.Attribute(attr="set_postfix" | "set_description" | "set_postfix_str"))):
            return True
    return False
