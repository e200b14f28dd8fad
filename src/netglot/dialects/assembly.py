"""A graph put together from the layers of a file: named tensors, named weights, refusals collected and told once.

What the readers of model files share. Each reads its layers one by one; what one of them refuses is kept, what depends
on it is passed over, and at the end all refusals are told together.
"""

from __future__ import annotations

import contextlib
import inspect
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from netglot.dialects.dialect import Dialect
from netglot.errors import InputError, Refusal, RefusedOp, UnsupportedOps, notimpl
from netglot.pivot import ops
from netglot.pivot.dims import Dim, product
from netglot.pivot.graph import Builder, Frame, Graph, Module, Names, Node, Parameter, Part, Value
from netglot.pivot.op import Elementwise, Op, TensorType, numpy_dtype, shape_of

LARGEST = 2**36
"""No tensor of a network has as many elements: a size beyond it is damage."""

_POISON = object()


_STUMBLES = (TypeError, AttributeError, LookupError, RecursionError)
"""What comes up where a reader meets something that nobody thought of."""


@contextlib.contextmanager
def fitting() -> Iterator[None]:
    """Around what a reader makes of a layer: where its options and its operands do not fit together, that is refused.

    A reader asserts what it takes for granted; any other error in it is told as what it is.

    Raises:
        Refusal: they do not, or the reader fails.
    """
    try:
        yield
    except (ValueError, AssertionError, ArithmeticError, *_STUMBLES) as error:
        detail = str(error).partition("\n")[0] or type(error).__name__
        if not isinstance(error, _STUMBLES):
            raise Refusal(notimpl(f"its options do not fit its input: {detail}")) from error
        advice = "the file is damaged, or this is a defect of netglot: please report it"
        raise Refusal(notimpl(f"its reader fails: {type(error).__name__}: {detail}", advice)) from error


class Poisoned(Exception):
    """An operand was refused: what depends on it is neither read nor reported."""


class Assembly:
    """A graph under construction. `tensors` holds the values of the file by their names there."""

    def __init__(self, dialect: Dialect, name: str):
        self.dialect, self.name = dialect, name
        self.names = Names()
        self.nodes: list[Node] = []
        self.inputs: list[Value] = []
        self.parameters: dict[str, Parameter] = {}
        self.tensors: dict[str, Any] = {}
        self.refused: list[RefusedOp] = []
        self.notes: list[str] = []
        self.total = 0
        self.scope: tuple[Frame, ...] = ()
        self.classes: dict[str, str] = {}
        self.beside: list[int] = []
        """The sizes that stand beside one that is left open, for which alone the network runs."""
        self._made_up = 0

    def input(self, name: str, shape: Iterable[int | Dim], dtype: str = "float32") -> Value:
        """An input of the network."""
        try:
            kind = TensorType(dtype, checked(tuple(shape), f"the input {name!r}"))
        except Refusal as refusal:
            raise InputError(refusal.reason.text) from refusal
        value = Value(self.names.unique(identifier(name)), kind, hint=identifier(name))
        self.inputs.append(value)
        self.tensors[name] = value
        return value

    def parameter(
        self,
        name: str,
        array: np.ndarray | Callable[[], np.ndarray],
        type: TensorType | None = None,
        *,
        kind: str = "parameter",
        trainable: bool = True,
    ) -> Parameter:
        """A weight: an array, or a function that loads it (then its type is said)."""
        load = array if callable(array) else lambda: array
        if type is None:
            type = TensorType(array.dtype.newbyteorder("=").name, tuple(array.shape))
        wide = numpy_dtype(type.dtype)
        unique = self.names.unique(name)
        made = Parameter(
            unique,
            type,
            lambda: np.asarray(load()).astype(wide, copy=False),
            kind=kind,
            trainable=trainable,
        )
        self.parameters[unique] = made
        return made

    def constant(self, array: np.ndarray, name: str = "constant") -> Parameter:
        """A constant that the file's network computes with."""
        return self.parameter(name, np.asarray(array), kind="constant", trainable=False)

    def _meeting(self, shapes: list[tuple]) -> None:
        """Asserts that no size that is open stands beside one that is not, and that is more than 1.

        Raises:
            Refusal: one does: the network runs for one size only.
        """
        rank = max(map(len, shapes), default=0)
        for axis in range(1, rank + 1):
            sizes = [shape[-axis] for shape in shapes if len(shape) >= axis]
            fixed = {size for size in sizes if not isinstance(size, Dim)} - {1}
            if fixed and len(sizes) > 1 and any(isinstance(size, Dim) for size in sizes):
                self.beside.append(min(fixed))
                raise Refusal(notimpl(f"a size that is left open beside one of {min(fixed)}"))

    def made_up(self, name: str, shape: tuple[int, ...], *, kind: str = "parameter") -> Parameter:
        """A weight that the file does not hold: random, and the same at each reading.

        Raises:
            InputError: all of them together are more than a network has.
        """
        self._made_up += product(checked(shape, name))
        if self._made_up > 2**32:
            raise InputError(f"{name}: the file declares more weights than a network has")
        seed = zlib.crc32(name.encode())
        fan = max(product(shape[1:]), 1)

        def load():
            generator = np.random.default_rng(seed)
            if kind == "buffer" and name.endswith("var"):
                return generator.uniform(0.5, 1.5, shape).astype("float32")
            return (generator.standard_normal(shape) * fan**-0.5).astype("float32")

        return self.parameter(name, load, TensorType("float32", shape), kind=kind, trainable=kind == "parameter")

    def build(self, tree: Any) -> Any:
        """Adds ops, lists of ops and parts of ops; values stay as they are.

        Raises:
            Refusal: a result has a size that no network has.
        """
        builder = _Building(self)
        done: dict = {}
        before = len(self.nodes)
        builder.nodes = self.nodes
        try:
            with fitting():
                made = _built(tree, builder, done)
                self._check(before)
        except (Refusal, InputError):
            del self.nodes[before:]
            raise
        return made

    def _check(self, before: int) -> None:
        """Asserts that the nodes from a place on have results of sizes that tensors have.

        Raises:
            Refusal: one has not.
        """
        for node in self.nodes[before:]:
            if isinstance(node.op, ops.Reshape) and product(shape_of(node.op.x)) != product(node.op.shape):
                raise Refusal(notimpl(f"a reshape of {list(shape_of(node.op.x))} to {list(node.op.shape)}"))
            if isinstance(node.op, Elementwise):
                self._meeting([shape_of(one) for one in node.operand_values()])
            for value in node.results:
                checked(value.shape, f"the result of {type(node.op).__name__}")

    def step(self, where: str, what: str, names: Iterable[str], run: Callable[[], Any]) -> None:
        """Reads one layer: `run` gives its results, which become the tensors `names`. Refusals are kept."""
        names = list(names)
        self.total += 1
        try:
            made = run()
            results = list(made) if isinstance(made, list | tuple) else [made]
            if len(results) < len(names):
                raise Refusal(notimpl(f"{len(names)} results where {len(results)} are known"))
        except Poisoned:
            results = [_POISON] * len(names)
        except Refusal as refusal:
            self.refused.append(RefusedOp(where, what, refusal.reason))
            results = [_POISON] * len(names)
        for name, result in zip(names, results, strict=False):
            self.tensors[name] = result
            if isinstance(result, Value) and result.hint is None:
                result.hint = identifier(name)

    def tensor(self, name: str) -> Any:
        """The tensor of this name.

        Raises:
            Poisoned: it was refused.
            InputError: there is none.
        """
        if name not in self.tensors:
            raise InputError(f"the tensor {name!r} is used and nothing makes it", advice="is the file complete?")
        held = self.tensors[name]
        if held is _POISON:
            raise Poisoned
        return held

    def sound(self, held: Any) -> None:
        """Asserts that a tensor was not refused.

        Raises:
            Poisoned: it was.
        """
        if held is _POISON:
            raise Poisoned

    def reader(self, kind: str) -> Callable:
        """What reads a kind of layer.

        Raises:
            Refusal: nothing does.
        """
        reader = self.dialect.readers.get(kind)
        if reader is None:
            reason = self.dialect.unread.get(kind) or notimpl(f"{self.dialect.title}'s {kind} has no reading")
            raise Refusal(reason)
        return reader

    def custom(self, kind: str, what: str, name: str) -> Callable:
        """What reads an operation that a user defined, of which a file gives the name only: as `kind:name`.

        Raises:
            Refusal: nothing does; it says how to add it.
        """
        reader = self.dialect.readers.get(f"{kind}:{name}")
        if reader is None:
            advice = f'--extend my_ops.py, with a reader of "{kind}:{name}" in it'
            raise Refusal(notimpl(f"{what} {name}, which a user defined", advice))
        return reader

    def call(self, reader: Callable, *operands: Any) -> Any:
        """What a reader makes of a layer and its operands.

        Raises:
            InputError: the layer has too many or too few of them.
        """
        try:
            inspect.signature(reader).bind(*operands)
        except TypeError as error:
            raise InputError(f"a layer has {len(operands) - 1} operands: {error}") from error
        with fitting():
            made = reader(*operands)
        return self.build(made)

    def within(self, path: str) -> None:
        """Puts what follows into the block at a path; "" is the root."""
        parts = path.split(".") if path else []
        self.scope = tuple(Frame(".".join(parts[: i + 1])) for i in range(len(parts)))

    def finish(self, output: Any) -> Graph:
        """The graph.

        Raises:
            UnsupportedOps: layers were refused; all of them are told.
        """
        if self.refused:
            raise UnsupportedOps(self.refused, self.total, "pivot")
        modules = {"": Module("", self.name)}
        for node in self.nodes:
            for frame in node.scope:
                modules.setdefault(frame.path, Module(frame.path, self._class_of(frame.path)))
        graph = Graph(self.name, self.inputs, self.parameters, self.nodes, output, modules, self.notes)
        graph.prune()
        used = {id(value) for node in graph.nodes for value in node.operand_values()}
        used |= {id(value) for _, value in graph.outputs}
        graph.parameters = {name: p for name, p in graph.parameters.items() if id(p) in used}
        return graph

    def _class_of(self, path: str) -> str:
        last = path.rpartition(".")[2]
        return self.classes.get(path) or class_name(re.sub(r"\d+[a-z]?$", "", last)) or "Block"


class _Building(Builder):
    """Makes constants of the arrays that ops are nested with."""

    def __init__(self, assembly: Assembly):
        super().__init__(assembly.names, scope=assembly.scope)
        self.assembly = assembly

    def _resolve(self, operand: Any, built: dict) -> Any:
        if isinstance(operand, np.ndarray):
            return self.assembly.constant(operand)
        return super()._resolve(operand, built)


def _built(tree: Any, builder: Builder, done: dict) -> Any:
    if isinstance(tree, Part):
        return builder._resolve(tree, done)
    if isinstance(tree, Op):
        if id(tree) not in done:
            done[id(tree)] = builder._add(tree, done)
        results = done[id(tree)]
        return results[0] if len(results) == 1 else list(results)
    if isinstance(tree, list | tuple):
        return [_built(one, builder, done) for one in tree]
    return tree


def checked(shape: tuple, what: str) -> tuple:
    """A shape whose sizes a tensor can have.

    Raises:
        Refusal: a size is not positive, or the tensor would be absurdly large.
    """
    fixed = [size for size in shape if not isinstance(size, Dim)]
    if any(size < 0 for size in fixed) or product(fixed) > LARGEST:
        raise Refusal(notimpl(f"{what} would have the shape {list(shape)}"))
    return shape


def arguments(function: Callable, given: dict[str, Any]) -> dict[str, Any]:
    """Of what is given, what a reader takes."""
    names = inspect.signature(function).parameters
    return {name: held for name, held in given.items() if name in names}


def identifier(text: str) -> str:
    """A name of a file as one that Python takes."""
    word = re.sub(r"\W+", "_", text).strip("_") or "x"
    return f"_{word}" if word[0].isdigit() else word


def class_name(text: str) -> str:
    """A name of a file as the name of a class."""
    words = [w for w in re.split(r"\W+|_+", text) if w]
    made = "".join(word[:1].upper() + word[1:] for word in words)
    return f"Net{made}" if made[:1].isdigit() else made


_BLOCKS = re.compile(r"^(?P<block>.+)/(?P<layer>[^/]+)$|^(?P<first>[^/]+?)_(?P<rest>[^/]+)$")


def _parts(name: str) -> tuple[str, str]:
    """The block that a layer's name speaks of, and what is left of the name."""
    match = _BLOCKS.match(name)
    return (match["block"] or match["first"], match["layer"] or match["rest"]) if match else ("", name)


def block_paths(layers: list[str], weighted: set[str]) -> dict[str, tuple[str, str]]:
    """The block and the name within it of each layer, for layers whose names begin alike.

    `res2a_branch2a` and `res2a_branch2b` share the block `res2a`. A block reaches from its first to its last layer, has
    at least two layers with weights, and no other block's layers with weights stand between them.
    """
    block_of = {name: block for name in layers if (block := _parts(name)[0])}
    block_of |= {name: name for name in layers if name in block_of.values()}
    places: dict[str, list[int]] = {}
    for place, name in enumerate(layers):
        if name in block_of:
            places.setdefault(block_of[name], []).append(place)
    found = {name: ("", identifier(name)) for name in layers}
    for block, (first, *_, last) in ((b, p) for b, p in places.items() if len(p) > 1 and not b.isdigit()):
        held = [name for name in layers[first : last + 1] if name in weighted]
        if len(held) < 2 or any(block_of.get(name) != block for name in held):
            continue
        number = re.search(r"\d\w*$", block)
        for name in layers[first : last + 1]:
            inside, rest = _parts(name)
            foreign = name.replace(number[0], "", 1) if number else name
            short = rest if inside == block else foreign
            found[name] = (identifier(block), identifier(short))
    return found


def rank_of(x: Any) -> int:
    """The number of axes of an operand."""
    return len(shape_of(x))


def with_open_batch(read: Callable[[bool], Graph], axis: int = 0, asked: Any = None) -> Graph:
    """The graph with the batch left open; with the size that the file says, where only that can be read.

    `read` is given whether the batch is open. Results have the batch at `axis`, or not at all, unless the user has
    `asked` for the inputs as they are.
    """
    try:
        graph = read(True)
        if asked or all(_batch_only_at(axis, value.shape) for _, value in graph.outputs):
            return graph
    except (UnsupportedOps, InputError, Refusal):
        pass
    graph = read(False)
    graph.notes.append("the batch size is fixed: the file computes with it")
    return graph


def _batch_only_at(place: int, shape: tuple) -> bool:
    """Whether the open batch stands at one axis of a result and nowhere else."""
    return not any(isinstance(size, Dim) and "B" in size.symbols for i, size in enumerate(shape) if i != place)
