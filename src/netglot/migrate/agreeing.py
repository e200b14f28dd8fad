"""What several facts agree on, and what becomes of their dtypes."""

from __future__ import annotations

import ast

from netglot.migrate.observe import Fact

NOTHING = Fact()
NUMBERS = {"int", "float", "bool"}


def joined(facts: list[Fact]) -> Fact:
    """What several facts agree on."""
    if not facts:
        return NOTHING
    kinds = list(dict.fromkeys(kind for one in facts for kind in one.kinds))
    if len(kinds) > 1 and set(kinds) - NUMBERS:
        kinds = [one for one in kinds if one != "none"]
        if len(kinds) != 1:
            return NOTHING
    tensors = [one for one in facts if "tensor" in one.kinds]
    dtypes = _agreed([one.dtypes for one in tensors])
    ranks = _agreed([one.ranks for one in tensors])
    items = list(dict.fromkeys(item for one in facts for item in one.items))
    extra = {"guessed": True} if any(one.extra.get("guessed") for one in facts) else {}
    return Fact(kinds=kinds, dtypes=dtypes, ranks=ranks, items=items, extra=extra)


def _agreed(given: list[list]) -> list:
    if not given or any(not one for one in given):
        return []
    found = {value for one in given for value in one}
    return list(found) if len(found) == 1 else []


def resting_on(fact: Fact, *of: Fact) -> Fact:
    if any(one.extra.get("guessed") for one in of):
        fact.extra["guessed"] = True
    return fact


def promoted_dtype(left: Fact, right: Fact, op: ast.operator, strict: bool) -> list[str]:
    """The dtype of a result, where both sides tell theirs."""
    if strict and (known := [one.dtypes[0] for one in (left, right) if one.kinds == ["tensor"] and one.dtypes]):
        return known[:1] if "float" in known[0] or not isinstance(op, ast.Div) else []
    dtypes = []
    for one in (left, right):
        if one.kinds == ["tensor"]:
            if len(one.dtypes) != 1:
                return []
            dtypes.append(one.dtypes[0])
        elif one.kinds == ["float"]:
            dtypes.append("python float")
        elif not one.kinds or set(one.kinds) - NUMBERS:
            return []
    real = [one for one in dtypes if one != "python float"]
    floats = [one for one in real if "float" in one]
    if floats:
        return [floats[0]] if len(set(floats)) == 1 else []
    if isinstance(op, ast.Div) or "python float" in dtypes:
        return ["float32"]
    return [real[0]] if len(set(real)) == 1 else []


def number_kind(dtypes: list[str]) -> str:
    if not dtypes:
        return "float"
    return "bool" if dtypes == ["bool"] else "float" if any("float" in one for one in dtypes) else "int"
