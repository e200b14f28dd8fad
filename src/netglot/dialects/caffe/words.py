"""What Caffe's options have in common: windows, axes, choices that are words in text and numbers in bytes."""

from __future__ import annotations

from netglot.errors import InputError, Refusal, notimpl
from netglot.formats.record import Record


def per_axis(options: Record, name: str, long: str, count: int, default: int | None) -> tuple[int, ...]:
    """An option given once for all spatial axes, once for each, or as `long_h` and `long_w`.

    Raises:
        InputError: it is missing, or given for another number of axes.
    """
    if count == 2 and (f"{long}_h" in options or f"{long}_w" in options):
        return tuple(options.integer(f"{long}_{side}", 0 if name == "pad" else default) for side in "hw")
    given = [int(one) for one in options.all(name) if isinstance(one, int | float)]
    if not given and default is None:
        raise InputError(f"{options.kind}: {name} is missing")
    given = given or [default or 0]
    if len(given) not in (1, count):
        raise InputError(f"{options.kind}: {len(given)} values of {name} for {count} axes")
    return tuple(given * count if len(given) == 1 else given)


def choice(options: Record, name: str, words: tuple[str, ...], default: str) -> str:
    """One of several words, which a file may also write as its number.

    Raises:
        Refusal: it is none of them.
    """
    held = options.get(name, default)
    if isinstance(held, int) and not isinstance(held, bool) and 0 <= held < len(words):
        return words[held]
    if held not in words:
        raise Refusal(notimpl(f"{name}: {held}"))
    return held


def axis_of(options: Record, rank: int, default: int = 1, name: str = "axis") -> int:
    """An axis counted from the front.

    Raises:
        InputError: there is no such axis.
    """
    axis = options.integer(name, default)
    found = axis + rank if axis < 0 else axis
    if not 0 <= found <= rank:
        raise InputError(f"{options.kind}: {name} is {axis} for {rank} axes")
    return found


def positive(values: tuple[int, ...], name: str) -> tuple[int, ...]:
    """Sizes that must be at least 1.

    Raises:
        InputError: one is not.
    """
    if any(value < 1 for value in values):
        raise InputError(f"{name} is {list(values)}")
    return values
