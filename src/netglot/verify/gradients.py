"""Gradients of both sides, compared where they can be: at the source's parameters, and at the inputs.

The target's gradients are taken back through the recipes, so a packed weight, two summed biases, or a weight that
the target holds twice are all the same case.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from netglot.verify.compare import Comparison, compare_exact
from netglot.verify.findings import Findings, listed, summary
from netglot.verify.inputs import permute
from netglot.verify.recipe import NotLinear, linear, parameters_in, path_of
from netglot.verify.spec import Spec

ROUNDING = 1e-12
"""A gradient that is zero in exact arithmetic (the bias of an attention key) is rounding noise of this part of the
largest gradient."""


def source_gradients(
    spec: Spec, target: Mapping[str, np.ndarray], findings: Findings
) -> tuple[dict[str, np.ndarray], set[str]]:
    """The target's gradients by path of the source's parameter; and the paths whose recipe cannot be followed back."""
    found: dict[str, np.ndarray] = {}
    lost: set[str] = set()
    for variable in spec.variables:
        if variable.path not in target:
            continue
        try:
            parts = linear(variable.recipe, spec.parameters).back(target[variable.path])
        except NotLinear as error:
            lost |= {path_of(p, spec.parameters) or "" for p in parameters_in(variable.recipe)}
            findings.notes.append(f"the gradient of {variable.path} was not compared: it is made with {error}")
            continue
        for path, gradient in parts.items():
            found[path] = found[path] + gradient if path in found else gradient
    return found, lost


def compare_gradients(
    spec: Spec, source: Mapping[str, np.ndarray], target: Mapping[str, np.ndarray], findings: Findings
) -> dict[str, Any]:
    """Compares gradients by name, inputs being called `input:NAME`; returns what the report says of them."""
    back, lost = source_gradients(spec, target, findings)
    largest = max((float(np.abs(g).max()) for g in source.values() if g.size), default=0.0)
    floor = ROUNDING * largest
    parameters: list[Comparison] = []
    inputs: list[Comparison] = []
    unused = []
    for name, gradient in source.items():
        if name.startswith("input:"):
            order = next(i.permutation for i in spec.inputs if f"input:{i.name}" == name)
            inputs.append(compare_exact(name, permute(gradient, order), target[name], floor=floor))
        elif name in back:
            parameters.append(compare_exact(name, gradient, back[name], floor=floor))
        elif name not in lost:
            unused.append(name)
            if np.abs(gradient).max(initial=0.0) > floor:
                findings.differs.append(f"{name} has a gradient in the source and no place in the target")
    wrong = sorted((c for c in (*parameters, *inputs) if not c.same), key=lambda c: -c.max_rel)
    if wrong:
        first = f"{wrong[0].name} {wrong[0].reason}"
        findings.differs.append(f"{len(wrong)} of {len(parameters) + len(inputs)} gradients differ: {first}")
    if unused:
        findings.notes.append(
            f"{len(unused)} parameters have no gradient in the source and no place in the target: {listed(unused)}"
        )
    measured = [_measured(c, floor, largest) for c in (*parameters, *inputs)]
    return {
        **summary(measured),
        "parameters": len(parameters),
        "inputs": len(inputs),
        "worst": [{"name": c.name, "max_abs": c.max_abs, "max_rel": c.max_rel} for c in wrong[:5]],
    }


def _measured(compared: Comparison, floor: float, largest: float) -> Comparison:
    """A comparison whose difference is nothing but rounding noise, told as a part of the largest gradient: as a part of
    a gradient that is itself noise it would say nothing."""
    return replace(compared, magnitude=largest) if compared.max_abs <= floor else compared
