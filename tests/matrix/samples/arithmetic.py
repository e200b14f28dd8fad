"""Arithmetic with numbers for operands, with integers, and with the options that have defaults."""

import numpy as np

from netglot.pivot.op import rand
from samples import call

X, Y, POSITIVE = rand(3, 4), rand(3, 4, seed=1), rand(3, 4, low=0.1)
N, J = rand(3, 4, dtype="int64", low=-9, high=9), rand(3, 4, dtype="int64", low=1, high=7, seed=1)
SHIFTS = rand(3, 4, dtype="int64", low=0, high=5)
MASK = rand(3, 4, dtype="bool")

SAMPLES = (
    [
        call(f"aten.{name}.Scalar", x, 2)
        for name in ("add", "sub", "subtract", "rsub", "mul", "multiply", "floor_divide", "remainder", "fmod")
        for x in (X, N)
    ]
    + [call(f"aten.{name}.Scalar", X, -0.7, alpha=3) for name in ("add", "sub", "rsub")]
    + [call(f"aten.{name}.Tensor", X, Y, alpha=-2) for name in ("add", "sub", "rsub")]
    + [call(f"aten.{name}.Scalar", X, -0.7) for name in ("true_divide", "div", "divide", "copysign")]
    + [call("aten.div.Scalar", N, 4), call("aten.div.Tensor", N, J), call("aten.remainder.Scalar_Tensor", 7.5, X)]
    + [
        call(f"aten.{name}.Tensor_mode", x, y, rounding_mode=mode)
        for name in ("div", "divide")
        for mode in ("floor", "trunc", None)
        for x, y in ((X, Y), (N, J))
    ]
    + [
        call(f"aten.{name}.Scalar_mode", x, -2, rounding_mode=mode)
        for name in ("div", "divide")
        for mode in ("floor", "trunc")
        for x in (X, N)
    ]
    + [call(f"aten.{name}.Tensor", N, J) for name in ("remainder", "fmod", "add", "mul")]
    + [call("aten.pow.Tensor_Scalar", X, p) for p in (2, 3, 2.0)]
    + [call("aten.pow.Tensor_Scalar", POSITIVE, p) for p in (0.5, -0.5, -1.5)]
    + [
        call("aten.pow.Tensor_Scalar", J, 3),
        call("aten.pow.Scalar", 2.5, X),
        call("aten.pow.Tensor_Tensor", POSITIVE, Y),
    ]
    + [call("aten.float_power.Tensor_Scalar", J, 1.5), call("aten.float_power.Scalar", 2, J)]
    + [call(f"aten.{name}.default", N, J) for name in ("gcd", "lcm")]
    + [call(f"aten.{name}.other_scalar", X, 1.5) for name in ("special_xlogy", "special_xlog1py")]
    + [call(f"aten.{name}.self_scalar", 1.5, POSITIVE) for name in ("special_xlogy", "special_xlog1py")]
    + [call("aten.xlogy.Scalar_Other", X, 1.5), call("aten.xlogy.Scalar_Self", 1.5, POSITIVE)]
    + [call("aten.lerp.Scalar", X, Y, 0.3), call("aten.lerp.Tensor", X, Y, POSITIVE)]
    + [
        call(f"aten.{name}.default", X, low, high)
        for name in ("clamp", "clip")
        for low, high in ((-0.5, 0.7), (None, 0.7), (0, None))
    ]
    + [call(f"aten.{name}.Tensor", X, low, Y) for name in ("clamp", "clip") for low in (None, Y - 1)]
    + [call("aten.clamp_min.default", X, 0.3), call("aten.clamp_max.default", X, 0.3)]
    + [call("aten.where.self", MASK, X, Y), call("aten.where.ScalarOther", MASK, X, 0.5)]
    + [call("aten.where.ScalarSelf", MASK, 0.5, Y)]
    + [
        call(f"aten.{name}.Tensor", x, y)
        for name in ("bitwise_and", "bitwise_or", "bitwise_xor", "__and__", "__or__", "__xor__")
        for x, y in ((N, J), (MASK, ~MASK))
    ]
    + [
        call(f"aten.{name}.Scalar", N, 6)
        for name in ("bitwise_and", "bitwise_or", "bitwise_xor", "__and__", "__or__", "__xor__")
    ]
    + [call(f"aten.bitwise_{name}.Scalar_Tensor", 6, N) for name in ("and", "or", "xor")]
    + [
        call(f"aten.{name}.Tensor", N, SHIFTS)
        for name in ("bitwise_left_shift", "bitwise_right_shift", "__lshift__", "__rshift__")
    ]
    + [call(f"aten.bitwise_{name}_shift.Tensor_Scalar", N, 2) for name in ("left", "right")]
    + [call(f"aten.bitwise_{name}_shift.Scalar_Tensor", 40, SHIFTS) for name in ("left", "right")]
    + [call("aten.__lshift__.Scalar", N, 2), call("aten.__rshift__.Scalar", N, 2)]
    + [call("aten.bitwise_not.default", x) for x in (N, MASK)]
    + [call("aten.round.decimals", X, decimals=2), call("aten.sign.default", N), call("aten.abs.default", N)]
    + [call("aten.round.default", np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5]))]
    + [call("aten.sqrt.default", POSITIVE), call("aten.log.default", POSITIVE), call("aten.rsqrt.default", POSITIVE)]
)
