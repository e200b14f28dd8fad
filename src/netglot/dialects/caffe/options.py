"""What of a layer changes nothing when it is used: all else is read, or the layer is refused.

Forks of Caffe add options of their own. One that no reader looks at is told and not passed over.
"""

from __future__ import annotations

from netglot.errors import Refusal, notimpl
from netglot.formats.caffe import LayerSpec
from netglot.formats.record import Record

_LAYER = frozenset(
    "name type bottom top param blobs blobs_lr weight_decay include exclude phase loss_weight propagate_down "
    "loss_param transform_param layer".split()
)
_OWN = frozenset(
    f"{name}_param"
    for name in (
        "accuracy argmax batch_norm bias clip concat contrastive_loss convolution crop data dropout dummy_data eltwise "
        "elu embed exp flatten hdf5_data hdf5_output hinge_loss image_data infogain_loss inner_product input log lrn "
        "memory_data mvn parameter pooling power prelu python recurrent reduction relu reshape scale sigmoid softmax "
        "spp slice swish tanh threshold tile window_data"
    ).split()
)
"""The options of Caffe's own layers, of which it takes no notice in a layer of another type."""
_TRAINING = frozenset(
    "weight_filler bias_filler filler slope_filler scale_filler engine force_nd_im2col stable_prod_grad debug_info "
    "frozen momentum cudnn_convolution_algo_seeker lr_mult decay_mult weight_decay bias_decay blobs_lr sparse "
    "name type".split()
)
"""Options that say how weights begin and are trained, and with what they are computed."""
_WITHOUT_EFFECT = {
    "pooling_param": frozenset("kernel_size kernel_h kernel_w stride stride_h stride_w pad pad_h pad_w".split()),
    "detection_output_param": frozenset(
        "save_output_param visualize visualize_threshold save_file objectness_score".split()
    ),
    "nms_param": frozenset({"eta"}),
    "bn_param": frozenset({"eps", "bn_mode"}),
    "batch_norm_param": frozenset({"moving_average_fraction", "eps"}),
    "python_param": frozenset({"module", "param_str", "share_in_parallel"}),
    "mvn_param": frozenset({"eps"}),
    "prelu_param": frozenset({"channel_shared"}),
}
"""Further options, by their record, that say nothing or nothing more: those of a window where all is one window."""


def understood(layer: LayerSpec) -> None:
    """Asserts that each option of a layer was looked at by its reader or changes nothing.

    Raises:
        Refusal: one was not.
    """
    record = layer.record
    for name in record:
        if name in _LAYER:
            continue
        if name not in record.asked:
            if name not in _OWN:
                raise Refusal(notimpl(f"its {name}, which is no option of Caffe's own"))
            continue
        for one in record.fields[name]:
            if isinstance(one, Record):
                _looked_at(one, name)


def _looked_at(record: Record, kind: str) -> None:
    for name in record:
        if name in _TRAINING or name in _WITHOUT_EFFECT.get(kind, ()):
            continue
        if name not in record.asked:
            raise Refusal(notimpl(f"{kind} {{ {name}: {_shown(record.fields[name])} }}"))
        for one in record.fields[name]:
            if isinstance(one, Record):
                _looked_at(one, name)


def _shown(values: list) -> str:
    return ", ".join("{ ... }" if isinstance(one, Record) else str(one) for one in values)[:60]
