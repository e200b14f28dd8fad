"""What a worker does for an ONNX model: runs it in onnxruntime, and in double precision as far as something can.

onnxruntime has most operators in double precision; where it lacks one, ONNX's own reference implementation runs the
whole model, slowly.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from netglot.dialects.onnx.common import decimal
from netglot.verify.arrays import each_array, read_arrays, write_arrays

_DOUBLE = TensorProto.DOUBLE
_FLOATS = {
    "float16": TensorProto.FLOAT16,
    "bfloat16": TensorProto.BFLOAT16,
    "float32": TensorProto.FLOAT,
    "float64": TensorProto.DOUBLE,
}


class Runtime:
    """The operations of the worker; each takes and returns JSON, arrays by way of `arrays`."""

    OPERATIONS = ("load", "describe", "set_dtype", "repair", "restore", "set_state", "state", "run", "intermediates")

    def __init__(self, folder: str):
        self.folder = folder
        self.model: onnx.ModelProto
        self.precision = "float32"
        self.held: dict[str, np.ndarray] = {}
        self.more: list[str] = []
        self.by = ""
        """What ran the model last: "onnxruntime", or "reference"."""
        self._run = None

    def load(self, call, path, dtype="float32", exact=()):
        """Loads `model.onnx` in the folder `path`, or the file `path`; `call` may name what it returns."""
        self.path = Path(path) / "model.onnx" if os.path.isdir(path) else Path(path)
        self.traced = Path(path) / "trace.py"
        self.model = onnx.load(self.path)
        self.arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in self.model.graph.initializer}
        self.stored = self._stored()
        self.held, self._run = {}, None
        self.precision = dtype
        self.returned = (call or {}).get("returns") or [one.name for one in self.model.graph.output]
        frozen = [one.value for one in self.model.metadata_props if one.key == "netglot.frozen"]
        self.frozen = set(json.loads(frozen[0])) if frozen else set()
        return self.describe()

    def describe(self, paths=None):
        """The initialisers: `[[name, shape, dtype, trainable], ...]`; of those asked for, what the caller says."""
        import onnxruntime

        names = list(self.arrays) if paths is None else paths
        state = [[n, list(self.arrays[n].shape), str(self.arrays[n].dtype), self._trained(n)] for n in names]
        sizes = {
            n: int(np.prod(a.shape)) for n, a in self.arrays.items() if _floats(a) and not n.startswith("constant")
        }
        total = {
            "trainable": sum(size for n, size in sizes.items() if n not in self.frozen),
            "frozen": sum(size for n, size in sizes.items() if n in self.frozen),
        }
        return {
            "state": state,
            "framework": f"onnxruntime {onnxruntime.__version__}",
            "by": self.by,
            "parameters": total,
            "left_out": [],
        }

    def _stored(self):
        """The dtype in which most of the weights are stored; that of the inputs where there are no weights."""
        sizes: dict[str, int] = {}
        for array in filter(_floats, self.arrays.values()):
            sizes[str(array.dtype)] = sizes.get(str(array.dtype), 0) + array.size
        if not sizes:
            kinds = {info.type.tensor_type.elem_type for info in self.model.graph.input}
            sizes = {name: 1 for name, kind in _FLOATS.items() if kind in kinds}
        return max(sizes, key=lambda name: sizes[name], default="float32")

    def _trained(self, name):
        """Whether an initialiser holds floats that the model does not say are frozen."""
        return _floats(self.arrays[name]) and name not in self.frozen

    def set_dtype(self, dtype):
        """Makes the whole model compute in `dtype`."""
        self.precision, self._run = dtype, None

    def repair(self, names):
        """Nothing: no imprecision is known."""

    def restore(self):
        """Sets the initialisers back to those of the file."""
        self.held, self._run = {}, None

    def set_state(self, arrays):
        """Overwrites initialisers by name."""
        for name, array in each_array(arrays):
            if array.shape != self.arrays[name].shape:
                raise ValueError(f"{name} has shape {self.arrays[name].shape} and is given {array.shape}")
            self.held[name] = array
        self._run = None

    def state(self, paths=None):
        """The initialisers, all or those named."""
        names = list(self.arrays) if paths is None else paths
        return write_arrays(self.folder, ((n, self._array(n)) for n in names))

    def run(self, inputs, training=False, steady=False):
        """The outputs by name."""
        return write_arrays(self.folder, self._outputs(read_arrays(inputs), []))

    def intermediates(self, inputs, program=None, names=None):
        """The values that the folder's `trace.py` names, which is a table of tensors."""
        table = json.loads(self.traced.read_text(encoding="utf-8")) if self.traced.exists() else {}
        made = {name for one in self.model.graph.node for name in one.output}
        wanted = {value: tensor for value, tensor in table.items() if tensor in made}
        found = self._outputs(read_arrays(inputs), sorted(set(wanted.values())))
        return write_arrays(self.folder, {value: found[tensor] for value, tensor in wanted.items()})

    # -- running

    def _array(self, name):
        array = self.held.get(name, self.arrays[name])
        return self._in_precision(array, str(self.arrays[name].dtype))

    def _in_precision(self, array, kind):
        """An array of what the model says is of a dtype, as it is computed with now."""
        return array.astype(self.precision if kind in self._replaced() else kind) if _floats(array) else array

    def _replaced(self):
        """The dtypes for which the present precision stands."""
        return {"float32", "float16", self.stored} if self.precision == "float64" else {self.stored}

    def _outputs(self, given, more):
        if self._run is None or more != self.more:
            self.more = more
            self._run = self._prepared(more)
        kinds = {info.name: info.type.tensor_type.elem_type for info in self.model.graph.input}
        said = {name: next((n for n, kind in _FLOATS.items() if kind == kinds.get(name)), "float32") for name in given}
        feeds = {name: self._in_precision(array, said[name]) for name, array in given.items()}
        names = [*self.returned, *more]
        return dict(zip(names, self._run(feeds), strict=True))

    def _prepared(self, more):
        """A function from inputs to outputs."""
        import onnxruntime

        model = self._model(more)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4
        if self.precision == "float64":  # what is fused is computed in single precision by some of its kernels
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        try:
            session = onnxruntime.InferenceSession(
                model.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            if self.precision == "float32" and not _is_too_new(error):
                raise
            return self._by_reference(model)
        self.by = "onnxruntime"
        return lambda feeds: self._by_onnxruntime(session, model, feeds)

    def _by_onnxruntime(self, session, model, feeds):
        """The outputs; some kernels say only when they run that they lack double precision."""
        try:
            return session.run(None, feeds)
        except Exception as error:
            if self.precision == "float32" or "not support" not in str(error):
                raise
            self._run = self._by_reference(model)
            return self._run(feeds)

    def _by_reference(self, model):
        """A function from inputs to outputs in NumPy."""
        from netglot.verify.onnx_reference import evaluator

        self.by, run = "reference", evaluator(model)
        return lambda feeds: [np.asarray(one) for one in run.run(None, feeds)]

    def _model(self, more):
        """The model with its present weights, in the present precision."""
        made = onnx.ModelProto()
        made.CopyFrom(self.model)
        for tensor in made.graph.initializer:
            tensor.CopyFrom(numpy_helper.from_array(np.array(self._array(tensor.name), order="C"), tensor.name))
        if self._replaced() != {self.precision}:
            _retype(made.graph, {_FLOATS[kind] for kind in self._replaced()}, _FLOATS[self.precision])
        for name in more:
            made.graph.output.append(onnx.ValueInfoProto(name=name))
        return made


def _is_too_new(error):
    """Whether onnxruntime does not know the version of the standard, or of the file's form, yet."""
    return "max supported IR version" in str(error) or "ValidateOpsetForDomain" in str(error)


def _floats(array):
    return str(array.dtype) in ("float32", "float16", "float64", "bfloat16")


def _retype(graph, kinds, to):
    """Makes everything that a graph says of these types say another."""
    for info in (*graph.input, *graph.output, *graph.value_info):
        if info.type.tensor_type.elem_type in kinds:
            info.type.tensor_type.elem_type = to
    for node in [*graph.node]:
        if node.op_type == "Attention" and to == _DOUBLE:
            _scale_apart(graph, node)
        for attribute in node.attribute:
            if attribute.name == "stash_type":
                attribute.i = to
            if attribute.type == onnx.AttributeProto.GRAPH:
                _retype(attribute.g, kinds, to)
            elif attribute.name in ("to", "dtype") and attribute.i in kinds:
                attribute.i = to
            elif attribute.type == onnx.AttributeProto.TENSOR and attribute.t.data_type in kinds:
                array = numpy_helper.to_array(attribute.t).astype(_name(to))
                attribute.t.CopyFrom(numpy_helper.from_array(array))


def _name(kind):
    return next(name for name, one in _FLOATS.items() if one == kind)


def _scale_apart(graph, node):
    """Scales the queries of attention before it, by the number that its attribute has in single precision only."""
    scale = next((one for one in node.attribute if one.name == "scale"), None)
    if scale is None:
        return
    name, by = f"{node.output[0]}.scaled", f"{node.output[0]}.scale"
    graph.initializer.append(numpy_helper.from_array(np.asarray(decimal(scale.f)), by))
    place = list(graph.node).index(node)
    graph.node.insert(place, onnx.helper.make_node("Mul", [node.input[0], by], [name]))
    graph.node[place + 1].input[0] = name
    next(one for one in graph.node[place + 1].attribute if one.name == "scale").f = 1.0
