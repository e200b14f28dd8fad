"""What the network is called with: the `--input` grammar, and arrays, tensors and specs given in Python.

    [NAME=][DTYPE ]SHAPE[@low:high]

    1,3,224,224             the dtype of the weights, the first axis a symbolic batch
    B,3,H,W                 letters are symbolic sizes, the same letter the same size
    1!,3,224,224            an exclamation mark fixes a size, here the batch
    ids=int64 B,T@0:30522   a keyword argument, its dtype, and the range of its values
    step=int64 ()           a scalar
    rate:=16000             no tensor: a plain number, truth value or text, as Python writes it; None too

Everything becomes `Inputs`: the call's arguments as nests whose leaves are `InputSpec`s.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from netglot.errors import RequestError
from netglot.pivot.dims import Dim, Size, symbols_of
from netglot.pivot.op import DTYPES, INTEGERS, concrete, numpy_dtype

GRAMMAR = "[NAME=][DTYPE ]SHAPE[@low:high], such as 1,3,224,224 or B,3,H,W or 'ids=int64 B,T@0:30522'"
PLAIN = "[NAME]:=VALUE, such as rate:=16000 or training:=False"

_SPEC = re.compile(
    r"^(?:(?P<name>[A-Za-z_]\w*)\s*=\s*)?"
    r"(?:(?P<dtype>[A-Za-z]\w*)\s+)?"
    r"(?P<shape>\(\s*\)|[^@=]+?)\s*"
    r"(?:@\s*(?P<low>[^:@]+):(?P<high>[^:@]+))?$"
)
_PLAIN = re.compile(r"^(?P<name>[A-Za-z_]\w*)?\s*:=\s*(?P<value>.*)$", re.DOTALL)
_SIZE = re.compile(r"^(?P<fixed>\d+)(?P<pin>!?)$|^(?P<letter>[A-Za-z_]\w*)$")
_ALIASES = {"float": "float32", "double": "float64", "half": "float16", "long": "int64", "int": "int32"}


@dataclass(frozen=True)
class InputSpec:
    """One tensor that the network is given.

    `shape` holds integers and symbolic sizes. `low` and `high` bound its values, `high` excluded for integers; None
    leaves the range to whoever draws them. `example` is a value that the user gave, None where only the kind is known.
    `first` is the number that the user gave for the first axis, where it was taken for a batch of any size. `told` says
    whether the dtype was given, and not only taken to be float32.
    """

    shape: tuple[Size, ...]
    dtype: str = "float32"
    name: str | None = None
    low: float | None = None
    high: float | None = None
    example: Any = None
    first: int | None = field(default=None, compare=False)
    told: bool = field(default=True, compare=False)

    def __str__(self) -> str:
        name = f"{self.name}=" if self.name else ""
        values = f"@{self.low:g}:{self.high:g}" if self.low is not None and self.high is not None else ""
        return f"{name}{self.dtype} {','.join(map(str, self.shape)) or '()'}{values}"


@dataclass(frozen=True)
class Inputs:
    """The arguments of one call: nests of tuples, lists and dicts with `InputSpec`s (and plain values) as leaves."""

    positional: tuple[Any, ...] = ()
    keyword: dict[str, Any] = field(default_factory=dict)

    @property
    def specs(self) -> list[InputSpec]:
        """All tensors, in the order of the arguments."""
        return [leaf for tree in (*self.positional, *self.keyword.values()) for leaf in _leaves(tree)]

    def map(self, function: Callable[[InputSpec], Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The positional and the keyword arguments, with `function` applied to each `InputSpec`."""
        return (
            tuple(_map(function, tree) for tree in self.positional),
            {name: _map(function, tree) for name, tree in self.keyword.items()},
        )

    def symbols(self) -> list[str]:
        """The names of the symbolic sizes, in order of first appearance."""
        names: dict[str, None] = {}
        for spec in self.specs:
            for size in spec.shape:
                names.update(dict.fromkeys(sorted(symbols_of(size))))
        return list(names)

    def as_given(self) -> Inputs:
        """The same with every first axis that was given as a number fixed at it."""

        def fixed(spec: InputSpec) -> InputSpec:
            return spec if spec.first is None else replace(spec, shape=(spec.first, *spec.shape[1:]), first=None)

        return Inputs(*self.map(fixed))

    def of_dtype(self, dtype: str) -> Inputs:
        """The same with this dtype for every input of which none was given."""
        return Inputs(*self.map(lambda spec: spec if spec.told else replace(spec, dtype=dtype)))

    def __bool__(self) -> bool:
        return bool(self.positional or self.keyword)


def _leaves(tree: Any) -> Iterator[InputSpec]:
    if isinstance(tree, InputSpec):
        yield tree
    elif isinstance(tree, Mapping):
        for branch in tree.values():
            yield from _leaves(branch)
    elif isinstance(tree, list | tuple):
        for branch in tree:
            yield from _leaves(branch)


def _map(function: Callable[[InputSpec], Any], tree: Any) -> Any:
    if isinstance(tree, InputSpec):
        return function(tree)
    if isinstance(tree, Mapping):
        return {key: _map(function, branch) for key, branch in tree.items()}
    if isinstance(tree, list | tuple):
        branches = [_map(function, branch) for branch in tree]
        return type(tree)(*branches) if hasattr(tree, "_fields") else type(tree)(branches)
    return tree


@dataclass(frozen=True)
class _Plain:
    """An argument that is no tensor, as `--input` says it."""

    name: str | None
    value: Any


def _parse_plain(text: str) -> _Plain | None:
    """Reads `NAME:=VALUE`; None where it is a tensor that the text speaks of.

    Raises:
        RequestError: the value is nothing that Python writes so.
    """
    match = _PLAIN.match(text.strip())
    if match is None:
        return None
    try:
        return _Plain(match["name"], ast.literal_eval(match["value"]))
    except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
        advice = f"the form is {PLAIN}; a text stands in quotes: mode:='fast'"
        raise RequestError(f"--input {text!r}: {match['value']!r} is no plain value", advice=advice) from error


def parse_spec(text: str, *, batch: Dim | None = None) -> InputSpec:
    """Reads one `--input`. `batch` is the symbol of a first axis that is given as a number.

    Raises:
        RequestError: the text does not follow the grammar.
    """
    match = _SPEC.match(text.strip())
    if match is None:
        raise RequestError(f"--input {text!r} is not {GRAMMAR}")
    sizes = [] if match["shape"].startswith("(") else [part.strip() for part in match["shape"].split(",")]
    dtype = _dtype(match["dtype"], text)
    shape = tuple(_size(part, text, first=axis == 0, batch=batch) for axis, part in enumerate(sizes))
    low, high = _range(match["low"], match["high"], dtype, text)
    first = int(sizes[0]) if sizes and sizes[0].isdigit() else None
    return InputSpec(shape, dtype, match["name"], low, high, first=first, told=match["dtype"] is not None)


def _dtype(word: str | None, text: str) -> str:
    if word is None:
        return "float32"
    dtype = _ALIASES.get(word, word)
    if dtype not in DTYPES:
        raise RequestError(f"--input {text!r}: {word!r} is not a dtype", advice=f"one of {', '.join(DTYPES)}")
    return dtype


def _size(part: str, text: str, *, first: bool, batch: Dim | None) -> int | Dim:
    match = _SIZE.match(part)
    if match is None:
        raise RequestError(f"--input {text!r}: {part!r} is not a size", advice=f"the form is {GRAMMAR}")
    if match["letter"]:
        return Dim.symbol(match["letter"])
    if int(match["fixed"]) == 0:
        raise RequestError(f"--input {text!r}: a size of 0 leaves nothing to compare")
    if first and not match["pin"]:
        return batch or Dim.symbol("B")
    return int(match["fixed"])


def _range(low: str | None, high: str | None, dtype: str, text: str) -> tuple[float | None, float | None]:
    if low is None or high is None:
        return None, None
    number = int if "int" in dtype else float
    try:
        bounds = number(low), number(high)
    except ValueError as error:
        raise RequestError(f"--input {text!r}: {low}:{high} is not a range of {dtype}") from error
    if not bounds[0] < bounds[1]:
        raise RequestError(f"--input {text!r}: the range {low}:{high} is empty")
    return bounds


def parse_inputs(inputs: Any) -> Inputs:
    """Understands what `inputs=` was given.

    A string is one `--input`; an array, a tensor or an `InputSpec` is one input; a sequence holds positional inputs
    (strings with a name are keyword inputs); a mapping holds keyword inputs; a pair of a tuple and a dict holds both.
    A tuple of integers, or of integers and letters, is a shape.

    Raises:
        RequestError: something in it is none of these, or two inputs have one name.
    """
    if inputs is None:
        return Inputs()
    if isinstance(inputs, Inputs):
        return inputs
    if _is_leaf(inputs) or _is_shape(inputs):
        inputs = [inputs]
    positional, keyword = _arguments(inputs)
    batch = _batch_symbol([*positional, *keyword.values()])
    found: dict[str, Any] = {}
    unnamed = []
    for tree in positional:
        spec = _spec_tree(tree, batch)
        if isinstance(spec, InputSpec) and spec.name:
            _enter(found, spec.name, spec)
        elif isinstance(spec, _Plain) and spec.name:
            _enter(found, spec.name, spec.value)
        else:
            unnamed.append(spec.value if isinstance(spec, _Plain) else spec)
    for name, tree in keyword.items():
        spec = _spec_tree(tree, batch)
        spec = spec.value if isinstance(spec, _Plain) else spec
        _enter(found, name, replace(spec, name=name) if isinstance(spec, InputSpec) else spec)
    return Inputs(tuple(unnamed), found)


def tensors_only(inputs: Inputs) -> Inputs:
    """The same, for a network in a file, whose inputs are all tensors.

    Raises:
        RequestError: one is given as a plain value.
    """
    given = [(f"input {place}", one) for place, one in enumerate(inputs.positional, 1)]
    for name, one in [*given, *inputs.keyword.items()]:
        if isinstance(one, bool | int | float | str):
            raise RequestError(f"{name} is a tensor in the file, and {one!r} is none", advice=f"the form is {GRAMMAR}")
    return inputs


def _enter(table: dict[str, Any], name: str, spec: Any) -> None:
    if name in table:
        raise RequestError(f"two inputs are called {name}")
    table[name] = spec


def _arguments(inputs: Any) -> tuple[list[Any], dict[str, Any]]:
    if isinstance(inputs, Mapping):
        return [], dict(inputs)
    if not isinstance(inputs, list | tuple):
        raise RequestError(f"inputs cannot be a {type(inputs).__name__}", advice="give arrays, tensors or specs")
    match inputs:
        case (tuple() | list() as positional, dict() as keyword) if isinstance(inputs, tuple) and not _is_shape(
            positional
        ):
            return list(positional), dict(keyword)
    return list(inputs), {}


def _is_leaf(one: Any) -> bool:
    return isinstance(one, str | InputSpec) or _is_array(one)


def _is_array(one: Any) -> bool:
    return hasattr(one, "shape") and hasattr(one, "dtype")


def _is_shape(one: Any) -> bool:
    """Whether this is a shape. Strings alone are specs: ("B", "T") are two inputs, ("B", 3) is one."""
    if not isinstance(one, tuple | list) or all(isinstance(size, str) for size in one):
        return False
    return all(_is_size(size) for size in one)


def _is_size(one: Any) -> bool:
    return (type(one) is int) or isinstance(one, Dim) or (isinstance(one, str) and one.isidentifier())


def _batch_symbol(trees: list[Any]) -> Dim:
    """`B`, unless the user has taken that letter for an axis other than the first."""
    later = set()
    for tree in trees:
        for leaf in _strings(tree):
            later |= set(re.findall(r"[A-Za-z_]\w*", leaf.rpartition(" ")[2].partition(",")[2]))
    return Dim.symbol("batch" if "B" in later else "B")


def _strings(tree: Any) -> Iterator[str]:
    if isinstance(tree, str):
        yield "" if _PLAIN.match(tree) else tree
    elif isinstance(tree, Mapping):
        for branch in tree.values():
            yield from _strings(branch)
    elif isinstance(tree, list | tuple):
        for branch in tree:
            yield from _strings(branch)


def _spec_tree(tree: Any, batch: Dim) -> Any:
    """The nest with each array, tensor, string and shape made an `InputSpec`; plain values stay."""
    if isinstance(tree, InputSpec) or tree is None or isinstance(tree, bool | int | float):
        return tree
    if isinstance(tree, str):
        return _parse_plain(tree) or parse_spec(tree, batch=batch)
    if _is_array(tree):
        return _from_array(tree, batch)
    if _is_shape(tree):
        shape = tuple(Dim.symbol(size) if isinstance(size, str) else size for size in _open(tree, batch))
        return InputSpec(shape, first=_first(tree))
    if isinstance(tree, Mapping):
        return {key: _spec_tree(branch, batch) for key, branch in tree.items()}
    if isinstance(tree, list | tuple):
        branches = [_spec_tree(branch, batch) for branch in tree]
        return type(tree)(*branches) if hasattr(tree, "_fields") else type(tree)(branches)
    raise RequestError(
        f"an input cannot be a {type(tree).__name__}", advice="give arrays, tensors, shapes or specs such as 'B,3,H,W'"
    )


def _from_array(array: Any, batch: Dim) -> InputSpec:
    """The spec of a NumPy array or of a framework's tensor, kept as the example."""
    dtype = str(array.dtype).rpartition(".")[2]
    if dtype not in DTYPES:
        raise RequestError(f"an input of dtype {dtype} has no form in the pivot", advice=f"one of {', '.join(DTYPES)}")
    shape = tuple(int(size) for size in array.shape)
    return InputSpec(tuple(_open(shape, batch)), dtype, example=array, first=_first(shape))


def _first(shape) -> int | None:
    """The number in front of a shape."""
    return shape[0] if shape and isinstance(shape[0], int) else None


def _open(shape, batch: Dim) -> Iterator[Any]:
    """The sizes with a number in front made the symbolic batch."""
    return (batch if axis == 0 and isinstance(size, int) else size for axis, size in enumerate(shape))


def as_numpy(example: Any) -> np.ndarray:
    """An example as a NumPy array, whatever framework made it."""
    if hasattr(example, "detach"):
        example = example.detach().cpu()
    return np.asarray(example)


def symbol_at(inputs: Inputs, index: int, axis: int) -> str | None:
    """The name of the symbolic size on an axis of the `index`-th tensor, or None where the size is fixed."""
    size = inputs.specs[index].shape[axis]
    return str(size) if isinstance(size, Dim) else None


def draw(spec: InputSpec, sizes: Mapping[str, int], generator: np.random.Generator) -> np.ndarray:
    """Random values of a spec: within its range, else normal for floats, 0 and 1 for integers and truth values."""
    shape = tuple(concrete(size, sizes) for size in spec.shape)
    dtype = numpy_dtype(spec.dtype)
    if spec.dtype == "bool":
        return generator.random(shape) < 0.5
    if spec.dtype in INTEGERS:
        low, high = (0, 2) if spec.low is None or spec.high is None else (int(spec.low), int(spec.high))
        return generator.integers(low, high, shape).astype(dtype)
    if spec.low is None or spec.high is None:
        return np.asarray(generator.standard_normal(shape)).astype(dtype)
    return np.asarray(generator.uniform(spec.low, spec.high, shape)).astype(dtype)
