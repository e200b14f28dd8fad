"""ONNX's reference implementation, with the operators of which it leaves parts of the standard out.

Its recurrent operators know no lengths of sequences, no activations but the usual ones, no clipping and no coupled
gates; its resizing rounds the cubic weights to single precision.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun
from onnx.reference.ops.op_resize import Resize as _ImpreciseResize


def evaluator(model: Any) -> ReferenceEvaluator:
    """What runs `model` in NumPy."""
    return ReferenceEvaluator(model, new_ops=[Resize, LSTM, GRU, RNN])


class Resize(_ImpreciseResize):
    """Resizing with cubic weights that are more precise than their attribute."""

    op_domain = ""

    def _run(self, *operands, cubic_coeff_a=None, **options):
        return super()._run(*operands, cubic_coeff_a=cubic_coeff_a and float(cubic_coeff_a), **options)


_FUNCTIONS: dict[str, Callable] = {
    "sigmoid": lambda x, alpha, beta: 1 / (1 + np.exp(-x)),
    "tanh": lambda x, alpha, beta: np.tanh(x),
    "relu": lambda x, alpha, beta: np.maximum(x, 0),
    "affine": lambda x, alpha, beta: alpha * x + beta,
    "leakyrelu": lambda x, alpha, beta: np.where(x >= 0, x, alpha * x),
    "thresholdedrelu": lambda x, alpha, beta: np.where(x >= alpha, x, 0),
    "scaledtanh": lambda x, alpha, beta: alpha * np.tanh(beta * x),
    "hardsigmoid": lambda x, alpha, beta: np.clip(alpha * x + beta, 0, 1),
    "elu": lambda x, alpha, beta: np.where(x >= 0, x, alpha * np.expm1(np.minimum(x, 0))),
    "softsign": lambda x, alpha, beta: x / (1 + np.abs(x)),
    "softplus": lambda x, alpha, beta: np.logaddexp(x, 0),
}
_NUMBERS = {
    "affine": (1.0, 0.0),
    "leakyrelu": (0.01, 0.0),
    "thresholdedrelu": (1.0, 0.0),
    "scaledtanh": (1.0, 1.0),
    "hardsigmoid": (0.2, 0.5),
    "elu": (1.0, 0.0),
}
"""The alpha and beta of activations where the attribute is absent."""
_TAKES = {"affine": 2, "scaledtanh": 2, "hardsigmoid": 2, "leakyrelu": 1, "thresholdedrelu": 1, "elu": 1}
"""How many numbers an activation takes from the lists of alphas and betas: the second is a beta."""


class _Recurrent(OpRun):
    """One recurrent operator: `usual` are its activations, `_cell` makes one step of one direction."""

    op_domain = ""
    usual: tuple[str, ...] = ()

    def _run(self, x, w, r, b=None, sequence_lens=None, initial_h=None, initial_c=None, p=None, **options):
        self.options = options
        if options.get("layout"):
            x, initial_h, initial_c = (
                one if one is None else np.swapaxes(one, 0, 1) for one in (x, initial_h, initial_c)
            )
        time, batch, (directions, _, hidden) = x.shape[0], x.shape[1], r.shape
        lengths = np.full(batch, time) if sequence_lens is None else np.asarray(sequence_lens)
        zeros = np.zeros((directions, batch, hidden), x.dtype)
        start = [zeros if one is None else one for one in (initial_h, initial_c)]
        functions = self._activations(directions)
        found = []
        for place in range(directions):
            reverse = place == 1 or options.get("direction") == "reverse"
            weights = [None if one is None else one[place] for one in (w, r, b, p)]
            states = [one[place] for one in start]
            found.append(self._direction(x, lengths, reverse, weights, states, functions[place]))
        y, h, c = (np.stack(parts, axis) for parts, axis in zip(zip(*found, strict=True), (1, 0, 0), strict=True))
        if options.get("layout"):
            y, h, c = np.transpose(y, (2, 0, 1, 3)), np.swapaxes(h, 0, 1), np.swapaxes(c, 0, 1)
        return (y, h, c)[: len(self.onnx_node.output)]

    def _activations(self, directions: int) -> list[list[Callable]]:
        """The activations of each direction, with their numbers."""
        names = [name.lower() for name in self.options.get("activations") or self.usual * directions]
        alphas, betas = (list(self.options.get(f"activation_{one}") or []) for one in ("alpha", "beta"))
        made = []
        for name in names:
            alpha, beta = _NUMBERS.get(name, (0.0, 0.0))
            if _TAKES.get(name, 0) > 0 and alphas:
                alpha = alphas.pop(0)
            if _TAKES.get(name, 0) > 1 and betas:
                beta = betas.pop(0)
            made.append(lambda x, f=_FUNCTIONS[name], alpha=alpha, beta=beta: f(x, alpha, beta))
        each = len(self.usual)
        return [made[place * each : (place + 1) * each] for place in range(directions)]

    def _clipped(self, x):
        """What an activation is given."""
        limit = self.options.get("clip")
        return np.clip(x, -limit, limit) if limit else x

    def _direction(self, x, lengths, reverse, weights, states, functions):
        """The outputs of all steps, zero behind a sequence's end, and the states at it."""
        out = np.zeros((*x.shape[:2], weights[1].shape[-1]), x.dtype)
        samples = np.arange(x.shape[1])
        for step in range(x.shape[0]):
            at = np.where(reverse, lengths - 1 - step, step)
            alive = (step < lengths)[:, None]
            new = self._cell(x[np.maximum(at, 0), samples], *states, *weights, functions)
            states = [np.where(alive, one, old) for one, old in zip(new, states, strict=True)]
            rows = samples[alive[:, 0]]
            out[at[rows], rows] = new[0][rows]
        return out, *states

    def _cell(self, x, h, c, w, r, b, p, functions):
        raise NotImplementedError


class RNN(_Recurrent):
    """The plain recurrent operator."""

    usual = ("Tanh",)

    def _cell(self, x, h, c, w, r, b, p, functions):
        return functions[0](self._clipped(x @ w.T + h @ r.T + (0 if b is None else sum(np.split(b, 2))))), c


class GRU(_Recurrent):
    """The gated recurrent unit; the reset gate comes before or behind the recurrent product."""

    usual = ("Sigmoid", "Tanh")

    def _cell(self, x, h, c, w, r, b, p, functions):
        (wz, wr, wh), (rz, rr, rh) = np.split(w, 3), np.split(r, 3)
        bz, br, bh, sz, sr, sh = np.split(np.zeros(6 * h.shape[-1], x.dtype) if b is None else b, 6)
        gate, new = functions
        update = gate(self._clipped(x @ wz.T + h @ rz.T + bz + sz))
        reset = gate(self._clipped(x @ wr.T + h @ rr.T + br + sr))
        behind = self.options.get("linear_before_reset")
        recurrent = reset * (h @ rh.T + sh) if behind else (reset * h) @ rh.T + sh
        return (1 - update) * new(self._clipped(x @ wh.T + recurrent + bh)) + update * h, c


class LSTM(_Recurrent):
    """Long short-term memory, with peepholes and coupled gates."""

    usual = ("Sigmoid", "Tanh", "Tanh")

    def _cell(self, x, h, c, w, r, b, p, functions):
        gate, new, out = functions
        total = x @ w.T + h @ r.T + (0 if b is None else sum(np.split(b, 2)))
        i, o, f, g = np.split(total, 4, -1)
        pi, po, pf = np.split(np.zeros(3 * h.shape[-1], x.dtype) if p is None else p, 3)
        enter = gate(self._clipped(i + pi * c))
        keep = 1 - enter if self.options.get("input_forget") else gate(self._clipped(f + pf * c))
        cell = keep * c + enter * new(self._clipped(g))
        return gate(self._clipped(o + po * cell)) * out(cell), cell  # onnxruntime does not clip the cell
