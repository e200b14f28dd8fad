"""Decides the order of axes of every tensor for a target framework, so that nothing is transposed without need.

The pass carries, for each value of the source graph, the value that stands for it in the new graph and a
permutation: axis `i` of the new value is axis `permutation[i]` of the source value. Permutes of the source cost
nothing: they only change the permutation. A real Permute is placed where an op needs another order than the one at
hand. Parameters take any order, because they are rearranged once, when the weights are written.

What the target needs is asked of its dialect (`arranges`); everything else follows from the ops' own declarations:
how they treat axes (`Op.layout`) and which attributes speak of axes (`Axis`, `Axes`, `PerAxis`, `Shape`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from netglot.passes.axes import (
    Arrange,
    Disordered,
    Permutation,
    has_letters,
    identity,
    is_batched_product,
    named_results,
    permuted,
    reduced_axes,
    renamed,
    sharing_axes,
)
from netglot.passes.reshaping import common_parts, reshape_groups, reshaped_order, source_order
from netglot.pivot import ops
from netglot.pivot.graph import (
    REARRANGING,
    Builder,
    Graph,
    Node,
    Parameter,
    Rearranged,
    Scope,
    Value,
    is_weight,
    map_tree,
    names_of,
)
from netglot.pivot.op import Op, is_scalar


@dataclass
class Arranged:
    """The new graph, and the permutation of each of its inputs and outputs against the source's."""

    graph: Graph
    inputs: list[Permutation]
    outputs: list[Permutation]
    moved: dict[Value, tuple[Value, Permutation]] = field(default_factory=dict)
    """Where each source value went, for comparing intermediate values. What was flattened in another order is not
    there: no order of axes makes it the source's."""

    def arguments(self, source: Graph) -> dict[tuple[str, Value], str]:
        """The names of module arguments as `source` knows them, for the values of the new graph."""
        new = {old.name: moved for old, (moved, _) in self.moved.items()}
        return {(path, new[value]): name for (path, value), name in source.arguments.items() if value in new}

    @property
    def transposes(self) -> int:
        """The number of Permutes that run with the network (those on parameters do not)."""
        constant = constant_values(self.graph)
        return sum(isinstance(n.op, ops.Permute) and n.result not in constant for n in self.graph.nodes)


def constant_values(graph: Graph) -> set[Value]:
    """The values that depend on parameters only."""
    constant: set[Value] = set(graph.parameters.values())
    for node in graph.nodes:
        operands = list(node.operand_values())
        if operands and all(v in constant for v in operands):
            constant.update(node.results)
    return constant


def arrange(graph: Graph, layouts: dict[type[Op], Arrange], *, keep_interface: bool = False) -> Arranged:
    """Rewrites `graph` in the orders of axes that `layouts` asks for.

    Args:
        keep_interface: leave the axes of graph inputs and outputs as they are.
    """
    return _Arranger(graph, layouts, keep_interface).run()


class _Arranger:
    def __init__(self, graph: Graph, layouts, keep_interface: bool):
        self.graph = graph
        self.layouts = layouts
        self.keep = keep_interface
        self.builder = Builder(names_of(graph))
        self.at: dict[Value, tuple[Value, Permutation]] = {}
        self.lazy: set[Value] = set()
        """Source values whose order comes from a Permute of the source and not from what the target needs."""
        self.scrambled: dict[Value, tuple[tuple, Permutation]] = {}
        """Flattened values whose last axis runs in another order: the sizes before flattening and their order."""
        self.cache: dict[tuple, Value] = {}
        self.consumers = graph.consumers()
        self.scopes = {value: node.scope for node in graph.nodes for value in node.results}
        self.wishes = self._wishes()
        self.output_values = {value for _, value in graph.outputs}

    def run(self) -> Arranged:
        inputs = []
        for value in self.graph.inputs:
            wish = self.wishes.get(value)
            permutation = wish if wish and not self.keep else identity(value.type.rank)
            moved = Value(value.name, permuted(value.type, permutation), value.hint)
            inputs.append(moved)
            self.at[value] = (moved, permutation)
        for parameter in self.graph.parameters.values():
            self.at[parameter] = (parameter, identity(parameter.type.rank))
        for node in self.graph.nodes:
            self.builder.scope, self.builder.sites = node.scope, node.sites
            self._node(node)
        self.builder.scope, self.builder.sites = (), ()
        out_permutations = []

        def leave(value: Value) -> Value:
            moved, permutation = self.at[value]
            if self.keep or value in self.lazy:
                permutation = identity(value.type.rank)
                moved = self._in_order(value, permutation)
            out_permutations.append(permutation)
            return moved

        output = map_tree(leave, self.graph.output)
        graph = Graph(
            self.graph.name, inputs, self.graph.parameters, self.builder.nodes, output, self.graph.modules,
            list(self.graph.notes),
        )  # fmt: skip
        graph.prune()
        moved = {value: place for value, place in self.at.items() if value not in self.scrambled}
        return Arranged(graph, [self.at[v][1] for v in self.graph.inputs], out_permutations, moved)

    # -- what consumers would like, found backwards

    def _wishes(self) -> dict[Value, Permutation]:
        wishes: dict[Value, Permutation] = {}
        for node in reversed(self.graph.nodes):
            for value, wish in self._operand_wishes(node, wishes):
                if isinstance(value, Value) and value.type.rank == len(wish):
                    wishes[value] = wish
        return wishes

    def _operand_wishes(self, node: Node, wishes):
        op = node.op
        demand = self._demand(op)
        if demand is not None:
            for name, permutation in demand.items():
                held = getattr(op, name, None)
                yield from ((one, permutation) for one in (held if isinstance(held, tuple) else (held,)))
            return
        wish = next((wishes[v] for v in node.results if v in wishes), None)
        if isinstance(op, ops.Permute):
            if wish:
                yield op.x, tuple(op.axes[i] for i in wish)
        elif wish and op.layout in ("elementwise", "along"):
            for operand in op.operands():
                if not is_scalar(operand) and operand.type.rank == len(wish):
                    yield operand, wish
        elif wish and op.layout == "reduce" and getattr(op, "keepdims", False):
            yield next(op.operands()), wish
        elif wish and isinstance(op, ops.Reshape) and isinstance(op.x, Value):
            source = source_order(tuple(op.x.shape), tuple(op.shape), wish)
            if source is not None:
                yield op.x, source
        elif isinstance(op, ops.Linear):
            rank = op.x.type.rank
            yield op.x, wish if wish and wish[-1] == rank - 1 else identity(rank)
        elif op.layout == "fixed" and not is_batched_product(op) and not has_letters(op):
            yield from ((o, identity(o.type.rank)) for o in op.operands() if isinstance(o, Value) and o not in wishes)

    def _demand(self, op: Op) -> dict[str, Permutation] | None:
        asks = self.layouts.get(type(op))
        return asks(op) if asks else None

    # -- one node, forwards

    def _node(self, node: Node) -> None:
        op = node.op
        demand = self._demand(op)
        if demand is not None:
            return self._demanded(node, demand)
        rule = _RULES.get(type(op)) or _BY_LAYOUT[op.layout]
        rule(self, node)

    def _emit(self, node: Node, op: Op, permutations: list[Permutation]) -> None:
        types = tuple(permuted(v.type, p) for v, p in zip(node.results, permutations, strict=True))
        weights = type(op).__name__ in REARRANGING and all(is_weight(o) for o in op.operands())
        kind_of_value = Rearranged if weights else Value
        made = [kind_of_value(v.name, kind, v.hint) for v, kind in zip(node.results, types, strict=True)]
        self.builder.nodes.append(Node(op, tuple(made), node.scope, node.sites))
        for value, new, permutation in zip(node.results, made, permutations, strict=True):
            self.at[value] = (new, permutation)

    def _in_order(self, value, permutation: Permutation):
        """The new value for `value` with its axes in the order `permutation`, transposed where it must be."""
        if is_scalar(value):
            return value
        moved, current = self.at[value]
        if current == permutation:
            return moved
        axes = tuple(current.index(axis) for axis in permutation)
        key = (moved, axes, self.builder.scope)
        if key not in self.cache:
            here, self.builder.scope = self.builder.scope, self._meeting(value)
            self.cache[key] = self.builder.one(ops.Permute(moved, axes), name=f"{moved.name}_transposed")
            self.builder.scope = here
        return self.cache[key]

    def _meeting(self, value: Value) -> Scope:
        """Where a value that all users want in the same order is transposed: not in the first block that uses it."""
        here, made = self.builder.scope, self.scopes.get(value)
        if made is None or len(self.consumers.get(value, ())) < 2:
            return here
        common = 0
        while common < min(len(here), len(made)) and here[common] == made[common]:
            common += 1
        return here[:common] if len(made) == common else here

    def _plain(self, value):
        """The new value for `value` with its axes in source order."""
        return value if is_scalar(value) else self._in_order(value, identity(value.type.rank))

    def _order(self, value) -> Permutation:
        return self.at[value][1]

    def _demanded(self, node: Node, demand: dict[str, Permutation]) -> None:
        op = node.op
        first = next(op.operands())
        order = demand.get(op.operand_fields()[0].name, identity(first.type.rank))
        changes = {}
        for f in op.operand_fields():
            held = getattr(op, f.name)
            if held is None:
                continue

            def put(one, name=f.name):
                return self._in_order(one, demand[name]) if name in demand else self._plain(one)

            changes[f.name] = tuple(None if o is None else put(o) for o in held) if f.operand == "many" else put(held)
        results = [demand.get(name, identity(v.type.rank)) for name, v in named_results(node)]
        self._emit(node, renamed(op, order).replace(**changes), results)

    def _fixed(self, node: Node) -> None:
        self._emit(node, node.op.map_operands(self._plain), [identity(v.type.rank) for v in node.results])

    def _elementwise(self, node: Node) -> None:
        rank = node.result.type.rank
        tensors = [o for o in node.op.operands() if not is_scalar(o)]
        order = self._vote([o for o in tensors if o.type.rank == rank], self.wishes.get(node.result), rank)
        if any(o in self.scrambled for o in tensors):
            self.scrambled[node.result] = next(self.scrambled[o] for o in tensors if o in self.scrambled)
        op = node.op.map_operands(lambda o: self._aligned(o, order))
        self._emit(node, op, [order])
        self._inherit(node, tensors)

    def _inherit(self, node: Node, operands) -> None:
        """A result in an order that only a source Permute made is lazy too."""
        if any(o in self.lazy for o in operands) and self._order(node.result) != identity(node.result.type.rank):
            self.lazy.update(node.results)

    def _vote(self, operands, wish, rank: int) -> Permutation:
        """The order in which operands meet: the common one, else the wished one, else the first."""
        orders = [self._order(o) for o in operands if not is_weight(self.at[o][0])]
        if not orders:
            return wish or identity(rank)
        if wish in orders:
            return wish
        return max(orders, key=orders.count)

    def _aligned(self, operand, order: Permutation):
        """An operand that broadcasts against axes in `order`."""
        if is_scalar(operand) or operand.type.rank == 0:
            return operand if is_scalar(operand) else self._plain(operand)
        missing = len(order) - operand.type.rank
        if not missing:
            return self._in_order(operand, order)
        if order == identity(len(order)):
            return self._plain(operand)
        trailing = tuple(axis - missing for axis in order[missing:])
        if set(order[:missing]) == set(range(missing)):
            return self._in_order(operand, trailing)
        shape = (1,) * missing + tuple(operand.shape)
        shape = tuple(shape[axis] for axis in order)
        kept = [axis for axis in order if axis >= missing and operand.shape[axis - missing] != 1]
        moved = self._plain(operand)
        if kept != sorted(kept):
            moved = self.builder.one(ops.Reshape(moved, (1,) * missing + tuple(operand.shape)))
            moved = self.builder.one(ops.Permute(moved, order))
        while len(shape) > 1 and shape[0] == 1:
            shape = shape[1:]
        return moved if tuple(moved.shape) == shape else self.builder.one(ops.Reshape(moved, shape))

    def _along(self, node: Node) -> None:
        op = node.op
        together = sharing_axes(op)
        if together is None:
            return self._fixed(node)
        order = self._vote(together, self.wishes.get(node.result), together[0].type.rank)
        try:
            moved = renamed(op, order)
        except Disordered:
            order = identity(len(order))
            moved = op
        shared = set(map(id, together))
        moved = moved.map_operands(lambda o: self._in_order(o, order) if id(o) in shared else self._plain(o))
        scrambled = self.scrambled.get(together[0])
        if scrambled:
            self.scrambled[node.result] = scrambled
            moved = self._unscramble_vectors(moved, scrambled)
        self._emit(node, moved, [order] * len(node.results))
        self._inherit(node, together)

    def _unscramble_vectors(self, op: Op, scrambled) -> Op:
        """A norm over scrambled features takes its vectors in the same order."""
        changes = {}
        for f in op.operand_fields()[1:]:
            held = getattr(op, f.name)
            if isinstance(held, Value) and held.type.rank == 1:
                changes[f.name] = self._reordered(held, 0, scrambled)
        return op.replace(**changes)

    def _reordered(self, parameter: Value, axis: int, scrambled) -> Value:
        """A parameter whose `axis` follows a scrambled flattening."""
        sizes, order = scrambled
        shape = tuple(parameter.shape)
        opened = ops.Reshape(parameter, (*shape[:axis], *sizes, *shape[axis + 1 :]))
        axes = (*range(axis), *(axis + i for i in order), *range(axis + len(order), len(shape) - 1 + len(order)))
        return self.builder.one(ops.Reshape(ops.Permute(opened, axes), shape))

    def _reduce(self, node: Node) -> None:
        op = node.op
        first = next(op.operands())
        order = self._order(first)
        try:
            moved = renamed(op, order)
        except Disordered:
            order, moved = identity(len(order)), op
        moved = moved.map_operands(lambda o: self._in_order(o, order) if o is first else self._plain(o))
        gone = () if getattr(op, "keepdims", False) else reduced_axes(op)
        kept = [axis for axis in order if axis not in gone]
        ranks = sorted(kept)
        result = tuple(ranks.index(axis) for axis in kept)
        self._emit(node, moved, [result] * len(node.results))
        self._inherit(node, [first])

    def _permute(self, node: Node) -> None:
        moved, order = self.at[node.op.x]
        permutation = tuple(node.op.axes.index(axis) for axis in order)
        self.at[node.result] = (moved, permutation)
        if permutation != identity(len(permutation)) and permutation != self.wishes.get(node.result):
            self.lazy.add(node.result)

    def _reshape(self, node: Node) -> None:
        x, shape = node.op.x, tuple(node.op.shape)
        if x in self.scrambled:  # features that a linear layer gave in the order in which they are wanted here
            wish = self.wishes[node.result]
            return self._emit(node, ops.Reshape(self.at[x][0], tuple(shape[axis] for axis in wish)), [wish])
        order = self._order(x)
        groups = reshape_groups(tuple(x.shape), shape)
        result = reshaped_order(groups, tuple(x.shape), shape, order)
        if result is None and self._absorbs(node, groups, order):
            source = next(g for g in groups if len(g[0]) > 1)[0]
            inner = [axis for axis in order if axis in source]
            sizes = tuple(x.shape[axis] for axis in source)
            self.scrambled[node.result] = (sizes, tuple(source.index(axis) for axis in inner))
            return self._emit(node, ops.Reshape(self.at[x][0], shape), [identity(len(shape))])
        wish = self.wishes.get(node.result)
        if result is None:
            moved, result = self._regrouped(x, shape, wish)
        else:
            moved = self.at[x][0]
        if wish and [a for a in wish if shape[a] != 1] == [a for a in result if shape[a] != 1]:
            result = wish
        target = tuple(shape[axis] for axis in result)
        if target == tuple(moved.shape):
            self.at[node.result] = (moved, result)
        else:
            self._emit(node, ops.Reshape(moved, target), [result])
        self._inherit(node, [x])

    def _regrouped(self, x: Value, shape: tuple, wish: Permutation | None) -> tuple[Value, Permutation]:
        """`x` with its axes split so far, and in such an order, that only merging is left; and the result's order.

        The result's order is the wished one, else the one that follows from how the axes of `x` stand now.
        """
        parts = common_parts(tuple(x.shape), shape)
        if parts is None:
            return self._plain(x), identity(len(shape))
        sizes, left, right = parts
        moved, order = self.at[x]
        held = [part for axis in order for part in left[axis]]
        places = {part: place for place, part in enumerate(held)}
        first = [min((places[part] for part in run if sizes[part] != 1), default=-1) for run in right]
        result = wish or tuple(sorted(range(len(shape)), key=lambda axis: first[axis]))
        wanted = [part for axis in result for part in right[axis]]
        split = tuple(sizes[part] for part in held)
        if split != tuple(moved.shape):
            moved = self.builder.one(ops.Reshape(moved, split))
        if wanted != held:
            moved = self.builder.one(ops.Permute(moved, tuple(held.index(part) for part in wanted)))
        return moved, result

    def _absorbs(self, node: Node, groups, order: Permutation) -> bool:
        """Whether a flattening may run in the target's order, because only linear layers see its result."""
        if groups is None:
            return False
        merged = [(s, d) for s, d in groups if len(s) > 1]
        last = node.result.type.rank - 1
        if len(merged) != 1 or merged[0][1] != [last] or not all(len(s) == 1 and len(d) == 1 for s, d in groups[:-1]):
            return False
        source = merged[0][0]
        places = [order.index(axis) for axis in source]
        contiguous = max(places) - min(places) == len(places) - 1 and max(places) == len(order) - 1
        return (
            contiguous
            and [a for a in order if a not in source] == list(range(last))
            and self._only_linear(node.result, last)
        )

    def _only_linear(self, value: Value, axis: int) -> bool:
        if value in self.output_values:
            return False
        for consumer in self.consumers.get(value, ()):
            op = consumer.op
            if isinstance(op, ops.Linear):
                fine = op.x is value and is_weight(op.weight)
            elif isinstance(op, ops.Dropout) and len(op.noise_axes) == value.type.rank:
                fine = self._only_linear(consumer.result, axis)
            elif isinstance(op, ops.BatchNorm):
                fine = op.axis == axis and self._only_linear(consumer.result, axis)
            elif op.layout == "elementwise":
                others = [o for o in op.operands() if o is not value]
                fine = all(is_scalar(o) for o in others) and self._only_linear(consumer.result, axis)
            else:
                fine = False
            if not fine:
                return False
        return True

    def _is_own(self, weight) -> bool:
        return isinstance(weight, Parameter) and len(self.consumers.get(weight, ())) == 1

    def _split_later(self, value: Value) -> tuple[tuple, Permutation] | None:
        """The sizes into which the last axis is split, and their wished order, where that is all that becomes of it."""
        consumers = self.consumers.get(value, ())
        if len(consumers) != 1 or value in self.output_values:
            return None
        op, last = consumers[0].op, value.type.rank - 1
        if isinstance(op, ops.Reshape):
            shape, wish = tuple(op.shape), self.wishes.get(consumers[0].result)
            leads = wish and tuple(value.shape[:last]) == shape[:last] and wish[:last] == identity(last)
            order = tuple(axis - last for axis in wish[last:]) if leads else ()
            return (shape[last:], order) if order != identity(len(order)) else None
        if isinstance(op, ops.Dropout):
            passes = len(op.noise_axes) == value.type.rank
        elif isinstance(op, ops.BatchNorm):
            passes = op.axis == last and all(isinstance(o, Parameter) for o in op.operands() if o is not value)
        else:
            passes = op.layout == "elementwise" and all(is_scalar(o) for o in op.operands() if o is not value)
        return self._split_later(consumers[0].result) if passes else None

    def _broadcast(self, node: Node) -> None:
        x, shape = node.op.x, tuple(node.op.shape)
        order = self._order(x)
        if x.type.rank != len(shape):
            order = identity(x.type.rank)
        result = order if x.type.rank == len(shape) else identity(len(shape))
        moved = ops.Broadcast(self._in_order(x, order), tuple(shape[axis] for axis in result))
        self._emit(node, moved, [result])
        self._inherit(node, [x])

    def _linear(self, node: Node) -> None:
        op = node.op
        order = self._order(op.x)
        if order[-1] != len(order) - 1:
            order = identity(len(order))
        changes = {"x": self._in_order(op.x, order), "weight": self._plain(op.weight)}
        if op.bias is not None:
            changes["bias"] = self._plain(op.bias)
        if op.x in self.scrambled:
            changes["weight"] = self._reordered(changes["weight"], 1, self.scrambled[op.x])
        split = self._split_later(node.result) if self._is_own(op.weight) and order == identity(len(order)) else None
        if split:
            self.scrambled[node.result] = split
            changes["weight"] = self._reordered(changes["weight"], 0, split)
            if op.bias is not None:
                changes["bias"] = self._reordered(changes["bias"], 0, split)
        self._emit(node, op.replace(**changes), [order])
        self._inherit(node, [op.x])

    def _stack(self, node: Node) -> None:
        """The new axis goes to the end where it is the last one, else behind the axis that precedes it."""
        op = node.op
        rank = op.xs[0].type.rank
        wish = self.wishes.get(node.result)
        inside = None if wish is None else tuple(a - (a > op.axis) for a in wish if a != op.axis)
        order = self._vote(op.xs, inside, rank)
        lifted = [a + (a >= op.axis) for a in order]
        place = rank if op.axis == rank else lifted.index(op.axis - 1) + 1 if op.axis else 0
        xs = tuple(self._in_order(x, order) for x in op.xs)
        self._emit(node, ops.Stack(xs, place), [(*lifted[:place], op.axis, *lifted[place:])])
        self._inherit(node, op.xs)

    def _matmul(self, node: Node) -> None:
        """A product of batches of matrices takes and gives any order of axes where it is written as an einsum."""
        op = node.op
        rank = node.result.type.rank
        if not is_batched_product(op) or op.x in self.scrambled or op.y in self.scrambled:
            return self._fixed(node)
        (x, before), (y, after) = self.at[op.x], self.at[op.y]
        wish = self.wishes.get(node.result) or identity(rank)
        if all(order == identity(rank) for order in (before, after, wish)):
            return self._fixed(node)
        batch = "bhglmnopqrst"[: rank - 2]
        terms = (f"{batch}ij", f"{batch}jk", f"{batch}ik")
        left, right, made = ("".join(t[a] for a in p) for t, p in zip(terms, (before, after, wish), strict=True))
        self._emit(node, ops.Einsum((x, y), f"{left},{right}->{made}"), [wish])

    def _einsum(self, node: Node) -> None:
        """Letters take any order of axes."""
        op = node.op
        rank = node.result.type.rank
        if not has_letters(op) or any(x in self.scrambled for x in op.xs):
            return self._fixed(node)
        placed = [self.at[x] for x in op.xs]
        wish = self.wishes.get(node.result) or identity(rank)
        left, _, made = op.equation.partition("->")
        given = zip(left.split(","), placed, strict=True)
        terms = ",".join("".join(term[axis] for axis in order) for term, (_, order) in given)
        equation = f"{terms}->{''.join(made[axis] for axis in wish)}"
        self._emit(node, ops.Einsum(tuple(x for x, _ in placed), equation), [wish])


_RULES: dict[type[Op], Callable[[_Arranger, Node], None]] = {
    ops.Matmul: _Arranger._matmul,
    ops.Einsum: _Arranger._einsum,
    ops.Stack: _Arranger._stack,
    ops.Permute: _Arranger._permute,
    ops.Reshape: _Arranger._reshape,
    ops.Broadcast: _Arranger._broadcast,
    ops.Linear: _Arranger._linear,
}
_BY_LAYOUT: dict[str, Callable[[_Arranger, Node], None]] = {
    "elementwise": _Arranger._elementwise,
    "along": _Arranger._along,
    "reduce": _Arranger._reduce,
    "fixed": _Arranger._fixed,
}
