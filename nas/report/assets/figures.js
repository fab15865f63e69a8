"use strict";
// Charts are drawn when they come into view, so that a page with many opens fast; printing draws all of them.
const codenas = {
  charts: new Map(),      // id -> the element that plotly draws in
  trials: new Map(),      // number -> the facts of a trial
  watchers: [],           // called with each chart as it is drawn
  onDrawn(watch) {
    codenas.watchers.push(watch);
    codenas.charts.forEach((chart) => watch(chart));
  },
  read(id) {
    const element = document.getElementById(id);
    return element ? JSON.parse(element.textContent) : null;
  },
};
{
  const CONFIG = { showSendToCloud: false, displaylogo: false, responsive: true,
    modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"] };
  codenas.trials = new Map((codenas.read("trials") || []).map((trial) => [trial.number, trial]));
  const narrow = window.matchMedia("(max-width: 600px)");

  function start() {  // plotly is text in the page until the first chart is drawn
    if (window.Plotly) return;
    const script = document.createElement("script");
    script.textContent = document.getElementById("plotly").textContent;
    document.head.append(script);
  }

  function addHover(trace) {  // the hover text of a trial is in the page once, among its facts
    if (!trace.customdata || trace.text || !String(trace.hovertemplate).startsWith("%{text}")) return;
    trace.text = trace.customdata.map((number) => codenas.trials.get(number)?.hover ?? "");
  }

  function draw(chart) {
    if (codenas.charts.has(chart.id)) return;
    start();
    const figure = codenas.read(`${chart.id}-figure`);
    figure.data.forEach(addHover);
    figure.layout.dragmode = narrow.matches ? false : "zoom";
    if (narrow.matches) figure.layout.margin = { ...figure.layout.margin, l: 44, r: 6 };
    codenas.charts.set(chart.id, chart);
    window.Plotly.newPlot(chart, figure.data, figure.layout, CONFIG);
    codenas.watchers.forEach((watch) => watch(chart));
  }

  const charts = [...document.querySelectorAll(".chart")];
  const observer = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      observer.unobserve(target);
      draw(target);
    }
  }, { rootMargin: "300px" });
  charts.forEach((chart) => observer.observe(chart));
  window.addEventListener("beforeprint", () => charts.forEach(draw));
}
