"""How functions, gradients, training steps and inference are run: eager or compiled."""

import torch
from torch import nn
from workloads.core import ADAM_LR, SGD_LR


class Jit:
    """Eager or compiled: how a function, a gradient, or an inference network is prepared."""

    def __init__(self, compiled):
        self.compiled = compiled

    def function(self, f):
        return torch.compile(f, fullgraph=True) if self.compiled else f

    def gradients(self, loss):
        """(parameters, *rest) -> (loss, gradients)."""
        if self.compiled:
            # Differentiated inside the compiled function, so forward and backward are one graph.
            g = torch.func.grad_and_value(loss)

            def step(params, *rest):
                grads, value = g(params, *rest)
                return value, grads

            compiled = torch.compile(step, fullgraph=True)
            return torch.no_grad()(compiled)

        def eager(params, *rest):
            value = loss(params, *rest)
            return value, torch.autograd.grad(value, params)

        return eager

    def inference(self, f, params, *inputs):
        """f(params, *inputs), one output or several, without gradients.

        Compiled: with the weights frozen as constants; inductor then folds and packs them.
        """

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.names = list(params)
                for k in params:
                    self.register_parameter(k.replace(".", "_"), nn.Parameter(params[k]))

            def forward(self, *inputs):
                return f({k: getattr(self, k.replace(".", "_")) for k in self.names}, *inputs)

        net = Net().eval()
        if self.compiled:
            net = torch.compile(net, fullgraph=True, options={"freezing": True})

        def step():
            out = net(*inputs)
            return list(out) if isinstance(out, tuple) else [out]

        return (torch.no_grad() if self.compiled else torch.inference_mode())(step)


def plain(f, *names):
    """A workload that is just f of some inputs."""

    def make(d, jit):
        g, args = jit.function(f), [d[k] for k in names]

        @torch.no_grad()
        def step():
            out = g(*args)
            return out if isinstance(out, (tuple, list)) else [out]

        return step

    return make


def adam_update(p, g, m, v, t):
    m.lerp_(g, 0.1)
    v.mul_(0.999).addcmul_(g, g, value=0.001)
    p.sub_(ADAM_LR / (1 - 0.9**t) * m / (v.sqrt() / (1 - 0.999**t).sqrt() + 1e-8))


def sgd_update(p, g, m):
    m.mul_(0.9).add_(g)
    p.sub_(SGD_LR * m)


def training_step(loss, p, inputs, jit, adam):
    """A step that changes the parameters p in place and returns loss(p, *inputs)."""
    step = (compiled_step if jit.compiled else eager_step)(loss, p, inputs, adam)
    step.state = lambda: p
    return step


def compiled_step(loss, p, inputs, adam):
    m, v = ([torch.zeros_like(q) for q in p] for _ in range(2))
    t = torch.zeros(())
    grad = torch.func.grad_and_value(loss)

    @torch.compile(fullgraph=True)
    def whole(p, m, v, t, *inputs):
        g, value = grad(p, *inputs)
        t.add_(1)
        for i in range(len(p)):
            adam_update(p[i], g[i], m[i], v[i], t) if adam else sgd_update(p[i], g[i], m[i])
        return value

    return torch.no_grad()(lambda: [whole(p, m, v, t, *inputs)])


def eager_step(loss, p, inputs, adam):
    for q in p:
        q.requires_grad_()
    opt = (
        torch.optim.Adam(p, lr=ADAM_LR, fused=True)
        if adam
        else torch.optim.SGD(p, lr=SGD_LR, momentum=0.9, fused=True)
    )

    def step():
        opt.zero_grad()
        value = loss(p, *inputs)
        value.backward()
        opt.step()
        return [value]

    return step


def train(loss, names, adam):
    """A training step on x and y."""
    return lambda d, jit: training_step(
        loss, [d[k].clone() for k in names], [d["x"], d["y"]], jit, adam
    )
