"""Hundreds of expressions compute in the other framework what they computed."""

import pytest

pytest.importorskip("torch")
pytest.importorskip("keras")

from tests.migrate.expressions import SOURCES, compared

DATA = """

def drawn(seed, *shape):
    return {tensor}(np.random.RandomState(seed).randn(*shape).astype("float32"))


a, b = drawn(0, 3, 4), drawn(1, 3, 4)
c, d, im, sq, v = drawn(2, 2, 3, 4), drawn(3, 2, 4, 5), drawn(4, 2, {image}), drawn(5, 4, 4), drawn(6, 4)
p = {sigmoid}(drawn(7, 3, 4))
i = {tensor}(np.random.RandomState(8).randint(-5, 6, (3, 4)))
j = {tensor}(np.random.RandomState(9).randint(1, 4, (3, 4)))
ids = {tensor}([0, 2, 1, 2])
t3 = {tensor}([0, 2, 1])
m, n = drawn(10, 3, 4) > 0, drawn(11, 3, 4) > 0
R = {{}}
"""
TORCH = """import math
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
""" + DATA.format(tensor="torch.tensor", sigmoid="torch.sigmoid", image="3, 8, 7")
TORCH_NETWORK = """

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 2)

    def forward(self, x):
        return self.layer(x)


print(Net()(a))
"""
KERAS = """import math
import numpy as np
import tensorflow as tf
import keras
from keras import layers, ops
""" + DATA.format(tensor="tf.constant", sigmoid="tf.sigmoid", image="8, 7, 3")
KERAS_NETWORK = """
model = keras.Sequential([layers.Input((4,)), layers.Dense(2)])
print(model(a))
"""
MARKED_TORCH = ["torch.fmod(i, j)", "F.unfold(im, 3)", "torch.unique(ids)", "c[:, t3, 0]", "a.mode(1)"]
MARKED_KERAS = [
    "tf.unique(ids)[0]",
    "tf.image.central_crop(im, 0.5)",
    "tf.one_hot(ids, depth=4, axis=0)",
    "a[::-2]",
    "tf.image.rgb_to_grayscale(tf.cast(im * 50, tf.int32))",
    "tf.map_fn(lambda x: x[0] + x[1], (a, b), fn_output_signature=tf.float32)",
    "tf.vectorized_map(lambda x: x[0] + x[1], (a, b))",
]
"""What netglot does not write; that is said above each."""


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("target", ["keras", pytest.param("tensorflow", marks=pytest.mark.fuzz)])
def test_expressions_of_pytorch(target, tmp_path):
    expressions = (SOURCES / "expressions_torch.txt").read_text().splitlines()
    wrong, marked = compared(TORCH, [*expressions, *MARKED_TORCH], TORCH_NETWORK, target, tmp_path)
    assert not wrong, "\n".join(wrong)
    assert marked == MARKED_TORCH


@pytest.mark.filterwarnings("ignore")
def test_expressions_of_tensorflow_and_keras(tmp_path):
    expressions = (SOURCES / "expressions_keras.txt").read_text().splitlines()
    wrong, marked = compared(KERAS, [*expressions, *MARKED_KERAS], KERAS_NETWORK, "torch", tmp_path)
    assert not wrong, "\n".join(wrong)
    assert marked == MARKED_KERAS
