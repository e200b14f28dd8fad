"""What layers say otherwise where they make their weights at once, told the number of their inputs."""

from __future__ import annotations

_BUILD = "        self.fan_in = inputs\n        if inputs is not None:\n            self.build((None, inputs{}))\n"
_WRAPPED = "        if layer.built:\n            self.build(None)\n"


def _convolution(count: int) -> dict[str, str]:
    return {
        'padding_mode="zeros"\n    ):': 'padding_mode="zeros",\n        inputs=None,\n    ):  # fmt: skip',
        'if padding_mode == "zeros" else padding_mode\n': 'if padding_mode == "zeros" else padding_mode\n'
        + _BUILD.format(", *[None] * " + str(count)),
    }


def _transposed(count: int) -> dict[str, str]:
    return {
        "    def __init__(self, filters, kernel_size, strides=1, padding=0, output_padding=0, use_bias=True, "
        "dilation_rate=1):\n": "    def __init__(\n        self, filters, kernel_size, strides=1, padding=0, "
        "output_padding=0, use_bias=True, dilation_rate=1, inputs=None\n    ):\n",
        "else tuple(output_padding)\n": "else tuple(output_padding)\n" + _BUILD.format(", *[None] * " + str(count)),
    }


def _block(norms: str, before: str) -> dict[str, str]:
    return {
        "Dense(dim_feedforward), Dense(d_model)": "Dense(dim_feedforward, inputs=d_model), "
        "Dense(d_model, inputs=dim_feedforward)",
        before: f"        for norm in {norms}:\n            norm.build((None, d_model))\n{before}",
    }


AT_ONCE: dict[str, dict[str, str]] = {
    "Dense": {
        "use_bias=True):\n": "use_bias=True, inputs=None):\n",
        "bias_initializer=None)\n": "bias_initializer=None)\n" + _BUILD.format(""),
    },
    "TiedDense": {
        "`layer.tied = embedding`": "`layer.tie(embedding)`",
        """    def build(self, input_shape):
        super().build(input_shape)
        if self.tied is not None:
            self._untrack_variable(self.kernel)
""": """    def tie(self, embedding):
        self._tracker.unlock()
        self.tied = embedding
        self._untrack_variable(self.kernel)
""",
    },
    **{f"Conv{n}D": _convolution(n) for n in (1, 2, 3)},
    **{f"Conv{n}DTranspose": _transposed(n) for n in (1, 2, 3)},
    "BatchNormalization": {
        "epsilon=1e-5, **options):": "epsilon=1e-5, inputs=None, **options):",
        "**options)\n\n": "**options)\n        if inputs is not None:\n            self.build((None, inputs))\n\n"
        "    def build(self, input_shape):\n        super().build(input_shape)\n        self.input_spec = None\n\n",
        "training=None):\n": "training=None):\n        self._reduction_axes = [0, *range(2, len(x.shape))]\n",
    },
    "Embedding": {"else padding_idx % input_dim\n": "else padding_idx % input_dim\n        self.build()\n"},
    "Bilinear": {
        "(features, first, second), use_bias\n": "(features, first, second), use_bias\n        self.build(None, None)\n"
    },
    "WeightNorm": {"self.dim = dim\n": "self.dim = dim\n" + _WRAPPED},
    "SpectralNorm": {"n_power_iterations, eps, parametrized\n": "n_power_iterations, eps, parametrized\n" + _WRAPPED},
    "TransformerEncoderLayer": _block("(self.norm1, self.norm2)", "        self.dropout, self.dropout1"),
    "TransformerDecoderLayer": _block("(self.norm1, self.norm2, self.norm3)", "        self.dropout, self.dropout1"),
    "Transformer": {
        "        self.encoder =": "        for norm in norms:\n            norm.build((None, d_model))\n        self.encoder =",
        "layer.kernel_initializer = glorot()": "layer.kernel.assign(glorot()(layer.kernel.shape))",
    },
}
"""By helper: what stands in its source, and what stands there instead."""


def at_once(name: str, text: str) -> str:
    """A helper's source where layers make their weights at once."""
    for old, new in AT_ONCE.get(name, {}).items():
        assert old in text, (name, old)
        text = text.replace(old, new)
    return text
