"""What converters of old model files get wrong, and for each the test here that fails where it goes wrong.

`name` alone is a recorded network, held against its framework; `file:test` a test of its own.
"""

import ast
from pathlib import Path

import numpy as np
import pytest

FORMATS = Path(__file__).resolve().parents[1] / "formats"
SEMANTICS = {
    "caffe": {
        "windows counted upwards, and clipped": "pool_ceil pool_clip pool_ave_clip "
        "test_caffe:test_ceil_pooling_is_clipped",
        "a product behind a flatten": "inner_products reshape_inner flatten",
        "norms with scales": "scale_alone test_caffe:test_a_norm_and_its_scale_are_one",
        "the factor of the moving average": "norm_factor test_caffe:test_a_moving_average_factor_of_zero_means_zeros",
        "slopes": "prelu leaky",
        "biases of four axes": "test_caffe:test_all_generations_of_weights_are_the_same",
        "coefficients of a sum": "eltwise",
        "cuts": "slice_even several",
        "the order of axes": "permute",
        "anchors, boxes and norms of detection": "prior_boxes ssd_norm ssd_norm_across "
        "test_caffe:test_detections_are_decoded",
        "dilation": "conv_options test_caffe:test_holes_are_dilation",
        "groups of a deconvolution": "deconv",
        "several inputs and outputs": "several",
    },
    "darknet": {
        "padding": "conv_padding pool_same pool_even pool_odd test_darknet:test_padding_of_pools_is_split_low_first",
        "groups": "conv_groups route_groups",
        "the slope of leaky": "activation_leaky test_darknet:test_activations_have_darknets_constants",
        "boxes from anchors": "yolo2 yolo3 yolo4 yolo4_new",
        "reorg": "reorg test_darknet:test_reorg_is_darknets_own",
        "recurrent sections": "test_darknet:test_lstm test_darknet:test_rnn "
        "test_darknet:test_gru_has_a_logistic_state_unless_told",
        "several outputs (there is one input)": "yolov3",
    },
    "mxnet": {
        "the pooling convention": "pools test_mxnet:test_pooling_conventions",
        "a gamma that is fixed, statistics that are used": "norms test_mxnet:test_gamma_is_fixed_unless_told",
        "packed weights of recurrences": "packed_lstm packed_gru packed_rnn",
        "cuts like another tensor": "alike",
        "kinds of LeakyReLU": "activations",
        "several inputs and outputs": "two_inputs",
    },
    "cntk": {
        "dynamic axes": "along_time tagger test_cntk:test_batch_and_time_are_open",
        "delays": "lstm gru plain_recurrence odd_cells test_cntk:test_cells_become_layers",
        "shapes innermost first": "shapes products dense",
        "statistics and counts of norms": "norms",
        "several inputs and outputs": "norms",
    },
    "tensorflow1": {
        "SAME padding": "convs pools mobilenet",
        "fused norms": "norms",
        "frames of loops": "deep both powers keras_sequences keras_masked",
        "channels first": "channels_first",
        "several inputs and outputs": "two_inputs",
    },
    "tflite": {
        "numbers of quantisation": "conv_int8 conv_int16 dense_per_tensor depthwise_int8 resnet_int8 mobilenet_v2_int8",
        "activations within operators": "activations arithmetic conv_valid",
        "several inputs and outputs": "two_inputs",
    },
    "coreml": {
        "padding": "test_coreml:test_convolution_pads_on_the_side_that_it_says test_coreml:test_pools",
        "what is done to pictures before": "test_coreml:"
        "test_a_classifier_gives_its_probabilities_and_tells_of_its_picture",
        "several inputs and outputs": "pair",
    },
}  # fmt: skip
CASES = [(name, what, where) for name, held in SEMANTICS.items() for what, where in held.items()]


def recorded(name):
    """The recorded networks of a format, and how many inputs each has."""
    found = {}
    for path in (FORMATS / name).glob("recorded*.npz"):
        with np.load(path) as held:
            for key in held.files:
                found.setdefault(key.partition("/")[0], set()).add(key)
    return found


def functions_of(name, file):
    tree = ast.parse((FORMATS / name / f"{file}.py").read_text("utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize(("name", "what", "where"), CASES, ids=[f"{n}-{w}" for n, w, _ in CASES])
def test_each_semantic_has_a_test(name, what, where):
    held = recorded(name)
    for one in where.split():
        file, _, test = one.partition(":")
        assert test in functions_of(name, file) if test else one in held, f"{what}: {one}"


@pytest.mark.parametrize("name", ["mxnet", "cntk", "tensorflow1", "tflite", "coreml"])
def test_networks_of_several_inputs_have_them(name):
    for one in SEMANTICS[name]["several inputs and outputs"].split():
        keys = recorded(name)[one]
        assert sum("/in/" in key for key in keys) > 1 and sum("/out/" in key for key in keys) > 1
