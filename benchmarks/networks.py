"""The networks that are measured."""

from __future__ import annotations

from typing import Any

IMAGE = (3, 224, 224)
TITLES = {"resnet50": "ResNet-50", "vit_b_16": "ViT-B/16", "resnet18": "ResNet-18"}


def torchvision() -> Any:
    """torchvision, whose import needs two operators that some builds lack."""
    import torch

    torch.set_num_threads(1)
    try:
        torch.ops.torchvision.nms  # noqa: B018  (looked up by name)
    except AttributeError:
        library = torch.library.Library("torchvision", "DEF")
        library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _LIBRARIES.append(library)
    import torchvision

    return torchvision


_LIBRARIES: list = []


def network(name: str) -> Any:
    """The network of this name, in inference, with its initial weights."""
    return getattr(torchvision().models, name)().eval()


def weight_bytes(model: Any) -> int:
    """The size of the parameters and buffers."""
    return sum(tensor.nbytes for tensor in model.state_dict().values())


def deep_resnet(times: int) -> tuple[Any, tuple[int, ...]]:
    """ResNet-50 with `times` as many blocks, narrow, and the shape of its input."""
    models = torchvision().models
    blocks = [3 * times, 4 * times, 6 * times, 3 * times]
    return models.ResNet(models.resnet.Bottleneck, blocks, width_per_group=16).eval(), (3, 64, 64)


def deep_vit(times: int) -> tuple[Any, tuple[int, ...]]:
    """A narrow vision transformer of 4 blocks, `times` over, and the shape of its input."""
    return torchvision().models.VisionTransformer(32, 8, 4 * times, 2, 32, 64).eval(), (3, 32, 32)


GROWING = {"ResNet": deep_resnet, "ViT": deep_vit}
