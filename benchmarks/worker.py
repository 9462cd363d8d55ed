"""One (peer, workload) pair in a process of its own: build, check values, measure when told to.

Usage: worker.py MODULE WORKLOAD VALUES.npz CPUS.  Replies are JSON lines on stdout: one after the
first calls, one to each "measure SECONDS" read from stdin, and a last one to "quit".
"""

import gc
import importlib
import json
import os
import sys
import time

import numpy as np
import workloads

clock = time.perf_counter


def memory(key):
    """A line of /proc/self/status in MB (VmHWM: peak resident memory)."""
    with open("/proc/self/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith(key)) / 1024


def restart_peak():
    """Forgets the peak: from here on it is the running step's own.  Not every kernel allows it."""
    try:
        with open("/proc/self/clear_refs", "w") as f:
            f.write("5")
    except OSError:
        pass


def arrays(values):
    """Host copies (the step may overwrite its buffers later)."""
    return [np.array(v.detach() if hasattr(v, "detach") else v, dtype=np.float64) for v in values]


def measure(step, seconds, inner):
    """Seconds per call, one number per `inner` calls."""
    gc.collect()
    gc.disable()
    times, end = [], clock() + seconds
    while len(times) < 2 or (clock() < end and len(times) < 20000):
        t = clock()
        for _ in range(inner):
            step()
        times.append((clock() - t) / inner)
        if times[-1] > 4:
            break
    gc.enable()
    return times


def prepare(module, name, values):
    """(the built step, {import_s, compile_s}); outputs and change of state go to `values`."""
    data = workloads.make(name)
    t = clock()
    module = importlib.import_module(module)
    import_s = clock() - t
    t = clock()
    step = module.build(name, data)
    compile_s = clock() - t
    state = getattr(step, "state", None)
    before = arrays(state()) if state else []
    t = clock()
    out = step()
    compile_s += clock() - t
    # To the layout that `workloads` describes; for the check only.
    out = arrays(getattr(step, "canonical", list)(out))
    if state:
        step()
        step()
        out += [after - b for after, b in zip(arrays(state()), before, strict=True)]
    np.savez(values, *out)
    return step, {"import_s": import_s, "compile_s": compile_s}


def serve(step, reply, ready):
    """Replies `ready` once warm, then measures whenever stdin says so, until it says quit."""
    t = clock()
    step()
    once = clock() - t
    inner = max(1, int(1e-4 / once))
    if once < 1:
        measure(step, 0.5, inner)  # warm-up
    peak = memory("VmHWM")
    restart_peak()
    reply(**ready, call_s=once)
    for line in sys.stdin:
        command, _, seconds = line.strip().partition(" ")
        if command == "quit":
            break
        if once < 0.5:
            # The others ran meanwhile: caches and clocks again.
            measure(step, min(0.05, 3 * once), inner)
        reply(times=measure(step, float(seconds), inner))
    reply(peak_mb=peak, running_mb=memory("VmHWM"))


def main(module, name, values, cpus):
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print goes to the log
    os.sched_setaffinity(0, map(int, cpus.split(",")))

    def reply(**answer):
        replies.write(json.dumps(answer) + "\n")
        replies.flush()

    try:
        step, ready = prepare(module, name, values)
    except Exception as e:  # noqa: BLE001 - whatever stops a peer is a cell of the table
        return reply(error=f"{type(e).__name__}: {e}".split("\n")[0][:300])
    serve(step, reply, ready)


if __name__ == "__main__":
    main(*sys.argv[1:])
    sys.stderr.flush()
    os._exit(0)  # not all peers' threads end in good time
