"""An operator at work: its attributes as Python's own, and its operands as the readers take them."""

from __future__ import annotations

from typing import Any

import numpy as np

from netglot.dialects.assembly import checked
from netglot.dialects.paddle.known import known
from netglot.errors import InputError, Refusal, notimpl
from netglot.formats.paddle import Operator
from netglot.formats.record import short
from netglot.pivot import ops
from netglot.pivot.dims import Dim
from netglot.pivot.op import FLOATS, INTEGERS, is_scalar, shape_of, type_of

_WIDTH = {name: rank for rank, name in enumerate(("bool", *reversed(INTEGERS), *reversed(FLOATS)))}
_CODES = {0: "bool", 1: "int16", 2: "int32", 3: "int64", 4: "float16", 5: "float32", 6: "float64", 20: "uint8",
          21: "int8", 22: "bfloat16"}  # fmt: skip


class Node:
    """One operator; `reading` knows the network that it stands in."""

    def __init__(self, operator: Operator, reading: Any):
        self.operator, self.reading = operator, reading
        self.type, self.attributes = operator.type, operator.attributes
        self.path = ""
        """Where its weights are kept."""

    def __repr__(self) -> str:
        return self.type

    # -- attributes

    def get(self, name: str, default: Any = None) -> Any:
        """An attribute as the file holds it."""
        held = self.attributes.get(name)
        return default if held is None else held

    def integer(self, name: str, default: int = 0) -> int:
        """A whole number.

        Raises:
            InputError: it is something else.
        """
        held = self.get(name, default)
        if not isinstance(held, int | float) or held != held or int(held) != held:
            raise InputError(f"{self.type}: {name} is {held!r} and must be a whole number")
        return int(held)

    def number(self, name: str, default: float = 0.0) -> float:
        """A number, as short as single precision allows. Errors as for `integer`."""
        held = self.get(name, default)
        if not isinstance(held, int | float):
            raise InputError(f"{self.type}: {name} is {held!r} and must be a number")
        return short(float(held))

    def flag(self, name: str, default: bool = False) -> bool:
        """A truth value."""
        return bool(self.get(name, default))

    def text(self, name: str, default: str = "") -> str:
        """A text."""
        held = self.get(name, default)
        return held if isinstance(held, str) else default

    def integers(self, name: str, default: tuple = ()) -> tuple[int, ...]:
        """A list of whole numbers. Errors as for `integer`."""
        held = self.get(name, default)
        held = [held] if isinstance(held, int | float) and not isinstance(held, bool) else held
        if not isinstance(held, list | tuple) or not all(isinstance(one, int | float) for one in held):
            raise InputError(f"{self.type}: {name} is {held!r} and must be a list of whole numbers")
        if any(one != one or int(one) != one for one in held):
            raise InputError(f"{self.type}: {name} is {held!r} and must be a list of whole numbers")
        return tuple(int(one) for one in held)

    def dtype(self, name: str = "dtype", default: str = "") -> str:
        """A dtype; `default` where the file leaves it open.

        Raises:
            Refusal: it is none of the pivot's.
        """
        held = self.get(name, default)
        found = _CODES.get(held, default) if isinstance(held, int) else str(held)
        found = default if found.lower().startswith("undefined") or not found else found
        if found not in _WIDTH:
            raise Refusal(notimpl(f"tensors of {held!r}"))
        return found

    # -- operands that must be known

    def known(self, held: Any, what: str) -> np.ndarray:
        """A tensor, or a list of tensors of one element each, that must be known.

        Raises:
            Refusal: it depends on data.
        """
        if isinstance(held, list):
            parts = [np.ravel(np.asarray(self.known(one, what), object)) for one in held]
            made = np.concatenate(parts) if parts else np.zeros(0, object)
            symbolic = any(isinstance(one, Dim) for one in made)
            return made if symbolic else made.astype("int64")
        if is_scalar(held):
            return np.asarray(held, dtype=object if isinstance(held, Dim) else None)
        if not known(held):
            raise Refusal(notimpl(f"{what} that depend on data"))
        return np.asarray(held)

    def sizes(self, held: Any, what: str) -> tuple:
        """A known tensor of whole numbers as a tuple; sizes that are not known may be among them."""
        found = np.ravel(self.known(held, what))
        return tuple(self.whole(one) for one in found)

    def whole(self, held: Any) -> Any:
        """A known number as Python's own whole number, or a size.

        Raises:
            InputError: it is something else.
        """
        one = held.item() if isinstance(held, np.ndarray) and held.size == 1 else held
        if isinstance(one, Dim):
            return one
        if isinstance(one, np.ndarray) or one is None or one != one or int(one) != one:
            raise InputError(f"{self.type}: {one!r} must be a whole number")
        return int(one)

    def scalar(self, held: Any, what: str) -> float:
        """A known number as Python's own."""
        found = np.ravel(self.known(held, what))
        if found.size != 1 or isinstance(found[0], Dim):
            raise Refusal(notimpl(f"{what} that is no one number"))
        return short(float(found[0]))

    # -- operands that are computed with

    def operand(self, held: Any, role: str = "constant") -> Any:
        """A known tensor as a number or a constant of the network; anything else as it is."""
        return self.reading.operand(self, held, role)

    def weight(self, held: Any, role: str, shape: tuple | None = None, kind: str = "parameter") -> Any:
        """A tensor as a weight of this operator: a parameter is named after the operator and its role.

        Raises:
            InputError: it has another shape.
        """
        found = self.reading.weight(self, held, role, kind)
        if shape is not None and tuple(shape_of(found)) != tuple(shape):
            raise InputError(f"{self.type}: the {role} is {list(shape_of(found))} and must be {list(shape)}")
        checked(tuple(shape_of(found)), f"the {role} of {self.type}")
        return found

    def alike(self, *held: Any) -> list:
        """Operands with one dtype: the widest among the tensors."""
        tensors = [type_of(one).dtype for one in held if one is not None and not is_scalar(one)]
        if len(set(tensors)) < 2:
            return list(held)
        wide = max(tensors, key=_WIDTH.__getitem__)
        return [
            one if one is None or is_scalar(one) or type_of(one).dtype == wide else ops.Cast(one, wide) for one in held
        ]
