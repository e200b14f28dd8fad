"""Protocol buffers written as text: `name: value`, `name { ... }`, comments, lists."""

from __future__ import annotations

import ast
import re
from typing import Any

from netglot.errors import InputError
from netglot.formats.record import Record

_TOKEN = re.compile(
    r"""(?P<space>[\s,;]+|\#[^\n]*)
    |(?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')
    |(?P<mark>[{}<>:\[\]])
    |(?P<word>[-+]?[A-Za-z0-9_./+-]+)""",
    re.VERBOSE,
)
_CLOSING = {"{": "}", "<": ">"}
_DEEPEST = 64


def parse(text: str, kind: str) -> Record:
    """The record that a text describes.

    Raises:
        InputError: the text is something else; the line is told.
    """
    tokens = _tokens(text, kind)
    record, at = _fields(tokens, 0, None, kind, 0)
    if at < len(tokens):
        raise InputError(f"{kind}, line {tokens[at][1]}: unexpected {tokens[at][0]!r}")
    return record


def _tokens(text: str, kind: str) -> list[tuple[str, int]]:
    found, at, line = [], 0, 1
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise InputError(f"{kind}, line {line}: {text[at : at + 20]!r} is not understood")
        if match.lastgroup != "space":
            found.append((match[0], line))
        line += match[0].count("\n")
        at = match.end()
    return found


def _fields(tokens: list[tuple[str, int]], at: int, closing: str | None, kind: str, depth: int) -> tuple[Record, int]:
    record = Record(kind)
    if depth > _DEEPEST:
        raise InputError(f"{kind}: records are nested too deeply")
    while at < len(tokens):
        name, line = tokens[at]
        if name == closing:
            return record, at + 1
        if not re.fullmatch(r"[A-Za-z_][\w.]*", name):
            raise InputError(f"{kind}, line {line}: {name!r} is no name of a field")
        at += 1
        if at < len(tokens) and tokens[at][0] == ":":
            at += 1
        if at >= len(tokens):
            break
        if tokens[at][0] == "[":
            at += 1
            while at < len(tokens) and tokens[at][0] != "]":
                at = _value(record, name, tokens, at, depth)
            at += 1
        else:
            at = _value(record, name, tokens, at, depth)
    if closing is not None:
        raise InputError(f"{kind} ends before its {closing!r}", advice="is the file complete?")
    return record, at


def _value(record: Record, name: str, tokens: list[tuple[str, int]], at: int, depth: int) -> int:
    text, line = tokens[at]
    if text in _CLOSING:
        inner, at = _fields(tokens, at + 1, _CLOSING[text], name, depth + 1)
        record.add(name, inner)
        return at
    if text in ("}", ">", ":", "]"):
        raise InputError(f"{record.kind}, line {line}: {name} has no value")
    record.add(name, _literal(text))
    while text[0] in "\"'" and at + 1 < len(tokens) and tokens[at + 1][0][0] in "\"'":  # strings side by side are one
        at += 1
        record.fields[name][-1] += _literal(tokens[at][0])
    return at + 1


def _literal(text: str) -> Any:
    if text[0] in "\"'":
        try:
            return str(ast.literal_eval(text))
        except (ValueError, SyntaxError):
            return text[1:-1]
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text.rstrip("fF") if kind is float and not re.search("inf|nan", text, re.I) else text)
        except ValueError:
            continue
    try:
        return int(text, 0)
    except ValueError:
        return text
