"""What each workload must cost at least, and how exact its outputs must be."""

from typing import NamedTuple

from workloads import NAMES
from workloads.language import GPT2, LAYERS, PLACES, VIT
from workloads.scientific import CENTRES, GP_SIZE, GRID, ITERATIONS, POINTS, WIDTH
from workloads.scientific import STEPS as WATER_STEPS
from workloads.vision import MOBILENETV2, RESNET18, RESNET50

M = 1 << 20
# Below this many compulsory bytes the floor counts bandwidth in cache, else bandwidth of memory.
CACHE_BYTES = 16e6


class Cost(NamedTuple):
    """Operations of products, factorisations and convolutions; bytes read or written once.

    Of a loop whose steps each need all of the state: of one of its `steps`.
    """

    operations: float
    bytes: float
    steps: int = 1


def network(layers, features, images=1):
    """An image network: its convolutions and the last layer, its weights and images."""
    operations = sum(layer.operations for layer in layers) + 2 * features * 1000
    weights = sum(c.outputs * c.inputs // c.groups * c.kernel**2 for c in layers)
    return Cost(images * operations, 4 * (weights + features * 1000 + images * 3 * 224**2))


def layer(tokens, d, seen=None):
    """Operations of one transformer layer's products; each token sees `seen` tokens."""
    return 2 * tokens * (12 * d * d + 2 * (seen or tokens) * d)


def elements(shapes):
    """How many numbers the parameters of these shapes have."""
    total = 0
    for shape in shapes:
        count = 1
        for size in shape:
            count *= size
        total += count
    return total


def recurrent(gates):
    """A training step of a layer of 128 units with so many gates, over 64 steps of 32 rows."""
    operations = 2 * 64 * 32 * 128 * gates * (64 + 128 + 64 + 128 + 128)
    return operations, 4 * (64 * 32 * 64 + 2 * 192 * 128 * gates)


def _core():
    l1, l2, l3 = (2 * 128 * k for k in (784 * 512, 512 * 512, 512 * 10))
    mlp = 4 * (784 * 512 + 512 * 512 + 512 * 10 + 1034)
    c1, c2 = 2 * 64 * 784 * 6 * 25, 2 * 64 * 100 * 16 * 150
    fc = 2 * 64 * (400 * 120 + 120 * 84 + 84 * 10)
    conv = 2 * 8 * 56 * 56 * 64 * 64 * 9
    attention = layer(128, 256)  # one sequence
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
        "resnet18_infer_b1": network(RESNET18, 512),
        "lstm_train": recurrent(4),
        "transformer_infer": (attention, 4 * (12 * 256 * 256 + 2 * 128 * 256)),
        "transformer_train": (3 * 8 * attention, 4 * (24 * 256 * 256 + 2 * 1024 * 256)),
        "hessian_mlp": (2 * 64 * 193 * 193, 4 * 193 * 193),
        "hvp_mlp": (3 * l1 + 8 * (l2 + l3), 3 * mlp),
        "adam_fused": (0, 7 * 40_000_000),
    }


def _added():
    bert = 12 * 768 * 768
    gpt2 = elements(GPT2.values()) - 1023 * 768  # one row of the positions
    cache = 2 * LAYERS * PLACES * 768
    patches, head = 2 * 196 * 768 * 192, 2 * 192 * 1000
    dqn = 2 * 32 * (4 * 64 + 64 * 64 + 64 * 2)
    return {
        "resnet50_infer_b1": network(RESNET50, 2048),
        "resnet50_infer_b8": network(RESNET50, 2048, 8),
        "mobilenetv2_infer_b1": network(MOBILENETV2, 1280),
        "bert_infer_b1": (
            LAYERS * layer(128, 768) + 2 * 768 * 768,
            4 * (LAYERS * bert + 768 * 768 + 3 * 128 * 768),
        ),
        "gpt2_decode_b1": (
            LAYERS * layer(1, 768, PLACES) + 2 * 50257 * 768,
            4 * (gpt2 + cache + 50257),
        ),
        "vit_train": (
            8 * (3 * (LAYERS * layer(197, 192) + head) + 2 * patches),
            4 * (4 * elements(VIT.values()) + 8 * 3 * 224**2),
        ),
        "gru_train": recurrent(3),
        "bilstm_train": tuple(2 * cost for cost in recurrent(4)),
        # Both networks forwards, one backwards, without the gradient of the states.
        "dqn_train": (4 * dqn - 2 * 32 * 4 * 64, 4 * 7 * 4_610),
        # The factor and, for the gradient, the inverse; distances and their gradient.
        "gp_likelihood": (GP_SIZE**3 + 4 * GP_SIZE**2 * 8, 4 * GP_SIZE * 9),
        "shallow_water": (0, 4 * 6 * GRID * GRID, WATER_STEPS),
        "kmeans": (2 * POINTS * WIDTH * CENTRES, 4 * POINTS * WIDTH, ITERATIONS),
    }


COST = {name: Cost(*cost) for name, cost in (_core() | _added()).items()}
# What moves bytes as these do cannot move them faster than plain loops that do nothing else.
KIND = {
    "softmax_rows": "copy",
    "layernorm_rows": "copy",
    "layernorm_grad": "triad",
    "logsumexp_all": "read",
    "mean_var": "read",
    "adam_fused": "update",
    "gpt2_decode_b1": "read",
}
# Largest accepted relative error: L2 norm, per output, against a float64 run; for state, of its
# change over 3 steps.  adam_fused: p is near 1 and moves by 1e-4 a step, float32 itself is coarse.
TOLERANCE = dict.fromkeys(NAMES, 1e-4) | dict.fromkeys(
    (
        "mlp_train",
        "lenet_train",
        "resnet_block_train",
        "transformer_train",
        "adam_fused",
        "vit_train",
        "dqn_train",
        "gp_likelihood",
        "shallow_water",
        "kmeans",
    ),
    1e-3,
)


def floor_ms(name, limits):
    """The time below which nobody should get, from the machine's measured limits; None without.

    The products' operations at the best measured rate, or the compulsory bytes at the best
    bandwidth measured, of loops that read and write alike where it is known which those are;
    whichever takes longer.
    """
    operations, size, steps = COST[name]
    place = "cache" if size < CACHE_BYTES else "dram"
    rates = [v for k, v in limits.items() if k.endswith("gflops")]
    kind = f"{place}_{KIND.get(name, '')}"
    bandwidths = [v for k, v in limits.items() if k.startswith(kind)]
    bandwidths = bandwidths or [v for k, v in limits.items() if k.startswith(place)]
    if not rates or not bandwidths:
        return None
    return steps * max(operations / max(rates), size / max(bandwidths)) / 1e6
