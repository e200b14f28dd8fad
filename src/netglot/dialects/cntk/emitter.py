"""CNTK's functions under construction: which axis of each tensor is the batch, and what an operation makes of that.

A tensor of the pivot is a *sample* in CNTK, its axes but one, and that one is the batch, which no operation reaches
across. Tensors that are the same for all of a batch have none. Where the size of the batch is known, a tensor is laid
out without one, or given one, as an operation needs it.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from netglot.dialects.steps import Emitter, Held, evaluate_recipe
from netglot.errors import Refusal, never, notimpl
from netglot.formats.cntk_save import (
    BATCH,
    CONSTANT,
    FREE,
    INPUT,
    PARAMETER,
    Axis,
    Function,
    Shape,
    Variable,
    Weight,
)
from netglot.pivot.dims import Dim, floordiv, product
from netglot.pivot.graph import Graph, Node, Parameter
from netglot.pivot.op import broadcast_shapes, is_scalar, type_of

OPEN = 2**64 - 1
"""The size in a reshape that is found out."""


_SEEN = " seen "
_MOST_AXES = 4


@dataclass(frozen=True)
class Form:
    """A tensor's shape in the pivot, and where in it the batch stands: nowhere, or at an axis.

    With a `fold` the axis 0 is the batch and so many rows of each element of it, which stand before the other axes.
    """

    shape: tuple
    batch: int | None = None
    fold: int = 1

    @property
    def sample(self) -> tuple:
        """The sizes that CNTK knows."""
        if self.batch is None:
            return self.shape
        rows = (self.fold,) if self.fold > 1 else ()
        return (*rows, *self.shape[: self.batch], *self.shape[self.batch + 1 :])

    def place(self, axis: int) -> int:
        """An axis as CNTK counts it: from the innermost."""
        behind = len(self.shape) - 1 - axis
        return behind - (self.batch is not None and self.batch > axis)


@dataclass(frozen=True)
class At:
    """An option that is an axis of the pivot."""

    axis: int


@dataclass(frozen=True)
class PerAxis:
    """An option with one number for each axis of the pivot."""

    values: tuple


class CntkEmitter(Emitter):
    """Functions and variables. Steps say by `rule` how they treat axes; the methods are called so."""

    def __init__(self, graph: Graph, dialect: Any, batch: Any, *, pinned: bool = False):
        super().__init__(graph, dialect, separator=".")
        self.batch, self.laid_out = batch, pinned
        self.forms: dict[str, Form] = {}
        self.functions: list[Function] = []
        self.variables_: list[Variable] = []
        self._uids: dict[Any, str] = {}
        self._numbers: dict[float, str] = {}
        self._views: dict[tuple, str] = {}
        self.given = dict(self.names)
        for value in graph.inputs:
            own = bool(value.shape) and value.shape[0] == batch and not pinned
            form = Form(tuple(value.shape), 0 if own else None)
            uid = f"Input{len(self.variables_)}"
            sizes = tuple(FREE if isinstance(size, Dim) else int(size) for size in form.sample)
            self.variables_.append(Variable(uid, INPUT, sizes, self.given[value], (BATCH,) if own else ()))
            self.names[value], self.forms[uid] = uid, form

    # -- terms

    def value(self, item: Any, dtype: str = "float32") -> str:
        if is_scalar(item):
            if isinstance(item, Dim):
                raise Refusal(notimpl(f"the size {item}, which is not known before the network runs, as a number"))
            number = float(item)
            if number not in self._numbers:
                self._numbers[number] = super().value(np.float32(number))
            return self._numbers[number]
        return super().value(item, dtype)

    def stored(self, tree: Any, role: str = "") -> str:
        name = super().stored(tree, role)
        if name not in self._uids:
            recipe = self.weights[name]
            trained = any(one.trainable for one in self.base(recipe))
            shape = tuple(int(size) for size in type_of(recipe).shape)
            uid = f"{'Parameter' if trained else 'Constant'}{len(self.variables_)}"
            weight = Weight(shape, lambda: loaded(recipe).astype("float32"))
            kind = PARAMETER if trained else CONSTANT
            self.variables_.append(Variable(uid, kind, shape, name, (), weight))
            self._uids[name], self.forms[uid] = uid, Form(shape)
        return self._uids[name]

    def _op(self, op: Any, used: Any, depth: int = 0) -> list[str]:
        if any(size == 0 for kind in op.result_types() for size in kind.shape):
            raise Refusal(never("CNTK has no tensors without elements"))
        return super()._op(op, used, depth)

    def stand_in(self, node: Node) -> None:
        super().stand_in(node)
        for value in node.results:
            own = bool(value.shape) and value.shape[0] == self.batch and not self.laid_out
            self.forms[value.name] = Form(tuple(value.shape), 0 if own else None)

    def add(self, call: Any, count: int, dtype: str) -> list[str]:
        options = dict(call.options)
        rule = getattr(self, options.pop("rule"))
        self._title = self.step_name(call.function, any(isinstance(one, Held) for one in call.arguments))
        return rule(call.function, [self.value(one, dtype) for one in call.arguments], **options)

    # -- functions

    def make(self, kind: str, inputs: Sequence[str], form: Form, name: str = "", **options: Any) -> str:
        """One function; the name of its first result."""
        uid = f"{kind}{len(self.functions)}"
        self.functions.append(Function(uid, kind, [real(one) for one in inputs], options, name))
        self.forms[f"{uid}_Output_0"] = form
        return f"{uid}_Output_0"

    def titled(self) -> str:
        """The name of the function for the step at work."""
        return self.taken.unique(self._title)

    def options(self, form: Form, held: dict[str, Any]) -> dict[str, Any]:
        """Options in which axes are counted as CNTK counts them."""

        def told(one: Any) -> Any:
            if isinstance(one, At):
                return Axis(form.place(one.axis))
            if isinstance(one, PerAxis):
                inner = [n for axis, n in enumerate(one.values) if axis != form.batch]
                return [*reversed(inner), *[0] * (form.fold > 1)]
            return [told(each) for each in one] if isinstance(one, list) else one

        return {key: told(one) for key, one in held.items()}

    def resample(self, name: str, sample: tuple, form: Form) -> str:
        """The same elements in a sample of other sizes; at most one of those that change may be unknown."""
        old = self.forms[name].sample
        if old == sample:
            return self.view(name, form)
        key = (name, sample, form)
        if key not in self._views:
            outer = 0
            while outer < min(len(old), len(sample)) and old[outer] == sample[outer]:
                outer += 1
            inner = 0
            while inner < min(len(old), len(sample)) - outer and old[-1 - inner] == sample[-1 - inner]:
                inner += 1
            new = sample[outer : len(sample) - inner]
            if sum(isinstance(size, Dim) for size in new) > 1:
                raise Refusal(notimpl(f"a reshape to {list(sample)}, of which several sizes are not known"))
            sizes = tuple(OPEN if isinstance(size, Dim) else int(size) for size in new)
            ends = {"beginAxis": Axis(inner), "endAxis": Axis(len(old) - outer)}
            self._views[key] = self.make("Reshape", [name], form, newShape=Shape(sizes), **ends)
        return self._views[key]

    def view(self, name: str, form: Form) -> str:
        """The same result seen in another form: a name of its own, of which the file knows nothing."""
        if self.forms[name] == form:
            return name
        made = f"{real(name)}{_SEEN}{len(self._views)}"
        self._views[(name, form)] = made
        self.forms[made] = form
        return made

    # -- with and without a batch

    def still(self, name: str) -> str:
        """A tensor laid out without a batch.

        Raises:
            Refusal: the size of the batch is not known.
        """
        form = self.forms[name]
        if form.batch is None:
            return name
        self.laid_out = True
        if not all(isinstance(size, int) for size in form.shape):
            raise Refusal(
                never("CNTK's operations do not reach across a batch of any size; an input of 2!,... pins it")
            )
        if ("still", name) in self._views:
            return self._views["still", name]
        rest = form.sample
        whole = Form((form.shape[form.batch], *rest))
        made = self.make("UnpackBatch", [name], Form((Dim.symbol("batch"), *rest)))
        made = self.make("Reshape", [made], whole, newShape=Shape(whole.shape), beginAxis=Axis(0),
                         endAxis=Axis(len(whole.shape)))  # fmt: skip
        order = list(range(1, len(whole.shape)))
        order.insert(form.batch, 0)
        self._views["still", name] = self.moved(made, tuple(order))
        return self._views["still", name]

    def batched(self, name: str) -> str:
        """A tensor whose axis 0 is the batch."""
        form = self.forms[name]
        if form.batch == 0 and form.fold == 1:
            return name
        if form.batch is not None:
            name = self.still(name)
        if not form.shape or form.shape[0] != self.batch:
            raise Refusal(notimpl(f"an operation on pictures of the shape {list(form.shape)}, not all in one batch"))
        if ("batch", name) not in self._views:
            self._views["batch", name] = self.make("ToBatch", [name], Form(self.forms[name].shape, 0))
        return self._views["batch", name]

    def moved(self, name: str, order: tuple[int, ...]) -> str:
        """A tensor with its axes in another order."""
        form = self.forms[name]
        batch = None if form.batch is None else order.index(form.batch)
        if form.fold > 1 and batch != 0:
            raise Refusal(notimpl("an axis of which the batch is a part, moved"))
        after = Form(tuple(form.shape[axis] for axis in order), batch, form.fold)
        rest = [axis for axis in order if axis != form.batch]
        if rest == sorted(rest):
            return self.view(name, after)
        rows = int(form.fold > 1)
        places = [axis - (form.batch is not None and form.batch < axis) + rows for axis in rest]
        return self._turned(name, [*range(rows), *places], after)

    def _turned(self, name: str, order: list[int], after: Form) -> str:
        """A sample's axes in another order. CNTK moves few axes at once, so that of more one after the other comes to
        its place, and those before, between and behind are moved as one."""
        if len(order) <= _MOST_AXES:
            axes = [Axis(len(order) - 1 - place) for place in reversed(order)]
            return self.make("TransposeAxes", [name], after, axisVec=axes)
        sizes, now = list(self.forms[name].sample), list(range(len(order)))
        for place, wanted in enumerate(order):
            at = now.index(wanted)
            if at == place:
                continue
            ends = (0, place, at, at + 1, len(now))
            parts = tuple(product(sizes[i] for i in now[a:b]) for a, b in itertools.pairwise(ends))
            now.insert(place, now.pop(at))
            joined = self.resample(name, parts, self._plain(parts, after))
            turned = tuple(parts[i] for i in (0, 2, 1, 3))
            axes = [Axis(i) for i in (0, 2, 1, 3)]
            name = self.make("TransposeAxes", [joined], self._plain(turned, after), axisVec=axes)
        return self.resample(name, after.sample, after)

    def _plain(self, sample: tuple, like: Form) -> Form:
        """The form of a sample, with a batch in front if another has one."""
        return Form(sample) if like.batch is None else Form((self.batch, *sample), 0)

    # -- rules

    def each(self, kind: str, inputs: list[str], **options: Any) -> list[str]:
        """Element by element; operands broadcast."""
        inputs, form = self.aligned(inputs)
        return [self.make(kind, inputs, form, self.titled(), **options)]

    def aligned(self, names: list[str]) -> tuple[list[str], Form]:
        """Operands whose samples broadcast as the tensors do, and the form of the result."""
        forms = [self.forms[name] for name in names]
        shape = broadcast_shapes(*(form.shape for form in forms))
        places = {(len(form.shape) - form.batch, form.fold) for form in forms if form.batch is not None}
        if not places:
            return names, Form(shape)
        if len(places) == 1:
            ((back, fold),) = places
            made = [self._beside(name, back, fold) for name in names]
            if all(made) and not (fold > 1 and len(shape) != back):
                return [one for one in made if one], Form(shape, len(shape) - back, fold)
        made = [self.still(name) for name in names]
        return made, Form(shape)

    def _beside(self, name: str, back: int, fold: int) -> str | None:
        """A tensor beside others whose batch stands `back` axes from the end; None where it does not fit there."""
        form = self.forms[name]
        if form.batch is not None or len(form.shape) < back:
            return name
        axis = len(form.shape) - back
        if form.shape[axis] == 1:
            sample = (*form.shape[:axis], *form.shape[axis + 1 :])
            return self.resample(name, sample, Form(sample))
        return self.batched(name) if axis == 0 and form.shape[0] == self.batch and fold == 1 else None

    def along(
        self,
        kind: str,
        inputs: list[str],
        *,
        axes: tuple = (),
        shape: tuple | None = None,
        gone: tuple = (),
        main: int = 0,
        results: int = 1,
        **options: Any,
    ) -> list[str]:
        """Along some axes of one operand, of which those of `gone` vanish."""
        form = self.forms[inputs[main]]
        if form.batch is not None and form.batch in axes:
            inputs = [self.still(one) if number == main else one for number, one in enumerate(inputs)]
            form = self.forms[inputs[main]]
        batch = None if form.batch is None else form.batch - sum(axis < form.batch for axis in gone)
        after = Form(self.settled(form.shape if shape is None else shape, form), batch, form.fold)
        made = self.make(kind, inputs, after, self.titled(), **self.options(form, options))
        found = [made] + [f"{made[:-1]}{number}" for number in range(1, results)]
        self.forms |= dict.fromkeys(found, after)
        return found

    def settled(self, shape: tuple, form: Form) -> tuple:
        """A shape as it is: what is the same for all of a batch has a size of 1 there."""
        if form.batch is not None or not isinstance(self.batch, Dim):
            return tuple(shape)
        return tuple(1 if size == self.batch else size for size in shape)

    def window(self, kind: str, inputs: list[str], *, shape: tuple, **options: Any) -> list[str]:
        """On pictures: the batch, channels and space. With a `main` other than 0 that operand is the picture."""
        main = options.pop("main", 0)
        inputs = [self.batched(one) if number == main else one for number, one in enumerate(inputs)]
        return [self.make(kind, inputs, Form(tuple(shape), 0), self.titled(), **options)]

    def reshape(self, kind: str, inputs: list[str], *, shape: tuple) -> list[str]:
        """The same elements in another shape, in which the batch must be found again."""
        (name,) = inputs
        form = self.forms[name]
        if form.batch is None:
            shape = self.settled(shape, form)
            return [self.resample(name, shape, Form(shape))]
        after = self._regrouped(form, tuple(shape))
        if after is None:
            name = self.still(name)
            after = Form(tuple(shape))
        return [self.resample(name, after.sample, after)]

    def _regrouped(self, form: Form, shape: tuple) -> Form | None:
        """The form after a reshape; None where the batch is torn."""
        size, before = form.shape[form.batch], product(form.shape[: form.batch])
        if form.fold == 1:
            for axis, one in enumerate(shape):
                if one == size and product(shape[:axis]) == before:
                    return Form(shape, axis)
        if form.batch != 0 or not isinstance(self.batch, Dim) or not shape:
            return None
        fold = floordiv(shape[0], self.batch)
        if isinstance(fold, int) and fold >= 1 and shape[0] == fold * self.batch:
            return Form(shape, 0, fold)
        return None

    def permute(self, kind: str, inputs: list[str], *, axes: tuple) -> list[str]:
        """Axes in another order."""
        return [self.moved(inputs[0], tuple(axes))]

    def join(self, kind: str, inputs: list[str], *, axis: int) -> list[str]:
        """Side by side along an axis."""
        forms = [self.forms[name] for name in inputs]
        if len(inputs) == 1:
            return inputs
        moving = [form for form in forms if form.batch is not None]
        if moving and len({(form.batch, form.fold) for form in moving}) == 1 and moving[0].batch != axis:
            back = len(forms[0].shape) - moving[0].batch
            beside = [self._beside(name, back, moving[0].fold) for name in inputs]
            if all(beside):
                return [self._side_by_side([one for one in beside if one], forms, axis, moving[0])]
        made = [self.still(name) for name in inputs]
        return [self._side_by_side(made, forms, axis, self.forms[made[0]])]

    def _side_by_side(self, names: list[str], forms: list[Form], axis: int, like: Form) -> str:
        total = sum(form.shape[axis] for form in forms)
        after = replace(like, shape=(*like.shape[:axis], total, *like.shape[axis + 1 :]))
        return self.make("Splice", names, after, self.titled(), axis=Axis(like.place(axis)))


def real(name: str) -> str:
    """A result as the file calls it."""
    return name.partition(_SEEN)[0]


def loaded(recipe: Any) -> np.ndarray:
    """A weight."""
    return np.asarray(recipe.load() if isinstance(recipe, Parameter) else evaluate_recipe(recipe))
