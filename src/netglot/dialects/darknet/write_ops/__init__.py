"""How Darknet's sections spell the ops of the pivot: convolutions of pictures, and what goes with them.

What is written keeps to what Darknet and OpenCV's dnn module both run alike. Norms are folded into the convolutions
before them, because implementations of Darknet add different epsilons to the variance.
"""

from netglot.dialects.darknet.dialect import darknet
from netglot.dialects.darknet.write_ops import refusals, sections  # noqa: F401
from netglot.passes.channels_first import channels_first

channels_first(darknet)
