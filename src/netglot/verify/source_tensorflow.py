"""What a TensorFlow worker can do as the source: run a signature of a SavedModel op by op, in either precision.

The graph of a signature says float32. Its ops are run one by one by TensorFlow itself with wider tensors, so that the
same network computes in float64; an op that TensorFlow has in float32 only is run so, and its results are widened.
"""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.framework import op_def_registry

from netglot.dialects.tensorflow.graphdef import _CALLS, Interpreter
from netglot.dialects.tensorflow.nodes import attribute_of, tensors_of
from netglot.formats import saved_model
from netglot.verify.arrays import each_array, write_arrays

_PASSED_ON = {"Identity", "PreventGradient", "Snapshot", "EnsureShape", "StopGradient"}
_NORMS = {"FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"}


class Runtime:
    """The operations of the worker; each takes and returns JSON, arrays by way of `arrays`."""

    OPERATIONS = ("load", "describe", "set_dtype", "repair", "restore", "set_state", "state", "run", "gradients")

    def __init__(self, folder: str):
        self.folder = folder
        self.dtype = "float32"
        self.call: dict = {}
        self.served: saved_model.Served
        self.variables: dict[str, tf.Variable] = {}

    def load(self, call, path, signature):
        """Opens the SavedModel in the folder `path`."""
        self.call = call
        self.served = saved_model.serve(path, signature)
        self.restore()
        return self.describe()

    def describe(self):
        """The variables: `[[name, shape, dtype, trainable], ...]`."""
        state = [[n, v.shape.as_list(), v.dtype.name, v.trainable] for n, v in self.variables.items()]
        return {"state": state, "framework": f"tensorflow {tf.__version__}"}

    def set_dtype(self, dtype):
        """Makes the whole network compute in `dtype`, with the state of the file."""
        self.dtype = dtype
        self.restore()

    def repair(self, names):
        """Nothing: no imprecision of these ops is known."""

    def restore(self):
        """Sets the state back to that of the file."""
        self.variables = {
            name: tf.Variable(
                tf.cast(v.read_value(), self._typed(v.dtype)), trainable=v.trainable and name not in self.served.frozen
            )
            for name, v in self.served.variables.values()
        }

    def set_state(self, arrays):
        """Overwrites variables by name."""
        for name, array in each_array(arrays):
            self.variables[name].assign(array.astype(self.variables[name].dtype.as_numpy_dtype))

    def state(self, names=None):
        """The variables, all or those named."""
        return self._write({n: v for n, v in self.variables.items() if names is None or n in names})

    def run(self, inputs, training=False, steady=False):
        """The outputs by name."""
        return self._write(self._outputs(self._inputs(inputs)))

    def gradients(self, inputs, cotangents):
        """Gradients of `sum(output * cotangent)` to every trainable variable and every input of floats."""
        weights = {name: tf.convert_to_tensor(array) for name, array in each_array(cotangents)}
        given = self._inputs(inputs)
        watched: dict[str, Any] = {f"input:{name}": t for name, t in given.items() if t.dtype.is_floating}
        watched.update({n: v for n, v in self.variables.items() if v.trainable and v.dtype.is_floating})
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            for tensor in watched.values():
                tape.watch(tensor)
            outputs = self._outputs(given)
            total = tf.add_n([tf.reduce_sum(outputs[name] * weight) for name, weight in weights.items()])
        found = tape.gradient(total, list(watched.values()), unconnected_gradients="zero")
        return self._write(dict(zip(watched, map(tf.convert_to_tensor, found), strict=True)))

    # -- pieces

    def _typed(self, dtype: tf.DType) -> tf.DType:
        return tf.as_dtype(self.dtype) if dtype.is_floating else dtype

    def _inputs(self, table) -> dict[str, Any]:
        arrays = dict(each_array(table))
        return {n: tf.convert_to_tensor(a.astype(self.dtype) if a.dtype.kind == "f" else a) for n, a in arrays.items()}

    def _outputs(self, given: dict[str, Any]) -> dict[str, Any]:
        function = self.served.function
        graph = function.graph
        captured = dict(zip((t.name for t in graph.internal_captures), graph.external_captures, strict=True))
        plain = iter([given[name] for name in self.call["args"]])
        feeds = {
            t.name.split(":")[0]: self._captured(captured[t.name]) if t.name in captured else next(plain)
            for t in graph.inputs
        }
        definition = graph.as_graph_def()
        runner = Runner(definition.library.function, self.dtype)
        results = runner.run(definition.node, feeds)
        found = [runner.output(tensor.name, results) for tensor in graph.outputs]
        structure = function.structured_outputs
        if isinstance(structure, dict):
            return dict(zip(sorted(structure), found, strict=True))
        return {"output": found[0]} if len(found) == 1 else {str(i): one for i, one in enumerate(found)}

    def _captured(self, captured: Any) -> Any:
        if id(captured) in self.served.variables:
            return self.variables[self.served.variables[id(captured)][0]]
        return captured if captured.dtype.name == "resource" else _cast(captured, self.dtype)

    def _write(self, tensors):
        return write_arrays(self.folder, {name: np.asarray(tensor) for name, tensor in tensors.items()})


_FLOATS = ("float32", "float64", "float16", "bfloat16")


def _cast(tensor: Any, dtype: str) -> Any:
    """A tensor of floats in `dtype`, any other as it is."""
    tensor = tf.convert_to_tensor(tensor)
    return tf.cast(tensor, dtype) if tensor.dtype.name in _FLOATS else tensor


class Runner(Interpreter):
    """Runs the nodes that an `Interpreter` would read. Variables stand for themselves."""

    def __init__(self, library: Any, dtype: str):
        super().__init__(library, None)  # type: ignore[arg-type]  (nothing is built)
        self.dtype = dtype

    def _step(self, node: Any, inputs: list[Any], prefix: str) -> list[Any]:
        if node.op in _CALLS:
            return self._call(node.attr["f"].func.name, inputs, prefix)
        if node.op in ("NoOp", "Assert"):
            return []
        if node.op == "ReadVariableOp":
            return [inputs[0].value()]
        if node.op == "ResourceGather":
            return [tf.gather(inputs[0], inputs[1], batch_dims=node.attr["batch_dims"].i)]
        if node.op in _PASSED_ON:
            return inputs[:1]
        if node.op == "IdentityN":
            return inputs
        if node.op == "Const":
            return [_cast(tf.make_ndarray(node.attr["value"].tensor), self.dtype)]
        if node.op in ("If", "StatelessIf"):
            taken = "then_branch" if bool(inputs[0]) else "else_branch"
            return self._call(node.attr[taken].func.name, inputs[1:], prefix)
        if node.op in ("While", "StatelessWhile"):
            return self._loop(node, inputs, prefix)
        if node.op in _NORMS:
            return [_norm(node, *inputs)]
        return self._computed(node, inputs)

    def _loop(self, node: Any, held: list[Any], prefix: str) -> list[Any]:
        while bool(self._call(node.attr["cond"].func.name, held, prefix)[0]):
            held = self._call(node.attr["body"].func.name, held, prefix)
        return held

    def _computed(self, node: Any, inputs: list[Any]) -> list[Any]:
        """What TensorFlow's own kernel gives; in float32 where it has no wider one."""
        arguments = tensors_of(op_def_registry.get(node.op), node, inputs)
        options = {name: self._option(name, node) for name in node.attr if not name.startswith("_")}
        try:
            found = _kernel(node.op, arguments, options)
        except (tf.errors.InvalidArgumentError, tf.errors.NotFoundError, tf.errors.UnimplementedError, TypeError):
            if self.dtype == "float32":
                raise
            arguments = {name: tf.nest.map_structure(lambda t: _cast(t, "float32"), t) for name, t in arguments.items()}
            plain = {name: self._option(name, node, "float32") for name in node.attr if not name.startswith("_")}
            found = _kernel(node.op, arguments, plain)
        if not isinstance(found, list | tuple):
            found = [found]
        return [_cast(one, self.dtype) if isinstance(one, tf.Tensor) else one for one in found]

    def _option(self, name: str, node: Any, dtype: str | None = None) -> Any:
        held, kind = attribute_of(node.attr[name]), node.attr[name].WhichOneof("value")
        return (dtype or self.dtype) if kind == "type" and held in _FLOATS and held != "float64" else held


def _kernel(op: str, arguments: dict[str, Any], options: dict[str, Any]) -> Any:
    """TensorFlow's own op. Some of its inputs have another name in Python than in the graph, and the same order."""
    function = getattr(tf.raw_ops, op)
    names = [name for name in inspect.signature(function).parameters if name not in ("name", "ctx")]
    renamed = iter([name for name in names if name not in arguments and name not in options])
    given = {name if name in names else next(renamed): held for name, held in arguments.items()}
    return function(**{name: held for name, held in options.items() if name in names}, **given)


def _norm(node: Any, x: Any, scale: Any, offset: Any, mean: Any, variance: Any) -> Any:
    """Batch norm, of which TensorFlow has no wide kernel; Keras 2 computes layer norms by it as if in training."""
    first = node.attr["data_format"].s == b"NCHW"
    if node.attr["is_training"].b:
        mean, variance = tf.nn.moments(x, (0, 2, 3) if first else (0, 1, 2))
    if first:
        scale, offset, mean, variance = (tf.reshape(one, (1, -1, 1, 1)) for one in (scale, offset, mean, variance))
    return (x - mean) * tf.math.rsqrt(variance + node.attr["epsilon"].f) * scale + offset
