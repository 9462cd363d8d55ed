"""The HTML around a page's data; nothing is loaded from elsewhere."""

TEMPLATE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{{title}}</title>
<style>
:root {
  --line: #ccd; --ink: #223; --quiet: #667; --side: #f7f8fa; --accent: #2563a8;
  --code: ui-monospace, Menlo, Consolas, monospace;
}
* { box-sizing: border-box }
html, body { margin: 0; height: 100%; color: var(--ink); background: #fff }
body { display: flex; flex-direction: column; font: 14px/1.45 system-ui, sans-serif }
header {
  display: flex; gap: 14px; align-items: center; padding: 8px 14px; flex-wrap: wrap;
  border-bottom: 1px solid var(--line);
}
h1 { font-size: 16px; margin: 0 }
h2 { font-size: 15px; margin: 0 0 6px; overflow-wrap: anywhere }
h3 { font-size: 13px; margin: 14px 0 4px; color: var(--quiet) }
main { flex: 1; display: flex; min-height: 0 }
#stage { flex: 1; overflow: hidden; position: relative; cursor: grab; background: #fcfcfd }
#stage:focus { outline: none }
#stage.dragging { cursor: grabbing }
#stage > div { transform-origin: 0 0; position: absolute }
#stage > div[hidden] { display: none }
#stage svg { display: block }
aside {
  width: 40%; max-width: 820px; min-width: 320px; overflow: auto; padding: 12px 14px;
  border-left: 1px solid var(--line); background: var(--side);
}
pre {
  margin: 0; padding: 8px; overflow: auto; max-height: 62vh; background: #fff;
  border: 1px solid var(--line); border-radius: 4px; font: 12px/1.4 var(--code);
}
table { border-collapse: collapse; font-size: 13px }
th {
  text-align: left; font-weight: 500; color: var(--quiet); padding: 1px 12px 1px 0;
  vertical-align: top; white-space: nowrap;
}
td { padding: 1px 10px 1px 0; vertical-align: top; overflow-wrap: anywhere; white-space: pre-line }
.ops th { color: var(--ink); font-family: var(--code) }
.ops td { font-family: var(--code); color: var(--quiet) }
.legend span {
  display: inline-block; border: 1px solid #99a; border-radius: 4px; padding: 0 7px;
  margin-right: 5px; font-size: 12px;
}
.box { cursor: pointer }
.box:hover rect, .box.chosen rect { stroke: var(--accent); stroke-width: 2.5 }
.box.hit rect { stroke: #c2410c; stroke-width: 3 }
.arrow.near { stroke: var(--accent); stroke-width: 2.2 }
.faded { opacity: 0.25 }
button {
  font: inherit; padding: 2px 10px; border: 1px solid var(--line); border-radius: 4px;
  background: #fff; cursor: pointer;
}
button[aria-selected=true] { background: var(--accent); color: #fff; border-color: var(--accent) }
.tabs { display: flex; gap: 6px; margin: 12px 0 6px; flex-wrap: wrap }
header .tabs { margin: 0 }
.grow { flex: 1 }
input { font: inherit; padding: 2px 8px; border: 1px solid var(--line); border-radius: 4px }
kbd { font: 12px var(--code); border: 1px solid var(--line); border-radius: 3px; padding: 0 4px }
</style></head><body>
<header><h1>{{title}}</h1>
<div class="tabs" id="pictures"><button>kernels</button><button>graph</button></div>
<div class="legend">{{legend}}</div><div class="grow"></div>
<input id="find" placeholder="find" aria-label="find a kernel, op or value">
<button id="fit">fit</button></header>
<main><div id="stage" tabindex="0">
{{pictures}}</div>
<aside><div id="panel"><h2>This function</h2><table>{{facts}}</table>
<p>Click a kernel to read what it fuses, its loops and its assembly; click a value to see where it
comes from, a scan, while or switch to open its body. Drag to move, scroll to zoom.</p>
<p><kbd>1</kbd> <kbd>2</kbd> kernels, graph &nbsp; <kbd>/</kbd> find &nbsp; <kbd>f</kbd> fit
&nbsp; <kbd>+</kbd> <kbd>-</kbd> zoom &nbsp; arrows move &nbsp; <kbd>Esc</kbd> back here</p>
<h3>Memory</h3><pre>{{memory}}</pre></div></aside></main>
<script type="application/json" id="data">{{data}}</script>
<script>{{script}}</script></body></html>
"""
