"""What a worker does for a file that TensorFlow made of an emitted Keras network: runs the file in TensorFlow.

With weights other than the file's, the Keras network is given them and exported again, and what that makes is run.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import tensorflow as tf

from netglot.dialects.targets import TARGETS
from netglot.dialects.tensorflow.export import export_model
from netglot.verify import runtime_keras
from netglot.verify.arrays import read_arrays, write_arrays


class Runtime(runtime_keras.Runtime):
    """The operations of the worker; state is that of the Keras network."""

    OPERATIONS = ("load", "describe", "restore", "set_state", "state", "run")

    def load(self, call, path, dtype="float32", entry="load", exact=()):
        """Takes the file in the folder `path`, and loads the Keras network behind it."""
        self.target = TARGETS[call["target"]]
        self.file, self.keras = Path(path) / self.target.weights, Path(call["behind"])
        self.told = json.loads((self.keras / "export.json").read_text(encoding="utf-8"))
        self.returns, self.again = call["returns"], False
        self.serve = self._opened(str(self.file))
        described = super().load({"args": [], "kwargs": {}}, str(self.keras), "float32", entry, exact)
        self.names = [(v.path, np.array(v)) for v in self.model.variables]
        return described

    def describe(self, paths):
        """As for the Keras network, run by what runs the file."""
        kind = "its interpreter" if self.told["kind"] == "tflite" else "a SavedModel"
        return {**super().describe(paths), "framework": f"tensorflow {tf.__version__}, {kind}"}

    def restore(self):
        """Sets the weights back to those of the file."""
        for variable, (_, held) in zip(self.model.variables, self.names, strict=True):
            variable.assign(held)
        self.again, self.serve = False, self._opened(str(self.file))

    def set_state(self, arrays):
        """Overwrites variables of the Keras network; the next run exports it again."""
        super().set_state(arrays)
        self.again = True

    def run(self, inputs, training=False, steady=False):
        """The outputs by name, from the file."""
        if self.again:
            made = Path(self.folder) / "again"
            (shutil.rmtree(made) if made.is_dir() else made.unlink(missing_ok=True))
            export_model(self.model, self.told, str(made))
            self.serve, self.again = self._opened(str(made)), False
        given = read_arrays(inputs)
        wide = {one["name"]: given[one["argument"]].astype(one["dtype"], copy=False) for one in self.told["inputs"]}
        found = self.serve(wide)
        outputs = {name: found[key] for name, key in zip(self.returns, self.told["outputs"], strict=True)}
        return write_arrays(self.folder, outputs)

    def _opened(self, path):
        """A function from inputs to outputs, both by the names of the signature."""
        if self.told["kind"] == "saved_model":
            loaded = tf.saved_model.load(path)
            serve = loaded.signatures["serving_default"]

            def run(given):
                tensors = {name: tf.convert_to_tensor(array) for name, array in given.items()}
                return {name: one.numpy() for name, one in serve(**tensors).items()}

            run.loaded = loaded  # its variables live as long as it does
            return run
        interpreter = tf.lite.Interpreter(model_path=path, num_threads=1)
        runner = interpreter.get_signature_runner("serving_default")
        return lambda given: {name: np.array(one) for name, one in runner(**given).items()}
