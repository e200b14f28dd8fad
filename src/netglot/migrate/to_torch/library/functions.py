"""Functions of TensorFlow that PyTorch has nothing close to."""

import torch
import torch.nn.functional as F


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


def clip_by_norm(tensor, clip_norm):
    """A tensor scaled so that its norm is at most so much."""
    return tensor * clip_norm / tensor.norm().clamp(min=clip_norm)


def image_resized(images, size, method="bilinear"):
    """Images with the channels last in another size."""
    batched = images if images.ndim == 4 else images[None]
    x = batched.movedim(-1, 1).to(torch.get_default_dtype())
    how = {"mode": "nearest-exact"} if method == "nearest" else {"mode": "bilinear", "align_corners": False}
    x = F.interpolate(x, size=tuple(int(one) for one in size), **how).movedim(1, -1)
    return x if images.ndim == 4 else x[0]


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
