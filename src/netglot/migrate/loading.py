"""The user's files as modules of a worker: observed, or as they stand, and never written to."""

from __future__ import annotations

import ast
import importlib.abc
import importlib.machinery
import importlib.util
import linecache
import os
import sys
from collections.abc import Callable
from types import CodeType, ModuleType
from typing import Any

from netglot.frontend.incomplete import complete_on_import
from netglot.migrate.instrument import RECORDER


class Files(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds the modules of one project among given texts, before Python looks for them on disk.

    Args:
        files: module name to (file name, text).
        compiled: makes the code of a file.
        recorders: module name to what stands as the recorder in it.
    """

    def __init__(
        self,
        files: dict[str, tuple[str, str]],
        compiled: Callable[[str, str], CodeType],
        recorders: Callable[[str], Any] | None = None,
    ):
        self.files, self.compiled, self.recorders = files, compiled, recorders
        self.packages = {name.rpartition(".")[0] for name in files if "." in name}
        self.packages |= {name.removesuffix(".__init__") for name in files if name.endswith("__init__")}
        self.packages -= {
            name.rpartition(".")[0]
            for name, (path, _) in files.items()
            if "." in name
            and f"{name.rpartition('.')[0]}.__init__" not in files
            and os.path.isfile(os.path.join(os.path.dirname(path), "__init__.py"))
        }  # whose own file uses no framework: Python finds it by itself

    def install(self) -> None:
        """From now on these files are what is imported under their names."""
        for name in [*self.files, *self.packages]:
            sys.modules.pop(name.removesuffix(".__init__"), None)
        sys.meta_path.insert(0, self)

    def remove(self) -> None:
        """Python finds its modules as before."""
        sys.meta_path.remove(self)
        for name in [*self.files, *self.packages]:
            sys.modules.pop(name.removesuffix(".__init__"), None)

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name in self.files:
            return importlib.util.spec_from_loader(name, self, origin=self.files[name][0])
        if f"{name}.__init__" in self.files or (name in self.packages and name):
            return importlib.util.spec_from_loader(name, self, is_package=True)
        return None

    def create_module(self, spec: Any) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        name = module.__name__
        key = name if name in self.files else f"{name}.__init__"
        if key in self.files:
            self.run(key, module)

    def run(self, key: str, module: ModuleType) -> None:
        """Runs a file in a module."""
        complete_on_import()
        filename, text = self.files[key]
        module.__file__ = filename
        if self.recorders is not None:
            setattr(module, RECORDER, self.recorders(key))
        shown = text.replace("float32", "float64") if self.compiled is doubled else text
        linecache.cache[filename] = (len(shown), None, shown.splitlines(keepends=True), filename)  # AutoGraph reads it
        exec(self.compiled(text, filename), module.__dict__)

    def script(self, key: str) -> ModuleType:
        """Runs a file as Python runs a script, and gives its module."""
        module = ModuleType("__main__")
        module.__package__ = key.rpartition(".")[0]
        sys.modules["__main__"] = module
        sys.modules.setdefault(key, module)
        self.run(key, module)
        return module


class _Doubled(ast.NodeTransformer):
    """Makes an explicit float32 mean float64."""

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        return ast.copy_location(ast.Constant("float64"), node) if node.value == "float32" else node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        place = node.value.id if isinstance(node.value, ast.Name) else ""
        if node.attr == "float32" and place in ("tf", "torch", "np", "numpy"):
            node.attr = "float64"
        elif place == "torch" and node.attr in ("float", "FloatTensor"):
            node.attr = {"float": "double", "FloatTensor": "DoubleTensor"}[node.attr]
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """`tf.Variable(5.0)` holds a number of double precision."""
        self.generic_visit(node)
        made = isinstance(node.func, ast.Attribute) and node.func.attr == "Variable"
        place = getattr(node.func.value, "id", "") if made else ""  # type: ignore[attr-defined]
        if place == "tf" and node.args and _numbers(node.args[0]):
            constant = ast.Attribute(ast.Name(place, ast.Load()), "constant", ast.Load())
            node.args[0] = ast.copy_location(ast.Call(constant, [node.args[0]], []), node.args[0])
        return node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        return node


def _numbers(node: ast.AST) -> bool:
    """Whether an expression is written as numbers, some of them with a point."""
    known = (ast.Constant, ast.UnaryOp, ast.List, ast.Tuple, ast.USub, ast.Load)
    parts = list(ast.walk(node))
    floating = any(isinstance(one, ast.Constant) and isinstance(one.value, float) for one in parts)
    return floating and all(isinstance(one, known) for one in parts)


def doubled(text: str, filename: str) -> CodeType:
    """The code of a file in which an explicit float32 means float64: what is proven is proven in double precision."""
    return compile(ast.fix_missing_locations(_Doubled().visit(ast.parse(text, filename))), filename, "exec")
