"""What every part of the target knows: its tables, helpers and words."""

from __future__ import annotations

import ast
import re

from netglot.migrate.declare import Bound, Table
from netglot.migrate.rewrite import Rewriter
from netglot.migrate.to_keras import (
    functions,
    helpers,
    names,
    unseen,
)

GONE = "\0gone\0"
IMPORTS = "\0imports\0"
HELPERS_HERE = "\0helpers\0"


class Words:
    """What every part of the target knows: its tables, helpers and words."""

    table = Table()
    helpers = helpers.HELPERS
    prefixes: tuple[str, ...] = ("torch.", "torchvision.")
    """How the public names of what is migrated begin."""
    packages: tuple[str, ...] = ("torch", "torchvision")
    """The packages whose imports go."""
    bases = frozenset("ops layers keras math np tf collections contextlib os pickle random Image ImageOps".split())
    """The modules that helpers use, by the names under which they are imported."""
    words = unseen.WORDS

    def __init__(self, name: str, style: str = "loop"):
        self.name, self.style = name, style
        self.eager = False
        """Whether `fit` is to run step by step: something in it cannot be written down as a graph."""
        self.conversions = {"p": self._operand, "s": lambda c, name, text: functions.shape_text(c, name)}

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

    def reason(self, name: str) -> str:
        """Why a function stays as it was."""
        kinds = (why for start, why in names.REASONS.items() if name.startswith(start))
        return self.table.marks.get(name) or next(kinds, "netglot does not know this function")
