"""What the scripts that record networks of TensorFlow 1.15 share: drawing, running, freezing and keeping them."""

import os
import pathlib
import warnings

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
warnings.filterwarnings("ignore")
import numpy as np
import tensorflow as tf

tf.logging.set_verbosity("ERROR")
HERE = pathlib.Path(__file__).parent


class Recorder:
    """The networks of one script, and the file that they are recorded in."""

    def __init__(self, file, set_session=lambda session: None):
        self.file, self.set_session = file, set_session
        self.networks, self.recorded = {}, {}
        self.state = np.random.RandomState(0)

    def network(self, *shapes, dtype=tf.float32, sizes=None, feeds=None):
        """Registers a function of placeholders; `sizes` are those to run with, `feeds` other placeholders by name."""

        def register(function):
            self.networks[function.__name__] = (function, shapes, dtype, sizes, feeds or {})
            return function

        return register

    def record(self):
        """Runs all networks, and writes files, inputs and outputs."""
        for name in self.networks:
            tf.keras.backend.clear_session()
            tf.reset_default_graph()
            with tf.Session() as session:
                tf.keras.backend.set_session(session)
                self.set_session(session)
                self._one(name, session)
        np.savez_compressed(HERE / self.file, **self.recorded)

    def _one(self, name, session):
        function, shapes, dtype, sizes, feeds = self.networks[name]
        places = [tf.placeholder(dtype, shape, name=f"x{i}") for i, shape in enumerate(shapes)]
        made = function(*places)
        made = made if isinstance(made, list) else [made]
        outs = [tf.identity(one, name=f"out{i:02d}") for i, one in enumerate(made)]
        session.run(tf.global_variables_initializer())
        for variable in tf.global_variables():
            variable.load(self._drawn(variable), session)
        sizes = sizes or [[one or 2 for one in shape] for shape in shapes]
        arrays = [self._array(size, dtype) for size in sizes]
        found = session.run(outs, {**dict(zip(places, arrays)), **feeds})
        ends = [one.op.name for one in outs]
        frozen = tf.graph_util.convert_variables_to_constants(session, session.graph_def, ends)
        self.recorded[f"{name}/file"] = np.frombuffer(frozen.SerializeToString(), np.uint8)
        self.recorded.update({f"{name}/in/x{place}": array for place, array in enumerate(arrays)})
        self.recorded.update({f"{name}/out/out{place:02d}": array for place, array in enumerate(found)})
        print(name, len(self.recorded[f"{name}/file"]), len(found))

    def _drawn(self, variable):
        shape = variable.shape.as_list()
        low, high = (0.5, 1.5) if variable.op.name.endswith(("variance", "gamma")) else (-1, 1)
        scale = 1.0 if len(shape) < 2 else np.prod(shape[:-1]) ** -0.5 * 1.7
        return self.state.uniform(low * scale, high * scale, shape).astype("float32")

    def _array(self, size, dtype):
        if dtype == tf.int32:
            return self.state.randint(0, 4, size).astype("int32")
        return self.state.uniform(-1, 1, size).astype("float32")
