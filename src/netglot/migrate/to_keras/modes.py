"""Whether a network trains: Keras tells `call`, which tells the methods that ask, or whose layers do."""

from __future__ import annotations

import ast
from typing import Any

from netglot.migrate.rewrite import Rewriter


def told(r: Rewriter, node: Any) -> set[str]:
    """The methods of a class that are told whether it trains: those that ask `self.training`, that run layers which
    ask while the network trains without its `forward`, and what calls them."""
    held = r.project.remembered.setdefault("told", {})
    if id(node) not in held:
        methods = [one for one in node.body if isinstance(one, ast.FunctionDef)]
        found = {one.name for one in methods if any(_asks(two) for two in ast.walk(one))}
        found |= _run_alone(r, node.name) & {one.name for one in methods} - {"forward", "__init__"}
        while more := {one.name for one in methods if _own_calls(one) & found} - found - {"__init__"}:
            found |= more
        held[id(node)] = found
    return held[id(node)]


def _asks(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Attribute) and node.attr == "training"
        and isinstance(node.value, ast.Name) and node.value.id == "self"
    )  # fmt: skip


def _own_calls(node: ast.AST) -> set[str]:
    """The methods of `self` that are called in some code."""
    calls = (one.func for one in ast.walk(node) if isinstance(one, ast.Call) and isinstance(one.func, ast.Attribute))
    return {one.attr for one in calls if isinstance(one.value, ast.Name) and one.value.id == "self"}


def _run_alone(r: Rewriter, name: str) -> set[str]:
    """The methods of a class that were called from elsewhere while the network trained, of layers to which that matters."""
    facts = [
        r.fact_of(file, node) for file in r.project.files for node in ast.walk(file.tree)
        if isinstance(node, ast.Call) and getattr(getattr(node.func, "value", None), "id", "self") != "self"
    ]  # fmt: skip
    asked = [c for fact in facts if fact.extra.get("moody") and True in fact.modes for c in fact.callees]
    return {c.rpartition(".")[2] for c in asked if c.startswith(f"user:{name}.")}


def _class_of(r: Rewriter, callee: str) -> Any:
    owner = callee.removeprefix("user:").rpartition(".")[0]
    every = (node for file in r.project.files for node in ast.walk(file.tree) if isinstance(node, ast.ClassDef))
    return next((node for node in every if node.name == owner), None)


def inside(r: Rewriter, node: ast.AST) -> bool:
    """Whether a place is in a method, other than `forward`, that is told: layers that it runs do not learn it otherwise."""
    function = r.around(node, ast.FunctionDef)
    return bool(r._state.get("module") and r._state.get("training") and function and function.name != "forward")


def extra(r: Rewriter, node: ast.Call, seen: list[bool]) -> str:
    """What a call from outside of a network says of whether it trains."""
    if True in seen and False in seen:
        owner = node.func.value if isinstance(node.func, ast.Attribute) and not seen_called(r, node) else node.func
        return f'training=getattr({r.text(owner)}, "training", True)'
    return "training=True" if True in seen else ""


def seen_called(r: Rewriter, node: ast.Call) -> bool:
    """Whether what is called is a network, and no method of one."""
    return any(c.startswith("call:") for c in r.fact(node).callees)


def method(r: Rewriter, node: ast.Call, callees: list[str], fact: Any) -> str | None:
    """A call of a method that is told; None for other calls."""
    name = callees[0].rpartition(".")[2]
    owner = _class_of(r, callees[0]) if callees[0].startswith("user:") and len(callees) == 1 else None
    if owner is None or name == "forward" or name not in told(r, owner):
        return None
    mine = getattr(getattr(node.func, "value", None), "id", "") == "self"
    said = ("training=training" if r._state.get("training") else "") if mine else extra(r, node, fact.modes)
    return with_option(r.spans.composed(node, r.text), said) if said else None


def with_option(call: str, option: str) -> str:
    """The text of a call with one more option."""
    head = call[:-1].rstrip()
    return head + ("" if head.endswith(("(", ",")) else ", ") + option + ")"
