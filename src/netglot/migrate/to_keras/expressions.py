"""Attributes, arithmetic, comparisons and subscripts."""

from __future__ import annotations

import ast

from netglot.migrate.declare import MISSING
from netglot.migrate.rewrite import Rewriter
from netglot.migrate.to_keras import (
    attributes,
    leaves,
    names,
    orders,
    states,
)
from netglot.migrate.to_keras.asking import (
    float_literal,
    is_advanced,
    is_below,
    is_floating,
    is_whole,
    layer_of,
    rate_of,
)
from netglot.migrate.to_keras.tapes import callees
from netglot.migrate.to_keras.words import Words

_DTYPES = frozenset(f"torch.{name}" for name in names.DTYPES)


class Expressions(Words):
    """Attributes, arithmetic, comparisons and subscripts."""

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
        if node.attr == "is_floating_point" and ("name" in owners or getattr(node.value, "attr", "") == "dtype"):
            return self.spell("keras.backend.is_float_dtype(", r) + f"{r.text(node.value)})"
        if "device" in owners and node.attr == "type":
            return f'{r.parenthesised(node.value, r.text(node.value))}.partition(":")[0]'
        if "tensor" in owners:
            return self._tensor_attribute(r, node)
        if any(o.startswith("module:") for o in owners):
            return attributes.module_attribute(self, r, node, owners)
        if any(o == "optimizer" for o in owners):
            return attributes.optimizer_attribute(self, r, node)
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
        if isinstance(node.ctx, ast.Load) and orders.named(r, node) and not orders.shown(r, node):
            if r.fact(node).extra.get("straight"):
                r.mark(node, "weight", "it is of layers that hold their axes in different orders in Keras")
                return None
            return self.spell("as_in_torch(", r) + f"{node.id})"
        return None

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
        if isinstance(node.ops[0], (ast.Is, ast.IsNot)) and (text := r.text(left)).endswith(".use_bias or None"):
            held = text.removesuffix(" or None")
            return held if isinstance(node.ops[0], ast.IsNot) else f"not {held}"
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
        owner = states.copied_state(node)
        return None if owner is None else f"{r.text(owner)}.get_weights()"

    def subscript(self, r: Rewriter, node: ast.Subscript) -> str | None:
        fact = r.fact(node.value)
        if isinstance(node.value, ast.Call) and r.constant(node.slice) == 0 and leaves.TAKEN in callees(r, node.value):
            return self.taken(r, node.value, single=True)
        if (size := attributes.weight_size(self, r, node)) is not None:
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
                if not leaves.of_network(r, parts[0]):
                    return None
                return f"{r.text(node.value)}[" + self.spell("ops.copy(", r) + f"{r.text(parts[0])})]"
            return self.spell("ops.take(", r) + f"{r.text(node.value)}, {r.text(parts[0])}, axis=0)"
        before = parts[: parts.index(advanced[0])]
        plain = all(isinstance(p, ast.Slice) and not (p.lower or p.upper or p.step) for p in before)
        after = parts[parts.index(advanced[0]) + 1 :]
        if len(advanced) == 1 and plain and all(isinstance(p, ast.Slice) and not (p.lower or p.upper) for p in after):
            return self.spell("ops.take(", r) + f"{r.text(node.value)}, {r.text(advanced[0])}, axis={len(before)})"
        if (
            len(advanced) == 1
            and r.fact(advanced[0]).ranks == [1]
            and all(isinstance(p, ast.Slice) for p in parts if p is not advanced[0])
        ):
            taken = self.spell("ops.take(", r) + f"{r.text(node.value)}, {r.text(advanced[0])}, axis={len(before)})"
            return f"{taken}[{', '.join(':' if p is advanced[0] else r.text(p) for p in parts)}]"
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
