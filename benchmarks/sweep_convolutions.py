"""Convolutions as networks have them, beside torch's and JAX's: where is a cliff?

For each shape and role (c: images by kernels that are constants, y: by kernels that are arguments,
x: gradient for the images, w: gradient for the kernels) prints graphc's time over that of the best
peer, everybody's milliseconds and graphc's GFLOP/s as if no sum were saved; the worst come last
once more. Set the pools' sizes (GRAPHC_NUM_THREADS, OMP_NUM_THREADS) to the same number; malloc
should keep freed pages (processes.py). Values are compared with the first peer's.

Usage: sweep_convolutions.py [--named] [--dtype D] [--batch N] [--roles yxwc] [--peers torch,jax]
                             [--seconds S] [NAME ...]       of shapes, or how these begin
  --named    the number of samples and the lengths of images are names in graphc
  --seconds  of each peer in each of three rounds; 0 only compiles
"""

import argparse
import importlib.util
import time

import numpy as np

import graphc as gc
from graphc import nn

ROUNDS = 3
WORST = 12
PAUSE = 0.004  # in which threads that wait for more work give up

#: Channels, lengths, kernels, taps along each axis, and what differs from a plain convolution.
SHAPES = {
    "resnet_stem": (3, (224, 224), 64, 7, {"stride": 2, "padding": 3}),
    "resnet_56": (64, (56, 56), 64, 3, {"padding": 1}),
    "resnet_56_down": (64, (56, 56), 128, 3, {"stride": 2, "padding": 1}),
    "resnet_56_skip": (64, (56, 56), 128, 1, {"stride": 2}),
    "resnet_28": (128, (28, 28), 128, 3, {"padding": 1}),
    "resnet_14": (256, (14, 14), 256, 3, {"padding": 1}),
    "resnet_7": (512, (7, 7), 512, 3, {"padding": 1}),
    "resnet_7_down": (256, (14, 14), 512, 3, {"stride": 2, "padding": 1}),
    "bottleneck_56": (256, (56, 56), 64, 1, {}),
    "bottleneck_56_up": (64, (56, 56), 256, 1, {}),
    "bottleneck_14": (1024, (14, 14), 256, 1, {}),
    "bottleneck_7": (512, (7, 7), 2048, 1, {}),
    "vgg_224": (3, (224, 224), 64, 3, {"padding": 1}),
    "vgg_112": (64, (112, 112), 128, 3, {"padding": 1}),
    "alexnet_11": (3, (227, 227), 96, 11, {"stride": 4}),
    "alexnet_5": (96, (27, 27), 256, 5, {"padding": 2, "groups": 2}),
    "inception_5": (48, (35, 35), 64, 5, {"padding": 2}),
    "inception_7x1": (128, (17, 17), 192, (7, 1), {"padding": (3, 0)}),
    "mnist_first": (1, (28, 28), 32, 5, {}),
    "lenet_second": (6, (14, 14), 16, 5, {}),
    "dqn_first": (4, (84, 84), 32, 8, {"stride": 4}),
    "dqn_second": (32, (20, 20), 64, 4, {"stride": 2}),
    "mobile_stem": (3, (224, 224), 32, 3, {"stride": 2, "padding": 1}),
    "mobile_dw_112": (32, (112, 112), 32, 3, {"padding": 1, "groups": 32}),
    "mobile_dw_down": (96, (112, 112), 96, 3, {"stride": 2, "padding": 1, "groups": 96}),
    "mobile_dw_14": (384, (14, 14), 384, 3, {"padding": 1, "groups": 384}),
    "mobile_narrow": (144, (56, 56), 24, 1, {}),
    "mobile_wide": (24, (56, 56), 144, 1, {}),
    "convnext_dw": (96, (56, 56), 96, 7, {"padding": 3, "groups": 96}),
    "convnext_patch": (3, (224, 224), 96, 4, {"stride": 4}),
    "vit_patch": (3, (224, 224), 192, 16, {"stride": 16}),
    "resnext_56": (128, (56, 56), 128, 3, {"padding": 1, "groups": 32}),
    "resnext_14": (512, (14, 14), 512, 3, {"padding": 1, "groups": 32}),
    "atrous": (256, (28, 28), 256, 3, {"padding": 2, "dilation": 2}),
    "unet_128": (64, (128, 128), 64, 3, {"padding": 1}),
    "unet_up": (128, (32, 32), 64, 2, {"stride": 2, "transposed": True}),
    "gan_up": (256, (8, 8), 128, 4, {"stride": 2, "padding": 1, "transposed": True}),
    "gan_image": (64, (32, 32), 3, 4, {"stride": 2, "padding": 1, "transposed": True}),
    "segment_head": (64, (128, 128), 2, 1, {}),
    "image_out": (64, (64, 64), 3, 3, {"padding": 1}),
    "wavenet": (64, (4096,), 128, 2, {"dilation": 64}),
    "wavenet_one": (64, (4096,), 64, 1, {}),
    "audio_first": (1, (16000,), 64, 10, {"stride": 5}),
    "audio_wide": (512, (400,), 512, 3, {"stride": 2}),
    "text_cnn": (300, (100,), 100, 3, {}),
    "conformer_dw": (256, (400,), 256, 31, {"padding": 15, "groups": 256}),
    "video_first": (3, (8, 56, 56), 32, 3, {"padding": 1}),
    "video": (32, (8, 28, 28), 64, 3, {"padding": 1}),
    "volume_up": (32, (8, 16, 16), 16, 2, {"stride": 2, "transposed": True}),
    "odd_3_17": (3, (61, 59), 17, 3, {"padding": 1}),
    "odd_17_30": (17, (45, 45), 30, 3, {"padding": 1}),
    "odd_30_63": (30, (33, 31), 63, 3, {"padding": 1}),
    "odd_63_100": (63, (28, 28), 100, 3, {"padding": 1}),
    "odd_100_one": (100, (28, 28), 100, 1, {}),
    "odd_100_down": (100, (29, 29), 63, 3, {"stride": 2, "padding": 1}),
}  # fmt: skip


class Case:
    """A shape with so many samples: its arrays, and what each peer needs to know."""

    def __init__(self, name, batch, dtype):
        channels, sizes, kernels, taps, options = SHAPES[name]
        options = dict(options)
        self.transposed, self.groups = options.pop("transposed", False), options.pop("groups", 1)
        n = self.axes = len(sizes)
        each = {"stride": 1, "padding": 0, "dilation": 1} | options
        self.options = {k: v if isinstance(v, tuple) else (v,) * n for k, v in each.items()}
        taps = taps if isinstance(taps, tuple) else (taps,) * n
        first = (channels, kernels) if self.transposed else (kernels, channels // self.groups)
        shape = (*first, *taps)
        positions = sizes if self.transposed else self._positions(sizes, taps)
        self.flops = 2 * batch * int(np.prod([*shape, *positions]))
        rng = np.random.default_rng(0)
        self.x = rng.standard_normal((batch, channels, *sizes)).astype(dtype)
        self.w = (rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))).astype(dtype)
        self.rng = rng

    def _positions(self, sizes, taps):
        steps = zip(sizes, taps, *self.options.values(), strict=True)
        return [(d + 2 * p - (k - 1) * spread - 1) // s + 1 for d, k, s, p, spread in steps]


def with_torch(case, role):
    import torch

    o = case.options
    more = (o["stride"], o["padding"], o["dilation"], case.transposed, (0,) * case.axes)
    x, w, g = (torch.from_numpy(a) for a in (case.x, case.w, case.g))
    if role in "yc":
        with torch.inference_mode():
            return lambda: torch.convolution(x, w, None, *more, case.groups)
    mask, back = [role == "x", role == "w", False], torch.ops.aten.convolution_backward
    k = "xw".index(role)
    return lambda: back(g, x, w, None, *more, case.groups, mask)[k]


def with_jax(case, role):
    import jax

    jax.config.update("jax_enable_x64", True)
    o, letters = case.options, "DHW"[3 - case.axes :]

    def convolved(x, w):
        return jax.lax.conv_general_dilated(
            x, w, o["stride"], [(p, p) for p in o["padding"]], rhs_dilation=o["dilation"],
            dimension_numbers=(f"NC{letters}", f"OI{letters}", f"NC{letters}"),
            feature_group_count=case.groups,
        )  # fmt: skip

    def forward(x, w):
        if not case.transposed:
            return convolved(x, w)
        image = jax.ShapeDtypeStruct(case.g.shape, x.dtype)
        return jax.linear_transpose(lambda y: convolved(y, w), image)(x)[0]

    x, w, g = (jax.numpy.asarray(a) for a in (case.x, case.w, case.g))
    if role in "yc":
        run, arguments = jax.jit(forward), (x, w)
    else:
        k = "xw".index(role)
        run = jax.jit(lambda x, w, g: jax.vjp(forward, x, w)[1](g)[k])
        arguments = (x, w, g)
    return lambda: run(*arguments).block_until_ready()


def convolution(case, x, w):
    """The convolution of two tensors or arrays."""
    function = nn.conv_transpose if case.transposed else nn.conv
    padding = {"padding": case.options["padding"]}
    if not case.transposed:
        padding = {"padding": [(p, p) for p in case.options["padding"]]}
    return function(x, w, groups=case.groups, **case.options | padding)


def with_graphc(case, role, named):
    shape = case.x.shape
    if named:
        shape = ("n", shape[1], *"dhw"[3 - case.axes :])
    x = gc.placeholder("x", shape, case.x.dtype)
    w = gc.placeholder("w", case.w.shape, case.w.dtype)
    if role == "c":
        run = gc.compile([x], convolution(case, x, case.w))
        return lambda: run(case.x)
    y = convolution(case, x, w)
    if role == "y":
        run = gc.compile([x, w], y)
        return lambda: run(case.x, case.w)
    g = gc.placeholder("g", y.shape, case.x.dtype)
    (result,) = gc.vjp([y], [{"x": x, "w": w}[role]], [g])
    run = gc.compile([x, w, g], result)
    return lambda: run(case.x, case.w, case.g)


def best(calls, seconds):
    """The least time of each call; they take turns."""
    least = dict.fromkeys(calls, float("inf"))
    for _ in range(ROUNDS):
        for name, call in calls.items():
            time.sleep(PAUSE)
            end = time.perf_counter() + seconds
            call()
            while True:
                begin = time.perf_counter()
                call()
                now = time.perf_counter()
                least[name] = min(least[name], now - begin)
                if now > end:
                    break
    return least


def measure(name, role, options):
    """A line of the table, and the ratio."""
    case = Case(name, options.batch, options.dtype)
    x, w = (gc.placeholder(k, a.shape, a.dtype) for k, a in (("x", case.x), ("w", case.w)))
    shape = convolution(case, x, w).shape
    case.g = case.rng.standard_normal(shape).astype(options.dtype)
    calls = {"graphc": with_graphc(case, role, options.named)}
    makers = {"torch": with_torch, "jax": with_jax}
    calls |= {peer: makers[peer](case, role) for peer in options.peers}
    values = {peer: np.asarray(call()) for peer, call in calls.items()}
    theirs = values[options.peers[0]] if options.peers else values["graphc"]
    off = np.abs(values["graphc"] - theirs).max() / np.abs(theirs).max()
    if options.seconds == 0:
        return 0.0, f"{name:16s} {role}  off by {off:.0e}"
    times = best(calls, options.seconds)
    ratio = times["graphc"] / min([times[p] for p in options.peers], default=times["graphc"])
    each = "".join(f"{t * 1e3:10.3f}" for t in times.values())
    rate = case.flops / times["graphc"] / 1e9
    return ratio, f"{ratio:6.2f}  {name:16s} {role}{each} {rate:8.1f}  off by {off:.0e}"


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("names", nargs="*", default=[""])
    parser.add_argument("--named", action="store_true")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--roles", default="cyxw")
    parser.add_argument("--peers", default="torch,jax")
    parser.add_argument("--seconds", type=float, default=0.03)
    options = parser.parse_args()
    peers = filter(None, options.peers.split(","))
    options.peers = [p for p in peers if importlib.util.find_spec(p)]
    print(f" ratio  {'shape':16s}  ", *(f"{p:>9s}" for p in ("graphc", *options.peers)), "GFLOP/s")
    found = []
    for name in SHAPES:
        if name.startswith(tuple(options.names)):
            for role in options.roles:
                found.append(measure(name, role, options))
                print(found[-1][1], flush=True)
    print("the worst:", *(line for _, line in sorted(found, reverse=True)[:WORST]), sep="\n")


if __name__ == "__main__":
    main()
