"""Prints how long importing, compiling and calling take: cold, and with a warm cache.

Each compile happens in a fresh process with a private cache folder: cold with the folder empty,
warm in a second process with what the first one left.  A time is that of building the graph,
compiling it and making the first call, less that of the second call; `digits_step` is the training
step of the digits example.  Importing a peer is not in it, but in the first table; what a peer
starts when it is first used is.

Usage: python compile_time.py [--peers graphc,jax] [--workloads x,y] [--repeats 3]
                              [--python PATH | --python PEER=PATH ...]
"""

import argparse
import os
import statistics
import subprocess
import tempfile

import workloads
from environments import Pythons
from processes import Worker, cpus, environment
from run import LIMIT, all_peers, chosen

IMPORTS = """
import sys, time
start = time.perf_counter()
import numpy
middle = time.perf_counter()
__import__(sys.argv[1])
print(middle - start, time.perf_counter() - middle)
"""
# What a peer imports, where that is not its name.
MODULES = {"torch_compile": "torch", "graphc_symbolic": "graphc"}


def caching(folder, threads):
    """The common environment, with every peer's cache across processes on and in `folder`."""
    return environment(folder, threads) | {
        "JAX_COMPILATION_CACHE_DIR": folder + "/jax",
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        "PYTENSOR_FLAGS": f"base_compiledir={folder}/pytensor,numba__cache=True",
    }


def compile_once(python, peer, workload, folder, threads, call=False):
    """A fresh process's first reply; with `call`, also its times per call."""
    with open(folder + "/log", "w") as log:
        env = caching(folder, threads)
        w = Worker(python, peer, workload, folder + "/values.npz", env, log, threads)
        answer = w.reply(LIMIT)
        if call and "error" not in answer:
            answer |= w.ask("measure 0.5")
        w.kill()
    return answer


def cold_and_warm(python, peer, workload, threads):
    """Seconds cold and warm, or a word why not."""
    with tempfile.TemporaryDirectory() as folder:
        answers = [compile_once(python, peer, workload, folder, threads) for _ in range(2)]
    errors = [a["error"] for a in answers if "error" in a]
    return errors[0] if errors else tuple(a["compile_s"] - a["call_s"] for a in answers)


def compile_times(python, peer, workload, options):
    """A cell of the table, in ms: the medians of the repeats."""
    pairs = []
    for _ in range(options.repeats):
        pair = cold_and_warm(python, peer, workload, options.threads)
        if isinstance(pair, str):
            print(f"{peer}, {workload}: {pair}")
            return "n/a"
        pairs.append(pair)
    cold, warm = (1e3 * statistics.median(times) for times in zip(*pairs, strict=True))
    return f"{cold:.0f} / {warm:.0f}"


def import_times(python, peer, repeats):
    """Medians of (seconds for numpy, seconds beyond it for the peer) in fresh processes."""
    module = MODULES.get(peer, peer)
    command = [python, "-c", IMPORTS, module]
    times = []
    for _ in range(max(repeats, 5) + 1):
        done = subprocess.run(command, check=True, capture_output=True, text=True, cwd="/")
        times.append(tuple(map(float, done.stdout.split())))
    # The first one also reads the files from disk and writes byte code.
    return [statistics.median(column) for column in zip(*times[1:], strict=True)]


def call_time(python, peer, threads):
    """Microseconds of a call of tiny_call: the median, as a cell."""
    with tempfile.TemporaryDirectory() as folder:
        answer = compile_once(python, peer, "tiny_call", folder, threads, call=True)
    if "error" in answer:
        print(f"{peer}, tiny_call: {answer['error']}")
        return "n/a"
    return f"{1e6 * statistics.median(answer['times']):.2f}"


def print_table(head, rows):
    """A markdown table with columns of equal width."""
    columns = list(zip(head, *rows, strict=True))
    widths = [max(map(len, column)) for column in columns]
    for row in (head, ["-" * w for w in widths], *rows):
        print("| " + " | ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) + " |")
    print()


def parse():
    a = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    a.add_argument("--peers", default="graphc", help="comma-separated (graphc)")
    a.add_argument("--workloads", help="comma-separated; all by default")
    a.add_argument(
        "--repeats", type=int, default=3, help="fresh caches a number is a median of (3)"
    )
    a.add_argument("--threads", type=int, default=2, help="threads and processors a peer gets (2)")
    a.add_argument("--python", action="append", default=[], help="PATH for all peers, or PEER=PATH")
    options = a.parse_args()
    options.threads = len(cpus(options.threads))
    return options


def main():
    options = parse()
    pythons = Pythons(options.python)
    peers = [p for p in chosen(options.peers, all_peers(), "peer") if pythons.explain(p)]
    pythons.prepare(peers)
    names = chosen(options.workloads, ["digits_step", *workloads.NAMES], "workload")
    start = []
    for p in peers:
        base, own = import_times(pythons.of(p), p.removesuffix("@keep"), options.repeats)
        call = call_time(pythons.of(p), p, options.threads)
        start.append([p, f"{1e3 * base:.0f}", f"{1e3 * own:.0f}", call])
    print_table(["peer", "import numpy, ms", "import peer after it, ms", "tiny_call, us"], start)
    rows = []
    for w in names:
        rows.append([w, *(compile_times(pythons.of(p), p, w, options) for p in peers)])
        print(*rows[-1], sep="  ", flush=True)
    print()
    print_table(["workload", *(f"{p}: cold / warm, ms" for p in peers)], rows)


if __name__ == "__main__":
    os.environ.pop("PYTHONPATH", None)
    main()
