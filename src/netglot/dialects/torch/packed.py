"""Packed sequences, captured as what they are: a padded batch, and which of its steps count.

How many steps a packed batch has at each time depends on the data, which no export follows. While a network is
captured, packing keeps the batch as it is and makes a mask of the lengths; recurrent layers run over the mask, one
custom op each; and padding again gives all steps of the batch. PyTorch's own padding gives as many as the longest
sequence has: where that is fewer, its steps of padding are missing. The source is run so as well while it is compared
(`pad_in_full`), and the report says it.

Users import the functions by name, so their code is exchanged and not their place in the module.
"""

from __future__ import annotations

import contextlib
import types
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.nn.utils import rnn

NOTE = "packed sequences are padded to the length of the batch, and not to that of the longest of them"

_PACK, _PAD = (
    types.FunctionType(f.__code__, f.__globals__, f.__name__, f.__defaults__)
    for f in (rnn.pack_padded_sequence, rnn.pad_packed_sequence)
)
"""PyTorch's own functions."""
_SIGNATURE = (
    "(Tensor input, Tensor mask, {hx} hx, Tensor[] params, bool has_biases, int num_layers, float dropout, bool train, "
    "bool bidirectional, bool batch_first) -> ({results})"
)
KINDS = ("lstm", "gru", "rnn_tanh", "rnn_relu")


class Steps:
    """Stands in a `PackedSequence` for the batch sizes: the mask of the padded batch that stands for the data."""

    device = torch.device("cpu")

    def __init__(self, mask: torch.Tensor, lengths: torch.Tensor, batch_first: bool, zeros: bool = False):
        self.mask, self.lengths, self.batch_first, self.zeros = mask, lengths, batch_first, zeros


def _pack(input: Any, lengths: Any, batch_first: bool) -> Any:
    lengths = torch.as_tensor(lengths, dtype=torch.int64).to(input.device)
    steps = torch.arange(input.shape[1 if batch_first else 0], device=input.device)
    mask = steps < lengths.unsqueeze(1) if batch_first else steps.unsqueeze(1) < lengths
    return rnn.PackedSequence(input, Steps(mask, lengths, batch_first), None, None)


def _pad(sequence: Any, batch_first: bool, value: float, total: Any) -> Any:
    held = sequence.batch_sizes
    if not isinstance(held, Steps):
        return _PAD(sequence, batch_first, value, total)
    data = sequence.data
    if not held.zeros or value:
        mask = held.mask.reshape(*held.mask.shape, *[1] * (data.dim() - 2))
        data = data.masked_fill(~mask, value)
    return (data if held.batch_first == batch_first else data.transpose(0, 1)), held.lengths


def _forward(original: Any) -> Any:
    """The forward pass of a recurrent layer that knows such sequences."""

    def forward(self, input, hx=None):
        if not isinstance(input, rnn.PackedSequence) or not isinstance(input.batch_sizes, Steps):
            return original(self, input, hx)
        self._update_flat_weights()  # they are others while the network is exported
        x, held = input.data, input.batch_sizes
        if hx is None:
            directions = 2 if self.bidirectional else 1
            batch, size = x.shape[0 if held.batch_first else 1], self.proj_size or self.hidden_size
            zeros = [x.new_zeros(self.num_layers * directions, batch, n) for n in (size, self.hidden_size)]
            hx = tuple(zeros) if self.mode == "LSTM" else zeros[0]
        run = getattr(torch.ops.netglot, f"packed_{self.mode.lower()}")
        options = (self.bias, self.num_layers, self.dropout, self.training, self.bidirectional, held.batch_first)
        states = list(hx) if self.mode == "LSTM" else hx
        out, *finals = run(x, held.mask, states, self._flat_weights, *options)
        made = rnn.PackedSequence(out, Steps(held.mask, held.lengths, held.batch_first, zeros=True), None, None)
        return made, tuple(finals) if self.mode == "LSTM" else finals[0]

    return forward


def _run(kind: str) -> Any:
    """What the custom op of a kind of layer computes, by PyTorch's own packing."""

    def run(input, mask, hx, params, has_biases, layers, dropout, train, bidirectional, batch_first):
        time = 1 if batch_first else 0
        packed = _PACK(input, mask.sum(time).cpu(), batch_first, False)
        states = [one.index_select(1, packed.sorted_indices) for one in (hx if kind == "lstm" else [hx])]
        given = states if kind == "lstm" else states[0]
        out, *finals = getattr(torch, kind)(
            packed.data, packed.batch_sizes, given, params, has_biases, layers, dropout, train, bidirectional
        )
        made = rnn.PackedSequence(out, packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices)
        padded, _ = _PAD(made, batch_first, 0.0, input.shape[time])
        return padded, *(one.index_select(1, packed.unsorted_indices) for one in finals)

    return run


def _shapes(input, mask, hx, params, has_biases, layers, dropout, train, bidirectional, batch_first):
    states = list(hx) if isinstance(hx, list | tuple) else [hx]
    features = states[0].shape[-1] * (2 if bidirectional else 1)
    return (input.new_empty((*input.shape[:-1], features)), *(one.new_empty(one.shape) for one in states))


for _kind in KINDS:
    _several = _kind == "lstm"
    _text = _SIGNATURE.format(
        hx="Tensor[]" if _several else "Tensor", results="Tensor, Tensor, Tensor" if _several else "Tensor, Tensor"
    )
    torch.library.define(f"netglot::packed_{_kind}", _text)
    torch.library.impl(f"netglot::packed_{_kind}", "CompositeExplicitAutograd", _run(_kind))
    torch.library.register_fake(f"netglot::packed_{_kind}", _shapes)


@contextlib.contextmanager
def padded() -> Iterator[list[str]]:
    """Keeps sequences padded where a network packs them; gives the sentences that the report must carry then."""
    notes: list[str] = []

    def pad(*given):
        notes[:] = [NOTE]
        return _pad(*given)

    layers = (nn.LSTM, nn.GRU, nn.RNN)
    kept = [layer.forward for layer in layers]
    with _exchanged(_pack, pad):
        for layer in layers:
            layer.forward = _forward(layer.forward)
        try:
            yield notes
        finally:
            for layer, forward in zip(layers, kept, strict=True):
                layer.forward = forward


@contextlib.contextmanager
def _exchanged(pack: Any, pad: Any) -> Iterator[None]:
    """Lets PyTorch's two functions call others, wherever they were imported to."""

    def pack_padded_sequence(input, lengths, batch_first, enforce_sorted):
        return _netglot_pack(input, lengths, batch_first)  # type: ignore[name-defined]  # noqa: F821

    def pad_packed_sequence(sequence, batch_first, padding_value, total_length):
        return _netglot_pad(sequence, batch_first, padding_value, total_length)  # type: ignore[name-defined]  # noqa: F821

    functions = (rnn.pack_padded_sequence, rnn.pad_packed_sequence)
    kept = [function.__code__ for function in functions]
    vars(rnn).update(_netglot_pack=pack, _netglot_pad=pad)
    for function, other in zip(functions, (pack_padded_sequence, pad_packed_sequence), strict=True):
        function.__code__ = other.__code__
    try:
        yield
    finally:
        for function, code in zip(functions, kept, strict=True):
            function.__code__ = code


def pad_in_full() -> None:
    """Lets PyTorch's own padding give all steps of the batch that was packed, from now on, in whatever order it was."""

    def pack(input, lengths, batch_first):
        packed = _PACK(input, lengths, batch_first, False)
        packed.batch_sizes.padded_to = input.shape[1 if batch_first else 0]
        return packed

    def pad(sequence, batch_first, value, total):
        return _PAD(sequence, batch_first, value, total or getattr(sequence.batch_sizes, "padded_to", None))

    for_good = _exchanged(pack, pad)
    _FOR_GOOD.append(for_good)
    for_good.__enter__()


_FOR_GOOD: list[Any] = []
"""What is never put back: it would be when nobody holds it any more."""
