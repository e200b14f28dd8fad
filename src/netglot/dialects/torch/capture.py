"""From a live `torch.nn.Module` to an exported ATen graph in which every node knows its place in the user's source.

`torch.export` (non-strict) gives composite ATen ops and the stack of modules around each of them. It runs inside a
`TorchFunctionMode` that looks, at each function call, at the Python frames around it, and leaves their positions on
the fx nodes that appeared during the call. The same mode keeps `multi_head_attention_forward` in one piece, as a
custom op, where PyTorch would write twenty.
"""

from __future__ import annotations

import contextlib
import functools
import io
import os
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch._subclasses import FakeTensor
from torch.fx.experimental.proxy_tensor import get_proxy_mode
from torch.overrides import TorchFunctionMode

from netglot.dialects.torch.argument_names import naming_arguments
from netglot.dialects.torch.custom_gradients import carried
from netglot.dialects.torch.kept import kept_tensors
from netglot.dialects.torch.own_helpers import kept_whole
from netglot.dialects.torch.packed import padded
from netglot.dialects.torch.prepare import batched, know_dataclasses
from netglot.dialects.torch.training import Draws, Places, marked, observe
from netglot.dialects.torch.whole import STAND_INS, without_looks
from netglot.errors import Refusal, UserCodeError, never, notimpl
from netglot.pivot.graph import Site

_TORCH = os.path.dirname(torch.__file__) + os.sep
_HERE = os.path.dirname(os.path.abspath(__file__)) + os.sep
_PLACES = "netglot_sites"

torch.library.define(
    "netglot::multi_head_attention",
    "(Tensor query, Tensor key, Tensor value, Tensor? in_proj_weight, Tensor? q_proj_weight, Tensor? k_proj_weight, "
    "Tensor? v_proj_weight, Tensor? in_proj_bias, Tensor? bias_k, Tensor? bias_v, Tensor out_proj_weight, "
    "Tensor? out_proj_bias, Tensor? attn_mask, int num_heads, float dropout, bool is_causal, bool need_weights)"
    " -> (Tensor, Tensor)",
)


def _attention_in_pieces(
    query, key, value, in_w, q_w, k_w, v_w, in_b, bias_k, bias_v, out_w, out_b, mask, heads, dropout, causal, need
):
    """What the custom op computes: PyTorch's own function, on batch-first tensors, in inference."""
    if mask is not None and mask.dim() == 4:
        mask = mask.expand(query.shape[0], heads, *mask.shape[2:]).flatten(0, 1)
    if mask is not None and mask.dtype == torch.bool:
        mask = ~mask
    out, weights = F.multi_head_attention_forward(
        query.transpose(0, 1), key.transpose(0, 1), value.transpose(0, 1), query.shape[-1], heads, in_w, in_b,
        bias_k, bias_v, False, 0.0, out_w, out_b, training=False, need_weights=True, attn_mask=mask,
        use_separate_proj_weight=in_w is None, q_proj_weight=q_w, k_proj_weight=k_w, v_proj_weight=v_w,
    )  # fmt: skip
    return out.transpose(0, 1), weights


torch.library.impl("netglot::multi_head_attention", "CompositeExplicitAutograd", _attention_in_pieces)


@torch.library.register_fake("netglot::multi_head_attention")
def _attention_shapes(
    query, key, value, in_w, q_w, k_w, v_w, in_b, bias_k, bias_v, out_w, out_b, mask, heads, dropout, causal, need
):
    keys = key.shape[1] + (0 if bias_k is None else 1)
    return query.new_empty(query.shape), query.new_empty(query.shape[0], query.shape[1], keys)


_RECURRENT = ("lstm", "gru", "rnn_tanh", "rnn_relu")


def _keep_recurrent_whole() -> None:
    """Declares the recurrent functions as custom ops: PyTorch's own would fix the number of steps during export."""
    for name in _RECURRENT:
        states = "Tensor[] hx" if name == "lstm" else "Tensor hx"
        results = "(Tensor, Tensor, Tensor)" if name == "lstm" else "(Tensor, Tensor)"
        torch.library.define(
            f"netglot::{name}",
            f"(Tensor input, {states}, Tensor[] params, bool has_biases, int num_layers, float dropout, bool train, "
            f"bool bidirectional, bool batch_first) -> {results}",
        )
        torch.library.impl(f"netglot::{name}", "CompositeExplicitAutograd", getattr(torch, name))
        torch.library.register_fake(f"netglot::{name}", _recurrent_shapes)


def _recurrent_shapes(input, hx, params, has_biases, layers, dropout, train, bidirectional, batch_first):
    states = list(hx) if isinstance(hx, list | tuple) else [hx]
    features = states[0].shape[-1] * (2 if bidirectional else 1)
    out = input.new_empty((*input.shape[:-1], features))
    return (out, *(s.new_empty(s.shape) for s in states))


_keep_recurrent_whole()


@dataclass
class Captured:
    """An exported program and what was seen while it was made."""

    program: Any
    notes: list[str]


@functools.cache
def _position(code, instruction: int) -> tuple:
    return next(p for i, p in enumerate(code.co_positions()) if i == instruction // 2)


def _sites() -> tuple[Site | None, ...]:
    """The user's source line in each module's forward, outermost module first; None inside the framework."""
    levels: list[Site | None] = []
    innermost = None
    frame = sys._getframe(2)
    while frame is not None:
        code = frame.f_code
        if code.co_filename.startswith(_TORCH):
            if code.co_name == "_call_impl" and code.co_filename.endswith("module.py"):
                levels.append(innermost)
                innermost = None
        elif code.co_filename.startswith(_HERE):
            if code.co_name == "capture":
                break
        elif innermost is None:
            line, end_line, column, end_column = _position(code, frame.f_lasti)
            innermost = Site(code.co_filename, line or frame.f_lineno, code.co_name, column, end_line, end_column)
        frame = frame.f_back
    return tuple(reversed(levels))


class _Observer(TorchFunctionMode):
    """Leaves source positions on fx nodes, and keeps multi-head attention in one piece."""

    def __init__(self, places: Places, draws: Draws):
        super().__init__()
        self.places, self.draws = places, draws

    @contextlib.contextmanager
    def watching(self, model: torch.nn.Module) -> Iterator[None]:
        """Watches while `model` runs: export's own work around the network calls many functions of no interest."""
        before = model.register_forward_pre_hook(lambda *_: self.__enter__() and None, prepend=True)
        after = model.register_forward_hook(lambda *_: self.__exit__(None, None, None), always_call=True)
        known = model.register_forward_hook(lambda _, __, output: know_dataclasses(output))
        try:
            yield
        finally:
            for hook in (before, after, known):
                hook.remove()

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        func = STAND_INS.get(func, func)
        if func is F.scaled_dot_product_attention:
            args, kwargs = self._attention(args, kwargs)
        if func is F.multi_head_attention_forward:
            out = _whole_attention(*args, **kwargs)
            if out is None:
                out = func(*args, **kwargs)
        elif getattr(func, "__name__", "") in _RECURRENT and _is_plain_recurrent(args, kwargs):
            out = getattr(torch.ops.netglot, func.__name__)(*args)
        else:
            out = func(*args, **kwargs)
        mode = get_proxy_mode()
        if mode is not None:
            root = mode.tracer.graph._root
            node, sites = root._prev, None
            while node is not root and _PLACES not in node.meta:
                if node.op == "call_function":
                    sites = _sites() if sites is None else sites
                    node.meta[_PLACES] = sites
                elif node.op == "placeholder":
                    break
                node = node._prev
        return out

    def _attention(self, args, kwargs):
        """The arguments of an attention call with the dropout that it has in training."""
        names = ("query", "key", "value", "attn_mask", "dropout_p", "is_causal")
        given = dict(zip(names, args, strict=False)) | kwargs
        if given.get("dropout_p"):
            raise Refusal(
                never("attention drops weights at random in inference", "pass dropout_p only while self.training")
            )
        rate = self.draws.attention.get(self.places.next_attention(), 0.0)
        first = tuple(given.pop(name) for name in names[:3])
        return first, given | ({"dropout_p": rate} if rate else {})


def _is_plain_recurrent(args, kwargs) -> bool:
    """Whether a recurrent function is called on a padded batch, without projections."""
    if kwargs or len(args) != 9 or args[0].dim() != 3 or not isinstance(args[3], bool):
        return False
    states = args[1] if isinstance(args[1], list | tuple) else [args[1]]
    return len({s.shape[-1] for s in states}) == 1


def _whole_attention(
    query, key, value, embed_dim_to_check, num_heads, in_proj_weight, in_proj_bias, bias_k, bias_v, add_zero_attn,
    dropout_p, out_proj_weight, out_proj_bias, training=True, key_padding_mask=None, need_weights=True, attn_mask=None,
    use_separate_proj_weight=False, q_proj_weight=None, k_proj_weight=None, v_proj_weight=None, static_k=None,
    static_v=None, average_attn_weights=True, is_causal=False,
):  # fmt: skip
    """`F.multi_head_attention_forward` as the custom op, or None where it uses what the op does not have."""
    batched = query.dim() == 3
    if add_zero_attn or static_k is not None or static_v is not None or bias_k is not None or not batched:
        return None
    if need_weights and not average_attn_weights:
        return None
    mask = _merged_mask(attn_mask, key_padding_mask, query, num_heads)
    weights = (None, q_proj_weight, k_proj_weight, v_proj_weight)
    if not use_separate_proj_weight:
        weights = (in_proj_weight, None, None, None)
    out, scores = torch.ops.netglot.multi_head_attention(
        query.transpose(0, 1), key.transpose(0, 1), value.transpose(0, 1), *weights, in_proj_bias, None, None,
        out_proj_weight, out_proj_bias, mask, num_heads, dropout_p, False, need_weights,
    )  # fmt: skip
    return out.transpose(0, 1), (scores if need_weights else None)


def _merged_mask(attn_mask, key_padding_mask, query, heads: int):
    """Both masks as one that broadcasts to (batch, heads, query, key): True keeps, floats are added."""

    def keep_or_add(mask):
        return ~mask if mask.dtype == torch.bool else mask

    merged = None
    if attn_mask is not None:
        merged = keep_or_add(attn_mask)
        merged = merged.unflatten(0, (query.shape[1], heads)) if merged.dim() == 3 else merged[None, None]
    if key_padding_mask is not None:
        padding = keep_or_add(key_padding_mask)[:, None, None, :]
        if merged is None:
            merged = padding
        elif merged.dtype == padding.dtype:
            merged = merged & padding if merged.dtype == torch.bool else merged + padding
        else:
            floats, keep = (merged, padding) if padding.dtype == torch.bool else (padding, merged)
            merged = floats.masked_fill(~keep, float("-inf"))
    return merged


def _user_line() -> str:
    """The innermost line of the user's own code that is running."""
    frame = sys._getframe(1)
    while frame.f_back is not None and not _is_users(frame.f_code.co_filename):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


@contextlib.contextmanager
def _inference(model: torch.nn.Module):
    """Puts every module into inference and restores each one's own mode."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def capture(model: torch.nn.Module, args: tuple, kwargs: dict, dynamic: Any) -> Captured:
    """Exports `model` on example inputs.

    Args:
        dynamic: the `dynamic_shapes` of `torch.export`, for args followed by kwargs.

    Raises:
        Refusal: the network branches on data, or uses a custom autograd function with a gradient of its own.
        UserCodeError: the forward pass itself raises.
    """
    with carried(_user_line), _quiet(), kept_tensors(model), padded():
        draws = observe(model, args, kwargs)
    places = Places(model)
    with (
        _inference(model),
        carried(_user_line),
        _quiet(),
        marked(model, draws),
        kept_tensors(model) as tensors,
        padded() as notes,
    ):
        try:
            observer = _Observer(places, draws)
            with (
                places.watching(),
                naming_arguments(model),
                without_looks(),
                observer.watching(model),
                _any_size(),
                kept_whole(model),
            ):
                program = batched(torch.export.export(model, args, kwargs, dynamic_shapes=dynamic, strict=False))
        except Refusal:
            raise
        except Exception as error:
            raise _explained(error, model, args, kwargs) from error
    program._state_dict.update({k: tensors[k] for k, v in program._state_dict.items() if isinstance(v, FakeTensor)})
    return Captured(program, [*draws.notes, *notes])


@contextlib.contextmanager
def _any_size():
    """Lets `torch.einsum` multiply from left to right: its search for a better order fixes all sizes."""
    chosen = torch.backends.opt_einsum.enabled
    torch.backends.opt_einsum.enabled = False
    try:
        yield
    finally:
        torch.backends.opt_einsum.enabled = chosen


@contextlib.contextmanager
def _quiet():
    """Export's own advice about guards and specialisation is not for the user of a converter."""
    import logging
    import warnings

    logger = logging.getLogger("torch")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        nowhere = io.StringIO()
        with warnings.catch_warnings(), contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


_COMPILED = never(
    "it calls compiled operators of torchvision (nms, roi_align), which choose boxes by values and do not load here",
    "convert the part that computes scores and boxes (`model.backbone`, `model.head`) and choose the boxes outside it",
)
"""Why the detection networks of torchvision are refused where its wheel does not fit the one of PyTorch."""


def _explained(error: Exception, model, args, kwargs) -> Exception:
    """Whose fault it was: the user's forward, which also fails outside export, or something export cannot follow."""
    try:
        with torch.no_grad():
            model(*args, **kwargs)
    except Exception as own:
        if "Couldn't load custom C++ ops" in str(own):
            return Refusal(_COMPILED, site=_raised_at(own))
        return UserCodeError(
            f"the model's forward raised {type(own).__name__}: {own}",
            trace=user_traceback(own),
            advice="check the --input shapes and dtypes against the model",
        )
    site = _raised_at(error)
    if "data-dependent" in str(error).lower() or "GuardOnDataDependent" in type(error).__name__:
        reason = never(
            "the network branches on values that are known only when it runs",
            "compute both branches and choose with torch.where, or give the decision as an argument",
        )
        return Refusal(reason, site=site)
    if "fake tensor in the exported program" in str(error):
        reason = notimpl(
            "the forward pass writes to `.data`, or keeps a tensor from another call, which export does not follow",
            "multiply a weight where it is used: F.conv2d(x, self.weight * self.mask); keep no tensors between calls",
        )
        return Refusal(reason, site=site)
    text = str(error).strip().split("\n")[0][:200]
    return Refusal(notimpl(f"torch.export cannot follow the network: {type(error).__name__}: {text}"), site=site)


def _raised_at(error: BaseException) -> str | None:
    """The innermost line of the user's own code in a traceback."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if _is_users(f.filename)]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else None


def _is_users(filename: str) -> bool:
    return not filename.startswith((_TORCH, _HERE, "<")) and "netglot" not in filename.split(os.sep)


def user_traceback(error: BaseException) -> str:
    """The traceback of `error` without the frames of netglot and of PyTorch."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if _is_users(f.filename)]
    return "".join(traceback.format_list(frames)) + "".join(traceback.format_exception_only(error))
