"""Classes and places for pixels, graphs, and data sets (catalogue 2, D)."""

import gzip
import json

import numpy as np
import pytest

import graphc as gc
from graphc import nn, vision
from graphc.vision import datasets, models
from tests.systems.catalogue import CS, S, both, row, run, symbols
from tests.systems.images import small, trains
from tests.systems.learning import learns

MASKS = "graphc/vision/masks.py"


@row("CNN-70", "graphc/vision/models/segmentation.py")
def test_cnn_70_semantic_segmentation():
    """Logits for every pixel, at sizes that are not known before; ramps are enlarged exactly;
    pixels to be ignored have no gradient; mean IoU as counted; the loss falls.
    """
    stages = [
        (nn.Sequential(nn.conv2d(a, b, 3, padding=1, activation=nn.relu, seed=b, dtype="float64"),
                       nn.MaxPool(2, padding="same")), b)
        for a, b in ((1, 2), (2, 3))
    ]  # fmt: skip
    net = small(models.FCN, stages, 4, classes=None)
    x = gc.placeholder("x", ("n", 1, "h", "w"), gc.float64)
    assert run(net(x), {x: S(0, 1, 1, 7, 5)}, "reference").shape == (1, 4, 7, 5)
    labels = np.arange(32).reshape(2, 4, 4) % 4
    labels[0, 1] = 255
    logits = net(gc.constant(S(0, 2, 1, 4, 4)))
    loss = nn.cross_entropy(logits, gc.constant(labels), axis=1, ignore=255)
    *_, slope = trains(net, loss=loss, rate=0.3, steps=12, more=[gc.grad(loss, logits)])
    assert not slope[0, :, 1].any() and (np.abs(slope[0, :, [0, 2, 3]]).sum(1) > 0).all()
    ramp = 2 * np.arange(5.0)[:, None] + 3 * np.arange(6.0) + np.zeros((1, 2, 1, 1))
    for factor in (2, 3):
        up = models.upsampling(2, factor, "float64")
        wide = run(up(gc.constant(ramp)), target="reference")
        rows, columns = ((np.arange(k * factor) + 0.5) / factor - 0.5 for k in (5, 6))
        meant = 2 * rows[:, None] + 3 * columns
        inner = (slice(factor, -factor),) * 2
        np.testing.assert_allclose(wide[0, 1][inner], meant[inner], atol=1e-12)
    said, true = np.array([0, 0, 1, 2, 1, 3]), np.array([0, 1, 1, 2, 2, 255])
    share = nn.mean_iou(gc.constant(said), gc.constant(true), 4, ignore=255)
    assert run(share, target="reference") == pytest.approx((1 / 2 + 1 / 3 + 1 / 2) / 3)


@row("CNN-71", MASKS)
def test_cnn_71_instance_masks():
    """Only the mask of the true class of an object has a gradient; a mask is pasted into its box as
    it is resized, with nothing outside; the loss falls.
    """
    head = small(vision.mask_head, 2, width=2, depth=1)
    regions = gc.constant(S(0, 3, 2, 2, 2))
    logits = head(regions)
    labels, masks = gc.constant(np.array([2, 0, 3])), gc.constant(S(1, 3, 4, 4) > 0)
    loss = vision.mask_loss(logits, labels, masks)
    *_, slope = trains(head, loss=loss, rate=0.5, more=[gc.grad(loss, logits)])
    assert slope.shape == (3, 3, 4, 4)
    assert [tuple(k) for k in np.argwhere(slope.any((2, 3)))] == [(0, 1), (2, 2)]
    feeds = symbols(masks=S(2, 2, 3, 4), boxes=np.array([[1.0, 2, 5, 5], [0, 0, 8, 6]]))
    pasted = vision.paste_masks(*feeds, (7, 9))
    resized = nn.resize(next(iter(feeds))[1:, None], (6, 8))
    found, meant = run([pasted, resized], feeds, "reference")
    np.testing.assert_allclose(found[0, 2:5, 1:5], S(2, 2, 3, 4)[0], atol=1e-14)
    assert np.count_nonzero(found[0]) == 12
    np.testing.assert_allclose(found[1, :6, :8], meant[0, 0], atol=1e-14)
    assert not found[1, 6].any() and not found[1, :, 8].any()


@row("CNN-72", MASKS)
def test_cnn_72_panoptic_segmentation():
    """A perfect picture has quality 1; overlaps go to the surer mask; the quality of another one as
    counted by hand.
    """
    masks = np.zeros((3, 4, 6), bool)
    masks[0, :2, :3] = masks[1, 1:, 2:] = True
    rest = np.where(np.arange(6) < 3, 0, 1) + np.zeros((4, 1), int)
    feeds = symbols(masks=masks, scores=np.array([0.6, 0.9, 0.8]), kinds=np.array([5, 6, 7]))
    classes, numbers = both(vision.merge_segments(*feeds, gc.constant(rest)), feeds)
    assert classes[1, 2] == 6 and numbers[1, 2] == 2 and classes[0, 0] == 5
    assert numbers[3, 0] == 0 and classes[3, 0] == 0 and 7 not in classes
    truth = np.array([[0, 0, 0, 1, 1, 1], [0, 0, 0, 1, 1, 1], [2, 2, 2, 2, 3, 3]])
    found = np.array([[0, 0, 1, 1, 1, 1], [0, 0, 1, 1, 1, 1], [2, 2, 3, 3, 3, 3]])
    kinds = np.array([4, 5, 4, 6])
    a, b = symbols(a=truth, b=found), symbols(c=kinds, d=np.array([4, 5, 4, 5]))
    (t, f), (k, m) = a, b
    perfect, mixed, self_ = both(
        [vision.panoptic_quality(t, k, t, k), vision.panoptic_quality(f, m, t, k),
         vision.panoptic_quality(f, k, f, k)], {**a, **b},
    )  # fmt: skip
    # IoU 4/6 and 6/8 match; 2/4 is not above one half, another has another class.
    assert perfect == self_ == 1
    assert mixed == pytest.approx((4 / 6 + 6 / 8) / (2 + 1 + 1))


@row("CNN-73", "graphc/vision/heat_maps.py")
def test_cnn_73_points_volumes_and_texts():
    """The soft arg max of a sharp peak is its place, also between pixels, and has gradients; heat
    maps are learnt; a small network for volumes, and one that scores texts, learn.
    """
    places = np.array([[[2.0, 3], [4, 1]]])
    feeds = symbols(points=places)
    maps = vision.heat_maps(*feeds, (7, 6), 1.0)
    found, sharp = both([vision.soft_argmax(maps * 200), maps], feeds)
    np.testing.assert_allclose(found, places, atol=1e-6)
    assert sharp[0, 0, 2, 3] == 1
    feeds = symbols(heat=S(0, 1, 2, 3, 4), goal=S(1, 1, 2, 2))
    heat, goal = feeds
    learns(nn.mse(vision.soft_argmax(heat), goal), feeds, rate=0.5)
    options = {"dtype": "float64", "activation": gc.tanh}
    volumes = nn.Sequential(
        nn.conv3d(1, 2, 2, seed=0, **options), nn.global_average_pool,
        nn.Dense(2, 3, seed=1, dtype="float64"),
    )  # fmt: skip
    trains(volumes, (3, 1, 3, 4, 3), rate=1.0, steps=12)
    words = gc.constant(np.array([[0, 1, 2], [3, 2, 2]]))
    table = nn.Embedding(4, 2, seed=0, dtype="float64")
    cell = nn.RNNCell(2, 3, seed=1, dtype="float64")
    score = nn.Dense(3, 1, seed=2, dtype="float64")
    h, _ = nn.unroll(cell, gc.swapaxes(table(words), 0, 1))
    loss = nn.mse(score(h[-1])[:, 0], gc.constant(np.array([0.9, 0.1])))
    trains(nn.Sequential(table, cell, score), loss=loss)


@row("CNN-74", "graphc/nn/graphs.py")
def test_cnn_74_graph_convolution():
    """CS of a path of three nodes as printed, from a matrix and from edges; with the nodes in
    another order, so are the features; gradients, and the loss falls.
    """
    path = np.array([[0.0, 1, 0], [1, 0, 1], [0, 1, 0]])
    feeds = symbols(H=S(0, 3, 2), W=S(1, 2, 4), A=path)
    H, W, A = feeds
    layer = nn.GraphConv(2, 4, dtype="float64")
    layer.product.weight = W
    order = np.array([2, 0, 1])
    edges = gc.constant(np.array([[0, 1, 1, 2], [1, 0, 2, 1]]))
    dense, sparse = layer(H, A), layer(H, edges)
    turned = layer(H[order], gc.constant(path[order][:, order]))
    loss = gc.sum(dense**2) + gc.sum(sparse**3)
    a, b, c, *_ = learns(loss, feeds, [dense, sparse, turned], rate=1e-3)
    assert CS(a) == pytest.approx(-0.389569804, abs=1e-9)
    np.testing.assert_allclose(b, a, atol=1e-14)
    np.testing.assert_allclose(c, a[order], atol=1e-14)


@row("CNN-75", "graphc/vision/datasets.py")
def test_cnn_75_data_sets(tmp_path):
    """Files in the formats of MNIST, CIFAR-10 and 100, ILSVRC, Tox21, COCO and VOC are read with
    their shapes, labels and boxes; broken ones are refused by name.
    """
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (3, 28, 28), np.uint8), np.array([7, 0, 9], np.uint8)
    write_idx(tmp_path / "train-images-idx3-ubyte.gz", images, gzip.compress)
    write_idx(tmp_path / "train-labels-idx1-ubyte", labels, bytes)
    x, y = datasets.read_mnist(tmp_path)
    assert x.shape == (3, 1, 28, 28) and x.dtype == np.float32 and list(y) == [7, 0, 9]
    np.testing.assert_allclose(x[:, 0] * 255, images, rtol=1e-6)
    write_idx(tmp_path / "short", images, lambda data: data[:-1])
    with pytest.raises(gc.ArgumentError, match="short holds 2351 numbers"):
        datasets.read_idx(tmp_path / "short")
    with pytest.raises(gc.ArgumentError, match="is not an IDX file"):
        datasets.read_idx(__file__)
    for width in (1, 2):
        rows = rng.integers(0, 10, (4, width + 3072), np.uint8)
        rows[:2].tofile(tmp_path / "a.bin"), rows[2:].tofile(tmp_path / "b.bin")
        x, y = datasets.read_cifar([tmp_path / "a.bin", tmp_path / "b.bin"], width)
        assert x.shape == (4, 3, 32, 32)
        np.testing.assert_array_equal(y, rows[:, 0] if width == 1 else rows[:, :2])
        assert x[3, 2, 31, 31] * 255 == pytest.approx(rows[3, -1])
    for name in ("n02/b.JPEG", "n01/c.JPEG", "n01/a.JPEG"):
        (tmp_path / "train" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "train" / name).touch()
    files, y, names = datasets.list_images(tmp_path / "train")
    assert [f.name for f in files] == ["a.JPEG", "c.JPEG", "b.JPEG"]
    assert list(y) == [0, 0, 1] and names == ["n01", "n02"]
    (tmp_path / "tox.csv").write_text("NR-AR,SR-p53,smiles\n1,,CCO\n0,1,C\n")
    y, known = datasets.read_table(tmp_path / "tox.csv", ["NR-AR", "SR-p53"])
    assert y.tolist() == [[1, 0], [0, 1]] and known.tolist() == [[True, False], [True, True]]
    notes = [{"image_id": 4, "bbox": [1, 2, 3, 4], "category_id": 18}]
    content = {"images": [{"id": 4}, {"id": 5}], "annotations": notes}
    (tmp_path / "coco.json").write_text(json.dumps(content))
    found = datasets.read_coco(tmp_path / "coco.json")
    assert found[4][0].tolist() == [[1, 2, 4, 6]] and found[4][1].tolist() == [18]
    assert found[5][0].shape == (0, 4)
    box = "<xmin>1</xmin><ymin>2</ymin><xmax>3</xmax><ymax>4</ymax>"
    text = f"<annotation><object><name>dog</name><bndbox>{box}</bndbox></object></annotation>"
    (tmp_path / "voc.xml").write_text(text)
    boxes, names = datasets.read_voc(tmp_path / "voc.xml")
    assert boxes.tolist() == [[0, 1, 3, 4]] and names == ["dog"]


def write_idx(path, array, pack):
    """An array of bytes in the IDX format."""
    head = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes()
    path.write_bytes(pack(head + array.tobytes()))
