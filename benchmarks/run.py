"""Measures every peer_*.py on every workload, in turns, and writes RESULTS.md and results.json.

For each workload, each peer is a fresh process (worker.py) bound to a few processors.  All are
built and checked against a float64 run first, then measured in turn, round after round, so that
drift of the machine hits everybody alike.  A turn during which other processes used the processor
is repeated.

Results are written after every workload: `--resume` goes on with a run that was cut short, and
`--merge` joins what several runs wrote.

Usage: python run.py [--quick] [--resume] [--peers a,b@keep] [--workloads x,y] [--rounds 5]
                     [--seconds 0.4] [--python PATH | --python PEER=PATH ...]
       python run.py --merge [OTHER/results.json ...]
"""

import argparse
import json
import os
import pkgutil
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
import plain_loops
import workloads
from costs import TOLERANCE
from environments import Pythons
from processes import HERE, Worker, cpus, environment, wait_quiet
from report import number
from storage import done, load, merge, save

LIMIT = 90  # seconds a peer may take to build and make its first calls
QUICK = {"rounds": 2, "seconds": 0.15, "patience": 10}
ORDER = ["graphc", "graphc_symbolic", "torch", "torch_compile", "jax", "pytensor"]
OURS = {"graphc", "graphc_symbolic"}
PAIRS, SHORT = 60, 0.03  # pairs of turns beside the plain loop, and the length of one in seconds
KEPT = ["torch", "torch_compile", "jax", "pytensor"]  # also measured as NAME@keep


def all_peers():
    """Every peer, in the order of the columns: ours, then each other with its @keep variant."""
    modules = (m.name for m in pkgutil.iter_modules([HERE]))
    found = {name[5:] for name in modules if name.startswith("peer_")}
    names = [p for p in ORDER if p in found] + sorted(found - set(ORDER))
    return [q for p in names for q in ((p, p + "@keep") if p in KEPT else (p,))]


def difference(values, reference):
    """The largest relative error of any output, in the L2 norm; a sentence if shapes differ."""
    got, want = np.load(values), np.load(reference)
    if len(got.files) != len(want.files):
        return f"{len(got.files)} outputs, not {len(want.files)}"
    worst = 0.0
    for k in want.files:
        a, b = got[k], want[k]
        if a.shape != b.shape:
            return f"output {k} has shape {a.shape}, not {b.shape}"
        error = float(np.linalg.norm((a - b).ravel()) / max(np.linalg.norm(b.ravel()), 1e-30))
        worst = max(worst, error if error == error else float("inf"))
    return worst


class Run:
    """One measurement of several peers: what they share."""

    def __init__(self, options, pythons, folder, log, stamp):
        self.options, self.pythons = options, pythons
        self.folder, self.log = folder, log
        self.stamp = stamp

    def worker(self, peer, workload, values):
        python, threads = self.pythons.of(peer), self.options.threads
        env = self.environment(peer) | {"GRAPHC_CACHE_DIR": f"{self.folder}/{peer}/{workload}"}
        if peer == plain_loops.NAME:
            env |= plain_loops.ENVIRONMENT
        return Worker(python, peer, workload, values, env, self.log, threads)

    def environment(self, peer):
        """Caches of the peer's own, so that every compile is cold; torch_compile's last a run."""
        cache = os.path.join(self.folder, peer)
        os.makedirs(cache, exist_ok=True)
        return environment(cache, self.options.threads)

    def warm_up(self, peers):
        """Compiles inductor's precompiled headers once, outside the measurements."""
        for peer in (p for p in peers if p.startswith("torch_compile")):
            w = self.worker(peer, "tiny_call", self.folder + "/warm.npz")
            w.reply(120)
            w.kill()

    def limits(self, old):
        """The machine's limits, the better of this measurement and the `old` one."""
        wait_quiet(self.options.patience)
        command = [
            self.pythons.of("torch") if self.pythons.has("torch") else sys.executable,
            os.path.join(HERE, "limits.py"),
            str(self.options.threads),
        ]
        env = self.environment("limits")
        done = subprocess.run(command, env=env, check=True, capture_output=True, text=True)
        return {k: max(v, old.get(k, 0)) for k, v in json.loads(done.stdout).items()}

    def reference(self, workload):
        """The file of the float64 outputs, or None without torch."""
        if not self.pythons.has("reference"):
            return None
        path = f"{self.folder}/reference.npz"
        w = self.worker("reference", workload, path)
        answer = w.reply(300)
        w.kill()
        if "error" in answer:
            raise SystemExit(f"the float64 run of {workload} failed: {answer['error']}")
        return path

    def start(self, peer, workload, reference):
        """(worker ready to measure, or None, and its result so far)."""
        wait_quiet(min(30, self.options.patience))
        values = f"{self.folder}/{peer}.npz"
        w = self.worker(peer, workload, values)
        r = {"run": self.stamp, **w.reply(self.options.limit)}
        if "error" not in r:
            r |= self.check(workload, values, reference)
            os.remove(values)
        if "error" in r:
            w.kill()
            return None, r
        return w, r

    def check(self, workload, values, reference):
        if reference is None:
            return {"error_vs_float64": None}
        error = difference(values, reference)
        if isinstance(error, str):
            return {"error": "wrong values: " + error}
        return {"error_vs_float64": error, "inaccurate": not error <= TOLERANCE[workload]}

    def measure(self, workload, peers):
        """{peer: result} of one workload."""
        reference = self.reference(workload)
        workers, results = {}, {}
        for peer in peers:
            w, results[peer] = self.start(peer, workload, reference)
            if w:
                workers[peer] = w
        turns = self.turns(workers)
        for peer, w in workers.items():
            results[peer] |= summary(turns[peer])
            if peer in OURS and "error" not in results[peer] and plain_loops.moves(workload):
                results[peer] |= self.of_loop(workload, w)
        for peer, w in workers.items():
            if "error" not in results[peer]:
                results[peer] |= w.ask("quit")
            w.kill()
        return results

    def of_loop(self, workload, ours):
        """The time of the plain loop that moves the workload's bytes as a part of ours: the median
        of pairs of short turns, as the memory's speed changes within seconds.
        """
        loop = self.worker(plain_loops.NAME, workload, f"{self.folder}/loop.npz")
        answer = loop.reply(self.options.limit)
        if "error" in answer:
            raise SystemExit(f"the plain loop of {workload} failed: {answer['error']}")
        wait_quiet(self.options.patience)
        ratios = []
        for _ in range(PAIRS):
            pair = [w.ask(f"measure {SHORT}") for w in (loop, ours)]
            if any("error" in answer for answer in pair):
                break
            moved, needed = (statistics.median(answer["times"]) for answer in pair)
            ratios.append(moved / needed)
        loop.kill()
        return {"of_loop": statistics.median(ratios)} if ratios else {}

    def turns(self, workers):
        """{peer: [(times, others' share), ...]}; who begins moves on with every round."""
        turns, order = {p: [] for p in workers}, list(workers)
        for _ in range(self.options.rounds):
            for peer in order:
                turns[peer].append(workers[peer].turn(self.options.seconds, self.options.patience))
            order = order[1:] + order[:1]
        return turns


def summary(turns):
    """Medians and bests of a peer's turns, in ms."""
    turns = [t for t in turns if t[0]]
    if not turns:
        return {"error": "stopped during the measurement"}
    medians = [1e3 * statistics.median(times) for times, _ in turns]
    return {
        "median_ms": statistics.median(medians),
        "best_ms": 1e3 * min(min(times) for times, _ in turns),
        "round_medians_ms": medians,
        "samples": sum(len(times) for times, _ in turns),
        "others_cpu": round(max(others for _, others in turns), 3),
    }


def line(workload, results):
    """A workload's results in a line of text."""
    cells = [
        f"{p}: {number(r['median_ms'])}" if "median_ms" in r else f"{p}: {r['error'][:60]}"
        for p, r in results.items()
    ]
    return "  ".join([f"{workload:20s}", *cells])


def chosen(text, known, what):
    """The names in a comma-separated option, in the order of `known`; all of them by default."""
    if not text:
        return known
    names = text.split(",")
    unknown = [n for n in names if n not in known]
    if unknown:
        raise SystemExit(f"no {what} named {', '.join(unknown)}; there are {', '.join(known)}")
    return [n for n in known if n in names]


def parse():
    a = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    a.add_argument("--quick", action="store_true", help="few short turns, hardly any waiting")
    a.add_argument("--resume", action="store_true", help="only what the last run did not reach")
    a.add_argument("--merge", nargs="*", metavar="JSON", help="report anew, with others' results")
    a.add_argument("--limit", type=float, default=LIMIT, help="longest build and first call (90)")
    a.add_argument("--peers", help="comma-separated; NAME@keep is NAME with a malloc that keeps")
    a.add_argument("--workloads", help="comma-separated; all by default")
    a.add_argument("--rounds", type=int, default=5, help="turns of each peer (5)")
    a.add_argument("--seconds", type=float, default=0.4, help="length of a turn (0.4)")
    a.add_argument("--threads", type=int, default=2, help="threads and processors a peer gets (2)")
    a.add_argument("--patience", type=float, default=90, help="longest wait for quiet, s (90)")
    a.add_argument("--python", action="append", default=[], help="PATH for all peers, or PEER=PATH")
    a.add_argument("--results", default=HERE, help="folder of results.json and RESULTS.md")
    quick, _ = a.parse_known_args()
    if quick.quick:
        a.set_defaults(**QUICK)
    options = a.parse_args()
    options.threads = len(cpus(options.threads))
    return options


def main():
    options = parse()
    path = os.path.join(options.results, "results.json")
    results = load(path)
    if options.merge is not None:
        for other in options.merge:
            results = merge(results, load(other))
        return save(results, options.results, all_peers())
    names = chosen(options.peers, all_peers(), "peer")
    pythons = Pythons(options.python)
    peers = [p for p in names if pythons.explain(p)]
    if not pythons.explain("reference"):
        print("torch computes the float64 reference: values are not checked")
    pythons.prepare(peers)
    results["versions"] |= pythons.versions(peers, options.threads)
    if not options.resume or not results.get("run"):
        results["run"] = time.strftime("%Y-%m-%d %H:%M")
    todo = chosen(options.workloads, workloads.NAMES, "workload")
    if options.resume:
        todo = [w for w in todo if not done(results, w, peers)]
    with tempfile.TemporaryDirectory() as folder, open(folder + "/log", "w") as log:
        run = Run(options, pythons, folder, log, results["run"])
        results["limits"] = run.limits(results["limits"])
        run.warm_up(peers)
        for workload in todo:
            got = run.measure(workload, peers)
            results["workloads"].setdefault(workload, {}).update(got)
            save(results, options.results, all_peers())
            print(line(workload, got), flush=True)
        results["limits"] = run.limits(results["limits"])
    save(results, options.results, all_peers())
    print(f"wrote {options.results}/RESULTS.md")


if __name__ == "__main__":
    main()
