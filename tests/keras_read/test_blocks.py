"""Blocks from the names of a flat model's layers: found where they repeat, and left alone where they are none."""

import itertools

import keras
import numpy as np
from keras import layers
from keras_reading import compare, randomise, read

import netglot
from netglot.dialects.keras.blocks import blocks


def chain(*names):
    return list(itertools.pairwise(names))


def test_blocks_of_all_stages_are_one_level():
    names = [f"conv{s}_block{b}_{i}_{what}" for s in (2, 3) for b in (1, 2) for i in (1, 2) for what in ("conv", "bn")]
    found = blocks(["stem", *names, "top"], chain("stem", *names, "top"))
    assert [b.path for b in found] == ["conv2_blocks.0", "conv2_blocks.1", "conv3_blocks.0", "conv3_blocks.1"]
    assert {b.class_name for b in found} == {"Block"}
    assert list(found[0].layers.values()) == ["conv1", "bn1", "conv2", "bn2"]


def test_letters_number_blocks_too():
    names = [f"block{s}{letter}_{what}" for s, letter in ("1a", "2a", "2b") for what in ("expand", "bn", "project")]
    found = blocks(names, chain(*names))
    assert [b.path for b in found] == ["block1a", "block2.0", "block2.1"]


def test_what_does_not_repeat_is_no_block():
    names = ["dense_1", "dense_2", "norm_1", "head_1_a", "head_1_b", "body_2_c", "body_2_d"]
    assert not blocks(names, chain(*names))


def test_a_block_has_one_result():
    names = [f"block_{b}_{what}" for b in (1, 2, 3) for what in ("a", "b", "c", "d")]
    assert len(blocks(names, chain(*names))) == 3
    assert len(blocks(names, [*chain(*names), ("block_1_a", "add"), ("add", "block_3_a")])) == 2


def residual(x, name, stride=1):
    y = layers.Conv2D(8, 3, stride, padding="same", name=f"{name}_1_conv")(x)
    y = layers.ReLU(name=f"{name}_1_relu")(layers.BatchNormalization(name=f"{name}_1_bn")(y))
    if stride > 1:
        x = layers.Conv2D(8, 1, stride, name=f"{name}_0_conv")(x)
    return layers.ReLU(name=f"{name}_out")(layers.Add(name=f"{name}_add")([x, y]))


def test_a_flat_model_becomes_classes_and_loops():
    x = image = keras.Input((16, 16, 3), name="image")
    for number in (1, 2, 3, 4):
        x = residual(x, f"stage_block{number}", stride=2 if number == 1 else 1)
    model = keras.Model(image, layers.Dense(2, name="top")(layers.GlobalAveragePooling2D()(x)), name="small")
    randomise(model)
    graph = read(model)
    assert "stage_blocks.3.conv1.kernel" in graph.parameters
    compare(model, graph)
    source = netglot.write(graph, "torch").source
    assert "for stage_block in self.stage_blocks:" in source
    assert source.count("class ") == 2 and "class Block(nn.Module)" in source
    trained = sum(int(np.prod(p.shape)) for p in graph.parameters.values() if p.trainable and p.kind == "parameter")
    assert trained == sum(int(np.prod(v.shape)) for v in model.trainable_variables)


def test_a_block_holds_its_residual_and_models_within():
    def inner(name):
        return keras.Sequential([layers.Conv2D(8, 3, padding="same"), layers.ReLU()], name=name)

    x = image = keras.Input((8, 8, 8), name="image")
    for number in range(4):
        y = layers.Conv2D(8, 1, name=f"stage_block_{number}_mix")(inner(f"stage_block_{number}_body")(x))
        y = layers.BatchNormalization(name=f"stage_block_{number}_norm")(y)
        x = layers.Add()([x, y]) if number % 2 else x + y
    model = keras.Model(image, x, name="small")
    randomise(model)
    graph = read(model)
    assert "stage_blocks.3.body.conv2d.kernel" in graph.parameters
    compare(model, graph)
    source = netglot.write(graph, "torch").source
    assert "for stage_block in self.stage_blocks:" in source and "return x + self.norm(" in source
