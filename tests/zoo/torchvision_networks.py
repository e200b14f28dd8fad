"""All classification, segmentation, video, optical-flow and detection networks of torchvision."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.zoo.network import Network

CLASSIFICATION: dict[str, tuple[str, ...]] = {
    "AlexNet": ("alexnet",),
    "VGG": tuple(f"vgg{depth}{norm}" for depth in (11, 13, 16, 19) for norm in ("", "_bn")),
    "ResNet": ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152"),
    "ResNeXt": ("resnext50_32x4d", "resnext101_32x8d", "resnext101_64x4d"),
    "Wide ResNet": ("wide_resnet50_2", "wide_resnet101_2"),
    "Inception v3": ("inception_v3",),
    "GoogLeNet": ("googlenet",),
    "DenseNet": ("densenet121", "densenet161", "densenet169", "densenet201"),
    "SqueezeNet": ("squeezenet1_0", "squeezenet1_1"),
    "ShuffleNet v2": tuple(f"shufflenet_v2_{width}" for width in ("x0_5", "x1_0", "x1_5", "x2_0")),
    "MobileNet v2": ("mobilenet_v2",),
    "MobileNet v3": ("mobilenet_v3_small", "mobilenet_v3_large"),
    "MNASNet": ("mnasnet0_5", "mnasnet0_75", "mnasnet1_0", "mnasnet1_3"),
    "EfficientNet": tuple(f"efficientnet_b{size}" for size in range(8)),
    "EfficientNet v2": ("efficientnet_v2_s", "efficientnet_v2_m", "efficientnet_v2_l"),
    "RegNet": tuple(
        f"regnet_{kind}_{size}"
        for kind in "xy"
        for size in ("400mf", "800mf", "1_6gf", "3_2gf", "8gf", "16gf", "32gf", *(("128gf",) if kind == "y" else ()))
    ),
    "ConvNeXt": ("convnext_tiny", "convnext_small", "convnext_base", "convnext_large"),
    "ViT": ("vit_b_16", "vit_b_32", "vit_l_16", "vit_l_32", "vit_h_14"),
    "Swin": ("swin_t", "swin_s", "swin_b"),
    "Swin v2": ("swin_v2_t", "swin_v2_s", "swin_v2_b"),
    "MaxViT": ("maxvit_t",),
}
SEGMENTATION = {
    "FCN": ("fcn_resnet50", "fcn_resnet101"),
    "DeepLab v3": ("deeplabv3_resnet50", "deeplabv3_resnet101", "deeplabv3_mobilenet_v3_large"),
    "LR-ASPP": ("lraspp_mobilenet_v3_large",),
}
VIDEO = {
    "Video ResNet": ("r3d_18", "mc3_18", "r2plus1d_18"),
    "S3D": ("s3d",),
    "MViT": ("mvit_v1_b", "mvit_v2_s"),
    "Swin 3D": ("swin3d_t", "swin3d_s", "swin3d_b"),
}
FLOW = {"RAFT": ("raft_small", "raft_large")}
DETECTION = {
    "Faster R-CNN": (
        "fasterrcnn_resnet50_fpn", "fasterrcnn_resnet50_fpn_v2", "fasterrcnn_mobilenet_v3_large_fpn",
        "fasterrcnn_mobilenet_v3_large_320_fpn",
    ),
    "Mask R-CNN": ("maskrcnn_resnet50_fpn", "maskrcnn_resnet50_fpn_v2"),
    "Keypoint R-CNN": ("keypointrcnn_resnet50_fpn",),
    "RetinaNet": ("retinanet_resnet50_fpn", "retinanet_resnet50_fpn_v2"),
    "FCOS": ("fcos_resnet50_fpn",),
    "SSD": ("ssd300_vgg16", "ssdlite320_mobilenet_v3_large"),
}  # fmt: skip

OPTIONS: dict[str, dict[str, Any]] = {
    "inception_v3": {"init_weights": False},
    "googlenet": {"init_weights": False},
    "vit_b_32": {"image_size": 96},
    "vit_l_16": {"image_size": 64},
    "vit_l_32": {"image_size": 96},
    "vit_h_14": {"image_size": 56},
}
NATIVE = 224
"""The first variant of each family is given images of this size, the others smaller ones."""
SMALL = 96
SIZES = {
    "inception_v3": 299, "maxvit_t": 224, "efficientnet_b0": 224, "vit_b_32": 96, "vit_l_16": 64, "vit_l_32": 96,
    "vit_h_14": 56, "swin_v2_t": 256, "swin_v2_s": 128, "swin_v2_b": 128, "swin_s": 112, "swin_b": 112,
}  # fmt: skip
FIXED_HEADS = ("VGG",)
"""Families whose head takes 7 x 7 features, which only images of the native size give."""


def networks() -> Iterator[Network]:
    """All of torchvision's networks but the quantised ones."""
    for family, variants in CLASSIFICATION.items():
        for position, variant in enumerate(variants):
            small = position and family not in FIXED_HEADS
            size = SIZES.get(variant, SMALL if small else NATIVE)
            yield _network(family, variant, ((1, 3, size, size),))
    for family, variants in SEGMENTATION.items():
        for variant in variants:
            yield _network(family, variant, ((1, 3, 65, 97),))
    for family, variants in VIDEO.items():
        for variant in variants:
            shape = (1, 3, 16, 224, 224) if family in ("MViT", "S3D") else (1, 3, 8, 64, 64)
            yield _network(family, variant, (shape,))
    for family, variants in FLOW.items():
        for variant in variants:
            yield _network(family, variant, ((1, 3, 128, 136), (1, 3, 128, 136)))
    for family, variants in DETECTION.items():
        for variant in variants:
            yield _network(family, variant, ((1, 3, 128, 128),))


def _network(family: str, variant: str, inputs: tuple[Any, ...]) -> Network:
    def build():
        from tests.conftest import register_torchvision_operators

        register_torchvision_operators()
        import torchvision

        options = dict(OPTIONS.get(variant, {}))
        if any(variant in names for group in (SEGMENTATION, DETECTION) for names in group.values()):
            options["weights_backbone"] = None
        return torchvision.models.get_model(variant, weights=None, **options)

    return Network("torchvision", family, variant, build, inputs)
