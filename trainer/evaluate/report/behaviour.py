"""The report's own style, and its small script; without the script everything is there to read."""

from __future__ import annotations

from typing import Final

STYLE: Final = """
body { max-width: 1320px; }
header { max-width: 52rem; }
h1 { font-size: clamp(1.6rem, 4vw, 2.2rem); letter-spacing: -.015em; line-height: 1.15; }
.over { color: var(--soft); font-size: .85rem; text-transform: uppercase; letter-spacing: .08em; }
.verdict { font-size: clamp(1.05rem, 2.4vw, 1.3rem); line-height: 1.4; background: var(--tint);
  border-color: transparent; border-left: 5px solid var(--mark); align-content: center; }
.verdict p { margin: 0; text-wrap: pretty; }
.verdict p.soft { font-size: .95rem; margin-top: .3rem; }
.verdict p + p:not(.soft) { margin-top: .7rem; }
.caution { background: var(--warn); border-color: transparent;
  border-left: 5px solid var(--second); margin: 1rem 0; }
.pair { display: grid; gap: 1rem; margin: 1rem 0; align-items: start;
  grid-template-columns: 3fr 2fr; }
.pair > div { display: grid; gap: 1rem; } .pair > :only-child { grid-column: 1 / -1; }
.cards { display: flex; flex-wrap: wrap; gap: 1rem; margin: 1rem 0; }
.cards section { flex: 1 1 min(100%, 24rem); }
.top { display: grid; gap: 1rem; margin: 1.2rem 0 1rem; grid-template-columns: 3fr 2fr; }
.top > :only-child { grid-column: 1 / -1; }
.top > div { display: grid; gap: 1rem; align-content: start; }
.top .figures { margin: 0; }
.cards svg[role=img] { max-width: 32rem; margin: 0 auto; }
.parts { display: flex; gap: 2px; margin: .9rem 0 .3rem; height: 12px; border-radius: 6px;
  overflow: hidden; }
.parts span { background: var(--c); min-width: 3px; }
.keys { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; font-size: .9rem; padding: 0; margin: 0;
  list-style: none; }
.keys li::before, .rows th span::before, .cards th span::before, .group th span::before {
  content: ""; display: inline-block; width: .7em; height: .7em; border-radius: 50%;
  margin-right: .45em; background: var(--c); }
.rows .group th span::before { content: none; }
.bars { list-style: none; margin: .6rem 0 0; padding: 0; font-size: .9rem; }
.bars li { display: grid; grid-template-columns: minmax(7rem, 13rem) 1fr 10.6rem; gap: .6rem;
  align-items: center; }
.bars.differences li { grid-template-columns: minmax(7rem, 10rem) 1fr 7.6rem; }
.bars.differences small { min-width: 3em; }
.bars svg { height: 26px; overflow: visible; } .bars .ruler svg { height: 16px; }
.bars .name { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.bars .n { font-variant-numeric: tabular-nums; }
.bars .ours .name { font-weight: 600; }
small { color: var(--soft); font-size: .78rem; font-weight: 400; }
.bars small { margin-left: .5em; display: inline-block; min-width: 8.4em; text-align: left; }
.bars .bar { opacity: .85; } .bars .band { opacity: .38; } .bars .whisker { fill: var(--ink); }
.bars .seed { stroke: var(--ink); stroke-width: 1; } .bars .beyond { font-size: 14px; }
.rows { white-space: nowrap; }
.rows th, .rows td { padding: .3rem .7rem .3rem 0; vertical-align: top; }
.rows thead th { vertical-align: bottom; white-space: normal; max-width: 8rem;
  border-bottom: 2px solid var(--rule); }
.rows th:first-child { position: sticky; left: 0; background: var(--card); z-index: 1;
  padding-right: 1rem; }
.rows tbody th { font-weight: 500; color: var(--ink); }
.rows small { display: block; } .rows .how { padding-left: 1rem; }
.rows .group th { padding-top: .9rem; font-weight: 700; color: var(--ink); }
.rows tbody tr:not(.group):hover > * { background: var(--tint); }
.rows button { all: unset; cursor: pointer; } .rows button:focus-visible,
.scroll:focus-visible { outline: 2px solid var(--mark); outline-offset: 2px; }
.rows [aria-sort] button { color: var(--ink); }
.rows [aria-sort=ascending] button::after { content: " ↑"; }
.rows [aria-sort=descending] button::after { content: " ↓"; }
.best { color: var(--ink); background: var(--tint); box-shadow: 0 0 0 3px var(--tint);
  border-bottom: 2px solid var(--mark); font-weight: 700; }
details { margin-top: .4rem; font-size: .9rem; } summary { cursor: pointer; color: var(--soft); }
.small { display: grid; gap: 1.2rem 1.5rem; padding: 0; margin: .6rem 0 0; list-style: none;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 14rem), 1fr)); }
.small .label { font-size: 8px; } .small .line { stroke-width: 1.4; }
.keys + .notes { margin-top: .6rem; }
.map { display: grid; gap: .2rem 1.5rem; grid-template-columns: minmax(0, 1fr) 16rem;
  grid-template-rows: auto 1fr; align-items: start; }
.map svg { grid-row: 1 / span 2; } .map circle { fill: var(--c); opacity: .78; }
.map circle.quiet { opacity: .5; } .map circle.at { stroke: var(--ink); stroke-width: 1; }
.map .name { font: 600 5.2px system-ui, sans-serif; fill: var(--ink); pointer-events: none;
  paint-order: stroke; stroke: var(--card); stroke-width: 1.3px; stroke-linejoin: round; }
.map:not(:has(#all:checked)) .name { opacity: .35; }
.pills { border: 0; padding: 0; margin: 0; display: flex; flex-wrap: wrap; gap: .35rem; }
.pills legend { padding: 0 0 .35rem; }
.pills input { position: absolute; opacity: 0; pointer-events: none; }
.pills label { border: 1px solid var(--rule); border-radius: 99px; padding: .1rem .7rem;
  font-size: .85rem; cursor: pointer; }
.pills label:not([class=""]):not([for=all])::before { content: ""; display: inline-block;
  width: .7em; height: .7em; border-radius: 50%; margin-right: .4em; background: var(--c); }
.pills :checked + label { background: var(--ink); color: var(--card); border-color: var(--ink); }
.pills :focus-visible + label { outline: 2px solid var(--mark); outline-offset: 2px; }
.told { min-height: 1.4em; margin: 0; }
code { font: .85rem ui-monospace, monospace; overflow-wrap: anywhere; }
@media (max-width: 1000px) {
  .top, .pair, .map { grid-template-columns: minmax(0, 1fr); }
  .map svg { grid-row: auto; }
}
@media (max-width: 640px) {
  .small { grid-template-columns: 1fr 1fr; gap: 1rem .75rem; }
  body { padding: 1rem .75rem 2rem; } section { padding: .8rem; }
  .bars li, .bars.differences li { grid-template-columns: 1fr auto; gap: 0 .5rem; }
  .bars li svg { grid-row: 2; grid-column: 1 / -1; }
  .bars .ruler span { display: none; }
  .bars small, .bars.differences small { min-width: 0; }
  .rows th:first-child { min-width: 9.6rem; white-space: normal; overflow-wrap: anywhere;
    padding-right: .4rem; font-size: .8rem; }
  .cards .label { font-size: 13px; } .small .label { font-size: 11px; }
  .bars li:not(.ruler) svg { margin: -5px 0 3px; }
  .map .name:not(.large) { display: none; } .map .name.large { font-size: 11px; }
  .map circle { r: 1.6px; }
}
@media print { section { break-inside: avoid; } }
"""

SCRIPT: Final = """
(() => {
  for (const table of document.querySelectorAll("table.rows")) {
    const bodies = [...table.tBodies];
    const asWritten = bodies.map((body) => [...body.rows]);
    const heads = [...table.tHead.rows[0].cells];
    const value = (row, i) => {
      const text = row.cells[i].dataset.v;
      return text === undefined ? null : text;
    };
    const restore = () => bodies.forEach((body, i) => body.append(...asWritten[i]));
    heads.forEach((head, i) => {
      const button = document.createElement("button");
      button.append(...head.childNodes);
      button.title = i ? "Sort by this column" : "Group by kind again";
      head.append(button);
      button.addEventListener("click", () => {
        const before = head.getAttribute("aria-sort");
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        restore();
        const groups = table.querySelectorAll(".group");
        groups.forEach((row) => { row.hidden = i > 0; });
        if (i === 0) return;
        const up = before !== "ascending";
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        const rows = asWritten.flat().filter((row) => !row.classList.contains("group"));
        rows.sort((a, b) => {
          const [x, y] = up ? [value(a, i), value(b, i)] : [value(b, i), value(a, i)];
          if (x === null || y === null) return (value(a, i) === null) - (value(b, i) === null);
          return isNaN(x) ? x.localeCompare(y) : x - y;
        });
        bodies[0].append(...rows);
      });
    });
  }
  for (const map of document.querySelectorAll(".map")) {
    const svg = map.querySelector("svg[role=img]");
    const told = map.querySelector(".told");
    const dots = [...svg.querySelectorAll("circle")].map((dot) =>
      ({ dot, x: dot.cx.baseVal.value, y: dot.cy.baseVal.value }));
    let at = null;
    const point = (event) => {
      const place = new DOMPoint(event.clientX, event.clientY)
        .matrixTransform(svg.getScreenCTM().inverse());
      let nearest = null, least = 64;
      for (const one of dots) {
        const d = (one.x - place.x) ** 2 + (one.y - place.y) ** 2;
        if (d < least) [nearest, least] = [one.dot, d];
      }
      if (nearest === at || nearest === null) return;
      if (at) at.classList.remove("at");
      at = nearest;
      at.classList.add("at");
      told.textContent = at.querySelector("title").textContent;
    };
    svg.addEventListener("pointermove", point);
    svg.addEventListener("pointerdown", point);
  }
})();
"""
