"""PyTorch's optimisers and schedules in Keras."""

from __future__ import annotations

import ast
import json
import re

from netglot.migrate.declare import Bound, Table, Unbound
from netglot.migrate.to_keras import plans

table = Table()
declare, rule, mark = table.declare, table.rule, table.mark

_O = "torch.optim."
_IDLE = "params foreach fused capturable differentiable"
for _signature, _write in {
    "SGD(params, lr=1e-3, momentum=0.0, dampening=0.0, weight_decay=0.0, nesterov=False":
        "SGD({lr}<, momentum={momentum}><, dampening={dampening}><, l2={weight_decay}><, nesterov={nesterov}>)",
    "Adam(params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, amsgrad=False":
        "Adam({lr}<, betas={betas}><, epsilon={eps}><, l2={weight_decay}><, amsgrad={amsgrad}>)",
    "AdamW(params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01, amsgrad=False":
        "Adam({lr}<, betas={betas}><, epsilon={eps}>, decay={weight_decay}<, amsgrad={amsgrad}>)",
    "NAdam(params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, momentum_decay=4e-3":
        "NAdam({lr}<, betas={betas}><, epsilon={eps}><, l2={weight_decay}><, momentum_decay={momentum_decay}>)",
    "RAdam(params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0":
        "RAdam({lr}<, betas={betas}><, epsilon={eps}><, l2={weight_decay}>)",
    "Adamax(params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0":
        "Adamax({lr}<, betas={betas}><, epsilon={eps}><, l2={weight_decay}>)",
    "Adadelta(params, lr=1.0, rho=0.9, eps=1e-6, weight_decay=0.0":
        "Adadelta({lr}<, rho={rho}><, epsilon={eps}><, l2={weight_decay}>)",
    "RMSprop(params, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0.0, momentum=0.0, centered=False":
        "RMSprop({lr}<, alpha={alpha}><, epsilon={eps}><, l2={weight_decay}><, momentum={momentum}><, centered={centered}>)",
    "Adagrad(params, lr=1e-2, lr_decay=0.0, weight_decay=0.0, initial_accumulator_value=0.0, eps=1e-10":
        "Adagrad({lr}<, lr_decay={lr_decay}><, l2={weight_decay}><, start={initial_accumulator_value}><, epsilon={eps}>)",
}.items():  # fmt: skip
    _options = ", *, foreach=None, fused=None, capturable=False, differentiable=False)"

    def _optimizer(c: Bound, write: str = _write) -> str:
        groups = c.given.get("params")
        if isinstance(groups, ast.List) and any(isinstance(one, ast.Dict) and len(one.keys) > 1 for one in groups.elts):
            return _grouped(c, groups, write)
        if not isinstance(groups, ast.List) and "dict" in c.rewriter.fact(groups).items:
            return _regrouped(c, groups, write)
        return c.filled(write)

    rule(_O + _signature + _options, infers=_IDLE)(_optimizer)


def _grouped(c: Bound, groups: ast.List, write: str) -> str:
    """An optimiser of which some weights have options of their own: one optimiser for each group."""
    parts = []
    for group in groups.elts:
        pairs = zip(group.keys, group.values, strict=True) if isinstance(group, ast.Dict) else ()
        own = {key.value: value for key, value in pairs if isinstance(key, ast.Constant)}
        if not isinstance(group, ast.Dict) or len(own) < len(group.keys):
            raise Unbound("its groups of weights are not written as dictionaries here")
        if unknown := own.keys() - {p.name for p in c.row.parameters}:
            raise Unbound(f"a group of its weights has the option {', '.join(map(str, unknown))}")
        inner = Bound(c.rewriter, c.node, c.row, {**c.given, **own}, c.callee)
        variables = plans.weights(c.rewriter, own["params"]) if "params" in own else None
        if variables is None:
            raise Unbound("a group has no weights")
        parts.append(f"(lambda: {variables}, {inner.filled(write)})")
    return c.filled("Groups(") + ", ".join(parts) + ")"


def _regrouped(c: Bound, groups: ast.AST | None, write: str) -> str:
    """An optimiser whose groups of weights are a list made elsewhere: each dictionary's options come first."""
    if groups is None:
        raise Unbound("its groups of weights are not known")
    asked = _options_of_groups(c.rewriter.file.tree)

    def option(match: re.Match) -> str:
        return match[1] if {*_HOLE.findall(match[1])} & asked or any(map(c.has, _HOLE.findall(match[1]))) else ""

    def chosen(match: re.Match) -> str:
        own = c.text(match[1])
        return f"one.get({json.dumps(match[1])}, {own})" if match[1] in asked else own

    plain = re.sub("<([^<>]*)>", option, write).replace("(, ", "(")
    made = re.sub("\0(\\w+)\0", chosen, c.filled(_HOLE.sub("\0\\1\0", plain)))
    weights = '(lambda one=one: one["params"])'
    return c.filled("Groups(") + f"*(({weights}, {made}) for one in {c.rewriter.text(groups)}))"


_HOLE = re.compile(r"\{(\w+)\}")


def _options_of_groups(tree: ast.AST) -> set[str]:
    """The options that the dictionaries of a file give to groups of weights; all that there are where none is seen."""
    dictionaries = [one for one in ast.walk(tree) if isinstance(one, ast.Dict)]
    keys = [{getattr(key, "value", None) for key in one.keys} for one in dictionaries]
    found = {str(key) for one in keys if "params" in one for key in one}
    return found or {"lr", "weight_decay", "betas", "eps", "momentum", "nesterov", "alpha", "rho", "amsgrad"}


mark(f"{_O}LBFGS", "it evaluates the loss several times in one step, which no optimiser of Keras does")
mark(f"{_O}Rprop {_O}ASGD {_O}SparseAdam {_O}Adafactor", "Keras has no such optimiser")
_S = "torch.optim.lr_scheduler."
for _signature, _rule in {
    "StepLR(optimizer, step_size, gamma=0.1)": "base * {gamma:p} ** (epoch // {step_size:p})",
    "MultiStepLR(optimizer, milestones, gamma=0.1)": "base * {gamma:p} ** sum(epoch >= one for one in {milestones})",
    "ExponentialLR(optimizer, gamma)": "base * {gamma:p} ** epoch",
    "LambdaLR(optimizer, lr_lambda)": "base * {lr_lambda:p}(epoch)",
    "CosineAnnealingLR(optimizer, T_max)": "base * (1 + math.cos(math.pi * epoch / {T_max:p})) / 2",
    "CosineAnnealingLR(optimizer, T_max, eta_min=0.0)":
        "{eta_min:p} + (base - {eta_min:p}) * (1 + math.cos(math.pi * epoch / {T_max:p})) / 2",
    "MultiplicativeLR(optimizer, lr_lambda)":
        "base * math.prod({lr_lambda:p}(one) for one in range(1, epoch + 1))",
    "PolynomialLR(optimizer, total_iters=5, power=1.0)":
        "base * (1 - min(epoch, {total_iters:p}) / {total_iters:p}) ** {power:p}",
    "ConstantLR(optimizer, factor=1 / 3, total_iters=5)": "base * ({factor:p} if epoch < {total_iters:p} else 1)",
    "LinearLR(optimizer, start_factor=1 / 3, end_factor=1.0, total_iters=5)":
        "base * ({start_factor:p} + ({end_factor:p} - {start_factor:p}) * min(epoch, {total_iters:p}) / {total_iters:p})",
}.items():  # fmt: skip
    declare(
        _S + _signature.replace(")", ", *, last_epoch=-1)"),
        f"Schedule({{optimizer}}, lambda base, epoch: {_rule})",
        when={"last_epoch": -1},
    )
declare(f"{_S}ReduceLROnPlateau(optimizer, mode='min', factor=0.1, patience=10, threshold=1e-4, threshold_mode='rel', cooldown=0, min_lr=0.0, eps=1e-8, verbose=False)",
        "ReduceOnPlateau({optimizer}<, mode={mode}><, factor={factor}><, patience={patience}><, threshold={threshold}><, threshold_mode={threshold_mode}><, cooldown={cooldown}><, min_rate={min_lr}>)", infers="eps verbose")  # fmt: skip
declare(f"{_S}CosineAnnealingWarmRestarts(optimizer, T_0, T_mult=1, eta_min=0.0, *, last_epoch=-1)",
        "Schedule({optimizer}, warm_restarts({T_0}<, {T_mult}><, {eta_min}>))", when={"last_epoch": -1})  # fmt: skip
declare(f"{_S}SequentialLR(optimizer, schedulers, milestones, *, last_epoch=-1)",
        "Schedule({optimizer}, in_turn({schedulers}, {milestones}))", when={"last_epoch": -1})  # fmt: skip
declare(f"{_S}OneCycleLR(optimizer, max_lr, total_steps=None, epochs=None, steps_per_epoch=None, pct_start=0.3, anneal_strategy='cos', cycle_momentum=True, base_momentum=0.85, max_momentum=0.95, div_factor=25.0, final_div_factor=1e4, three_phase=False)",
        "OneCycle({optimizer}, {max_lr}<, total_steps={total_steps}><, epochs={epochs}><, steps_per_epoch={steps_per_epoch}><, pct_start={pct_start}><, anneal_strategy={anneal_strategy}><, cycle_momentum={cycle_momentum}><, base_momentum={base_momentum}><, max_momentum={max_momentum}><, div_factor={div_factor}><, final_div_factor={final_div_factor}>)",
        when={"three_phase": False})  # fmt: skip
mark(f"{_S}CyclicLR {_S}ChainedScheduler", "netglot has no form of it")
