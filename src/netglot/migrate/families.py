"""The two directions: which worker observes, which proves, and which tables write."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

RESERVED = {
    "name", "path", "dtype", "dtype_policy", "compute_dtype", "variable_dtype", "input", "output", "input_spec",
    "inputs", "outputs", "losses", "metrics", "weights", "variables", "trainable_variables", "non_trainable_variables",
    "trainable_weights", "non_trainable_weights", "built", "layers", "build", "compile", "input_shape", "output_shape",
    "metrics_variables", "quantization_mode", "metrics_names", "compiled", "summary", "add_loss", "add_weight", "call",
    "trainable", "loss", "optimizer", "export", "get_config", "jit_compile", "run_eagerly", "distribute_strategy",
}  # fmt: skip
"""Attributes that Keras keeps for itself; a network that sets one has it under another name."""


@dataclass(frozen=True)
class Family:
    """One direction of migration."""

    observer: str
    prover: str
    weights_file: str
    target: Callable[[str, str], Any]
    renamed: Callable[[Any], dict[str, str]]
    place: Callable[..., Any]
    trains: Callable[[Any], bool] = lambda file: any(
        name in file.text for name in (".backward(", ".fit(", "GradientTape(")
    )


def _to_keras(name: str, style: str) -> Any:
    from netglot.migrate.to_keras.target import Target

    return Target(name, style)


def _keras_renamed(project: Any) -> dict[str, str]:
    """The attributes of the user's networks that Keras keeps for itself, each with an underscore."""
    found: set[str] = set()
    for file in project.files:
        modules = {name for name, row in file.classes.items() if row["kind"] == "module"}
        for node in ast.walk(file.tree):
            if not isinstance(node, ast.ClassDef) or node.name not in modules:
                continue
            for inner in ast.walk(node):
                if isinstance(inner, ast.Attribute) and isinstance(inner.ctx, ast.Store):
                    if isinstance(inner.value, ast.Name) and inner.value.id == "self":
                        found.add(inner.attr)
                elif isinstance(inner, ast.FunctionDef) and inner.name != "forward":
                    found.add(inner.name)
    return {name: f"{name}_" for name in found & RESERVED}


def _keras_place(kind: str, name: str, rank: int) -> Any:
    from netglot.migrate.to_keras.weights import place

    return place(kind, name, rank)


_KERAS = Family(
    "netglot.migrate.runtime_torch", "netglot.migrate.runtime_keras", "model.weights.h5", _to_keras, _keras_renamed,
    _keras_place,
)  # fmt: skip


def _to_torch(name: str, style: str) -> Any:
    from netglot.migrate.to_torch.target import TorchTarget

    return TorchTarget(name)


def _torch_place(kind: str, name: str, rank: int) -> Any:
    from netglot.migrate.to_torch.weights import place

    return place(kind, name, rank)


_TORCH = Family(
    "netglot.migrate.runtime_keras", "netglot.migrate.runtime_torch", "model.safetensors", _to_torch,
    lambda project: {}, _torch_place,
)  # fmt: skip
FAMILIES: dict[str, Family] = {"keras": _KERAS, "tensorflow": _KERAS, "torch": _TORCH}
"""What can be written, by name."""
