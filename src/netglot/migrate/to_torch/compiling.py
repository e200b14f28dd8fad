"""`compile`, `fit`, `evaluate` and `predict` of Keras's networks as calls of functions."""

from __future__ import annotations

import ast
from typing import Any

from netglot.migrate.declare import MISSING
from netglot.migrate.to_torch import training

_LOSSES = {f"keras.losses.{one.split()[0]}": (one.split()[1], options) for one, options in training.LOSSES.items()}


def trained(target: Any, r: Any, node: ast.Call, short: str, value: str) -> str | None:
    """A training method as a function of the network; an option that is not known is marked."""
    keywords = [k for k in node.keywords if k.arg not in training.SILENT]
    known = training.KNOWN["fit" if short == "fit_generator" else short]
    if short == "compile" and not node.args and [k.arg for k in keywords] == [None]:
        return f"{r.need('prepare')}({'self' if value.startswith('super(') else value}, **{r.need('by_name')}({r.text(keywords[0].value)}))"
    unknown = [k.arg for k in keywords if k.arg not in known]
    if unknown or any(isinstance(a, ast.Starred) for a in node.args):
        r.mark(node, short, f"its option {', '.join(map(str, unknown))} is not carried over")
        return r.composed_kept(node)
    value = "self" if value.startswith("super(") else value
    function = r.need(training.METHODS[short])
    if short == "compile":
        if not node.args and not keywords:
            return f"{function}({value}, None)"
        untold = [] if r.fact(node).extra.get("told", True) else ["trains=False"]
        if untold:
            r.notes.append(f"line {node.lineno}: {value}.call takes no `training`: fit runs it as if it did not train")
        return f"{function}({', '.join([value, *prepared(r, node, keywords), *untold])})"
    return f"{function}({', '.join([value, *(r.text(one) for one in (*node.args, *keywords))])})"


ASKED = {
    "compute_loss": ("loss_of", "x y y_pred sample_weight training", ("y", "y_pred", "sample_weight"), 2),
    "compiled_loss": ("loss_of", "y y_pred sample_weight regularization_losses", ("y", "y_pred", "sample_weight"), 2),
    "compute_metrics": ("measured", "x y y_pred sample_weight", ("y", "y_pred"), 2),
    "get_metrics_result": ("measured", "", (), 0), "reset_metrics": ("begin_metrics", "", (), 0),
}  # fmt: skip
"""Methods that a training step of the user asks: the helper, their parameters, and those that are passed on, of which
so many must be given."""


def asked(r: Any, node: ast.Call, short: str, value: str) -> str | None:
    """What a training step asks its network; None where it is asked in another way."""
    function, parameters, passed, required = ASKED[short]
    value = "self" if value.startswith("super(") else value
    given = dict(zip(parameters.split(), node.args, strict=False)) | {str(k.arg): k.value for k in node.keywords}
    if set(given) - set(parameters.split()) or len(node.args) > len(parameters.split()):
        return None
    texts = [r.text(given[one]) if one in given else "None" for one in passed]
    while len(texts) > required and texts[-1] == "None":
        texts.pop()
    return f"{r.need(function)}({', '.join([value, *texts])})"


def as_a_whole(target: Any, r: Any, node: ast.Call, short: str, value: str) -> str | None:
    """All weights of a network at once; None where single ones are looked at, whose order is PyTorch's own."""
    parent = r.parent(node)
    apart = isinstance(parent, ast.Subscript) or (
        isinstance(parent, ast.Assign) and isinstance(parent.targets[0], (ast.Tuple, ast.List))
    )
    names = {one.id for one in getattr(parent, "targets", ()) if isinstance(one, ast.Name)}
    apart = apart or any(
        isinstance(one, ast.Subscript) and isinstance(one.value, ast.Name) and one.value.id in names
        for one in ast.walk(r.around(node, ast.FunctionDef) or r.file.tree)
    )
    if apart or len(node.args) != (short == "set_weights") or node.keywords:
        return None
    return f"{r.need(short)}({', '.join([value, *(r.text(one) for one in node.args)])})"


def prepared(r: Any, node: ast.Call, keywords: list[ast.keyword]) -> list[str]:
    """The arguments of `compile`; what is named by a string is the function of that name."""
    given = list(zip(("optimizer", "loss", "loss_weights", "metrics"), node.args, strict=False))
    given += [(str(k.arg), k.value) for k in keywords]
    if "optimizer" not in dict(given):
        given.insert(0, ("optimizer", ast.Constant("rmsprop")))
    ways = {"optimizer": _optimizer, "loss": _loss, "metrics": _metrics, "loss_weights": lambda r, one: r.text(one)}
    return [f"{name}={ways[name](r, value)}" for name, value in given]


def _optimizer(r: Any, node: ast.expr) -> str:
    value = r.constant(node)
    if isinstance(value, str) and value.lower() in training.NAMED["optimizer"]:
        return _made(r, training.NAMED["optimizer"][value.lower()])
    text = r.text(node)
    return f"{r.need('optimizer_named')}({text})" if "str" in r.fact(node).kinds else text


def _loss(r: Any, node: ast.expr) -> str:
    """A loss: a function of targets and outputs that gives one number for each sample."""
    if isinstance(node, ast.Dict):
        return "{" + ", ".join(f"{r.text(k)}: {_loss(r, v)}" for k, v in zip(node.keys, node.values, strict=True)) + "}"  # type: ignore[arg-type]
    if isinstance(node, (ast.List, ast.Tuple)):
        return "[" + ", ".join(_loss(r, one) for one in node.elts) + "]"
    value = r.constant(node)
    if isinstance(value, str) and value.lower() in training.NAMED["loss"]:
        return r.need(training.NAMED["loss"][value.lower()])
    if isinstance(node, ast.Call) and (found := _LOSSES.get((r.fact(node).callees or [""])[0])):
        function, options = found
        names = [one.split("=")[0] for one in options.split(", ") if one]
        if not node.args and all(k.arg in names or k.arg == "name" for k in node.keywords):
            kept = [f"{k.arg}={r.text(k.value)}" for k in node.keywords if k.arg != "name"]
            if not kept:
                return r.need(function)
            r.imports.add("functools")
            return f"functools.partial({r.need(function)}, {', '.join(kept)})"
    text = r.text(node)
    return f"{r.need('loss_named')}({text})" if _names(r, node) else text


def _names(r: Any, node: ast.expr) -> bool:
    """Whether a variable holds what Keras calls by a name, itself or in a list."""
    fact = r.fact(node)
    return "str" in {*fact.kinds, *fact.items} or ("dict" in fact.kinds and "list" in fact.items)


def _metrics(r: Any, node: ast.expr) -> str:
    known = training.NAMED["metrics"]
    if isinstance(node, ast.Dict):
        return (
            "{" + ", ".join(f"{r.text(k)}: {_metrics(r, v)}" for k, v in zip(node.keys, node.values, strict=True)) + "}"
        )  # type: ignore[arg-type]
    if not isinstance(node, (ast.List, ast.Tuple)):
        value = r.constant(node)
        if isinstance(value, str) and value in known:
            return f'{{"{value}": {_made(r, known[value])}}}'
        return f"{r.need('metrics_named')}({r.text(node)})" if _names(r, node) else r.text(node)
    names = [r.constant(one) for one in node.elts]
    if names and all(isinstance(one, str) and one in known for one in names):
        return "{" + ", ".join(f'"{one}": {_made(r, known[one])}' for one in names) + "}"
    parts = []
    for one, name in zip(node.elts, names, strict=True):
        if name is MISSING or name not in known:
            parts.append(r.text(one))
        elif known[name].endswith("()"):
            parts.append(f'{r.need(known[name][:-2])}(name="{name}")')
        else:
            parts.append(f'{r.need("Mean")}({r.need(known[name])}, name="{name}")')
    return f"[{', '.join(parts)}]"


def _made(r: Any, text: str) -> str:
    """`Adam()` or `mean_squared_error`, the helper asked for."""
    name = text.removesuffix("()")
    return r.need(name) + text[len(name) :]
