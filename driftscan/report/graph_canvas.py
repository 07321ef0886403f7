"""Style and script that draw a dependency graph into an SVG element, for the pages that show one."""

from __future__ import annotations

STYLE = """
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
"""

SCRIPT = """
"use strict";
// Draws `nodes` ({ id, kind }), `links` ({ source, target, when }) and marks the `starts`; `told` hears what is chosen.
function graphCanvas(svg, { nodes, links, starts, told }) {
  const out = nodes.map(() => []), into = nodes.map(() => []);
  links.forEach((link, at) => { out[link.source].push(at); into[link.target].push(at); });
  const isStart = new Set(starts.map(start => start.target));
  const svgName = "http://www.w3.org/2000/svg", scene = svg.querySelector("g");

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
    const kind = `node${isStart.has(at) ? " start" : ""}${node.kind ? " " + node.kind : ""}`;
    const group = make("g", { class: kind, transform: `translate(${place[at].x},${place[at].y})` }, scene);
    make("rect", { y: -boxHeight / 2, width: width[at], height: boxHeight, rx: 6 }, group);
    const shown = node.id.length > 40 ? node.id.slice(0, 39) + "\\u2026" : node.id;
    make("text", { x: 9, y: 4 }, group, shown);
    make("title", {}, group, node.id);
    group.addEventListener("click", () => choose(at));
    return group;
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
  function choose(at) {
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
    if (at >= 0) centre(at);
    told(at);
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
  // Too small to read: begin where the graph does.
  function begin() {
    fit();
    if (view.scale < .45) { view = { scale: .8, x: 40, y: svg.getBoundingClientRect().height / 2 }; show(); }
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

  function neighbour(key) {
    if (key === "ArrowRight" && out[chosen].length) return links[out[chosen][0]].target;
    if (key === "ArrowLeft" && into[chosen].length) return links[into[chosen][0]].source;
    const members = columns[columnOf[chosen]], at = members.indexOf(chosen);
    if (key === "ArrowDown") return members[at + 1];
    if (key === "ArrowUp") return members[at - 1];
  }
  // Whether the key meant something here.
  function pressed(event) {
    if (event.key === "Escape") { choose(-1); fit(); }
    else if (event.key === "+") zoom(1.3);
    else if (event.key === "-") zoom(1 / 1.3);
    else if (event.key === "0") fit();
    else if (event.key.startsWith("Arrow") && nodes.length) {
      event.preventDefault();
      const next = chosen < 0 ? ([...isStart][0] ?? 0) : neighbour(event.key);
      if (next !== undefined) choose(next);
    }
    else return false;
    return true;
  }
  return { out, into, isStart, choose, fit, zoom, begin, pressed };
}
"""
