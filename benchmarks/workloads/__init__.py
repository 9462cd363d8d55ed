"""The workloads: input data (numpy, float32, fixed seeds) and what to compute.

Notation: weights W are (inputs, outputs), images NCHW, convolution weights OIHW;
relu(x) = max(x, 0); LN(x; g, b) = (x - mean) / sqrt(var + 1e-5) * g + b over the last axis;
var is the population variance; xent(z, y) = mean over rows of logsumexp(z) - z[y];
Adam is defined in core.py. "Outputs" is what one call returns, in this order.

The modules' docstrings define them: core.py (the first 21), vision.py, language.py, recurrent.py,
scientific.py (those added later). Networks are written there once, over a peer's own operations.

Outside the comparison: `digits_step`, the training step of compile_time.py (784-512-10, Adam).
"""

import zlib

from workloads import core, language, recurrent, scientific, vision
from workloads.arrays import Normal

CORE = list(core.DATA)
ADDED = [*vision.DATA, *language.DATA, *recurrent.DATA, *scientific.DATA]
NAMES = CORE + ADDED
DATA = {
    **core.DATA,
    **vision.DATA,
    **language.DATA,
    **recurrent.DATA,
    **scientific.DATA,
    **core.EXTRA,
}

#: What the seeds of two draws differ by.
DRAW = 7919


def make(name, draw=0):
    """The workload's input arrays, by name; the same on every call, others for another draw."""
    seed = zlib.crc32(name.encode()) + core.LENET_SEED * (name == "lenet_train")
    return DATA[name](Normal(seed + DRAW * draw))
