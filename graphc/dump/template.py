"""The HTML around a page's data; nothing is loaded from elsewhere."""

TEMPLATE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{{title}}</title>
<style>
:root { --line: #ccd; --ink: #223; --quiet: #667; --paper: #fff; --side: #f7f8fa; --accent: #2563a8; }
* { box-sizing: border-box } html, body { margin: 0; height: 100%; color: var(--ink); background: var(--paper) }
body { display: flex; flex-direction: column; font: 14px/1.45 system-ui, sans-serif }
header { display: flex; gap: 16px; align-items: center; padding: 8px 14px; border-bottom: 1px solid var(--line) }
h1 { font-size: 16px; margin: 0 } h2 { font-size: 15px; margin: 0 0 6px } h3 { font-size: 13px; margin: 14px 0 4px; color: var(--quiet) }
main { flex: 1; display: flex; min-height: 0 }
#stage { flex: 1; overflow: hidden; position: relative; cursor: grab; background: #fcfcfd }
#stage.dragging { cursor: grabbing } #stage svg { transform-origin: 0 0; position: absolute }
aside { width: 42%; max-width: 820px; min-width: 320px; overflow: auto; border-left: 1px solid var(--line); padding: 12px 14px; background: var(--side) }
pre { margin: 0; padding: 8px; overflow: auto; max-height: 60vh; background: #fff; border: 1px solid var(--line); border-radius: 4px; font: 12px/1.4 ui-monospace, Menlo, Consolas, monospace }
table { border-collapse: collapse; font-size: 13px } th { text-align: left; font-weight: 500; color: var(--quiet); padding: 1px 12px 1px 0; vertical-align: top; white-space: nowrap } td { padding: 1px 10px 1px 0; vertical-align: top; overflow-wrap: anywhere }
.legend span { display: inline-block; border: 1px solid #99a; border-radius: 4px; padding: 0 7px; margin-right: 5px; font-size: 12px }
.box { cursor: pointer } .box:hover rect, .box.chosen rect { stroke: var(--accent); stroke-width: 2.5 }
.arrow.near { stroke: var(--accent); stroke-width: 2.2 }
button { font: inherit; padding: 2px 10px; border: 1px solid var(--line); border-radius: 4px; background: #fff; cursor: pointer }
button[aria-selected=true] { background: var(--accent); color: #fff; border-color: var(--accent) }
.tabs { display: flex; gap: 6px; margin: 12px 0 6px } .grow { flex: 1 }
input { font: inherit; padding: 2px 8px; border: 1px solid var(--line); border-radius: 4px }
.hit { background: #ffec99 }
</style></head><body>
<header><h1>{{title}}</h1><div class="legend">{{legend}}</div><div class="grow"></div>
<input id="find" placeholder="find a kernel or value" aria-label="find"><button id="fit">fit</button></header>
<main><div id="stage" tabindex="0">{{svg}}</div>
<aside><div id="panel"><h2>This function</h2><table>{{facts}}</table>
<p>Click a kernel to read what it fuses, its loops and its assembly. Drag to move, scroll to zoom.</p>
<h3>Graph after all passes</h3><pre>{{graph}}</pre><h3>Memory</h3><pre>{{memory}}</pre></div></aside></main>
<script type="application/json" id="data">{{data}}</script>
<script>
const data = JSON.parse(document.getElementById("data").textContent);
const stage = document.getElementById("stage"), picture = stage.querySelector("svg"), panel = document.getElementById("panel");
const overview = panel.innerHTML;
let scale = 1, left = 0, top_ = 0;
function move() { picture.style.transform = `translate(${left}px, ${top_}px) scale(${scale})`; }
function fit() {
  const w = picture.width.baseVal.value, h = picture.height.baseVal.value;
  scale = Math.min(1.2, stage.clientWidth / w, stage.clientHeight / h) * 0.98;
  if (scale < 0.45) scale = Math.min(0.8, Math.max(0.45, stage.clientWidth / w * 0.98));
  left = (stage.clientWidth - w * scale) / 2; top_ = Math.max(6, (stage.clientHeight - h * scale) / 2); move();
}
stage.addEventListener("wheel", event => {
  event.preventDefault();
  const factor = Math.exp(-event.deltaY * 0.0015), box = stage.getBoundingClientRect();
  const x = event.clientX - box.left, y = event.clientY - box.top;
  left = x - (x - left) * factor; top_ = y - (y - top_) * factor; scale *= factor; move();
}, { passive: false });
let from = null;
stage.addEventListener("pointerdown", event => { from = [event.clientX - left, event.clientY - top_, event.clientX, event.clientY]; stage.classList.add("dragging"); });
window.addEventListener("pointermove", event => { if (from) { left = event.clientX - from[0]; top_ = event.clientY - from[1]; move(); } });
window.addEventListener("pointerup", () => { from = null; stage.classList.remove("dragging"); });
function element(tag, text, parent) { const e = document.createElement(tag); if (text !== undefined) e.textContent = text; parent.append(e); return e; }
function table(rows, parent) {
  const t = element("table", undefined, parent);
  for (const row of rows) { const r = element("tr", undefined, t); row.forEach((cell, k) => element(k ? "td" : "th", cell, r)); }
}
function showKernel(kernel) {
  panel.replaceChildren();
  element("h2", kernel.name, panel); table(kernel.facts, panel);
  element("h3", "reads", panel); element("div", kernel.reads.join(", ") || "nothing", panel);
  element("h3", "writes", panel); element("div", kernel.writes.join(", "), panel);
  const tabs = element("div", undefined, panel); tabs.className = "tabs";
  const body = element("div", undefined, panel);
  const shows = { ops: () => table(kernel.ops, body), "loop IR": () => element("pre", kernel.loops, body), assembly: () => element("pre", kernel.assembly, body) };
  for (const name of Object.keys(shows)) {
    const b = element("button", name, tabs);
    b.onclick = () => { body.replaceChildren(); shows[name](); for (const o of tabs.children) o.setAttribute("aria-selected", o === b); };
  }
  element("span", undefined, tabs).className = "grow";
  element("button", "overview", tabs).onclick = () => choose(null);
  tabs.children[0].click();
}
function choose(id) {
  for (const e of picture.querySelectorAll(".chosen, .near")) e.classList.remove("chosen", "near");
  if (id === null) { panel.innerHTML = overview; return; }
  picture.querySelector(`[data-id="${id}"]`).classList.add("chosen");
  for (const a of picture.querySelectorAll(`[data-start="${id}"], [data-end="${id}"]`)) a.classList.add("near");
  if (data.kernels[id]) showKernel(data.kernels[id]);
  else { panel.replaceChildren(); data.values[id].forEach((line, k) => line && element(k ? "div" : "h2", line, panel)); }
}
picture.addEventListener("click", event => { const box = event.target.closest(".box"); if (box) choose(box.dataset.id); });
document.getElementById("fit").onclick = fit;
document.getElementById("find").addEventListener("input", event => {
  const wanted = event.target.value.toLowerCase();
  for (const box of picture.querySelectorAll(".box")) {
    const hit = wanted && box.textContent.toLowerCase().includes(wanted);
    box.querySelector("rect").style.stroke = hit ? "#c2410c" : ""; box.querySelector("rect").style.strokeWidth = hit ? "3" : "";
  }
});
window.addEventListener("resize", fit); fit();
</script></body></html>
"""
