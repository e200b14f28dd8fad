"""Expressions of one framework, migrated in one script and compared one by one: shape, dtype and values."""

import ast
from pathlib import Path
from typing import Any

import numpy as np

from netglot.migrate.migrating import migrate

SOURCES = Path(__file__).parent / "sources"


def compared(source: str, expressions: list[str], rest: str, target: str, folder: Path) -> tuple[list[str], list[str]]:
    """What came out wrong, and what is marked, of expressions that follow `source` and come before `rest`."""
    whole = source + "".join(f"R[{k}] = {one}\n" for k, one in enumerate(expressions)) + rest
    (folder / "script.py").write_text(whole)
    text = migrate(folder / "script.py", target, verify=False).files["script.py"].decode()
    expected: dict = {"__name__": "script"}
    exec(compile(whole, "script.py", "exec"), expected)
    wrong, marked, place = [], [], {"__name__": "migrated", "R": {}}
    for statement in ast.parse(text).body:
        number, written = _number(statement), ast.get_source_segment(text, statement) or ""
        if number is not None and text.splitlines()[statement.lineno - 2].startswith("# netglot: "):
            marked.append(expressions[number])
            continue
        try:
            exec(compile(ast.Module([statement], []), "migrated.py", "exec"), place)
        except Exception as error:
            wrong.append(f"{written}: {type(error).__name__}: {error}"[:300])
            continue
        if number is not None and (why := apart(expected["R"][number], place["R"][number])):
            wrong.append(f"{expressions[number]} became {written.partition(' = ')[2]}: {why}")
    return wrong, marked


def _number(statement: ast.stmt) -> int | None:
    """Which expression a statement keeps."""
    if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Subscript):
        return ast.literal_eval(statement.targets[0].slice)
    return None


def apart(mine: Any, his: Any) -> str | None:
    """How two results are apart; None where they are the same."""
    if type(mine).__name__ in ("Size", "TensorShape"):
        return None if tuple(map(int, his)) == tuple(mine) else f"{tuple(mine)} and {his}"
    if isinstance(mine, (tuple, list)):
        his = list(his)
        if len(mine) != len(his):
            return f"{len(mine)} and {len(his)} of them"
        return next(filter(None, map(apart, mine, his)), None)
    if hasattr(mine, "dtype") and hasattr(mine, "shape"):
        return _tensors_apart(mine, his)
    if isinstance(mine, (int, float)):
        return None if abs(mine - float(his)) <= 1e-4 * max(1.0, abs(mine)) else f"{mine} and {his}"
    return None


def _tensors_apart(mine: Any, his: Any) -> str | None:
    """The same for tensors and arrays; TensorFlow's 32 bits for whole numbers are PyTorch's 64."""
    torch_first = type(mine).__module__.startswith("torch")
    mine, his = (np.asarray(one.detach() if hasattr(one, "detach") else one) for one in (mine, his))
    same_dtype = mine.dtype == his.dtype if torch_first else mine.dtype.kind == his.dtype.kind
    if mine.shape != his.shape or not same_dtype:
        return f"{mine.dtype}{mine.shape} and {his.dtype}{his.shape}"
    same = np.allclose(mine.astype("float64"), his.astype("float64"), rtol=1e-4, atol=1e-5, equal_nan=True)
    return None if same else f"{mine.ravel()[:4]} and {his.ravel()[:4]}"
