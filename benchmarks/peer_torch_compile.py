"""torch.compile (inductor, default mode) over peer_torch.py; inference with frozen weights."""

from functools import partial

import peer_torch

build = partial(peer_torch.build, compiled=True)
