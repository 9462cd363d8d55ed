"""Times every workload at many sizes of each of its axes, from one compilation with named sizes.

Looks for cliffs: sizes at which a call takes over 1.3 times as long as sizes around it let expect
(the trend of sweep.py), or as a larger size. While an axis varies, the others have the lengths that
NAMED gives, or those of the benchmark. An axis ends where a call takes over half a second or needs
over a gigabyte. What is above the trend of all sizes near it, but not of those whose memory fits
the same cache, is the step from one cache to the next, and told apart.

At the benchmark's own sizes the function is compared with one that was compiled for these alone.

Usage: sweep_workloads.py [--keep | --again] [--rounds N] [--seconds S] [--longest S]
                          [WORKLOAD[:AXIS] ...]
  :AXIS      sweeps that axis alone; with ":fixed" only the comparison is made
  --keep     keeps the times in sweep.json, beside those of other axes, and writes SWEEP.md from
             all that are kept there
  --again    the same, but of what is kept of the same sizes the least time counts
  --seconds  time for one size, in each round
  --longest  seconds of a call after which an axis ends
"""

import argparse
import math
from pathlib import Path

import numpy as np
import peer_graphc
import sweep_report
import workloads
from peer_graphc.steps import Inputs
from sweep import best

import graphc as gc

SIZES = [1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 100, 127, 128, 129, 255, 257, 500]
SIZES += [509, 511, 513, 1000, 1009, 1023, 1025, 2000, 2047, 2049, 4095, 4097, 5000, 9973, 10000]
LARGEST = 1 << 30  # bytes of a call
FIXED = "fixed"  # in place of an axis
DISTURBED, TRIES = 0.02, 4  # part of the time for which others had the processors

# The axes of arrays that have a name; "_" keeps its length. A number behind the name of an axis is
# how long it is while another varies, a second one its least size.
ROWS = "x rows width, rows 1000, width 1000"
NORM = "x rows width, gamma width, beta width, rows 1000, width 1000"
STEPS = "x steps rows _, y rows _, steps 16, rows 16"
IMAGES = "x batch _ height width, batch 1, height 64 32, width 64 32"
NAMED = {
    "ew_chain": "x n",
    "ew_grad": "x n",
    "softmax_rows": ROWS,
    "layernorm_rows": NORM,
    "layernorm_grad": f"{NORM}, w rows width",
    "logsumexp_all": ROWS,
    "mean_var": ROWS,
    "gemm_1024": "A m k, B k n, m 500, k 500, n 500",
    "gemm_bias_relu": "x rows inputs, W inputs outputs, b outputs",
    "tiny_call": "x n",
    "mlp_infer_b1": "x rows _",
    "mlp_train": "x rows _, y rows",
    "lenet_train": "x batch _ _ _, y batch",
    "resnet_block_train": "x batch _ height width, w batch _ height width, batch 1, height 28, "
    "width 28",
    "resnet18_infer_b1": IMAGES,
    "lstm_train": "x steps rows _, y rows units, Wx _ 4*units, Wh units 4*units, b 4*units, "
    "steps 16, rows 16, units 100",
    "transformer_infer": "x batch tokens _, tokens 64",
    "transformer_train": "x batch tokens _, w batch tokens _, batch 1, tokens 64",
    "hessian_mlp": "X rows _, Y rows _",
    "hvp_mlp": "x rows inputs, y rows, W1 inputs first, b1 first, W2 first second, b2 second, "
    "W3 second _, vW1 inputs first, vb1 first, vW2 first second, vb2 second, vW3 second _",
    "adam_fused": "p n, g n, m n, v n",
    "resnet50_infer_b1": IMAGES,
    "mobilenetv2_infer_b1": IMAGES,
    "bert_infer_b1": "ids batch _, kinds batch _",
    "vit_train": "x batch _ _ _, y batch",
    "gru_train": STEPS,
    "bilstm_train": "x steps rows _, y steps rows _, steps 16, rows 16",
    "dqn_train": "s rows _, a rows, r rows, s2 rows _, end rows",
    "gp_likelihood": "X points _, y points",
    "shallow_water": "h height width, u height width, v height width, height 16, width 16",
    "kmeans": "x points _, points 10000 16",
}


class Axes:
    """The named axes of a workload's arrays, and how long they are: `own` in the benchmark,
    `beside` while another varies, `least` when they vary.
    """

    def __init__(self, text, arrays):
        self.arrays, self.shapes, given = arrays, {}, {}
        self.flat = {k: v.reshape(-1) for k, v in arrays.items()}
        for first, *rest in (part.split() for part in text.split(",")):
            (self.shapes if first in arrays else given)[first] = rest
        self.own = {
            axis: length
            for name, shape in self.shapes.items()
            for axis, length in zip(shape, arrays[name].shape, strict=True)
            if axis.isidentifier() and axis != "_"
        }
        self.beside = self.own | {axis: int(first) for axis, (first, *_) in given.items()}
        self.least = {axis: int(least) for axis, (_, *rest) in given.items() for least in rest}

    def shape(self, name, lengths):
        """The shape of an array for the lengths of named axes."""
        own = self.arrays[name].shape
        axes = self.shapes.get(name, ["_"] * len(own))
        return tuple(k if a == "_" else length(a, lengths) for a, k in zip(axes, own, strict=True))

    def filled(self, lengths):
        """The arrays of these lengths: the benchmark's numbers over and over."""
        return {k: self._filled(k, self.shape(k, lengths)) for k in self.arrays}

    def _filled(self, name, shape):
        count = math.prod(shape)
        if self.flat[name].size < count:
            self.flat[name] = np.resize(self.arrays[name], 2 * count)
        return self.flat[name][:count].reshape(shape)


def length(axis, lengths):
    """That of an axis like "rows" or "4*units"."""
    factor, _, name = axis.rpartition("*")
    return int(factor or 1) * lengths[name]


class Sized(Inputs):
    """A workload's inputs with axes of these lengths; variables that have such axes are inputs too,
    and their new values outputs.
    """

    def __init__(self, axes, lengths):
        super().__init__(axes.arrays, symbolic=False)
        self.axes, self.lengths, self.made = axes, lengths, {}

    def placeholder(self, name):
        dtype = getattr(gc, self.arrays[name].dtype.name)
        self.made[name] = gc.placeholder(name, self.axes.shape(name, self.lengths), dtype)
        return self.made[name]

    def variables(self, names):
        own = iter(super().variables([k for k in names if k not in self.axes.shapes]))
        return [self.placeholder(k) if k in self.axes.shapes else next(own) for k in names]

    def step(self, placeholders, outputs, updates=None):
        """`outputs` compiled, as a function of arrays by name."""
        updates, symbols = dict(updates or {}), list(self.made.values())
        outputs = [*outputs, *(updates.pop(x) for x in symbols if x in updates)]
        return Step(gc.compile(symbols, outputs, updates=updates), list(self.made))


class Step:
    """A compiled workload of arrays with these names."""

    def __init__(self, function, names):
        self.function, self.names = function, names

    def bind(self, arrays):
        """A call with these arrays."""
        values = [arrays[k] for k in self.names]
        return lambda: self.function(*values)


def build(name, axes, lengths=None):
    """The workload compiled for these lengths, or for all."""
    symbols = {axis: gc.placeholder(axis, (axis,)).shape[0] for axis in axes.own}
    return peer_graphc.WORKLOADS[name](Sized(axes, lengths or symbols))


def waited():
    """Seconds in which threads of this process were ready while others had their processors."""
    tasks = Path("/proc/self/task").glob("*/schedstat")
    return 1e-9 * sum(int(path.read_text().split()[1]) for path in tasks)


def undisturbed(call, seconds):
    """The least time of a call in so many seconds of them, again while others disturb."""
    least = math.inf
    call()
    for _ in range(TRIES):
        before = waited()
        least = min(least, best(call, seconds))
        if waited() - before < DISTURBED * seconds:
            break
    return least


def sweep(axis, axes, step, options):
    """[size, least seconds of a call, bytes that it needs] for the sizes of an axis, each measured
    once in every round.
    """
    calls, needed = {}, {}
    for size in SIZES:
        lengths = axes.beside | {axis: size}
        needed[size] = step.function.memory.at(**lengths).peak
        if size < axes.least.get(axis, 1) or needed[size] > LARGEST:
            continue
        calls[size] = step.bind(axes.filled(lengths))
        calls[size]()
        if best(calls[size], 0) > options.longest:
            break
    rounds = [
        {n: undisturbed(call, options.seconds) for n, call in calls.items()}
        for _ in range(options.rounds)
    ]
    return [[n, min(times[n] for times in rounds), needed[n]] for n in calls]


def beside_fixed(name, axes, step, options):
    """Least seconds, at the benchmark's sizes, of what was compiled for them, and of `step`."""
    arrays = axes.filled(axes.own)
    calls = [build(name, axes, axes.own).bind(arrays), step.bind(arrays)]
    times = [[undisturbed(call, options.seconds) for call in calls] for _ in range(options.rounds)]
    return [min(t) for t in zip(*times, strict=True)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("workloads", nargs="*", default=list(NAMED), metavar="WORKLOAD[:AXIS]")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.005)
    parser.add_argument("--longest", type=float, default=0.5)
    options = parser.parse_args()
    for given in options.workloads:
        name, _, only = given.partition(":")
        axes = Axes(NAMED[name], workloads.make(name))
        step = build(name, axes)
        found, fixed = {}, None
        if only in ("", FIXED):
            fixed = beside_fixed(name, axes, step, options)
            print(sweep_report.beside_fixed(name, *fixed), flush=True)
        for axis in (k for k in axes.own if only in ("", k)):
            found[axis] = sweep(axis, axes, step, options)
            print(sweep_report.line(name, axis, found[axis]), flush=True)
        if options.keep or options.again:
            sweep_report.keep(name, fixed, found, options.again)


if __name__ == "__main__":
    main()
