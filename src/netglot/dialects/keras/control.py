"""The control flow of `keras.ops` while a model is traced.

How often a loop turns is known then, unless data say it: its turns are written out one after the other. Where data say
which of several branches is taken, all are computed and one is kept. What this cannot follow is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops as knp

from netglot.dialects.keras.capture import Traced, array_of
from netglot.dialects.keras.sizes import Size
from netglot.errors import Refusal, notimpl

MOST_TURNS = 256
"""How many turns of a loop are written out at most."""


def cond(pred: Any, true_fn: Callable, false_fn: Callable) -> Any:
    """One of two branches, or both with a choice between their results."""
    if not isinstance(pred, Traced):
        return true_fn() if _known(pred) else false_fn()
    return _chosen("cond", knp.cast(knp.reshape(pred, ()), "bool"), true_fn(), false_fn())


def switch(index: Any, branches: Any, *operands: Any) -> Any:
    """One of several branches; an index beyond the last is that of the last, one below 0 that of the first."""
    if not isinstance(index, Traced):
        place = min(max(int(_known(index)), 0), len(branches) - 1)
        return branches[place](*operands)
    index = knp.reshape(index, ())
    made = [branch(*operands) for branch in branches]
    found = made[-1]
    for place in reversed(range(len(made) - 1)):
        found = _chosen("switch", knp.less_equal(index, place), made[place], found)
    return found


def scan(f: Callable, init: Any, xs: Any = None, length: Any = None, reverse: bool = False, unroll: Any = 1) -> Any:
    """The last state, and what each turn makes, stacked: in the state's nest, zeros where it is None."""
    turns = _turns("scan", length) if length is not None else _places("scan", xs)
    state, made = init, [None] * turns
    for place in reversed(range(turns)) if reverse else range(turns):
        state, one = f(state, _at(xs, place))
        held = keras.tree.flatten(keras.tree.map_structure(knp.zeros_like, state) if one is None else one)
        if len(held) != len(keras.tree.flatten(init)):
            raise Refusal(notimpl("a turn of a keras.ops.scan makes more or fewer tensors than its state has"))
        made[place] = keras.tree.pack_sequence_as(init, held)
    return state, _stacked("scan", made)


def map(f: Callable, xs: Any) -> Any:
    """What a function makes of each place of the first axis."""
    return _stacked("map", [f(_at(xs, place)) for place in range(_places("map", xs))])


def vectorized_map(function: Callable, elements: Any) -> Any:
    """The same, under its other name."""
    turns = _places("vectorized_map", elements)
    return _stacked("vectorized_map", [function(_at(elements, place)) for place in range(turns)])


def fori_loop(lower: Any, upper: Any, body_fun: Callable, init_val: Any) -> Any:
    """A loop that counts."""
    first = _turns("fori_loop", lower, bounded=False)
    last = _turns("fori_loop", upper, bounded=False)
    _turns("fori_loop", last - first)
    state = init_val
    for place in range(first, last):
        state = body_fun(knp.convert_to_tensor(place, "int32"), state)
    return state


def while_loop(cond: Callable, body: Callable, loop_vars: Any, maximum_iterations: Any = None) -> Any:
    """A loop that ends by a condition: one that is computed from data holds back what later turns change."""
    several = isinstance(loop_vars, list | tuple)
    state = [_tensors(one) for one in (loop_vars if several else (loop_vars,))]
    most = None if maximum_iterations is None else _turns("while_loop", maximum_iterations, bounded=False)
    turn, going = 0, None
    while most is None or turn < most:
        again = cond(*state)
        if not isinstance(again, Traced) and not _known(again):
            break
        if isinstance(again, Traced):
            again = knp.reshape(again, ())
            if most is None:
                advice = "give it maximum_iterations, within which its turns are written out"
                raise Refusal(notimpl("how often a keras.ops.while_loop turns is computed from data", advice))
            _turns("while_loop", most)
            going = again if going is None else knp.logical_and(going, again)
        turn = _turns("while_loop", turn + 1)
        made = body(*state)
        made = list(made) if several else [made]
        if going is not None:
            made = [_chosen("while_loop", going, *both) for both in zip(made, state, strict=True)]
        state = made
    return tuple(state) if several else state[0]


def associative_scan(f: Callable, elems: Any, reverse: bool = False, axis: int = 0) -> Any:
    """All elements of an axis up to each combined, in as many turns as the length has doublings."""
    length = _places("associative_scan", elems, axis)
    found = keras.tree.map_structure(lambda one: knp.flip(one, axis), elems) if reverse else elems
    apart = 1
    while apart < length:
        made = f(_between(found, axis, 0, length - apart), _between(found, axis, apart, length))
        start = _between(found, axis, 0, apart)
        found = keras.tree.map_structure(lambda *both: knp.concatenate(both, axis=axis), start, made)
        apart *= 2
    return keras.tree.map_structure(lambda one: knp.flip(one, axis), found) if reverse else found


# -- how often


def _turns(name: str, count: Any, bounded: bool = True) -> int:
    """How often a loop turns.

    Raises:
        Refusal: nobody knows before it runs, or it is too often.
    """
    if isinstance(count, Traced):
        raise Refusal(notimpl(f"how often a keras.ops.{name} turns is computed from data"))
    if isinstance(count, Size):
        raise Refusal(notimpl(f"a keras.ops.{name} turns as often as a size says that is not known", _FIX))
    turns = int(_known(count))
    if bounded and turns > MOST_TURNS:
        why = f"a keras.ops.{name} turns more than {MOST_TURNS} times, too often to be written out"
        raise Refusal(notimpl(why, "give it a fixed, short length"))
    return turns


_FIX = "give the inputs fixed sizes"


def _places(name: str, xs: Any, axis: int = 0) -> int:
    """How many places an axis of the first of several tensors has."""
    return _turns(name, keras.tree.flatten(xs)[0].shape[axis])


def _known(one: Any) -> Any:
    held = array_of(one)
    return held.item() if hasattr(held, "item") else held


# -- nests of tensors


def _tensors(tree: Any) -> Any:
    return keras.tree.map_structure(lambda one: one if hasattr(one, "shape") else knp.convert_to_tensor(one), tree)


def _at(tree: Any, place: int) -> Any:
    return None if tree is None else keras.tree.map_structure(lambda one: one[place], tree)


def _between(tree: Any, axis: int, start: int, stop: int) -> Any:
    def cut(one):
        return one[(*[slice(None)] * (axis % len(one.shape)), slice(start, stop))]

    return keras.tree.map_structure(cut, tree)


def _stacked(name: str, made: list) -> Any:
    if not made:
        raise Refusal(notimpl(f"a keras.ops.{name} that never turns"))
    return keras.tree.map_structure(lambda *all: knp.stack(all), *made)


def _chosen(name: str, pred: Any, taken: Any, other: Any) -> Any:
    """One of two results of the same shapes.

    Raises:
        Refusal: their shapes, or what they hold, differ.
    """

    def choose(one, another):
        if one is None and another is None:
            return None
        if tuple(one.shape) != tuple(another.shape):
            why = f"{list(one.shape)} and {list(another.shape)}"
            raise Refusal(notimpl(f"a keras.ops.{name} chooses by data between tensors of other shapes, {why}"))
        return one if one is another else knp.where(pred, one, another)

    try:
        keras.tree.assert_same_structure(taken, other)
    except (ValueError, TypeError):
        raise Refusal(notimpl(f"a keras.ops.{name} chooses by data between results of other structures")) from None
    return keras.tree.map_structure(choose, _tensors(taken), _tensors(other))


TABLE: dict[str, Callable] = {
    one.__name__: one for one in (associative_scan, cond, fori_loop, map, scan, switch, vectorized_map, while_loop)
}
"""What stands in for the functions of Keras's backend, by their names there."""
