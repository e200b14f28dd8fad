"""torchvision's transforms and data sets of images, by Pillow and Keras's own data sets."""

from __future__ import annotations

from netglot.migrate.declare import Bound, Table

table = Table()
declare, rule, mark = table.declare, table.rule, table.mark

_T = "torchvision.transforms."
MODES = {"NEAREST": "NEAREST", "BILINEAR": "BILINEAR", "BICUBIC": "BICUBIC", "LANCZOS": "LANCZOS", "BOX": "BOX",
         "HAMMING": "HAMMING"}  # fmt: skip
"""How images are resized: torchvision's names and Pillow's."""

declare(f"{_T}Compose(transforms)", "Compose({transforms})")
declare(f"{_T}ToTensor()", "ToTensor()")
declare(f"{_T}ToPILImage(mode=None)", "ToPILImage()", when={"mode": None})
declare(f"{_T}Normalize(mean, std, inplace=False)", "Normalize({mean}, {std})")
declare(f"{_T}CenterCrop(size)", "CenterCrop({size})")
declare(
    f"{_T}Pad(padding, fill=0, padding_mode='constant')", "Pad({padding}<, {fill}>)", when={"padding_mode": "constant"}
)
declare(
    f"{_T}RandomCrop(size, padding=None, pad_if_needed=False, fill=0, padding_mode='constant')",
    "RandomCrop({size}<, padding={padding}><, pad_if_needed={pad_if_needed}><, fill={fill}>)",
    when={"padding_mode": "constant"},
)
for _kind in ("Horizontal", "Vertical"):
    declare(f"{_T}Random{_kind}Flip(p=0.5)", f"Random{_kind}Flip(<{{p}}>)")
declare(f"{_T}RandomRotation(degrees)", "RandomRotation({degrees})")
declare(f"{_T}Grayscale(num_output_channels=1)", "Grayscale(<{num_output_channels}>)")


@rule(f"{_T}Lambda(lambd)")
def _lambda(c: Bound) -> str:
    return c.filled("{lambd:p}")


@rule(f"{_T}Resize(size, interpolation=None, max_size=None, antialias=True)")
@rule(f"{_T}RandomResizedCrop(size, scale=(0.08, 1.0), ratio=(3 / 4, 4 / 3), interpolation=None, antialias=True)")
def _resize(c: Bound) -> str | None:
    name = c.callee.rpartition(".")[2]
    options = "<, scale={scale}><, ratio={ratio}>" if name == "RandomResizedCrop" else ""
    if c.has("interpolation"):
        asked = (c.rewriter.dotted(c.given["interpolation"]) or "").rpartition(".")[2]
        if asked not in MODES or (name == "RandomResizedCrop" and asked != "BILINEAR"):
            return None
        options += "" if asked == "BILINEAR" else f", Image.{MODES[asked]}"
        c.rewriter.imports.add("Image")
    if c.has("max_size") and c.literal("max_size") is not None:
        return None
    return c.filled(f"{name}({{size}}{options})")


_D = "torchvision.datasets."
for _name, _known in {
    "MNIST": "mnist", "FashionMNIST": "fashion_mnist", "CIFAR10": "cifar10", "CIFAR100": "cifar100",
}.items():  # fmt: skip
    declare(
        f"{_D}{_name}(root, train=True, transform=None, target_transform=None, download=False)",
        f'KnownImages("{_known}"<, train={{train}}><, transform={{transform}}><, target_transform={{target_transform}}>)',
        infers="root download",
    )
declare(
    f"{_D}ImageFolder(root, transform=None, target_transform=None)",
    "ImageFolder({root}<, transform={transform}><, target_transform={target_transform}>)",
)
