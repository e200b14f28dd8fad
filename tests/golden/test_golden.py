"""The emitted source is the committed one, the same in every process, clean, and about as long as its source."""

from __future__ import annotations

import ast
import functools
import hashlib
import inspect
import os
import subprocess
import sys

import pytest

pytest.importorskip("torch")
pytest.importorskip("keras")

from ruff.__main__ import find_ruff_bin
from tests.golden import networks
from tests.golden.emitted import FOLDER, emitted, path_of
from tests.golden.networks import IMAGES, LARGE, NETWORKS, SMALL


@pytest.fixture(params=NETWORKS)
def name(request):
    if request.param in LARGE:
        request.getfixturevalue("torchvision")
    return request.param


@functools.cache
def written(name):
    return emitted(name)


def test_source_is_the_committed_one(name):
    committed = path_of(name).read_text(encoding="utf-8")
    assert written(name).source == committed, "read the change; python -m tests.golden --update takes it"


def test_source_is_python_with_the_classes_of_the_network(name):
    tree = ast.parse(written(name).source)
    compile(tree, f"{name}.py", "exec")
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    assert all(ast.unparse(node.bases[0]).startswith(("layers.", "keras.")) for node in classes.values())
    assert written(name).class_name in classes
    assert [node.name for node in tree.body if isinstance(node, ast.FunctionDef)][-1] == "load"


@pytest.mark.parametrize("name", IMAGES)
def test_no_axis_is_moved_inside_an_image_network(name, request):
    if name in LARGE:
        request.getfixturevalue("torchvision")
    assert written(name).arranged.transposes == 0
    assert "transpose(" not in written(name).source


@pytest.mark.parametrize("name", SMALL)
def test_source_has_about_as_many_statements_as_its_own(name):
    tree = ast.parse(written(name).source)
    known = {n for n, k in vars(networks).items() if inspect.isclass(k)}
    # helpers, and classes that stand for the framework's own, have no counterpart in the network's source
    others = tuple(n.name for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef) and n.name not in known)
    ours = _statements(tree, but=others)
    made = [NETWORKS[name][0]]
    for kind in made:  # the classes that the network is made of, found by name
        words = set(inspect.getsource(kind).replace("(", " ").split())
        made += [
            k
            for n, k in vars(networks).items()
            if n in words and inspect.isclass(k) and n not in SMALL and k not in made
        ]
    theirs = sum(
        _statements(ast.parse(inspect.getsource(kind))) for kind in made if kind.__module__ == networks.__name__
    )
    assert ours <= 1.5 * theirs + 12, f"{ours} statements from {theirs}"


def _statements(tree: ast.Module, but: tuple[str, ...] = ()) -> int:
    return sum(
        isinstance(node, ast.stmt)
        for top in tree.body
        if isinstance(top, ast.ClassDef) and top.name not in but
        for node in ast.walk(top)
    )


def test_committed_files_are_those_of_the_networks():
    assert {path.stem for path in FOLDER.glob("*.py")} == set(NETWORKS)


@pytest.mark.parametrize(
    "arguments",
    [["check", "--extend-select", "I"], ["format", "--check", "--line-length", "100"]],
    ids=["check", "format"],
)
def test_committed_files_are_clean(arguments):
    done = subprocess.run(
        [find_ruff_bin(), *arguments, "--isolated", "--no-cache", str(FOLDER)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


DIGEST = """
import hashlib
from tests.golden.emitted import emitted
from tests.golden.networks import SMALL
for name in SMALL:
    print(name, hashlib.sha256(emitted(name).source.encode()).hexdigest())
"""


def test_another_process_writes_the_same_bytes():
    other = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    environment = {**os.environ, "PYTHONHASHSEED": other, "PYTHONPATH": os.pathsep.join(["src", "."])}
    done = subprocess.run([sys.executable, "-c", DIGEST], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    found = dict(line.split() for line in done.stdout.splitlines())
    assert found == {name: hashlib.sha256(written(name).source.encode()).hexdigest() for name in SMALL}
