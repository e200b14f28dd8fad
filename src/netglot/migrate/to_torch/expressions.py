"""Attributes, names and subscripts."""

from __future__ import annotations

import ast

from netglot.migrate.rewrite import Rewriter
from netglot.migrate.to_keras.asking import in_annotation
from netglot.migrate.to_keras.target import Target
from netglot.migrate.to_torch import (
    training,
)
from netglot.migrate.to_torch.names import CONSTANTS, DTYPES, TYPES

KERNELS = {
    "Dense": ".T", "Conv1D": ".permute(2, 1, 0)", "Conv2D": ".permute(2, 3, 1, 0)", "Conv3D": ".permute(2, 3, 4, 1, 0)",
    "Embedding": "",
}  # fmt: skip
"""How the weight of a layer becomes the kernel that Keras has."""
KERAS_ONLY = frozenset("supports_masking input_spec compute_dtype dtype_policy variable_dtype submodules".split())
"""Attributes of Keras's layers of which no helper knows."""


class TorchExpressions(Target):
    """Attributes, names and subscripts."""

    def attribute(self, r: Rewriter, node: ast.Attribute) -> str | None:
        if (dotted := r.dotted(node)) is not None:
            return self.reference(r, node, dotted)
        if node.attr == "_keras_mask":
            return f"{r.text(node.value)}.mask"
        if node.attr in ("name", "path") and r.fact(node.value).kinds == ["tensor"] and isinstance(node.ctx, ast.Load):
            r.mark(node, f"Variable.{node.attr}", "PyTorch's weights have no names of their own: ask named_parameters")
            return None
        owners = r.fact(node).names or r.fact(node.value).kinds
        plainly = owners == ["other"] and node.attr.startswith("trainable_") and "list" not in owners
        if owners == ["other"] and node.attr == "variables" and set(r.fact(node).items) == {"tensor"}:
            return f"list({r.text(node.value)}.parameters())"
        if not plainly and not any(o.startswith("module:") for o in owners):
            return None
        if node.attr in ("trainable_variables", "trainable_weights"):
            if r.project.freezes:
                return f"{r.need('trainable')}({r.text(node.value)})"
            return f"list({r.text(node.value)}.parameters())"
        if node.attr in ("variables", "weights") and isinstance(node.ctx, ast.Load) and "list" in r.fact(node).kinds:
            return f"list({r.text(node.value)}.state_dict().values())"
        if node.attr in ("kernel", "embeddings") and isinstance(node.ctx, ast.Load):
            kinds = {o.removeprefix("module:keras.layers.") for o in owners}
            if len(kinds) == 1 and (turn := KERNELS.get(kinds.pop())) is not None:
                parent = r.parent(node)
                if isinstance(parent, ast.Attribute) and parent.attr.startswith("assign") and turn:
                    r.mark(node, f"Layer.{node.attr}", "its axes are in another order in PyTorch")
                    return None
                return f"{r.text(node.value)}.weight{turn}"
        if (
            node.attr in KERAS_ONLY
            and isinstance(node.ctx, ast.Load)
            and all(o.startswith("module:keras.") for o in owners)
        ):
            r.mark(node, f"Layer.{node.attr}", "PyTorch's modules have nothing like it")
            return None
        if node.attr == "losses" and "list" in r.fact(node).kinds:
            return f"{r.need('losses_of')}({r.text(node.value)})"
        if node.attr == "output_shape" and "input" in r.fact(node).extra:
            sizes = ", ".join(map(str, r.fact(node).extra["input"][1:]))
            return f"{r.need('output_shape')}({r.text(node.value)}, {sizes})"
        if node.attr == "metrics_names" and isinstance(node.ctx, ast.Load):
            return f"[one.name for one in {r.need('metrics_of')}({r.text(node.value)})]"
        if node.attr == "metrics" and isinstance(node.ctx, ast.Load) and not r.fact(node).extra.get("user"):
            return f"{r.need('metrics_of')}({r.text(node.value)})"
        return None

    def name_node(self, r: Rewriter, node: ast.Name) -> str | None:
        if isinstance(node.ctx, ast.Load) and (dotted := r.dotted(node)) is not None:
            return self.reference(r, node, dotted)
        if node.id == "training" and isinstance(node.ctx, ast.Load) and r._state.get("training"):
            return "self.training"
        return None

    def reference(self, r: Rewriter, node: ast.AST, dotted: str) -> str | None:
        if not dotted.startswith(self.prefixes):
            return None
        parent = r.parent(node)
        if isinstance(parent, ast.Attribute) and parent.value is node:
            return None
        if dotted in CONSTANTS:
            return self.spell(CONSTANTS[dotted], r)
        if dotted in TYPES and (in_annotation(r, node) or isinstance(parent, (ast.Call, ast.Tuple))):
            return self.spell(TYPES[dotted] + ("(" if "." not in TYPES[dotted] else ""), r).removesuffix("(")
        short = dotted.rpartition(".")[2]
        if dotted.startswith("tf.") and short in DTYPES and dotted.count(".") == 1:
            r.imports.add("torch")
            return DTYPES[short]
        if dotted.startswith(("tf.data.Dataset.from_", "tensorflow.data.Dataset.from_")):
            return f"{r.need('Dataset')}.{short}"
        name = training.SHORT.get(short, short)
        if dotted.startswith(("keras.losses.", "keras.metrics.", "keras.optimizers.")) and name in self.helpers:
            return r.need(name)
        if adapter := self.adapter(r, dotted):
            return adapter
        r.mark(node, dotted, self.table.marks.get(dotted, "netglot does not know it"))
        r.composed_kept(node)
        return None

    def binary(self, r: Rewriter, node: ast.BinOp) -> str | None:
        return _beside_arrays(r, node, node.left, node.right)

    def comparison(self, r: Rewriter, node: ast.Compare) -> str | None:
        return _beside_arrays(r, node, node.left, node.comparators[0]) if len(node.ops) == 1 else None

    def subscript(self, r: Rewriter, node: ast.Subscript) -> str | None:
        """PyTorch's slices go forwards only: whole axes that go backwards are flipped."""
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        steps = [r.constant(one.step) if isinstance(one, ast.Slice) and one.step else None for one in parts]
        back = [n for n, step in enumerate(steps) if isinstance(step, int) and step < 0]
        if not back or "tensor" not in r.fact(node.value).kinds:
            return None
        bare = all(isinstance(one, ast.Slice) and one.lower is one.upper is None for one in parts)
        if not bare or set(steps) - {None, -1}:
            r.mark(node, "indexing", "PyTorch's slices go forwards only")
            return r.composed_kept(node)
        axes = ", ".join(map(str, back)) + ("," if len(back) == 1 else "")
        return self.spell("torch.flip(", r) + f"{r.text(node.value)}, ({axes}))"


def _beside_arrays(r: Rewriter, node: ast.expr, first: ast.expr, second: ast.expr) -> str | None:
    """An operation of a tensor and an array of NumPy: TensorFlow makes a tensor of the array, PyTorch does not."""
    arrays = [one for one in (first, second) if r.fact(one).kinds == ["array"]]
    tensors = [one for one in (first, second) if r.fact(one).kinds == ["tensor"]]
    if len(arrays) != 1 or len(tensors) != 1 or r.fact(node).kinds != ["tensor"]:
        return None
    texts = {id(arrays[0]): f"{r.need('as_input')}({r.text(arrays[0])})"}
    return r.spans.composed(node, lambda child: texts.get(id(child)) or r.text(child))
