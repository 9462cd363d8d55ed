"""PyTensor: mode NUMBA, float32, state in shared variables.

PyTensor has no pooling and no many-channel convolution, so the convolutional workloads are not
attempted.
"""

from peer_pytensor import core

NO_CONV = {"lenet_train", "resnet_block_train", "resnet18_infer_b1"} | {
    "resnet50_infer_b1",
    "resnet50_infer_b8",
    "mobilenetv2_infer_b1",
}
WORKLOADS = {**core.WORKLOADS}


def build(name, data):
    if name in NO_CONV:
        raise NotImplementedError("pytensor has no pooling and no many-channel convolution")
    if name not in WORKLOADS:
        raise NotImplementedError("not attempted with pytensor")
    return WORKLOADS[name](data)
