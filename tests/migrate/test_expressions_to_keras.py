"""Every expression of `sources/expressions.txt` is the same in Keras as in PyTorch: shape, dtype and values."""

import ast
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("keras")

from netglot.migrate.migrating import migrate  # noqa: E402

SETUP = """import math
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F


def drawn(seed, *shape):
    return torch.tensor(np.random.RandomState(seed).randn(*shape).astype("float32"))


a, b = drawn(0, 3, 4), drawn(1, 3, 4)
c, d, im, sq, v = drawn(2, 2, 3, 4), drawn(3, 2, 4, 5), drawn(4, 2, 3, 8, 7), drawn(5, 4, 4), drawn(6, 4)
p = torch.sigmoid(drawn(7, 3, 4))
i = torch.tensor(np.random.RandomState(8).randint(-5, 6, (3, 4)))
j = torch.tensor(np.random.RandomState(9).randint(1, 4, (3, 4)))
ids = torch.tensor([0, 2, 1, 2])
t3 = torch.tensor([0, 2, 1])
m, n = drawn(10, 3, 4) > 0, drawn(11, 3, 4) > 0
R = {}
"""
NETWORK = """

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 2)

    def forward(self, x):
        return self.layer(x)


print(Net()(a))
"""
EXPRESSIONS = (Path(__file__).parent / "sources" / "expressions.txt").read_text().splitlines()
MARKED = ("torch.fmod(i, j)", "F.unfold(im, 3)", "torch.unique(ids)", "c[:, t3, 0]", "a.mode(1)")
"""What netglot does not write; that is said above each."""


@pytest.mark.parametrize("target", ["keras", pytest.param("tensorflow", marks=pytest.mark.fuzz)])
@pytest.mark.filterwarnings("ignore")
def test_expressions(target, tmp_path):
    source = SETUP + "".join(f"R[{k}] = {one}\n" for k, one in enumerate((*EXPRESSIONS, *MARKED))) + NETWORK
    (tmp_path / "script.py").write_text(source)
    found = migrate(tmp_path / "script.py", target, verify=False)
    expected: dict = {"__name__": "script"}
    exec(compile(source, "script.py", "exec"), expected)
    text = found.files["script.py"].decode()
    wrong, marked, place = [], [], {"__name__": "migrated", "R": {}}
    for statement in ast.parse(text).body:
        number = _number(statement)
        written = ast.get_source_segment(text, statement)
        if number is not None and text.splitlines()[statement.lineno - 2].startswith("# netglot: "):
            marked.append((*EXPRESSIONS, *MARKED)[number])
            continue
        try:
            exec(compile(ast.Module([statement], []), "migrated.py", "exec"), place)
        except Exception as error:
            wrong.append(f"{written}: {type(error).__name__}: {error}"[:300])
            continue
        if number is not None and (why := _apart(expected["R"][number], place["R"][number])):
            wrong.append(f"{EXPRESSIONS[number]} became {written.partition(' = ')[2]}: {why}")
    assert not wrong, "\n".join(wrong)
    assert marked == list(MARKED)


def _number(statement: ast.stmt) -> int | None:
    """Which expression a statement keeps."""
    if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Subscript):
        return ast.literal_eval(statement.targets[0].slice)
    return None


def _apart(mine, his) -> str | None:
    """How two results are apart; None where they are the same."""
    if isinstance(mine, torch.Size):
        return None if tuple(map(int, his)) == tuple(mine) else f"{tuple(mine)} and {his}"
    if isinstance(mine, (tuple, list)):
        his = list(his)
        if len(mine) != len(his):
            return f"{len(mine)} and {len(his)} of them"
        return next(filter(None, map(_apart, mine, his)), None)
    if isinstance(mine, torch.Tensor):
        dtype = getattr(his.dtype, "name", his.dtype)
        mine, his = mine.detach().numpy(), np.asarray(his)
        if mine.shape != his.shape or dtype != mine.dtype.name:
            return f"{mine.dtype}{mine.shape} and {dtype}{his.shape}"
        same = np.allclose(mine.astype("float64"), his.astype("float64"), rtol=1e-4, atol=1e-5, equal_nan=True)
        return None if same else f"{mine.ravel()[:4]} and {his.ravel()[:4]}"
    if isinstance(mine, (int, float)):
        return None if abs(mine - float(his)) <= 1e-4 * max(1.0, abs(mine)) else f"{mine} and {his}"
    return None
