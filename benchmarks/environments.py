"""The Pythons the peers live in: which one runs whom, what is installed there, which versions."""

import json
import os
import platform
import subprocess
import sys
from functools import cache

HERE = os.path.dirname(os.path.abspath(__file__))
# What a peer needs to be importable, by distribution name.
NEEDS = {
    "graphc": ["graphc"],
    "torch": ["torch"],
    "torch_compile": ["torch"],
    "jax": ["jax", "jaxlib"],
    "pytensor": ["pytensor", "numba"],
    "onnxruntime": ["onnxruntime", "onnx"],
    "tinygrad": ["tinygrad"],
    "reference": ["torch"],
}
SHARED = {"torch_compile": "torch", "reference": "torch"}  # live where that other one lives
PROBE = """
import json, platform, sys
from importlib.metadata import PackageNotFoundError, version
found = {"python": platform.python_version()}
for name in sys.argv[1:]:
    try:
        found[name] = version(name)
    except PackageNotFoundError:
        pass
print(json.dumps(found))
"""

BYTE_CODE = """
import compileall, importlib.util, os, sys
found = importlib.util.find_spec("graphc")
for top in [sys.argv[1], *(found.submodule_search_locations if found else ())]:
    for folder, _, files in os.walk(top, followlinks=True):
        for file in files:
            if file.endswith(".py"):
                compileall.compile_file(os.path.join(folder, file), quiet=2)
"""


def write_byte_code(python):
    """Compiles graphc's and the benchmarks' modules to byte code, as what installs a package does
    for the other peers: a checkout has none, and workers write none.
    """
    subprocess.run([python, "-c", BYTE_CODE, HERE], check=True, capture_output=True, cwd="/")


@cache
def installed(python):
    """{distribution: version} of what peers need, in that Python, and its own version."""
    names = sorted({"numpy", *(d for needs in NEEDS.values() for d in needs)})
    command = [python, "-c", PROBE, *names]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd="/")
    return json.loads(done.stdout)


def processor():
    """The processor's name, from /proc/cpuinfo."""
    with open("/proc/cpuinfo") as f:
        lines = (line.split(":")[1].strip() for line in f if line.startswith("model name"))
        return next(lines, platform.machine())


def commit():
    """The commit that is measured, with a + if files differ from it; empty outside a checkout."""
    command = ["git", "-C", HERE, "describe", "--always", "--dirty=+"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


class Pythons:
    """Which interpreter runs which peer.

    `options` are PATH (for every peer but graphc) or PEER=PATH; by default the running one.
    """

    def __init__(self, options):
        self.common, self.own = sys.executable, {}
        for option in options:
            peer, equals, path = option.partition("=")
            if not equals:
                self.common = option
            elif peer in NEEDS:
                self.own[peer] = path
            else:
                raise SystemExit(f"no peer named {peer}; there are {', '.join(NEEDS)}")

    def of(self, peer):
        name = peer.partition("@")[0]
        default = sys.executable if name.startswith("graphc") else self.common
        return self.own.get(name) or self.own.get(SHARED.get(name, ""), default)

    def lacks(self, peer):
        """The distributions that a peer needs and its Python does not have."""
        found = installed(self.of(peer))
        return [d for d in NEEDS.get(peer.partition("@")[0], ["graphc"]) if d not in found]

    def has(self, peer):
        return not self.lacks(peer)

    def explain(self, peer):
        """Whether the peer can run; if not, prints why it is skipped."""
        lacking = self.lacks(peer)
        if lacking:
            print(f"skipping {peer}: {', '.join(lacking)} not installed for {self.of(peer)}")
        return not lacking

    def prepare(self, peers):
        """Leaves byte code for every Python that runs one of the peers."""
        for python in {self.of(peer) for peer in peers}:
            write_byte_code(python)

    def versions(self, peers, threads):
        """What is measured, for the head of the report."""
        found = {"threads": threads, "processor": processor()}
        for peer in peers:
            here = installed(self.of(peer))
            names = ["python", "numpy", *NEEDS.get(peer.partition("@")[0], ["graphc"])]
            found |= {name: here[name] for name in names}
        if "graphc" in found and commit():
            found["graphc"] += f" ({commit()})"
        return found
