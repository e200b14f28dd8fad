"""What a loop over epochs does beside its loop over batches."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import Any

from netglot.migrate.rewrite import Rewriter
from netglot.migrate.to_keras import loops
from netglot.migrate.to_keras.reading import MODES, Batches, NotPlain, Sum, prints, read, read_behind


@dataclass
class Epochs:
    """A loop over epochs around one loop over batches."""

    node: ast.For
    count: Any
    batches: Batches
    validation: ast.expr | None = None
    schedules: list[ast.expr] = field(default_factory=list)
    kept: list[tuple[ast.expr, str, str | None]] = field(default_factory=list)
    """Lists that remember a number of each epoch: the list, its name in the history, a factor."""


def _pairs(node: ast.Assign) -> list[tuple[ast.Name, ast.expr]]:
    """The names that a statement binds and what to; nothing where it binds anything else."""
    found: list[tuple[ast.Name, ast.expr]] = []
    for target in node.targets:
        if isinstance(target, ast.Name):
            found.append((target, node.value))
        elif isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
            if len(target.elts) != len(node.value.elts) or not all(isinstance(one, ast.Name) for one in target.elts):
                return []
            found += list(zip(target.elts, node.value.elts, strict=True))  # type: ignore[arg-type]
        else:
            return []
    return found


def read_epochs(r: Rewriter, node: ast.For, inner: ast.For) -> Epochs:
    """What a loop over epochs does beside its loop over batches.

    Raises:
        NotPlain: more than to count, to print, to measure and to remember.
    """
    return _EpochReader(r, node, inner).found


class _EpochReader:
    """Goes through the statements of a loop over epochs."""

    def __init__(self, r: Rewriter, node: ast.For, inner: ast.For):
        self.r, self.node, self.inner = r, node, inner
        self.found = Epochs(node, self._count(), read(r, inner))
        self.sums = {one.name: ("", one.kind) for one in self.found.batches.sums}
        self.derived: dict[str, ast.expr] = {}
        for one in node.body:
            self._statement(one)
        stored = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        if behind := read_behind(r, node, stored):
            raise NotPlain(f"{', '.join(behind)} is used behind it")

    def _count(self) -> Any:
        source = self.node.iter
        if isinstance(source, ast.Call) and self.r.source(source.func).endswith(("tqdm", "trange")) and source.args:
            source = source.args[0]
        match source:
            case ast.Call(func=ast.Name(id="range"), args=[count]):
                return count
            case ast.Call(
                func=ast.Name(id="range"),
                args=[ast.Constant(value=1), ast.BinOp(left=count, op=ast.Add(), right=ast.Constant(value=1))],
            ):
                return count
            case ast.Call(func=ast.Name(id="range"), args=[_, _]):
                return f"len({self.r.source(source)})"
        raise NotPlain("it does not count its epochs")

    def _statement(self, node: ast.stmt) -> None:
        name = loops.callee(self.r, node)
        if node is self.inner or name in MODES or isinstance(node, ast.Pass):
            return
        if prints(node):
            self.found.batches.shown = True
        elif name.startswith("torch.optim.lr_scheduler.") and name.endswith(".step") and not node.value.args:  # type: ignore[attr-defined]
            self.found.schedules.append(node.value)  # type: ignore[attr-defined]
        elif isinstance(node, ast.With) and all(
            (self.r.dotted(getattr(one.context_expr, "func", one.context_expr)) or "").startswith("torch.")
            for one in node.items
        ):
            for one in node.body:
                self._statement(one)
        elif isinstance(node, ast.For):
            self._measures(node)
        elif isinstance(node, ast.Assign) and (pairs := _pairs(node)):
            for held, value in pairs:
                self._assign(node, held, value)
        elif self._appends(node):
            return
        else:
            raise NotPlain(f"line {node.lineno}: {' '.join(self.r.source(node).split())[:60]}")

    def _assign(self, node: ast.Assign, held: ast.Name, value: ast.expr) -> None:
        names = {n.id for n in ast.walk(value) if isinstance(n, ast.Name)}
        if not isinstance(value, ast.Constant) and not names & {*self.sums, *self.derived}:
            raise NotPlain(f"line {node.lineno}: {' '.join(self.r.source(node).split())[:60]}")
        if not isinstance(value, ast.Constant):  # a constant begins a sum
            self.derived[held.id] = value

    def _measures(self, node: ast.For) -> None:
        """A loop that measures on other data, as `validation_data`."""
        other, mine = read(self.r, node, trains=False), self.found.batches
        if self.found.validation is not None or other.model_text != mine.model_text:
            raise NotPlain(f"line {node.lineno}: it measures more than one network on one set of data")
        if other.losses and self._canonical(other) != self._canonical(mine):
            raise NotPlain(f"line {node.lineno}: it measures by another loss than it trains by")
        self.found.validation = other.loader
        self.sums |= {one.name: ("val_", one.kind) for one in other.sums}
        if other.accuracy and not mine.accuracy:
            mine.sums.append(Sum("", "correct"))

    def _canonical(self, found: Batches) -> list[str]:
        """The statements of a loss whatever its names are."""
        names = {found.targets: "y", found.outputs: "o", found.loss: "l"}
        texts = []
        for one in found.losses:
            text = ast.dump(one)
            for old, new in names.items():
                text = text.replace(f"id='{old}'", f"id='{new}'")
            texts.append(text)
        return texts

    def _appends(self, node: ast.stmt) -> bool:
        """`losses.append(running_loss / len(loader))`."""
        match node:
            case ast.Expr(value=ast.Call(func=ast.Attribute(value=held, attr="append"), args=[value])):
                key, factor = self._told(value)
                self.found.kept.append((held, key, factor))
                return True
        return False

    def _told(self, value: ast.expr, factor: str | None = None) -> tuple[str, str | None]:
        """What a number of an epoch is called in the history, and by what it is multiplied."""
        match value:
            case ast.Name(id=name) if name in self.derived:
                return self._told(self.derived[name], factor)
            case ast.BinOp(left=ast.Constant(value=number), op=ast.Mult(), right=right) if factor is None:
                return self._told(right, str(number))
            case ast.BinOp(left=left, op=ast.Mult(), right=ast.Constant(value=number)) if factor is None:
                return self._told(left, str(number))
            case ast.BinOp(
                left=ast.BinOp(left=ast.Constant(value=number), op=ast.Mult(), right=top), op=ast.Div(), right=below
            ) if factor is None:
                return self._told(ast.BinOp(left=top, op=ast.Div(), right=below), str(number))
            case ast.BinOp(left=ast.Name(id=name), op=ast.Div(), right=below) if name in self.sums:
                start, kind = self.sums[name]
                if self._divides(kind, below):
                    return start + ("accuracy" if kind == "correct" else "loss"), factor
        raise NotPlain("what it remembers of an epoch is not told by fit")

    def _divides(self, kind: str, below: ast.expr) -> bool:
        """Whether a sum is divided by what makes it a mean."""
        if isinstance(below, ast.Name):
            of = self.sums.get(below.id, ("", ""))[1]
            return of == ("batches" if kind == "loss" else "count")
        text = "".join(self.r.source(below).split())
        if not text.startswith("len("):
            return False
        loaders = [self.found.batches.loader, *([self.found.validation] if self.found.validation is not None else [])]
        whole = any(text == f"len({self.r.source(one)})" for one in loaders)
        return whole if kind == "loss" else not whole
