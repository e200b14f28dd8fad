"""Names of the framework that are not called where they stand: types, classes and functions as values."""

from __future__ import annotations

import ast
import re
from typing import Any

from netglot.migrate.declare import Bound, Declaration, Unbound, bind
from netglot.migrate.rewrite import Rewriter
from netglot.migrate.to_keras import (
    names,
)
from netglot.migrate.to_keras.asking import (
    in_annotation,
)
from netglot.migrate.to_keras.words import Words


class Adapters(Words):
    """Names of the framework that are not called where they stand: types, classes and functions as values."""

    def reference(self, r: Rewriter, node: ast.AST, dotted: str) -> str | None:
        """A name of the framework that is not called here: a type, a dtype, a class or function as a value."""
        if not dotted.startswith(self.prefixes):
            return None
        parent = r.parent(node)
        if isinstance(parent, ast.Attribute) and parent.value is node:
            return None
        if (text := names.constant(dotted)) is not None:
            return self.spell(text, r) if not text.startswith('"') else text
        makes = dotted.endswith("Tensor") and any(_plainly(row) for row in self.table.find(dotted))
        if in_annotation(r, node) or (dotted in names.TYPES and not makes):
            return self.class_text(r, node)
        if adapter := self.adapter(r, dotted):
            return adapter
        r.mark(node, dotted, self.reason(dotted))
        r.composed_kept(node)
        return None

    def class_text(self, r: Rewriter, node: ast.AST, across: bool = False) -> str:
        """A class where a class is meant: in `isinstance`, among bases, in a hint; Keras's own with `across`."""
        if isinstance(node, ast.Tuple):
            inner = list(dict.fromkeys(self.class_text(r, one, across) for one in node.elts))
            return inner[0] if len(inner) == 1 else f"({', '.join(inner)})"
        dotted = r.dotted(node)
        if dotted is None or not dotted.startswith(self.prefixes):
            return r.text(node)
        write = names.TYPES.get(dotted) or names.class_of(dotted)
        if isinstance(write, dict):
            write = write[self.name]
        if write is None:
            r.mark(node, dotted, "netglot knows no class for it")
            return r.composed_kept(node)
        return self.spell(f"layers.{write}" if across and write in names.DERIVED else write, r)

    def adapter(self, r: Rewriter, dotted: str) -> str | None:
        """A function with PyTorch's signature, for a class or function that is passed as a value."""
        rows = self.table.find(dotted)
        if not rows:
            return None
        row = next((one for one in rows if _plainly(one)), None) or next(
            (one for one in rows if _by_default(one)), None
        )
        if row is None:
            return None
        match = re.fullmatch(r"([\w.]+)\(\{(\w+)\}\)", row.write) if isinstance(row.write, str) else None
        if match and len(row.parameters) == 1 and row.parameters[0].default is None:
            return self.spell(match[1] + "(", r)[:-1]
        key = f"adapter {dotted}"
        if key not in r._state:
            made = self._adapter_text(r, row, dotted)
            if made is None:
                return None
            r._state[key] = made
        return r._state[key][0]

    def _adapter_text(self, r: Rewriter, row: Declaration, dotted: str) -> tuple[str, str] | None:
        name = dotted.rpartition(".")[2]
        while name in r.bound or name in self.helpers or name in r.aliases:
            name += "_"
        parameters = [p for p in row.parameters if p.name not in row.when]
        if any(p.star for p in parameters) and dotted not in ("torch.nn.Sequential", "torch.nn.Identity"):
            return None
        if dotted == "torch.nn.Sequential":
            body = "keras.Sequential(list(modules)) if modules else keras.layers.Identity()"
            text = f"def {name}(*modules):\n    return {body}\n"
            return name, text
        while True:  # options that cannot be passed on as they come are no parameters of the adapter
            small = Declaration(row.names, tuple(parameters), row.write, row.infers)
            try:
                body = self._adapter_body(r, row, parameters, dotted)
                break
            except Unbound:
                if not parameters or parameters[-1].default is None:
                    return None
                parameters.pop()
        lines = [f'"""PyTorch\'s {name.rstrip("_")}, by its arguments."""', f"return {body}"]
        if dotted.startswith("torch.optim.") and _groups(r.project):
            several = self._adapter_body(r, row, parameters, dotted, ["dict"])
            lines.insert(
                1, f"if isinstance(params, list) and params and isinstance(params[0], dict):\n        return {several}"
            )
        text = f"def {name}({small.signature}):\n    " + "\n    ".join(lines) + "\n"
        return name, text

    def _adapter_body(
        self, r: Rewriter, row: Declaration, parameters: list, dotted: str, items: list | None = None
    ) -> str | None:
        """What an adapter returns, its parameters passed on by their names; `items` is what the first one holds."""
        passed = ", ".join(f"{p.name}={p.name}" for p in parameters if not p.star)
        call = ast.parse(f"f({passed})", mode="eval").body
        assert isinstance(call, ast.Call)
        bound = bind(_Plain(r, items or []), call, row, callee=dotted)
        return row.write(bound) if callable(row.write) else bound.filled()


class _Plain:
    """What an adapter's template is filled by: its parameters as they are, nothing observed."""

    def __init__(self, rewriter: Rewriter, items: list[str]):
        self._rewriter = rewriter
        self._items = items
        self.target = rewriter.target

    def text(self, node: ast.AST) -> str:
        return ast.unparse(node)

    def source(self, node: ast.AST) -> str:
        return ast.unparse(node)

    def fact(self, node: ast.AST) -> Any:
        from netglot.migrate.observe import Fact

        return Fact(kinds=["int"], items=list(self._items))

    peek = fact

    def __getattr__(self, name: str) -> Any:
        return getattr(self._rewriter, name)


def _groups(project: Any) -> bool:
    """Whether some file gives groups of weights options of their own."""
    return any(
        isinstance(node, ast.Dict) and any(getattr(key, "value", None) == "params" for key in node.keys)
        for file in project.files for node in ast.walk(file.tree)
    )  # fmt: skip


def _plainly(row: Declaration) -> bool:
    """Whether a row is another function's name for the same arguments."""
    return isinstance(row.write, str) and bool(re.fullmatch(r"[\w.]+\(\{\w+\}\)", row.write)) and not row.when


def _by_default(row: Declaration) -> bool:
    """Whether a row speaks of a call without options."""
    return Bound(None, ast.Call(), row, {}).fits() if row.when else True
