"""torchvision's ResNet-50 as a source: `netglot convert examples/resnet50.py:resnet50 --input 1,3,224,224 --to keras`.

Some builds of torchvision come without their compiled operators, and importing them fails. ResNet-50 needs none of
these, so their signatures are registered first. With a complete torchvision, `torchvision.models:resnet50` will do.
"""

import torch

try:
    torch.ops.torchvision.nms  # noqa: B018  (looked up by name)
except AttributeError:
    library = torch.library.Library("torchvision", "DEF")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

from torchvision.models import resnet50

__all__ = ["resnet50"]
