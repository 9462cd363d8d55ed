"""A stencil and k-means as ONNX loops."""

from workloads import scientific as wl

from peer_onnxruntime.graph import loop


def roll(x, shift, axis):
    """x moved by one place, the last becoming the first or the first the last."""
    g = x.graph
    cut = g.ints(-shift % wl.GRID)
    tail = g.Slice(x, cut, g.ints(wl.GRID), g.ints(axis))
    return g.Concat(tail, g.Slice(x, g.ints(0), cut, g.ints(axis)), axis=axis)


def shallow_water(g, d):
    return loop(g, wl.STEPS, ["h", "u", "v"], lambda h, u, v: wl.step_water(h, u, v, roll))


def kmeans(g, d):
    def iterate(c):
        i = c.graph
        length = i.ReduceSum(i.Mul(c, c), i.ints(1), keepdims=0)
        product = i.MatMul("x", i.Transpose(c, perm=[1, 0]))
        nearest = i.ArgMin(i.Sub(length, i.Mul(product, i.constant(2))), axis=1, keepdims=0)
        member = i.OneHot(nearest, i.ints(wl.CENTRES), i.constant([0, 1]), axis=0)
        count = i.ReduceSum(member, i.ints(1), keepdims=1)
        mean = i.Div(i.MatMul(member, "x"), i.Max(count, i.constant(1)))
        return [i.Where(i.Greater(count, i.constant(0)), mean, c)]

    start = g.Slice("x", g.ints(0), g.ints(wl.CENTRES), g.ints(0))
    return loop(g, wl.ITERATIONS, [start], iterate)


WORKLOADS = {"shallow_water": shallow_water, "kmeans": kmeans}
