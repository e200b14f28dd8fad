"""Keras and TensorFlow as what is written from PyTorch's source: expressions, statements, and the file around them."""

from __future__ import annotations

import ast
import re
from typing import Any

from netglot.migrate.declare import MISSING, Bound, Declaration, Table, Unbound, bind
from netglot.migrate.rewrite import Rewriter
from netglot.migrate.to_keras import (
    algebra,
    creation,
    data,
    fitting,
    functional,
    functions,
    helpers,
    layers,
    leaves,
    loops,
    names,
    optimizers,
    training,
    unseen,
    vision,
)
from netglot.migrate.to_keras.asking import (
    asks_parameters,
    calls_parent,
    float_literal,
    in_annotation,
    is_advanced,
    is_below,
    is_floating,
    is_whole,
    keeps_import,
    layer_of,
    rate_of,
    read_after,
    second_name,
    stands_alone,
)
from netglot.migrate.to_keras.tapes import callees

TABLE = Table()
for _table in (
    layers.table,
    algebra.table,
    functions.table,
    functional.table,
    creation.table,
    training.table,
    optimizers.table,
    data.table,
    vision.table,
):
    for _name, _rows in _table.rows.items():
        TABLE.rows.setdefault(_name, []).extend(_rows)
    TABLE.marks.update(_table.marks)

_DTYPES = frozenset(f"torch.{name}" for name in names.DTYPES)
GONE = "\0gone\0"
IMPORTS = "\0imports\0"
HELPERS_HERE = "\0helpers\0"


class Target:
    """What is written: `keras` (backend-neutral where no training loop asks for more) or `tensorflow`."""

    table = TABLE
    helpers = helpers.HELPERS
    prefixes: tuple[str, ...] = ("torch.", "torchvision.")
    """How the public names of what is migrated begin."""
    packages: tuple[str, ...] = ("torch", "torchvision")
    """The packages whose imports go."""
    bases = frozenset(
        {
            "ops",
            "layers",
            "keras",
            "math",
            "np",
            "tf",
            "collections",
            "contextlib",
            "os",
            "pickle",
            "random",
            "Image",
            "ImageOps",
        }
    )
    """The modules that helpers use, by the names under which they are imported."""

    words = unseen.WORDS

    def __init__(self, name: str, style: str = "loop"):
        self.name, self.style = name, style
        self.eager = False
        """Whether `fit` is to run step by step: something in it cannot be written down as a graph."""
        self.conversions = {"p": self._operand, "s": lambda c, name, text: functions.shape_text(c, name)}

    # -- words

    def _operand(self, c: Bound, name: str, text: str) -> str:
        given = c.given.get(name)
        return c.rewriter.parenthesised(given, text) if isinstance(given, ast.AST) else f"({text})"

    def spell(self, text: str, r: Rewriter) -> str:
        """A piece of a template in the words of this target and this file."""

        def word(match: re.Match) -> str:
            base, rest = match[1], match[2]
            if base == "ops" and self.name == "tensorflow" and rest in names.TF_OPS:
                r.imports.add("tf")
                return names.TF_OPS[rest]
            return f"{self.module(r, base)}.{rest}"

        text = re.sub(r"(?<![\w.])(ops|layers|keras|math|np|tf)\.(\w+)", word, text)

        def helper(match: re.Match) -> str:
            return r.need(match[1]) if match[1] in self.helpers else match[1]

        return re.sub(r"(?<![\w.\"'])([A-Za-z_]\w*)(?=\(|,|\)|$)", helper, text) if text.strip() else text

    def module(self, r: Rewriter, base: str) -> str:
        """How a module of the target is called in this file: its short name where the file does not use it itself."""
        if base in ("ops", "layers") and base in r.bound:
            return self.module(r, "keras") + "." + base
        r.imports.add(base)
        return base

    def helper_needs(self, helper: str) -> list[str]:
        return helpers.needs(helper) if helper in self.helpers else []

    # -- code that never ran

    def doubtful(self, r: Rewriter, node: ast.AST) -> bool:
        """Whether something that never ran cannot be said for sure."""
        if isinstance(node, ast.stmt):
            return unseen.doubtful_statement(r, node)
        return unseen.doubtful(r, node)

    # -- expressions

    def expression(self, r: Rewriter, node: ast.AST) -> str | None:
        """The text of an expression in the target; None where it stays as it is."""
        rule = _EXPRESSIONS.get(type(node))
        return getattr(self, rule)(r, node) if rule else None

    def call(self, r: Rewriter, node: ast.Call) -> str | None:
        fact = r.fact(node)
        function = node.func
        dotted = r.dotted(function)
        callees = list(fact.callees)
        if (size := training.weight_size(self, r, node)) is not None:
            return size
        if dotted is not None and not callees:
            callees = [dotted]
        receiver = function.value if isinstance(function, ast.Attribute) else None
        if calls_parent(node):
            passed = ", training=training" if r._state.get("training") else ""
            return f"{r.text(receiver)}.call({r.arguments(node)}{passed})"
        if not callees:
            return self._unseen(r, node, function)
        if callees[0] == leaves.TAKEN:
            return self.taken(r, node, single=False)
        if callees[0] == "torch.Tensor.requires_grad_" and receiver is not None:
            return leaves.required(r, node, receiver)
        if callees[0] == loops.BACKWARD and isinstance(r.parent(node), ast.Expr):
            return r.composed_kept(node)  # the plan of the loop has said why
        tensors = [c for c in callees if c.startswith(("torch.Tensor.", "torch.Size."))]
        if tensors and len(tensors) == len(callees) and isinstance(function, ast.Attribute) and dotted is None:
            made = r.called(node, [self._made_anew(one) for one in callees], receiver=receiver)
            if made is None:
                r.mark(node, callees[0], "netglot does not know this method")
                return r.composed_kept(node)
            if (
                callees[0] != self._made_anew(callees[0])
                and isinstance(receiver, ast.Name)
                and read_after(r, node, receiver)
                and not leaves.is_leaf(r, receiver)
            ):
                return f"({receiver.id} := {made})"
            return made
        if all(c.startswith("call:") for c in callees):
            if receiver is not None and r.fact(receiver).kinds == ["module:torch.nn.ModuleDict"]:
                return f'{r.text(receiver)}["{function.attr}"]({r.arguments(node)})'
            return training.called(self, r, node, callees, fact)
        if receiver is not None and dotted is None:
            if any(c.startswith(_OBJECTS) for c in callees):
                return training.method(self, r, node, callees, receiver)
            if any(c.startswith("user:") and c.endswith(".forward") for c in callees):
                return f"{r.text(receiver)}.call({r.arguments(node)})"
        framework = [c for c in callees if c.startswith(self.prefixes)]
        if not framework:
            return self._users(r, node, callees, fact)
        if dotted is None:
            if receiver is not None and not isinstance(r.parent(node), ast.Expr) and len(framework) == len(callees):
                known = all(self.table.find(c) for c in callees)
                if not known:
                    r.mark(node, callees[0], self.reason(callees[0]))
                    return r.composed_kept(node)
                return r.called(node, framework, receiver=receiver)
            return None  # what is called is a value, written where it is named
        made = r.called(node, framework)
        if made is None:
            r.mark(node, framework[0], self.reason(framework[0]))
            return r.composed_kept(node)
        return made if framework[0] == "torch.nn.Parameter" else leaves.made(r, node, made)

    def taken(self, r: Rewriter, node: ast.Call, single: bool) -> str:
        """Gradients that are asked for by hand."""
        plan = loops.plan(r)
        made = leaves.taken(r, node, plan.asked if plan is not None else {}, single)
        if made is None:
            r.mark(node, leaves.TAKEN, "netglot does not see what it differentiates")
            return r.composed_kept(node)
        return made

    def is_instance(self, r: Rewriter, value: ast.AST, kinds: ast.AST) -> str:
        """`isinstance`; whether something is a tensor is asked by Keras's own question."""
        every = kinds.elts if isinstance(kinds, (ast.Tuple, ast.List, ast.Set)) else [kinds]
        tensors = [one for one in every if r.dotted(one) == "torch.Tensor"]
        rest = [one for one in every if one not in tensors]
        texts = [self.spell("keras.ops.is_tensor(", r) + f"{r.text(value)})"] if tensors else []
        if rest:
            asked = rest[0] if len(rest) == 1 else ast.Tuple(elts=rest, ctx=ast.Load())
            texts.append(f"isinstance({r.text(value)}, {self.class_text(r, asked)})")
        return texts[0] if len(texts) == 1 else f"({' or '.join(texts)})"

    def _chosen(self, r: Rewriter, node: ast.Call, fact: Any) -> str | None:
        """`getattr(nn, kind)` as a choice among what it was."""
        if len(node.args) != 2 or (r.dotted(node.args[0]) or "").partition(".")[0] not in self.packages:
            return None
        seen = [value for value in fact.values if isinstance(value, str) and value.startswith(self.prefixes)]
        if not seen or any(value.rpartition(".")[2] in _RECURRENT for value in seen):
            seen = [*seen, *(f"torch.nn.{one}" for one in _RECURRENT)]
        texts = {one.rpartition(".")[2]: self.adapter(r, one) for one in dict.fromkeys(seen)}
        if None in texts.values():
            return None
        return "{" + ", ".join(f'"{key}": {text}' for key, text in texts.items()) + "}[" + r.text(node.args[1]) + "]"

    def reason(self, name: str) -> str:
        """Why a function stays as it was."""
        kinds = (why for start, why in names.REASONS.items() if name.startswith(start))
        return self.table.marks.get(name) or next(kinds, "netglot does not know this function")

    def _made_anew(self, callee: str) -> str:
        """The method that makes a new tensor, for one that changes its own: `mul` for `mul_`."""
        plain = callee.removesuffix("_")
        return plain if self.table.find(plain) and not self.table.find(callee) else callee

    def _users(self, r: Rewriter, node: ast.Call, callees: list[str], fact: Any) -> str | None:
        """A call of the user's own functions, of Python's or of another library's."""
        name = callees[0]
        if (
            name == "builtins.hasattr"
            and (r.dotted(node.args[0]) or "").startswith("torch.")
            and fact.kinds == ["bool"]
        ):
            return str(fact.values[0])
        if name == "builtins.getattr" and (made := self._chosen(r, node, fact)) is not None:
            return made
        if name == "copy.deepcopy" and node.args and any(k.startswith("module:") for k in r.fact(node.args[0]).kinds):
            return self.spell("clone(", r) + f"{r.text(node.args[0])})"
        if name == "builtins.next" and len(node.args) == 1 and asks_parameters(node.args[0]):
            return f"next(iter({r.text(node.args[0])}), " + self.spell("ops.zeros(()))", r)
        if name == "builtins.isinstance" and len(node.args) == 2:
            return self.is_instance(r, node.args[0], node.args[1])
        weights = [one for one in node.args if isinstance(one, ast.Attribute) and r.fact(one).kinds == ["tensor"]]
        if name in ("builtins.zip", "builtins.enumerate", "builtins.list", "builtins.iter") and weights:
            return r.spans.composed(node, lambda one: self._rows(r, one) if one in weights else r.text(one))
        takers = ("builtins.len", "builtins.enumerate", "builtins.list", "builtins.reversed", "builtins.iter")
        if name in takers and node.args and self.sequential(r, node.args[0]):
            inner = r.parenthesised(node.args[0], r.text(node.args[0])) + ".layers"
            rest = "".join(f", {r.text(one)}" for one in node.args[1:])
            return f"{r.text(node.func)}({inner}{rest})"
        return None

    def _rows(self, r: Rewriter, node: ast.AST) -> str:
        """A weight as the list of its rows: Keras's variables are not gone through."""
        return self.spell("ops.unstack(", r) + f"{r.text(node)})"

    def _unseen(self, r: Rewriter, node: ast.Call, function: ast.AST) -> str | None:
        """A call that never ran: a method that only tensors have is taken for one, and marked."""
        if not isinstance(function, ast.Attribute) or function.attr in names.COMMON_METHODS:
            return None
        if isinstance(function.value, ast.Name) and function.value.id in r.aliases:
            return None
        if function.attr == "forward":
            return f"{r.text(function.value)}.call({r.arguments(node)})"
        if function.attr in ("cuda", "cpu"):
            return r.text(function.value)
        if function.attr in ("state_dict", "load_state_dict", "parameters", "named_parameters"):
            owner = "torch.nn.Module" if training.looks_like_network(r, function.value) else "torch.optim.Optimizer"
            made = training.method(self, r, node, [f"{owner}.{function.attr}"], function.value)
            r.doubt(node)
            return made
        name = f"torch.Tensor.{function.attr}"
        if not self.table.find(name):
            return None
        made = r.called(node, [name], receiver=function.value)
        r.doubt(node)
        return made

    def attribute(self, r: Rewriter, node: ast.Attribute) -> str | None:
        if (dotted := r.dotted(node)) is not None:
            return self.reference(r, node, dotted)
        fact = r.fact(node)
        owners = fact.names or r.fact(node.value).kinds
        if node.attr == "__name__" and (layer := layer_of(r, node.value)) is not None:
            return self.spell("layer_name(", r) + f"{r.text(layer)})"
        if node.attr.startswith("__"):
            return None
        if node.attr == "training" and isinstance(node.value, ast.Name) and node.value.id == "self":
            if r._state.get("training"):
                return "training"
            r.mark(node, "self.training", "only `call` is told whether it trains")
            return None
        if node.attr in r.project.renamed and (
            any(o.startswith("module:user") for o in owners)
            or (isinstance(node.value, ast.Name) and node.value.id == "self" and r._state.get("module"))
        ):
            return f"{r.text(node.value)}.{r.project.renamed[node.attr]}"
        asked = r.dotted(node.value.func) if isinstance(node.value, ast.Call) else None
        if node.attr == "type" and (asked or "").startswith(("torch.accelerator.", "torch.device")):
            return f'{r.text(node.value)}.partition(":")[0]' if asked == "torch.device" else r.text(node.value)
        if "device" in owners and node.attr == "type":
            return f'{r.parenthesised(node.value, r.text(node.value))}.partition(":")[0]'
        if "tensor" in owners:
            return self._tensor_attribute(r, node)
        if any(o.startswith("module:") for o in owners):
            return training.module_attribute(self, r, node, owners)
        if any(o == "optimizer" for o in owners):
            return training.optimizer_attribute(self, r, node)
        if not fact.count and isinstance(node.ctx, ast.Load):
            return None
        return None

    def _tensor_attribute(self, r: Rewriter, node: ast.Attribute) -> str | None:
        if node.attr == "grad":
            return leaves.gradient(r, node)
        inside = r.fact(node.value).extra.get("leaf") and isinstance(r.parent(node), ast.Attribute)
        if node.attr == "data" and (leaves.is_gradient(node.value) or inside):
            return r.text(node.value)  # nothing watches it there
        value = r.parenthesised(node.value, r.text(node.value))
        if node.attr == "shape":
            parent = r.parent(node)
            if isinstance(parent, ast.Subscript) and parent.value is node:
                index = r.constant(parent.slice)
                if (index is not MISSING and index != 0) or (
                    isinstance(parent.slice, ast.Slice) and r.constant(parent.slice.lower) not in (MISSING, 0)
                ):
                    return f"{value}.shape"
            if isinstance(parent, ast.FormattedValue) or (
                isinstance(parent, ast.Call) and r.fact(parent).callees == ["builtins.print"]
            ):
                return f"{value}.shape"
            return self.spell("ops.shape(", r) + r.text(node.value) + ")"
        write = names.TENSOR_ATTRIBUTES.get(node.attr)
        if write is None:
            if node.attr not in ("dtype", "is_leaf"):
                r.mark(node, f"Tensor.{node.attr}", "netglot does not know this attribute")
            return None
        head, _, tail = write.partition("{x}")
        return self.spell(head, r) + (value if not head else r.text(node.value)) + self.spell(tail, r)

    def name_node(self, r: Rewriter, node: ast.Name) -> str | None:
        if isinstance(node.ctx, ast.Load) and (dotted := r.dotted(node)) is not None:
            return self.reference(r, node, dotted)
        return None

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

    def class_text(self, r: Rewriter, node: ast.AST) -> str:
        """A class where a class is meant: in `isinstance`, among bases, in a hint."""
        if isinstance(node, ast.Tuple):
            inner = list(dict.fromkeys(self.class_text(r, one) for one in node.elts))
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
        return self.spell(write, r)

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
        text = f'def {name}({small.signature}):\n    """PyTorch\'s {name.rstrip("_")}, by its arguments."""\n    return {body}\n'
        return name, text

    def _adapter_body(self, r: Rewriter, row: Declaration, parameters: list, dotted: str) -> str | None:
        """What an adapter returns, its parameters passed on by their names."""
        passed = ", ".join(f"{p.name}={p.name}" for p in parameters if not p.star)
        call = ast.parse(f"f({passed})", mode="eval").body
        assert isinstance(call, ast.Call)
        bound = bind(_Plain(r), call, row, callee=dotted)
        return row.write(bound) if callable(row.write) else bound.filled()

    def binary(self, r: Rewriter, node: ast.BinOp) -> str | None:
        """Arithmetic of tensors of different kinds of numbers: TensorFlow does not promote them."""
        if isinstance(node.op, ast.MatMult) and 1 in (*r.fact(node.left).ranks, *r.fact(node.right).ranks):
            return self.spell("keras.ops.matmul(", r) + f"{r.text(node.left)}, {r.text(node.right)})"
        return self._promoted(r, node, node.left, node.right)

    def _promoted(self, r: Rewriter, node: ast.expr, first: ast.expr, second: ast.expr) -> str | None:
        """An operation of two tensors with the whole numbers among floating ones cast; None where none is."""
        left, right = r.fact(first), r.fact(second)
        arithmetic = isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub, ast.Mult, ast.Div))
        division = arithmetic and isinstance(node.op, ast.Div)
        parts: list[str | None] = []
        for mine, fact, other, his in ((first, left, second, right), (second, right, first, left)):
            if is_whole(fact) and (
                is_floating(his) or division or (his.kinds and set(his.kinds) <= {"float"}) or float_literal(other)
            ):
                target = f"{r.parenthesised(other, r.text(other))}.dtype" if is_floating(his) else '"float32"'
                parts.append(self.spell("ops.cast(", r) + f"{r.text(mine)}, {target})")
            elif arithmetic and fact.dtypes == ["bool"] and is_whole(his) and "bool" not in his.dtypes:
                parts.append(self.spell("ops.cast(", r) + f'{r.text(mine)}, "int64")')
            elif is_below(fact, his) and not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult)):
                parts.append(
                    self.spell("ops.cast(", r) + f"{r.text(mine)}, {r.parenthesised(other, r.text(other))}.dtype)"
                )
            else:
                parts.append(None)
        if parts == [None, None]:
            return None
        texts = {id(first): parts[0] or r.text(first), id(second): parts[1] or r.text(second)}
        return r.spans.composed(node, lambda child: texts.get(id(child)) or r.text(child))

    def comparison(self, r: Rewriter, node: ast.Compare) -> str | None:
        """`type(m) == nn.Linear` as `isinstance(m, Dense)`: one class of PyTorch may be several here."""
        if len(node.ops) == 1 and (made := self._promoted(r, node, node.left, node.comparators[0])) is not None:
            return made
        if len(node.ops) != 1 or not isinstance(node.ops[0], (ast.Eq, ast.Is, ast.In, ast.NotEq, ast.IsNot, ast.NotIn)):
            return None
        left, right = node.left, node.comparators[0]
        if isinstance(node.ops[0], (ast.Is, ast.IsNot)) and (r.dotted(right) or "") in _DTYPES:
            sign = "==" if isinstance(node.ops[0], ast.Is) else "!="
            return f"{r.text(left)} {sign} {r.text(right)}"
        number, seen = r.constant(right), r.fact(left)
        equals = isinstance(node.ops[0], (ast.Eq, ast.NotEq))
        if equals and number in (0, 1) and type(number) is int and "tensor" in seen.kinds and "bool" in seen.dtypes:
            text = r.text(left)
            if seen.dtypes == ["bool"]:
                holds = bool(number) is isinstance(node.ops[0], ast.Eq)
                return text if holds else self.spell("ops.logical_not(", r) + f"{text})"
            sign = "==" if isinstance(node.ops[0], ast.Eq) else "!="
            return self.spell("ops.cast(", r) + f'{text}, "int64") {sign} {number}'
        asks = isinstance(left, ast.Call) and isinstance(left.func, ast.Name) and left.func.id == "type"
        classes = right.elts if isinstance(right, (ast.List, ast.Tuple, ast.Set)) else [right]
        if not asks or not all((r.dotted(one) or "").startswith(self.prefixes) for one in classes):
            return None
        negative = "not " if isinstance(node.ops[0], (ast.NotEq, ast.IsNot, ast.NotIn)) else ""
        return negative + self.is_instance(r, left.args[0], right)

    def sequential(self, r: Rewriter, node: ast.AST) -> bool:
        """Whether an expression was a Sequential, or of a class of the user that derives from it."""
        kinds = r.fact(node).kinds
        rows = [one for file in r.project.files for one in file.classes.items()]
        ours = {f"module:user:{name}" for name, row in rows if row.get("sequential")} | {"module:torch.nn.Sequential"}
        return bool(kinds) and set(kinds) <= ours

    def dict_comprehension(self, r: Rewriter, node: ast.DictComp) -> str | None:
        """`{k: v.clone() for k, v in net.state_dict().items()}`: Keras's own list of weights is a copy."""
        owner = training.copied_state(node)
        return None if owner is None else f"{r.text(owner)}.get_weights()"

    def subscript(self, r: Rewriter, node: ast.Subscript) -> str | None:
        fact = r.fact(node.value)
        if isinstance(node.value, ast.Call) and r.constant(node.slice) == 0 and leaves.TAKEN in callees(r, node.value):
            return self.taken(r, node.value, single=True)
        if (size := training.weight_size(self, r, node)) is not None:
            return size
        if (group := rate_of(r, node)) is not None:
            return (
                f"{r.text(group)}.learning_rate"
                if isinstance(node.ctx, ast.Store)
                else f"float({r.text(group)}.learning_rate)"
            )
        if self.sequential(r, node.value):
            inner = f"{r.parenthesised(node.value, r.text(node.value))}.layers"
            index = r.spans.source(node)[len(r.source(node.value)) :]
            if isinstance(node.slice, ast.Slice):
                return self.spell("keras.Sequential(", r) + f"{inner}{index})"
            return inner + index
        if "tensor" not in fact.kinds or not isinstance(node.ctx, ast.Load):
            return None
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        advanced = [p for p in parts if is_advanced(r, p)]
        if not advanced:
            return None
        if len(parts) == 1:
            if r.fact(parts[0]).dtypes == ["bool"]:
                return None
            return self.spell("ops.take(", r) + f"{r.text(node.value)}, {r.text(parts[0])}, axis=0)"
        before = parts[: parts.index(advanced[0])]
        plain = all(isinstance(p, ast.Slice) and not (p.lower or p.upper or p.step) for p in before)
        after = parts[parts.index(advanced[0]) + 1 :]
        if len(advanced) == 1 and plain and all(isinstance(p, ast.Slice) and not (p.lower or p.upper) for p in after):
            return self.spell("ops.take(", r) + f"{r.text(node.value)}, {r.text(advanced[0])}, axis={len(before)})"
        places = {"tensor", "int", "array", "list", "range"}
        if any(isinstance(r.constant(p), int) or r.fact(p).kinds == ["int"] for p in parts):
            places = {"tensor", "int"}
        if len(parts) > 1 and all(
            (r.fact(p).kinds and set(r.fact(p).kinds) <= places) or isinstance(p, (ast.Constant, ast.List))
            for p in parts
        ):
            return self.spell("at(", r) + f"{r.text(node.value)}, {', '.join(r.text(p) for p in parts)})"
        r.mark(node, "indexing", "netglot does not know this form of indexing by tensors")
        return r.composed_kept(node)

    # -- statements

    def block(self, r: Rewriter, node: ast.AST, render: Any) -> str | None:
        """A statement that holds others, where something is put around some of them."""
        return loops.taped(self, r, node, render)

    def statement(self, r: Rewriter, node: ast.stmt) -> str | None:
        rule = _STATEMENTS.get(type(node))
        made = getattr(self, rule)(r, node) if rule else None
        if isinstance(node, (ast.For, ast.While)):
            made = made or loops.taped(self, r, node, r.text) or r.spans.composed(node, r.text)
            return loops.begun(r, node, made)
        return made

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
            marker = "pass" if not kept and stands_alone(r, node) else GONE
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
        return GONE if r.dotted(inner) in training.UNWATCHED else r.text(node)

    def function(self, r: Rewriter, node: ast.FunctionDef) -> str | None:
        inside = isinstance(r.parent(node), ast.ClassDef) and r._state.get("module")
        outer = r._state.get("training")
        uses = inside and any(
            isinstance(one, ast.Attribute) and one.attr == "training" and isinstance(one.value, ast.Name)
            and one.value.id == "self" for one in ast.walk(node)
        )  # fmt: skip
        derived = inside and r.file.classes.get(r._state.get("class", ""), {}).get("sequential")
        uses = uses or (derived and any(calls_parent(one) for one in ast.walk(node)))
        r._state["training"] = uses and node.name == "forward"
        hooks = training.enter_function(self, r, node)

        def render(child: ast.AST) -> str:
            return self.decorated(r, child) if child in node.decorator_list else r.text(child)

        made = loops.taped(self, r, node, render) or r.spans.composed(node, render)
        training.leave_function(self, r, node, hooks)
        r._state["training"] = outer
        if not inside:
            return made
        head = re.compile(rf"(?m)^(\s*(?:async )?def ){node.name}\b")
        if node.name == "forward":
            made = head.sub(r"\1call", made, count=1)
            r.rewritten.add(node.lineno)
            fitted = self.style == "fit" and r._state.get("class") in r.project.outermost
            if (uses or fitted) and "training" not in [a.arg for a in node.args.args]:  # else `fit` does not tell it
                made = _with_parameter(made, node)
        elif node.name in r.project.renamed:
            made = head.sub(rf"\1{r.project.renamed[node.name]}", made, count=1)
        return made

    def assign(self, r: Rewriter, node: ast.Assign) -> str | None:
        if len(node.targets) == 1 and isinstance(node.targets[0], ast.Subscript):
            made = self._changed(r, node.targets[0], r.text(node.value), node.value)
            if made is not None:
                r.touch(node)
                return made
        return leaves.assigned(r, node) or training.assign(self, r, node)

    def _changed(self, r: Rewriter, target: ast.Subscript, value: str, values: ast.AST | None = None) -> str | None:
        """`x[i][j] = value` as a new x; None where x is no tensor of a plain name."""
        parts: list[ast.expr] = []
        base: ast.expr = target
        while isinstance(base, ast.Subscript):
            parts.insert(0, base.slice)
            base = base.value
        if not isinstance(base, ast.Name) or "tensor" not in r.fact(base).kinds:
            return None
        if any(r.fact(one).kinds not in (["int"], []) for one in parts[:-1]):
            return None
        name, seen = r.text(base), r.fact(parts[-1])
        kept = "{} = {}" if not leaves.is_leaf(r, base) else "{}.assign({})"
        several = values is not None and any(r.peek(values).ranks)
        if len(parts) == 1 and seen.dtypes == ["bool"] and several:
            places = self.spell("ops.convert_to_numpy(", r) + f"{r.text(parts[0])})"
            return kept.format(name, self.spell("updated(", r) + f"{name}, {places}, {value})")
        if len(parts) == 1 and seen.dtypes == ["bool"] and seen.ranks == r.fact(base).ranks:
            return kept.format(name, self.spell("ops.where(", r) + f"{r.text(parts[0])}, {value}, {name})")
        if len(parts) == 1:
            index = r.spans.composed(target, r.text)[len(name) :]
        else:
            index = f"[{', '.join(r.text(one) for one in parts)}]"
        return kept.format(name, self.spell("updated(", r) + f"{name}, {_as_index(index)}, {value})")

    def augmented(self, r: Rewriter, node: ast.AugAssign) -> str | None:
        if (made := leaves.changed(r, node) or leaves.whole_change(r, node)) is not None:
            return made
        if isinstance(node.target, ast.Subscript) and "tensor" in r.fact(node.target.value).kinds:
            sign = _SIGNS.get(type(node.op))
            places = node.target.slice.elts if isinstance(node.target.slice, ast.Tuple) else [node.target.slice]
            if sign and isinstance(node.target.value, ast.Name) and not any(is_advanced(r, one) for one in places):
                old = r.spans.composed(node.target, r.text)
                made = self._changed(r, node.target, f"{old} {sign} {r.parenthesised(node.value, r.text(node.value))}")
                if made is not None:
                    return made
            r.mark(node, "in-place change", "tensors of the target do not change in place")
        if (other := second_name(r, node)) is not None:
            r.mark(node, "in-place change", f"{other} is the same tensor in PyTorch and changes too")
        return None

    def expression_statement(self, r: Rewriter, node: ast.Expr) -> str | None:
        return training.expression_statement(self, r, node)

    def for_(self, r: Rewriter, node: ast.For) -> str | None:
        if self.style == "fit" and (made := fitting.for_(self, r, node)) is not None:
            return made
        if (frozen := training.frozen(r, node)) is not None:
            return self.spell("freeze(", r) + f"{r.text(frozen)})"
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

    # -- the file

    def finished(self, r: Rewriter, text: str) -> str:
        """The file with its imports and helpers in place."""
        defined = "".join(
            "\n\n" + self.defined(r, name, alias).strip("\n") + "\n"
            for name, alias in sorted(r.helpers.items(), key=lambda item: list(self.helpers).index(item[0]))
        )
        adapters = "".join(f"\n\n{made[1]}" for key, made in r._state.items() if key.startswith("adapter "))
        used = helpers.words(defined + adapters)
        r.imports |= used & self.bases
        kept = [r.source(n) for n in r._state.get("framework imports", []) if keeps_import(n, r.kept_names)]
        block = "\n".join([*self._import_lines(r, text), *kept])
        text = text.replace(IMPORTS, block + ("" if block else GONE))
        placed = defined + adapters
        if HELPERS_HERE in text:
            before, _, after = text.partition(HELPERS_HERE)
            after = after.lstrip("\n") if placed else after.removeprefix("\n")
            gap = "\n\n\n" if placed or after.startswith(("class ", "def ", "@")) else "\n"
            text = before.rstrip() + ("\n" + placed.rstrip("\n") if placed else "") + gap + after
        elif placed:
            text = placed.lstrip("\n") + "\n\n" + text
        lines = [line for line in _filled(text.split("\n")) if line.strip() not in (GONE, "@" + GONE)]
        return "\n".join(line.replace(GONE, "") for line in lines)

    def defined(self, r: Rewriter, name: str, alias: str) -> str:
        """The text of a helper under the name that it has in this file."""
        text = self.helpers[name]
        if name == "DataLoader" and self.style == "fit":
            text = helpers.training.FOR_FIT
        if name == "Recurrent" and "PackedSequence" in r.helpers:
            text = helpers.packed(text)
        if name in ("Dense", "Conv1D", "Conv2D", "Conv3D") and layers.asks_inputs(r):
            text = helpers.knowing(text)
        return text.replace(f" {name}(", f" {alias}(")

    def _import_lines(self, r: Rewriter, text: str) -> list[str]:
        have = {a for a, dotted in r.aliases.items() if not dotted.startswith(self.prefixes)}
        plain = ("collections", "contextlib", "math", "os", "pickle", "random")
        lines = [f"import {name}" for name in plain if name in r.imports and name not in have]
        lines += sorted(r._state.get("extra imports", ()))
        if "np" in r.imports and "np" not in have:
            lines.append("import numpy as np")
        pillow = [name for name in ("Image", "ImageOps") if name in r.imports and name not in have]
        lines += [f"from PIL import {', '.join(pillow)}"] if pillow else []
        short = [base for base in ("layers", "ops") if base in r.imports]
        keras = "keras" in r.imports
        if self.name == "keras":
            lines += ["import keras"] if keras else []
            lines += ["import tensorflow as tf"] if "tf" in r.imports else []
            lines += [f"from keras import {', '.join(short)}"] if short else []
        else:
            lines += ["import tensorflow as tf"] if "tf" in r.imports else []
            lines += ["from tensorflow import keras"] if keras else []
            lines += [f"from tensorflow.keras import {', '.join(short)}"] if short else []
        return lines


_RECURRENT = ("RNN", "LSTM", "GRU")


_OBJECTS = (
    "torch.nn.Module.", "torch.nn.ModuleList.", "torch.nn.ModuleDict.", "torch.nn.ParameterList.",
    "torch.nn.Sequential.", "torch.optim.",
    "torch.utils.data.", "torch.amp.", "torch.cuda.amp.",
)  # fmt: skip


class _Plain:
    """What an adapter's template is filled by: its parameters as they are, nothing observed."""

    def __init__(self, rewriter: Rewriter):
        self._rewriter = rewriter
        self.target = rewriter.target

    def text(self, node: ast.AST) -> str:
        return ast.unparse(node)

    def source(self, node: ast.AST) -> str:
        return ast.unparse(node)

    def fact(self, node: ast.AST) -> Any:
        from netglot.migrate.observe import Fact

        return Fact(kinds=["int"])

    peek = fact

    def __getattr__(self, name: str) -> Any:
        return getattr(self._rewriter, name)


def _plainly(row: Declaration) -> bool:
    """Whether a row is another function's name for the same arguments."""
    return isinstance(row.write, str) and bool(re.fullmatch(r"[\w.]+\(\{\w+\}\)", row.write)) and not row.when


def _by_default(row: Declaration) -> bool:
    """Whether a row speaks of a call without options."""
    return Bound(None, ast.Call(), row, {}).fits() if row.when else True


def _filled(lines: list[str]) -> list[str]:
    """Lines of which no block is left empty: where all of its statements go, `pass` stays."""

    def depth(line: str) -> int:
        return len(line) - len(line.lstrip())

    kept = [place for place, line in enumerate(lines) if line.strip() and line.strip() not in (GONE, "@" + GONE)]
    code = [place for place in kept if not lines[place].lstrip().startswith("#")]
    filled = list(lines)
    for place, after in zip(code, [*code[1:], None], strict=True):
        head = lines[place].partition("#")[0].rstrip()
        if not head.endswith(":") or (after is not None and depth(lines[after]) > depth(lines[place])):
            continue
        gone = next((i for i in range(place + 1, after or len(lines)) if lines[i].strip() == GONE), None)
        if gone is not None and depth(lines[gone]) > depth(lines[place]):
            filled[gone] = " " * depth(lines[gone]) + "pass"
    return filled


def _with_start(r: Rewriter, node: ast.ClassDef, text: str) -> str:
    """A class derived from Sequential takes its layers one by one, as PyTorch's does."""
    indent = r.spans.indent(node.body[0])
    own = f"{indent}def __init__(self, *layers):\n{indent}    super().__init__(list(layers))\n\n"
    head, line, rest = text.partition("\n")
    while line and not head.rstrip().endswith(":"):
        more, line, rest = rest.partition("\n")
        head += "\n" + more
    return f"{head}\n{own}{rest}"


def _with_parameter(text: str, node: ast.FunctionDef) -> str:
    """Adds `training=False` to the parameters of a function."""
    depth, at = 0, 0
    for at in range(text.index("call(", text.index("def ")) + 4, len(text)):
        depth += {"(": 1, ")": -1}.get(text[at], 0)
        if depth == 0:
            break
    before = text[:at].rstrip()
    stars = node.args.kwarg
    if stars:
        index = before.rindex("**")
        return before[:index] + "training=False, " + before[index:] + text[at:]
    comma = "" if before.endswith(",") else ","
    return f"{before}{comma} training=False{text[at:]}"


def _as_index(text: str) -> str:
    """The text of a subscript as a value: `np.s_[...]`."""
    return f"np.s_{text}"


_SIGNS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
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
}
