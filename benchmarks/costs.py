"""What each workload must cost at least, and how exact its outputs must be."""

from workloads import NAMES, RESNET18

M = 1 << 20
# Below this many compulsory bytes the floor counts bandwidth in cache, else bandwidth of memory.
CACHE_BYTES = 16e6


def _costs():
    """{workload: (operations of its products and convolutions, bytes read or written once)}."""
    l1, l2, l3 = (2 * 128 * k for k in (784 * 512, 512 * 512, 512 * 10))
    mlp = 4 * (784 * 512 + 512 * 512 + 512 * 10 + 1034)
    c1, c2 = 2 * 64 * 784 * 6 * 25, 2 * 64 * 100 * 16 * 150
    fc = 2 * 64 * (400 * 120 + 120 * 84 + 84 * 10)
    conv = 2 * 8 * 56 * 56 * 64 * 64 * 9
    attention = 2 * 128 * (12 * 256 * 256 + 2 * 128 * 256)  # one sequence
    resnet = sum(2 * h * h * cout * cin * k * k for _, cin, cout, k, _, h in RESNET18)
    return {
        "ew_chain": (0, 32 * M),
        "ew_grad": (0, 32 * M),
        "softmax_rows": (0, 64 * M),
        "layernorm_rows": (0, 64 * M),
        "layernorm_grad": (0, 96 * M),
        "logsumexp_all": (0, 64 * M),
        "mean_var": (0, 64 * M),
        "gemm_1024": (2 * 1024**3, 12 * M),
        "gemm_bias_relu": (2 * 128 * 784 * 512, 4 * (128 * 784 + 784 * 512 + 128 * 512)),
        "tiny_call": (0, 80),
        "mlp_infer_b1": (2 * 669_696, mlp),
        "mlp_train": (2 * l1 + 3 * (l2 + l3), 6 * mlp),
        "lenet_train": (2 * c1 + 3 * (c2 + fc), 4 * (61_706 * 4 + 64 * 784)),
        "resnet_block_train": (6 * conv, 4 * 3 * 8 * 64 * 56 * 56),
        "resnet18_infer_b1": (resnet + 2 * 512 * 1000, 4 * 11_700_000),
        "lstm_train": (
            2 * 64 * 32 * 512 * (64 + 128 + 64 + 128 + 128),
            4 * (64 * 32 * 64 + 2 * 192 * 512),
        ),
        "transformer_infer": (attention, 4 * (12 * 256 * 256 + 2 * 128 * 256)),
        "transformer_train": (3 * 8 * attention, 4 * (24 * 256 * 256 + 2 * 1024 * 256)),
        "hessian_mlp": (2 * 64 * 193 * 193, 4 * 193 * 193),
        "hvp_mlp": (3 * l1 + 8 * (l2 + l3), 3 * mlp),
        "adam_fused": (0, 7 * 40_000_000),
    }


COST = _costs()
# Largest accepted relative error: L2 norm, per output, against a float64 run; for state, of its
# change over 3 steps.  adam_fused: p is near 1 and moves by 1e-4 a step, float32 itself is coarse.
TOLERANCE = dict.fromkeys(NAMES, 1e-4) | dict.fromkeys(
    ("mlp_train", "lenet_train", "resnet_block_train", "transformer_train", "adam_fused"), 1e-3
)


def floor_ms(name, limits):
    """The time below which nobody should get, from the machine's measured limits; None without.

    The products' operations at the best measured rate, or the compulsory bytes at the best
    measured bandwidth, whichever takes longer.
    """
    operations, size = COST[name]
    place = "cache" if size < CACHE_BYTES else "dram"
    rates = [v for k, v in limits.items() if k.endswith("gflops")]
    bandwidths = [v for k, v in limits.items() if k.startswith(place)]
    if not rates or not bandwidths:
        return None
    return max(operations / max(rates), size / max(bandwidths)) / 1e6
