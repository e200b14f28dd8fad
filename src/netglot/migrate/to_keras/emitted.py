"""The written file: its imports and helpers in place, no block left empty."""

from __future__ import annotations

import ast
import re
from typing import Any

from netglot.migrate.rewrite import Rewriter
from netglot.migrate.to_keras import early, helpers
from netglot.migrate.to_keras.asking import (
    keeps_import,
)
from netglot.migrate.to_keras.words import GONE, HELPERS_HERE, IMPORTS, Words


class Emitted(Words):
    """The written file: its imports and helpers in place, no block left empty."""

    def finished(self, r: Rewriter, text: str) -> str:
        """The file with its imports and helpers in place."""
        defined = "".join(
            "\n\n" + self.defined(r, name, alias).strip("\n") + "\n"
            for name, alias in sorted(r.helpers.items(), key=lambda item: list(self.helpers).index(item[0]))
        )
        adapters = "".join(f"\n\n{made[1]}" for key, made in r._state.items() if key.startswith("adapter "))
        used = helpers.words(defined + adapters)
        r.imports |= used & self.bases
        found = r._state.get("framework imports", [])
        inside = [n for n in found if f"\0import {found.index(n)}\0" in text]
        for n in inside:
            stays = r.source(n) if keeps_import(n, r.kept_names) else ""
            marker = re.compile(f"\0import {found.index(n)}\0(pass)?")
            text = marker.sub(lambda match, stays=stays: stays or match[1] or GONE, text)
        kept = [r.source(n) for n in found if n not in inside and keeps_import(n, r.kept_names)]
        block = "\n".join([*self._import_lines(r, text), *kept])
        placed = defined + adapters
        if IMPORTS not in text and (block or placed):
            text = _headed(r, text)
        text = text.replace(IMPORTS, block + ("" if block else GONE))
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
        if early.at_once(r):
            text = helpers.at_once(name, text)
        if name == "Dense" and _alone(r):
            text = helpers.alone(text)
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


def _headed(r: Rewriter, text: str) -> str:
    """A file that imported no framework, with a place for imports: behind what it says of itself."""
    lead = ""
    for one in r.file.tree.body:
        says = isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant) and isinstance(one.value.value, str)
        if not says and not (isinstance(one, ast.ImportFrom) and one.module == "__future__"):
            break
        lead = r.source(one)
    at = text.index(lead) + len(lead) if lead else 0
    if not lead:
        comments = re.match(r"(?:#.*\n)*", text)
        at = comments.end() if comments else 0
    helpers_here = "" if HELPERS_HERE in text else f"\n{HELPERS_HERE}"
    gap = "\n\n" if lead else ""
    return f"{text[:at]}{gap}{IMPORTS}{helpers_here}\n{text[at:].lstrip(chr(10))}"


def _alone(r: Rewriter) -> bool:
    """Whether some network was called with a single sample that has no batch."""
    held = r.project.remembered
    if "alone" not in held:
        held["alone"] = any(
            isinstance(node, ast.Call) and node.args and any(c.startswith("call:") for c in r.fact_of(file, node).callees)
            and _row(r.fact_of(file, node.args[0]))
            for file in r.project.files for node in ast.walk(file.tree)
        )  # fmt: skip
    return held["alone"]


def _row(fact: Any) -> bool:
    return 1 in fact.ranks and any("float" in dtype for dtype in fact.dtypes)


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
