"""Where the weights of Keras's layers lie in the emitted modules: attribute, and the order of axes there."""

from __future__ import annotations

_NORM = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}


def place(kind: str, name: str, rank: int) -> tuple[str, tuple[int, ...] | None]:
    """The attribute of the module that holds a weight, and how its axes are permuted."""
    short = kind.rpartition(".")[2]
    if short == "Dense":
        return ("weight", (1, 0)) if name == "kernel" else (name, None)
    if short.startswith("Conv") and name == "kernel":
        return "weight", (rank - 1, rank - 2, *range(rank - 2))
    if short.endswith("Normalization"):
        return _NORM.get(name, name), None
    if short == "Embedding":
        return "weight", None
    if short == "MultiHeadAttention":
        return name.removeprefix("_").replace(".", "_").lstrip("_"), None
    if short == "PReLU":
        return name, None
    return name.replace("cell.", ""), None
