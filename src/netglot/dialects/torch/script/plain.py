"""What TorchScript's functions do to numbers, lists and texts, and what they ask of tensors without computing."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import torch

from netglot.errors import Refusal, notimpl


def is_number(one: Any) -> bool:
    """Whether a value is a number, a symbolic one included."""
    return isinstance(one, int | float | bool | torch.SymInt | torch.SymFloat | torch.SymBool)


def _slice(held: Any, start: Any = None, stop: Any = None, step: Any = 1) -> Any:
    return held[start:stop:step]


def _append(held: list, one: Any) -> list:
    held.append(one)
    return held


def _extend(held: list, more: list) -> None:
    held.extend(more)


def _insert(held: list, place: int, one: Any) -> None:
    held.insert(place, one)


def _set(held: Any, key: Any, one: Any) -> Any:
    held[key] = one
    return held


def _pop(held: Any, *key: Any) -> Any:
    return held.pop(*key)


def _integer(one: Any) -> Any:
    if isinstance(one, torch.SymFloat):
        return torch.sym_int(one)
    return one if isinstance(one, torch.SymInt) else int(one)


def _divided(x: Any, y: Any, *rest: Any, rounding_mode: str | None = None) -> Any:
    if rounding_mode == "floor":
        return x // y
    return int(x / y) if rounding_mode == "trunc" else x / y


def _format(text: str, *held: Any) -> str:
    return text.format(*held)


def _range_length(low: int, high: int, step: int) -> Any:
    if step == 0:
        raise Refusal(notimpl("a loop whose step is 0"))
    length = (high - low + step - (1 if step > 0 else -1)) // step
    return length if isinstance(length, torch.SymInt) else max(length, 0)


def _scaled(function: Callable) -> Callable:
    """`x + alpha * y` for the numbers that a trace counts with."""
    return lambda x, y, *, alpha=1: function(x, y if alpha == 1 else alpha * y)


def _added(held: Any, more: Any, *, alpha: Any = 1) -> Any:
    """`held += more`: a list grows and stays the one that it is."""
    if isinstance(held, list):
        held.extend(more)
        return held
    return held + alpha * more


PLAIN: dict[str, Callable] = {
    "add": _scaled(operator.add), "sub": _scaled(operator.sub), "rsub": lambda x, y, *, alpha=1: y - alpha * x,
    "add_": _added, "mul": operator.mul, "multiply": operator.mul, "div": _divided,
    "true_divide": operator.truediv, "floordiv": operator.floordiv, "floor_divide": operator.floordiv,
    "remainder": operator.mod, "fmod": math.fmod, "mod": operator.mod, "pow": operator.pow, "neg": operator.neg,
    "abs": abs, "eq": operator.eq, "ne": operator.ne, "lt": operator.lt, "le": operator.le, "gt": operator.gt,
    "ge": operator.ge, "__not__": operator.not_, "__and__": operator.and_, "__or__": operator.or_,
    "__xor__": operator.xor, "__contains__": lambda held, one: one in held, "len": len, "append": _append,
    "extend": _extend, "insert": _insert, "pop": _pop, "clear": lambda held: held.clear(),
    "copy": lambda held: held.copy(), "list": list, "reverse": lambda held: held.reverse(), "_set_item": _set,
    "__getitem__": operator.getitem, "slice": _slice, "keys": lambda d: list(d.keys()), "sort": lambda d: d.sort(),
    "values": lambda d: list(d.values()), "items": lambda d: list(d.items()), "get": lambda d, *k: d.get(*k),
    "format": _format, "ceil": math.ceil, "floor": math.floor, "sqrt": math.sqrt, "log": math.log, "exp": math.exp,
    "sin": math.sin, "cos": math.cos, "round": round, "sum": sum, "any": any, "all": all, "str": str, "ord": ord,
    "__range_length": _range_length, "__derive_index": lambda n, start, step: start + n * step, "Int": _integer,
    "Float": float, "Bool": bool, "index": lambda held, one: held.index(one), "count": lambda held, o: held.count(o),
    "max": max, "min": min, "lower": str.lower, "upper": str.upper, "split": lambda t, *a: t.split(*a),
    "join": lambda t, parts: t.join(parts), "startswith": lambda t, *a: t.startswith(*a), "sorted": sorted,
    "endswith": lambda t, *a: t.endswith(*a), "replace": lambda t, *a: t.replace(*a), "prod": math.prod,
    "strip": lambda t, *a: t.strip(*a), "type_as": lambda x, y: x, "clone": lambda x: x, "detach": lambda x: x,
}  # fmt: skip
"""Functions of values none of which is a tensor."""

ASKED: dict[str, Callable] = {
    "size": lambda x, *axis: x.shape[axis[0]] if axis else list(x.shape),
    "dim": lambda x: x.dim(),
    "ndimension": lambda x: x.dim(),
    "numel": lambda x: x.numel(),
    "len": lambda x: x.shape[0],
    "is_floating_point": lambda x: x.is_floating_point(),
    "is_complex": lambda x: x.is_complex(),
    "requires_grad": lambda x: False,
    "is_cuda": lambda x: False,
    "cpu": lambda x: x,
    "cuda": lambda x: x,
    "stride": lambda x, *axis: x.stride(*axis),
    "is_contiguous": lambda x, *rest: True,
    "get_device": lambda x: -1,
}
"""Functions of a tensor that only ask about it, or move it nowhere."""


def _dtype_code(x: torch.Tensor) -> int:
    return _CODES[x.dtype]


_CODES = {
    torch.uint8: 0, torch.int8: 1, torch.int16: 2, torch.int32: 3, torch.int64: 4, torch.float16: 5, torch.float32: 6,
    torch.float64: 7, torch.complex64: 9, torch.complex128: 10, torch.bool: 11, torch.bfloat16: 15,
}  # fmt: skip
DTYPES = {code: dtype for dtype, code in _CODES.items()}
"""Dtypes by the numbers that programs write."""


def _raised(message: Any, *kind: Any) -> None:
    raise Refusal(notimpl(f"the network raises on such an input: {message}"))


PRIM: dict[str, Callable] = {
    "NumToTensor": lambda one: one,
    "dtype": _dtype_code,
    "device": lambda x: torch.device("cpu"),
    "layout": lambda x: 0,
    "is_cuda": lambda x: False,
    "shape": lambda x: list(x.shape),
    "data": lambda x: x,
    "RaiseException": _raised,
    "min": lambda *held: min(*held),
    "max": lambda *held: max(*held),
    "abs": abs,
    "rangelist": lambda n: list(range(n)),
    "unchecked_unwrap_optional": lambda held: held,
    "ImplicitTensorToNum": _integer,
    "is_mps": lambda x: False,
    "is_nested": lambda x: False,
    "type": lambda device: "cpu",
    "index": lambda device: None,
    "is_cpu": lambda x: True,
    "is_meta": lambda x: False,
    "ndim": lambda x: x.dim(),
    "is_xla": lambda x: False,
    "is_sparse": lambda x: False,
    "is_quantized": lambda x: False,
    "requires_grad": lambda x: False,
    "itemsize": lambda x: x.element_size(),
    "grad": lambda x: None,
    "isinstance": lambda *held: True,
}
"""Functions of the language itself."""

FORBIDDEN = ("from_file", "set_", "resize_", "_resize_output", "record_stream", "pin_memory", "_pin_memory", "save")
"""Operators that reach outside of the tensors that they are given."""
