"""Training mode on both sides: running statistics after a step, steps of gradient descent, and random dropping."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from netglot.pivot.graph import Parameter
from netglot.verify.compare import Comparison, compare_exact
from netglot.verify.findings import Findings, listed, summary
from netglot.verify.recipe import NotLinear, evaluate_recipe, linear, parameters_in
from netglot.verify.spec import Spec, Variable

TOGETHER = 1e-6
"""How far losses (as a part of the first) and parameters (as a part of how far they moved) may part in ten steps."""

ROUNDING = 1e-12
"""A parameter that gradients cannot move (a bias before batch norm) stays, up to this part of its magnitude."""

SIGMAS = 5.0
"""How far an observed rate may stray from the stated one."""

State = Mapping[str, np.ndarray]


def added_parameters(spec: Spec) -> dict[str, list[str]]:
    """The trainable parameters that a target's variable adds to another one, by the variable's path.

    PyTorch has two biases in an LSTM where Keras has their sum; gradient descent moves that sum twice as far. The
    source is trained with one of them held.
    """
    table = {}
    for variable in spec.variables:
        if variable.trainable and len(parameters_in(variable.recipe)) > 1:
            try:
                added = linear(variable.recipe, spec.parameters).added
            except NotLinear:
                continue
            if added:
                table[variable.path] = added
    return table


def statistics_of(spec: Spec) -> list[Variable]:
    """The variables that training changes without gradients."""
    moving = {"buffer"}
    return [v for v in spec.variables if not v.trainable and any(p.kind in moving for p in parameters_in(v.recipe))]


def _made(variable: Variable, parameters: Mapping[str, Parameter], state: State) -> np.ndarray:
    return evaluate_recipe(variable.recipe, parameters, state)


def compare_statistics(
    spec: Spec, source: tuple[State, State], target: tuple[State, State], findings: Findings, *, after: str
) -> dict[str, Any]:
    """Running statistics of both sides: equal, or equal where one side is taken with the biased estimate.

    Each side is its own state, and the running variances as they would be with the biased estimate (nothing where
    they are biased anyway).
    """
    native, biased = source
    plain: list[Comparison] = []
    unbiased: list[Comparison] = []
    reverse: list[Comparison] = []
    wrong: list[Comparison] = []
    for variable in statistics_of(spec):
        expected = _made(variable, spec.parameters, native)
        own = compare_exact(variable.path, expected, target[0][variable.path])
        if own.same:
            plain.append(own)
            continue
        other = compare_exact(
            variable.path, _made(variable, spec.parameters, {**native, **biased}), target[0][variable.path]
        )
        turned = variable.path in target[1] and compare_exact(variable.path, expected, target[1][variable.path]).same
        (unbiased if other.same else reverse if turned else wrong).append(own)
    if unbiased:
        size = max(c.max_rel for c in unbiased)
        findings.notes.append(
            f"{len(unbiased)} running variances are kept unbiased by the source and biased by the target's own layer "
            f"(n/(n-1)): {size:.1e} of their magnitude {after}"
        )
    if reverse:
        size = max(c.max_rel for c in reverse)
        findings.notes.append(
            f"{len(reverse)} running variances are kept biased by the source and unbiased by the target's own layer "
            f"(n/(n-1)): {size:.1e} of their magnitude {after}"
        )
    unbiased += reverse
    if wrong:
        worst = max(wrong, key=lambda c: c.max_rel)
        findings.differs.append(f"{len(wrong)} running statistics differ {after}: {worst.name} is {worst.reason}")
    return {**summary([*plain, *wrong]), "biased_variance": _size(unbiased) if unbiased else None}


def _size(found: list[Comparison]) -> dict[str, Any]:
    return {key: value for key, value in summary(found).items() if key != "same"}


def compare_training(
    spec: Spec, before: State, source: Mapping[str, Any], target: Mapping[str, Any], findings: Findings
) -> dict[str, Any]:
    """Compares two runs of gradient descent, given what the workers' `train` returned, arrays read.

    `before` is the source's state at the start.
    """
    losses = source["losses"], target["losses"]
    scale = max(abs(losses[0][0]), 1e-300)
    apart = max(abs(a - b) for a, b in zip(*losses, strict=True)) / scale
    if not apart <= TOGETHER:
        step = next(i for i, (a, b) in enumerate(zip(*losses, strict=True)) if not abs(a - b) / scale <= TOGETHER)
        findings.differs.append(
            f"training parts at step {step + 1}: the loss is {losses[0][step]:.9g} in the source and "
            f"{losses[1][step]:.9g} in the target"
        )
    moved = [v for v in spec.variables if v.trainable]
    found = [_moved_alike(v, spec, before, source["last"], target["last"]) for v in moved]
    wrong = [c for c in found if not c.same]
    if wrong:
        worst = max(wrong, key=lambda c: c.max_rel)
        findings.differs.append(
            f"{len(wrong)} of {len(found)} variables differ after {len(losses[0])} steps: {worst.name}, {worst.reason}"
        )
    first = compare_statistics(
        spec,
        (source["first"], source["biased_first"]),
        (target["first"], target.get("biased_first", {})),
        findings,
        after="after one step",
    )
    last = compare_statistics(
        spec,
        (source["last"], source["biased_last"]),
        (target["last"], target.get("biased_last", {})),
        Findings(),
        after="after the last step",
    )
    if not last["same"] and first["same"]:
        findings.differs.append("running statistics are the same after one step and not after the last")
    return {
        "steps": len(losses[0]),
        "same": apart <= TOGETHER and not wrong and first["same"] and last["same"],
        "losses": {"source": losses[0], "target": losses[1], "max_rel": apart},
        "parameters": summary(found),
        "statistics": first,
    }


def _moved_alike(variable: Variable, spec: Spec, before: State, source: State, target: State) -> Comparison:
    """The variable after training; the difference is measured against how far it moved."""
    start, end = _made(variable, spec.parameters, before), _made(variable, spec.parameters, source)
    way, size = (float(np.abs(one).max(initial=0.0)) for one in (end - start, start))
    floor = ROUNDING * size
    measure = way if TOGETHER * way > floor else size
    compared = compare_exact(variable.path, end, target[variable.path], floor=floor, magnitude=measure)
    allowed = max(TOGETHER * way, floor)
    return Comparison(**{**vars(compared), "same": compared.max_abs <= allowed, "allowed": allowed})


def compare_dropout(
    source: list[list], target: list[list], runs: int, findings: Findings, *, packed: bool = False
) -> dict[str, Any]:
    """Random dropping on both sides, as the workers' `dropout` tells it: `[rate, size, fraction, scale]` a place.

    Where batches are `packed`, the source draws for the steps that count, and the target may draw for all.
    """
    places = [sorted(side, key=lambda place: (round(place[0], 6), place[1])) for side in (source, target)]
    problems = []
    if [round(p[0], 6) for p in places[0]] != [round(p[0], 6) for p in places[1]]:
        problems.append(f"random dropping has {_rates(source)} in the source and {_rates(target)} in the target")
    else:
        for ours, theirs in zip(*places, strict=True):
            if ours[1] > theirs[1] or (ours[1] < theirs[1] and not packed):
                problems.append(
                    f"a dropout of rate {ours[0]:g} draws {ours[1]} numbers in the source and {theirs[1]} in the target"
                )
            if abs(ours[3] - theirs[3]) > 1e-5 * abs(ours[3]):
                problems.append(
                    f"a dropout of rate {ours[0]:g} scales by {ours[3]:.6g} in the source and {theirs[3]:.6g} in the "
                    "target"
                )
    for side, name in ((source, "source"), (target, "target")):
        for rate, size, fraction, _, *counted in side:
            numbers = counted[0] if counted else size * runs
            if numbers and abs(fraction - rate) > SIGMAS * math.sqrt(rate * (1 - rate) / numbers) + 1e-9:
                problems.append(f"a dropout of rate {rate:g} in the {name} dropped {fraction:.3f} of {numbers}")
    findings.differs += dict.fromkeys(problems)
    return {"same": not problems, "places": len(source), "rates": sorted({round(p[0], 6) for p in source})}


def _rates(places: list[list]) -> str:
    if not places:
        return "no place"
    return listed([f"rate {place[0]:g} on {place[1]}" for place in places], most=4)
