"""Statements: classes, functions, assignments, tapes that go."""

from __future__ import annotations

import ast
import re
from typing import Any

from netglot.migrate.rewrite import Rewriter
from netglot.migrate.to_keras.asking import stands_alone
from netglot.migrate.to_keras.target import Target
from netglot.migrate.to_keras.training import dedented
from netglot.migrate.to_keras.words import GONE
from netglot.migrate.to_torch import (
    bases,
    functions,
    layers,
    plain,
    tapes,
)
from netglot.migrate.to_torch.names import BUILT, TYPES, plain_module

SIGNS = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**", ast.FloorDiv: "//", ast.Mod: "%",
    ast.MatMult: "@", ast.BitAnd: "&", ast.BitOr: "|",
}  # fmt: skip


class TorchStatements(Target):
    """Statements: classes, functions, assignments, tapes that go."""

    def block(self, r: Rewriter, node: ast.AST, render: Any) -> str | None:
        return None

    def class_(self, r: Rewriter, node: ast.ClassDef) -> str | None:
        module = r.file.classes.get(node.name, {}).get("kind") == "module"
        outer = dict(r._state)
        r._state["module"] = module
        decorators = [d for d in node.decorator_list if _serialised(r, d)]

        def render(child: ast.AST) -> str:
            if child in decorators:
                return r.source(child)  # it goes
            dotted = r.dotted(child) if child in node.bases else None
            if dotted is not None and dotted.startswith(self.prefixes):
                write = bases.base(r, node, dotted) or TYPES.get(dotted)
                if write is None:
                    r.mark(node, dotted, "netglot does not know how to derive from it")
                    return r.composed_kept(child)
                r.touch(child)
                return self.spell(write + "(", r)[:-1] if "." not in write else self.spell(write, r)
            return r.text(child)

        made = r.spans.composed(node, render)
        if decorators:
            made = made[made.index("class " + node.name) :]
        r._state["module"] = outer.get("module")
        return made

    def function(self, r: Rewriter, node: ast.FunctionDef) -> str | None:
        inside = isinstance(r.parent(node), ast.ClassDef) and r._state.get("module")
        outer = r._state.get("training")
        names = [a.arg for a in (*node.args.args, *node.args.kwonlyargs)]
        r._state["training"] = told = bool(inside and "training" in names and node.name == "call")
        r._state["tells"] = bool(inside and "training" in names and not told and not _hands_on(r, node))
        gone = [d for d in node.decorator_list if r.dotted(getattr(d, "func", d)) == "tf.function" or _serialised(r, d)]
        made = r.spans.composed(node, lambda child: "\0decorator" if child in gone else r.text(child))
        made = re.sub(r"@\0decorator[ \t]*(#[^\n]*)?\n[ \t]*", "", made)
        if told:
            made = _without_parameter(made)
        r._state["training"], r._state["tells"] = outer, False
        plain = isinstance(r.parent(node), ast.ClassDef) and plain_module(r, r.parent(node))
        if (inside and node.name == "call") or (plain and node.name == "__call__"):
            made = re.sub(rf"(?m)^(\s*def ){node.name}\b", r"\1forward", made, count=1)
            r.rewritten.add(node.lineno)
        return made

    def assign(self, r: Rewriter, node: ast.Assign) -> str | None:
        """Layers in a list or a dictionary are the network's only in a `ModuleList` or a `ModuleDict`."""
        target = node.targets[0]
        freezes = isinstance(target, ast.Attribute) and target.attr == "trainable" and len(node.targets) == 1
        if freezes and any(kind.startswith("module:") for kind in r.fact(target.value).kinds):
            return f"{r.need('set_trainable')}({r.text(target.value)}, {r.text(node.value)})"
        if (made := plain.added(r, node)) is not None:
            r._state["added"] = {**r._state.get("added", {}), **made}
            return made[id(node)]
        if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple) and r._state.get("module"):
            return self._begun_lists(r, node)
        inside = r._state.get("module") or plain_module(r, r.around(node, ast.ClassDef))
        if len(node.targets) > 1 or not inside or not isinstance(target, ast.Attribute):
            return None
        facts = [r.fact(node.value)] + [
            r.fact(one) for one in ast.walk(r.file.tree)
            if isinstance(one, ast.Attribute) and one.attr == target.attr and isinstance(one.ctx, ast.Load)
        ]  # fmt: skip
        items = {item for fact in facts for item in fact.items}
        if items and items <= {"tuple", "list"} and isinstance(node.value, (ast.List, ast.ListComp)):
            return self._held_in_groups(r, node, facts)
        if not items or not all(item.startswith("module:") for item in items):
            return None
        kind = "Dict" if isinstance(node.value, ast.Dict) or r.fact(node.value).kinds == ["dict"] else "List"
        if isinstance(node.value, ast.Call) and kind == "List" and r.fact(node.value).kinds != ["list"]:
            return None
        r.touch(node)
        return f"{r.text(target)} = " + self.spell(f"nn.Module{kind}(", r) + f"{r.text(node.value)})"

    def _begun_lists(self, r: Rewriter, node: ast.Assign) -> str | None:
        """`self.convs, self.norms = [], []`: each list that layers are appended to is one of PyTorch's own."""
        held = {
            id(value) for to, value in zip(node.targets[0].elts, node.value.elts, strict=False)  # type: ignore[attr-defined]
            if isinstance(to, ast.Attribute) and isinstance(value, ast.List) and not value.elts and _holds_layers(r, to.attr)
        }  # fmt: skip
        if not held:
            return None
        return r.spans.composed(
            node,
            lambda one: (
                r.spans.composed(
                    one, lambda part: self.spell("nn.ModuleList()", r) if id(part) in held else r.text(part)
                )
                if one is node.value
                else r.text(one)
            ),
        )

    def _held_in_groups(self, r: Rewriter, node: ast.Assign, facts: list) -> str | None:
        """A list of groups of layers: each group is a `ModuleList` too, and so are those that are appended later."""
        value, target = node.value, node.targets[0]
        leaves = {leaf for fact in facts for leaf in fact.extra.get("leaves", ())}
        if not leaves or not all(leaf.startswith("module:") for leaf in leaves):
            return None
        parts = value.elts if isinstance(value, ast.List) else [value.elt] if isinstance(value, ast.ListComp) else []
        if not all(layered(r, one) for one in parts):
            return f"{r.text(target)} = {r.need('module_list')}({r.text(value)})"
        group = self.spell("nn.ModuleList(", r)

        def render(one: ast.AST) -> str:
            return f"{group}{r.text(one)})" if one in parts else r.text(one)

        r.touch(node)
        return f"{r.text(target)} = {group}{r.spans.composed(value, render)})"

    def augmented(self, r: Rewriter, node: ast.AugAssign) -> str | None:
        """`x += y` makes a new tensor in TensorFlow: so it does here, unless x only gathers from a number on."""
        target = node.target
        if not isinstance(target, ast.Name) or type(node.op) not in SIGNS or _gathers(r, target):
            return None
        fact = r.fact(target)
        plain = bool(fact.kinds) or r.unseen.ran(node) or functions.PLAIN.search(target.id)
        if "tensor" not in fact.kinds and plain:
            return None
        r.touch(node)
        value = r.text(node.value)
        if r.fact(node.value).kinds == ["array"] and fact.kinds == ["tensor"]:
            value = f"{r.need('as_input')}({value})"
        elif isinstance(node.value, (ast.BinOp, ast.IfExp, ast.BoolOp, ast.Compare, ast.Lambda, ast.Tuple)):
            value = f"({value})"
        return f"{target.id} = {target.id} {SIGNS[type(node.op)]} {value}"

    def expression_statement(self, r: Rewriter, node: ast.Expr) -> str | None:
        call = node.value
        if (made := r._state.get("added", {}).get(id(node))) is not None:
            return made or GONE
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
            return None
        name = (r.fact(call).callees or [""])[0]
        if call.func.attr == "add" and len(call.args) == 1 and isinstance(call.args[0], ast.Call):
            shape = layers.declared_input(r, call.args[0]) if name.endswith("Sequential.add") or not name else None
            if shape is not None:
                owner = r.text(call.func.value)
                put = f"{owner}.add({r.need('Input')}(shape={shape}))\n{r.spans.indent(node)}"
                return put + f"{owner}.add({r.text(call.args[0])})"
        if name.endswith(".summary") and name.startswith(BUILT):
            return f"print({r.text(call.func.value)})"
        if name == "tf.Tensor.set_shape":
            return "pass" if stands_alone(r, node) else GONE
        if name.endswith(".build") and name.startswith(BUILT) and not isinstance(call.func.value, ast.Call):
            return "pass" if stands_alone(r, node) else GONE
        return None

    def for_(self, r: Rewriter, node: ast.For) -> str | None:
        return None

    def delete(self, r: Rewriter, node: ast.Delete) -> str | None:
        """A tape that is let go is not there at all."""
        kept = [one for one in node.targets if not tapes.is_tape(r, one)]
        if len(kept) == len(node.targets):
            return None
        rest = "del " + ", ".join(r.text(one) for one in kept)
        return rest if kept else "pass" if stands_alone(r, node) else GONE

    def with_(self, r: Rewriter, node: ast.With) -> str | None:
        """What runs under a tape runs as it is: PyTorch remembers it anyway."""
        names = [tapes.opened(r, item) for item in node.items]
        if set(names) != {"tf.GradientTape"}:
            return None
        return dedented(_Plain(), r, node)


def _holds_layers(r: Rewriter, attribute: str) -> bool:
    """Whether all that a list of a network holds, wherever it is looked at, are layers."""
    facts = [
        r.fact(one) for one in ast.walk(r.file.tree)
        if isinstance(one, ast.Attribute) and one.attr == attribute and isinstance(one.ctx, ast.Load)
    ]  # fmt: skip
    leaves = {leaf for fact in facts for leaf in fact.extra.get("leaves") or fact.items}
    return bool(leaves) and all(leaf.startswith("module:") for leaf in leaves)


def layered(r: Rewriter, node: ast.AST) -> bool:
    """Whether an expression is a tuple or list of layers."""
    items = r.fact(node).items
    if not items and isinstance(node, (ast.Tuple, ast.List)):
        items = [kind for one in node.elts for kind in r.fact(one).kinds]
    return bool(items) and all(item.startswith("module:") for item in items)


def appended(r: Rewriter, call: ast.Call) -> str | None:
    """A group of layers that is appended to an attribute of a network, as a list of PyTorch's own."""
    match call:
        case ast.Call(func=ast.Attribute(value=ast.Attribute(), attr="append"), args=[group], keywords=[]):
            if layered(r, group):
                r.imports.add("nn")
                return f"{r.text(call.func)}(nn.ModuleList({r.text(group)}))"
            leaves = r.fact(group).extra.get("leaves", ())
            if leaves and all(leaf.startswith("module:") for leaf in leaves):
                return f"{r.text(call.func)}({r.need('module_list')}({r.text(group)}))"
    return None


def _hands_on(r: Rewriter, method: ast.FunctionDef) -> bool:
    """Whether a method is always told the `training` that its caller was told."""
    names = [one.arg for one in method.args.args]
    place = names.index("training") - 1 if "training" in names else len(names)
    calls = [
        one for file in r.project.files for one in ast.walk(file.tree)
        if isinstance(one, ast.Call) and isinstance(one.func, ast.Attribute) and one.func.attr == method.name
    ]  # fmt: skip
    given = [
        next((k.value for k in one.keywords if k.arg == "training"), one.args[place] if len(one.args) > place else None)
        for one in calls
    ]
    return bool(calls) and all(isinstance(one, ast.Name) and one.id == "training" for one in given)


def _gathers(r: Rewriter, target: ast.Name) -> bool:
    """Whether a name begins as a plain number wherever its function gives it a value."""
    place = r.around(target, ast.FunctionDef, ast.Module)
    if isinstance(place, ast.FunctionDef) and target.id in [
        a.arg for a in ast.walk(place.args) if isinstance(a, ast.arg)
    ]:
        return False
    given = [
        one.value for one in ast.walk(place) if isinstance(one, (ast.Assign, ast.AnnAssign))
        for name in (one.targets if isinstance(one, ast.Assign) else [one.target])
        if isinstance(name, ast.Name) and name.id == target.id
    ]  # fmt: skip
    return bool(given) and all(isinstance(one, ast.Constant) for one in given)


class _Plain:
    """No tape is put around anything."""


def _serialised(r: Rewriter, node: ast.AST) -> bool:
    return "register_keras_serializable" in r.source(node)


def _without_parameter(text: str) -> str:
    """A function without its parameter `training`."""
    return re.sub(r",\s*training(\s*:\s*[\w.\[\] |]+)?(\s*=\s*\w+)?(?=\s*[,)])", "", text, count=1)
