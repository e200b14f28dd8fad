"""What exporters tell of the tensors in a file: which are trained, which are buffers, which were only computed."""

from __future__ import annotations

import ast
import json
import re
from typing import Any

_KIND = "pkg.torch.export.graph_signature.InputSpec.kind"
_FOLDED = "pkg.onnxscript.optimizer.folded_from"
_NOT_TRAINED = {"BUFFER": "buffer", "CONSTANT_TENSOR": "constant", "CUSTOM_OBJ": "constant"}

_STEPS = frozenset(
    "abs add and any arange argsort bitwise_and bitwise_not bitwise_or cat clamp clone constant_pad_nd "
    "convert_element_type_default copy cos cumsum detach detach_default div empty empty_like eq exp expand eye fill "
    "flip floor floor_divide full full_like ge gt index lift_fresh_copy lifted_tensor linspace log log_softmax "
    "logical_and logical_not logical_or lt le masked_fill maximum meshgrid minimum mul ne neg new_full new_ones "
    "new_zeros ones ones_like outer permute pow reciprocal remainder repeat reshape rsub scalar_tensor "
    "scalar_tensor_default select shape sin slice softmax split sqrt squeeze stack sub sum t tensor to _to_copy "
    "transpose tril triu unbind unsqueeze view where zeros zeros_like value".split()
)
"""How PyTorch's newer exporter names what it computes, but for a number behind it."""


def kinds(proto: Any) -> dict[str, str]:
    """The tensors that the exporter says are not trained, as "buffer" or "constant"."""
    found = {}
    for info in proto.graph.value_info:
        held = {one.key: one.value for one in info.metadata_props}
        if held.get(_KIND) in _NOT_TRAINED:
            found[info.name] = _NOT_TRAINED[held[_KIND]]
        elif _FOLDED in held and _of_nothing(held[_FOLDED]):
            found[info.name] = "constant"
    return found


def _of_nothing(text: str) -> bool:
    """Whether a tensor was computed while the model was exported, and of no weight."""
    try:
        names = ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return False
    return isinstance(names, list) and bool(names) and all(isinstance(one, str) and _is_step(one) for one in names)


def _is_step(name: str) -> bool:
    return bool(re.fullmatch(r"val_\d+", name)) or re.sub(r"_\d+$", "", name) in _STEPS


def frozen(proto: Any) -> set[str]:
    """The initialisers that a model of netglot's says are not trained."""
    held = next((one.value for one in proto.metadata_props if one.key == "netglot.frozen"), "[]")
    try:
        return {name for name in json.loads(held) if isinstance(name, str)}
    except (ValueError, TypeError, RecursionError):
        return set()
