"""Errors against a float64 run over several draws of the inputs; writes ACCURACY.md.

The table of RESULTS.md has one draw. There luck may decide: an error of a scalar is that of one
rounding, and a step of Adam divides gradients that nearly cancel by their own size.

Usage: accuracy.py [--peers a,b] [--workloads x,y] [--draws N] [--python PATH | PEER=PATH ...]
"""

import argparse
import functools
import gc
import json
import os
import statistics
import subprocess
import tempfile

import worker
import workloads
from environments import Pythons
from processes import HERE, environment
from run import difference

RESULTS = os.path.join(HERE, "accuracy.json")
#: Draws unless a row says otherwise.
DRAWS = 5
HEAD = f"""# Errors over several draws

Written by `accuracy.py`: relative errors of the worst output against float64, as in RESULTS.md, but
of {DRAWS} draws of the inputs, or as many as a row says: their mean, and in brackets the least and
the greatest. The least mean in bold, and those that are greater by no more than a fiftieth. n/a: a
peer that has no such run, or was not measured (PyTensor compiles transformer_train for minutes).

ew_chain and ew_grad are more exact where a compiler contracts a product and a sum into one
operation, which graphc never does. The gradients of resnet_block_train jump where rounding decides
on which side of zero an argument of its relu falls, and the draws where it does, about every fourth
of graphc's and of JAX's, make the means.

"""
ALIKE = 1.02


def of_draws(module, workload, folder, draws):
    """Runs in a process of its own: every draw's values go to a file of `folder`."""
    make = workloads.make
    for draw in range(draws):
        workloads.make = functools.partial(make, draw=draw)
        worker.prepare(module, workload, f"{folder}/{module}.{draw}.npz")
        gc.collect()


def values(python, module, workload, folder, draws, threads):
    """Whether a peer's values of all draws are in `folder`; says why if they are not."""
    text = f"import accuracy; accuracy.of_draws({module!r}, {workload!r}, {folder!r}, {draws})"
    env = environment(folder, threads)
    done = subprocess.run([python, "-c", text], env=env, capture_output=True, text=True)
    if done.returncode:
        why = [f"ended with {done.returncode}", *done.stderr.strip().splitlines()][-1]
        print(f"{workload} {module}: {why[:200]}", flush=True)
    return done.returncode == 0


def errors(pythons, workload, peers, draws, threads):
    """{peer: [error of a draw, ...]} of one workload."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        if not values(pythons.of("reference"), "reference", workload, folder, draws, threads):
            raise SystemExit(f"no float64 run of {workload}")
        for peer in peers:
            module = f"peer_{peer}"
            if values(pythons.of(peer), module, workload, folder, draws, threads):
                names = [f"{folder}/{{}}.{draw}.npz" for draw in range(draws)]
                found[peer] = [difference(n.format(module), n.format("reference")) for n in names]
    return found


def cell(found, best):
    """Mean, least and greatest of a peer's errors."""
    if not found:
        return "n/a"
    mean = statistics.fmean(found)
    text = f"{mean:.2e}"
    return (
        f"**{text}**" if mean <= ALIKE * best else text
    ) + f" ({min(found):.1e}, {max(found):.1e})"


def label(workload, row):
    """The workload, with how many draws were made where that is not the usual number."""
    least, most = (of(len(found) for found in row.values()) for of in (min, max))
    if least == most == DRAWS:
        return workload
    return f"{workload} ({most if least == most else f'{least} to {most}'} draws)"


def table(results):
    """The markdown of {workload: {peer: errors}}."""
    peers = list(dict.fromkeys(p for row in results.values() for p in row))
    lines = [f"| workload | {' | '.join(peers)} |", "|---" * (len(peers) + 1) + "|"]
    for workload in (w for w in workloads.NAMES if w in results):
        row = results[workload]
        best = min(statistics.fmean(found) for found in row.values())
        cells = [cell(row.get(p), best) for p in peers]
        lines.append(f"| {label(workload, row)} | {' | '.join(cells)} |")
    return HEAD + "\n".join(lines) + "\n"


def save(results):
    with open(RESULTS, "w") as f:
        json.dump(results, f, indent=1)
    with open(os.path.join(HERE, "ACCURACY.md"), "w") as f:
        f.write(table(results))


def main():
    a = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    a.add_argument("--peers", default="graphc,torch,jax,pytensor,onnxruntime")
    a.add_argument("--workloads", help="comma-separated; all by default")
    a.add_argument("--draws", type=int, default=DRAWS, help=f"draws of the inputs ({DRAWS})")
    a.add_argument("--threads", type=int, default=2, help="threads a peer gets (2)")
    a.add_argument("--python", action="append", default=[], help="PATH for all peers, or PEER=PATH")
    options = a.parse_args()
    pythons = Pythons(options.python)
    peers = [p for p in options.peers.split(",") if pythons.explain(p)]
    results = {}
    if os.path.exists(RESULTS):
        with open(RESULTS) as f:
            results = json.load(f)
    names = options.workloads.split(",") if options.workloads else workloads.NAMES
    for name in names:
        row = errors(pythons, name, peers, options.draws, options.threads)
        results[name] = results.get(name, {}) | row
        save(results)
        print(name, {p: f"{statistics.fmean(found):.3e}" for p, found in row.items()}, flush=True)


if __name__ == "__main__":
    main()
