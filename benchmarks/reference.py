"""The float64 run that every peer's outputs are checked against."""

from functools import partial

import peer_torch
import torch

build = partial(peer_torch.build, dtype=torch.float64)
