"""The weights of a CNTK file, in the orders of axes that the pivot's ops want."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from netglot.dialects.assembly import Assembly, checked, identifier
from netglot.dialects.cntk.sample import Sample
from netglot.errors import InputError, Refusal, WeightsError, notimpl
from netglot.formats.cntk import CONSTANT, Model, Variable
from netglot.pivot import ops
from netglot.pivot.dims import product
from netglot.pivot.graph import Graph, Names, Parameter
from netglot.pivot.op import TensorType, shape_of

_ROLES = {"W": "weight", "b": "bias", "E": "weight", "H": "weight_h", "aggregate_mean": "running_mean",
          "aggregate_variance": "running_var"}  # fmt: skip


class Weights:
    """Makes the parameters of a graph from variables, each once for each order of axes."""

    def __init__(self, model: Model, assembly: Assembly, consumers: dict[str, set[str]]):
        self.assembly, self.consumers = assembly, consumers
        self.made: dict[tuple, Parameter] = {}
        self.roles: dict[str, tuple[str, str]] = {}
        self.layers = _layers(model)

    def sample(self, variable: Variable) -> Sample:
        """A weight or constant as it stands in the file.

        Raises:
            InputError: it has no value.
        """
        if variable.array is None:
            raise InputError(f"{variable.name or variable.uid} has no value", advice="is the file complete?")
        role = _ROLES.get(variable.name, identifier(variable.name or "value").lower())
        return Sample(self.derived([variable], lambda a: a, variable.shape, role), variable=variable)

    def derived(
        self, variables: list[Variable], how: Callable, shape: tuple, role: str, layout: str = "", kind: str = ""
    ) -> Parameter:
        """What a function makes of weights; the same where it was made before."""
        key = (*(one.uid for one in variables), layout, shape)
        if key not in self.made:
            first = variables[0]
            for one in variables:
                one.array.check(one.shape)
            checked(shape, f"the {role} of {first.uid}")
            loads = [one.array.load for one in variables]
            constant = all(one.kind == CONSTANT for one in variables)
            dtype = first.array.dtype
            parameter = self.assembly.parameter(
                f"{first.uid}_{len(self.made)}",
                lambda: np.ascontiguousarray(how(*(load() for load in loads))).reshape(shape),
                TensorType(dtype, shape),
                kind="constant" if constant else "parameter",
                trainable=not constant,
            )
            self.made[key] = parameter
            self.roles[parameter.name] = (first.uid, role)
        made = self.made[key]
        if kind == "buffer":
            made.kind, made.trainable = "buffer", False
            self.roles[made.name] = (variables[0].uid, role)
        return made

    def get(
        self, held: Sample, role: str, kind: str = "parameter", layout: str = "", shape: tuple | None = None
    ) -> Any:
        """A sample as a weight of a shape; with the layout "T" that shape's two axes change places.

        Raises:
            WeightsError: it has another number of elements.
        """
        if held.dynamic:
            raise Refusal(notimpl(f"a {role} that the network computes from its inputs"))
        shape = held.shape if shape is None else shape
        if product(shape) != product(held.shape):
            raise WeightsError(f"a {role} is {list(held.shape)} and must be {list(shape)}")
        if held.variable is None or len(self.consumers.get(held.variable.uid, ())) > 1:
            value = held.value if tuple(shape_of(held.value)) == tuple(shape) else ops.Reshape(held.value, shape)
            return ops.Permute(value, (1, 0)) if layout == "T" else value
        if layout == "T":
            return self.derived([held.variable], lambda a: a.reshape(shape).T, shape[::-1], role, "T", kind)
        return self.derived([held.variable], lambda a: a.reshape(shape), shape, role, "", kind)

    def name(self, graph: Graph) -> None:
        """Gives the parameters of a finished graph the names of their layers."""
        names, renamed = Names(), {}
        for parameter in graph.parameters.values():
            uid, role = self.roles[parameter.name]
            parameter.name = names.unique(f"{self.layers.get(uid, 'network')}.{role}")
            renamed[parameter.name] = parameter
        graph.parameters = renamed


def _layers(model: Model) -> dict[str, str]:
    """The name of the layer that each weight belongs to: of the block around it, or of what first reads it."""
    found: dict[str, str] = {}
    counts: dict[str, int] = {}
    blocks = [one for one in model.functions.values() if one.root]
    for function in blocks + [one for one in model.functions.values() if not one.root]:
        held = [uid for uid in function.inputs if uid in model.variables and uid not in found]
        held = [uid for uid in held if model.variables[uid].array is not None]
        if not held:
            continue
        title = identifier(function.name or function.op.rpartition("::")[2]).lower()
        if not function.name:
            counts[title] = counts.get(title, 0) + 1
            title += str(counts[title])
        found |= dict.fromkeys(held, title)
    return found
