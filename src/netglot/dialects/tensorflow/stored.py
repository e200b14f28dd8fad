"""Where a graph of TensorFlow 1 keeps more than its nodes: SavedModels with signatures, and checkpoints."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from netglot.errors import InputError


@dataclass(frozen=True)
class Signature:
    """The names of a SavedModel's inputs, by their node, and of its outputs with the tensor that each is."""

    inputs: dict[str, str]
    outputs: dict[str, str]


def saved(path: Path) -> tuple[Any, Signature]:
    """The graph of a SavedModel of TensorFlow 1, and its signature: that of serving, or the first.

    Raises:
        InputError: it is damaged, or has no signature.
    """
    message: Any = saved_model_pb2.SavedModel()
    try:
        message.ParseFromString((path / "saved_model.pb").read_bytes())
    except Exception as error:  # the parser raises whatever it stumbles over
        raise InputError(f"{path} is no SavedModel of TensorFlow", advice="is it complete?") from error
    graphs = sorted(message.meta_graphs, key=lambda one: "serve" not in one.meta_info_def.tags)
    if not graphs or not graphs[0].signature_def:
        raise InputError(f"{path} has no signature", advice="give the frozen graph, or the .meta with its checkpoint")
    held = graphs[0].signature_def
    chosen = held["serving_default"] if "serving_default" in held else held[min(held)]
    inputs = {name_of(one.name): key for key, one in sorted(chosen.inputs.items())}
    outputs = {key: one.name for key, one in sorted(chosen.outputs.items())}
    return graphs[0].graph_def, Signature(inputs, outputs)


def has_variables(path: Path, weights: Any) -> bool:
    return weights is not None or (path / "variables" / "variables.index").is_file()


def checkpoint_of(path: Any) -> dict[str, Any]:
    """How each variable of a checkpoint is loaded."""
    prefix = re.sub(r"\.(index|data-\d+-of-\d+)$", "", str(path))
    try:
        reader = tf.train.load_checkpoint(prefix)
    except Exception as error:
        raise InputError(f"{path} is no checkpoint of TensorFlow") from error
    return {name: (lambda name=name: reader.get_tensor(name)) for name in reader.get_variable_to_shape_map()}


def name_of(reference: str) -> str:
    """The name of the node that a reference speaks of."""
    return reference.lstrip("^").split(":")[0]
