"""Statements put under a `GradientTape`: one after the other, or one tape inside of another."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from netglot.migrate.rewrite import Rewriter

GONE = "\0gone\0"
Render = Callable[[ast.AST], str]


@dataclass
class Tape:
    """The statements of a list that one tape watches."""

    first: ast.stmt
    last: ast.stmt
    name: str = "tape"
    persistent: bool = False
    """Whether it is asked more than once."""
    watched: tuple[str, ...] = ()
    """Tensors whose gradients are asked for, though they are no variables."""
    ends: tuple[str, ...] = ()
    """Lines that are watched last."""

    def span(self, body: list[ast.stmt]) -> tuple[int, int]:
        """The places of its first and its last statement."""
        return body.index(self.first), body.index(self.last)


def taped(r: Rewriter, node: ast.AST, tapes: list[Tape], render: Render) -> str | None:
    """A statement with bodies, its tapes put around what they watch; None where there is none."""
    blocks: dict[int, tuple[str, int]] = {}
    covered: set[int] = set()
    for body in _bodies(node):
        mine = [one for one in tapes if any(one.first is two for two in body)]
        for place, (text, stop) in _outermost(r, body, mine, render).items():
            end = r.spans.of(body[stop])[1] + len(_comment(r, body[stop]))
            blocks[id(body[place])] = (text, end)
            covered |= {id(one) for one in body[place + 1 : stop + 1]}
    if not blocks:
        return None
    start, whole_end = r.spans.of(node) if not isinstance(node, ast.Module) else (0, len(r.spans.data))
    children = [one for one in sorted(r.spans.children(node), key=r.spans.of) if id(one) not in covered]
    return _joined(r, start, whole_end, children, blocks, render)


def _joined(
    r: Rewriter, start: int, end: int, nodes: list, blocks: dict[int, tuple[str, int]], render: Render
) -> str:  # fmt: skip
    """A stretch of text in which some statements, and what follows them, are blocks."""
    out, at = [], start
    for child in nodes:
        a, b = r.spans.of(child)
        if a < at:
            continue
        text, stop = blocks.get(id(child)) or (render(child), b)
        out += [r.spans.data[at:a].decode("utf-8"), text]
        at = stop
    out.append(r.spans.data[at:end].decode("utf-8"))
    return "".join(out)


def _outermost(r: Rewriter, body: list[ast.stmt], tapes: list[Tape], render: Render) -> dict[int, tuple[str, int]]:
    """The blocks of the tapes that stand in no other one: place of the first statement to text and last place."""
    found: dict[int, tuple[str, int]] = {}
    left = sorted(tapes, key=lambda one: (one.span(body)[0], -one.span(body)[1]))
    while left:
        outer = left.pop(0)
        first, last = outer.span(body)
        inner = [one for one in left if first <= one.span(body)[0] <= last]
        left = [one for one in left if one not in inner]
        found[first] = (_block(r, body, outer, inner, render), last)
    return found


def _block(r: Rewriter, body: list[ast.stmt], tape: Tape, inner: list[Tape], render: Render) -> str:
    first, last = tape.span(body)
    start, end = r.spans.of(body[first])[0], r.spans.of(body[last])[1]
    end += len(_comment(r, body[last]))
    blocks: dict[int, tuple[str, int]] = {}
    covered: set[int] = set()
    for place, (text, stop) in _outermost(r, body, inner, render).items():
        blocks[id(body[place])] = (text, r.spans.of(body[stop])[1] + len(_comment(r, body[stop])))
        covered |= {id(one) for one in body[place + 1 : stop + 1]}
    nodes = [one for one in body[first : last + 1] if id(one) not in covered]
    text = _joined(r, start, end, nodes, blocks, render)
    indent = r.spans.indent(body[first])
    lines = [("    " + line if line.strip() and i else line) for i, line in enumerate(text.split("\n"))]
    lines = [line for line in lines if line.strip() != GONE]
    r.imports.add("tf")
    options = "persistent=True" if tape.persistent else ""
    watches = "".join(f"{indent}    {tape.name}.watch({one})\n" for one in tape.watched)
    lines += [f"{indent}    {one}" for one in tape.ends]
    head = f"with tf.GradientTape({options}) as {tape.name}:\n{watches}{indent}    "
    return head + "\n".join(lines).lstrip()


def _comment(r: Rewriter, node: ast.AST) -> bytes:
    """The comment behind a statement on its line, and the space before it."""
    end = r.spans.of(node)[1]
    stop = r.spans.data.find(b"\n", end)
    tail = r.spans.data[end : stop if stop >= 0 else len(r.spans.data)]
    return tail if tail.strip().startswith(b"#") else b""


def _bodies(node: ast.AST) -> list[list[ast.stmt]]:
    found = [getattr(node, name, None) for name in ("body", "orelse", "finalbody")]
    return [one for one in found if isinstance(one, list) and one and isinstance(one[0], ast.stmt)]


def words(node: ast.AST, context: type) -> set[str]:
    """The names in a node, and the attributes of `self`."""
    found: set[str] = set()
    for one in ast.walk(node):
        if isinstance(one, ast.Name) and isinstance(one.ctx, context) and one.id != "self":
            found.add(one.id)
        elif isinstance(one, ast.Attribute) and isinstance(one.ctx, context) and getattr(one.value, "id", "") == "self":
            found.add(f"self.{one.attr}")
    return found


def gives(node: ast.AST) -> set[str]:
    """What a statement gives a value, or changes by a method or at an index."""
    found = words(node, ast.Store)
    for one in ast.walk(node):
        if isinstance(one, ast.Subscript) and isinstance(one.ctx, ast.Store):
            found |= words(one.value, ast.Load)
        elif (
            isinstance(one, ast.Call) and isinstance(one.func, ast.Attribute) and one.func.attr in ("append", "extend")
        ):
            found |= words(one.func.value, ast.Load)
        elif isinstance(one, ast.AugAssign):
            found |= words(one.target, ast.Store)
    return found


def callees(r: Rewriter, node: Any) -> list[str]:
    """What a call calls, seen or by its name."""
    return (r.fact(node).callees or [r.dotted(node.func) or ""]) if isinstance(node, ast.Call) else [""]
