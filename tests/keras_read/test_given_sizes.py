"""Models that run only for the first axis that was given: what the code holds fixes it."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import netglot
from netglot.errors import UserCodeError
from netglot.frontend.reading import read_graph
from netglot.frontend.request import understand


class GraphNet(keras.Model):
    """Mixes the rows of what it is given by a matrix that it holds."""

    def __init__(self):
        super().__init__()
        self.adjacency = ops.convert_to_tensor(np.eye(7, dtype="float32")[::-1] + np.eye(7, dtype="float32"))
        self.dense = layers.Dense(3)

    def call(self, nodes):
        return ops.relu(ops.matmul(self.adjacency, self.dense(nodes)))


class Summed(keras.Model):
    """Sums what edges bring to each of seven nodes, by the code of TensorFlow in Keras."""

    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(4)

    def call(self, nodes):
        brought = ops.take(self.dense(nodes), np.array([0, 1, 2, 6, 3]), axis=0)
        return self.dense(nodes) + ops.segment_sum(brought, np.array([1, 2, 3, 4, 6]), num_segments=7)


class Placed(keras.Model):
    """Adds a table of seven places."""

    def __init__(self):
        super().__init__()
        self.table = layers.Embedding(7, 5)

    def call(self, x):
        return x + self.table(ops.arange(7))


@pytest.mark.parametrize("kind", [GraphNet, Summed, Placed])
def test_a_first_axis_that_the_model_fixes_is_that_which_was_given(kind):
    model = kind()
    model(np.zeros((7, 5), "float32"))
    request = understand(model, inputs="7,5")
    graph, _ = read_graph(request)
    assert graph.inputs[0].shape == (7, 5)
    assert "the first axis of each input has the size that was given: with others, the model" in request.notes[0]


def test_others_stay_open_and_a_wrong_size_is_told():
    model = keras.Sequential([layers.Dense(3)])
    graph, _ = read_graph(understand(model, inputs="7,5"))
    assert str(graph.inputs[0].shape[0]) == "B"
    model = GraphNet()
    model(np.zeros((7, 5), "float32"))
    with pytest.raises(UserCodeError, match="must be equal"):
        read_graph(understand(model, inputs="6,5"))


class Edges(keras.Model):
    """Takes rows by numbers that only seven rows have, which nothing tells before it runs."""

    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(4)

    def call(self, nodes):
        made = self.dense(nodes)
        return made + ops.mean(ops.take(made, np.array([0, 6, 3]), axis=0), axis=0)


def test_what_shows_only_when_it_runs_is_proven_at_the_sizes_given():
    keras.config.set_floatx("float32")
    model = Edges()
    model(np.zeros((7, 5), "float32"))
    conversion = netglot.convert(model, to="torch", inputs="7,5", training=False)
    assert conversion.report["verdict"] == "equivalent"
    assert conversion.report["inputs"][0]["shape"] == [7, 5]
    assert any("the size that was given: with others" in told for told in conversion.report["differences"])
