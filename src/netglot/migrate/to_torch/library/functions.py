"""Functions of TensorFlow that PyTorch has nothing close to."""

import random

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image


def clip_by_global_norm(tensors, clip_norm):
    """Tensors scaled so that their common norm is at most so much, and that norm."""
    tensors = list(tensors)
    given = [one for one in tensors if one is not None]
    norm = torch.stack([(one._values() if one.is_sparse else one).norm() for one in given]).norm()
    scale = clip_norm / torch.clamp(norm, min=clip_norm)

    def scaled(one):
        if one is None or not one.is_sparse:
            return None if one is None else one * scale
        values = one._values() * scale  # rows that were looked up twice stay apart
        return torch.sparse_coo_tensor(one._indices(), values, one.shape, check_invariants=False)

    return [scaled(one) for one in tensors], norm


def confusion_matrix(labels, predictions, classes=None):
    """How often each class (rows) was taken for each class (columns)."""
    labels, predictions = (torch.as_tensor(one).reshape(-1).long() for one in (labels, predictions))
    classes = classes or int(max(labels.max(), predictions.max())) + 1
    return torch.bincount(labels * classes + predictions, minlength=classes**2).reshape(classes, classes)


def clip_by_norm(tensor, clip_norm):
    """A tensor scaled so that its norm is at most so much."""
    return tensor * clip_norm / tensor.norm().clamp(min=clip_norm)


def image_resized(images, size, method="bilinear"):
    """Images with the channels last in another size."""
    batched = images if images.ndim == 4 else images[None]
    x = batched.movedim(-1, 1).to(torch.get_default_dtype())
    how = {"mode": "nearest-exact"} if method == "nearest" else {"mode": "bilinear", "align_corners": False}
    x = F.interpolate(x, size=tuple(int(one) for one in size), **how).movedim(1, -1)
    x = x.to(images.dtype) if method == "nearest" else x
    return x if images.ndim == 4 else x[0]


def total_variation(images):
    """How much neighbouring points of images with the channels last differ, for each image."""
    axes = tuple(range(images.ndim - 3, images.ndim))
    return images.diff(dim=axes[0]).abs().sum(axes) + images.diff(dim=axes[1]).abs().sum(axes)


def array_to_img(x, scale=True):
    """A picture of an array with the channels last."""
    x = np.asarray(x.detach() if isinstance(x, torch.Tensor) else x, dtype="float32")
    if scale:
        x = x - x.min()
        x = x / max(x.max(), 1e-12) * 255 if x.max() else x
    return Image.fromarray((x[..., 0] if x.shape[-1] == 1 else x).astype("uint8"))


def img_to_array(image):
    """A picture as an array with the channels last."""
    x = np.asarray(image, dtype="float32")
    return x if x.ndim == 3 else x[..., None]


def load_img(path, color_mode="rgb", target_size=None):
    """A picture from a file."""
    image = Image.open(path).convert({"rgb": "RGB", "rgba": "RGBA", "grayscale": "L"}[color_mode])
    return image if target_size is None else image.resize((target_size[1], target_size[0]), Image.NEAREST)


def image_patches(images, size, strides=None, padding="valid"):
    """Windows of images with the channels last, each flat."""
    height, width = (size, size) if isinstance(size, int) else size
    rows, columns = (height, width) if strides is None else (strides, strides) if isinstance(strides, int) else strides
    x = images.unfold(1, height, rows).unfold(2, width, columns)
    return x.permute(0, 1, 2, 4, 5, 3).flatten(3)


def output_shape(model, *shape):
    """The shape of what a network gives for inputs of a shape, None for the number of samples."""
    training = model.training
    with torch.no_grad():
        found = model.eval()(torch.zeros(2, *(12 if one is None else one for one in shape))).shape
    model.train(training)
    return (None, *found[1:])


def trainable(*models):
    """The weights that are trained, as a list."""
    return [one for model in models for one in model.parameters() if one.requires_grad]


def set_trainable(layer, trained=True):
    """Freezes a layer or lets it learn again, weights that it makes later too."""
    for weight in layer.parameters():
        weight.requires_grad = trained


def divided_no_nan(x, y):
    """A quotient that is zero where the divisor is."""
    x, y = torch.as_tensor(x), torch.as_tensor(y)
    return torch.where(y == 0, torch.zeros(()), x / torch.where(y == 0, torch.ones(()), y))


def gathered_by_sample(x, index):
    """The entries of each sample at an index of its own."""
    index = torch.as_tensor(index)
    return x[torch.arange(len(x)).reshape(-1, *(1 for _ in index.shape[1:])), index]


def sliced(x, start, size):
    """A part of a tensor; a size of -1 goes to the end."""
    ends = (None if n == -1 else int(first) + int(n) for first, n in zip(start, size))
    return x[tuple(slice(int(first), end) for first, end in zip(start, ends))]


def segment_sum(x, segment_ids, num_segments=None):
    """Sums of the entries that belong together."""
    segment_ids = torch.as_tensor(segment_ids).long()
    count = int(segment_ids.max()) + 1 if num_segments is None else int(num_segments)
    return torch.zeros(count, *x.shape[1:], dtype=x.dtype).index_add(0, segment_ids, x)


def padded(x, paddings, mode):
    """A tensor padded by what lies inside of it, along each axis."""
    for axis, pair in enumerate(paddings):
        places = np.pad(np.arange(x.shape[axis]), [int(one) for one in pair], mode=mode.lower())
        x = x.index_select(axis, torch.from_numpy(places).to(x.device))
    return x


def space_to_depth(x, block):
    """Blocks of images with the channels last as channels."""
    n, height, width, channels = x.shape
    x = x.reshape(n, height // block, block, width // block, block, channels)
    return x.permute(0, 1, 3, 2, 4, 5).reshape(n, height // block, width // block, -1)


def depth_to_space(x, block):
    """Channels of images with the channels last as blocks."""
    n, height, width, channels = x.shape
    x = x.reshape(n, height, width, block, block, channels // block**2)
    return x.permute(0, 1, 3, 2, 4, 5).reshape(n, height * block, width * block, -1)


def standardized(image):
    """Images with a mean of zero and a variance of one each."""
    axes = (-3, -2, -1)
    count = image.shape[-3] * image.shape[-2] * image.shape[-1]
    deviation = image.std(dim=axes, correction=0, keepdim=True).clamp(min=count**-0.5)
    return (image - image.mean(dim=axes, keepdim=True)) / deviation


def set_random_seed(seed):
    """Seeds all that draws at random: Python, NumPy and PyTorch."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
