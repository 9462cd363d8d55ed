"""Graphs as pictures and as data, and the page."""

import json
import re
import time
from collections.abc import Callable
from html.parser import HTMLParser
from itertools import pairwise
from xml.etree import ElementTree

import networkx as nx
import numpy as np
import pytest

import graphc as gc
from graphc import nn, optim
from graphc.dump.drawing import svg
from graphc.dump.layout import place
from graphc.dump.views import Arrow, Box, View
from graphc.executable import Executable
from tests.dump.graphs import product, rows

SVG = "{http://www.w3.org/2000/svg}"
Make = Callable[[], Executable]
DRAWN = ("source", "optimised", "kernels")


@pytest.mark.parametrize("stage", DRAWN)
@pytest.mark.parametrize("make", [rows, product])
def test_a_picture_is_xml_with_a_box_for_each_thing(make: Make, stage: str) -> None:
    f = make()
    tree = ElementTree.fromstring(f.dump(stage, "svg"))
    boxes = json.loads(f.dump(stage, "json"))["boxes"]
    groups = [g for g in tree.iter(f"{SVG}g") if "box" in g.get("class", "")]
    assert [g.get("data-id") for g in groups] == [b["id"] for b in boxes]
    for group, box in zip(groups, boxes, strict=True):
        assert next(group.iter(f"{SVG}title")).text.split("\n")[0] == box["title"]


def test_a_picture_has_room_for_its_arrows() -> None:
    x = gc.placeholder("x", ("n", 3))
    w = [gc.variable(np.zeros((3, 3), np.float32), f"w{k}") for k in range(3)]
    loss = gc.sum(gc.tanh(gc.tanh(x @ w[0]) @ w[1]) @ w[2])
    new = {v: v - g for v, g in zip(w, gc.grad(loss, w), strict=True)}
    tree = ElementTree.fromstring(gc.compile([x], loss, new).dump("source", "svg"))
    paths = [p.get("d", "") for p in tree.iter(f"{SVG}path") if p.get("class") == "arrow"]
    points = [p for path in paths for p in re.findall(r"(-?[\d.]+) (-?[\d.]+)", path)]
    assert points
    assert all(0 <= float(across) <= float(tree.get("width", 0)) for across, _ in points)


@pytest.mark.parametrize("stage", DRAWN)
def test_networkx_and_json_agree(stage: str) -> None:
    f = rows()
    graph, data = f.dump(stage, "networkx"), json.loads(f.dump(stage, "json"))
    assert isinstance(graph, nx.MultiDiGraph)
    assert nx.is_directed_acyclic_graph(graph)
    assert list(graph.nodes) == [b["id"] for b in data["boxes"]]
    assert sorted(graph.edges()) == sorted((a["start"], a["end"]) for a in data["arrows"])


@pytest.mark.parametrize("make", [rows, product])
def test_dot_quotes_every_label(make: Make) -> None:
    text = make().dump("source", "dot")
    label = r'"(?:[^"\\]|\\.)*"'
    lines = text.splitlines()
    assert re.fullmatch(rf"digraph {label} {{", lines[0])
    for line in lines[2:-1]:
        node = rf"  \w+ \[label={label}, fillcolor={label}\];"
        assert re.fullmatch(rf"{node}|  \w+ -> \w+ \[label={label}\];", line), line


def test_a_variable_that_one_kernel_steps_on_has_no_box() -> None:
    counter, used = (gc.variable(np.zeros(4, np.float32), name) for name in ("counter", "used"))
    x = gc.placeholder("x", (4,))
    f = gc.compile([x], gc.sum(x * used), updates={counter: counter + 1})
    boxes = json.loads(f.dump("kernels", "json"))["boxes"]
    assert {b["title"] for b in boxes if b["kind"] == "variable"} == {"used"}
    assert any("updates counter" in b["lines"] for b in boxes)


def test_numbers_are_written_into_the_ops_that_read_them() -> None:
    x = gc.placeholder("x", ("n",))
    boxes = json.loads(gc.dump(x * 0.9, "source", "json"))["boxes"]
    assert [b["title"] for b in boxes] == ["x", "multiply(·, 0.9)", "output 0"]


# Layout


def grid(layers: int, width: int) -> View:
    """Boxes in layers, each fed by two of the layer above, and by one far above."""
    boxes = [Box(f"b{k}", "op", f"box {k}" * (1 + k % 3)) for k in range(layers * width)]
    arrows = []
    for k in range(width, layers * width):
        sources = {k - width, k - width - 1, max(0, k - 5 * width)}
        arrows += [Arrow(f"b{max(0, s)}", f"b{k}", "") for s in sorted(sources)]
    return View("grid", tuple(boxes), tuple(arrows))


def test_boxes_do_not_overlap_and_arrows_run_down() -> None:
    view = grid(8, 6)
    placement = place(view)
    places = list(placement.boxes.values())
    for k, a in enumerate(places):
        for b in places[:k]:
            apart = abs(a.x - b.x) >= (a.width + b.width) / 2
            assert apart or abs(a.y - b.y) >= (a.height + b.height) / 2
    for arrow, route in zip(view.arrows, placement.routes, strict=True):
        ys = [y for _, y in route]
        assert ys == sorted(ys)
        assert ys[0] > placement.boxes[arrow.start].y
        assert ys[-1] < placement.boxes[arrow.end].y


def test_arrows_pass_beside_boxes() -> None:
    view = grid(8, 6)
    placement = place(view)
    for route in placement.routes:
        for (x1, y1), (x2, y2) in pairwise(route):
            if x1 != x2:
                continue
            for r in placement.boxes.values():
                if y1 < r.y < y2:
                    assert abs(r.x - x1) >= r.width / 2


def test_a_picture_of_thousands_of_boxes_takes_seconds() -> None:
    begin = time.perf_counter()
    assert svg(grid(100, 30)).count("<rect") == 3000
    assert time.perf_counter() - begin < 20


def test_an_empty_view_is_a_picture() -> None:
    ElementTree.fromstring(svg(View("nothing", (), ())))


# The page


class Page(HTMLParser):
    """Tags that a page has, and the text of its scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.scripts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "input", "br"):
            self.open.append(tag)
        self.links += [str(value) for name, value in attrs if name in ("src", "href", "action")]
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.scripts[-1] += data


@pytest.mark.parametrize("make", [rows, product])
def test_a_page_stands_alone_and_is_well_formed(make: Make) -> None:
    f = make()
    text = f.dump(format="html")
    found = Page(text)
    assert found.open == []
    assert found.links == []
    assert not re.findall(r"https?://(?!www\.w3\.org/2000/svg)|@import|url\((?!#)", text)
    data = json.loads(found.scripts[0])
    assert len(data["kernels"]) == len(f.kernels)
    for kernel in data["kernels"].values():
        assert kernel["ops"] and kernel["loops"].startswith("kernel ")
        assert "\tret" in kernel["assembly"] or "\tjmp" in kernel["assembly"]
        assert set(kernel["nodes"]) <= set(data["boxes"]["graph"])


def test_labels_cannot_break_out_of_a_page() -> None:
    data = json.loads(Page(product().dump(format="html")).scripts[0])
    titles = [box[0] for box in data["boxes"]["graph"].values()]
    assert 'w <"&\\{{svg}}' in titles
    assert "</script> = maximum(0.0, ·)" in titles


def test_a_page_needs_kernels() -> None:
    x = gc.placeholder("x")
    f = gc.compile([x], x + 1, target="reference")
    with pytest.raises(gc.GraphError, match="the target 'reference' has no kernels to show"):
        f.dump(format="html")


def _looping() -> Executable:
    x, w = gc.placeholder("x", ("n", 4)), gc.variable(np.ones((4, 4), np.float32), "w")

    def step(h: gc.Tensor, row: gc.Tensor) -> tuple[gc.Tensor, gc.Tensor]:
        new = gc.tanh(h @ w + row)
        return gc.cond(gc.sum(row) > 0, lambda: new, lambda: h), new

    return gc.compile([x], gc.scan(step, gc.zeros((4,)), x))


def test_bodies_of_loops_and_branches_have_pictures_that_their_boxes_lead_to() -> None:
    text = _looping().dump(format="html")
    names = re.findall(r'data-picture="([^"]*)"', text)
    data = json.loads(text.partition('id="data">')[2].partition("</script>")[0])
    led = {name for of in data["bodies"].values() for found in of.values() for name in found}
    assert names[:2] == ["kernels", "graph"]
    assert led == set(names[2:]) == data["boxes"].keys() - {"kernels", "graph"}
    assert len(led) == 3
    assert sum("branch" in name for name in led) == 2
    for of, found in data["bodies"].items():
        assert found.keys() <= data["boxes"][of].keys()


def test_each_picture_of_a_page_has_arrow_heads_of_its_own() -> None:
    text = _looping().dump(format="html")
    heads = re.findall(r'marker id="(\w+)"', text)
    assert len(set(heads)) == len(heads) == text.count("data-picture=")
    assert re.findall(r"marker-end=\"url\(#(\w+)\)\"", text) == heads
    assert text.count('markerUnits="userSpaceOnUse"') == len(heads)


def test_variables_of_layers_go_by_their_paths() -> None:
    x = gc.placeholder("x", ("n", 3))
    model = nn.Sequential(nn.Dense(3, 4, seed=0), gc.tanh, nn.Dense(4, 2, seed=1))
    loss = gc.sum(model(x))
    f = gc.compile([x], loss, optim.SGD(0.1).updates(loss, model.parameters()))
    for stage in DRAWN:
        boxes = json.loads(f.dump(stage, "json"))["boxes"]
        titles = [b["title"] for b in boxes if b["kind"] == "variable"]
        assert len(set(titles)) == len(titles)
        assert "steps.0.weight" in titles
