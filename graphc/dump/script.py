"""What a page does when it is looked at: panning, zooming, choosing, finding."""

SCRIPT = r"""
"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const stage = document.getElementById("stage"), panel = document.getElementById("panel");
const find = document.getElementById("find"), overview = panel.innerHTML;
const pictures = {}, tabs = document.getElementById("pictures").children;
for (const frame of stage.children) {
  const svg = frame.querySelector("svg");
  pictures[frame.dataset.picture] = { frame, svg, scale: 0, x: 0, y: 0 };
}
let shown = "kernels", selected = null, hits = [], hit = 0;
const current = () => pictures[shown];
const box = (id, picture = current()) => picture.svg.querySelector(`[data-id="${id}"]`);

function move() {
  const p = current();
  p.frame.style.transform = `translate(${p.x}px, ${p.y}px) scale(${p.scale})`;
}
function fit() {
  const p = current(), w = p.svg.width.baseVal.value, h = p.svg.height.baseVal.value;
  const wide = stage.clientWidth / w, high = stage.clientHeight / h;
  p.scale = Math.min(1.2, Math.max(Math.min(wide, high), Math.min(wide, 0.6), 0.3)) * 0.98;
  p.x = (stage.clientWidth - w * p.scale) / 2;
  p.y = Math.max(6, (stage.clientHeight - h * p.scale) / 2);
  move();
}
function zoom(factor, x = stage.clientWidth / 2, y = stage.clientHeight / 2) {
  const p = current();
  p.x = x - (x - p.x) * factor; p.y = y - (y - p.y) * factor; p.scale *= factor;
  move();
}
function pan(x, y) { const p = current(); p.x += x; p.y += y; move(); }
function show(name) {
  shown = name;
  for (const [key, p] of Object.entries(pictures)) p.frame.hidden = key !== name;
  for (const tab of tabs) tab.setAttribute("aria-selected", tab.textContent === name);
  if (!current().scale) fit();
  if (find.value) seek();
}
function centre(id) {
  const p = current(), r = box(id).querySelector("rect");
  const middle = side => r[side[0]].baseVal.value + r[side[1]].baseVal.value / 2;
  p.scale = Math.max(p.scale, 0.6);
  p.x = stage.clientWidth / 2 - middle(["x", "width"]) * p.scale;
  p.y = stage.clientHeight / 2 - middle(["y", "height"]) * p.scale;
  move();
}

function element(tag, text, parent) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  parent.append(made);
  return made;
}
function table(rows, parent) {
  const made = element("table", undefined, parent);
  for (const row of rows) {
    const line = element("tr", undefined, made);
    row.forEach((cell, k) => element(k ? "td" : "th", cell, line));
  }
  return made;
}
function button(text, parent, action) {
  const made = element("button", text, parent);
  made.onclick = action;
  return made;
}
function bodies(bar) {
  for (const name of (data.bodies[shown] || {})[selected] || [])
    button(`open ${name.split(": ").pop()}`, bar, () => { choose(null); enter(name); });
}
function enter(name) {
  const from = shown;
  show(name);
  panel.replaceChildren();
  element("h2", name, panel);
  element("p", "What each of its steps, or the branch, computes.", panel);
  const bar = element("div", undefined, panel);
  bar.className = "tabs";
  button("back", bar, () => { choose(null); show(from); });
}
function showKernel(kernel) {
  element("h2", kernel.title, panel);
  table(kernel.facts, panel);
  const bar = element("div", undefined, panel), body = element("div", undefined, panel);
  bar.className = "tabs";
  const parts = {
    ops: () => { table(kernel.ops, body).className = "ops"; },
    "loop IR": () => element("pre", kernel.loops, body),
    assembly: () => element("pre", kernel.assembly, body),
  };
  bodies(bar);
  const chosen = [];
  for (const [name, draw] of Object.entries(parts)) chosen.push(button(name, bar, event => {
    body.replaceChildren();
    draw();
    for (const other of chosen) other.setAttribute("aria-selected", other === event.target);
  }));
  element("span", undefined, bar).className = "grow";
  button("in the graph", bar, () => { show("graph"); mark(kernel.nodes); });
  button("overview", bar, () => choose(null));
  chosen[0].click();
}
function showValue(id) {
  const [title, ...lines] = data.boxes[shown][id];
  element("h2", title, panel);
  for (const line of lines) if (line) element("div", line, panel);
  const bar = element("div", undefined, panel);
  bar.className = "tabs";
  bodies(bar);
  if (shown === "graph") for (const [name, kernel] of Object.entries(data.kernels)) {
    if (!kernel.nodes.includes(id)) continue;
    button(`in kernel ${kernel.title}`, bar, () => {
      show("kernels");
      choose(name);
      centre(name);
    });
  }
  button("overview", bar, () => choose(null));
}
function clear() {
  for (const p of Object.values(pictures))
    for (const e of p.svg.querySelectorAll(".chosen, .near, .faded"))
      e.classList.remove("chosen", "near", "faded");
}
function mark(ids) {
  clear();
  for (const e of current().svg.querySelectorAll(".box"))
    e.classList.add(ids.includes(e.dataset.id) ? "chosen" : "faded");
  if (ids.length) centre(ids[ids.length - 1]);
}
function choose(id) {
  clear();
  selected = id;
  if (id === null) { panel.innerHTML = overview; return; }
  panel.replaceChildren();
  box(id).classList.add("chosen");
  const ends = `[data-start="${id}"], [data-end="${id}"]`;
  for (const arrow of current().svg.querySelectorAll(ends)) arrow.classList.add("near");
  if (shown === "kernels" && data.kernels[id]) showKernel(data.kernels[id]); else showValue(id);
}
function seek() {
  const wanted = find.value.toLowerCase();
  hits = []; hit = 0;
  for (const e of current().svg.querySelectorAll(".box")) {
    const good = wanted !== "" && e.textContent.toLowerCase().includes(wanted);
    e.classList.toggle("hit", good);
    if (good) hits.push(e.dataset.id);
  }
}

stage.addEventListener("wheel", event => {
  event.preventDefault();
  const area = stage.getBoundingClientRect();
  zoom(Math.exp(-event.deltaY * 0.0015), event.clientX - area.left, event.clientY - area.top);
}, { passive: false });
let held = null;
stage.addEventListener("pointerdown", event => {
  held = [event.clientX, event.clientY];
  stage.classList.add("dragging");
});
window.addEventListener("pointermove", event => {
  if (!held) return;
  pan(event.clientX - held[0], event.clientY - held[1]);
  held = [event.clientX, event.clientY];
});
window.addEventListener("pointerup", () => { held = null; stage.classList.remove("dragging"); });
stage.addEventListener("click", event => {
  const target = event.target.closest(".box");
  if (target) choose(target.dataset.id);
});
for (const tab of tabs) tab.onclick = () => { clear(); show(tab.textContent); };
document.getElementById("fit").onclick = fit;
find.addEventListener("input", seek);
find.addEventListener("keydown", event => {
  if (event.key === "Escape") { find.value = ""; seek(); stage.focus(); }
  if (event.key !== "Enter" || !hits.length) return;
  const id = hits[hit++ % hits.length];
  choose(id);
  centre(id);
});
const keys = {
  1: () => show("kernels"), 2: () => show("graph"), f: fit, Escape: () => choose(null),
  "+": () => zoom(1.25), "=": () => zoom(1.25), "-": () => zoom(0.8),
  ArrowLeft: () => pan(60, 0), ArrowRight: () => pan(-60, 0),
  ArrowUp: () => pan(0, 60), ArrowDown: () => pan(0, -60),
  "/": () => find.focus(),
};
window.addEventListener("keydown", event => {
  if (event.target === find || event.ctrlKey || event.metaKey || !keys[event.key]) return;
  event.preventDefault();
  keys[event.key]();
});
window.addEventListener("resize", fit);
show("kernels");
"""
