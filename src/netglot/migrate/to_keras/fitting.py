"""`--style fit`: a loop over batches that does nothing but train becomes `compile` and `fit`.

`reading.read` says what such a loop does, or why it is not that simple; here it is written. Where the loop over epochs
around it only counts, prints and remembers, `fit` takes its place too.
"""

from __future__ import annotations

import ast
from typing import Any

from netglot.migrate.rewrite import Rewriter
from netglot.migrate.to_keras import loops
from netglot.migrate.to_keras.epochs import Epochs, read_epochs
from netglot.migrate.to_keras.reading import Batches, NotPlain, read

KEYS = {"loss": "loss", "whole loss": "loss", "correct": "accuracy"}
"""What a sum over batches is called in the history of `fit`."""


def for_(target: Any, r: Rewriter, node: ast.For) -> str | None:
    """A training loop as `compile` and `fit`; None for other loops, and for those that are left as they are."""
    inner = _batch_loop(r, node)
    if inner is None:
        return None
    try:
        if inner is node:
            return _batches(target, r, node)
        try:
            return _epochs(target, r, read_epochs(r, node, inner))
        except NotPlain as reason:
            batches = read(r, inner)
            _note(r, inner, f"fit takes one epoch at a time: {reason}")
        return _hoisted(target, r, node, inner, batches)
    except NotPlain as reason:
        _note(r, inner, f"stays a loop: {reason}")
        r._state.setdefault("left", set()).add(id(inner))
        return None


def _note(r: Rewriter, node: ast.AST, text: str) -> None:
    r.notes.append(f"line {node.lineno}: {text}")  # type: ignore[attr-defined]


def _batch_loop(r: Rewriter, node: ast.For) -> ast.For | None:
    """The loop whose body holds `backward`: this one, or the one loop in it that does."""
    if id(node) in r._state.get("left", ()):
        return None
    if any(loops.callee(r, one) == loops.BACKWARD for one in node.body):
        return node
    held = [one for one in node.body if isinstance(one, ast.For) and _batch_loop(r, one) is one]
    return held[0] if len(held) == 1 else None


def _compiled(target: Any, r: Rewriter, found: Batches) -> str:
    """`model.compile(...)`, and before it the function of the loss where it takes more than one line."""
    indent = r.spans.indent(found.node)
    accuracy = ', metrics=["accuracy"]' if found.accuracy else ""
    accuracy += ", run_eagerly=True" if target.eager else ""
    names = f"{found.targets}, {found.outputs}"
    text = f"{found.model_text}.compile(optimizer={r.text(found.optimizer)}, loss="
    casts = _as_seen(target, r, found)
    if len(found.losses) == 1 and not casts.count("\n"):
        value = found.losses[0].value  # type: ignore[attr-defined]
        texts = {
            id(one): casts for one in ast.walk(value) if casts and isinstance(one, ast.Name) and one.id == found.targets
        }
        if found.called is not None:
            texts[id(found.called)] = found.outputs
        body = _replaced(r, value, texts)
        return f"{text}lambda {names}: {body}{accuracy})"
    name = "loss_function" if "loss_function" not in r.bound else "loss_function_"
    texts = {} if found.called is None else {id(found.called): found.outputs}
    lines = [f"{found.targets} = {casts}"] if casts else []
    lines += [_replaced(r, one, texts).strip() for one in found.losses]
    lines.append(f"return {found.loss}")
    body = "".join(f"\n{indent}    {line}" for line in lines)
    return f"def {name}({names}):{body}\n\n{indent}{text}{name}{accuracy})"


def _replaced(r: Rewriter, node: ast.AST, texts: dict[int, str]) -> str:
    """A node in the target, some of its parts by given texts."""

    def render(one: ast.AST) -> str:
        if id(one) in texts:
            return texts[id(one)]
        if not any(id(part) in texts for part in ast.walk(one)):
            return r.text(one)
        r._state["replaced"] = texts
        try:
            return r.text(one)
        finally:
            r._state.pop("replaced", None)

    return render(node)


def _as_seen(target: Any, r: Rewriter, found: Batches) -> str:
    """The targets as the loop had them: `fit` makes them floating, and gives them an axis where the outputs have one
    more; empty where that changes nothing."""
    text = found.targets
    if found.target_rank == 1 and found.output_rank == 2:
        text = target.spell("ops.reshape(", r) + f"{text}, (-1,))" if found.one_output else text
    if not found.target_dtype.startswith("float"):
        text = target.spell("ops.cast(", r) + f'{text}, "{found.target_dtype}")'
    return "" if text == found.targets else text


def _options(target: Any, r: Rewriter, found: Batches, steps: list[tuple[str, ast.expr]]) -> str:
    """What `fit` is told beyond the data: `DataLoader` shuffles by itself, and the rate changes where it did."""
    told = [f"{when}: {r.text(one)}" for when, one in steps]
    names = {"batch": "on_train_batch_end", "epoch": "on_epoch_end"}
    parts = ", ".join(f"{names[when]}=lambda {when}, logs: {r.text(one)}" for when, one in steps)
    callbacks = target.spell("keras.callbacks.LambdaCallback(", r) + f"{parts})" if told else ""
    return f"{f', callbacks=[{callbacks}]' if told else ''}, shuffle=False{'' if found.shown else ', verbose=0'}"


def _epochs(target: Any, r: Rewriter, found: Epochs) -> str:
    """The whole loop over epochs as one `fit`."""
    indent, batches = r.spans.indent(found.node), found.batches
    r.touch(found.node)
    batches.node = found.node
    lines = [_compiled(target, r, batches)]
    validation = f", validation_data={r.text(found.validation)}" if found.validation is not None else ""
    steps = [("batch", one) for one in batches.schedules] + [("epoch", one) for one in found.schedules]
    name = _name(r)
    rest = _options(target, r, batches, steps)
    epochs = r.text(found.count) if isinstance(found.count, ast.AST) else found.count
    lines.append(
        f"{name} = {batches.model_text}.fit({r.text(batches.loader)}, epochs={epochs}{validation}{rest}).history"
    )
    for held, key, factor in found.kept:
        values = f'{name}["{key}"]'
        lines.append(f"{r.text(held)} += " + (values if factor is None else f"[{factor} * one for one in {values}]"))
    if any(one.kind == "loss" for one in batches.sums):
        _note(r, found.node, "the loss that fit tells is the mean over samples, not over batches")
    return f"\n{indent}".join(lines)


def _hoisted(target: Any, r: Rewriter, node: ast.For, inner: ast.For, batches: Batches) -> str | None:
    """A loop over epochs that stays, around one `fit` for each; the network is compiled once, before it."""
    inside = {one.id for one in ast.walk(node) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)}
    used = [batches.model, batches.optimizer, *batches.losses]
    names = {one.id for part in used for one in ast.walk(part) if isinstance(one, ast.Name)}
    own = {one.id for one in ast.walk(inner) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)}
    if names & (inside - own):
        return None
    r._state.setdefault("compiled", set()).add(id(inner))
    batches.node = node
    compiled = _compiled(target, r, batches)
    return f"{compiled}\n{r.spans.indent(node)}" + r.spans.composed(node, r.text)


def _batches(target: Any, r: Rewriter, node: ast.For) -> str:
    """One loop over batches as one epoch of `fit`, and its sums by what that tells."""
    found = read(r, node)
    if found.after:
        raise NotPlain(f"{', '.join(found.after)} of its last batch is used behind it")
    r.touch(node)
    name, loader = _name(r), r.text(found.loader)
    lines = [] if id(node) in r._state.get("compiled", ()) else [_compiled(target, r, found)]
    rest = _options(target, r, found, [("batch", one) for one in found.schedules])
    lines.append(f"{name} = {found.model_text}.fit({loader}{rest}).history")
    whole = {
        "loss": f'{name}["loss"][0] * len({loader})', "whole loss": f'{name}["loss"][0] * len({loader}.dataset)',
        "correct": f'round({name}["accuracy"][0] * len({loader}.dataset))', "count": f"len({loader}.dataset)",
        "batches": f"len({loader})",
    }  # fmt: skip
    lines += [f"{one.name} += {whole[one.kind]}" for one in found.sums]
    if any(one.kind == "loss" for one in found.sums):
        _note(r, node, "the loss that fit tells is the mean over samples, not over batches")
    return f"\n{r.spans.indent(node)}".join(lines)


def _name(r: Rewriter) -> str:
    return "history" if "history" not in r.bound else "fitted"
