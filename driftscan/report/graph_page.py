"""Style and script of the page that shows a dependency graph; plain text, put into it as it stands."""

from __future__ import annotations

STYLE = """
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
svg { width: 100%; height: 100%; min-height: 0; display: block; cursor: grab; touch-action: none; }
svg:active { cursor: grabbing; }
.node rect { fill: var(--node); stroke: var(--line); } .node text { fill: var(--ink); font-size: 12px; }
.node { cursor: pointer; } .node.member rect { fill: var(--member); }
.node.start rect { stroke-width: 2; }
path { fill: none; stroke: var(--line); opacity: .55; } path.when { stroke-dasharray: 4 3; }
.focus .node, .focus path { opacity: .12; }
.focus .node.on { opacity: 1; } .focus .node.at rect { stroke: var(--accent); stroke-width: 2.5; }
.focus path.up { opacity: 1; stroke: var(--up); stroke-width: 1.6; }
.focus path.down { opacity: 1; stroke: var(--down); stroke-width: 1.6; }
main { min-width: 0; min-height: 0; position: relative; }
main div { position: absolute; right: .6rem; bottom: .6rem; display: flex; gap: .3rem; }
main div button { font: inherit; color: inherit; background: var(--panel); border: 1px solid var(--line);
  border-radius: 6px; min-width: 2rem; padding: .2rem .5rem; cursor: pointer; }
@media (max-width: 60rem) { body { grid-template: auto 14rem 1fr auto / 1fr; height: auto; min-height: 100vh; }
  main { height: 60vh; } nav, aside { border: 0; border-bottom: 1px solid var(--rule); } }
"""

SCRIPT = """
"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const { nodes, links, starts } = data;
const out = nodes.map(() => []), into = nodes.map(() => []);
links.forEach((link, at) => { out[link.source].push(at); into[link.target].push(at); });
const isStart = new Set(starts.map(start => start.target));
const svgName = "http://www.w3.org/2000/svg";
const svg = document.querySelector("svg"), scene = svg.querySelector("g");
const list = document.querySelector("nav ul"), search = document.querySelector("input");
const panel = document.querySelector("aside");

// Steps by the length of the shortest way from a start; rows by where the neighbours on the left stand. A step with
// many packages takes several columns, so that the whole is not taller than a screen is wide.
const step = nodes.map(() => -1);
let front = [...isStart];
front.forEach(at => { step[at] = 0; });
while (front.length) {
  const next = [];
  for (const at of front) for (const link of out[at]) {
    const to = links[link].target;
    if (step[to] < 0) { step[to] = step[at] + 1; next.push(to); }
  }
  front = next;
}
const steps = [];
nodes.forEach((node, at) => { (steps[Math.max(step[at], 0)] ||= []).push(at); });
const rowHeight = 34, boxHeight = 24, most = Math.max(16, Math.ceil(Math.sqrt(nodes.length * 8)));
const width = nodes.map(node => 18 + 7 * Math.min(node.id.length, 40));
const place = [], columns = [], columnOf = [];
let edge = 0;
for (const members of steps) {
  const weight = new Map(members.map(at => {
    const left = into[at].map(link => links[link].source).filter(from => place[from]);
    return [at, left.length ? left.reduce((sum, from) => sum + place[from].y, 0) / left.length : Infinity];
  }));
  members.sort((a, b) => (weight.get(a) - weight.get(b)) || a - b);
  const count = Math.ceil(members.length / most), height = Math.ceil(members.length / count);
  for (let part = 0; part < count; part++) {
    const column = members.slice(part * height, (part + 1) * height);
    column.forEach((at, index) => {
      columnOf[at] = columns.length;
      place[at] = { x: edge, y: (index - (column.length - 1) / 2) * rowHeight };
    });
    columns.push(column);
    edge += Math.max(...column.map(at => width[at])) + (part === count - 1 ? 110 : 30);
  }
}

function make(name, attributes, parent, text) {
  const element = document.createElementNS(svgName, name);
  for (const key in attributes) element.setAttribute(key, attributes[key]);
  if (text !== undefined) element.textContent = text;
  parent.appendChild(element);
  return element;
}
const drawnLinks = links.map(link => {
  const a = place[link.source], b = place[link.target];
  const back = b.x <= a.x, x1 = a.x + (back ? 0 : width[link.source]), x2 = b.x + (back ? width[link.target] : 0);
  const bend = back ? -50 : Math.max(40, (x2 - x1) / 2);
  const d = `M${x1},${a.y} C${x1 + bend},${a.y} ${x2 - bend},${b.y} ${x2},${b.y}`;
  return make("path", { d, class: link.when ? "when" : "" }, scene);
});
const drawnNodes = nodes.map((node, at) => {
  const kind = `node${isStart.has(at) ? " start" : ""}${node.member ? " member" : ""}`;
  const group = make("g", { class: kind, transform: `translate(${place[at].x},${place[at].y})` }, scene);
  make("rect", { y: -boxHeight / 2, width: width[at], height: boxHeight, rx: 6 }, group);
  const shown = node.id.length > 40 ? node.id.slice(0, 39) + "\\u2026" : node.id;
  make("text", { x: 9, y: 4 }, group, shown);
  make("title", {}, group, node.id);
  group.addEventListener("click", () => choose(at));
  return group;
});

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

function spread(at, edges, end) {
  const seen = new Set([at]), used = new Set(), pending = [at];
  while (pending.length) for (const link of edges[pending.pop()]) {
    used.add(link);
    const next = links[link][end];
    if (!seen.has(next)) { seen.add(next); pending.push(next); }
  }
  return [seen, used];
}
let chosen = -1;
function choose(at, keep) {
  chosen = at;
  const [above, up] = at < 0 ? [new Set(), new Set()] : spread(at, into, "source");
  const [below, down] = at < 0 ? [new Set(), new Set()] : spread(at, out, "target");
  svg.classList.toggle("focus", at >= 0);
  drawnNodes.forEach((node, index) => {
    node.classList.toggle("on", above.has(index) || below.has(index));
    node.classList.toggle("at", index === at);
  });
  drawnLinks.forEach((path, index) => {
    path.classList.toggle("up", up.has(index)); path.classList.toggle("down", down.has(index));
  });
  buttons.forEach((button, index) => button.setAttribute("aria-current", index === at));
  if (at < 0) { tell(); return; }
  buttons[at].scrollIntoView({ block: "nearest" });
  if (!keep) centre(at);
  tell(at);
}
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
function tell(at) {
  panel.replaceChildren();
  if (at === undefined) {
    add("p", "Choose a package to see what leads to it and what it requires.", "faint");
    add("p", "/ searches, arrow keys go along the links, Escape shows all, + and - zoom, 0 fits.", "faint");
    return;
  }
  const node = nodes[at];
  add("h2", node.id);
  for (const fact of node.facts) add("p", fact, "faint");
  starts.filter(start => start.target === at && start.when).forEach(start => add("p", start.when, "faint"));
  section("required by", into[at], "source");
  section("requires", out[at], "target");
  if (isStart.has(at)) add("p", "Nothing has to require it.", "faint");
}

let view = { x: 0, y: 0, scale: 1 };
function show() { scene.setAttribute("transform", `translate(${view.x},${view.y}) scale(${view.scale})`); }
function fit() {
  const box = scene.getBBox(), frame = svg.getBoundingClientRect();
  const scale = Math.min(1.2, frame.width / (box.width + 60), frame.height / (box.height + 60));
  view = { scale, x: frame.width / 2 - scale * (box.x + box.width / 2),
    y: frame.height / 2 - scale * (box.y + box.height / 2) };
  show();
}
function centre(at) {
  const frame = svg.getBoundingClientRect();
  view.scale = Math.max(view.scale, .8);
  view.x = frame.width / 2 - view.scale * (place[at].x + width[at] / 2);
  view.y = frame.height / 2 - view.scale * place[at].y;
  show();
}
function zoom(factor, x, y) {
  const frame = svg.getBoundingClientRect();
  const cx = x === undefined ? frame.width / 2 : x - frame.left;
  const cy = y === undefined ? frame.height / 2 : y - frame.top;
  const scale = Math.min(4, Math.max(.02, view.scale * factor));
  view = { scale, x: cx - (cx - view.x) * scale / view.scale, y: cy - (cy - view.y) * scale / view.scale };
  show();
}
svg.addEventListener("wheel", event => {
  event.preventDefault(); zoom(Math.exp(-event.deltaY / 400), event.clientX, event.clientY);
}, { passive: false });
let drag = null;
svg.addEventListener("pointerdown", event => { drag = { x: event.clientX - view.x, y: event.clientY - view.y }; });
window.addEventListener("pointermove", event => {
  if (!drag) return;
  view.x = event.clientX - drag.x; view.y = event.clientY - drag.y; show();
});
window.addEventListener("pointerup", () => { drag = null; });
document.querySelectorAll("main button").forEach(button => button.addEventListener("click", () => {
  ({ in: () => zoom(1.3), out: () => zoom(1 / 1.3), fit })[button.dataset.does]();
}));
function neighbour(key) {
  if (key === "ArrowRight" && out[chosen].length) return links[out[chosen][0]].target;
  if (key === "ArrowLeft" && into[chosen].length) return links[into[chosen][0]].source;
  const members = columns[columnOf[chosen]], at = members.indexOf(chosen);
  if (key === "ArrowDown") return members[at + 1];
  if (key === "ArrowUp") return members[at - 1];
}
document.addEventListener("keydown", event => {
  if (event.target === search) {
    if (event.key === "Enter") { const first = buttons.findIndex(each => !each.parentNode.hidden); choose(first); }
    if (event.key === "Escape") { search.value = ""; search.dispatchEvent(new Event("input")); search.blur(); }
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "/") { event.preventDefault(); search.focus(); }
  else if (event.key === "Escape") { choose(-1); fit(); }
  else if (event.key === "+") zoom(1.3);
  else if (event.key === "-") zoom(1 / 1.3);
  else if (event.key === "0") fit();
  else if (event.key.startsWith("Arrow") && chosen >= 0) {
    event.preventDefault();
    const next = neighbour(event.key);
    if (next !== undefined) choose(next);
  }
});
tell(); fit();
// Too small to read: begin where the graph does.
if (view.scale < .45) { view.scale = .8; centre([...isStart][0] ?? 0); }
window.addEventListener("resize", fit);
"""
