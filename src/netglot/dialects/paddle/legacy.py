"""Operators of version 2 in the words of version 3: their names, the order of their operands, their attributes.

Each line of the table is one operator: its name there and here, its operands in order and its attributes that have
another name; it goes on in lines that are indented. An operand is a slot's name, with `*` where it is a list, or `@`
and an attribute that became an operand; `|` stands between what may be given, of which the first that is there is
taken. `>` stands before the results.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from netglot.formats.paddle import Operator

_TABLE = """
conv2d conv2d Input Filter Bias
depthwise_conv2d depthwise_conv2d Input Filter Bias
conv3d conv3d Input Filter Bias
conv2d_transpose conv2d_transpose Input Filter @output_size
depthwise_conv2d_transpose depthwise_conv2d_transpose Input Filter @output_size
conv3d_transpose conv3d_transpose Input Filter
batch_norm batch_norm X Mean Variance Scale Bias data_format=data_layout > Y
sync_batch_norm batch_norm X Mean Variance Scale Bias data_format=data_layout > Y
inplace_abn batch_norm X Mean Variance Scale Bias data_format=data_layout > Y
layer_norm layer_norm X Scale Bias > Y
group_norm group_norm X Scale Bias data_format=data_layout > Y
instance_norm instance_norm X Scale Bias > Y
data_norm data_norm X
norm norm X > Out Norm
lrn lrn X
p_norm p_norm X
frobenius_norm frobenius_norm X @dim keepdim=keep_dim
affine_channel affine_channel X Scale Bias data_format=data_layout
pool2d pool2d X @ksize
pool3d pool3d X @ksize
max_pool2d_with_index max_pool2d_with_index X @ksize > Out Mask
max_pool3d_with_index max_pool3d_with_index X @ksize > Out Mask
unpool unpool X Indices @output_size
elementwise_add add X Y
elementwise_sub subtract X Y
elementwise_mul multiply X Y
elementwise_div divide X Y
elementwise_max maximum X Y
elementwise_min minimum X Y
elementwise_fmax fmax X Y
elementwise_fmin fmin X Y
elementwise_pow elementwise_pow X Y
elementwise_mod remainder X Y
elementwise_floordiv floor_divide X Y
grad_add add X Y
atan2 atan2 X1 X2
minus subtract X Y
sum add_n X*
matmul matmul X Y transpose_x=transpose_X transpose_y=transpose_Y
matmul_v2 matmul X Y transpose_x=trans_x transpose_y=trans_y
mul matmul_with_flatten X Y
fc fc Input W Bias
bmm bmm X Y
dot dot X Y
mv mv X Vec
addmm addmm Input X Y
einsum einsum Operands*
bilinear_tensor_product bilinear X Y Weight Bias
relu6 relu6 X
leaky_relu leaky_relu X negative_slope=alpha
hard_swish hardswish X
hard_sigmoid hardsigmoid X
hard_shrink hardshrink X
softshrink softshrink X threshold=lambda
brelu brelu X
prelu prelu X Alpha
scale scale X ScaleTensor|@scale
pow pow X FactorTensor|@factor
clip clip X Min|@min Max|@max
cast cast X dtype=out_dtype
softmax softmax X
dropout dropout X Seed @dropout_prob mode=dropout_implementation
lookup_table_v2 embedding Ids W
lookup_table embedding Ids W column=__one__
reshape reshape X ShapeTensor*|Shape|@shape
reshape2 reshape X ShapeTensor*|Shape|@shape
squeeze squeeze X @axes
squeeze2 squeeze X AxesTensorList*|AxesTensor|@axes
unsqueeze unsqueeze X @axes
unsqueeze2 unsqueeze X AxesTensorList*|AxesTensor|@axes
transpose transpose X perm=axis
transpose2 transpose X perm=axis
flatten flatten2 X
flatten2 flatten2 X
flatten_contiguous_range flatten X
concat concat X* AxisTensor|@axis
stack stack X* > Y
split split X SectionsTensorList*|@sections AxisTensor|@axis > Out*
unstack unstack X > Y*
unbind unbind X > Out*
expand_v2 expand X expand_shapes_tensor*|Shape|@shape
expand tile X expand_times_tensor*|ExpandTimes|@expand_times
expand_as_v2 expand_as X Y
tile tile X repeat_times_tensor*|RepeatTimes|@repeat_times
repeat_interleave repeat_interleave X repeats=Repeats axis=dim
slice slice Input StartsTensorList*|StartsTensor|@starts EndsTensorList*|EndsTensor|@ends
strided_slice strided_slice Input StartsTensorList*|StartsTensor|@starts EndsTensorList*|EndsTensor|@ends
  StridesTensorList*|StridesTensor|@strides
crop_tensor crop X ShapeTensor*|Shape|@shape OffsetsTensor*|Offsets|@offsets
gather gather X Index Axis|@axis
gather_nd gather_nd X Index
index_select index_select X Index axis=dim
index_sample index_sample X Index
take_along_axis take_along_axis Input Index > Result
put_along_axis put_along_axis Input Index Value > Result
scatter scatter X Ids Updates
scatter_nd_add scatter_nd_add X Index Updates
pad pad X
pad2d pad2d X Paddings|@paddings
pad3d pad3d X Paddings|@paddings
roll roll X ShiftsTensor|@shifts
flip flip X @axis
reverse reverse X @axis
meshgrid meshgrid X* > Out*
broadcast_tensors broadcast_tensors X* > Out*
shape shape Input
size numel Input
fill_constant full ShapeTensorList*|ShapeTensor|@shape
fill_any_like full_like X @value
fill_zeros_like full_like X @__zero__
fill_zeros_like2 full_like X @__zero__
fill_constant_batch_size_like full_batch_size_like Input
assign_value assign_value
range arange Start End Step
linspace linspace Start Stop Num
eye eye
tril_triu tril_triu X
one_hot_v2 one_hot X depth_tensor|@depth
one_hot one_hot X depth_tensor|@depth column=__one__
reduce_sum sum X @dim keepdim=keep_dim dtype=out_dtype
reduce_mean mean X @dim keepdim=keep_dim
reduce_max max X @dim keepdim=keep_dim
reduce_min min X @dim keepdim=keep_dim
reduce_amax amax X @dim keepdim=keep_dim
reduce_amin amin X @dim keepdim=keep_dim
reduce_prod prod X @dim keepdim=keep_dim
reduce_any any X @dim keepdim=keep_dim
reduce_all all X @dim keepdim=keep_dim
logsumexp logsumexp X @axis
mean mean_all X
arg_max argmax X @axis
arg_min argmin X @axis
cumsum cumsum X @axis
cumprod cumprod X
top_k_v2 topk X K|@k > Out Indices
top_k topk X K|@k > Out Indices
argsort argsort X > Out Indices
where where Condition X Y
masked_select masked_select X Mask
lerp lerp X Y Weight
isnan_v2 isnan X
isinf_v2 isinf X
isfinite_v2 isfinite X
linear_interp linear_interp X OutSize SizeTensor* Scale
bilinear_interp bilinear_interp X OutSize SizeTensor* Scale
nearest_interp nearest_interp X OutSize SizeTensor* Scale
linear_interp_v2 linear_interp X OutSize SizeTensor* Scale
bilinear_interp_v2 bilinear_interp X OutSize SizeTensor* Scale
trilinear_interp_v2 trilinear_interp X OutSize SizeTensor* Scale
nearest_interp_v2 nearest_interp X OutSize SizeTensor* Scale
bicubic_interp_v2 bicubic_interp X OutSize SizeTensor* Scale
pixel_shuffle pixel_shuffle X
shuffle_channel shuffle_channel X
grid_sampler grid_sample X Grid > Output
affine_grid affine_grid Theta OutputShape|@output_shape > Output
unfold unfold X > Y
fold fold X > Y
rnn rnn Input PreState* WeightList* SequenceLength > Out DropoutState State* Reserve
set_value set_value_with_tensor Input ValueTensor|@__values__ StartsTensorList*|@starts EndsTensorList*|@ends
  StepsTensorList*|@steps
fused_softmax_mask_upper_triangle fused_softmax_mask_upper_triangle X
fused_softmax_mask fused_softmax_mask X Mask
hard_tanh hardtanh X
multiclass_nms3 multiclass_nms3 BBoxes Scores
gru gru Input
lstm lstm Input
index_put index_put x indices* value > out
tanh_shrink tanh_shrink X
diagonal diagonal Input
"""


@dataclass(frozen=True)
class _Line:
    name: str
    operands: tuple[tuple[str, ...], ...]
    attributes: tuple[tuple[str, str], ...]
    results: tuple[str, ...]


def _parsed() -> dict[str, _Line]:
    found = {}
    for line in _TABLE.strip().replace("\n  ", " ").splitlines():
        head, _, tail = line.partition(" > ")
        old, new, *words = head.split()
        operands = tuple(tuple(w.split("|")) for w in words if "=" not in w)
        renamed = tuple(tuple(w.split("=")) for w in words if "=" in w)
        found[old] = _Line(new, operands, renamed, tuple(tail.split()))  # type: ignore[arg-type]
    return found


_LINES = _parsed()
_PLAIN = _Line("", (("X",), ("Y",)), (), ())


def translated(old: Operator) -> tuple[Operator, dict[int, Any]]:
    """An operator of version 2 in version 3, and the operands that were attributes, by their place."""
    line = _LINES.get(old.type) or (_PLAIN if old.named.keys() <= {"X", "Y"} else _unknown(old))
    attributes = {**old.attributes, "__one__": 1, "__zero__": 0.0, "__values__": _values(old.attributes)}
    attributes |= {new: attributes[name] for new, name in line.attributes if name in attributes}
    inputs: list[Any] = []
    given: dict[int, Any] = {}
    for operand in line.operands:
        inputs.append(None)
        for word in operand:
            if word[0] == "@":
                if attributes.get(word[1:]) not in (None, []) or word == operand[0]:
                    given[len(inputs) - 1] = attributes.get(word[1:])
                break
            names = old.named.get(word.rstrip("*"))
            if names:
                inputs[-1] = list(names) if word[-1] == "*" else names[0]
                break
    while inputs and inputs[-1] is None and len(inputs) - 1 not in given:
        inputs.pop()
    return replace(
        old, type=line.name or old.type, inputs=inputs, outputs=_results(old, line), attributes=attributes
    ), given


def _unknown(old: Operator) -> _Line:
    """An operator that the table does not know, its operands and results in the order of the file."""
    operands = tuple((f"{name}*" if len(names) > 1 else name,) for name, names in old.named.items())
    return _Line("", operands, (), tuple(f"{n}*" if len(names) > 1 else n for n, names in old.results.items()))


def _values(attributes: dict[str, Any]) -> Any:
    names = ("values", "fp32_values", "fp64_values", "int32_values", "int64_values", "bool_values")
    found = next((attributes[name] for name in names if attributes.get(name)), None)
    return found[0] if isinstance(found, list) and len(found) == 1 else found


def _results(old: Operator, line: _Line) -> list[Any]:
    """The results in order: those that the table names, else the only one that there usually is."""
    if not line.results:
        first = next((old.results[n] for n in ("Out", "Output", "Y", "out") if old.results.get(n)), None)
        return list(first or next((names for names in old.results.values() if names), []))[:1]
    made: list[Any] = []
    for word in line.results:
        names = old.results.get(word.rstrip("*")) or []
        made.append(list(names) if word[-1] == "*" else names[0] if names else None)
    return made
