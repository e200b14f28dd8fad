"""Where the nodes of a syntax tree stand in the text, and text put together again with some of them replaced."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator


class Spans:
    """The text of one file by positions of `ast`: lines from 1, columns in bytes of UTF-8."""

    def __init__(self, text: str):
        self.data = text.encode("utf-8")
        self.starts = [0]
        for line in self.data.splitlines(keepends=True):
            self.starts.append(self.starts[-1] + len(line))

    def of(self, node: ast.AST) -> tuple[int, int]:
        """The bytes of a node; a function or class begins with its first decorator."""
        line, column = node.lineno, node.col_offset  # type: ignore[attr-defined]
        if decorators := getattr(node, "decorator_list", None):
            first = decorators[0]
            start = self.starts[first.lineno - 1] + first.col_offset
            start = self.data.rindex(b"@", 0, start)
        else:
            start = self.starts[line - 1] + column
        return start, self.starts[node.end_lineno - 1] + node.end_col_offset  # type: ignore[attr-defined]

    def source(self, node: ast.AST) -> str:
        """The text of a node as it stands."""
        start, end = self.of(node)
        return self.data[start:end].decode("utf-8")

    def composed(self, node: ast.AST, render: Callable[[ast.AST], str]) -> str:
        """The text of a node with each child as `render` gives it."""
        start, end = self.of(node)
        return self.between(start, end, sorted(self.children(node), key=self.of), render)

    def between(self, start: int, end: int, nodes: list[ast.AST], render: Callable[[ast.AST], str]) -> str:
        """A stretch of text with the nodes in it as `render` gives them."""
        out, at = [], start
        for child in nodes:
            first, last = self.of(child)
            if first < at:
                continue
            out += [self.data[at:first].decode("utf-8"), render(child)]
            at = last
        out.append(self.data[at:end].decode("utf-8"))
        return "".join(out)

    def children(self, node: ast.AST) -> Iterator[ast.AST]:
        """The nearest nodes below that have a place."""
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FormattedValue | ast.JoinedStr):
                yield from self._formatted(child) if isinstance(node, ast.JoinedStr) else [child]
            elif hasattr(child, "lineno"):
                if isinstance(node, ast.JoinedStr):
                    continue
                yield child
            else:
                yield from self.children(child)

    def _formatted(self, node: ast.AST) -> Iterator[ast.AST]:
        """What stands in braces, where its place can be trusted: Python 3.11 misplaces some of it."""
        value = getattr(node, "value", None)
        if value is None:
            return
        try:
            if ast.dump(ast.parse(self.source(value).strip(), mode="eval").body) == ast.dump(value):
                yield value
        except (SyntaxError, ValueError, UnicodeDecodeError):
            return

    def indent(self, node: ast.AST) -> str:
        """The white space before a statement."""
        start = self.starts[node.lineno - 1]  # type: ignore[attr-defined]
        line = self.data[start : start + node.col_offset]  # type: ignore[attr-defined]
        return line.decode("utf-8") if not line.strip() else " " * node.col_offset  # type: ignore[attr-defined]
