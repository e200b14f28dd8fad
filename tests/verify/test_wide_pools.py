"""3-D max pools in float64, for which TensorFlow has no kernel, are PyTorch's, where elements tie too."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
tf = pytest.importorskip("tensorflow")

from netglot.verify.runtime_keras import wide_pools  # noqa: E402

X = np.random.default_rng(0).integers(0, 3, (2, 3, 7, 8, 9)).astype("float64")
WINDOWS = [(3, 2), (2, 2), ((1, 3, 3), (1, 2, 2)), ((3, 1, 2), (2, 1, 1))]


@pytest.mark.parametrize(("kernel", "stride"), WINDOWS)
def test_values_and_gradients_are_those_of_pytorch(kernel, stride):
    x = tf.constant(np.moveaxis(X, 1, -1))
    with wide_pools(), tf.GradientTape() as tape:
        tape.watch(x)
        found = tf.nn.max_pool(x, kernel, stride, "VALID", "NDHWC")
        weights = np.arange(np.prod(found.shape), dtype="float64").reshape(found.shape)
        total = tf.reduce_sum(found * weights)
    held = torch.tensor(X, requires_grad=True)
    wanted = torch.nn.functional.max_pool3d(held, kernel, stride).permute(0, 2, 3, 4, 1)
    (wanted * torch.from_numpy(weights)).sum().backward()
    np.testing.assert_array_equal(found, wanted.detach())
    np.testing.assert_array_equal(np.moveaxis(tape.gradient(total, x).numpy(), -1, 1), held.grad)


@pytest.mark.parametrize(("kernel", "stride"), WINDOWS)
def test_padding_is_that_of_the_single_kernel(kernel, stride):
    x = np.moveaxis(X, 1, -1)
    with wide_pools():
        found = tf.nn.max_pool(tf.constant(x), kernel, stride, "SAME", "NDHWC")
        wanted = tf.nn.max_pool(tf.constant(x, "float32"), kernel, stride, "SAME", "NDHWC")
    np.testing.assert_array_equal(found, wanted)
