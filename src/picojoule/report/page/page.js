"use strict";
(() => {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const plots = [...document.querySelectorAll(".plot")];
  const font = { family: "system-ui, sans-serif", size: 12 };
  const clear = "rgba(0,0,0,0)";
  const config = { responsive: true, displaylogo: false, modeBarButtons: [["toImage", "resetScale2d"]] };
  const draw = (plot) => {
    const { data, layout } = figures[plot.dataset.figure];
    const ground = { autosize: true, font, paper_bgcolor: clear, plot_bgcolor: clear, ...layout };
    return window.Plotly.newPlot(plot, data, ground, config);
  };
  const resize = () => plots.forEach((plot) => plot.offsetParent && window.Plotly.Plots.resize(plot));
  document.querySelectorAll(".choices").forEach((choices) => {
    const parts = [...choices.children].filter((one) => one.classList.contains("choice"));
    const choose = choices.querySelector(":scope > label > .choose");
    const show = (index) => parts.forEach((one, at) => one.classList.toggle("chosen", at === index));
    show(0);
    choose?.addEventListener("change", () => { show(choose.selectedIndex); resize(); });
  });
  if (window.Plotly || !plots.length) document.body.classList.add("drawn");
  Promise.all(plots.map(draw)).then(() => { resize(); document.body.dataset.ready = "yes"; });
  window.addEventListener("beforeprint", () => {
    document.querySelectorAll("details").forEach((one) => { one.open = true; });
    resize();
  });
})();
