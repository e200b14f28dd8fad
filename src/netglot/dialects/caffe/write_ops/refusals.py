"""What Caffe lacks, and what it has by way of other ops."""

from __future__ import annotations

from netglot.dialects.caffe.dialect import caffe
from netglot.errors import never, notimpl
from netglot.passes.composed import compose
from netglot.pivot import ops

_COMPOSED = (
    ops.Expm1, ops.Exp2, ops.Log1p, ops.Log2, ops.Log10, ops.Tan, ops.Sinh, ops.Cosh, ops.Silu, ops.LogSigmoid,
    ops.Tanhshrink, ops.Rrelu, ops.Softsign, ops.Mish, ops.Hardsigmoid, ops.Hardswish, ops.Hypot, ops.LogAddExp,
    ops.Celu, ops.Selu, ops.Gelu, ops.Glu, ops.Softshrink, ops.AdaptiveAvgPool, ops.AdaptiveMaxPool, ops.LpPool,
    ops.Norm, ops.Normalize, ops.Variance, ops.StandardDeviation, ops.LogSumExp, ops.PixelShuffle, ops.PixelUnshuffle,
    ops.Select, ops.Stack, ops.Unstack, ops.Repeat, ops.Roll, ops.SliceUpdate, ops.SelectUpdate, ops.AlphaDropout,
    ops.RmsNorm, ops.LayerNorm, ops.InstanceNorm, ops.GroupNorm, ops.Attention, ops.MultiHeadAttention, ops.Einsum,
)  # fmt: skip
compose(caffe, *_COMPOSED)

_CHOICES = never("Caffe has no truth values, and no choice by them")
_PLACES = never("Caffe's layers take no elements by their places")
_FUNCTION = never("Caffe has no such function, and its layers do not make it up")
_NUMBERS = never("Caffe computes with floats only")
_MADE = never("Caffe's networks make no tensors of nothing: what they compute with comes from an input")
_ORDER = never("Caffe's layers do not sort, and find places only at the end of a network")
_LINEAR = never("Caffe has no layer of linear algebra")
_RUNNING = never("Caffe has no running folds")
_RECURRENT = notimpl(
    "Caffe's recurrent layers take a second input that says where sequences go on, and OpenCV does not run that"
)

for _reason, _kinds in (
    (_CHOICES, (ops.Where, ops.Equal, ops.NotEqual, ops.Less, ops.LessEqual, ops.Greater, ops.GreaterEqual,
                ops.LogicalAnd, ops.LogicalOr, ops.LogicalXor, ops.LogicalNot, ops.IsNan, ops.IsInf, ops.IsFinite,
                ops.SignBit, ops.Any, ops.All, ops.Hardshrink, ops.Threshold, ops.CopySign, ops.Sinc, ops.Sign,
                ops.Tril, ops.Triu)),
    (_PLACES, (ops.Take, ops.TakeAlongAxis, ops.AdvancedIndex, ops.ScatterNd, ops.ScatterAlongAxis, ops.IndexPut,
               ops.Embedding, ops.SegmentFold, ops.Unfold, ops.Fold, ops.SlidingWindow, ops.MaxPoolIndices,
               ops.MaxUnpool, ops.GridSample, ops.AffineGrid, ops.Diagonal, ops.DiagonalEmbed, ops.OneHot, ops.Flip)),
    (_FUNCTION, (ops.Sin, ops.Cos, ops.Asin, ops.Acos, ops.Atan, ops.Asinh, ops.Acosh, ops.Atanh, ops.Atan2, ops.Erf,
                 ops.Erfc, ops.Erfinv, ops.Lgamma, ops.Digamma, ops.BesselI0, ops.Floor, ops.Ceil, ops.Round,
                 ops.Trunc, ops.FloorDivide, ops.Remainder, ops.Fmod, ops.CtcLoss, ops.Prod)),
    (_NUMBERS, (ops.Gcd, ops.Lcm, ops.BitwiseAnd, ops.BitwiseOr, ops.BitwiseXor, ops.BitwiseNot, ops.ShiftLeft,
                ops.ShiftRight)),
    (_MADE, (ops.Full, ops.Arange, ops.Linspace, ops.Eye)),
    (_ORDER, (ops.Sort, ops.Argsort, ops.TopK, ops.Searchsorted, ops.Argmax, ops.Argmin)),
    (_LINEAR, (ops.Solve, ops.Inverse, ops.Determinant, ops.SingularValues, ops.Cholesky)),
    (_RUNNING, (ops.CumulativeSum, ops.CumulativeProd, ops.CumulativeMax, ops.CumulativeMin,
                ops.CumulativeLogSumExp)),
    (_RECURRENT, (ops.Lstm, ops.Gru, ops.Rnn, ops.ConvLstm, ops.Scan)),
):  # fmt: skip
    for _kind in _kinds:
        caffe.refuses(_kind, _reason)
