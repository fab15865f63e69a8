"use strict";
// The axes of the Pareto chart: any two measures of the trials, with the front of these two.
{
  const x = document.getElementById("pareto-x"), y = document.getElementById("pareto-y");
  const measure = (number, name) => codenas.trials.get(number).measures[name];

  function front(numbers, a, b) {  // lower is better in both measures; all of several equal trials stay
    const dominates = (first, second) => measure(first, a) <= measure(second, a) && measure(first, b) <= measure(second, b)
      && (measure(first, a) < measure(second, a) || measure(first, b) < measure(second, b));
    return new Set(numbers.filter((number) => !numbers.some((other) => dominates(other, number))));
  }

  function redraw(chart) {
    const a = x.selectedOptions[0], b = y.selectedOptions[0];
    const known = (number) => measure(number, a.value) !== null && measure(number, b.value) !== null;
    const traces = Object.fromEntries(["others", "front"].map((role) => [role,
      chart.data.findIndex((trace) => trace.meta === role)]));
    const styles = new Map();
    for (const index of Object.values(traces)) {
      const { customdata, text, marker } = chart.data[index];
      customdata.forEach((number, at) => styles.set(number, [text[at], marker.size[at]]));
    }
    codenas.paretoStyles = styles.size > (codenas.paretoStyles?.size ?? 0) ? styles : codenas.paretoStyles;
    const numbers = [...codenas.paretoStyles.keys()].filter(known);
    const best = front(numbers, a.value, b.value);
    const sorted = numbers.filter((number) => best.has(number)).sort((first, second) =>
      measure(first, a.value) - measure(second, a.value) || measure(second, b.value) - measure(first, b.value));
    const members = { front: sorted, others: numbers.filter((number) => !best.has(number)), line: sorted };
    chart.data.forEach((trace, index) => {
      if (trace.meta === "ring") return;
      const shown = (members[trace.meta] ?? trace.customdata ?? []).filter(known);
      const changed = { x: [shown.map((number) => measure(number, a.value))],
        y: [shown.map((number) => measure(number, b.value))] };
      if (trace.meta in members && trace.meta !== "line") {
        changed.customdata = [shown];
        changed.text = [shown.map((number) => codenas.paretoStyles.get(number)[0])];
        changed["marker.size"] = [shown.map((number) => codenas.paretoStyles.get(number)[1])];
      }
      window.Plotly.restyle(chart, changed, [index]);
    });
    window.Plotly.relayout(chart, {
      "xaxis.title.text": a.textContent, "yaxis.title.text": b.textContent, "xaxis.type": a.dataset.scale,
      "yaxis.type": b.dataset.scale, "yaxis.rangemode": b.dataset.scale === "log" ? "normal" : "tozero",
      "xaxis.autorange": true, "yaxis.autorange": true });
    if (codenas.kept) codenas.dim(chart);
    codenas.ringAgain(chart);
  }

  if (x && y) {
    const change = () => codenas.charts.has("pareto") && redraw(codenas.charts.get("pareto"));
    x.addEventListener("change", change);
    y.addEventListener("change", change);
    codenas.onDrawn((chart) => {  // axes that were chosen before the chart was drawn
      if (chart.id !== "pareto") return;
      if (![x, y].every((select) => select.selectedOptions[0].defaultSelected)) redraw(chart);
      codenas.weightMoved?.();
    });
  }
}
