"""Bad input: one clear message, exit code 2, nothing written. And the small parts, without any framework."""

import ast

import pytest

from netglot.cli import run
from netglot.migrate.declare import Table, bind
from netglot.migrate.fidelity import measured
from netglot.migrate.networks import parsed_input
from netglot.migrate.project import definitions, read_project
from netglot.migrate.spans import Spans


@pytest.mark.parametrize(
    "text, said",
    [
        ("import torch\nclass Net(:\n    pass\n", "bad.py:2: SyntaxError"),
        ("print('no framework')\n", "does not use PyTorch"),
    ],
)
def test_files_that_cannot_be_migrated(tmp_path, text, said, capsys):
    path = tmp_path / "bad.py"
    path.write_text(text)
    assert run(["migrate", str(path), "--to", "keras", "-o", str(tmp_path / "out")]) == 2
    assert said in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "text, said, options",
    [
        ("import torch\nx = torch.zeros(1)\n", ["no network was found"], []),
        ("import torch\nimport surely_not_installed\n", ["surely_not_installed, which is not installed"], []),
        (
            "import torch\ndef load(path):\n    raise RuntimeError('by the user')\nload('data.csv')\n",
            ["RuntimeError at bad.py:3 while running bad.py: by the user", 'File "bad.py", line 4', "load('data.csv')"],
            [],
        ),
        (
            "import torch\nclass Net(torch.nn.Module):\n    def __init__(self, width, depth):\n        pass\n",
            ["Net in bad.py needs arguments: width, depth"],
            [],
        ),
        ("import torch\nwhile True:\n    pass\n", ["longer than 6 seconds"], ["--time-limit", "6"]),
    ],
)
def test_code_that_does_not_run(tmp_path, text, said, options, capsys, monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.setenv("COLUMNS", "200")
    path = tmp_path / "bad.py"
    path.write_text(text)
    assert run(["migrate", str(path), "--to", "keras", "-o", str(tmp_path / "out"), *options]) == 2
    told = " ".join(capsys.readouterr().err.replace(str(tmp_path) + "/", "").split())
    assert all(one in told for one in said), told
    assert "netglot/migrate" not in told
    assert [one.name for one in tmp_path.iterdir()] == ["bad.py"]


def test_a_folder_copies_what_uses_no_framework(tmp_path):
    (tmp_path / "net.py").write_text("import torch\n")
    (tmp_path / "plain.py").write_text("X = 1\n")
    project = read_project([tmp_path], None, "keras")
    assert [file.path for file in project.files] == ["net.py"]
    assert project.others == {"plain.py": b"X = 1\n"}


def test_an_option_that_nothing_speaks_of_is_told():
    table = Table()
    table.declare("f(x, size=1, mode='a')", "g({x}<, n={size}>)")
    (row,) = table.find("f")

    class Plain:
        def text(self, node):
            return ast.unparse(node)

        class target:
            table = Table()

            @staticmethod
            def spell(text, r):
                return text

            @staticmethod
            def argument(c, name, text, before):
                return None

    call = ast.parse("f(a + b, size=n)", mode="eval").body
    assert bind(Plain(), call, row).filled() == "g(a + b, n=n)"
    other = ast.parse("f(a, mode='b')", mode="eval").body
    assert bind(Plain(), other, row).unspoken() == ["mode"]
    assert bind(Plain(), ast.parse("f(a, mode='a')", mode="eval").body, row).unspoken() == []


def test_text_around_replaced_nodes_is_kept():
    text = "y = f( a,  # first\n       b )\n"
    tree = ast.parse(text)
    spans = Spans(text)
    made = spans.composed(tree.body[0], lambda n: "Z" if getattr(n, "id", "") == "a" else spans.source(n))
    assert made == "y = f( a,  # first\n       b )"
    call = tree.body[0].value
    assert spans.composed(call, lambda n: "Z" if getattr(n, "id", "") == "a" else spans.source(n)).startswith(
        "f( Z,  # first"
    )


def test_a_script_without_what_it_runs():
    text = "import torch\nx = 1\nfor i in range(3):\n    x += i\nmodel.fit(x)\ndef f():\n    return x\n"
    left = definitions(text)
    assert "for i" not in left
    assert ".fit" not in left
    assert "def f" in left


def test_inputs_and_fidelity():
    assert parsed_input("ids=int64 2,16@0:100") == {
        "name": "ids",
        "shape": [2, 16],
        "dtype": "int64",
        "low": 0,
        "high": 100,
    }
    shares = measured("def forward(x):  # a\n    return x\n", "def call(x):\n    return x\n")
    assert shares["comments"] == 0
    assert shares["names"] == shares["parameters"] == 1


@pytest.mark.parametrize(
    "marked, summary",
    [(0, "equivalent"), (1, "networks: equivalent; 1 place is marked and not migrated"),
     (3, "networks: equivalent; 3 places are marked and not migrated")],
)  # fmt: skip
def test_the_verdict_never_hides_what_is_marked(marked, summary):
    from io import StringIO

    from rich.console import Console

    from netglot.migrate.migrating import _summary
    from netglot.migrate.telling import show

    report = {"verdict": "equivalent", "marked": marked, "networks": [{}], "files": [], "notes": []}
    assert _summary(report) == summary
    said = StringIO()
    show(Console(file=said, width=200), {**report, "networks": [], "summary": summary})
    assert said.getvalue().splitlines()[0].strip() == summary


def test_a_script_without_what_it_runs_keeps_its_vocabulary():
    text = '"""A script."""\nfrom __future__ import annotations\nwords = {}\n'
    text += 'for line in ["a b"]:\n    for w in line.split():\n'
    text += "        words.setdefault(w, len(words))\nfor epoch in range(3):\n    learn(words)\n"
    kept = definitions(text)
    assert kept.startswith("from __future__ import annotations") and "setdefault" in kept and "learn" not in kept
