"""3-D pools in float64, for which TensorFlow has no kernel, are PyTorch's, where elements tie too."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
tf = pytest.importorskip("tensorflow")

from netglot.verify.runtime_keras import wide_pools  # noqa: E402

X = np.random.default_rng(0).integers(0, 3, (2, 3, 7, 8, 9)).astype("float64")
WINDOWS = [(3, 2), (2, 2), ((1, 3, 3), (1, 2, 2)), ((3, 1, 2), (2, 1, 1))]


@pytest.mark.parametrize("kind", ["max", "avg"])
@pytest.mark.parametrize(("kernel", "stride"), WINDOWS)
def test_values_and_gradients_are_those_of_pytorch(kernel, stride, kind):
    x = tf.constant(np.moveaxis(X, 1, -1))
    with wide_pools(), tf.GradientTape() as tape:
        tape.watch(x)
        found = getattr(tf.nn, f"{kind}_pool")(x, kernel, stride, "VALID", "NDHWC")
        weights = np.arange(np.prod(found.shape), dtype="float64").reshape(found.shape)
        total = tf.reduce_sum(found * weights)
    held = torch.tensor(X, requires_grad=True)
    wanted = getattr(torch.nn.functional, f"{kind}_pool3d")(held, kernel, stride).permute(0, 2, 3, 4, 1)
    (wanted * torch.from_numpy(weights)).sum().backward()
    exactness = {"rtol": 0 if kind == "max" else 1e-13, "atol": 0 if kind == "max" else 1e-12}
    np.testing.assert_allclose(found, wanted.detach(), **exactness)
    np.testing.assert_allclose(np.moveaxis(tape.gradient(total, x).numpy(), -1, 1), held.grad, **exactness)


@pytest.mark.parametrize("kind", ["max", "avg"])
@pytest.mark.parametrize(("kernel", "stride"), WINDOWS)
def test_padding_is_that_of_the_single_kernel(kernel, stride, kind):
    x = np.moveaxis(X, 1, -1)
    with wide_pools():
        pool = getattr(tf.nn, f"{kind}_pool")
        found = pool(tf.constant(x), kernel, stride, "SAME", "NDHWC")
        wanted = pool(tf.constant(x, "float32"), kernel, stride, "SAME", "NDHWC")
    np.testing.assert_allclose(found, wanted, rtol=0 if kind == "max" else 1e-6)
