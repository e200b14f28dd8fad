"""Sequences of different lengths, cells that are no layers, and older ops, made and run in TensorFlow 1.15:
`python make_lengths.py`.
"""

import numpy as np
import tensorflow as tf
from make_recordings import Recorder

RECORDER = Recorder("recorded_lengths.npz")
network = RECORDER.network
CELLS, CONTRIB = tf.nn.rnn_cell, tf.contrib.rnn


def lengths(ids):
    """How many words each row has."""
    return tf.reduce_sum(tf.sign(ids), 1)


def words(ids):
    return tf.nn.embedding_lookup(tf.get_variable("embedding", (4, 5)), ids)


@network((None, None), dtype=tf.int32, sizes=[(3, 6)])
def sentences(ids):
    """Both directions, as long as each sentence is."""
    x, count = words(ids), tf.cast(lengths(ids), tf.int64)
    outputs, states = tf.nn.bidirectional_dynamic_rnn(
        CELLS.LSTMCell(4), CELLS.LSTMCell(4), x, sequence_length=count, dtype=tf.float32
    )
    return [tf.concat(outputs, 2), states[0].h, states[1].c]


@network((None, 6), dtype=tf.int32)
def last_words(ids):
    """Several cells above each other, and the output of each sentence's last word."""
    x, count = words(ids), lengths(ids)
    cells = [CONTRIB.DropoutWrapper(CELLS.GRUCell(5), output_keep_prob=tf.placeholder_with_default(1.0, (), "keep"))]
    cells.append(CELLS.ResidualWrapper(CELLS.GRUCell(5)))
    y, states = tf.nn.dynamic_rnn(CELLS.MultiRNNCell(cells), x, sequence_length=count, dtype=tf.float32)
    last = tf.gather(tf.reshape(y, (-1, 5)), tf.range(tf.shape(ids)[0]) * 6 + tf.maximum(count, 1) - 1)
    return [tf.layers.dense(last, 3), states[1]]


@network((None, None), dtype=tf.int32, sizes=[(3, 6)])
def rare_cells(ids):
    """Cells that no framework has a layer for, some of them over sequences of different lengths."""
    x, count = words(ids), lengths(ids)
    peep = CELLS.LSTMCell(4, use_peepholes=True, num_proj=3)
    odd, state = tf.nn.dynamic_rnn(peep, x, sequence_length=count, dtype=tf.float32, scope="odd")
    normed, _ = tf.nn.dynamic_rnn(CONTRIB.LayerNormBasicLSTMCell(4), x, dtype=tf.float32, scope="normed")
    waved, _ = tf.nn.dynamic_rnn(CONTRIB.AttentionCellWrapper(CELLS.GRUCell(3), 2), x, dtype=tf.float32, scope="seen")
    return [odd, state.c, normed, waved]


@network((None, None, 4), sizes=[(2, 5, 4)])
def folded(x):
    """A loop of one's own."""
    kernel, recurrent = tf.get_variable("kernel", (4, 3)), tf.get_variable("recurrent", (3, 3))
    steps = tf.transpose(x, (1, 0, 2))
    start = tf.zeros((tf.shape(x)[0], 3))
    return tf.scan(lambda h, one: tf.nn.elu(tf.matmul(one, kernel) + tf.matmul(h, recurrent)) - h, steps, start)


@network((2, 6), dtype=tf.int32)
def taught(ids):
    """A decoder with attention that is told what to say."""
    x, tools = words(ids), tf.contrib.seq2seq
    seen, state = tf.nn.dynamic_rnn(CELLS.GRUCell(4), x, dtype=tf.float32)
    cell = tools.AttentionWrapper(CELLS.GRUCell(4), tools.BahdanauAttention(3, seen), attention_layer_size=3)
    start = cell.zero_state(2, tf.float32).clone(cell_state=state)
    helper = tools.TrainingHelper(x, tf.fill([2], 6))
    return tools.dynamic_decode(tools.BasicDecoder(cell, helper, start, tf.layers.Dense(4)))[0].rnn_output


@network((None, 6, 6, 3))
def quantised(x):
    """Trained as if it were quantised."""
    kernel = tf.get_variable("kernel", (3, 3, 3, 4))
    kernel = tf.fake_quant_with_min_max_vars(kernel, -0.61, 0.73, num_bits=8, narrow_range=True)
    y = tf.nn.conv2d(tf.fake_quant_with_min_max_args(x, -0.8, 0.9, num_bits=4), kernel, (1, 1, 1, 1), "SAME")
    low, high = tf.constant(np.linspace(-0.5, -0.3, 4), tf.float32), tf.constant(np.linspace(0.4, 0.6, 4), tf.float32)
    return y * tf.fake_quant_with_min_max_vars_per_channel(tf.get_variable("scale", (1, 4)), low, high)


@network((2, 6, 7, 3), (4, 4))
def regions(x, boxes):
    first = tf.image.crop_and_resize(x, boxes + 0.5, tf.constant([0, 1, 1, 0]), (3, 4), extrapolation_value=0.5)
    return [first, tf.image.crop_and_resize(x, tf.sigmoid(boxes), tf.constant([0, 1, 1, 0]), (1, 1))]


@network((2, 7, 8, 3))
def pictures(x):
    largest, places = tf.nn.max_pool_with_argmax(x, (1, 2, 2, 1), (1, 2, 2, 1), "SAME")
    brush = tf.get_variable("brush", (2, 3, 3))
    grown = tf.nn.dilation2d(x, brush, (1, 2, 1, 1), (1, 1, 2, 1), "VALID")
    same = tf.nn.dilation2d(x, brush, (1, 1, 1, 1), (1, 1, 1, 1), "SAME")
    return [largest, tf.cast(places, tf.int32), grown, same, tf.image.adjust_contrast(x, 1.5)]


@network((3, 5))
def older(x):
    """Running totals without the element itself, diagonals, segments, and rows as they were taken first."""
    table = tf.get_variable("table", (5, 4))
    chosen = tf.raw_ops.Gather(params=table, indices=tf.argmax(x, 1))
    square = tf.matmul(x, x, transpose_a=True)
    parts = tf.unsorted_segment_sum(x, tf.constant([1, 0, 1]), 3)
    ratio = tf.math.divide_no_nan(tf.math.xlogy(tf.nn.relu(x), tf.abs(x) + 1), x)
    totals = [tf.cumsum(x, 1, exclusive=True), tf.cumprod(x, 1, exclusive=True, reverse=True)]
    return [chosen, tf.linalg.diag_part(square), tf.linalg.diag(x), parts, ratio, *totals]


RECORDER.record()
