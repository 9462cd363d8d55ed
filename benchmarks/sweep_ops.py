"""Times the ops beside products and reductions at several sizes beside NumPy, PyTorch and JAX.

Every case is compiled by graphc with named sizes and with fixed ones. What is printed for each size
are milliseconds, how many times those of the quickest peer, and bytes read and written per second;
lines of more than LIMIT times are marked. The peers take turns, and the least time counts.

Usage: sweep_ops.py [--seconds S] [--peers numpy,jax,torch] [--max BYTES] [CASE ...]
  CASE    the beginning of a case's name (default: all)
Set GRAPHC_NUM_THREADS, OMP_NUM_THREADS and the CPU affinity to the same number.
"""

import argparse
import importlib.util
import time
import warnings

import numpy as np
from ops_cases import CASES
from sweep import best

import graphc as gc

LIMIT = 1.0
ROUNDS = 2
#: Seconds before a round: PyTorch, which comes last, leaves threads behind that wait for work with
#: open eyes.
PAUSE = 0.25


def has(peer):
    return importlib.util.find_spec(peer) is not None


def prepared_torch(function, arrays):
    """A call of PyTorch on these arrays."""
    import torch

    tensors = [torch.from_numpy(a) for a in arrays]
    torch.set_grad_enabled(False)
    return lambda: function(torch, *tensors)


def prepared_jax(function, arrays):
    """A call of JAX on these arrays, compiled."""
    import jax

    jitted = jax.jit(lambda *xs: function(jax, *xs))
    values = [jax.device_put(a) for a in arrays]
    return lambda: jax.block_until_ready(jitted(*values))


def prepared_numpy(function, arrays):
    return lambda: function(np, *arrays)


PEERS = {"numpy": prepared_numpy, "torch": prepared_torch, "jax": prepared_jax}


def compiled(case, arrays, named):
    """A call of graphc on these arrays."""
    shapes = [
        [f"d{k}_{a}" if named and d > 1 and case.free(k, a) else d for a, d in enumerate(x.shape)]
        for k, x in enumerate(arrays)
    ]
    for (k, a), (other, b) in case.same.items():
        if a < len(shapes[k]):
            shapes[k][a] = shapes[other][b]
    inputs = [
        gc.placeholder(f"x{k}", tuple(shape), str(x.dtype))
        for k, (shape, x) in enumerate(zip(shapes, arrays, strict=True))
    ]
    run = gc.compile(inputs, case.graphc(gc, *inputs))
    return lambda: run(*arrays)


def calls_of(case, arrays, peers):
    """{who: call} of those that have the op."""
    calls = {}
    for who, named in (("named", True), ("fixed", False)):
        try:
            calls[who] = compiled(case, arrays, named)
        except gc.GraphError as error:
            if who == "fixed":
                raise
            print(f"  not with named sizes: {str(error).splitlines()[0]}")
    for peer in peers:
        function = getattr(case, peer)
        if function is not None:
            calls[peer] = PEERS[peer](function, arrays)
    for call in calls.values():
        call()
    return calls


def compare(name, case, arrays, peers, seconds):
    calls = calls_of(case, arrays, peers)
    times = dict.fromkeys(calls, float("inf"))
    for _ in range(ROUNDS):
        time.sleep(PAUSE)
        for who, call in calls.items():
            times[who] = min(times[who], best(call, seconds))
    theirs = {who: times[who] for who in peers if who in times}
    quickest = min(theirs, key=theirs.get, default=None)
    moved = sum(a.nbytes for a in arrays)
    shape = "x".join(map(str, arrays[0].shape)) + arrays[0].dtype.str[1:]
    for who in ("named", "fixed"):
        if who in times:
            over = times[who] / theirs[quickest] if quickest else float("nan")
            print(
                f"{name:20} {shape:16} {who} {1e3 * times[who]:10.4f} ms"
                f" {over:7.2f} x {quickest!s:6} {moved / times[who] / 1e9:7.2f} GB/s"
                + "".join(f"  {p} {1e3 * t:.4f}" for p, t in theirs.items())
                + ("  *" if over > LIMIT else ""),
                flush=True,
            )


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("cases", nargs="*", metavar="CASE")
    parser.add_argument("--seconds", type=float, default=0.02)
    parser.add_argument("--peers", default="numpy,jax,torch")
    parser.add_argument("--max", type=int, default=1 << 30, metavar="BYTES")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    peers = [peer for peer in args.peers.split(",") if has(peer)]
    for name, case in CASES.items():
        if not args.cases or name.startswith(tuple(args.cases)):
            for arrays in case.inputs():
                if sum(a.nbytes for a in arrays) <= args.max:
                    compare(name, case, arrays, peers, args.seconds)


if __name__ == "__main__":
    main()
