"""The text of an emitted module, whatever the framework: imports, helpers, classes, and `load()`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from netglot.passes.layout import Arranged
from netglot.source.blueprint import Blueprint
from netglot.source.classes import class_order
from netglot.source.emit import ClassEmitter
from netglot.source.format import tidy_source
from netglot.source.outline import Outline
from netglot.source.parts import Instance


@dataclass
class TargetVariable:
    """One variable of the emitted network."""

    path: str
    """The attribute path from the model: `layer1.layers[0].conv1.kernel`."""
    stored: str
    """The place in the weights file."""
    recipe: Any
    trainable: bool
    kind: str = ""
    """ "parameter" or "buffer", where the framework tells them apart."""
    given: bool = False
    """Whether it comes from the weights file in any case: a constant that the source does not say."""


@dataclass
class Written:
    """What a writer made of a graph."""

    source: str
    arranged: Arranged
    variables: list[TargetVariable]
    class_name: str
    outline: Outline
    blueprints: dict[Instance, Blueprint] = field(default_factory=dict)


def module_text(outline: Outline, classes: Mapping[Instance, Blueprint], head: Iterable[str], load: str) -> str:
    """The file: `head` (docstring, imports, helpers), each class once, and `load`, laid out."""
    return tidy_source("\n\n\n".join([*head, *class_texts(outline, classes), load]) + "\n")


def class_texts(outline: Outline, classes: Mapping[Instance, Blueprint]) -> list[str]:
    """Each class once, inner ones first."""
    order = sorted(dict.fromkeys(classes.values()), key=class_order(outline))
    return [ClassEmitter(b, outline, classes, b is classes[outline.root]).emit() for b in order]  # type: ignore[arg-type]


def frozen_parts(found: list[TargetVariable], lists: bool = False) -> list[str]:
    """The largest parts of the network whose parameters are all frozen, by their attribute paths.

    `lists` says whether a list of modules can be frozen as one.
    """
    trained = {v.path for v in found if v.trainable}
    still = [v.path for v in found if not v.trainable and v.kind == "parameter"]
    parts: dict[str, None] = {}
    for path in still:
        above = (path[: at.start()] for at in re.finditer(r"[.[]" if lists else r"\.", path))
        whole = next((a for a in above if not any(t == a or t.startswith((f"{a}.", f"{a}[")) for t in trained)), path)
        parts[whole] = None
    return list(parts)


def _names_in(text: str) -> set[str]:
    """The names that a piece of source uses; what its docstrings say does not count."""
    return {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}


def helper_names(outline: Outline, helpers: Mapping[str, str]) -> set[str]:
    """The names of the helpers that the network uses, those that these name included."""
    used = {form.helper for form in outline.forms.values() if getattr(form, "helper", None)}
    used |= {name for form in outline.forms.values() for name in getattr(getattr(form, "cell", None), "helpers", ())}
    while True:
        inner = {name for one in used for name in _names_in(helpers[one]) if name in helpers} - used
        if not inner:
            return used
        used |= inner


def helpers_used(outline: Outline, helpers: Mapping[str, str]) -> list[str]:
    """The source of every helper that the network uses, and of those that these name."""
    return [helpers[name].strip() for name in _bases_first(sorted(helper_names(outline, helpers)), helpers)]


def _bases_first(names: list[str], helpers: Mapping[str, str]) -> list[str]:
    """The helpers in order, but a class behind the one that it extends."""
    found: list[str] = []
    for name in names:
        kinds = [node for node in ast.parse(helpers[name]).body if isinstance(node, ast.ClassDef)]
        bases = [base.id for kind in kinds for base in kind.bases if isinstance(base, ast.Name) and base.id in names]
        found += [one for one in (*bases, name) if one not in found]
    return found
