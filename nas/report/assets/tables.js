"use strict";
// A click on a column sorts a table; the table of all trials can also be filtered, and its rows select trials.
{
  const value = (row, column) => row.cells[column].dataset.value ?? row.cells[column].textContent;

  function sort(table, column, sign) {
    const key = (row) => value(row, column);
    [...table.tBodies[0].rows].sort((row, other) => {
      const a = key(row), b = key(other);
      if (a === "" || b === "") return (a === "") - (b === "");
      return sign * (isNaN(a) || isNaN(b) ? a.localeCompare(b) : a - b);
    }).forEach((row) => table.tBodies[0].append(row));
  }

  for (const table of document.querySelectorAll("table.sortable")) {
    table.querySelectorAll("th button").forEach((button, column) => button.addEventListener("click", () => {
      const head = button.parentElement;
      const sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      table.querySelectorAll("th").forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
      sort(table, column, sign);
    }));
  }
  codenas.sort = sort;
  codenas.cell = value;

  const table = document.getElementById("trials-table");
  if (table) {
    const rows = [...table.tBodies[0].rows];
    const numberOf = (row) => Number(row.cells[0].dataset.value);
    const filter = document.getElementById("filter"), shown = document.getElementById("filter-shown");
    const only = document.getElementById("filter-state");

    for (const row of rows) {  // the number becomes a button, so that a keyboard can select the trial
      const button = document.createElement("button");
      button.type = "button";
      button.className = "link";
      button.append(row.cells[0].firstChild);
      button.setAttribute("aria-pressed", "false");
      button.setAttribute("aria-label", `select trial ${numberOf(row)}`);
      button.addEventListener("click", () => codenas.select(numberOf(row)));
      row.cells[0].prepend(button);
    }
    codenas.onSelect((number) => rows.forEach((row) => {
      const isSelected = numberOf(row) === number;
      row.classList.toggle("selected", isSelected);
      row.cells[0].querySelector("button").setAttribute("aria-pressed", String(isSelected));
    }));

    // A filter is words that a row must hold, and comparisons such as val_bpb<1.7
    const COMPARISON = /^(\w+)(<=|>=|<|>|=)(.+)$/;
    const COMPARE = { "<": (a, b) => a < b, ">": (a, b) => a > b, "<=": (a, b) => a <= b, ">=": (a, b) => a >= b,
      "=": (a, b) => a === b };
    function matches(row, term) {
      const [, name, sign, limit] = term.match(COMPARISON) || [];
      const measures = codenas.trials.get(numberOf(row)).measures;
      if (name === undefined || !(name in measures) || isNaN(limit)) {
        return row.textContent.toLowerCase().includes(term);
      }
      return measures[name] !== null && COMPARE[sign](measures[name], Number(limit));
    }
    function apply() {
      const terms = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
      const kept = new Set();
      for (const row of rows) {
        const kinds = codenas.trials.get(numberOf(row)).kinds;
        row.hidden = !(terms.every((term) => matches(row, term)) && (!only.value || kinds.includes(only.value)));
        if (!row.hidden) kept.add(numberOf(row));
      }
      shown.textContent = kept.size === rows.length ? `${rows.length} trials` : `${kept.size} of ${rows.length} trials`;
      codenas.kept = kept.size === rows.length ? null : kept;
      codenas.charts.forEach(dim);
    }
    function dim(chart) {  // charts show the trials that the filter leaves out faintly
      chart.data.forEach((trace, index) => {
        if (!trace.customdata || !String(trace.mode).includes("markers") || trace.meta === "ring") return;
        trace.fullOpacity ??= trace.marker.opacity ?? 1;
        const opacity = codenas.kept
          ? trace.customdata.map((number) => trace.fullOpacity * (codenas.kept.has(number) ? 1 : 0.12)) : trace.fullOpacity;
        window.Plotly.restyle(chart, { "marker.opacity": [opacity] }, [index]);
      });
    }
    codenas.dim = dim;
    filter.addEventListener("input", apply);
    only.addEventListener("change", apply);
    codenas.onDrawn((chart) => codenas.kept && dim(chart));
    apply();
  }
}
