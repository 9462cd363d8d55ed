"""PyTorch, eager.

peer_torch_compile.py runs the same definitions through torch.compile (inductor).
"""

import os

import torch

from peer_torch import core, language, recurrent, scientific, vision
from peer_torch.steps import Jit

torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
WORKLOADS = {
    **core.WORKLOADS,
    **vision.WORKLOADS,
    **language.WORKLOADS,
    **recurrent.WORKLOADS,
    **scientific.WORKLOADS,
}
# Convolutions run faster with the channels last.
IMAGES = ("resnet", "lenet", "mobilenet")


def build(name, data, compiled=False, dtype=torch.float32):
    d = {
        k: torch.from_numpy(v).to(dtype if v.dtype.kind == "f" else torch.int64)
        for k, v in data.items()
    }
    if any(part in name for part in IMAGES):
        d = {
            k: v.contiguous(memory_format=torch.channels_last) if v.ndim == 4 else v
            for k, v in d.items()
        }
    return WORKLOADS[name](d, Jit(compiled))
