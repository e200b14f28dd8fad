"""Recurrent modules that netglot itself wrote into a file, read back as what they were written from.

PyTorch's export would fix the number of their steps, or cannot follow them. Each is one custom op while it is captured.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import inspect
import textwrap
import types
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from netglot.dialects.torch.helpers import HELPERS

RECURRENT = ("MaskedLSTM", "MaskedGRU", "MaskedRNN", "ResetFirstGRU", "MaskedResetFirstGRU")

_SIGNATURE = (
    "(str kind, Tensor x, Tensor? mask, Tensor[] states, Tensor[] params, bool has_biases, bool bidirectional, "
    "bool batch_first, bool held, str nonlinearity) -> (Tensor, Tensor{})"
)


def _whole(kind, x, mask, states, params, has_biases, bidirectional, batch_first, held, nonlinearity):
    """What the custom op computes: the helper itself, with these weights."""
    options = {"bias": has_biases, "bidirectional": bidirectional, "batch_first": batch_first}
    if kind == "MaskedRNN":
        options["nonlinearity"] = nonlinearity
    module = _space()[kind](params[0].shape[1], params[1].shape[1], **options).to(x)
    weights = dict(zip(module._flat_weights_names, params, strict=True))
    given = () if not states else (tuple(states),) if len(states) > 1 else (states[0],)
    masked, extra = ((mask,), {"held": held}) if mask is not None else ((), {})
    out, finals = torch.func.functional_call(module, weights, (x, *masked, *given), extra)
    return (out, *finals) if isinstance(finals, tuple) else (out, finals)


def _shapes(kind, x, mask, states, params, has_biases, bidirectional, batch_first, held, nonlinearity):
    directions, hidden = 2 if bidirectional else 1, params[1].shape[1]
    batch = x.shape[0 if batch_first else 1]
    final = (directions, batch, hidden)
    count = 2 if kind == "MaskedLSTM" else 1
    return (x.new_empty((*x.shape[:2], directions * hidden)), *(x.new_empty(final) for _ in range(count)))


for _name, _more in (("own_recurrence", ""), ("own_lstm", ", Tensor")):
    torch.library.define(f"netglot::{_name}", _SIGNATURE.format(_more))
    torch.library.impl(f"netglot::{_name}", "CompositeExplicitAutograd", _whole)
    torch.library.register_fake(f"netglot::{_name}", _shapes)


@functools.cache
def _space() -> dict[str, Any]:
    """The helpers as an emitted file defines them."""
    space: dict[str, Any] = {"torch": torch, "nn": nn, "F": F}
    for name in ("run_over_mask", *RECURRENT):
        exec(HELPERS[name], space)
    return space


@functools.cache
def _is_own(kind: type) -> bool:
    """Whether a class is, word for word, one of the helpers."""
    if kind.__name__ not in RECURRENT:
        return False
    return all(_tree(one) == _text(one.__name__) for one in kind.__mro__ if one.__name__ in RECURRENT)


def _tree(kind: type) -> str:
    try:
        return ast.dump(ast.parse(textwrap.dedent(inspect.getsource(kind))))
    except (OSError, TypeError, SyntaxError):
        return ""


@functools.cache
def _text(name: str) -> str:
    return ast.dump(ast.parse(HELPERS[name]))


def _forward(self, x, *given, held=False):
    """A helper's call as one custom op."""
    kind = type(self).__name__
    mask, states = (given[0], given[1:]) if kind.startswith("Masked") else (None, given)
    states = next((one for one in states if one is not None), ())
    states = list(states) if isinstance(states, list | tuple) else [states]
    run = torch.ops.netglot.own_lstm if kind == "MaskedLSTM" else torch.ops.netglot.own_recurrence
    options = (self.bias, self.bidirectional, self.batch_first, held, getattr(self, "nonlinearity", "tanh"))
    out, *finals = run(kind, x, mask, states, [getattr(self, name) for name in self._flat_weights_names], *options)
    return out, tuple(finals) if len(finals) > 1 else finals[0]


@contextlib.contextmanager
def kept_whole(model: nn.Module) -> Iterator[None]:
    """Keeps netglot's own recurrent modules in one piece."""
    found = [module for module in model.modules() if isinstance(module, nn.RNNBase) and _is_own(type(module))]
    for module in found:
        module.forward = types.MethodType(_forward, module)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for module in found:
            del module.forward
