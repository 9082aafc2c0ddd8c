"""The style that every page shares: paper, cards, tables, and the look of a plot's classes."""

from __future__ import annotations

from typing import Final

from trainer.drawing.palette import DARK, LIGHT, SERIES, variables

_BASE: Final = """
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1100px; padding: 1.5rem 1rem 3rem; background: var(--paper);
  color: var(--ink); font: 16px/1.45 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; }
h2 { font-size: 1.05rem; margin: 0 0 .6rem; }
p { margin: .3rem 0; }
.soft, figcaption { color: var(--soft); font-size: .9rem; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(8rem, 1fr)); gap: .75rem;
  margin: 1.2rem 0; padding: 0; list-style: none; }
.figures li { background: var(--card); border: 1px solid var(--rule); border-radius: 8px;
  padding: .6rem .8rem; }
.figures b { display: block; font-size: 1.1rem; white-space: nowrap;
  font-variant-numeric: tabular-nums; }
section { background: var(--card); border: 1px solid var(--rule); border-radius: 8px;
  padding: 1rem; min-width: 0; }
.wide { margin: 1rem 0; }
.scroll { overflow-x: auto; }
figure { margin: 0; }
svg { display: block; width: 100%; height: auto; }
.fill { fill: var(--c); } .line { fill: none; stroke: var(--c); stroke-width: 2;
  stroke-linejoin: round; stroke-linecap: round; }
.dashed { stroke-dasharray: 7 4; } .dotted { stroke-dasharray: 1.5 4; }
.axis { stroke: var(--rule); stroke-width: 1; }
.level { stroke: var(--soft); stroke-width: 1; stroke-dasharray: 4 3; }
.label { fill: var(--soft); font: 11px system-ui, sans-serif; }
.legend { display: flex; flex-wrap: wrap; gap: .15rem 1rem; margin: .5rem 0 .2rem; padding: 0;
  list-style: none; color: var(--ink); font-size: .85rem; }
.legend svg { display: inline-block; width: 28px; height: 12px; margin-right: .4em; }
table { border-collapse: collapse; width: 100%; font-size: .9rem;
  font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 600; color: var(--soft); }
th, td { padding: .2rem .5rem .2rem 0; border-bottom: 1px solid var(--rule); }
.n { text-align: right; white-space: nowrap; }
ul.notes { margin: 0; padding-left: 1.2rem; }
"""

STYLE: Final = (
    f":root {{ color-scheme: light dark; {variables(LIGHT)} }}\n"
    f"@media (prefers-color-scheme: dark) {{ :root {{ {variables(DARK)} }} }}\n"
    + " ".join(f".{name} {{ --c: var(--{name}); }}" for name in SERIES)
    + _BASE
)
"""Goes into a page's <style>, before the page's own rules."""
