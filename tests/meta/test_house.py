"""The rules that hold the house up: who imports whom, what is generated, what is clean."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from netglot.dialects.dialect import all_ops
from netglot.report import docs
from netglot.report.matrix import all_dialects

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "netglot"
FRAMEWORKS = {"torch", "torchvision", "tensorflow", "keras", "jax", "transformers", "timm"}
LAYERS = {
    "errors": (),
    "pivot": ("errors", "pivot"),
    "passes": ("errors", "pivot", "dialects", "passes"),
    "source": ("errors", "pivot", "passes", "dialects", "source"),
    "dialects": ("errors", "pivot", "source", "passes", "formats", "dialects", "frontend"),
    "formats": ("errors", "pivot", "formats", "dialects"),
}
"""Which parts of the house each part may import."""

HEIRS = {"tensorflow": ("keras",), "keras": ("tensorflow",), "tflite": ("tensorflow", "keras"), "coreml": ("torch",)}
"""Dialects of one family: TensorFlow graphs cast as Keras casts, and raw TensorFlow stands inside Keras layers."""

SHARED = ("netglot.source.spell", "netglot.source.hints")
"""The words in which dialects declare, and what the user's own lines say; who may import dialects may have these."""


def modules():
    return sorted(PACKAGE.rglob("*.py"))


def imports(path, *, top_only=False):
    """The modules that a file imports, `netglot.x.y` written out."""
    tree = ast.parse(path.read_text("utf-8"))
    for node in tree.body if top_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_importing_netglot_imports_no_framework():
    code = (
        "import sys, netglot, netglot.cli\n"
        f"print(sorted({FRAMEWORKS!r} & set(sys.modules)))\n"
        "from netglot.report.matrix import matrix; matrix()\n"
        f"print(sorted({FRAMEWORKS!r} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert run.stdout.split() == ["[]", "[]"]


@pytest.mark.parametrize("path", [p for p in modules() if "ops" in p.parts or p.name == "dialect.py"], ids=str)
def test_declarations_import_no_framework(path):
    assert not {name.partition(".")[0] for name in imports(path)} & FRAMEWORKS


def test_no_dialect_imports_a_sibling():
    for path in (PACKAGE / "dialects").rglob("*.py"):
        own = path.relative_to(PACKAGE / "dialects").parts[0]
        others = set(all_dialects()) - {own, *HEIRS.get(own, ())}
        wrong = [
            n
            for n in imports(path)
            if n.split(".")[:2] == ["netglot", "dialects"] and n.split(".")[2:3] and n.split(".")[2] in others
        ]
        assert not wrong, f"{path.name} imports {wrong}"


@pytest.mark.parametrize("part", LAYERS)
def test_imports_go_one_way(part):
    paths = [PACKAGE / f"{part}.py"] if (PACKAGE / f"{part}.py").exists() else sorted((PACKAGE / part).rglob("*.py"))
    for path in paths:
        parts = {n.split(".")[1] for n in imports(path) if n.startswith("netglot.") and not n.startswith(SHARED)}
        allowed = {*LAYERS[part], *(["helpers"] if part == "dialects" else [])}
        assert parts <= allowed, f"{path.relative_to(PACKAGE)} imports {sorted(parts - allowed)}"


@pytest.mark.parametrize("name", [name for name, dialect in all_dialects().items() if dialect.writers])
def test_the_matrix_has_no_blank(name):
    blank = [op for op, kind in all_ops().items() if all_dialects()[name].status(kind)[0] == "blank"]
    assert not blank


def test_every_op_says_what_it_means_and_has_cases():
    for name, kind in all_ops().items():
        assert kind.__doc__, name
        assert kind.cases, f"{name} has no cases"


@pytest.mark.parametrize("page", docs.pages())
def test_generated_pages_are_committed(page):
    assert (ROOT / "docs" / page).read_text("utf-8") == docs.pages()[page], "run `make docs`"


def test_no_generated_page_is_left_over():
    assert {f"ops/{path.name}" for path in (ROOT / "docs" / "ops").glob("*.md")} <= docs.pages().keys()


@pytest.mark.parametrize("command", [["check"], ["format", "--check"]], ids=" ".join)
def test_ruff(command):
    run = subprocess.run([sys.executable, "-m", "ruff", *command, "."], capture_output=True, text=True, cwd=ROOT)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize(
    "page",
    [*sorted((ROOT / "docs").rglob("*.md")), *sorted(PACKAGE.rglob("README.md")), ROOT / "README.md"],
    ids=lambda p: str(p.relative_to(ROOT)),
)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_every_module_says_its_idea(path):
    text = path.read_text("utf-8")
    assert not text.strip() or ast.get_docstring(ast.parse(text)), f"{path} has no docstring"
