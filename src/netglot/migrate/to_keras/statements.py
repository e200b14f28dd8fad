"""Statements: imports, classes, functions, assignments, loops."""

from __future__ import annotations

import ast
import re
from typing import Any

from netglot.migrate.rewrite import Rewriter
from netglot.migrate.to_keras import (
    attributes,
    fitting,
    leaves,
    loops,
    modes,
    orders,
    places,
    training,
    unwatched,
)
from netglot.migrate.to_keras.asking import (
    calls_parent,
    is_advanced,
    stands_alone,
)
from netglot.migrate.to_keras.words import GONE, HELPERS_HERE, IMPORTS, Words

_SIGNS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}


class Statements(Words):
    """Statements: imports, classes, functions, assignments, loops."""

    def block(self, r: Rewriter, node: ast.AST, render: Any) -> str | None:
        """A statement that holds others, where something is put around some of them."""
        return loops.taped(self, r, node, render)

    def import_(self, r: Rewriter, node: ast.Import | ast.ImportFrom) -> str | None:
        if isinstance(node, ast.ImportFrom):
            ours = not node.level and (node.module or "").partition(".")[0] in self.packages
            kept: list[ast.alias] = [] if ours else list(node.names)
        else:
            kept = [a for a in node.names if a.name.partition(".")[0] not in self.packages]
        if len(kept) == len(node.names):
            return self._after_imports(r, node, r.source(node))
        r.touch(node)
        r._state.setdefault("framework imports", []).append(node)
        text = ""
        if kept:
            text = "import " + ", ".join(a.name + (f" as {a.asname}" if a.asname else "") for a in kept)
        first = r._state["framework imports"][0] is node and isinstance(r.parent(node), ast.Module)
        marker = IMPORTS if first else GONE
        if not isinstance(r.parent(node), ast.Module):
            place = len(r._state["framework imports"]) - 1
            marker = f"\0import {place}\0" + ("pass" if not kept and stands_alone(r, node) else "")
        made = f"{marker}\n{r.spans.indent(node)}{text}" if text else marker
        return self._after_imports(r, node, made)

    def _after_imports(self, r: Rewriter, node: ast.stmt, text: str) -> str:
        body = r.file.tree.body
        if node not in body:
            return text
        last = [one for one in body if isinstance(one, (ast.Import, ast.ImportFrom))][-1]
        stop = next((i for i, one in enumerate(body) if isinstance(one, (ast.ClassDef, ast.FunctionDef))), len(body))
        leading = [one for one in body[:stop] if isinstance(one, (ast.Import, ast.ImportFrom))] or [last]
        return f"{text}\n{HELPERS_HERE}" if node is leading[-1] else text

    def class_(self, r: Rewriter, node: ast.ClassDef) -> str | None:
        known = r.file.classes.get(node.name, {})
        kind = known.get("kind")
        bases = [r.dotted(base) for base in node.bases]
        module = kind == "module" or "torch.nn.Module" in bases
        outer = dict(r._state)
        r._state["module"] = module
        r._state["class"] = node.name

        def render(child: ast.AST) -> str:
            if child in node.bases:
                dotted = r.dotted(child)
                if dotted == "torch.nn.Module":
                    r.touch(child)
                    outermost = node.name in r.project.outermost
                    return self.spell("keras.Model", r) if outermost else self.spell("layers.Layer", r)
                if dotted in ("torch.utils.data.Dataset", "torch.utils.data.IterableDataset"):
                    r.touch(child)
                    return "object"
                if dotted == "torch.nn.Sequential":
                    r.touch(child)
                    return self.spell("keras.Sequential", r)
                if dotted is not None and dotted.startswith(self.prefixes):
                    r.mark(node, dotted, self.table.marks.get(dotted, "netglot does not know how to derive from it"))
                    return r.composed_kept(child)
            return r.text(child)

        made = r.spans.composed(node, render)
        plain = not any(isinstance(one, ast.FunctionDef) and one.name == "__init__" for one in node.body)
        if plain and "torch.nn.Sequential" in bases:
            made = _with_start(r, node, made)
        for key in ("module", "class"):
            if key in outer:
                r._state[key] = outer[key]
            else:
                r._state.pop(key)
        return made

    def decorated(self, r: Rewriter, node: ast.AST) -> str:
        """A decorator; one that holds gradients back goes."""
        inner = node.func if isinstance(node, ast.Call) else node
        return GONE if r.dotted(inner) in unwatched.UNWATCHED else r.text(node)

    def function(self, r: Rewriter, node: ast.FunctionDef) -> str | None:
        inside = isinstance(r.parent(node), ast.ClassDef) and r._state.get("module")
        outer = r._state.get("training")
        uses = inside and node.name in modes.told(r, r.parent(node))
        derived = inside and r.file.classes.get(r._state.get("class", ""), {}).get("sequential")
        uses = uses or (derived and any(calls_parent(one) for one in ast.walk(node)))
        r._state["training"] = uses and node.name != "__init__"

        def render(child: ast.AST) -> str:
            return self.decorated(r, child) if child in node.decorator_list else r.text(child)

        made = loops.taped(self, r, node, render) or r.spans.composed(node, render)
        r._state["training"] = outer
        plan = loops.plan(r)
        if plan is not None and id(node) in plan.takers:
            made = with_parameter(made, node, "tape", node.name)
        if not inside:
            return made
        head = re.compile(rf"(?m)^(\s*(?:async )?def ){node.name}\b")
        if node.name == "forward":
            made = head.sub(r"\1call", made, count=1)
            r.rewritten.add(node.lineno)
            fitted = self.style == "fit" and r._state.get("class") in r.project.outermost
            if (uses or fitted) and "training" not in [a.arg for a in node.args.args]:  # else `fit` does not tell it
                made = with_parameter(made, node)
            return made
        name = r.project.renamed.get(node.name, node.name)
        if name != node.name:
            made = head.sub(rf"\1{name}", made, count=1)
        if uses and name != "__init__" and "training" not in [a.arg for a in node.args.args]:
            made = with_parameter(made, node, name=name)
        return made

    def assign(self, r: Rewriter, node: ast.Assign) -> str | None:
        if len(node.targets) > 1 and (several := self._several(r, node)) is not None:
            return several
        if len(node.targets) == 1 and isinstance(node.targets[0], ast.Subscript):
            made = self._changed(r, node.targets[0], r.text(node.value), node.value)
            if made is not None:
                r.touch(node)
                return made
        if (made := training.replaced(self, r, node)) is not None:
            return made
        if id(node) in r._state.get("stopped", ()):
            return f"{r.text(node.targets[0])} = {unwatched.held(r, node.value, r.text(node.value))}"
        return leaves.assigned(r, node) or training.assign(self, r, node)

    def return_(self, r: Rewriter, node: ast.Return) -> str | None:
        return unwatched.returned(r, node)

    def _several(self, r: Rewriter, node: ast.Assign) -> str | None:
        """`x[i] = y = value` as one statement after the other; None where no part of a tensor is among the targets."""
        parts = [one for one in node.targets if isinstance(one, ast.Subscript) and "tensor" in r.fact(one.value).kinds]
        plain = [one for one in node.targets if one not in parts]
        if not parts:
            return None
        if not plain or not isinstance(plain[-1], ast.Name):
            r.mark(node, places.REASON, "netglot does not see what holds this tensor")
            return None
        held = r.text(plain[-1])
        lines = [" = ".join(map(r.text, plain)) + f" = {r.text(node.value)}"]
        lines += [made for one in parts if (made := self._changed(r, one, held)) is not None]
        return f"\n{r.spans.indent(node)}".join(lines) if len(lines) > len(parts) else None

    def _changed(self, r: Rewriter, target: ast.Subscript, value: str, values: ast.AST | None = None) -> str | None:
        """`x[i][j] = value` as a new x; None where x is no tensor of a plain name."""
        parts: list[ast.expr] = [target.slice]
        base: ast.expr = target.value
        while isinstance(base, ast.Subscript) and "tensor" in r.fact(base.value).kinds:
            parts.insert(0, base.slice)
            base = base.value
        if "tensor" not in r.fact(base).kinds:
            return None
        base = leaves.held(base)  # type: ignore[assignment]
        if not isinstance(base, (ast.Name, ast.Attribute, ast.Subscript)):
            r.mark(target, places.REASON, "netglot does not see what holds this tensor")
            return None
        if any(r.fact(one).kinds not in (["int"], []) for one in parts[:-1]):
            return None
        name, seen = r.text(base), r.fact(parts[-1])
        held = leaves.is_leaf(r, base) or leaves.of_network(r, base)
        kept = "{}.assign({})" if held else "{} = {}"
        if orders.turned(r, base):
            kept = self.spell("give_weight(", r) + f"{r.text(base.value)}, {{1}})"  # type: ignore[union-attr]
        if not held:
            places.watch(r, target, base)
        several = values is not None and any(r.peek(values).ranks)
        if len(parts) == 1 and seen.dtypes == ["bool"] and several:
            spots = self.spell("ops.convert_to_numpy(", r) + f"{r.text(parts[0])})"
            return kept.format(name, self.spell("updated(", r) + f"{name}, {spots}, {value})")
        if len(parts) == 1 and seen.dtypes == ["bool"] and seen.ranks == r.fact(base).ranks:
            return kept.format(name, self.spell("ops.where(", r) + f"{r.text(parts[0])}, {value}, {name})")
        index = f"[{', '.join(r.text(one) for one in parts)}]"
        return kept.format(name, self.spell("updated(", r) + f"{name}, {_as_index(index)}, {value})")

    def augmented(self, r: Rewriter, node: ast.AugAssign) -> str | None:
        if (made := leaves.changed(r, node) or leaves.whole_change(r, node)) is not None:
            return made
        if isinstance(node.target, ast.Subscript) and "tensor" in r.fact(node.target.value).kinds:
            sign = _SIGNS.get(type(node.op))
            spots = node.target.slice.elts if isinstance(node.target.slice, ast.Tuple) else [node.target.slice]
            if sign and not any(is_advanced(r, one) for one in spots):
                old = r.spans.composed(node.target, r.text)
                made = self._changed(r, node.target, f"{old} {sign} {r.parenthesised(node.value, r.text(node.value))}")
                if made is not None:
                    return made
            r.mark(node, "in-place change", "tensors of the target do not change in place")
        places.watch(r, node, node.target)
        return None

    def expression_statement(self, r: Rewriter, node: ast.Expr) -> str | None:
        return training.expression_statement(self, r, node)

    def for_(self, r: Rewriter, node: ast.For) -> str | None:
        if self.style == "fit" and (made := fitting.for_(self, r, node)) is not None:
            return made
        if (found := attributes.frozen(r, node)) is not None:
            network, held = found
            return self.spell("freeze(", r) + f"{r.text(network)}{'' if held else ', held=False'})"
        if isinstance(node.iter, ast.Attribute) and r.fact(node.iter).kinds == ["tensor"]:
            return r.spans.composed(node, lambda one: self._rows(r, one) if one is node.iter else r.text(one))
        if self.sequential(r, node.iter):
            return r.spans.composed(node, lambda child: r.text(child) + (".layers" if child is node.iter else ""))
        return training.for_(self, r, node)

    def if_(self, r: Rewriter, node: ast.If) -> str | None:
        return None

    def delete(self, r: Rewriter, node: ast.Delete) -> str | None:
        return None

    def with_(self, r: Rewriter, node: ast.With) -> str | None:
        return training.with_(self, r, node)


def _with_start(r: Rewriter, node: ast.ClassDef, text: str) -> str:
    """A class derived from Sequential takes its layers one by one, as PyTorch's does."""
    indent = r.spans.indent(node.body[0])
    own = f"{indent}def __init__(self, *layers):\n{indent}    super().__init__(list(layers))\n\n"
    head, line, rest = text.partition("\n")
    while line and not head.rstrip().endswith(":"):
        more, line, rest = rest.partition("\n")
        head += "\n" + more
    return f"{head}\n{own}{rest}"


def with_parameter(text: str, node: ast.FunctionDef, parameter: str = "training=False", name: str = "call") -> str:
    """Adds a parameter to those of a function: one with a default last, else as the first one."""
    depth, at = 0, 0
    opening = text.index(f"{name}(", text.index("def ")) + len(name)
    if "=" not in parameter:
        own = node.args.args[0].arg if node.args.args and node.args.args[0].arg == "self" else ""
        start = text.index(own, opening) + len(own) if own else opening + 1
        rest = text[start:].lstrip()
        if own:
            return text[:start] + f", {parameter}" + text[start:]
        return text[:start] + parameter + ("" if rest.startswith(")") else ", ") + text[start:]
    for at in range(opening, len(text)):
        depth += {"(": 1, ")": -1}.get(text[at], 0)
        if depth == 0:
            break
    before = text[:at].rstrip()
    stars = node.args.kwarg
    if stars:
        index = before.rindex("**")
        return before[:index] + f"{parameter}, " + before[index:] + text[at:]
    comma = "" if before.endswith(",") else ","
    return f"{before}{comma} {parameter}{text[at:]}"


def _as_index(text: str) -> str:
    """The text of a subscript as a value: `np.s_[...]`."""
    return f"np.s_{text}"
