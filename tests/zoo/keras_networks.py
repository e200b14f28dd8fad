"""All networks of keras.applications, and the common backbones of keras_hub from small configurations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from tests.zoo.network import Network

APPLICATIONS: dict[str, tuple[str, ...]] = {
    "ConvNeXt": ("ConvNeXtTiny", "ConvNeXtSmall", "ConvNeXtBase", "ConvNeXtLarge", "ConvNeXtXLarge"),
    "DenseNet": ("DenseNet121", "DenseNet169", "DenseNet201"),
    "EfficientNet": tuple(f"EfficientNetB{size}" for size in range(8)),
    "EfficientNetV2": tuple(f"EfficientNetV2{size}" for size in ("B0", "B1", "B2", "B3", "S", "M", "L")),
    "Inception": ("InceptionV3", "InceptionResNetV2", "Xception"),
    "MobileNet": ("MobileNet", "MobileNetV2", "MobileNetV3Small", "MobileNetV3Large"),
    "NASNet": ("NASNetMobile", "NASNetLarge"),
    "ResNet": ("ResNet50", "ResNet101", "ResNet152", "ResNet50V2", "ResNet101V2", "ResNet152V2"),
    "VGG": ("VGG16", "VGG19"),
}
SMALL = 64
SIDES = {"InceptionV3": 75, "InceptionResNetV2": 75, "Xception": 71}
"""Image sizes where 64 is too small for a network; the first variant of each family is given images of 128."""
FIRST = 128


def networks() -> Iterator[Network]:
    """The applications, then the backbones."""
    for family, variants in APPLICATIONS.items():
        for position, variant in enumerate(variants):
            side = SIDES.get(variant, SMALL if position else FIRST)
            yield Network("keras.applications", family, variant, _application(variant, side), (), to="torch")
    for name, (family, options, inputs) in BACKBONES.items():
        yield Network("keras_hub", family, name, _backbone(name, options), inputs, to="torch")


def _application(name: str, side: int) -> Callable[[], Any]:
    def build():
        import keras

        return getattr(keras.applications, name)(weights=None, input_shape=(side, side, 3), classes=100)

    return build


def _backbone(name: str, options: dict[str, Any]) -> Callable[[], Any]:
    def build():
        import keras_hub

        return getattr(keras_hub.models, name)(**options)

    return build


TEXT = {"vocabulary_size": 100, "num_layers": 2, "num_heads": 2, "hidden_dim": 16, "intermediate_dim": 32}
BACKBONES: dict[str, tuple[str, dict[str, Any], tuple[str, ...]]] = {}
