"""PyTensor: mode NUMBA, float32, state in shared variables.

PyTensor has no pooling and no many-channel convolution, so the convolutional workloads are not
attempted.
"""

from workloads import vision

from peer_pytensor import core, language, recurrent, scientific

NO_CONV = {"lenet_train", "resnet_block_train", *vision.CORE, *vision.DATA}
WORKLOADS = {
    **core.WORKLOADS,
    **language.WORKLOADS,
    **recurrent.WORKLOADS,
    **scientific.WORKLOADS,
}


def build(name, data):
    if name in NO_CONV:
        raise NotImplementedError("pytensor has no pooling and no many-channel convolution")
    return WORKLOADS[name](data)
