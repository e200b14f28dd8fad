"""From an exported PyTorch program to the pivot.

Each ATen node is looked up in the torch dialect and read into pivot ops. On the way, in-place operations and views
become values (`Storage`), casts that PyTorch makes silently are written down (`Casting`), and everything that
cannot be read is collected and reported once.
"""

from __future__ import annotations

import dataclasses
import inspect
import itertools
import operator
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch.export.graph_signature import InputKind

import netglot.dialects.torch.ops
import netglot.dialects.torch.short_time
import netglot.dialects.torch.spectral  # noqa: F401  (both fill the makers of complex numbers)
from netglot.dialects.torch import complex_numbers
from netglot.dialects.torch.aliases import call_by_one_path
from netglot.dialects.torch.argument_names import ARGUMENTS
from netglot.dialects.torch.capture import _PLACES, Captured, capture
from netglot.dialects.torch.casting import Casting, dtype_name
from netglot.dialects.torch.complex_numbers import PARTS, REAL, Complex
from netglot.dialects.torch.construction import arguments_of, as_the_others, initialiser_of
from netglot.dialects.torch.described import describe, unused
from netglot.dialects.torch.dialect import torch as dialect
from netglot.dialects.torch.picked import Picked, is_pick, picked, put_back
from netglot.dialects.torch.prepare import (
    dynamic_shapes,
    forget_caches,
    keywords_by_name,
    make_lazy_layers,
    refuse_closed,
    without_cache,
)
from netglot.dialects.torch.storage import POISON, Poisoned, Storage, is_write
from netglot.dialects.torch.symbols import size
from netglot.errors import Bug, Reason, Refusal, RefusedOp, UnsupportedOps, notimpl
from netglot.pivot import ops
from netglot.pivot.dims import Dim
from netglot.pivot.graph import Frame, Graph, Module, Names, Node, Parameter, Part, Site, Value
from netglot.pivot.op import Op, TensorType

_IGNORED = {
    "aten._assert_tensor_metadata.default",
    "aten._assert_scalar.default",
    "aten._assert_async.msg",
    "aten.sym_constrain_range.default",
    "aten.sym_constrain_range_for_size.default",
}
_DROPPED_OPTIONS = {"device", "layout", "pin_memory", "memory_format", "non_blocking", "generator"}


def array_of(tensor: torch.Tensor) -> np.ndarray:
    """The tensor as an array that shares its memory."""
    tensor = tensor.detach().cpu()
    if tensor.dtype == torch.bfloat16:
        import ml_dtypes

        return tensor.contiguous().view(torch.int16).numpy().view(ml_dtypes.bfloat16)
    return tensor.numpy()


def read(
    model: torch.nn.Module,
    args: tuple = (),
    kwargs: dict | None = None,
    *,
    symbols: Callable[[int, int], str | None] | None = None,
    name: str | None = None,
) -> Graph:
    """Reads a live module as a graph.

    Args:
        args, kwargs: example inputs. Sizes of symbolic axes must be at least 2.
        symbols: the name of the symbolic size of an axis of the n-th input tensor, or None where the size is fixed.
            By default the first axis of each tensor is symbolic.

    Raises:
        UnsupportedOps: operations without a pivot form, all of them.
        Refusal, UserCodeError: see `capture`.
    """
    symbols = symbols or (lambda index, axis: "B" if axis == 0 else None)
    kwargs = kwargs or {}
    refuse_closed(model)
    make_lazy_layers(model, args, kwargs)
    forget_caches(model)
    with without_cache(model) as notes, keywords_by_name(model, kwargs):
        captured = capture(model, args, kwargs, dynamic_shapes(model, args, kwargs, symbols))
    captured.notes.extend(notes)
    return read_program(captured, model, symbols=symbols, name=name)


def read_program(captured: Captured, model: torch.nn.Module | None, *, symbols, name=None) -> Graph:
    """Reads an exported program; `model` adds what the program does not say of modules and parameters."""
    return Reader(captured, model, symbols, name).read()


@dataclasses.dataclass(frozen=True)
class Origin:
    """The exported program of a graph, and the value that each of its nodes computed."""

    program: Any
    names: dict[str, str | list[str]]


class Reader:
    """Walks one exported program."""

    def __init__(self, captured: Captured, model, symbols, name):
        self.program = captured.program
        self.model = model
        self.notes = captured.notes
        self.symbol_name = symbols
        self.symbols: dict[Any, Dim] = {}
        self.sizes: dict[str, int] = {}
        self.names = Names()
        self.nodes: list[Node] = []
        self.refused: list[RefusedOp] = []
        self.env: dict[torch.fx.Node, Any] = {}
        self.storage = Storage(self)
        self.title = name or (type(model).__name__ if model is not None else "Network")
        self.modules: dict[str, Module] = {}
        self.pairs: dict[Parameter, Complex] = {}
        self.total = 0

    def read(self) -> Graph:
        parameters = self._parameters()
        inputs = self._inputs()
        self._run(self.program.graph, self.program.graph_module)
        if self.refused:
            raise UnsupportedOps(self.refused, self.total, "pivot")
        output = self._output()
        for held, pair in self.pairs.items():
            parameters = {name: one for name, one in parameters.items() if one is not held}
            parameters.update({one.name: one for one in (pair.real, pair.imaginary)})
        graph = Graph(self.title, inputs, parameters, self.nodes, output, self._modules(), self.notes)
        graph.prune()
        graph.notes.extend(unused(graph))
        graph.origin = Origin(self.program, self._value_names())
        graph.sizes = self.sizes
        graph.arguments = self._argument_names()
        call_by_one_path(graph)
        return graph

    def _argument_names(self) -> dict[tuple[str, str], str]:
        """The names of the arguments of modules: by the module's path and the value's name."""
        names: dict[tuple[str, str], str] = {}
        for node, held in self.env.items():
            for path, name in node.meta.get(ARGUMENTS, ()):
                if isinstance(held, Value):
                    names.setdefault((path, held.name), name)
        return names

    def _value_names(self) -> dict[str, str | list[str]]:
        """The names of the pivot's values by the fx nodes that computed them."""
        names: dict[str, str | list[str]] = {}
        known: set[str] = set()
        for node, held in self.env.items():
            if node.op != "call_function" or (node in self.storage.parent and is_write(node)):
                continue
            if isinstance(held, Value) and not isinstance(held, Parameter) and held.name not in known:
                names[node.name] = held.name
                known.add(held.name)
            elif isinstance(held, tuple) and held and all(isinstance(v, Value) for v in held):
                names[node.name] = [v.name for v in held]
        return names

    # -- inputs and parameters

    def _symbol(self, symbol) -> Dim:
        if symbol not in self.symbols:
            self.symbols[symbol] = Dim.symbol(self._free_symbol("S"))
        return self.symbols[symbol]

    def _free_symbol(self, wanted: str) -> str:
        taken = {str(d) for d in self.symbols.values()}
        return next(
            n for n in itertools.chain([wanted], (f"{wanted}{i}" for i in itertools.count(1))) if n not in taken
        )

    def _type(self, fake: torch.Tensor) -> TensorType:
        return TensorType(dtype_name(fake.dtype), tuple(size(s, self._symbol) for s in fake.shape))

    def _placeholders(self):
        specs = self.program.graph_signature.input_specs
        nodes = [n for n in self.program.graph.nodes if n.op == "placeholder"]
        return zip(nodes, specs, strict=True)

    def _parameters(self) -> dict[str, Parameter]:
        state = dict(self.program.state_dict)
        aliases = self._aliases()
        parameters: dict[str, Parameter] = {}
        elsewhere: dict[str, Parameter] = {}
        for node, spec in self._placeholders():
            if spec.kind in (InputKind.USER_INPUT, InputKind.TOKEN):
                continue
            path = spec.target
            if path in parameters:
                self.env[node] = parameters[path]
                continue
            tensor = state.get(path, self.program.constants.get(path))
            if spec.kind == InputKind.CUSTOM_OBJ or not isinstance(tensor, torch.Tensor):
                continue
            parameter = Parameter(
                self.names.unique(path),
                TensorType(dtype_name(tensor.dtype), tuple(tensor.shape)),
                lambda t=tensor: array_of(t),
                kind={InputKind.PARAMETER: "parameter", InputKind.BUFFER: "buffer"}.get(spec.kind, "constant"),
                trainable=tensor.requires_grad,
                aliases=aliases.get(path, ()),
                initialiser=initialiser_of(self.model, path, tensor) if spec.kind == InputKind.PARAMETER else None,
            )
            if path in elsewhere:
                self.env[node] = elsewhere[path]
                continue
            parameters[path] = self.env[node] = parameter
            elsewhere.update(dict.fromkeys(parameter.aliases, parameter))
        self._settle_initialisers(parameters, state)
        return parameters

    def _settle_initialisers(self, parameters: dict[str, Parameter], state: dict[str, torch.Tensor]) -> None:
        if self.model is None:
            return
        trained = {path: p for path, p in parameters.items() if p.kind == "parameter"}
        found = {path: p.initialiser for path, p in trained.items()}
        as_the_others(self.model, {path: state[path] for path in trained}, found)
        for path, how in found.items():
            trained[path].initialiser = how

    def _aliases(self) -> dict[str, tuple[str, ...]]:
        """For each parameter the other paths under which the model holds the same tensor."""
        if self.model is None:
            return {}
        groups: dict[int, list[str]] = {}
        for path, tensor in (
            *self.model.named_parameters(remove_duplicate=False),
            *self.model.named_buffers(remove_duplicate=False),
        ):
            groups.setdefault(id(tensor), []).append(path)
        return {
            path: tuple(p for p in paths if p != path) for paths in groups.values() if len(paths) > 1 for path in paths
        }

    def _inputs(self) -> list[Value]:
        inputs, index = [], 0
        named: dict[tuple[str, int | None], Dim] = {}  # sizes of one name that agree in the example are one size
        for node, spec in self._placeholders():
            if spec.kind != InputKind.USER_INPUT:
                continue
            fake = node.meta.get("val")
            if not isinstance(fake, torch.Tensor):
                self.env[node] = fake
                continue
            for axis, extent in enumerate(fake.shape):
                wanted = self.symbol_name(index, axis)
                if not wanted:
                    continue
                if isinstance(extent, int):
                    self.notes.append(f"axis {axis} of input {node.name} is fixed at {extent}: the network needs it")
                elif extent.node.expr.is_Symbol and extent.node.expr not in self.symbols:
                    key = (wanted, extent.node.hint)
                    named.setdefault(key, Dim.symbol(self._free_symbol(wanted)))
                    self.sizes[str(named[key])] = extent.node.hint
                    self.symbols[extent.node.expr] = named[key]
            value = Value(self.names.unique(node.name), self._type(fake), hint=node.name)
            self.env[node] = value
            inputs.append(value)
            index += 1
        return inputs

    # -- nodes

    def _run(self, graph: torch.fx.Graph, module: torch.fx.GraphModule, blocked: bool = False) -> Any:
        """Reads all nodes of a graph; returns what its output node holds."""
        for node in graph.nodes:
            match node.op:
                case "call_function":
                    self._call(node, module, blocked)
                case "get_attr":
                    self.env[node] = getattr(module, node.target, None)
                case "output":
                    return node.args[0]

    def _call(self, node: torch.fx.Node, module, blocked: bool) -> None:
        self.total += 1
        try:
            self.env[node] = self._result(node, module, blocked)
        except Refusal as refusal:
            self._refuse(node, refusal.reason)
        except Poisoned:
            self.env[node] = POISON

    def _refuse(self, node, reason: Reason) -> None:
        scope, sites = self._place(node)
        site = next((s for s in reversed(sites) if s), None)
        what = str(node.target).removesuffix(".default")
        self.refused.append(RefusedOp(scope[-1].path if scope else "", what, reason, str(site) if site else None))
        self.env[node] = POISON

    def _result(self, node: torch.fx.Node, module, blocked: bool) -> Any:
        fake = node.meta.get("val")
        target = str(node.target)
        if isinstance(fake, torch.SymInt | int) and not isinstance(fake, bool) and not isinstance(fake, torch.Tensor):
            held = [self.argument(argument) for argument in node.all_input_nodes]
            # a size of what was refused is no second refusal; how many elements a mask picked, nobody asks
            return fake if any(isinstance(one, Picked) for one in held) else size(fake, self._symbol)
        if isinstance(fake, torch.SymFloat | torch.SymBool) or target in _IGNORED or (fake is None and "sym" in target):
            return fake
        if node.target is operator.getitem:
            held = self.argument(node.args[0])
            if not node.users:
                return None
            held, index = held if isinstance(held, list | tuple) else (held,), node.args[1]
            if index >= len(held):
                raise Refusal(notimpl(f"result {index} of {node.args[0].target}"))
            return held[index]
        if isinstance(node.target, torch._ops.HigherOrderOperator):
            return self._nested(node, target)
        if not isinstance(node.target, torch._ops.OpOverload):
            raise Refusal(notimpl(f"{target} is not a tensor operation that can be read"))
        if node.target._schema.is_mutable:
            return self.storage.mutate(node)
        result = self.apply(node, target)
        self.storage.note_view(node)
        return self._blocked(node, result) if blocked else result

    def _blocked(self, node, result):
        """Results computed under `torch.no_grad` pass no gradient."""
        if isinstance(result, Value) and not isinstance(result, Parameter) and result.dtype.startswith("float"):
            return self.build(node, ops.StopGradient(result), [node.meta.get("val")])
        return result

    def _nested(self, node, target: str):
        if target.endswith(("wrap_with_set_grad_enabled", "wrap_with_autocast")):
            submodule_at = next(
                i for i, a in enumerate(node.args) if isinstance(a, torch.fx.Node) and a.op == "get_attr"
            )
            inner = self.env[node.args[submodule_at]]
            blocked = target.endswith("wrap_with_set_grad_enabled") and node.args[0] is False
            operands = node.args[submodule_at + 1 :]
            holes = [n for n in inner.graph.nodes if n.op == "placeholder"]
            for hole, operand in zip(holes, operands, strict=True):
                self.env[hole] = self.argument(operand)
            out = self._run(inner.graph, inner, blocked)
            return tuple(self.argument(o) for o in out)
        raise Refusal(notimpl(f"{target.rpartition('.')[2]}: control flow that stays in the graph"))

    def apply(self, node: torch.fx.Node, target: str, first: Value | None = None) -> Any:
        """Reads one functional call; `first` replaces the first operand (for views that are made again)."""
        reader = dialect.readers.get(target)
        arguments = [self.argument(a) for a in node.args]
        if first is not None:
            arguments[0] = first
        options = {k: self.argument(v) for k, v in node.kwargs.items() if k not in _DROPPED_OPTIONS}
        if len(arguments) == 3 and isinstance(arguments[2], Picked):
            return self.build(node, put_back(self, arguments[0], arguments[1], arguments[2]), [node.meta.get("val")])
        if is_pick(node) and (picks := picked(node, arguments)):
            return picks
        pairs = complex_numbers.concerns(
            target.removeprefix("aten.").partition(".")[0], [*arguments, *options.values()]
        )
        if reader is None and not pairs:
            known = dialect.unread.get(target)
            raise Refusal(known or notimpl(f"{target} has no mapping yet"))
        fake = node.meta.get("val")
        scope, sites = self._place(node)
        try:
            read = complex_numbers.read(target, arguments, options, reader) if pairs else reader(*arguments, **options)
        except (Refusal, Poisoned):
            raise
        except Exception as error:
            shown = inspect.signature(reader) if reader else ""
            raise Bug(f"reading {target}{shown} failed: {type(error).__name__}: {error}") from error
        fakes = fake if isinstance(fake, tuple | list) else [fake]
        if pairs:
            note = complex_numbers.note(target)
            self.notes.extend([note] if note and note not in self.notes else [])
            return self._built_pairs(node, read, fakes, scope, sites)
        if isinstance(read, tuple | list):
            built: dict = {}
            return tuple(self.build(node, r, [f], scope, sites, built) for r, f in zip(read, fakes, strict=False))
        return self.build(node, read, fakes, scope, sites)

    def _built_pairs(self, node, read, fakes, scope, sites) -> Any:
        """Adds what was read of complex numbers; the types of pairs are not those of PyTorch's results."""
        if isinstance(read, tuple):
            return tuple(self._built_pairs(node, one, fakes, scope, sites) for one in read)
        if isinstance(read, Complex):
            built: dict = {}
            parts = [self.build(node, part, [], scope, sites, built) for part in (read.real, read.imaginary)]
            for part, name in zip(parts, PARTS, strict=True):
                if isinstance(part, Value) and part.hint is None:
                    part.hint = name
            return Complex(*parts)
        return self.build(node, read, fakes, scope, sites)

    def build(self, node, read, fakes, scope=None, sites=None, built=None) -> Any:
        """Adds what a reader returned; a value stays as it is. `built` holds the ops that several results share."""
        if not isinstance(read, Op | Part):
            return read
        if scope is None:
            scope, sites = self._place(node)
        builder = Casting(self, scope, sites)
        built = {} if built is None else built
        op, index = (read.op, read.index) if isinstance(read, Part) else (read, None)
        if id(op) not in built:
            types = tuple(self._type(f) for f in fakes if isinstance(f, torch.Tensor)) if index is None else None
            built[id(op)] = builder.build(op, built, types, node.name)
        results = built[id(op)]
        return results[index] if index is not None else results[0] if len(results) == 1 else results

    def argument(self, argument: Any) -> Any:
        """An fx argument as readers take it."""
        if isinstance(argument, torch.fx.Node):
            held = self.storage.current(argument)
            if held is POISON:
                raise Poisoned
            if isinstance(held, Value) and held.dtype in REAL:
                return self._pair(held)
            return held
        if isinstance(argument, torch.dtype):
            return dtype_name(argument)
        if isinstance(argument, list | tuple):
            return [self.argument(a) for a in argument]
        if isinstance(argument, torch.SymInt):
            return size(argument, self._symbol)
        return argument

    def _pair(self, held: Value) -> Complex:
        """The parts of a complex constant."""
        if not isinstance(held, Parameter):
            raise Refusal(notimpl("a complex input", "give its real and its imaginary part"))
        if held not in self.pairs:
            type = TensorType(REAL[held.dtype], held.shape)
            parts = [
                Parameter(self.names.unique(f"{held.name}_{part}"), type, load, kind="constant", trainable=False)
                for part, load in (
                    ("real", lambda: np.ascontiguousarray(np.real(held.load()))),
                    ("imaginary", lambda: np.ascontiguousarray(np.imag(held.load()))),
                )
            ]
            self.pairs[held] = Complex(*parts)
        return self.pairs[held]

    def _place(self, node) -> tuple[tuple[Frame, ...], tuple[Site | None, ...]]:
        stack = node.meta.get("nn_module_stack") or {}
        frames = []
        for key, (path, kind) in stack.items():
            if path:
                call = int(key.rpartition("@")[2]) if "@" in key else 0
                frames.append(Frame(path, call))
                self._module(path, kind)
        sites = node.meta.get(_PLACES) or ()
        # what lies outside the root is export's own wrapper
        return tuple(frames), sites[-len(frames) - 1 :]

    # -- modules and output

    def _module(self, path: str, kind: Any) -> None:
        if path in self.modules:
            return
        qualified = kind if isinstance(kind, str) else f"{kind.__module__}.{kind.__qualname__}"
        self.modules[path] = Module(path, qualified.rpartition(".")[2], qualified)

    def _modules(self) -> dict[str, Module]:
        if self.model is None:
            self.modules.setdefault("", Module("", self.title))
            return self.modules
        described: dict[str, Module] = {}
        first: dict[int, str] = {}
        for path, module in self.model.named_modules(remove_duplicate=False):
            described[path] = describe(path, module, arguments_of(self.model, module))
            if first.setdefault(id(module), path) != path:
                described[path] = dataclasses.replace(described[path], first=first[id(module)])
        return described

    def _output(self):
        node = next(n for n in self.program.graph.nodes if n.op == "output")
        specs = self.program.graph_signature.output_specs
        leaves = [
            self.argument(argument)
            for argument, spec in zip(node.args[0], specs, strict=True)
            if spec.kind.name == "USER_OUTPUT"
        ]
        if any(isinstance(leaf, Complex) for leaf in leaves):
            raise Refusal(notimpl("a complex output", "return torch.view_as_real of it"))
        tree = torch.utils._pytree.tree_unflatten(leaves, self.program.call_spec.out_spec)
        return self._plain(tree)

    def _plain(self, tree: Any) -> Any:
        """A nest of tuples and dicts; absent entries are left out and numbers are noted."""
        if isinstance(tree, Mapping):
            return {str(k): self._plain(v) for k, v in tree.items() if self._tensors_in(v)}
        if dataclasses.is_dataclass(tree) and not isinstance(tree, Value):
            fields = {f.name: getattr(tree, f.name) for f in dataclasses.fields(tree)}
            return {k: self._plain(v) for k, v in fields.items() if self._tensors_in(v)}
        if isinstance(tree, list | tuple):
            return tuple(self._plain(v) for v in tree if self._tensors_in(v))
        return tree

    def _tensors_in(self, tree: Any) -> bool:
        leaves = torch.utils._pytree.tree_leaves(tree)
        return any(isinstance(leaf, Value) for leaf in leaves)
