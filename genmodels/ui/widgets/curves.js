// Learning curves, and under them what each run drew at the moment under the slider.

import { epochChart } from "./chart.js";
import { playButton, stepSlider } from "./controls.js";
import { inWords, pictureLoader, sampleCard, stopAt } from "./samples.js";
import { crispWidth, el, keepLook, readLook, show } from "./widget.js";

const GAP = 16;
const WIDEST = 448;
const NEAR = 24; // pictures around the slider that are loaded before somebody goes there
const PASS = 8000; // milliseconds from the first moment to the last

export default (component) => show(component, buildCurves);

function buildCurves(place) {
  const node = el("div", { class: "genmodels-chart", role: "figure" });
  const trouble = el("p", { class: "genmodels-trouble", role: "status" });
  const slider = stepSlider("Moment of the training");
  const moment = el("span", { class: "genmodels-moment", "aria-hidden": "true" });
  const samples = el("div", { class: "genmodels-samples" });
  const keep = () => keepLook(String(Number((epochs[slider.index] ?? 0).toFixed(4))));
  const play = playButton({ advance, stopped: keep, pause: () => Math.min(500, Math.max(120, PASS / epochs.length)) });
  const scrubber = el("div", { class: "genmodels-scrubber" }, play.button, slider.input, moment);
  const saving = el("div", { class: "genmodels-saving" });
  for (const format of ["svg", "png"]) {
    const words = `Save the chart as ${format.toUpperCase()}`;
    const button = el("button", { type: "button", class: "genmodels-button" }, words);
    button.addEventListener("click", () => chart.save(format, shown));
    saving.append(button);
  }
  const root = el("div", { class: "genmodels-root" }, node, trouble, saving, scrubber, samples);
  place.append(root);

  const chart = epochChart(node, (epoch) => {
    play.stop();
    if (!epochs.length) return;
    seek(nearest(epoch));
    keep();
  });
  const loader = pictureLoader(paint);
  const cards = new Map();
  let shown = null; // what the chart was drawn from
  let runs = [];
  let epochs = []; // every moment at which any run has a picture

  function nearest(epoch) {
    const distance = (index) => Math.abs(epochs[index] - epoch);
    return epochs.reduce((best, _, index) => (distance(index) < distance(best) ? index : best), 0);
  }

  function paint() {
    for (const run of runs) cards.get(run.id).show(run, epochs[slider.index] ?? 0, loader);
  }

  function seek(index) {
    slider.set(Math.min(Math.max(index, 0), epochs.length - 1), epochs.length);
    moved();
  }

  function moved() {
    const epoch = epochs[slider.index] ?? NaN; // without samples there is no cursor
    moment.textContent = inWords(epoch);
    const place = `moment ${slider.index + 1} of ${epochs.length}`;
    slider.input.setAttribute("aria-valuetext", `${inWords(epoch)}, ${place}`);
    chart.moveTo(epoch);
    paint();
    // Of each run those around the one that it shows: it may have ended long before the others.
    const near = runs.flatMap((run) => {
      const shownAt = stopAt(run, epoch);
      const stops = run.stops.map(([, , url], index) => [Math.abs(index - shownAt), url]);
      return stops.sort((a, b) => a[0] - b[0]).slice(0, Math.ceil(NEAR / runs.length));
    });
    loader.want(near.sort((a, b) => a[0] - b[0]).map(([, url]) => url));
  }

  function advance() {
    const last = epochs.length - 1;
    if (last < 1) return false;
    seek(slider.index === last ? 0 : slider.index + 1); // Play at the end starts again
    return slider.index < last;
  }

  slider.input.addEventListener("input", () => {
    play.stop();
    moved();
  });
  slider.input.addEventListener("change", keep);

  /** All pictures equally wide, two beside each other even on a telephone. */
  function fit() {
    const room = samples.clientWidth;
    if (!room || !cards.size) return; // not shown now, as in a closed tab
    const fitting = Math.max(1, Math.floor((room + GAP) / ((room < 600 ? 150 : 230) + GAP)));
    const columns = Math.ceil(cards.size / Math.ceil(cards.size / fitting));
    const most = Math.min(WIDEST, Math.floor((room + GAP) / columns) - GAP);
    const pixels = [...cards.values()].map((card) => card.pixels());
    const width = crispWidth(Math.min(...pixels), most, 0.8);
    samples.style.gridTemplateColumns = `repeat(${columns}, ${width}px)`;
    cards.forEach((card) => card.fit(width));
  }
  const watcher = new ResizeObserver(fit);
  watcher.observe(samples);

  function update({ data }) {
    const before = epochs[slider.index];
    // A training that goes on is followed, unless somebody looks at an earlier moment.
    const follows = before === undefined || slider.index === epochs.length - 1;
    runs = data.runs.filter((run) => run.stops.length);
    epochs = [...new Set(runs.flatMap((run) => run.stops.map((stop) => stop[1])))];
    epochs.sort((a, b) => a - b);
    for (const id of cards.keys()) if (!runs.some((run) => run.id === id)) cards.delete(id);
    for (const run of runs) if (!cards.has(run.id)) cards.set(run.id, sampleCard());
    samples.replaceChildren(...runs.map((run) => cards.get(run.id).node));
    scrubber.hidden = epochs.length === 0;
    node.setAttribute("aria-label", data.label);
    const look = before === undefined ? readLook() : "";
    if (look && Number(look) >= 0) seek(nearest(Number(look)));
    else seek(follows ? epochs.length - 1 : nearest(before));
    fit();
    shown = data;
    chart.draw(data, root).then((drawn) => {
      saving.hidden = !drawn;
      trouble.textContent = drawn
        ? ""
        : "The chart could not be loaded. Reload the page to try again.";
    });
  }

  function remove() {
    play.stop();
    watcher.disconnect();
    loader.want([]);
    runs = [];
    chart.remove();
    root.remove();
  }

  return { update, remove };
}
