// Draws the page's plots from the data inside it, in the colours of the page, and narrows the list of queries.
"use strict";
(() => {
  const PRINTED_WIDTH = 640;
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const palette = JSON.parse(document.getElementById("palette").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const chosen = {};
  const probe = document.body.appendChild(document.createElement("span"));
  let printing = false;

  // What a variable of the style comes to: Plotly does not know light-dark().
  function colour(name, printed) {
    if (printing) return printed;
    probe.style.color = `var(${name})`;
    return getComputedStyle(probe).color;
  }

  function layout(figure) {
    const axis = (given) => ({
      ...given,
      title: { text: given.title, font: { size: 12 }, standoff: 8 },
      automargin: true, fixedrange: true, zeroline: false,
      gridcolor: colour("--line", "#dfe3e8"), linecolor: colour("--line", "#dfe3e8"),
    });
    return {
      xaxis: axis(figure.x), yaxis: axis(figure.y),
      height: 340, width: printing ? PRINTED_WIDTH : undefined, margin: { l: 44, r: 8, t: 8, b: 40 },
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: colour("--ink", "#1d2126") },
      legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0 }, showlegend: true,
      // A finger that moves over a plot scrolls the page.
      dragmode: false, hovermode: "closest",
    };
  }

  function draw(place) {
    const figure = figures[place.id];
    const shown = figure.choices[chosen[place.id] || 0];
    const traces = shown.traces.map(({ method, ...trace }) => {
      const color = palette[method][dark.matches && !printing ? 1 : 0];
      return { ...trace, type: "scatter", line: { ...trace.line, color, width: 2 }, marker: { ...trace.marker, color } };
    });
    Plotly.react(place, traces, layout(figure), { displayModeBar: false, responsive: !printing });
  }

  const places = [...document.querySelectorAll(".plot")].filter((place) => place.id in figures);
  const drawAll = () => places.forEach(draw);

  function offerChoice(group) {
    const inside = places.filter((place) => group.contains(place));
    if (!inside.length || figures[inside[0].id].choices.length < 3) return;
    const select = document.createElement("select");
    select.setAttribute("aria-label", "Which collection");
    figures[inside[0].id].choices.forEach((choice, number) => select.add(new Option(choice.name, number)));
    select.addEventListener("change", () => {
      inside.forEach((place) => { chosen[place.id] = Number(select.value); draw(place); });
    });
    group.prepend(select);
  }

  function offerSearch() {
    const input = document.getElementById("find");
    if (!input) return;
    input.hidden = false;
    input.addEventListener("input", () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      document.querySelectorAll("details.query").forEach((query) => {
        const text = query.querySelector("summary").textContent.toLowerCase();
        query.hidden = !words.every((word) => text.includes(word));
      });
    });
  }

  // A link to a query opens it.
  function open() {
    const target = document.getElementById(location.hash.slice(1));
    if (target && target.tagName === "DETAILS") target.open = true;
  }

  document.querySelectorAll(".plots").forEach(offerChoice);
  drawAll();
  offerSearch();
  open();
  addEventListener("hashchange", open);
  dark.addEventListener("change", drawAll);
  addEventListener("beforeprint", () => { printing = true; drawAll(); });
  addEventListener("afterprint", () => { printing = false; drawAll(); });
})();
