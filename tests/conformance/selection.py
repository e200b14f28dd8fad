"""Which functions of `op_db` a network's forward uses, and why the others are left out."""

from __future__ import annotations

import functools
import re

from tests.conformance import torch_db

EXCLUDED: dict[str, tuple[str, ...]] = {
    "random numbers, of which two frameworks draw different ones": (
        r"cauchy|exponential|geometric|log_normal|normal(\..*)?|uniform|bernoulli|multinomial|rand.*",
        r"nn\.functional\.(fractional_max_pool.*|rrelu|feature_alpha_dropout\.with_train)",
    ),
    "memory that is not initialised, or how tensors lie in memory": (
        r"empty.*|new_empty.*|as_strided.*|resize_|resize_as_",
    ),
    "complex numbers and spectra": (
        r"fft\..*|stft|istft|view_as_complex|view_as_real|complex|polar|imag|cdouble|cfloat|chalf",
    ),
    "sparse tensors": (r"sparse\..*|to_sparse",),
    "decompositions of matrices and solvers": (
        r"cholesky.*|geqrf|lu|lu_.*|qr|svd|svd_lowrank|pca_lowrank|pinverse|ormqr|triangular_solve|matrix_exp",
        r"norm\.nuc",
        r"linalg\.(cholesky.*|cond|eig.*|householder_product|ldl.*|lstsq.*|lu.*|matrix_rank.*|pinv.*|qr|svd.*)",
        r"linalg\.(solve_triangular|tensorinv|tensorsolve)",
    ),
    "results whose size depends on numbers in a tensor": (
        r"unique.*|nonzero|argwhere|masked_select|bincount|combinations",
    ),
    "results that are no tensors, but answers to Python": (r"item|equal|allclose|broadcast_shapes",),
    "special functions of physics and statistics": (
        r"polygamma.*|mvlgamma.*|igammac?|i0|frexp|nextafter",
        r"special\.(i0e|i1|i1e|polygamma.*|zeta|ndtri|log_ndtr|erfcx|airy_ai|.*bessel.*|.*polynomial.*)",
    ),
    "statistics of data sets": (r"histogram.*|histc|cov|corrcoef",),
    "kernels that exist on graphics cards only": (
        r"jiterator.*|torch\._scaled_mm.*|torch\.ops\.aten\._(flash|efficient)_attention_forward|bmm\.triton_optimized",
    ),
    "internals of PyTorch: gradients of other functions, and forms that its compiler makes and no program calls": (
        r"_.*(?<!_)|_batch_norm_with_update|native_.*|.*_backward.*|.*_copy|hash_tensor|grid_sampler_[23]d|.*\.chunked.*",
    ),
}
"""Patterns of names by the reason for leaving them out."""

KEPT = r"__\w+__|index_copy"
"""Names that a pattern of internals would take and that programs do use."""


def chosen_entries() -> list[tuple[str, str]]:
    """All modules, and the functions that are not left out: (database, entry)."""
    modules = [("module", entry) for entry in torch_db.entries("module")]
    return [*modules, *(("op", entry) for entry in torch_db.entries("op") if not excluded(entry))]


def left_out() -> dict[str, list[str]]:
    """The names that are left out by the reason."""
    found: dict[str, list[str]] = {reason: [] for reason in EXCLUDED}
    for entry in torch_db.entries("op"):
        reason = excluded(entry)
        if reason:
            found[reason].append(entry)
    return found


@functools.cache
def excluded(entry: str) -> str | None:
    """Why an entry is left out; None where it is not."""
    if re.fullmatch(KEPT, entry):
        return None
    for reason, patterns in EXCLUDED.items():
        if any(re.fullmatch(pattern, entry) for pattern in patterns):
            return reason
    return None
