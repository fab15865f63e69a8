"use strict";
// Another collapse weight: fitness, ranks and the best follow from the records; nothing is trained.
{
  const slider = document.getElementById("weight");
  const number = (value, digits = 3) => value.toFixed(digits);

  function rank(weight) {
    for (const trial of codenas.trials.values()) {
      const { val_bpb: bpb, collapse_rate: rate } = trial.measures;
      if (bpb !== null && rate !== null) trial.measures.fitness = bpb + weight * rate;
    }
    return [...codenas.trials.values()].filter((trial) => trial.kinds.includes("complete"))
      .sort((trial, other) => trial.measures.fitness - other.measures.fitness || trial.number - other.number);
  }

  function say(weight, ranked) {
    const [best, second] = ranked;
    let words = `On validation the best is ${best.title} (${best.architecture}), fitness ${number(best.measures.fitness)}`;
    if (second) words += `; then ${second.title}, ${number(second.measures.fitness - best.measures.fitness)} worse`;
    const finalists = codenas.read("finalists") || [];
    if (finalists.length) {
      const fitness = (finalist) => finalist.bpb + weight * finalist.collapse_rate;
      const chosen = finalists.reduce((best, other) => (fitness(other) < fitness(best) ? other : best));
      words += `. On the holdout the best finalist is ${codenas.trials.get(chosen.number).title}, ${number(fitness(chosen))}`;
    }
    document.getElementById("weight-says").textContent = `${words}.`;
  }

  function refill(ranked) {  // the table: fitness, the mark of the best, and the order if it is sorted by fitness
    const table = document.getElementById("trials-table");
    const rankOf = new Map(ranked.map((trial, index) => [trial.number, index]));
    for (const row of table.tBodies[0].rows) {
      const trial = codenas.trials.get(Number(row.cells[0].dataset.value));
      if (!rankOf.has(trial.number)) continue;
      const cell = row.cells[1];
      cell.dataset.value = trial.measures.fitness;
      cell.textContent = number(trial.measures.fitness);
      row.classList.toggle("best", rankOf.get(trial.number) === 0);
    }
    const sorted = table.querySelector("th[aria-sort]");
    if (!sorted) codenas.sort(table, 1, 1);
    else if (sorted.cellIndex === 1) codenas.sort(table, 1, sorted.getAttribute("aria-sort") === "ascending" ? 1 : -1);
  }

  function star(chart, best) {
    const index = chart.data.findIndex((trace) => trace.meta === "star");
    const [a, b] = ["pareto-x", "pareto-y"].map((id) => best.measures[document.getElementById(id).value]);
    window.Plotly.update(chart, { x: [[a]], y: [[b]], customdata: [[best.number]], text: [[best.hover]],
      name: `best by fitness: trial ${best.number}` }, codenas.axisTypes(chart), [index]);
  }

  function move() {
    const weight = Number(slider.value);
    const own = weight === Number(slider.dataset.own);
    document.getElementById("weight-value").textContent = `${number(weight, 2)}${own ? ", the search's own" : ""}`;
    slider.setAttribute("aria-valuetext", `${number(weight, 2)} bits per byte`);
    const ranked = rank(weight);
    say(weight, ranked);
    refill(ranked);
    if (codenas.charts.has("pareto")) star(codenas.charts.get("pareto"), ranked[0]);
  }

  if (slider) {
    slider.addEventListener("input", move);
    document.getElementById("weight-reset").addEventListener("click", () => {
      slider.value = slider.dataset.own;
      move();
    });
    codenas.weightMoved = () => slider.value !== slider.defaultValue && move();
  }
}
