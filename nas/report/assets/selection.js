"use strict";
// One trial can be selected, in a table or a chart: every chart rings it, the table marks its row, and a card at the
// bottom of the window describes it.
{
  const trials = codenas.trials;
  const card = document.getElementById("card");
  const listeners = [];
  let selected = null;

  function points(chart, number) {
    const result = { x: [], y: [] };
    for (const trace of chart.data) {
      if (!trace.customdata || trace.meta === "ring") continue;
      trace.customdata.forEach((other, index) => {
        if (other !== number) return;
        result.x.push(trace.x[index]);
        result.y.push(trace.y[index]);
      });
      if (result.x.length) break;
    }
    return result;
  }

  function ring(chart) {
    const index = chart.data.findIndex((trace) => trace.meta === "ring");
    if (index < 0) return;
    const { x, y } = selected === null ? { x: [], y: [] } : points(chart, selected);
    if (!x.length && !chart.data[index].x.length) return;
    const mode = x.length > 1 ? "lines" : "markers";  // a whole learning curve, or a point
    window.Plotly.update(chart, { x: [x], y: [y], mode }, codenas.axisTypes(chart), [index]);
  }

  // plotly guesses the type of an axis again whenever data change, unless the update names it; then it forgets the range.
  codenas.axisTypes = (chart) => Object.fromEntries(["xaxis", "yaxis"].flatMap((name) => {
    const axis = chart._fullLayout[name];
    return [[`${name}.type`, axis.type], ...(axis.autorange ? [] : [[`${name}.range`, [...axis.range]]])];
  }));

  function describe(trial) {
    card.querySelector(".name").textContent = trial.title;
    card.querySelector(".architecture").textContent = trial.architecture;
    card.querySelector(".figures").textContent = trial.figures;
    const sample = card.querySelector("pre");
    sample.textContent = trial.sample || "";
    sample.hidden = !trial.sample;
  }

  codenas.onSelect = (listener) => listeners.push(listener);
  codenas.select = (number) => {
    selected = number === selected || !trials.has(number) ? null : number;
    if (card) {
      card.hidden = selected === null;
      if (selected !== null) describe(trials.get(selected));
    }
    codenas.charts.forEach(ring);
    listeners.forEach((listener) => listener(selected));
  };
  codenas.ringAgain = ring;

  codenas.onDrawn((chart) => {
    ring(chart);
    chart.on("plotly_click", ({ points: [point] }) => {
      if (typeof point.customdata === "number") codenas.select(point.customdata);
    });
  });
  if (card) {
    card.querySelector(".close").addEventListener("click", () => codenas.select(null));
    card.querySelector(".find").addEventListener("click", () => {
      const row = document.querySelector("#trials-table tr.selected");
      if (!row) return;
      row.scrollIntoView({ block: "center" });
      row.querySelector("button").focus({ preventScroll: true });
    });
    document.addEventListener("keydown", (event) => event.key === "Escape" && codenas.select(null));
  }
}
