"""Images changed at random while training, with the channels last."""

import math

import torch
import torch.nn.functional as F

from netglot.migrate.to_torch.library.symbols import Layer


class Augmentation(Layer):
    """A change of images that differs for each of them, while training."""

    def forward(self, x):
        if not self.training:
            return x
        images = x if x.ndim == 4 else x[None]
        made = self.change(images.to(torch.get_default_dtype()))
        return made if x.ndim == 4 else made[0]

    def within(self, factor, count):
        """A random number for each image, between -factor and factor or between the two given."""
        low, high = factor if isinstance(factor, (list, tuple)) else (-factor, factor)
        return low + (high - low) * torch.rand(count)

    def moved(self, images, matrices, fill_mode):
        """The images seen through an affine map each."""
        mode = {"reflect": "reflection", "nearest": "border", "constant": "zeros", "wrap": "reflection"}[fill_mode]
        x = images.movedim(-1, 1)
        grid = F.affine_grid(matrices.to(x.dtype), list(x.shape), align_corners=False)
        return F.grid_sample(x, grid, padding_mode=mode, align_corners=False).movedim(1, -1)


class RandomFlip(Augmentation):
    """Images mirrored at random."""

    def __init__(self, mode="horizontal_and_vertical"):
        super().__init__()
        self.mode = mode

    def change(self, images):
        for word, axis in (("horizontal", 2), ("vertical", 1)):
            if word in self.mode:
                flips = (torch.rand(len(images)) < 0.5)[:, None, None, None]
                images = torch.where(flips, images.flip(axis), images)
        return images


class RandomRotation(Augmentation):
    """Images turned at random, by parts of a full turn."""

    def __init__(self, factor, fill_mode="reflect"):
        super().__init__()
        self.factor, self.fill_mode = factor, fill_mode

    def change(self, images):
        angle = 2 * math.pi * self.within(self.factor, len(images))
        ratio = images.shape[1] / images.shape[2]
        rows = torch.stack([angle.cos(), -angle.sin() * ratio, torch.zeros_like(angle)], dim=-1)
        others = torch.stack([angle.sin() / ratio, angle.cos(), torch.zeros_like(angle)], dim=-1)
        return self.moved(images, torch.stack([rows, others], dim=1), self.fill_mode)


class RandomZoom(Augmentation):
    """Images drawn nearer or pushed away at random."""

    def __init__(self, height_factor, width_factor=None, fill_mode="reflect"):
        super().__init__()
        self.height_factor, self.width_factor, self.fill_mode = height_factor, width_factor, fill_mode

    def change(self, images):
        height = 1 + self.within(self.height_factor, len(images))
        width = height if self.width_factor is None else 1 + self.within(self.width_factor, len(images))
        zero = torch.zeros_like(height)
        rows = torch.stack([width, zero, zero], dim=-1), torch.stack([zero, height, zero], dim=-1)
        return self.moved(images, torch.stack(rows, dim=1), self.fill_mode)


class RandomTranslation(Augmentation):
    """Images shifted at random, by parts of their size."""

    def __init__(self, height_factor, width_factor, fill_mode="reflect"):
        super().__init__()
        self.height_factor, self.width_factor, self.fill_mode = height_factor, width_factor, fill_mode

    def change(self, images):
        down, right = (2 * self.within(one, len(images)) for one in (self.height_factor, self.width_factor))
        one, zero = torch.ones_like(down), torch.zeros_like(down)
        rows = torch.stack([one, zero, -right], dim=-1), torch.stack([zero, one, -down], dim=-1)
        return self.moved(images, torch.stack(rows, dim=1), self.fill_mode)


class RandomContrast(Augmentation):
    """Images with more or less contrast at random."""

    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def change(self, images):
        scale = 1 + self.within(self.factor, len(images))[:, None, None, None]
        mean = images.mean((1, 2), keepdim=True)
        return (images - mean) * scale + mean


class RandomBrightness(Augmentation):
    """Images lighter or darker at random, by parts of 255."""

    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def change(self, images):
        return (images + 255 * self.within(self.factor, len(images))[:, None, None, None]).clamp(0, 255)
