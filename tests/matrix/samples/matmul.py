"""Products of vectors, matrices and batches of them, by all the names that PyTorch has."""

from netglot.pivot.op import rand
from samples import call

V, W, A, B = rand(4), rand(4, seed=1), rand(3, 4), rand(4, 5)
AS, BS = rand(2, 3, 4), rand(2, 4, 5)
SQUARE = rand(3, 3) + 3 * rand(3, 3, seed=5)
POSITIVE = SQUARE @ SQUARE.T

SAMPLES = (
    [
        call(f"aten.{name}.default", x, y)
        for name in ("matmul", "linalg_matmul")
        for x, y in (
            (V, W),
            (A, V),
            (V, B),
            (A, B),
            (AS, B),
            (A, BS),
            (AS, BS),
            (AS, V),
            (V, BS),
            (rand(2, 1, 3, 4), BS),
        )
    ]
    + [call("aten.dot.default", V, W), call("aten.vdot.default", V, W), call("aten.mv.default", A, V)]
    + [call("aten.mm.default", A, B), call("aten.bmm.default", AS, BS)]
    + [call("aten.linear.default", x, rand(5, 4), bias) for x in (V, A, AS) for bias in (None, rand(5))]
    + [call("aten.addmm.default", rand(5), A, B, beta=0.5, alpha=2), call("aten.addmm.default", rand(3, 5), A, B)]
    + [call("aten.addmv.default", rand(3), A, V, beta=0.5, alpha=2)]
    + [call("aten.baddbmm.default", rand(2, 3, 5), AS, BS, beta=0.5, alpha=2)]
    + [call("aten.addbmm.default", rand(3, 5), AS, BS, beta=0.5, alpha=2)]
    + [call("aten.addr.default", rand(4, 5), V, rand(5), beta=0.5, alpha=2)]
    + [call(f"aten.{name}.default", V, rand(5)) for name in ("outer", "ger")]
    + [call("aten.bilinear.default", rand(2, 4), rand(2, 5), rand(3, 4, 5), bias) for bias in (None, rand(3))]
    + [call("aten.einsum.default", "bij,bjk->bik", [AS, BS]), call("aten.einsum.default", "...ij,kj", [AS, A])]
    + [call("aten.einsum.default", "ij->ji", [A]), call("aten.einsum.default", "ij,ij->i", [A, A])]
    + [call("aten.tensordot.default", AS, BS, [0, 2], [0, 1])]
    + [call(f"aten.{name}.default", [A, B, rand(5, 2)]) for name in ("chain_matmul", "linalg_multi_dot")]
    + [call("aten.linalg_cross.default", rand(2, 3), rand(2, 3, seed=1))]
    + [call(f"aten.{name}.default", SQUARE, n) for name in ("matrix_power", "linalg_matrix_power") for n in (0, 1, 3)]
    + [call(f"aten.{name}.default", SQUARE) for name in ("linalg_inv", "inverse", "linalg_det", "det")]
    + [call(f"aten.{name}.default", POSITIVE) for name in ("linalg_cholesky", "cholesky")]
    + [call("aten.linalg_solve.default", SQUARE, rand(3, 2)), call("aten.pdist.default", A)]
)
