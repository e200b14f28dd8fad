"""PyTorch as what is written from TensorFlow's and Keras's source: all parts together."""

from __future__ import annotations

import ast
import re

from netglot.migrate.declare import Bound, Table
from netglot.migrate.rewrite import Rewriter
from netglot.migrate.to_torch import (
    algebra,
    functions,
    helpers,
    layers,
    training,
    unseen,
)
from netglot.migrate.to_torch.calls import TorchCalls
from netglot.migrate.to_torch.expressions import TorchExpressions
from netglot.migrate.to_torch.names import DTYPES, STANDARD
from netglot.migrate.to_torch.spellings import SPELLINGS
from netglot.migrate.to_torch.statements import TorchStatements

TABLE = Table()
for _table in (layers.table, functions.table, algebra.table, training.table):
    for _name, _rows in _table.rows.items():
        TABLE.rows.setdefault(_name, []).extend(_rows)
    TABLE.marks.update(_table.marks)
TABLE.spellings = SPELLINGS


SIZES = frozenset("shape axis axes perm size paddings pad_width multiples block_size k depth".split())
"""Parameters of functions that are no tensors."""


class TorchTarget(TorchCalls, TorchExpressions, TorchStatements):
    """What is written: PyTorch, with Keras's order of axes kept."""

    table = TABLE
    helpers = helpers.HELPERS
    prefixes = ("tf.", "keras.", "tensorflow.")
    packages = ("tensorflow", "keras", "tf_keras")
    bases = frozenset({"torch", "nn", "F", "np", "torchvision", "Path", "Image", *STANDARD})
    words = unseen.WORDS

    def __init__(self, name: str = "torch"):
        super().__init__(name)
        self.conversions |= {
            "dtype": self._dtype,
            "sizes": functions.sizes,
            "many": functions.sizes,
            "t": functions.as_tensor,
        }

    def helper_needs(self, helper: str) -> list[str]:
        return list(helpers.needs(helper))

    def defined(self, r: Rewriter, name: str, alias: str) -> str:
        return helpers.renamed(self.helpers[name], r.helpers)

    def spell(self, text: str, r: Rewriter) -> str:
        for word in re.findall(
            r"(?<![\w.])(torch|nn|F|functools|copy|operator|random|warnings|math|np|torchvision)\.", text
        ):
            r.imports.add(word)

        def helper(match: re.Match) -> str:
            return r.need(match[1]) if match[1] in self.helpers else match[1]

        return re.sub(r"(?<![\w.\"'])([A-Za-z_]\w*)(?=\(|,|\)|\.|$)", helper, text) if text.strip() else text

    def argument(self, c: Bound, name: str, text: str, before: str) -> str | None:
        """An array of NumPy that a function is given as a tensor; None for what is given as it is."""
        function = c.callee.startswith(("tf.", "keras.ops.", "keras.activations.")) and "Tensor." not in c.callee
        given = c.given.get(name)
        if (
            not function
            or isinstance(given, list)
            or given is None
            or name in SIZES
            or before.endswith(("as_tensor(", "torch.tensor("))
        ):
            return None
        known = c.rewriter.peek
        if known(given).kinds != ["array"] or known(c.node).kinds != ["tensor"]:
            return None
        return self.spell("torch.as_tensor(", c.rewriter) + f"{text})"

    def _dtype(self, c: Bound, name: str, text: str) -> str:
        value = c.literal(name)
        if isinstance(value, str):
            c.rewriter.imports.add("torch")
            return DTYPES.get(value, text)
        return text if value is not None else self.spell("torch.get_default_dtype()", c.rewriter)

    def doubtful(self, r: Rewriter, node: ast.AST) -> bool:
        return unseen.doubtful_statement(r, node) if isinstance(node, ast.stmt) else unseen.doubtful(r, node)

    def _import_lines(self, r: Rewriter, text: str) -> list[str]:
        have = set(r.aliases)
        lines = [f"import {name}" for name in STANDARD if name in r.imports and name not in have]
        if "Path" in r.imports and "Path" not in have:
            lines.append("from pathlib import Path")
        if "np" in r.imports and "np" not in have:
            lines.append("import numpy as np")
        if r.imports & {"torch", "nn", "F"}:
            lines.append("import torch")
        if "F" in r.imports:
            lines.append("import torch.nn.functional as F")
        if "torchvision" in r.imports:
            lines.append("import torchvision")
        if "Image" in r.imports and "Image" not in have:
            lines.append("from PIL import Image")
        if "nn" in r.imports:
            lines.append("from torch import nn")
        return lines
