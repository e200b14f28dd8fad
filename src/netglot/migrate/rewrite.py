"""Writes a file anew, expression by expression: what a rule speaks of changes, all else is kept to the letter."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from typing import Any

from netglot.migrate import imports
from netglot.migrate.declare import MISSING, Declaration, Unbound, bind
from netglot.migrate.inference import NOTHING, Inference
from netglot.migrate.instrument import number_of
from netglot.migrate.observe import Fact
from netglot.migrate.spans import Spans
from netglot.migrate.unseen import REASON, SEEN, Unseen

MARK = "# netglot: "


@dataclass(frozen=True)
class Mark:
    """One place that could not be migrated, and why."""

    line: int
    what: str
    reason: str


@dataclass
class File:
    """One file of the user, as it was read and observed."""

    path: str
    """Relative to the root of the project."""
    text: str
    tree: ast.Module
    facts: dict[int, Fact] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    """The public names of the dotted expressions of the file, resolved where it was imported."""
    classes: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The user's classes: what they derive from, see `runtime`."""
    module: str = ""
    aliases: dict[str, str] = field(default_factory=dict)
    """What its imports bind, see `imports`."""


class Rewriter:
    """Rewrites one file for a target.

    Args:
        file: the file with its facts.
        target: what is written, and the tables; see `to_keras.target`.
        project: what is known of all files together.
        doubts: the numbers of the statements at which code begins that never ran and cannot be said for sure.
    """

    def __init__(self, file: File, target: Any, project: Any, doubts: frozenset[int] = frozenset()):
        self.file, self.target, self.project = file, target, project
        self.known_doubts = doubts
        self.doubts: set[int] = set()
        self.spans = Spans(file.text)
        self.imports: set[str] = set()
        self.helpers: dict[str, str] = {}
        self.marks: list[Mark] = []
        self.notes: list[str] = []
        self.rewritten: set[int] = set()
        self.parents: dict[int, ast.AST] = {}
        self.kept_names: set[str] = set()
        for node in ast.walk(file.tree):
            for child in ast.iter_child_nodes(node):
                self.parents[id(child)] = node
        self.aliases = file.aliases or imports.aliases(file.tree)
        self.bound = imports.bound_names(file.tree)
        self.unseen = Unseen(self)
        self.inferred = Inference(self, target.words)
        self._asking = False
        self._open: list[list[tuple[str, str]]] = []
        self._before: dict[int, list[str]] = {}
        self._state: dict[str, Any] = {}

    # -- what rules ask

    def fact(self, node: ast.AST) -> Fact:
        """What an expression was; of one that never ran what can be inferred, with a count of 0."""
        seen = self.file.facts.get(number_of(node))
        if seen is not None:
            return seen
        if not isinstance(node, SEEN) or not hasattr(node, "number"):
            return NOTHING
        made = self.inferred.fact(node)
        if self._asking and (not made.kinds or made.extra.get("guessed")):
            self.doubt(node)
        return made

    def fact_of(self, file: File, node: ast.AST) -> Fact:
        """What an expression of some file of the project was, as far as it ran."""
        return file.facts.get(number_of(node), NOTHING)

    def peek(self, node: Any) -> Fact:
        """What an expression was, for a rule that is right where nothing is known, too."""
        asking, self._asking = self._asking, False
        made = self.fact(node)
        self._asking = asking
        return made

    def dtypes(self, nodes: Any) -> set[str]:
        """All the dtypes that some expressions had."""
        return {dtype for one in nodes for dtype in self.fact(one).dtypes}

    def doubt(self, node: ast.AST) -> None:
        """Code that never ran and cannot be said for sure: it is marked where it begins."""
        region = self.unseen.region(node)
        if region is not None:
            self.doubts.add(number_of(region))

    def source(self, node: ast.AST) -> str:
        """The text of a node as the user wrote it."""
        return self.spans.source(node)

    def text(self, node: ast.AST) -> str:
        """The text of a node in the target."""
        if isinstance(node, ast.stmt):
            return self._statement(node)
        if (given := self._state.get("replaced")) and id(node) in given:
            return given[id(node)]
        asking, self._asking = self._asking, False
        made = self.target.expression(self, node)
        if made is None:
            made = self.composed(node)
        elif made != self.source(node):
            self.touch(node)
        unseen = isinstance(node, SEEN) and self.file.facts.get(number_of(node)) is None
        if unseen and self.target.doubtful(self, node):
            self.doubt(node)
        self._asking = asking
        return made

    def composed(self, node: ast.AST) -> str:
        """The node as it stands, with its parts rewritten."""
        if isinstance(node, ast.Name) and node.id in self.aliases and isinstance(node.ctx, ast.Load):
            self.kept_names.add(node.id)
        return self.spans.composed(node, self.text)

    def touch(self, node: ast.AST) -> None:
        """Remembers the lines of a node as rewritten."""
        first = getattr(node, "lineno", 0)
        self.rewritten.update(range(first, (getattr(node, "end_lineno", None) or first) + 1))

    def parent(self, node: ast.AST) -> ast.AST | None:
        """The node around."""
        return self.parents.get(id(node))

    def around(self, node: ast.AST, *kinds: type) -> Any:
        """The nearest node around of some kind."""
        found = self.parent(node)
        while found is not None and not isinstance(found, kinds):
            found = self.parent(found)
        return found

    def dotted(self, node: ast.AST) -> str | None:
        """`torch.nn.Linear` for an expression that names it by an import of this file; None for all others."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name) or node.id not in self.aliases or imports.shadowed(self, node):
            return None
        name = ".".join([self.aliases[node.id], *reversed(parts)])
        return self.file.names.get(name, name)

    def mark(self, node: ast.AST, what: str, reason: str) -> None:
        """Leaves a comment above the statement that holds a node."""
        line = getattr(node, "lineno", 1)
        if any(one.line == line and one.reason == reason for one in self.marks):
            return
        self.marks.append(Mark(line, what, reason))
        if self._open:
            self._open[-1].append((what, reason))

    def precede(self, node: ast.AST, text: str) -> None:
        """Puts a line of its own above the statement that holds a node."""
        place = node if isinstance(node, ast.stmt) else self.around(node, ast.stmt)
        while not self._begins_line(place):
            place = self.around(place, ast.stmt)
        lines = self._before.setdefault(id(place), [])
        if text not in lines:
            lines.append(text)

    def need(self, helper: str) -> str:
        """Asks for a helper of the target in this file, and gives its name here."""
        if helper not in self.helpers:
            self.helpers[helper] = helper if helper not in self.bound else helper + "_"
            for other in self.target.helper_needs(helper):
                self.need(other)
        return self.helpers[helper]

    # -- calls

    def called(self, node: ast.Call, names: list[str], *, receiver: ast.AST | None = None) -> str | None:
        """The call by the declarations of its names; None where none is declared. Marks what does not fit."""
        texts: list[str] = []
        for name in names:
            rows = self.target.table.find(name)
            if not rows:
                if reason := self.target.table.marks.get(name):
                    self.mark(node, name, reason)
                    return self.composed_kept(node)
                return None
            texts.append(self._by_rows(node, name, rows, receiver))
        if len(set(texts)) > 1:
            self.mark(node, self.source(node.func), f"it calls {' and '.join(names)}, which differ in the target")
            return self.composed_kept(node)
        return texts[0]

    def composed_kept(self, node: ast.AST) -> str:
        """The node exactly as it was; names of the source's framework in it stay imported."""
        for one in ast.walk(node):
            if isinstance(one, ast.Name) and one.id in self.aliases:
                self.kept_names.add(one.id)
        return self.source(node)

    def _by_rows(self, node: ast.Call, name: str, rows: list[Declaration], receiver: ast.AST | None) -> str:
        reason = ""
        for row in rows:
            try:
                bound = bind(self, node, row, receiver=receiver, callee=name)
            except Unbound as unbound:
                reason = reason or str(unbound)
                continue
            if not bound.fits():
                continue
            if unspoken := bound.unspoken():
                reason = f"its option {', '.join(unspoken)} is not carried over"
                continue
            try:
                made = self._ruled(bound) if callable(row.write) else bound.filled()
            except Unbound as unbound:
                reason = str(unbound)
                continue
            if made is not None:
                if row.note:
                    self.notes.append(row.note)
                return made
        if (
            (receiver is None and any(isinstance(a, ast.Starred) for a in node.args))
            or any(k.arg is None for k in node.keywords)
        ) and (adapter := self.target.adapter(self, name)):
            return f"{adapter}({self.arguments(node)})"
        self.mark(node, name, reason or "netglot does not know this form of it")
        return self.composed_kept(node)

    def _ruled(self, bound: Any) -> str | None:
        """What a rule in code writes; what it asks of code that never ran is a doubt."""
        self._asking = True
        try:
            return bound.row.write(bound)
        finally:
            self._asking = False

    def arguments(self, node: ast.Call) -> str:
        """What stands between the parentheses of a call, with its parts rewritten."""
        start = self.spans.of(node.func)[1]
        start = self.spans.data.index(b"(", start) + 1
        end = self.spans.of(node)[1] - 1
        parts = sorted([*node.args, *node.keywords], key=self.spans.of)
        return self.spans.between(start, end, parts, self.text)

    # -- statements

    def _statement(self, node: ast.stmt) -> str:
        self._open.append([])
        if number_of(node) in self.known_doubts:
            self.mark(node, "", REASON)
        made = self.target.statement(self, node)
        changes = isinstance(node, (ast.Assign, ast.AugAssign)) and not self.unseen.ran(node)
        if changes and self.target.doubtful(self, node):
            self.doubt(node)
        if made is None:
            made = self.target.block(self, node, self.text) or self.spans.composed(node, self.text)
        elif made != self.source(node) and not hasattr(node, "body"):
            self.touch(node)
        own = self._open.pop()
        for text in reversed(self._before.pop(id(node), [])):
            made = f"{text}\n{self.spans.indent(node)}" + made
        if own and self._open and not self._begins_line(node):
            self._open[-1].extend(own)
        elif own:
            indent = self.spans.indent(node)
            reasons = list(dict.fromkeys(f"{what}: {reason}" if what else reason for what, reason in own))
            made = f"{MARK}{'; '.join(reasons)}\n{indent}" + made
        return made

    def _begins_line(self, node: ast.stmt) -> bool:
        """Whether a comment can stand above a statement: not above an `elif`, nor behind a colon or a semicolon."""
        start = self.spans.starts[node.lineno - 1]
        before = self.spans.data[start : start + node.col_offset]
        return not before.strip() and not self.source(node).startswith("elif")

    def module(self) -> str:
        """The whole file in the target."""
        body = self.file.tree.body
        chunks = self.target.block(self, self.file.tree, self.text)
        if chunks is None:
            chunks = self.spans.between(0, len(self.spans.data), list(body), self.text)
        return self.target.finished(self, chunks)

    # -- small things

    def parenthesised(self, node: ast.AST, text: str) -> str:
        """The text, safe as an operand."""
        if isinstance(node, (ast.Name, ast.Attribute, ast.Call, ast.Subscript, ast.Constant, ast.Tuple, ast.List)):
            if isinstance(node, ast.Tuple) and not text.startswith("("):
                return f"({text})"
            return text
        if re.fullmatch(r"[\w.]+(\([^()]*\))?", text):
            return text
        return f"({text})"

    def constant(self, node: ast.AST | None) -> Any:
        """The value of a literal, else of an expression that had one value each time; `MISSING` otherwise."""
        if node is None:
            return MISSING
        try:
            return ast.literal_eval(node)
        except (ValueError, TypeError):
            return MISSING
