"""The page's style sheet and its one script, as text: small enough to stand in every report."""

CSS = """
:root { color-scheme: light dark; --ink: #1c2128; --soft: #5b6470; --line: #d9dee4; --paper: #ffffff;
  --panel: #f5f7f9; --accent: #0f6cb4; --bad: #b3261e; --bad-panel: #fdf0ee; --good: #1f7a4d; --grid: #e3e7ec; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ed; --soft: #9aa4b0; --line: #343b44; --paper: #14171b;
  --panel: #1d2127; --accent: #6bb3f0; --bad: #ff9a8f; --bad-panel: #2c1d1c; --good: #7ccfa1; --grid: #2b3139; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1240px; padding: 2rem 1.25rem 4rem; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .75rem; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2.75rem 0 .4rem; padding-top: .9rem; border-top: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.5rem 0 .5rem; }
p { max-width: 74ch; margin: .5rem 0; }
.soft, figcaption, .kicker { color: var(--soft); font-size: .9rem; }
.kicker { margin: 0; letter-spacing: .02em; }
.lead { font-size: 1.08rem; }
.callout { border-left: 4px solid var(--bad); background: var(--bad-panel); padding: .6rem .9rem; border-radius: 4px; }
.note { border-left: 4px solid var(--line); background: var(--panel); padding: .6rem .9rem; border-radius: 4px; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(140px, 1fr)); gap: .6rem; margin: 1.1rem 0; }
.tiles div { background: var(--panel); border-radius: 8px; padding: .65rem .85rem; }
.tiles dt { color: var(--soft); font-size: .82rem; }
.tiles dd { margin: 0; font-size: 1.45rem; font-weight: 600; font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; margin: .8rem 0; border: 1px solid var(--line); border-radius: 8px; }
table { border-collapse: collapse; width: 100%; font-size: .88rem; font-variant-numeric: tabular-nums; }
th, td { padding: .38rem .55rem; text-align: left; white-space: nowrap; border-bottom: 1px solid var(--line); }
tr:last-child td { border-bottom: 0; }
th { background: var(--panel); font-weight: 600; white-space: normal; vertical-align: bottom; }
td.n, th.n { text-align: right; }
th button { all: unset; cursor: pointer; }
th button:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
th button::after { content: " \\2195"; color: var(--soft); opacity: .6; }
th[aria-sort=ascending] button::after { content: " \\2191"; opacity: 1; }
th[aria-sort=descending] button::after { content: " \\2193"; opacity: 1; }
tr.best td { font-weight: 600; }
tr.best td:first-child { box-shadow: inset 4px 0 #e07b00; }
tr.aside td { color: var(--soft); }
td.wrap { white-space: normal; overflow-wrap: anywhere; min-width: 11rem; }
.keys td:first-child { width: 16rem; color: var(--soft); }
.tag { font-size: .75rem; font-weight: 500; border: 1px solid var(--line); border-radius: 99px; padding: 0 .45rem;
  color: var(--soft); margin-left: .3rem; }
pre { margin: 0; font: .82rem/1.45 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
pre.command { background: var(--panel); padding: .7rem .9rem; border-radius: 8px; overflow-x: auto; }
pre.code { white-space: pre-wrap; overflow-wrap: anywhere; background: var(--panel); border-radius: 6px;
  padding: .55rem .7rem; max-height: 15rem; overflow-y: auto; }
pre.prompt { border-left: 4px solid var(--accent); }
pre.collapsed { border-left: 4px solid var(--bad); background: var(--bad-panel); }
.models { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 260px), 1fr)); gap: .9rem;
  margin: .7rem 0 0; }
.models h4 { margin: 0 0 .1rem; font-size: .9rem; }
.decoding { margin: .55rem 0 .2rem; font-size: .8rem; color: var(--soft); }
.decoding b { color: var(--bad); }
figure { margin: .8rem 0; }
.js-plotly-plot :is([class$=title], [class$=tick] text, .legendtext, .cbaxis text, .bartext, .updatemenu-item-text) {
  fill: var(--soft) !important; }
.js-plotly-plot .updatemenu-item-rect { stroke: var(--line) !important; }
.js-plotly-plot .updatemenu-item-rect[style*="244, 250, 255"] { fill: var(--line) !important; }
.js-plotly-plot .gridlayer path { stroke: var(--grid) !important; }
@media (max-width: 480px) { body { padding: 1.1rem .8rem 3rem; } h1 { font-size: 1.35rem; } }
@media print { :root { --ink: #000; --soft: #444; --line: #bbb; --paper: #fff; --panel: #f4f4f4; --bad-panel: #f9eeee;
  --grid: #ddd; } body { max-width: none; padding: 0; font-size: 10pt; } .scroll { overflow: visible; border: 0; }
  td, th { white-space: normal; } pre.code { max-height: none; } th button::after { content: ""; }
  figure, tr, .models > div { break-inside: avoid; } .modebar { display: none; } }
"""

SORT_JS = """
for (const table of document.querySelectorAll("table.sortable")) {
  table.querySelectorAll("th button").forEach((button, column) => button.addEventListener("click", () => {
    const head = button.parentElement, body = table.tBodies[0];
    const sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
    const key = row => row.cells[column].dataset.value ?? row.cells[column].textContent;
    table.querySelectorAll("th").forEach(other => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
    [...body.rows].sort((one, two) => {
      const a = key(one), b = key(two);
      if (a === "" || b === "") return (a === "") - (b === "");
      return sign * (isNaN(a) || isNaN(b) ? a.localeCompare(b) : a - b);
    }).forEach(row => body.append(row));
  }));
}
"""
