"""What TensorFlow and Keras call the parameters of functions that share a declaration."""

from __future__ import annotations

_CALLS = {
    "features": (
        "tf.nn.relu tf.nn.elu tf.nn.selu tf.nn.silu tf.nn.swish tf.nn.relu6 tf.nn.softsign tf.nn.softplus "
        "tf.math.softplus tf.nn.gelu tf.nn.leaky_relu"
    ),
    "logits": "tf.nn.softmax tf.nn.log_softmax",
    "input_tensor": " ".join(
        f"tf.{place}reduce_{name}"
        for place in ("", "math.")
        for name in "sum mean prod any all max min logsumexp variance std euclidean_norm".split()
    ),
    "input": (
        "tf.zeros_like tf.ones_like tf.stop_gradient tf.argmax tf.argmin tf.math.argmax tf.math.argmin tf.expand_dims "
        "tf.squeeze tf.tile tf.repeat tf.broadcast_to tf.roll tf.shape tf.size tf.rank tf.math.count_nonzero "
        "tf.identity tf.nn.top_k tf.math.top_k tf.nn.space_to_depth tf.nn.depth_to_space tf.linalg.diag_part "
        "tf.linalg.inv tf.linalg.det tf.linalg.cholesky"
    ),
    "tensor": (
        "tf.norm tf.reshape tf.reverse tf.pad tf.boolean_mask tf.tensor_scatter_nd_update tf.tensor_scatter_nd_add"
    ),
    "value": "tf.unstack tf.convert_to_tensor tf.constant tf.nn.bias_add",
    "values": "tf.sort tf.argsort",
    "data": "tf.math.unsorted_segment_sum tf.math.segment_sum keras.ops.segment_sum",
    "t": "tf.clip_by_value tf.nn.l2_loss",
    "a": "tf.transpose keras.ops.diff",
    "x": "keras.ops.stack keras.ops.take keras.random.shuffle",
    "xs": "keras.ops.vstack keras.ops.hstack",
    "x1 x2": " ".join(
        f"keras.ops.{name}"
        for name in (
            "add subtract multiply divide true_divide power maximum minimum equal not_equal less greater less_equal "
            "greater_equal logical_and logical_or logical_xor matmul tensordot floor_divide mod isclose arctan2 cross outer "
            "dot"
        ).split()
    ),
    "input num_lower num_upper": "tf.linalg.band_part",
    "value num_or_size_splits": "tf.split",
    "x indices_or_sections": "keras.ops.split",
    "x newshape": "keras.ops.reshape",
    "x repeats": "keras.ops.tile",
    "x axes": "keras.ops.transpose",
    "x x_min x_max": "keras.ops.clip",
    "condition x1 x2": "keras.ops.where",
    "indices depth": "tf.one_hot",
    "x num_classes": "keras.ops.one_hot",
    "dims": "tf.fill",
    "shape fill_value": "keras.ops.full",
    "num_rows num_columns": "tf.eye",
    "N M": "keras.ops.eye",
    "variable": "keras.ops.stop_gradient",
    "img": "keras.utils.img_to_array keras.preprocessing.image.img_to_array",
    "fn elems": "tf.map_fn tf.vectorized_map",
    "arr": "tf.math.bincount",
    "params": "tf.gather_nd",
    "input_ begin": "tf.slice",
    "inputs start_indices shape": "keras.ops.slice",
    "inputs": "keras.ops.scatter_update",
    "indices values": "keras.ops.scatter",
    "diagonal": "tf.linalg.diag",
    "matrix rhs": "tf.linalg.solve",
    "checkpoint_dir": "tf.train.latest_checkpoint",
    "initial_value": "tf.Variable",
    "initializer": "keras.Variable",
}
SPELLINGS = {call: tuple(names.split()) for names, calls in _CALLS.items() for call in calls.split()}
"""The first parameters of a call by their own names, in the order in which it is declared."""
