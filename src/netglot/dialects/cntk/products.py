"""Products as functions: CNTK multiplies two matrices, so a stack of them is written out one by one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from netglot.dialects.cntk.emitter import CntkEmitter, Form
from netglot.errors import Refusal, notimpl
from netglot.formats.cntk_save import Axis, Signed
from netglot.pivot.dims import product
from netglot.pivot.op import broadcast_shapes

MOST_PRODUCTS = 4096
"""No product of stacks of matrices is written out into more products."""


class Products(CntkEmitter):
    """An emitter that writes products."""

    def product(self, kind: str, inputs: list[str], *, shape: tuple) -> list[str]:
        """A product of matrices, or of two stacks of them."""
        x, y = inputs
        first, second = self.forms[x], self.forms[y]
        if second.batch is None and len(second.shape) == 2:
            return self._by_matrix(x, y)
        if any(form.batch is not None and len(form.shape) - form.batch <= 2 for form in (first, second)):
            return self.product(kind, [self.still(x), self.still(y)], shape=shape)
        return [self._by_stacks(x, y, shape)]

    def _by_matrix(self, x: str, y: str) -> list[str]:
        """Each row times one matrix."""
        form = self.forms[x]
        after = (*form.shape[:-1], self.forms[y].shape[-1])
        told = {"outputRank": 1, "inferInputRankToMap": Signed(-1)}
        return self.along("Times", [y, x], axes=(len(form.shape) - 1,), shape=after, main=1, **told)

    def _by_stacks(self, x: str, y: str, shape: tuple) -> str:
        """Two stacks, matrix by matrix."""
        whole = [form.shape[:-2] for form in (self.forms[x], self.forms[y])]
        moving = [form for form in (self.forms[x], self.forms[y]) if form.batch is not None]
        rank = len(shape)
        places = {(len(form.shape) - form.batch, form.fold) for form in moving}
        if len(places) > 1:
            return self._by_stacks(self.still(x), self.still(y), shape)
        back, fold = next(iter(places), (None, 1))
        batch = None if back is None else rank - back
        after = Form(self.settled(broadcast_shapes(*whole) + tuple(shape[-2:]), Form((), batch)), batch, fold)
        lead = after.sample[:-2]
        count = product(lead)
        if not isinstance(count, int) or count > MOST_PRODUCTS:
            raise Refusal(notimpl(f"a stack of {count} products of matrices, which CNTK does one by one"))
        matrices = [self._each_matrix(side, back, lead) for side in (x, y)]
        if any(one is None for one in matrices):
            return self._by_stacks(self.still(x), self.still(y), shape)
        rows, columns = after.shape[-2:]
        one = Form(
            (1, rows, columns) if batch is None else (self.batch, 1, rows, columns), None if batch is None else 0
        )
        told = {"outputRank": 1, "inferInputRankToMap": Signed(-1)}
        flat = Form((*one.shape[:-3], rows, columns), one.batch)
        made = [self.make("Times", [right, left], flat, **told) for left, right in zip(*matrices, strict=True)]
        if count == 1:
            return self.resample(made[0], after.sample, after)
        apart = [self.resample(each, (1, rows, columns), one) for each in made]
        stack = replace(one, shape=(*one.shape[:-3], count, rows, columns))
        joined = self.make("Splice", apart, stack, self.titled(), axis=Axis(2))
        return self.resample(joined, after.sample, after)

    def _each_matrix(self, name: str, back: int | None, lead: tuple) -> list[str] | None:
        """The matrices of a stack, in the order of a stack that it broadcasts to; None where its batch does not fit."""
        form = self.forms[name]
        if form.batch is None and back is not None:
            beside = self._beside(name, back, 1)
            if beside is None:
                return None
            name, form = beside, self.forms[beside]
        own = form.sample[:-2]
        if not all(isinstance(size, int) for size in own):
            raise Refusal(notimpl(f"a stack of {list(own)} products of matrices, which is not known"))
        count, (rows, columns) = product(own), form.sample[-2:]
        dynamic = form.batch is not None
        flat = Form((self.batch, count, rows, columns) if dynamic else (count, rows, columns), 0 if dynamic else None)
        matrix = Form((self.batch, rows, columns) if dynamic else (rows, columns), flat.batch)
        if count == 1:
            found = [self.resample(name, (rows, columns), matrix)]
        else:
            whole, found = self.resample(name, (count, rows, columns), flat), []
            one = replace(flat, shape=(*flat.shape[:-3], 1, rows, columns))
            for number in range(count):
                key = (whole, number)
                if key not in self._views:
                    ends = {"beginIndex": Signed(number), "endIndex": Signed(number + 1), "sliceStrides": Signed(1)}
                    self._views[key] = self.make("Slice", [whole], one, axis=Axis(2), **ends)
                found.append(self.resample(self._views[key], (rows, columns), matrix))
        places = np.broadcast_to(np.arange(count).reshape(own), lead).reshape(-1)
        return [found[place] for place in places]
