"""The emitted network once more as one flat function that records every value, for finding where two sides part.

It uses the layers of the emitted model, so it shows what that model computes; it is written beside a copy of the
model when a difference is looked for, and is no part of what the user gets.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable

from netglot.pivot.graph import Value
from netglot.source.bodies import _Sizes
from netglot.source.outline import Outline
from netglot.source.printing import Printer
from netglot.source.statements import target_of


class _Rooted(ast.NodeTransformer):
    """Paths from `self` as paths from `model`."""

    def visit_Name(self, node: ast.Name):
        return ast.Name("model", ast.Load()) if node.id == "self" else node


def trace_source(outline: Outline, imports: str, recorded: dict[Value, str], as_dict: bool) -> str:
    """The text of `trace.py`.

    Args:
        imports: the imports and helpers of the emitted file.
        recorded: the name under which each value is recorded.
        as_dict: whether the model takes its inputs as one dictionary.
    """
    names: dict[Value, str] = {}
    inputs = outline.graph.inputs
    lines = []
    if as_dict:
        header = "def trace(model, inputs):"
        for position, value in enumerate(inputs):
            names[value] = f"i{position}"
            lines.append(f'i{position} = inputs["{value.name}"]')
    else:
        names.update({value: f"i{position}" for position, value in enumerate(inputs)})
        header = f"def trace(model, {', '.join(names.values())}):"
    for position, node in enumerate(outline.runtime):
        lines.extend(_step(outline, node, position, names, recorded))
    body = "\n".join(f"    {line}" for line in lines) or "    pass"
    return f"{imports}\n\n\n{header}\n{body}\n"


def _step(outline: Outline, node, position: int, names: dict[Value, str], recorded) -> Iterable[str]:
    def resolve(value: Value) -> ast.expr:
        if value in names:
            return ast.parse(names[value], mode="eval").body
        expression = outline.variables.expression(value, outline.root)
        assert expression is not None, f"{value.name} is nowhere"
        return expression

    form = outline.forms[node]
    near = [v for v in outline.needs(node) if v not in outline.offline]
    sizes = _Sizes(lambda: [*near, *reversed(names)], outline, resolve)
    member = outline.member_of.get(node)
    printer = Printer(resolve, sizes, lambda _: outline.access.expression(member, outline.root), sizes.device)
    text = ast.unparse(_Rooted().visit(printer(form)))
    produces = getattr(form, "produces", None)
    results = node.results if produces is None else tuple(node.results[i] for i in produces)
    unpacks = getattr(form, "unpacks", None)
    if unpacks is not None:
        leaves = {leaf: f"v{position}_{leaf}" for leaf, _ in unpacks.places}
        for value, (leaf, index) in zip(results, unpacks.places, strict=True):
            names[value] = leaves[leaf] if index is None else f"{leaves[leaf]}[{index}]"
        yield f"{target_of(unpacks.nest, leaves)} = {text}"
        yield from (f'record("{recorded[v]}", {names[v]})' for v in results if v in recorded)
        return
    for index, value in enumerate(results):
        names[value] = f"v{position}" if len(results) == 1 else f"v{position}_{index}"
    yield f"{', '.join(names[v] for v in results)} = {text}"
    for value in results:
        if value in recorded:
            yield f'record("{recorded[value]}", {names[value]})'
