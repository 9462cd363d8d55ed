"""What users of NumPy, torch, JAX, TensorFlow and Theano know by other names. It is loaded when a
name is not found, and is all that an AttributeError says beyond that.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping
from types import MappingProxyType

_Hints = Mapping[str, str]

_COMPILE = "f = gc.compile([x], y) makes a function of a graph, f(array) runs it"
_GRADIENT = "gc.grad(loss, parameters) is the gradient, a part of the graph as all else"
_STEP = (
    "gc.compile([x], loss, updates=optimiser.updates(loss, model.parameters())) makes a function "
    "that takes a step with every call"
)
_ARRAY = "gc.constant(array) puts an array into a graph, gc.placeholder(name, shape) stands for one"
_VARIABLE = "gc.variable(array, name) is an array that calls may update"
_SEEDS = "random numbers come of a key: gc.random.normal(gc.random.key(0), shape)"
_VALUE = "it has no value while the graph is built; compile a function of it"
_PLACE = "where a graph runs is said once, by gc.compile(..., target='cpu') or 'cuda'"
_NEW = "tensors never change; x + y, x.at[k].set(y) and the like give new ones"
_LIMITED = "gc.clip(x, low, high)"
_MODE = "nn.Layer: a class of one's own has __call__ in place of forward"
_OWN_GRADIENT = "gc.custom_gradient(f, vjp) is f with a gradient of one's own"
_INSTEAD = (
    "a model is a function or a layer of Python: call it with what shall stand in x's place, "
    "such as model(data[:64])"
)
_OUTPUTS = "any tensor may be a result of gc.compile; gc.find_nan(f, *arrays) finds the first NaN"
_BATCHES = "batches are NumPy's: optim.minibatches(samples, size, seed=0) gives their indices"
_TRACE = "graphs are functions of placeholders already, so nothing is traced: " + _COMPILE

_PUBLIC = {
    **dict.fromkeys(["array", "asarray", "ndarray", "from_numpy", "tensor", "matrix"], _ARRAY),
    **dict.fromkeys(["Input", "scalar", "vector", "fscalar", "dscalar", "iscalar", "fmatrix",
                     "dmatrix", "fvector", "dvector", "ivector", "tensor3"],
                    "gc.placeholder(name, shape, dtype) stands for an argument"),
    **dict.fromkeys(["Variable", "Parameter", "shared"], _VARIABLE),
    **dict.fromkeys(["jit", "function", "Session", "pmap"], _TRACE),
    **dict.fromkeys(["value_and_grad", "GradientTape", "gradient", "gradients", "backward"],
                    "gc.compile([x], [loss, *gc.grad(loss, parameters)]) has both as results"),
    **dict.fromkeys(["jacfwd", "jacrev"], "gc.jacobian(y, x) chooses between the two by itself"),
    **dict.fromkeys(["no_grad", "detach", "stop_grad"],
                    "gc.stop_gradient(x) has none; what is not asked for is not differentiated"),
    **dict.fromkeys(["seed", "manual_seed", "rand", "randn", "random_normal"], _SEEDS),
    **dict.fromkeys(["device", "cuda"], _PLACE),
    **dict.fromkeys(["Module", "Model"], _MODE),
    **dict.fromkeys(["fori_loop", "lax", "map"],
                    "gc.scan, gc.while_loop, gc.cond, gc.switch and gc.vmap"),
    **dict.fromkeys(["clamp"], _LIMITED),
    "ifelse": "gc.cond(predicate, yes, no) computes one branch; gc.where chooses by elements",
    "associative_scan": "gc.cumsum, gc.cumprod and gc.cumlogsumexp; gc.scan for other steps",
    **dict.fromkeys(["custom_vjp", "custom_jvp", "Function", "RegisterGradient"], _OWN_GRADIENT),
    "autograd": _GRADIENT,
    "hessian_vector_product": "gc.hvp(loss, x, vector)",
    **dict.fromkeys(["givens", "clone", "functional_call", "replace"], _INSTEAD),
    **dict.fromkeys(["config", "floatX", "set_default_dtype"],
                    "a tensor is made with its dtype: gc.placeholder(name, shape, 'float64')"),
    "numpy": "array functions are in gc itself: gc.exp",
    **dict.fromkeys(["DataLoader", "Dataset", "utils", "data"], _BATCHES),
    **dict.fromkeys(["print", "Print", "debug"], _OUTPUTS),
    "remat": "gc.checkpoint",
    **dict.fromkeys(["complex64", "complex128"],
                    "there are no complex numbers: gc.fft has pairs of real and imaginary parts"),
    "eig": "gc.linalg.eigh(a), of symmetric matrices",
    **dict.fromkeys(["keras", "layers"], "layers are in nn: nn.Dense(inputs, outputs)"),
    "cat": "gc.concat([x, y], axis=0)",
    "unsqueeze": "gc.expand_dims(x, axis)",
    "permute": "gc.permute_dims(x, axes)",
    "product": "gc.prod(x)",
    "cumulative_sum": "gc.cumsum(x, axis)",
    "cumulative_prod": "gc.cumprod(x, axis)",
    "degrees": "gc.rad2deg(x)",
    "radians": "gc.deg2rad(x)",
    "fliplr": "gc.flip(x, 1)",
    "flipud": "gc.flip(x, 0)",
    "fabs": "gc.abs(x)",
    "float_power": "x ** y",
    "argwhere": "gc.nonzero(mask, size)",
    "flatnonzero": "gc.nonzero(mask, size)",
    "result_type": "gc.promote(x.dtype, y.dtype)",
    **dict.fromkeys(["sub", "mul", "div", "neg"], "operators: x - y, x * y, x / y, -x"),
    "expit": "gc.sigmoid(x)",
    "array_equal": "gc.all(x == y)",
    "amax": "gc.max(x)",
    "amin": "gc.min(x)",
    "mm": "x @ y",
    "bmm": "x @ y multiplies the last two axes",
    "addmm": "c + x @ y",
    "gather": "gc.take_along_axis(x, indices, axis), or gc.take(x, indices, axis)",
    "index_select": "gc.take(x, indices, axis)",
    "scatter": "gc.put_along_axis(x, indices, values, axis), or x.at[indices].set(values)",
    "segment_sum": "gc.zeros((segments,)).at[segment].add(values)",
    "segment_max": "gc.full((segments,), -gc.inf).at[segment].max(values)",
    "segment_min": "gc.full((segments,), gc.inf).at[segment].min(values)",
    **dict.fromkeys(["scatter_add", "index_add", "scatter_reduce", "scatter_nd"],
                    "x.at[indices].add(values), and likewise set, multiply, max and min"),
    "movedim": "gc.moveaxis(x, source, destination)",
    "chunk": "gc.split(x, parts, axis)",
    "column_stack": "gc.stack(columns, axis=1)",
    "gammaln": "gc.lgamma(x)",
    "logcumsumexp": "gc.cumlogsumexp(x, axis)",
    "trapz": "gc.trapezoid(y, x)",
    "logspace": "10 ** gc.linspace(low, high, count)",
    "divmod": "gc.floor_divide(x, y) and gc.remainder(x, y)",
    "softmin": "gc.softmax(-x)",
    "lerp": "a + t * (b - a)",
    "logit": "gc.log(p) - gc.log1p(-p)",
    "xlogy": "nn.entropy and nn.kl_divergence take 0 log 0 for 0",
    "cdist": "nn.square_distances(x, y) gives squares of distances",
    **dict.fromkeys(["tril_indices", "triu_indices", "diag_indices", "ix_"],
                    "NumPy's: arrays of integers index tensors too"),
    "masked_fill": "gc.where(mask, value, x)",
    "onehot": "gc.one_hot(indices, count)",
    "float": "gc.float32",
    "float_": "gc.float64",
    "double": "gc.float64",
    "half": "gc.float16",
    "int": "gc.int32 or gc.int64",
    "long": "gc.int64",
    "dtype": "gc.as_dtype('float32'), or x.dtype of a tensor",
    "save": "layer.save(path) writes weights, gc.export(...) compiled functions",
    "tree_map": "a list or dict of tensors may be given wherever several are asked for",
    "unique": "its shape would depend on values; gc.sort and gc.bincount have shapes that do not",
    "histogram": "gc.bincount(gc.digitize(x, edges))",
    "dimshuffle": "gc.permute_dims(x, axes) and gc.expand_dims(x, axis)",
    "relu6": "gc.clip(x, 0, 6)",
    "max_pool2d": "nn.max_pool(x, 2)",
    "avg_pool2d": "nn.average_pool(x, 2)",
    "layer_norm": "nn.LayerNorm(size), or nn.normalise(x, axes)",
    "mse_loss": "nn.mse(x, targets)",
    "tensorflow": _COMPILE,
}  # fmt: skip

_LAYERS = {
    "Linear": "nn.Dense(inputs, outputs)",
    **dict.fromkeys(["Conv1d", "Conv2d", "Conv3d", "Conv1D", "Conv2D", "Conv3D"],
                    "nn.conv2d(inputs, outputs, 3), with nn.conv1d and nn.conv3d: images have "
                    "their channels first"),
    **dict.fromkeys(["ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d", "Conv2DTranspose"],
                    "nn.ConvTranspose(inputs, outputs, (3, 3))"),
    **dict.fromkeys(["BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "BatchNormalization"],
                    "nn.BatchNorm(channels), for any number of axes"),
    "LayerNormalization": "nn.LayerNorm(size)",
    **dict.fromkeys(["MaxPool1d", "MaxPool2d", "MaxPool3d", "MaxPooling2D", "max_pool2d"],
                    "nn.MaxPool(2), or the function nn.max_pool(x, 2)"),
    **dict.fromkeys(["AvgPool1d", "AvgPool2d", "AvgPool3d", "AveragePooling2D", "avg_pool2d"],
                    "nn.AveragePool(2), or the function nn.average_pool(x, 2)"),
    **dict.fromkeys(["AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "GlobalAveragePooling2D"],
                    "the functions nn.adaptive_average_pool(x, size), nn.global_average_pool(x)"),
    **dict.fromkeys(["Module", "Model"], _MODE),
    "ModuleList": "a list; nn.Layer finds the layers in it",
    "ModuleDict": "a dict; nn.Layer finds the layers in it",
    "Parameter": _VARIABLE,
    **dict.fromkeys(["ReLU", "GELU", "ELU", "SiLU", "Sigmoid", "Tanh", "Softmax", "LeakyReLU",
                     "LogSoftmax", "SELU", "Softplus", "Activation"],
                    "activations are functions, such as gc.relu; nn.Sequential takes them"),
    **dict.fromkeys(["Flatten", "Reshape", "Lambda", "Identity"],
                    "nn.Sequential takes functions: lambda x: x.reshape(x.shape[0], -1)"),
    **dict.fromkeys(["CrossEntropyLoss", "NLLLoss", "SparseCategoricalCrossentropy"],
                    "nn.cross_entropy(logits, labels)"),
    **dict.fromkeys(["MSELoss", "mse_loss", "MeanSquaredError"], "nn.mse(x, targets)"),
    **dict.fromkeys(["CTCLoss", "ctc"], "nn.ctc_loss(logits, labels, lengths, label_lengths)"),
    "nll_loss": "nn.cross_entropy(logits, labels)",
    "cosine_similarity": "nn.cosine_similarities(x, y) of all pairs of rows",
    **dict.fromkeys(["L1Loss", "l1_loss"], "nn.mae(x, targets)"),
    **dict.fromkeys(["BCELoss", "BCEWithLogitsLoss", "binary_cross_entropy_with_logits"],
                    "nn.binary_cross_entropy(logits, targets)"),
    **dict.fromkeys(["HuberLoss", "SmoothL1Loss"], "nn.huber(x, targets)"),
    "KLDivLoss": "nn.kl_divergence",
    **dict.fromkeys(["MultiheadAttention", "MultiHeadAttention"],
                    "nn.SelfAttention(size, heads), nn.CrossAttention, or nn.attention(q, k, v)"),
    "scaled_dot_product_attention": "nn.attention(q, k, v)",
    "TransformerEncoderLayer": "nn.EncoderBlock(size, heads, hidden)",
    "TransformerDecoderLayer": "nn.DecoderBlock(size, heads, hidden)",
    "functional": "functions are in gc and nn themselves: gc.relu, nn.cross_entropy",
    "init": "gc.init",
    "layer_norm": "nn.LayerNorm(size), or nn.normalise(x, axes)",
    "PixelShuffle": "nn.pixel_shuffle(x, factor)",
    "DataParallel": _PLACE,
    "utils": "optim.Adam(clip_norm=1.0) clips gradients, as does optim.clip_by_global_norm",
}  # fmt: skip

_OPTIMISERS = {
    "Optimizer": "optim.Optimiser",
    "Adagrad": "optim.AdaGrad",
    "Adamax": "optim.AdaMax",
    "Momentum": "optim.SGD(lr, momentum=0.9)",
    "RMSProp": "optim.RMSprop",
    "SWA": "optim.WeightAverage",
    **dict.fromkeys(["lr_scheduler", "StepLR", "ExponentialLR", "CosineAnnealingLR",
                     "OneCycleLR", "MultiStepLR", "LambdaLR"],
                    "a schedule is a rate: optim.Adam(optim.cosine(1e-3, steps)), with "
                    "optim.step_decay, exponential_decay, linear and piecewise"),
    "ReduceLROnPlateau": "optim.Plateau",
    "apply_updates": _STEP,
    **dict.fromkeys(["clip_grad_norm_", "clip_grad_norm"],
                    "optim.Adam(clip_norm=1.0), or optim.clip_by_global_norm(grads, most)"),
}  # fmt: skip

_RANDOM = {
    **dict.fromkeys(["seed", "manual_seed", "default_rng", "PRNGKey", "RandomState"],
                    "gc.random.key(0), or gc.random.Generator(0), whose numbers are new in "
                    "every call"),
    **dict.fromkeys(["rand", "random", "random_sample"],
                    "gc.random.uniform(gc.random.key(0), shape)"),
    **dict.fromkeys(["randn", "standard_normal"], "gc.random.normal(gc.random.key(0), shape)"),
    "integers": "gc.random.randint(key, low, high, shape)",
    "shuffle": "gc.random.permutation(key, x) gives x in another order",
}  # fmt: skip

_TENSORS = {
    **dict.fromkeys(["item", "numpy", "tolist", "eval", "get_value", "block_until_ready"], _VALUE),
    **dict.fromkeys(["backward", "grad", "requires_grad", "requires_grad_", "retain_grad"],
                    _GRADIENT),
    **dict.fromkeys(["cpu", "cuda", "device", "gpu"], _PLACE),
    "to": "x.astype(dtype) converts; " + _PLACE,
    **dict.fromkeys(["set_value", "assign", "data", "assign_add"],
                    "w.value is the array of a variable, which can be set; "
                    "gc.compile(..., updates={w: new}) has calls set it"),
    **dict.fromkeys(["copy_", "fill_", "zero_", "add_", "sub_", "mul_", "div_", "clamp_",
                     "masked_fill_", "scatter_", "normal_", "uniform_", "fill", "sort_"], _NEW),
    **dict.fromkeys(["contiguous", "clone", "copy"], "x itself will do: " + _NEW),
    "detach": "gc.stop_gradient(x)",
    "view": "x.reshape(shape)",
    "view_as": "x.reshape(y.shape)",
    "reshape_as": "x.reshape(y.shape)",
    "unsqueeze": "gc.expand_dims(x, axis), or x[None]",
    **dict.fromkeys(["permute", "dimshuffle"], "gc.permute_dims(x, axes)"),
    "t": "x.T",
    **dict.fromkeys(["expand", "expand_as"], "gc.broadcast_to(x, shape)"),
    "numel": "x.size",
    "nelement": "x.size",
    "dim": "x.ndim",
    "rank": "x.ndim",
    "nbytes": "x.type.bytes",
    "get_shape": "x.shape",
    "float": "x.astype('float32')",
    "double": "x.astype('float64')",
    "half": "x.astype('float16')",
    "long": "x.astype('int64')",
    "int": "x.astype('int32')",
    "bool": "x.astype('bool')",
    "type_as": "x.astype(y.dtype)",
    "eq": "x == y",
    "ne": "x != y",
    "lt": "x < y",
    "gt": "x > y",
    "le": "x <= y",
    "ge": "x >= y",
    "mm": "x @ y",
    "bmm": "x @ y",
    "matmul": "x @ y, or gc.matmul(x, y)",
    "dot": "x @ y, or gc.dot(x, y)",
    "mul": "x * y",
    "sub": "x - y",
    "div": "x / y",
    "pow": "x ** y",
    "neg": "-x",
    "clamp": _LIMITED,
    "chunk": "gc.split(x, sections, axis)",
    "gather": "gc.take_along_axis(x, indices, axis)",
    "index_select": "gc.take(x, indices, axis)",
    "masked_fill": "gc.where(mask, value, x)",
    "new_zeros": "gc.zeros(shape, x.dtype)",
    "new_ones": "gc.ones(shape, x.dtype)",
    "numpy_function": _VALUE,
}  # fmt: skip

_LAYER = {
    "forward": "layer(x) calls it; a class of one's own has __call__",
    **dict.fromkeys(["to", "cuda", "cpu"], _PLACE),
    **dict.fromkeys(["fit", "train_step", "zero_grad", "optimizer"], _STEP),
    **dict.fromkeys(["compile", "predict", "evaluate"], "gc.compile([x], layer(x))(array)"),
    **dict.fromkeys(["apply", "init"], "a layer holds its parameters: layer(x)"),
    "summary": "gc.dump(layer(x)) shows the graph, layer.parameter_count() counts",
    "save_weights": "layer.save(path)",
    "load_weights": "layer.load(path)",
    **dict.fromkeys(["children", "modules", "named_modules", "named_children"], "layer.layers()"),
    "num_parameters": "layer.parameter_count()",
    **dict.fromkeys(["weights", "params", "trainable_variables"], "layer.parameters()"),
    "buffers": "layer.variables() has all of them by name",
    "get_weights": "layer.state_dict()",
    "set_weights": "layer.load_state_dict(arrays)",
    "half": "a layer is made of a dtype: nn.Dense(inputs, outputs, dtype='float16')",
}  # fmt: skip

_OPTIMISER = {
    **dict.fromkeys(["zero_grad", "minimize", "apply_gradients", "update", "init", "backward",
                     "compute_gradients"], _STEP),
    **dict.fromkeys(["param_groups", "defaults"],
                    "several optimisers may share a step: updates=a.updates(...) | b.updates(...)"),
    "lr": "a rate is given when it is made; a variable or a schedule may be one",
}  # fmt: skip

_FUNCTION = {
    **dict.fromkeys(["run", "eval", "forward", "predict", "apply"],
                    "f(array) runs it"),
    **dict.fromkeys(["grad", "backward", "vjp"], _GRADIENT),
    **dict.fromkeys(["to", "cuda", "cpu"], _PLACE),
    **dict.fromkeys(["train", "fit", "step"], _STEP),
    **dict.fromkeys(["summary", "lower", "as_text"], "f.dump() shows it, stage by stage"),
    **dict.fromkeys(["save", "export"], "gc.export(f, path=path) writes a library"),
    "tune": "gc.tune(f, *arrays) finds schedules; gc.compile(..., tuning=) takes them",
}  # fmt: skip

_NAMES = MappingProxyType[str, _Hints]({
    "gc": _PUBLIC,
    "nn": _LAYERS,
    "optim": _OPTIMISERS,
    "random": _RANDOM,
    "linalg": {
        "norm": "gc.norm, gc.linalg.vector_norm and gc.linalg.matrix_norm",
        **dict.fromkeys(["eig", "eigvals"], "gc.linalg.eigh(a), of symmetric matrices"),
        **dict.fromkeys(["lu", "lu_factor", "lu_solve"],
                        "gc.linalg.solve(a, b); gc.linalg.qr and gc.linalg.cholesky are factors"),
        "multi_dot": "gc.einsum multiplies in a cheap order",
    },
    "init": {},
    "tensor": _TENSORS,
    "layer": _LAYER,
    "optimiser": _OPTIMISER,
    "function": _FUNCTION,
})  # fmt: skip

#: Where names of a module may be instead.
_MODULES = ("gc", "nn", "optim", "random", "linalg", "init", "fft")


def unknown(what: str, name: str, of: str) -> str:
    """The text of an AttributeError: `what`, of a kind in this table, has no `name`."""
    text = f"{what} has no {name!r}"
    hint = _NAMES[of].get(name) or _elsewhere(name, of)
    return f"{text}\n  hint: {hint}" if hint else text


def _elsewhere(name: str, of: str) -> str | None:
    """Where a function or a layer of this name is, or of one that is spelt almost so."""
    if of == "tensor":
        public = importlib.import_module("graphc")
        is_function = name in public.__all__ and callable(getattr(public, name))
        return f"gc.{name}(x) is a function" if is_function else None
    if of not in _MODULES or importlib.util.find_spec(f"graphc.{name}"):
        return None
    for module in (of, *(m for m in _MODULES if m != of)):
        for known in _public(module):
            if known == name or (module == of and _alike(known, name)):
                short = module in ("gc", "nn", "optim")
                return f"{module}.{known}" if short else f"gc.{module}.{known}"
    return None


def _public(module: str) -> list[str]:
    found = importlib.import_module("graphc" if module == "gc" else f"graphc.{module}")
    names: list[str] = found.__all__
    return names


def _alike(one: str, other: str) -> bool:
    """Whether names differ in capitals and underscores alone, or in the order of their words."""
    words, others = one.lower().split("_"), other.lower().split("_")
    return "".join(words) == "".join(others) or sorted(words) == sorted(others)
