"""Models that start from others: hidden patches, new heads, weights by name (catalogue 4, C)."""

import ctypes

import numpy as np
import pytest

import graphc as gc
from graphc import nn
from tests.systems.catalogue import S, both, row, run, symbols
from tests.systems.sequences import learns


@row("ATT-38", "graphc/nn/vision_transformer.py")
def test_att_38_masked_autoencoder():
    """A random order from a key says which patches are seen; the error of those seen does not
    count; features do not depend on hidden ones; with none hidden it is a plain autoencoder; it
    learns.
    """
    model = nn.MaskedAutoencoder(4, 12, 4, 2, 6, seed=0)
    feeds = symbols(x=S(0, 3, 4, 12).astype("f4"), target=S(1, 3, 4, 12).astype("f4"))
    x, target = feeds
    order = gc.random.permutation(gc.random.key(3), 4)
    error = gc.take(model(x, order[:2]) - target, order[2:], axis=1)
    slope = gc.grad(gc.mean(error * error), target)
    features = gc.grad(gc.sum(model.encode(x, order[:2])), x)
    whole = gc.arange(4)
    plain = gc.mean((model(x, whole) - x) ** 2)
    whole_loss, plain = run([model.loss(x, whole, 4), plain], feeds, "reference")
    slope, features, places = both([slope, features, order], feeds)
    hidden, shown = places[2:], places[:2]
    assert sorted(places) == [0, 1, 2, 3]
    assert np.all(slope[:, shown] == 0) and np.all(slope[:, hidden] != 0)
    assert np.all(features[:, hidden] == 0)
    assert whole_loss == pytest.approx(plain, rel=1e-6)
    learns(model.loss(x, order, 2), model.parameters(), feeds, steps=100)


@row("ATT-39", "graphc/nn/layer.py")
def test_att_39_two_stage_training():
    """A trained body keeps every bit while a new head learns on it; weights go over by name, and
    missing or unknown names are said.
    """

    def body(seed):
        return nn.Sequential(nn.Dense(3, 5, gc.tanh, seed=seed), nn.Dense(5, 4, gc.tanh, seed=seed))

    x = gc.constant(S(0, 6, 3).astype(np.float32))
    first, head = body(0), nn.Dense(4, 3, seed=1)
    target = gc.constant(np.arange(6) % 3)
    learns(nn.cross_entropy(head(first(x)), target), first.parameters() + head.parameters())
    second, new = body(7), nn.Dense(4, 2, seed=2)
    second.load_state_dict(first.state_dict())
    before = second.state_dict()
    last = second[1].parameters()
    learns(
        nn.cross_entropy(new(second(x)), gc.constant(np.arange(6) % 2)),
        last + new.parameters(),
        steps=150,
        part=0.9,
    )
    after = second.state_dict()
    np.testing.assert_array_equal(before["0.weight"], after["0.weight"])
    np.testing.assert_array_equal(before["0.bias"], after["0.bias"])
    assert np.any(before["1.weight"] != after["1.weight"])
    wrong = {**before, "2.weight": before["0.weight"]}
    del wrong["0.bias"]
    with pytest.raises(gc.GraphError, match=r"missing: \['0.bias'\]; not known: \['2.weight'\]"):
        second.load_state_dict(wrong)


@row("ATT-40", "graphc/nn/layer.py")
def test_att_40_exchange_of_weights(tmp_path):
    """Weights written to a file and read into another model are the same to the bit, with the same
    outputs, also of the exported function; wrong shapes are refused, and named.
    """
    one, other = (nn.EncoderBlock(4, 2, 6, seed=k) for k in (0, 1))
    x = gc.placeholder("x", (3, 4), gc.float32)
    one.save(tmp_path / "weights.npz")
    other.load(tmp_path / "weights.npz")
    for name, array in one.state_dict().items():
        assert array.tobytes() == other.state_dict()[name].tobytes()
    a, b = run([one(x), other(x)], {x: S(0, 3, 4).astype("f4")})
    np.testing.assert_array_equal(a, b)
    library = ctypes.CDLL(str(gc.export([x], one(x), tmp_path / "block").library))
    library.block_create.restype = ctypes.c_void_p
    model, given, made = ctypes.c_void_p(library.block_create()), S(0, 3, 4).astype("f4"), 0 * a
    addresses = [ctypes.c_void_p(array.ctypes.data) for array in (given, made)]
    assert library.block_call(model, *addresses, None) == 0
    library.block_destroy(model)
    np.testing.assert_allclose(made, a, rtol=1e-6, atol=1e-6)
    bad = one.state_dict()
    bad["network.inner.weight"] = np.zeros((4, 7), np.float32)
    with pytest.raises(gc.ShapeError, match=r"network.inner.weight is f32\[4, 6\], not float32"):
        other.load_state_dict(bad)
