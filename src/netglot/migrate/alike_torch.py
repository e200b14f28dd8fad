"""PyTorch made so that a run can be compared: known draws, made data, nothing dropped."""

from __future__ import annotations

import contextlib
import itertools
import math
import random
import sys
import types
from typing import Any

import numpy as np
import torch
from torch import nn

from netglot.frontend.incomplete import complete_on_import
from netglot.migrate.known import made_dataset


def _written_down() -> bool:
    """Whether a layer is only called on an example, while a network is written down with it."""
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_qualname in ("Symbol.of", "output_shape"):
            return True
        frame = frame.f_back
    return False


def _no_dropping() -> None:
    """Nothing is dropped: the two frameworks could not drop the same."""

    def kept(x: Any, *args: Any, **kwargs: Any) -> Any:
        return x

    for name in ("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout"):
        setattr(nn.functional, name, kept)
    torch.dropout = kept
    attention = nn.functional.scaled_dot_product_attention

    def undropped(
        query: Any, key: Any, value: Any, attn_mask: Any = None, dropout_p: float = 0.0, *args: Any, **kwargs: Any
    ) -> Any:
        return attention(query, key, value, attn_mask, 0.0, *args, **kwargs)

    nn.functional.scaled_dot_product_attention = undropped
    call = nn.Module.__call__

    def unchanged(module: Any, *args: Any, **kwargs: Any) -> Any:
        """Images are not changed at random: the frameworks could not change them alike."""
        augments = any(kind.__name__ == "Augmentation" for kind in type(module).__mro__)
        return args[0] if augments else call(module, *args, **kwargs)

    nn.Module.__call__ = unchanged


def known_draws(draws: Any) -> None:
    """PyTorch's random tensors come from draws that the other side can repeat."""

    def tensor(array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.asarray(array, order="C"))

    def sizes(size: tuple, kwargs: dict) -> tuple:
        size = size or (kwargs.get("size", ()),)
        return tuple(size[0]) if len(size) == 1 and not isinstance(size[0], int) else tuple(size)

    def take(*what: Any) -> np.ndarray:
        """The next numbers; none are used up while a network is only written down."""
        with draws.held() if _written_down() else contextlib.nullcontext():
            return draws.take(*what)

    def drawn(kind: str) -> Any:
        def draw(*size: Any, **kw: Any) -> torch.Tensor:
            return tensor(take(kind, sizes(size, kw))).requires_grad_(kw.get("requires_grad", False))

        return draw

    torch.randn, torch.rand = drawn("normal"), drawn("uniform")
    own = torch.normal

    def normal(mean: Any, std: Any, size: Any = None, **kw: Any) -> torch.Tensor:
        if size is None or isinstance(mean, torch.Tensor) or isinstance(std, torch.Tensor):
            return own(mean, std, **({"size": size} if size is not None else {}), **kw)
        return (tensor(take("normal", size)) * std + mean).requires_grad_(kw.get("requires_grad", False))

    torch.normal = normal
    _known_distributions(lambda kind, shape: tensor(take(kind, tuple(shape))))

    def integers(*given: Any, size: Any = None, low: Any = None, high: Any = None, **kwargs: Any) -> torch.Tensor:
        values = list(given)
        if size is None:
            size = values.pop()
        bounds = [one for one in (low, *values, high) if one is not None]
        bounds = [0, *bounds] if len(bounds) == 1 else bounds
        return tensor(take("integers", size, *bounds)).to(kwargs.get("dtype") or torch.int64)

    def permuted(n: Any, **kwargs: Any) -> torch.Tensor:
        return tensor(draws.take("uniform", (int(n),)).argsort(kind="stable"))

    torch.randint, torch.randperm = integers, permuted
    torch.randn_like = lambda x, **kw: tensor(take("normal", x.shape))
    torch.rand_like = lambda x, **kw: tensor(take("uniform", x.shape))


def _known_distributions(take: Any) -> None:
    """What distributions draw, by draws that the other side can repeat."""
    kinds = torch.distributions

    def category(one: Any, shape: Any = ()) -> torch.Tensor:
        shares = one.probs.detach().cumsum(-1)
        return (shares[..., :-1] < take("uniform", (*shape, *shares.shape[:-1], 1))).sum(-1)

    def outcome(one: Any, shape: Any = ()) -> torch.Tensor:
        return (take("uniform", (*shape, *one.probs.shape)) < one.probs.detach()).to(one.probs.dtype)

    def value(one: Any, shape: Any = ()) -> torch.Tensor:
        return one.loc + one.scale * take("normal", (*shape, *one.loc.shape))

    kinds.Categorical.sample, kinds.Bernoulli.sample, kinds.Normal.rsample = category, outcome, value
    kinds.Normal.sample = lambda one, shape=(): value(one, shape).detach()


class _Unwritten(contextlib.nullcontext):
    """Stands for a writer whose package is not installed."""

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(self)

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **kwargs: None


def _made_data() -> None:
    """Made data in place of torchvision's data sets, which may not be here."""
    try:
        from torchvision import datasets
    except (ImportError, RuntimeError):  # it is not installed, or not for this PyTorch
        datasets = types.ModuleType("torchvision.datasets")
        whole = sys.modules["torchvision"] = types.ModuleType("torchvision")
        whole.__dict__["datasets"] = datasets
    for name, own in {
        "MNIST": "mnist",
        "FashionMNIST": "fashion_mnist",
        "CIFAR10": "cifar10",
        "CIFAR100": "cifar100",
    }.items():

        def made(folder: Any = "", train: bool = True, own: str = own, **options: Any) -> Any:
            images, labels = made_dataset(own)[0 if train else 1]
            return types.SimpleNamespace(data=images, targets=labels.reshape(-1))

        setattr(datasets, name, made)


def known_transforms() -> None:
    """torchvision's random transforms draw by Python's own numbers, in the order in which the other side draws."""
    complete_on_import()
    try:
        from torchvision import transforms as known
    except (ImportError, RuntimeError):
        return

    def flipped(kind: Any) -> Any:
        own = kind.forward

        def forward(transform: Any, image: Any) -> Any:
            kept, transform.p = transform.p, float(random.random() < transform.p)
            try:
                return own(transform, image)
            finally:
                transform.p = kept

        return forward

    for kind in (known.RandomHorizontalFlip, known.RandomVerticalFlip):
        kind.forward = flipped(kind)

    def cropped(image: Any, size: tuple[int, int]) -> tuple[int, int, int, int]:
        width, height = image.size
        return random.randint(0, height - size[0]), random.randint(0, width - size[1]), size[0], size[1]

    def part(image: Any, scale: Any, ratio: Any) -> tuple[int, int, int, int]:
        width, height = image.size
        for _ in range(10):
            area = width * height * random.uniform(*scale)
            shape = math.exp(random.uniform(math.log(ratio[0]), math.log(ratio[1])))
            w, h = round(math.sqrt(area * shape)), round(math.sqrt(area / shape))
            if 0 < w <= width and 0 < h <= height:
                return random.randint(0, height - h), random.randint(0, width - w), h, w
        w, h = min(width, round(height * ratio[1])), min(height, round(width / ratio[0]))
        return (height - h) // 2, (width - w) // 2, h, w

    known.RandomCrop.get_params = staticmethod(cropped)
    known.RandomResizedCrop.get_params = staticmethod(part)
    known.RandomRotation.get_params = staticmethod(lambda degrees: random.uniform(*degrees))


def _made_images() -> None:
    """torchvision's data sets with made images, which need not be downloaded."""
    complete_on_import()
    try:
        from torchvision import datasets
    except (ImportError, RuntimeError):
        return
    for name, own in (
        ("MNIST", "mnist"),
        ("FashionMNIST", "fashion_mnist"),
        ("CIFAR10", "cifar10"),
        ("CIFAR100", "cifar100"),
    ):

        def init(
            self: Any, root: Any = None, train: bool = True, transform: Any = None, target_transform: Any = None,
            download: bool = False, own: str = own,
        ) -> None:  # fmt: skip
            datasets.VisionDataset.__init__(self, root, transform=transform, target_transform=target_transform)
            self.data, labels = made_dataset(own)[0 if train else 1]
            labels, self.train = labels.reshape(-1).astype("int64"), train
            self.targets = labels.tolist()
            if "mnist" in own:
                self.data, self.targets = torch.from_numpy(self.data), torch.from_numpy(labels)

        getattr(datasets, name).__init__ = init


def _split(side: Any, dataset: Any, lengths: Any, generator: Any = None) -> list:
    """`random_split` by known draws."""
    lengths = list(lengths)
    if sum(lengths) <= 1:
        lengths = [int(len(dataset) * share) for share in lengths]
        lengths[0] += len(dataset) - sum(lengths)
    order, ends = side._permuted(len(dataset)).tolist(), np.cumsum(lengths)
    pairs = zip(ends, lengths, strict=True)
    return [torch.utils.data.Subset(dataset, order[end - length : end]) for end, length in pairs]


def _drawn(sampler: Any) -> Any:
    """Samples by their weights, drawn as the other side draws them."""
    shares = np.asarray(sampler.weights, "float64")
    return iter(np.random.choice(len(shares), sampler.num_samples, sampler.replacement, shares / shares.sum()).tolist())


def _stamp() -> None:
    """Modules are numbered in the order in which they are made, as the other side numbers its layers."""
    own, count = nn.Module.__init__, itertools.count()

    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        own(self, *args, **kwargs)
        if "_netglot_order" not in self.__dict__:
            object.__setattr__(self, "_netglot_order", next(count))

    nn.Module.__init__ = init
