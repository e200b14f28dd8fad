"""Where the weights of PyTorch's modules lie in the emitted layers: attribute, and the order of axes there."""

from __future__ import annotations

from collections.abc import Mapping

NORM = {
    "weight": ("gamma", None), "bias": ("beta", None),
    "running_mean": ("moving_mean", None), "running_var": ("moving_variance", None),
}  # fmt: skip
_CONV = {"weight": ("kernel", "reversed pairs"), "bias": ("bias", None)}
WEIGHTS: dict[str, Mapping[str, tuple[str, str | None]]] = {
    "torch.nn.Linear": {"weight": ("kernel", "transposed"), "bias": ("bias", None)},
    "torch.nn.Embedding": {"weight": ("embeddings", None)},
    "torch.nn.PReLU": {"weight": ("alpha", None)},
    "torch.nn.LayerNorm": NORM,
    "torch.nn.GroupNorm": NORM,
    **{f"torch.nn.{kind}{n}d": _CONV for n in "123" for kind in ("Conv", "ConvTranspose")},
    **{f"torch.nn.{kind}{n}d": NORM for n in "123" for kind in ("BatchNorm", "InstanceNorm")},
    "torch.nn.MultiheadAttention": {
        "out_proj.weight": ("out_weight", None), "out_proj.bias": ("out_bias", None),
    },
}  # fmt: skip
"""Names that are not listed are the same on both sides, in the same order of axes."""


NORMED = {"weight_g": "magnitude", "weight_u": "left", "weight_v": "right", "weight_orig": "kernel"}
"""What weights with a norm of their own are made of; PyTorch calls two things `weight_v`."""


def place(kind: str, name: str, rank: int) -> tuple[str, tuple[int, ...] | None]:
    """The attribute of the layer that holds a weight, and how its axes are permuted."""
    if name in NORMED:
        direction = name == "weight_orig" or (name == "weight_v" and rank > 1)
        return ("kernel", (*range(2, rank), 1, 0)) if direction else (NORMED[name], None)
    attribute, how = WEIGHTS.get(kind, {}).get(name, (name, None))
    if how == "transposed":
        return attribute, (1, 0)
    if how == "reversed pairs":
        return attribute, (*range(2, rank), 1, 0)
    return attribute, None
