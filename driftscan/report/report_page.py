"""Style and script of the page of a report; plain text, put into it as it stands."""

from __future__ import annotations

from driftscan.report import graph_canvas

_STYLE = """
:root { color-scheme: light dark; --back: #fff; --panel: #f6f7f9; --ink: #1c2430; --faint: #5d6776; --line: #c3cad4;
  --rule: #e3e7ec; --node: #fff; --accent: #0b62d6; --up: #b3541e; --down: #0b7a55; --member: #e8f0fe;
  --error: #b42318; --warning: #8a5300; --info: #0b62d6; --fine: #14713f; --error-back: #fdecea;
  --warning-back: #fdf3dd; --info-back: #e8f0fe; --suppressed: #5d6776; --suppressed-back: #eceff3; }
@media (prefers-color-scheme: dark) { :root { --back: #11151b; --panel: #171c24; --ink: #e4e9f0; --faint: #98a3b3;
  --line: #475263; --rule: #29313d; --node: #1d242e; --accent: #6aa9ff; --up: #f0a36b; --down: #5fd0a5;
  --member: #1e304b; --error: #ff8a80; --warning: #f2c063; --info: #8bbcff; --fine: #6fd39b; --error-back: #3b1d1c;
  --warning-back: #362a12; --info-back: #1b2c46; --suppressed: #98a3b3; --suppressed-back: #262d38; } }
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: flex; flex-direction: column; background: var(--back);
  color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
header { padding: 1rem 1.4rem .8rem; border-top: 5px solid var(--fine); }
header.drift { border-color: var(--error); } header.incomplete { border-color: var(--warning); }
header p { margin: .1rem 0; color: var(--faint); overflow-wrap: anywhere; }
h1 { font-size: 1.25rem; margin: 0 0 .3rem; font-weight: 600; }
h1 b { color: var(--fine); } .drift h1 b { color: var(--error); } .incomplete h1 b { color: var(--warning); }
h2 { font-size: 1.1rem; }
.js h2, legend { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
h3 { font-size: 1rem; margin: 0 0 .2rem; }
[role=tablist] { display: none; gap: .2rem; padding: 0 1.2rem; border-bottom: 1px solid var(--rule); overflow-x: auto;
  position: sticky; top: 0; background: var(--back); z-index: 2; }
.js [role=tablist] { display: flex; }
[role=tab] { padding: .5rem .9rem; border: 0; border-bottom: 3px solid transparent; background: none;
  white-space: nowrap; }
[role=tab][aria-selected=true] { border-color: var(--accent); font-weight: 600; }
main { flex: 1; min-height: 0; display: flex; flex-direction: column; }
section { padding: 1rem 1.4rem; } section:focus { outline: 0; }
[hidden] { display: none !important; }
button, input, select { font: inherit; color: inherit; }
button { cursor: pointer; }
form { display: none; gap: .6rem; flex-wrap: wrap; align-items: center; margin: 0 0 .9rem; }
.js form { display: flex; }
form input[type=search], select, form button, .zoom button, aside button, .layers button { padding: .35rem .6rem;
  background: var(--node); border: 1px solid var(--line); border-radius: 6px; max-width: 22rem; }
form input[type=search] { flex: 1 1 14rem; }
fieldset { border: 0; margin: 0; padding: 0; display: flex; gap: .7rem; flex-wrap: wrap; }
output { color: var(--faint); }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; }
details { border: 1px solid var(--rule); border-left: 4px solid var(--line); border-radius: 6px; margin: 0 0 .4rem;
  content-visibility: auto; contain-intrinsic-size: auto 2.6rem; }
details.error { border-left-color: var(--error); } details.warning { border-left-color: var(--warning); }
details.info { border-left-color: var(--info); } details.suppressed { opacity: .75; }
summary { padding: .45rem .7rem; cursor: pointer; overflow-wrap: anywhere; }
summary b, .legend b, .layers button b { font-size: .8em; font-weight: 600; border-radius: 4px; padding: .05rem .4rem; }
b.error, .error > summary b { color: var(--error); background: var(--error-back); }
b.warning, .warning > summary b { color: var(--warning); background: var(--warning-back); }
b.info, .info > summary b { color: var(--info); background: var(--info-back); }
b.suppressed, .suppressed > summary b { color: var(--suppressed); background: var(--suppressed-back); }
label.error { color: var(--error); } label.warning { color: var(--warning); } label.info { color: var(--info); }
summary code { color: var(--faint); font-size: .85em; }
dl { display: grid; grid-template-columns: minmax(6rem, max-content) 1fr; gap: .2rem 1rem; margin: 0;
  padding: .2rem .9rem .8rem; }
dt { color: var(--faint); } dd { margin: 0; overflow-wrap: anywhere; min-width: 0; }
.layers, .practices, .practices ul { list-style: none; margin: 0; padding: 0; }
.layers > li { display: flex; gap: .9rem; padding: 0 0 .9rem; position: relative; }
.layers > li > span { flex: none; width: 2.2rem; height: 2.2rem; border-radius: 50%; display: grid; place-items: center;
  border: 2px solid var(--line); background: var(--back); z-index: 1; font-size: .85rem; }
.layers > li::before { content: ""; position: absolute; left: 1.1rem; top: 0; bottom: 0;
  border-left: 2px solid var(--rule); }
.layers > .error > span { border-color: var(--error); color: var(--error); }
.layers > .warning > span { border-color: var(--warning); color: var(--warning); }
.layers > .info > span { border-color: var(--info); color: var(--info); }
.layers div { min-width: 0; padding-top: .25rem; } .layers code { overflow-wrap: anywhere; font-size: .9em; }
.layers p { margin: .2rem 0 0; display: flex; gap: .7rem; flex-wrap: wrap; align-items: center; }
small { color: var(--faint); }
.layers button { padding: .1rem .2rem; border-color: transparent; background: none; }
.layers button:hover { border-color: var(--line); }
.practices > li { border: 1px solid var(--rule); border-radius: 6px; padding: .6rem .9rem; margin: 0 0 .5rem; }
.pass > h3 b, .pass > b { color: var(--fine); } .fail > h3 b, .fail > b { color: var(--error); }
.unknown > h3 b, .unknown > b { color: var(--warning); }
.graph { display: grid; grid-template-columns: 1fr 21rem; height: calc(100vh - 13rem); min-height: 26rem;
  border: 1px solid var(--rule); border-radius: 6px; overflow: hidden; }
html:not(.js) [data-view=graph] { display: none; }
.canvas { position: relative; min-width: 0; min-height: 0; display: grid; grid-template-rows: auto 1fr; }
.canvas .zoom { position: absolute; right: .6rem; bottom: .6rem; display: flex; gap: .3rem; }
.legend { margin: 0; padding: .5rem .6rem; display: flex; gap: .4rem; flex-wrap: wrap; }
.legend .fine { color: var(--ink); border: 1px solid var(--line); }
.legend .gone { color: var(--faint); border: 1px dashed var(--line); }
aside { background: var(--panel); overflow: auto; padding: .8rem 1rem; border-left: 1px solid var(--rule); }
aside h3 { overflow-wrap: anywhere; } aside h4 { font-size: .8rem; margin: .9rem 0 .2rem; color: var(--faint); }
aside p { margin: .15rem 0; overflow-wrap: anywhere; } aside ul { list-style: none; margin: 0; padding: 0; }
aside button { width: 100%; max-width: none; text-align: left; border-color: transparent; background: none;
  overflow-wrap: anywhere; padding: .15rem .3rem; } aside button:hover { background: var(--member); }
.faint { color: var(--faint); }
@media (max-width: 50rem) { .graph { grid-template-columns: 1fr; grid-template-rows: 1fr 14rem; }
  section, header { padding-left: .8rem; padding-right: .8rem; } dl { grid-template-columns: 1fr; } }
"""

_NODES = """
.node.error rect { fill: var(--error-back); stroke: var(--error); stroke-width: 2; }
.node.warning rect { fill: var(--warning-back); stroke: var(--warning); stroke-width: 2; }
.node.info rect { fill: var(--info-back); stroke: var(--info); }
.node.suppressed rect { fill: var(--suppressed-back); }
.node.gone rect { stroke-dasharray: 5 4; }
"""

_SCRIPT = """
const data = JSON.parse(document.getElementById("data").textContent);
document.documentElement.classList.add("js");
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const one = (selector, within = document) => within.querySelector(selector);

// Tabs.
const tabs = all("[role=tab]"), panels = all("[role=tabpanel]");
let graph = null;
function open(at) {
  tabs.forEach((tab, index) => {
    tab.setAttribute("aria-selected", index === at); tab.tabIndex = index === at ? 0 : -1;
    panels[index].hidden = index !== at;
  });
  if (panels[at].dataset.view === "graph") {
    if (!graph) { graph = drawGraph(panels[at]); graph.begin(); }
  }
}
const view = name => panels.findIndex(panel => panel.dataset.view === name);
tabs.forEach((tab, at) => {
  tab.addEventListener("click", () => open(at));
  tab.addEventListener("keydown", event => {
    const next = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    const to = (next + tabs.length) % tabs.length;
    open(to); tabs[to].focus();
  });
});

// Findings.
const findings = all("#findings > details"), form = one("form");
const texts = findings.map(each => each.textContent.toLowerCase());
function filter() {
  const kinds = new Set(all("[name=kind]", form).filter(box => box.checked).map(box => box.value));
  const words = one("[type=search]", form).value.toLowerCase().split(/\\s+/).filter(Boolean);
  const rule = form.elements.rule.value, layer = form.elements.layer.value;
  let shown = 0;
  findings.forEach((each, at) => {
    const { kind, rule: itsRule, layer: itsLayer } = each.dataset;
    const fits = kinds.has(kind) && (!rule || itsRule === rule) && (!layer || itsLayer === layer)
      && words.every(word => texts[at].includes(word));
    each.hidden = !fits;
    shown += fits;
  });
  one("output", form).textContent = `${shown} of ${findings.length} shown`;
}
if (form) {
  form.addEventListener("input", filter);
  form.addEventListener("change", filter);
  form.addEventListener("submit", event => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(filter));
  filter();
}
document.addEventListener("toggle", event => {
  const item = event.target;
  if (!item.open || !item.dataset || item.dataset.told) return;
  item.dataset.told = "yes";
  const [code] = (item.dataset.rule || "").split(" ");
  const [means, why] = data.rules[code] || [];
  for (const [name, text] of [["holds when", means], ["why it matters", why]]) {
    if (!text) continue;
    const title = document.createElement("dt"), words = document.createElement("dd");
    title.textContent = name; words.textContent = text;
    one("dl", item).append(title, words);
  }
}, true);
function reveal(item) {
  open(view("findings"));
  if (item.hidden) { form.reset(); filter(); }
  item.open = true;
  one("summary", item).focus();
  item.scrollIntoView({ block: "center" });
}
function step(by) {
  const shown = findings.filter(each => !each.hidden);
  const at = shown.findIndex(each => each.contains(document.activeElement));
  const next = shown[at < 0 ? (by > 0 ? 0 : shown.length - 1) : at + by];
  if (next) { one("summary", next).focus(); next.scrollIntoView({ block: "nearest" }); }
}

// Layers.
all(".layers button").forEach(button => button.addEventListener("click", () => {
  form.reset();
  form.elements.layer.value = button.dataset.layer;
  filter(); open(view("findings"));
  step(1);
}));

// The graph.
function drawGraph(panel) {
  const { nodes, links, starts } = data, aside = one("aside", panel), svg = one("svg", panel);
  const canvas = graphCanvas(svg, { nodes, links, starts, told });
  let chosen = -1;
  function add(name, text, kind) {
    const element = document.createElement(name);
    element.textContent = text; if (kind) element.className = kind;
    aside.appendChild(element);
    return element;
  }
  function section(title, entries) {
    if (!entries.length) return;
    add("h4", title);
    const list = add("ul", "");
    for (const [text, act] of entries) {
      const item = document.createElement("li"), button = document.createElement("button");
      button.type = "button"; button.textContent = text;
      button.addEventListener("click", act);
      item.append(button); list.append(item);
    }
  }
  const ends = (found, end) => found.map(at => {
    const link = links[at];
    return [[nodes[link[end]].id, link.asked, link.when].filter(Boolean).join("  "), () => canvas.choose(link[end])];
  });
  function told(at) {
    chosen = at;
    aside.replaceChildren();
    if (at < 0) {
      add("p", "Choose a package to see what leads to it and what it requires.", "faint");
      add("p", "Arrow keys go along the links, n goes to the next finding, Escape shows all, + and - zoom, 0 fits.",
        "faint");
      return;
    }
    const node = nodes[at];
    add("h3", node.id);
    for (const fact of node.facts) add("p", fact, "faint");
    section("findings", node.findings.map(found =>
      [one("summary span", findings[found]).textContent, () => reveal(findings[found])]));
    section("required by", ends(canvas.into[at], "source"));
    section("requires", ends(canvas.out[at], "target"));
  }
  function next() {
    const order = nodes.map((_, at) => (chosen + 1 + at) % nodes.length);
    const found = order.find(at => nodes[at].findings.length);
    if (found !== undefined) canvas.choose(found);
  }
  const does = { in: () => canvas.zoom(1.3), out: () => canvas.zoom(1 / 1.3), fit: canvas.fit, next };
  all(".zoom button", panel).forEach(button =>
    button.addEventListener("click", () => does[button.dataset.does]()));
  window.addEventListener("resize", () => { if (!panel.hidden) canvas.fit(); });
  told(-1);
  return { ...canvas, next };
}

document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const at = panels.findIndex(panel => !panel.hidden), name = panels[at].dataset.view;
  const search = form && one("[type=search]", form);
  if (event.target === search && event.key === "Escape") { form.reset(); search.blur(); return; }
  if (/^(INPUT|SELECT)$/.test(event.target.tagName) && event.target.type !== "checkbox") return;
  if (event.key === "/" && search) { event.preventDefault(); open(view("findings")); search.focus(); search.select(); }
  else if (/^[1-9]$/.test(event.key) && tabs[event.key - 1]) { open(event.key - 1); tabs[event.key - 1].focus(); }
  else if (name === "findings" && event.key === "j") step(1);
  else if (name === "findings" && event.key === "k") step(-1);
  else if (name === "graph" && event.key === "n") graph.next();
  else if (name === "graph" && event.target.getAttribute("role") !== "tab") graph.pressed(event);
});
open(0);
function follow() {
  const meant = location.hash.startsWith("#f-") && document.getElementById(location.hash.slice(1));
  if (meant) reveal(meant);
}
window.addEventListener("hashchange", follow);
follow();
"""

STYLE = _STYLE + graph_canvas.STYLE + _NODES
SCRIPT = graph_canvas.SCRIPT + _SCRIPT
