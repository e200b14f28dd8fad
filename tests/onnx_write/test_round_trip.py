"""Whole networks to ONNX and back, with names and without; `python -m tests.zoo.onnx_round` has the others."""

import importlib.util

import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("torch")

from tests.zoo.onnx_round import chosen, run


@pytest.mark.parametrize(
    "name", ["torchvision/resnet18", "torchvision/mobilenet_v3_small", "keras.applications/MobileNetV2"]
)
def test_a_network_comes_back_equal_and_its_blocks_are_found_without_names(name, torchvision):
    if name.startswith("keras") and importlib.util.find_spec("keras") is None:
        pytest.skip("keras is not installed")
    record = run(next(network for key, network in chosen().items() if key == name))
    assert record["verdict"] == "equal", record
    assert record["bare classes"] >= 2 and record["bare longest"] <= 40
