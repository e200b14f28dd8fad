"""Attention and transformers with PyTorch's weights and masks."""

from __future__ import annotations

HELPERS: dict[str, str] = {
    "scaled_dot_product_attention": '''
def scaled_dot_product_attention(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None):
    """Attention over the last two axes; a mask of booleans says what is seen, one of numbers is added."""
    scores = ops.matmul(query, ops.swapaxes(key, -2, -1)) * (scale or query.shape[-1] ** -0.5)
    if is_causal:
        attn_mask = ops.tril(ops.ones(scores.shape[-2:], dtype="bool"))
    if attn_mask is not None:
        if "bool" in str(attn_mask.dtype):
            scores = ops.where(attn_mask, scores, float("-inf"))
        else:
            scores = scores + attn_mask
    weights = ops.softmax(scores, axis=-1)
    if dropout_p:
        weights = keras.random.dropout(weights, dropout_p)
    return ops.matmul(weights, value)
''',
    "MultiheadAttention": '''
class MultiheadAttention(layers.Layer):
    """Attention with several heads and PyTorch's weights; masks of booleans say what is not seen."""

    def __init__(self, embed_dim, num_heads, dropout=0.0, bias=True, batch_first=False):
        super().__init__()
        self.num_heads, self.batch_first = num_heads, batch_first
        self.dropout = layers.Dropout(dropout)
        glorot = keras.initializers.GlorotUniform
        self.in_proj_weight = self.add_weight((3 * embed_dim, embed_dim), glorot(), name="in_proj_weight")
        self.in_proj_bias = self.add_weight((3 * embed_dim,), "zeros", name="in_proj_bias") if bias else None
        bound = embed_dim**-0.5
        uniform = keras.initializers.RandomUniform(-bound, bound)
        self.out_weight = self.add_weight((embed_dim, embed_dim), uniform, name="out_weight")
        self.out_bias = self.add_weight((embed_dim,), "zeros", name="out_bias") if bias else None

    def call(
        self, query, key, value, key_padding_mask=None, need_weights=True, attn_mask=None,
        average_attn_weights=True, is_causal=False, training=None,
    ):  # fmt: skip
        def heads(x, w, b):
            x = x if self.batch_first else ops.swapaxes(x, 0, 1)
            y = ops.matmul(x, ops.transpose(w)) + (0.0 if b is None else b)
            y = ops.reshape(y, (ops.shape(y)[0], ops.shape(y)[1], self.num_heads, -1))
            return ops.transpose(y, (0, 2, 1, 3))

        def hidden(mask, scores):
            return ops.where(mask, float("-inf"), 0.0) if "bool" in str(mask.dtype) else mask

        biases = (None,) * 3 if self.in_proj_bias is None else ops.split(self.in_proj_bias, 3)
        q, k, v = map(heads, (query, key, value), ops.split(self.in_proj_weight, 3), biases)
        scores = ops.matmul(q, ops.swapaxes(k, -2, -1)) * q.shape[-1] ** -0.5
        if attn_mask is not None:
            if len(attn_mask.shape) == 3:
                attn_mask = ops.reshape(attn_mask, (-1, self.num_heads, *attn_mask.shape[1:]))
            scores = scores + hidden(attn_mask, scores)
        if key_padding_mask is not None:
            scores = scores + hidden(key_padding_mask, scores)[:, None, None]
        weights = self.dropout(ops.softmax(scores, axis=-1), training=training)
        y = ops.transpose(ops.matmul(weights, v), (0, 2, 1, 3))
        y = ops.reshape(y, (ops.shape(y)[0], ops.shape(y)[1], -1))
        y = ops.matmul(y, ops.transpose(self.out_weight)) + (0.0 if self.out_bias is None else self.out_bias)
        y = y if self.batch_first else ops.swapaxes(y, 0, 1)
        if not need_weights:
            return y, None
        return y, ops.mean(weights, axis=1) if average_attn_weights else weights
''',
    "TransformerEncoderLayer": '''
class TransformerEncoderLayer(layers.Layer):
    """Attention to itself, then two dense layers, each beside a shortcut and a normalisation."""

    def __init__(
        self, d_model, nhead, dim_feedforward=2048, dropout=0.1, activation=ops.relu, layer_norm_eps=1e-5,
        batch_first=False, norm_first=False,
    ):  # fmt: skip
        super().__init__()
        self.options = (d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first)
        self.self_attn = MultiheadAttention(d_model, nhead, dropout, batch_first=batch_first)
        self.linear1, self.linear2 = Dense(dim_feedforward), Dense(d_model)
        self.norm1 = layers.LayerNormalization(epsilon=layer_norm_eps)
        self.norm2 = layers.LayerNormalization(epsilon=layer_norm_eps)
        self.dropout, self.dropout1, self.dropout2 = (layers.Dropout(dropout) for _ in range(3))
        if isinstance(activation, str):
            activation = {"relu": ops.relu, "gelu": keras.activations.gelu}[activation]
        self.activation, self.norm_first = activation, norm_first

    def attend(self, x, mask, padding):
        y, _ = self.self_attn(x, x, x, key_padding_mask=padding, need_weights=False, attn_mask=mask)
        return self.dropout1(y)

    def feed(self, x):
        return self.dropout2(self.linear2(self.dropout(self.activation(self.linear1(x)))))

    def call(self, src, src_mask=None, src_key_padding_mask=None, is_causal=False):
        if self.norm_first:
            x = src + self.attend(self.norm1(src), src_mask, src_key_padding_mask)
            return x + self.feed(self.norm2(x))
        x = self.norm1(src + self.attend(src, src_mask, src_key_padding_mask))
        return self.norm2(x + self.feed(x))
''',
    "TransformerEncoder": '''
class TransformerEncoder(layers.Layer):
    """Several encoder layers of one kind, one after the other."""

    def __init__(self, encoder_layer, num_layers, norm=None):
        super().__init__()
        self.layers = [type(encoder_layer)(*encoder_layer.options) for _ in range(num_layers)]
        self.norm = norm

    def call(self, src, mask=None, src_key_padding_mask=None, is_causal=False):
        for layer in self.layers:
            src = layer(src, src_mask=mask, src_key_padding_mask=src_key_padding_mask)
        return src if self.norm is None else self.norm(src)
''',
    "TransformerDecoderLayer": '''
class TransformerDecoderLayer(layers.Layer):
    """Attention to itself, attention to a memory, then two dense layers, each beside a shortcut and a normalisation."""

    def __init__(
        self, d_model, nhead, dim_feedforward=2048, dropout=0.1, activation=ops.relu, layer_norm_eps=1e-5,
        batch_first=False, norm_first=False,
    ):  # fmt: skip
        super().__init__()
        self.options = (d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first)
        self.self_attn = MultiheadAttention(d_model, nhead, dropout, batch_first=batch_first)
        self.multihead_attn = MultiheadAttention(d_model, nhead, dropout, batch_first=batch_first)
        self.linear1, self.linear2 = Dense(dim_feedforward), Dense(d_model)
        self.norm1, self.norm2, self.norm3 = (layers.LayerNormalization(epsilon=layer_norm_eps) for _ in range(3))
        self.dropout, self.dropout1, self.dropout2, self.dropout3 = (layers.Dropout(dropout) for _ in range(4))
        if isinstance(activation, str):
            activation = {"relu": ops.relu, "gelu": keras.activations.gelu}[activation]
        self.activation, self.norm_first = activation, norm_first

    def feed(self, x):
        return self.dropout3(self.linear2(self.dropout(self.activation(self.linear1(x)))))

    def call(
        self, tgt, memory, tgt_mask=None, memory_mask=None, tgt_key_padding_mask=None, memory_key_padding_mask=None,
        tgt_is_causal=False, memory_is_causal=False,
    ):  # fmt: skip
        def itself(x):
            y = self.self_attn(x, x, x, key_padding_mask=tgt_key_padding_mask, need_weights=False, attn_mask=tgt_mask)
            return self.dropout1(y[0])

        def other(x):
            options = {"key_padding_mask": memory_key_padding_mask, "attn_mask": memory_mask, "need_weights": False}
            return self.dropout2(self.multihead_attn(x, memory, memory, **options)[0])

        if self.norm_first:
            x = tgt + itself(self.norm1(tgt))
            x = x + other(self.norm2(x))
            return x + self.feed(self.norm3(x))
        x = self.norm1(tgt + itself(tgt))
        x = self.norm2(x + other(x))
        return self.norm3(x + self.feed(x))
''',
    "TransformerDecoder": '''
class TransformerDecoder(layers.Layer):
    """Several decoder layers of one kind, one after the other."""

    def __init__(self, decoder_layer, num_layers, norm=None):
        super().__init__()
        self.layers = [type(decoder_layer)(*decoder_layer.options) for _ in range(num_layers)]
        self.norm = norm

    def call(
        self, tgt, memory, tgt_mask=None, memory_mask=None, tgt_key_padding_mask=None, memory_key_padding_mask=None,
        tgt_is_causal=None, memory_is_causal=False,
    ):  # fmt: skip
        for layer in self.layers:
            tgt = layer(
                tgt, memory, tgt_mask=tgt_mask, memory_mask=memory_mask, tgt_key_padding_mask=tgt_key_padding_mask,
                memory_key_padding_mask=memory_key_padding_mask,
            )  # fmt: skip
        return tgt if self.norm is None else self.norm(tgt)
''',
    "Transformer": '''
class Transformer(layers.Layer):
    """An encoder of a source, and a decoder of a target that attends to it."""

    def __init__(
        self, d_model=512, nhead=8, num_encoder_layers=6, num_decoder_layers=6, dim_feedforward=2048, dropout=0.1,
        activation=ops.relu, layer_norm_eps=1e-5, batch_first=False, norm_first=False,
    ):  # fmt: skip
        super().__init__()
        options = (d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first)
        norms = [layers.LayerNormalization(epsilon=layer_norm_eps) for _ in range(2)]
        self.encoder = TransformerEncoder(TransformerEncoderLayer(*options), num_encoder_layers, norms[0])
        self.decoder = TransformerDecoder(TransformerDecoderLayer(*options), num_decoder_layers, norms[1])
        glorot = keras.initializers.GlorotUniform
        for layer in self._flatten_layers():
            if isinstance(layer, Dense):
                layer.kernel_initializer = glorot()
            elif isinstance(layer, MultiheadAttention):
                layer.out_weight.assign(glorot()(layer.out_weight.shape))

    def call(
        self, src, tgt, src_mask=None, tgt_mask=None, memory_mask=None, src_key_padding_mask=None,
        tgt_key_padding_mask=None, memory_key_padding_mask=None, src_is_causal=None, tgt_is_causal=None,
        memory_is_causal=False,
    ):  # fmt: skip
        memory = self.encoder(src, mask=src_mask, src_key_padding_mask=src_key_padding_mask)
        return self.decoder(
            tgt, memory, tgt_mask=tgt_mask, memory_mask=memory_mask, tgt_key_padding_mask=tgt_key_padding_mask,
            memory_key_padding_mask=memory_key_padding_mask,
        )  # fmt: skip
''',
    "causal_mask": '''
def causal_mask(size):
    """What is added to the scores of attention so that no place sees a later one."""
    return ops.where(ops.triu(ops.ones((size, size)), 1) > 0, float("-inf"), 0.0)
''',
}
