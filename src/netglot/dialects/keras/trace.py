"""Reading a live Keras model while it runs on symbolic tensors.

A built-in layer is read by its own reader (`layers/`). A layer without one, and every layer that the user wrote, is
entered: its `call` runs, and the layers and `keras.ops` functions that it calls are read in turn (`functions/`). What
cannot be read is collected and reported once.
"""

from __future__ import annotations

import contextlib
import os
from typing import Any

import keras
import numpy as np
from keras.src import backend
from keras.src.ops.operation import Operation

from netglot.dialects.keras import control
from netglot.dialects.keras.arguments import (
    arguments_of,
    bound_arguments,
    call_reader,
    declared_arguments,
    function_name,
    layer_arguments,
    reader_name,
    tensor_arguments,
)
from netglot.dialects.keras.capture import (
    Poisoned,
    Traced,
    TracedVariable,
    VariablesTraced,
    array_of,
    following,
    is_variable,
    sites,
)
from netglot.dialects.keras.casting import Casting
from netglot.dialects.keras.dialect import keras as dialect
from netglot.dialects.keras.hierarchy import Hierarchy, add_layer, hierarchy
from netglot.dialects.keras.nests import (
    dtype_of,
    is_dim,
    number_of,
    plain,
    plain_nest,
    poisoned,
    spec_of,
    spec_of_layer,
)
from netglot.dialects.keras.sizes import Size, concrete_shape
from netglot.dialects.keras.view import LayerView, traced_variables_as
from netglot.dialects.keras.writes import Writes, metrics_left_out
from netglot.errors import Bug, NetglotError, Refusal, RefusedOp, UnsupportedOps, UserCodeError, notimpl
from netglot.passes.composed.spectral import NOTE
from netglot.pivot.graph import Frame, Names, Node, Parameter, Part, Value, map_tree
from netglot.pivot.op import Op, TensorType, is_scalar

LARGEST_SCALAR = 1
"""Arrays of so many elements without axes become numbers of the graph."""


class Tracer:
    """Reads what Keras hands it into nodes of a graph."""

    def __init__(self, model: Any, sizes: dict[str, int]):
        self.model = model
        self.sizes = sizes
        self.tree: Hierarchy = hierarchy(model)
        self.names = Names(parameter.name for parameter in self.tree.parameters.values())
        self.nodes: list[Node] = []
        self.parameters: dict[str, Parameter] = {p.name: p for p in self.tree.parameters.values()}
        self.frames: list[Frame] = []
        self.arguments: dict[tuple[str, str], str] = {}
        """The names of the arguments of layers, as `Graph.arguments` has them."""
        self.calls: dict[int, int] = {}
        self.constants: dict[int, tuple[Any, Parameter]] = {}
        self.refused: list[RefusedOp] = []
        self.notes: list[str] = []
        self.casts: list[dict[int, TracedVariable]] = [{}]
        self.total = 0
        self.composed: list[str] = []
        self.writes = Writes(self)
        self._entry: Any = None

    # -- running

    def run(self, args: tuple, kwargs: dict) -> Any:
        """Calls the model on traced tensors; what it returns, with values of the graph at the leaves."""
        self._entry = sys_frame_code()
        self._swapped = VariablesTraced(self.tree.layers, self.variable)
        with following(self), self._swapped, metrics_left_out(self, self.tree.layers):
            try:
                result = self.model(*args, **kwargs)
            except NetglotError:
                raise
            except Poisoned:
                return None
            except Exception as error:
                if self.refused:  # what follows a refusal may fail for it
                    return None
                raise UserCodeError(
                    f"the model cannot be called: {type(error).__name__}: {error}",
                    trace=_users_part(error),
                    advice="call it on a tensor of that shape to see whether it runs",
                ) from error
            if self.refused:
                return None
            output, copies = self._values(result), self.writes.recalled()
            return map_tree(lambda one: copies.get(one, one), output)

    def input(self, name: str, type: TensorType) -> tuple[Value, Traced]:
        """A new input of the graph."""
        value = Value(self.names.unique(name), type, hint=name)
        return value, self.traced(value)

    # -- values and traced tensors

    def traced(self, value: Value) -> Traced:
        """The symbolic tensor of a value."""
        return Traced(value, concrete_shape(value.shape, self.sizes), value.dtype)

    def variable(self, variable: Any) -> Traced:
        """The symbolic tensor that stands in for a variable."""
        parameter = self.tree.parameters.get(id(variable))
        if parameter is None:
            return self.constant(variable.value)
        return TracedVariable(parameter, parameter.shape, parameter.dtype, variable, self.writes)  # type: ignore[arg-type]

    def constant(self, array: Any) -> Traced:
        """The symbolic tensor of an array that the code holds."""
        return self.traced(self.constant_value(array))

    def constant_value(self, array: Any) -> Parameter:
        """A parameter for an array that the code holds; the same one for the same array."""
        if id(array) not in self.constants:
            held = array if isinstance(array, np.ndarray) else np.asarray(array_of(array))
            name = self.names.unique(".".join(filter(None, (self._path(), "constant"))))
            dtype = "string" if held.dtype.kind in "OSU" else str(held.dtype)
            parameter = Parameter(name, TensorType(dtype, held.shape), lambda: held, kind="constant", trainable=False)
            self.parameters[name] = parameter
            self.constants[id(array)] = (array, parameter)
        return self.constants[id(array)][1]

    def value(self, one: Any) -> Any:
        """What a reader is given for an argument: values for tensors, sizes of the pivot for sizes, nests of these."""
        if isinstance(one, Traced):
            if one.held is None:
                raise Poisoned
            return self.writes.read(one.held) if isinstance(one, TracedVariable) else one.held
        if isinstance(one, keras.KerasTensor):
            raise Poisoned
        if is_variable(one):
            return self.writes.read(self.variable(one).held)
        if isinstance(one, Size):
            return one.dim
        if isinstance(one, np.generic):
            return one.item()
        if isinstance(one, np.ndarray) or backend.is_tensor(one) or type(one).__name__ in _TENSORS:
            return number_of(one) if len(one.shape) == 0 else self.constant_value(one)
        if isinstance(one, slice):
            return slice(self.value(one.start), self.value(one.stop), self.value(one.step))
        if isinstance(one, dict):
            return {key: self.value(held) for key, held in one.items()}
        if isinstance(one, list | tuple):
            items = [self.value(held) for held in one]
            return tuple(items) if isinstance(one, tuple) else items
        return one

    def _values(self, result: Any) -> Any:
        """A nest of results, traced tensors replaced by their values and absent ones left out."""
        if isinstance(result, dict):
            return {str(key): self._values(one) for key, one in result.items() if one is not None}
        if isinstance(result, list | tuple):
            return tuple(self._values(one) for one in result if one is not None)
        held = self.value(result)
        return held if isinstance(held, Value) else self.constant_value(np.asarray(held))

    def _wrap(self, tree: Any) -> Any:
        if isinstance(tree, Value):
            return self.traced(tree)
        if isinstance(tree, list | tuple):
            return type(tree)(self._wrap(one) for one in tree)
        if isinstance(tree, dict):
            return {key: self._wrap(one) for key, one in tree.items()}
        return tree

    # -- building

    def build(self, tree: Any, name: str | None = None) -> Any:
        """Adds what a reader returned to the graph; values, numbers and absent results stay as they are."""
        return self._build(tree, self._builder(), {}, name)

    def _builder(self) -> Casting:
        places = sites(_LAYER_CODE, self._entry)
        return Casting(
            self.names,
            self.nodes,
            self.promote,
            keras.config.floatx(),
            scope=tuple(self.frames),
            sites=places[-len(self.frames) - 1 :] if places else (),
        )

    def _build(self, tree: Any, builder: Casting, built: dict, name: str | None) -> Any:
        if isinstance(tree, Part):
            return builder._resolve(tree, built)
        if isinstance(tree, Op):
            if id(tree) not in built:
                built[id(tree)] = builder._add(tree, built, None, name)
            results = built[id(tree)]
            return results[0] if len(results) == 1 else results
        if isinstance(tree, list | tuple):
            return type(tree)(self._build(one, builder, built, name) for one in tree)
        if isinstance(tree, dict):
            return {key: self._build(one, builder, built, name) for key, one in tree.items()}
        return tree

    def create(self, op: Op) -> Traced:
        """The tensor that an op without tensors for operands makes."""
        return self.traced(self.build(op))

    def promote(self, operands: list[Any]) -> str:
        """Keras's common dtype of tensors and numbers."""
        kinds = [type(one) if is_scalar(one) and not is_dim(one) else dtype_of(one) for one in operands]
        return backend.result_type(*(int if kind is None else kind for kind in kinds))

    # -- functions

    def operation(self, operation: Operation, args: tuple, kwargs: dict) -> Any:
        """Reads one call of a function of `keras.ops`."""
        if function_name(operation).removeprefix("ops.") in control.TABLE:
            return self._controlled(operation, args, kwargs)
        block = self.tree.blocks.get(id(operation))
        if block is None:
            return self._operation(operation, args, kwargs)
        number = self.calls[id(operation)] = self.calls.get(id(operation), -1) + 1
        self.frames.append(Frame(block.path, number))
        try:
            return self._operation(operation, args, kwargs)
        finally:
            self.frames.pop()

    def _controlled(self, operation: Operation, args: tuple, kwargs: dict) -> Any:
        """Follows a loop or a branch, whose functions are the user's."""
        try:
            return operation.call(*args, **kwargs)
        except UnsupportedOps:
            raise
        except Refusal as refusal:
            self._refuse(function_name(operation), refusal)
            raise Poisoned from refusal

    def _operation(self, operation: Operation, args: tuple, kwargs: dict) -> Any:
        spec = spec_of(operation, plain(args), plain(kwargs))
        self.total += 1
        spelling = function_name(operation)
        if spelling in _TRANSFORMS:
            self.note(NOTE)
        try:
            reader = dialect.readers.get(spelling)
            if reader is None:
                return self._composed(operation, args, kwargs, spelling)
            arguments = self.value(tensor_arguments(arguments_of(operation, args, kwargs)))
            read = call_reader(reader, declared_arguments(reader, arguments, operation, spelling))
            built = self.build(read)
            held = next((one for one in args if isinstance(one, Traced) and one.held is built), None)
            return self._as(spec, built, spelling in _OTHER_DTYPE) if held is None or held.dtype != spec.dtype else held
        except Poisoned:
            return poisoned(spec)
        except Refusal as refusal:
            self._refuse(spelling, refusal)
            return poisoned(spec)

    def _composed(self, operation: Operation, args: tuple, kwargs: dict, spelling: str) -> Any:
        """Follows a function without a reader into its own body, which may be made of other functions.

        Raises:
            Refusal: it computes by other means.
        """
        if spelling in dialect.unread:
            raise Refusal(dialect.unread[spelling])
        if spelling in self.composed:
            raise Refusal(notimpl(f"{spelling} has no reading yet"))
        before = len(self.nodes)
        self.composed.append(spelling)
        try:
            return operation.call(*args, **kwargs)
        except (NetglotError, Poisoned):
            raise
        except Exception as error:
            del self.nodes[before:]
            raise Refusal(notimpl(f"{spelling} has no reading yet")) from error
        finally:
            self.composed.pop()

    def _as(self, spec: Any, read: Any, wrong: bool = False) -> Any:
        """The traced tensors of what was read, with the dtypes and the nest that Keras says."""
        if isinstance(spec, list | tuple) and isinstance(read, list | tuple):
            if len(spec) != len(read):
                raise Bug(f"{len(read)} results were read and Keras has {len(spec)}")
            return (
                type(spec)(self._as(s, r) for s, r in zip(spec, read, strict=True))
                if plain_nest(spec)
                else [self._as(s, r) for s, r in zip(spec, read, strict=True)]
            )
        if not isinstance(spec, keras.KerasTensor):
            return self._wrap(read)
        value = read if isinstance(read, Value) else self.constant_value(np.asarray(read, dtype=spec.dtype))
        if value.dtype != spec.dtype and not wrong:
            from netglot.pivot import ops

            value = self.build(ops.Cast(value, spec.dtype))
        shape = concrete_shape(value.shape, self.sizes)
        if None not in spec.shape and tuple(int(s) for s in shape) != tuple(int(s) for s in spec.shape):
            raise Bug(f"{value.name} was read as {list(shape)} and Keras says {list(spec.shape)}")
        return self.traced(value)

    # -- layers

    def layer(self, layer: Any, args: tuple, kwargs: dict) -> Any:
        """Reads one call of a layer: by its reader, or by entering it."""
        path = self.tree.paths.get(id(layer))
        if path is None:
            path = self._new_layer(layer)
        number = self.calls[id(layer)] = self.calls.get(id(layer), -1) + 1
        depth = len(self.frames)
        if id(layer) in self.tree.blocks:
            self.frames.append(Frame(self.tree.blocks[id(layer)].path, number))
        if layer is not self.model or number > 0:
            self.frames.append(Frame(path, number))
        try:
            return self._read_layer(layer, args, kwargs)
        finally:
            del self.frames[depth:]

    def _new_layer(self, layer: Any) -> str:
        path = add_layer(self.tree, layer, self._path())
        for parameter in self.tree.parameters.values():
            if parameter.name not in self.parameters:
                self.names.unique(parameter.name)
                self.parameters[parameter.name] = parameter
        return path

    def _path(self) -> str:
        return self.frames[-1].path if self.frames else ""

    def _read_layer(self, layer: Any, args: tuple, kwargs: dict) -> Any:
        name = reader_name(layer)
        reader = dialect.readers.get(f"layers.{name}") if name else None
        reason = None
        if reader is None:
            reason = dialect.unread.get(f"layers.{name}") if name else None
            if reason is None and not getattr(layer, "quantization_mode", None):
                return self._entered(layer, args, kwargs)
        self.total += 1
        try:
            if getattr(layer, "quantization_mode", None):
                raise Refusal(notimpl("the layer is quantised", "convert the network before quantising it"))
            if reader is None:
                assert reason is not None
                raise Refusal(reason)
            view = LayerView(self, layer)
            self._name_arguments(layer, args, kwargs)
            given = self.value(bound_arguments(layer.call, args, kwargs))
            read = reader(view, **layer_arguments(reader, given, layer, view))
            return self._wrap(self.build(read, name=_result_name(self._path())))
        except Poisoned:
            return poisoned(layer.compute_output_spec(*args, **kwargs))
        except Refusal as refusal:
            self._refuse(type(layer).__name__, refusal)
            return poisoned(spec_of_layer(layer, args, kwargs))

    def _entered(self, layer: Any, args: tuple, kwargs: dict) -> Any:
        """What the layer's own call makes; a refusal that is raised in it is told with its place."""
        try:
            return self._enter(layer, args, kwargs)
        except UnsupportedOps:
            raise
        except Refusal as refusal:
            self._refuse(type(layer).__name__, refusal)
            return poisoned(spec_of_layer(layer, args, kwargs))

    def _enter(self, layer: Any, args: tuple, kwargs: dict) -> Any:
        """Runs the layer's own call, in which further calls are seen; one that calls TensorFlow itself is traced."""
        before = len(self.nodes), len(self.refused), self.total, dict(self.calls)
        written = self.writes.snapshot()
        self._name_arguments(layer, args, kwargs)
        try:
            return self.writes.hand_on(self._run_call(layer, args, kwargs))
        except (NetglotError, Poisoned):
            raise
        except Exception as error:
            if not _calls_tensorflow(error):
                raise
            del self.nodes[before[0] :], self.refused[before[1] :]
            self.total, self.calls = before[2:]
            self.writes.undo(written)
            return self._through_tensorflow(layer, args, kwargs, error)

    def _name_arguments(self, layer: Any, args: tuple, kwargs: dict) -> None:
        """Notes under which names the layer's call knows the values that it is given."""
        with contextlib.suppress(TypeError):
            for name, held in bound_arguments(layer.call, args, kwargs).items():
                if isinstance(held, Traced) and held.held is not None:
                    self.arguments.setdefault((self._path(), held.held.name), name)

    def _run_call(self, layer: Any, args: tuple, kwargs: dict) -> Any:
        mixed = layer.compute_dtype != layer.variable_dtype and not isinstance(layer, keras.Model)
        if not mixed:
            return layer.call(*args, **kwargs)
        with traced_variables_as(layer, self._cast_to(layer)):
            return layer.call(*args, **kwargs)

    def _through_tensorflow(self, layer: Any, args: tuple, kwargs: dict, error: Exception) -> Any:
        from netglot.dialects.keras.raw import read_call

        return read_call(self, layer, args, kwargs, error, self._swapped.suspended)

    def _cast_to(self, layer: Any):
        def cast(traced: TracedVariable) -> Any:
            if "float" not in traced.dtype or not getattr(traced.variable, "autocast", True):
                return traced
            return keras.ops.cast(traced, layer.compute_dtype)

        return cast

    def _refuse(self, what: str, refusal: Refusal) -> None:
        places = sites(_LAYER_CODE, self._entry)
        site = next((place for place in reversed(places) if place), None)
        self.refused.append(RefusedOp(self._path(), what, refusal.reason, str(site) if site else None))

    def note(self, text: str) -> None:
        """Remembers a sentence for the report."""
        if text not in self.notes:
            self.notes.append(text)


def _calls_tensorflow(error: Exception) -> bool:
    """Whether a call failed because it hands its tensors to TensorFlow and not to Keras."""
    if "KerasTensor" in str(error) or "Traced" in str(error):
        return True
    trace, last = error.__traceback__, None
    while trace is not None:
        trace, last = trace.tb_next, trace
    return last is not None and f"{os.sep}tensorflow{os.sep}python" in last.tb_frame.f_code.co_filename


# -- nests, shapes and names

_TENSORS = ("EagerTensor", "ResourceVariable")


_TRANSFORMS = {"ops.fft", "ops.fft2", "ops.ifft2", "ops.rfft", "ops.irfft", "ops.stft"}

_OTHER_DTYPE = {"ops.logsumexp", "ops.meshgrid", "ops.multi_hot", "ops.normalize", "ops.reciprocal"}
"""Functions that make another dtype than Keras's own inference says."""


def _result_name(path: str) -> str | None:
    last = path.rpartition(".")[2]
    return last if last.isidentifier() else None


def sys_frame_code() -> Any:
    """The code of the caller."""
    import sys

    return sys._getframe(1).f_code


def _users_part(error: BaseException) -> str:
    import traceback

    from netglot.dialects.keras.capture import _HERE, _LIBRARIES

    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not frame.filename.startswith((*_LIBRARIES, _HERE, "<"))]
    return "".join(traceback.format_list(own))


_LAYER_CODE = Tracer.layer.__code__

__all__ = ["Tracer"]
