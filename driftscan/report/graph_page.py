"""Style and script of the page that shows a dependency graph; plain text, put into it as it stands."""

from __future__ import annotations

from driftscan.report import graph_canvas

_STYLE = """
:root { color-scheme: light dark; --back: #fff; --panel: #f6f7f9; --ink: #1c2430; --faint: #6a7484; --line: #c3cad4;
  --rule: #e3e7ec; --node: #fff; --accent: #0b62d6; --up: #b3541e; --down: #0b7a55; --member: #e8f0fe; }
@media (prefers-color-scheme: dark) { :root { --back: #11151b; --panel: #171c24; --ink: #e4e9f0; --faint: #98a3b3;
  --line: #475263; --rule: #29313d; --node: #1d242e; --accent: #6aa9ff; --up: #f0a36b; --down: #5fd0a5;
  --member: #1e304b; } }
* { box-sizing: border-box; }
body { margin: 0; height: 100vh; display: grid; grid-template: auto 1fr / 17rem 1fr 20rem; background: var(--back);
  color: var(--ink); font: 14px/1.45 system-ui, sans-serif; }
header { grid-column: 1 / -1; padding: .6rem 1rem; border-bottom: 1px solid var(--rule); display: flex; gap: 1rem;
  align-items: baseline; flex-wrap: wrap; }
h1 { font-size: 1rem; margin: 0; overflow-wrap: anywhere; }
header span, .faint { color: var(--faint); }
nav, aside { background: var(--panel); overflow: auto; min-height: 0; }
nav { border-right: 1px solid var(--rule); display: flex; flex-direction: column; }
aside { border-left: 1px solid var(--rule); padding: .8rem 1rem; }
input { margin: .6rem; padding: .4rem .6rem; font: inherit; color: inherit; background: var(--node);
  border: 1px solid var(--line); border-radius: 6px; }
ul { list-style: none; margin: 0; padding: 0 .3rem .6rem; }
nav ul { overflow: auto; }
li button { width: 100%; text-align: left; font: inherit; color: inherit; background: none; border: 0;
  border-radius: 5px; padding: .15rem .5rem; cursor: pointer; overflow-wrap: anywhere; }
li button:hover, li button[aria-current=true] { background: var(--member); }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; }
h2 { font-size: 1rem; margin: 0 0 .2rem; overflow-wrap: anywhere; }
h3 { font-size: .8rem; margin: 1rem 0 .2rem; color: var(--faint); font-weight: 600; }
aside ul { padding: 0; } aside li button { padding: .1rem .2rem; }
aside code { overflow-wrap: anywhere; font-size: .85em; }
main { min-width: 0; min-height: 0; position: relative; }
main div { position: absolute; right: .6rem; bottom: .6rem; display: flex; gap: .3rem; }
main div button { font: inherit; color: inherit; background: var(--panel); border: 1px solid var(--line);
  border-radius: 6px; min-width: 2rem; padding: .2rem .5rem; cursor: pointer; }
@media (max-width: 60rem) { body { grid-template: auto 14rem 1fr auto / 1fr; height: auto; min-height: 100vh; }
  main { height: 60vh; } nav, aside { border: 0; border-bottom: 1px solid var(--rule); } }
"""

_SCRIPT = """
const data = JSON.parse(document.getElementById("data").textContent);
const { nodes, links, starts } = data;
const list = document.querySelector("nav ul"), search = document.querySelector("input");
const panel = document.querySelector("aside");
const graph = graphCanvas(document.querySelector("svg"), { nodes, links, starts, told });
const { out, into, isStart, choose } = graph;

const buttons = nodes.map((node, at) => entry(list, node.id, at));
function entry(parent, text, at) {
  const item = document.createElement("li"), button = document.createElement("button");
  button.type = "button"; button.textContent = text;
  button.addEventListener("click", () => choose(at));
  item.appendChild(button); parent.appendChild(item);
  return button;
}
search.addEventListener("input", () => {
  const text = search.value.trim().toLowerCase();
  buttons.forEach((button, at) => { button.parentNode.hidden = !nodes[at].id.toLowerCase().includes(text); });
});

function add(name, text, kind) {
  const element = document.createElement(name);
  element.textContent = text; if (kind) element.className = kind;
  panel.appendChild(element);
  return element;
}
function section(title, found, end) {
  if (!found.length) return;
  add("h3", title);
  const items = document.createElement("ul");
  panel.appendChild(items);
  for (const at of found) {
    const link = links[at];
    const words = [nodes[link[end]].id, link.asked, link.when].filter(Boolean).join("  ");
    entry(items, words, link[end]);
  }
}
function told(at) {
  panel.replaceChildren();
  buttons.forEach((button, index) => button.setAttribute("aria-current", index === at));
  if (at < 0) {
    add("p", "Choose a package to see what leads to it and what it requires.", "faint");
    add("p", "/ searches, arrow keys go along the links, Escape shows all, + and - zoom, 0 fits.", "faint");
    return;
  }
  buttons[at].scrollIntoView({ block: "nearest" });
  const node = nodes[at];
  add("h2", node.id);
  for (const fact of node.facts) add("p", fact, "faint");
  starts.filter(start => start.target === at && start.when).forEach(start => add("p", start.when, "faint"));
  section("required by", into[at], "source");
  section("requires", out[at], "target");
  if (isStart.has(at)) add("p", "Nothing has to require it.", "faint");
}

document.querySelectorAll("main button").forEach(button => button.addEventListener("click", () => {
  ({ in: () => graph.zoom(1.3), out: () => graph.zoom(1 / 1.3), fit: graph.fit })[button.dataset.does]();
}));
document.addEventListener("keydown", event => {
  if (event.target === search) {
    if (event.key === "Enter") { const first = buttons.findIndex(each => !each.parentNode.hidden); choose(first); }
    if (event.key === "Escape") { search.value = ""; search.dispatchEvent(new Event("input")); search.blur(); }
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "/") { event.preventDefault(); search.focus(); }
  else graph.pressed(event);
});
told(-1); graph.begin();
window.addEventListener("resize", graph.fit);
"""

STYLE = _STYLE + graph_canvas.STYLE
SCRIPT = graph_canvas.SCRIPT + _SCRIPT
