"""Worker processes: started alike for every peer, measured in turns while the machine is quiet."""

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TICK = os.sysconf("SC_CLK_TCK")
CLANGS = ("clang", "clang-14", "clang-15", "clang-16", "clang-17", "clang-18", "clang-19")
# glibc's malloc never gives pages back: what a user gets who tunes malloc for large arrays.
KEEP = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(1 << 36),
    "MALLOC_TOP_PAD_": str(1 << 26),
}
NO_PEERS = ("reference", "plain_loops")  # modules that work as a peer's does
# While measuring, at most this share of one processor may be others' work.
QUIET = 0.03


def environment(cache, threads):
    """The same number of threads for everybody, empty caches below `cache`, a compiler if found."""
    env = dict(
        os.environ,
        PYTHONDONTWRITEBYTECODE="1",
        PYTHONPATH=os.pathsep.join(filter(None, [HERE, os.environ.get("PYTHONPATH")])),
        XDG_CACHE_HOME=cache,
        GRAPHC_CACHE_DIR=cache + "/graphc",
        TORCHINDUCTOR_CACHE_DIR=cache + "/inductor",
        TORCHINDUCTOR_COMPILE_THREADS=str(threads),
        PYTENSOR_FLAGS=f"base_compiledir={cache}/pytensor,numba__cache=False",
        NUMBA_CACHE_DIR=cache + "/numba",
        CPU_COUNT=str(threads),
        TF_CPP_MIN_LOG_LEVEL="3",
    )
    pools = ("OMP", "MKL", "OPENBLAS", "NUMBA", "GRAPHC")
    env.update({pool + "_NUM_THREADS": str(threads) for pool in pools})
    clang = next(filter(shutil.which, CLANGS), None)
    if clang:
        env["TINYGRAD_CC"] = clang
    return env


def cpus(threads):
    """The processors that every worker is bound to: the first allowed ones, one a thread."""
    return sorted(os.sched_getaffinity(0))[:threads]


def busy():
    """Processor seconds used by everyone, and taken by the hypervisor, since boot."""
    with open("/proc/stat") as f:
        user, nice, system, _, _, irq, softirq, steal = map(int, f.readline().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / TICK


def used(pid):
    """Processor seconds used by a process."""
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def wait_quiet(patience):
    """Waits, at most `patience` seconds, until the processors have been idle for a moment."""
    end, calm = time.time() + patience, 0
    while time.time() < end and calm < 2:
        before = busy()
        time.sleep(0.15)
        calm = calm + 1 if busy() - before < 0.02 else 0


class Worker:
    """A worker.py process of one peer on one workload.

    A peer NAME@keep is peer_NAME.py with a malloc that keeps freed pages (KEEP).
    """

    def __init__(self, python, peer, workload, values, env, log, threads=2):
        name, _, keep = peer.partition("@")
        module = name if name in NO_PEERS else "peer_" + name
        bound = ",".join(map(str, cpus(threads)))
        self.process = subprocess.Popen(
            [python, os.path.join(HERE, "worker.py"), module, workload, values, bound],
            env=env | KEEP if keep else env,
            cwd=env["XDG_CACHE_HOME"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        )

    def reply(self, limit):
        """The next answer, or what went wrong within `limit` seconds, as {"error": ...}."""
        if not select.select([self.process.stdout], [], [], limit)[0]:
            self.kill()
            return {"error": f"took longer than {limit} s"}
        line = self.process.stdout.readline()
        if not line:
            return {"error": f"process ended with status {self.process.wait()}"}
        return json.loads(line)

    def ask(self, command, limit=60):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self.reply(limit)

    def turn(self, seconds, patience):
        """(seconds per call, share of a processor others took) of one turn.

        A turn that others disturbed is repeated, up to three times, and the quietest counts;
        without patience the first one does.
        """
        best = None
        for _ in range(4 if patience else 1):
            wait_quiet(patience)
            start, total, own = time.time(), busy(), used(self.process.pid)
            answer = self.ask(f"measure {seconds}")
            if "error" in answer:
                return [], 0.0
            # Both counters tick a hundred times a second: allow for three ticks.
            foreign = (busy() - total) - (used(self.process.pid) - own) - 3 / TICK
            others = max(0.0, foreign) / (time.time() - start)
            if best is None or others < best[1]:
                best = answer["times"], others
            if others < QUIET:
                break
        return best

    def kill(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
