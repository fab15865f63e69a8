"use strict";
// The axes of the Pareto chart: any two measures; the front of the two is found anew.
{
  const x = document.getElementById("pareto-x"), y = document.getElementById("pareto-y");
  const of = (number, name) => codenas.trials.get(number).measures[name];

  function front(numbers, a, b) {  // lower is better in both; of equal ones all stay
    const dominates = (one, two) => of(one, a) <= of(two, a) && of(one, b) <= of(two, b)
      && (of(one, a) < of(two, a) || of(one, b) < of(two, b));
    return new Set(numbers.filter((two) => !numbers.some((one) => dominates(one, two))));
  }

  function redraw(chart) {
    const a = x.selectedOptions[0], b = y.selectedOptions[0];
    const known = (number) => of(number, a.value) !== null && of(number, b.value) !== null;
    const parts = Object.fromEntries(["others", "front"].map((role) => [role,
      chart.data.findIndex((trace) => trace.meta === role)]));
    const looks = new Map();
    for (const index of Object.values(parts)) {
      const { customdata, text, marker } = chart.data[index];
      customdata.forEach((one, place) => looks.set(one, [text[place], marker.size[place]]));
    }
    codenas.paretoLooks = looks.size > (codenas.paretoLooks?.size ?? 0) ? looks : codenas.paretoLooks;
    const numbers = [...codenas.paretoLooks.keys()].filter(known);
    const best = front(numbers, a.value, b.value);
    const sorted = numbers.filter((one) => best.has(one)).sort((one, two) => of(one, a.value) - of(two, a.value)
      || of(two, b.value) - of(one, b.value));
    const members = { front: sorted, others: numbers.filter((one) => !best.has(one)), line: sorted };
    chart.data.forEach((trace, index) => {
      if (trace.meta === "ring") return;
      const own = (members[trace.meta] ?? trace.customdata ?? []).filter(known);
      const changed = { x: [own.map((one) => of(one, a.value))], y: [own.map((one) => of(one, b.value))] };
      if (trace.meta in members && trace.meta !== "line") {
        changed.customdata = [own];
        changed.text = [own.map((one) => codenas.paretoLooks.get(one)[0])];
        changed["marker.size"] = [own.map((one) => codenas.paretoLooks.get(one)[1])];
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
    codenas.onDrawn((chart) => {  // what was chosen before it was there
      if (chart.id !== "pareto") return;
      if (![x, y].every((one) => one.selectedOptions[0].defaultSelected)) redraw(chart);
      codenas.weightMoved?.();
    });
  }
}
