// A canvas to draw on with a mouse, a finger or a pen. Its strokes go to the server.

import { el, show } from "./widget.js";

const REPORT = 400; // milliseconds after a stroke, so that a digit of two is read once
const NEAR = 0.004; // points closer than this tell nothing new

export default (component) => show(component, buildDrawing);

function buildDrawing(place) {
  const canvas = el("canvas", { role: "img", class: "genmodels-canvas" });
  const label = el("p", { class: "genmodels-label", "aria-hidden": "true" });
  const button = (name) => el("button", { type: "button", class: "genmodels-button" }, name);
  const [undo, clear] = [button("Undo"), button("Clear")];
  const root = el(
    "div",
    { class: "genmodels-root genmodels-drawing" },
    label,
    canvas,
    el("div", { class: "genmodels-tools" }, undo, clear),
  );
  place.append(root);

  let component = null;
  let data = null;
  let strokes = [];
  let pen = null; // the pointer that draws
  let reporting = 0;

  function draw() {
    const paper = canvas.getContext("2d");
    paper.fillStyle = "#000";
    paper.fillRect(0, 0, data.size, data.size);
    paper.fillStyle = paper.strokeStyle = "#fff";
    Object.assign(paper, { lineWidth: data.pen, lineCap: "round", lineJoin: "round" });
    for (const points of strokes) {
      const places = points.map((point) => point.map((part) => part * data.size));
      paper.beginPath();
      for (const [x, y] of places) paper.lineTo(x, y);
      paper.stroke();
      paper.beginPath(); // a line of no length is not drawn
      paper.arc(places[0][0], places[0][1], data.pen / 2, 0, 2 * Math.PI);
      paper.fill();
    }
    undo.disabled = clear.disabled = !strokes.length;
    const count = `${strokes.length} ${strokes.length === 1 ? "stroke" : "strokes"}`;
    canvas.setAttribute("aria-label", `${data.label}: ${strokes.length ? count : "empty"}`);
  }

  function report(pause) {
    clearTimeout(reporting);
    reporting = setTimeout(() => component.setStateValue("strokes", strokes), pause);
  }

  function point(event) {
    const box = canvas.getBoundingClientRect();
    const part = (where, from, side) =>
      Math.round(Math.min(1, Math.max(0, (where - from) / side)) * 1000) / 1000;
    return [part(event.clientX, box.left, box.width), part(event.clientY, box.top, box.height)];
  }

  function extend(event) {
    const points = strokes.at(-1);
    const [x, y] = point(event);
    const [before, above] = points.at(-1);
    if (Math.hypot(x - before, y - above) >= NEAR) points.push([x, y]);
  }

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || !event.isPrimary) return;
    event.preventDefault(); // no text is selected by a pen that slips
    clearTimeout(reporting);
    pen = event.pointerId;
    canvas.setPointerCapture(pen);
    strokes = [...strokes, [point(event)]];
    draw();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (event.pointerId !== pen) return;
    // A browser tells of a quick hand in bundles.
    const passed = event.getCoalescedEvents?.() ?? [];
    (passed.length ? passed : [event]).forEach(extend);
    draw();
  });
  for (const name of /** @type {const} */ (["pointerup", "pointercancel"])) {
    canvas.addEventListener(name, (event) => {
      if (event.pointerId !== pen) return;
      pen = null;
      report(REPORT);
    });
  }

  function change(kept) {
    strokes = kept;
    draw();
    report(0);
    // A disabled button loses the keyboard's place.
    if (!strokes.length) canvas.focus();
  }
  undo.addEventListener("click", () => change(strokes.slice(0, -1)));
  clear.addEventListener("click", () => change([]));
  canvas.tabIndex = -1;

  function update(next) {
    const first = data === null;
    component = next;
    data = next.data;
    label.textContent = data.label;
    if (!first) return;
    // From here on the browser knows best: what the server has may be a stroke behind.
    strokes = data.strokes;
    canvas.width = canvas.height = data.size;
    draw();
  }

  function remove() {
    clearTimeout(reporting);
    root.remove();
  }

  return { update, remove };
}
