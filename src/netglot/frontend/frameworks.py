"""The frameworks that netglot knows of: how to tell that one is installed, and what it is good for.

`require` is the one gate through which a framework is asked for, so that a missing one is always the same clear
error that names the extra.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import sys
from dataclasses import dataclass

from netglot.errors import MissingFramework


@dataclass(frozen=True)
class Framework:
    """One framework: `name` is what the user types, `modules` what it needs, `extra` what installs it."""

    name: str
    title: str
    modules: tuple[str, ...]
    extra: str
    enables: str


FRAMEWORKS: dict[str, Framework] = {
    framework.name: framework
    for framework in (
        Framework("torch", "PyTorch", ("torch",), "torch", "reading and writing PyTorch networks and their files"),
        Framework("keras", "Keras", ("keras", "tensorflow"), "keras", "reading, writing and running Keras networks"),
        Framework("onnx", "ONNX", ("onnx",), "onnx", "reading and writing ONNX models"),
        Framework("coreml", "Core ML", ("coremltools",), "coreml", "writing Core ML files"),
        Framework(
            "zoo",
            "zoo",
            ("torchvision", "timm", "transformers"),
            "zoo",
            "the networks of torchvision, timm and transformers",
        ),
    )
}


def installed(module: str) -> bool:
    """Whether `module` can be imported; it is not."""
    if module in sys.modules:
        return sys.modules[module] is not None
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def version(module: str) -> str | None:
    """The installed version of a module's distribution, or None."""
    try:
        return importlib.metadata.version(module)
    except importlib.metadata.PackageNotFoundError:
        return None


def require(name: str, purpose: str = "") -> None:
    """Asserts that the framework `name` is installed.

    Raises:
        MissingFramework: it is not; the advice names the extra.
    """
    framework = FRAMEWORKS[name]
    missing = [module for module in framework.modules if not installed(module)]
    if missing:
        raise missing_module(missing[0], purpose)


def missing_module(module: str, purpose: str = "") -> MissingFramework:
    """The error for a module that is not installed; its extra is named where it belongs to one."""
    owner = next((f for f in FRAMEWORKS.values() if module.partition(".")[0] in f.modules), None)
    install = f'pip install "netglot[{owner.extra}]"' if owner else f"pip install {module.partition('.')[0]}"
    what = f"{module} is not installed"
    return MissingFramework(f"{what}, and {purpose} needs it" if purpose else what, advice=install)
