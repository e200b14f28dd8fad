"""torchvision's transforms, as they are written into migrated files: the same pixels."""

import importlib
import math
import os
import random

import numpy as np
import pytest

from netglot.frontend.incomplete import complete_on_import
from netglot.migrate.to_keras.helpers.transforms import HELPERS

pytest.importorskip("torch")
keras = pytest.importorskip("keras")
complete_on_import()
pytest.importorskip("torchvision")
Image = pytest.importorskip("PIL.Image")
ImageOps = importlib.import_module("PIL.ImageOps")
transforms = importlib.import_module("torchvision.transforms")


@pytest.fixture(scope="module")
def written():
    names = {"np": np, "Image": Image, "ImageOps": ImageOps, "math": math, "os": os, "random": random, "keras": keras}
    for text in HELPERS.values():
        exec(text, names)
    return names


SIZES = [(40, 31), (31, 40), (32, 32), (20, 50)]
PLAIN = {
    "Resize": [(24,), ((20, 28),), ([24],)], "CenterCrop": [(24,), ((18, 26),), (45,)],
    "Pad": [(3,), ((1, 2),), ((1, 2, 3, 4),)],
    "Grayscale": [(), (3,)], "ToTensor": [()],
}  # fmt: skip


@pytest.mark.parametrize("name, arguments", [(name, one) for name, every in PLAIN.items() for one in every])
def test_plain_transforms(written, name, arguments):
    rng = np.random.default_rng(0)
    for size in SIZES:
        image = Image.fromarray(rng.integers(0, 256, (*size, 3)).astype("uint8"))
        mine = written[name](*arguments)(image)
        assert np.array_equal(np.asarray(mine), np.asarray(getattr(transforms, name)(*arguments)(image))), size


def test_a_pipeline_and_its_draws(written):
    from netglot.migrate.alike_torch import known_transforms

    kept = {kind: dict(vars(getattr(transforms, kind))) for kind in dir(transforms) if kind.startswith("Random")}
    known_transforms()
    try:
        made = []
        for place in (vars(transforms), written):
            random.seed(3)
            steps = [
                place["RandomCrop"](20, padding=2), place["RandomHorizontalFlip"](), place["RandomVerticalFlip"](0.3),
                place["RandomRotation"](20), place["RandomResizedCrop"](16), place["ToTensor"](),
                place["Normalize"]((0.5, 0.4, 0.3), (0.2, 0.25, 0.3)),
            ]  # fmt: skip
            rng = np.random.default_rng(1)
            images = [Image.fromarray(rng.integers(0, 256, (24, 26, 3)).astype("uint8")) for _ in range(12)]
            made.append([np.asarray(place["Compose"](steps)(one)) for one in images])
    finally:
        for kind, own in kept.items():
            for attribute in ("forward", "get_params"):
                if attribute in own:
                    setattr(getattr(transforms, kind), attribute, own[attribute])
    assert np.abs(np.array(made[0]) - np.array(made[1])).max() < 1e-6


def test_folders_of_images(written, tmp_path):
    for kind in ("bees", "ants"):
        (tmp_path / kind / "more").mkdir(parents=True)
        for name in ("b.png", "a.PNG", "more/c.png", "notes.txt"):
            if name.lower().endswith("png"):
                Image.fromarray(np.zeros((4, 4, 3), "uint8")).save(tmp_path / kind / name, "PNG")
    mine = written["ImageFolder"](str(tmp_path))
    theirs = importlib.import_module("torchvision.datasets").ImageFolder(str(tmp_path))
    assert mine.samples == theirs.samples
    assert mine.classes == theirs.classes == ["ants", "bees"]
