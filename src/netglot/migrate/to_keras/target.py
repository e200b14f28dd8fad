"""Keras and TensorFlow as what is written from PyTorch's source: all parts together."""

from __future__ import annotations

import ast
from typing import Any

from netglot.migrate.declare import Table
from netglot.migrate.rewrite import Rewriter
from netglot.migrate.to_keras import (
    algebra,
    creation,
    data,
    functional,
    functions,
    layers,
    loops,
    optimizers,
    starts,
    states,
    unseen,
    vision,
)
from netglot.migrate.to_keras.adapters import Adapters
from netglot.migrate.to_keras.calls import Calls
from netglot.migrate.to_keras.emitted import Emitted
from netglot.migrate.to_keras.expressions import Expressions
from netglot.migrate.to_keras.statements import Statements

TABLE = Table()
for _table in (
    layers.table,
    algebra.table,
    functions.table,
    functional.table,
    creation.table,
    starts.table,
    states.table,
    optimizers.table,
    data.table,
    vision.table,
):
    for _name, _rows in _table.rows.items():
        TABLE.rows.setdefault(_name, []).extend(_rows)
    TABLE.marks.update(_table.marks)


class Target(Calls, Expressions, Adapters, Statements, Emitted):
    """What is written: `keras` (backend-neutral where no training loop asks for more) or `tensorflow`."""

    table = TABLE

    def doubtful(self, r: Rewriter, node: ast.AST) -> bool:
        """Whether something that never ran cannot be said for sure."""
        if isinstance(node, ast.stmt):
            return unseen.doubtful_statement(r, node)
        return unseen.doubtful(r, node)

    def expression(self, r: Rewriter, node: ast.AST) -> str | None:
        """The text of an expression in the target; None where it stays as it is."""
        rule = _EXPRESSIONS.get(type(node))
        return getattr(self, rule)(r, node) if rule else None

    def argument(self, c: Any, name: str, text: str, before: str) -> str | None:
        """What is written for an argument in a template, of which `before` stands ahead; None where its hole says it."""
        return None

    def statement(self, r: Rewriter, node: ast.stmt) -> str | None:
        rule = _STATEMENTS.get(type(node))
        made = getattr(self, rule)(r, node) if rule else None
        if isinstance(node, (ast.For, ast.While)):
            made = made or loops.taped(self, r, node, r.text) or r.spans.composed(node, r.text)
            return loops.begun(r, node, made)
        return made


_EXPRESSIONS = {
    ast.Compare: "comparison",
    ast.DictComp: "dict_comprehension",
    ast.Call: "call",
    ast.Attribute: "attribute",
    ast.Name: "name_node",
    ast.BinOp: "binary",
    ast.Subscript: "subscript",
}
_STATEMENTS = {
    ast.Import: "import_",
    ast.ImportFrom: "import_",
    ast.ClassDef: "class_",
    ast.FunctionDef: "function",
    ast.Assign: "assign",
    ast.AugAssign: "augmented",
    ast.Delete: "delete",
    ast.Expr: "expression_statement",
    ast.For: "for_",
    ast.If: "if_",
    ast.With: "with_",
    ast.Return: "return_",
}
