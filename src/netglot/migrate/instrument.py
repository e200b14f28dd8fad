"""Code that tells what each of its expressions was: every expression of a file is wrapped in a call of the recorder.

Expressions are numbered in the order of `ast.walk`, so whoever parses the same text finds the same numbers. Lines and
columns stay those of the user, and so do tracebacks.
"""

from __future__ import annotations

import ast
import copy
from types import CodeType

RECORDER = "__netglot__"
"""The name under which the recorder stands in an observed module."""

UNTOUCHED = {"super", "locals", "globals", "vars", "dir", "eval", "exec", "__import__", "__class__"}
"""Names that look at the frame they stand in."""

_VALUES = (
    ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Subscript, ast.Tuple, ast.List, ast.ListComp,
    ast.Dict,
)  # fmt: skip


def numbered(tree: ast.AST) -> ast.AST:
    """The tree, each node with its number in `number`."""
    for number, node in enumerate(ast.walk(tree)):
        node.number = number  # type: ignore[attr-defined]
    return tree


def number_of(node: ast.AST) -> int:
    """The number of a node; -1 for one that was made since."""
    return getattr(node, "number", -1)


def instrumented(text: str, filename: str) -> CodeType:
    """The code of a file, observed.

    Raises:
        SyntaxError: as Python tells it.
    """
    tree = numbered(ast.parse(text, filename))
    tree = _Wrapping().visit(tree)
    return compile(ast.fix_missing_locations(tree), filename, "exec", dont_inherit=True)


def _mangled(name: str) -> bool:
    return name.startswith("__") and not name.endswith("__")


class _Wrapping(ast.NodeTransformer):
    """Wraps loads of values, and turns calls into calls by the recorder."""

    def _record(self, what: str, node: ast.AST, *values: ast.expr) -> ast.Call:
        recorder = ast.Attribute(ast.Name(RECORDER, ast.Load()), what, ast.Load())
        call = ast.Call(recorder, [ast.Constant(node.number), *values], [])  # type: ignore[attr-defined]
        for made in (call, recorder, recorder.value, call.args[0]):
            ast.copy_location(made, node)
        return call

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        if isinstance(node, _VALUES) and isinstance(getattr(node, "ctx", ast.Load()), ast.Load):
            return self._record("value", node, node)
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        function = node.func
        if isinstance(function, ast.Name) and function.id in UNTOUCHED:
            node.args = [self.visit(one) for one in node.args]
            node.keywords = [self.visit(one) for one in node.keywords]
            return node
        arguments = [self.visit(one) for one in node.args]
        keywords = [self.visit(one) for one in node.keywords]
        if isinstance(function, ast.Attribute) and not _mangled(function.attr):
            call = self._record("method", node, self.visit(function.value), ast.Constant(function.attr))
        else:
            plain = isinstance(function, ast.Name)
            call = self._record("call", node, function if plain else self.visit(function))
        call.args += arguments
        call.keywords = keywords
        return ast.copy_location(call, node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        node.value = self.visit(node.value)
        if not isinstance(node.ctx, ast.Load) or _mangled(node.attr):
            return node
        return self._record("attribute", node, node.value, ast.copy_location(ast.Constant(node.attr), node))

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if not isinstance(node.ctx, ast.Load) or node.id in UNTOUCHED:
            return node
        return self._record("value", node, node)

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        node.value = self.visit(node.value)
        if isinstance(node.slice, ast.Tuple):  # it may hold slices, which are no values
            node.slice.elts = [self.visit(one) for one in node.slice.elts]
        else:
            node.slice = self.visit(node.slice)
        return self._record("value", node, node) if isinstance(node.ctx, ast.Load) else node

    def visit_For(self, node: ast.For) -> ast.AST:
        self.generic_visit(node)
        node.iter = self._record("loop", node, node.iter)
        return node

    def visit_AugAssign(self, node: ast.AugAssign) -> list[ast.stmt]:
        node.value = self.visit(node.value)
        if isinstance(node.target, ast.Subscript):
            node.target = self.generic_visit(node.target)  # type: ignore[assignment]
            return [node]
        if isinstance(node.target, ast.Name) or _mangled(node.target.attr):
            load = copy.copy(node.target)
            load.ctx = ast.Load()
            seen = ast.Expr(self._record("value", node.target, load))
        else:
            name = ast.copy_location(ast.Constant(node.target.attr), node.target)
            owner = self.visit(copy.deepcopy(node.target.value))
            seen = ast.Expr(self._record("attribute", node.target, owner, name))
        return [ast.copy_location(seen, node), node]

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if node.value is not None:
            node.value = self.visit(node.value)
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._function(node)

    def _function(self, node):
        node.decorator_list = [self.visit(one) for one in node.decorator_list]
        node.args.defaults = [self.visit(one) for one in node.args.defaults]
        node.args.kw_defaults = [one and self.visit(one) for one in node.args.kw_defaults]
        node.body = _bodies(self, node.body)
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        return node

    def visit_Match(self, node: ast.Match) -> ast.AST:
        node.subject = self.visit(node.subject)
        for case in node.cases:
            case.guard = case.guard and self.visit(case.guard)
            case.body = _bodies(self, case.body)
        return node

    def visit_Delete(self, node: ast.Delete) -> ast.AST:
        return node

    def visit_Global(self, node: ast.Global) -> ast.AST:
        return node


def _bodies(visitor: ast.NodeTransformer, body: list[ast.stmt]) -> list[ast.stmt]:
    found: list[ast.stmt] = []
    for statement in body:
        made = visitor.visit(statement)
        found += made if isinstance(made, list) else [made]
    return found
