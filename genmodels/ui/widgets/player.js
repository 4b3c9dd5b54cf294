// Frames as a film. Everything is in the browser already: moving the handle only draws. Where the
// model's decoder is in the browser too, it decodes the very place under the handle.

import { dragSideways, playButton, stepSlider } from "./controls.js";
import { openDecoder, tellDecoder } from "./decoder.js";
import { along } from "./latents.js";
import { el, keepLook, readLook, rendering, show } from "./widget.js";

const PASS = 3000; // milliseconds from start to end at 1×
const FASTEST = 50;
const SPEEDS = [0.5, 1, 2];
const NONE = 1e-6; // what rounding adds to a part of the way
const FINER = 10; // steps of the slider to a frame, where the browser decodes

export default (component) => show(component, buildPlayer);

function buildPlayer(place) {
  const canvas = el("canvas", { role: "img", class: "genmodels-frame" });
  const slider = stepSlider("");
  const label = el("p", { class: "genmodels-label", "aria-hidden": "true" });
  const [start, where, end] = ["start", "where", "end"].map(() => el("span"));
  const trouble = el("p", { class: "genmodels-trouble", role: "status" });
  const bounce = el(
    "button",
    { type: "button", class: "genmodels-button", "aria-pressed": "false" },
    "Back and forth",
  );
  const speed = el("select", { class: "genmodels-select", "aria-label": "Speed" });
  speed.append(...SPEEDS.map((factor) => el("option", { value: factor }, `${factor}×`)));
  speed.value = "1";
  const play = playButton({
    advance,
    pause: () => Math.max(FASTEST, PASS / (data.count - 1)) / Number(speed.value),
    stopped: keep,
  });
  const root = el(
    "div",
    { class: "genmodels-root genmodels-player" },
    label,
    canvas,
    slider.input,
    el("div", { class: "genmodels-captions", "aria-hidden": "true" }, start, where, end),
    el("div", { class: "genmodels-controls" }, play.button, bounce, speed),
    trouble,
  );
  place.append(root);

  let data = { count: 0 };
  let shown = null; // the sprite that is decoded, which may still be the one before
  let direction = 1; // forth, or -1: back
  let decoder = null;
  let steps = 0; // of the slider, from start to end

  const position = () => (steps ? slider.index / steps : 0);
  const decodes = () => decoder?.state === "ready";

  /** To a part of the way. */
  function seek(part) {
    steps = (data.count - 1) * (decodes() ? FINER : 1);
    slider.set(Math.round(Math.min(Math.max(part, 0), 1) * steps), steps + 1);
    draw();
  }

  /** Players of one group stand at the same part of their ways. */
  function tell() {
    if (!data.group) return;
    const detail = { from: root, group: data.group, position: position() };
    window.dispatchEvent(new CustomEvent("genmodels-seek", { detail }));
  }

  /** @param {any} event */
  function hear({ detail }) {
    if (detail.group !== data.group || detail.from === root) return;
    play.stop();
    seek(detail.position);
  }

  function draw() {
    const frame = Math.round(position() * (data.count - 1));
    const number = `frame ${frame + 1} of ${data.count}`;
    const [from, to] = data.captions;
    const way = from && to ? `, ${Math.round(position() * 100)} % of the way from ${from} to ${to}` : "";
    slider.input.setAttribute("aria-valuetext", number + way);
    canvas.setAttribute("aria-label", `${data.label}: ${number}${way}`);
    where.textContent = `${frame + 1} / ${data.count}`;
    if (decodes()) return decode(position());
    if (shown?.sprite !== data.sprite) return; // the old picture stays until the new one is there
    const { width, height } = data;
    resize();
    const left = (frame % data.columns) * width;
    const top = Math.floor(frame / data.columns) * height;
    canvas.getContext("2d").drawImage(shown.bitmap, left, top, width, height, 0, 0, width, height);
    canvas.dataset.place = String(position());
  }

  function resize() {
    if (canvas.width !== data.width) canvas.width = data.width;
    if (canvas.height !== data.height) canvas.height = data.height;
  }

  /** The picture under the handle itself; the one before stays until it is there. */
  async function decode(part) {
    const frames = await decoder.decode(along(data.way, part), "frame");
    if (!frames || !data.count) return;
    resize();
    canvas.getContext("2d").putImageData(frames[0], 0, 0);
    canvas.dataset.place = String(part);
  }

  function openWay() {
    decoder?.close();
    decoder = data.decoder && openDecoder(data.decoder);
    decoder?.onChange(() => {
      tellDecoder(trouble, decoder);
      if (decodes()) seek(position());
    });
    tellDecoder(trouble, decoder);
  }

  function advance() {
    if (data.count < 2) return false;
    const step = 1 / (data.count - 1);
    const swings = bounce.getAttribute("aria-pressed") === "true";
    const goal = () => position() + direction * step;
    if (swings && goal() > 1 + NONE) direction = -1;
    else if (!swings || goal() < -NONE) direction = 1;
    seek(goal() > 1 + NONE ? 0 : goal()); // Play at the end starts again.
    tell();
    return swings || position() < 1 - NONE;
  }

  function keep() {
    keepLook(position().toFixed(3));
  }

  async function load(sprite) {
    const image = new Image();
    image.src = sprite;
    await image.decode();
    const bitmap = await createImageBitmap(image);
    if (sprite !== data.sprite) return bitmap.close(); // overtaken, or removed
    shown?.bitmap.close();
    shown = { sprite, bitmap };
    draw();
  }

  slider.input.addEventListener("input", () => {
    play.stop();
    draw();
    tell();
  });
  window.addEventListener("genmodels-seek", hear);
  slider.input.addEventListener("change", keep);
  slider.input.addEventListener("keydown", (event) => {
    // By frames, however fine the slider is.
    const sign = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key];
    if (!sign || data.count < 2) return;
    event.preventDefault();
    play.stop();
    seek(position() + sign / (data.count - 1));
    tell();
    keep();
  });
  bounce.addEventListener("click", () => {
    bounce.setAttribute("aria-pressed", String(bounce.getAttribute("aria-pressed") !== "true"));
  });

  const stopDragging = dragSideways(canvas, {
    seek(event) {
      play.stop();
      const box = canvas.getBoundingClientRect();
      seek((event.clientX - box.left) / box.width);
      tell();
    },
    done: keep,
  });

  function update(next) {
    const look = readLook();
    const kept = data.count ? position() : look && Number(look) >= 0 ? Number(look) : next.data.start;
    const changed = next.data.sprite !== data.sprite;
    const reopened = next.data.decoder?.model !== data.decoder?.model;
    data = next.data;
    root.style.maxWidth = `${data.display_width}px`;
    canvas.style.aspectRatio = `${data.width} / ${data.height}`;
    canvas.style.imageRendering = rendering(data.width, data.display_width);
    label.textContent = data.label;
    slider.input.setAttribute("aria-label", data.label);
    [start.textContent, end.textContent] = data.captions;
    play.button.disabled = data.count < 2;
    if (reopened) openWay();
    seek(kept);
    if (changed) load(data.sprite);
  }

  function remove() {
    play.stop();
    stopDragging();
    window.removeEventListener("genmodels-seek", hear);
    data = { count: 0 };
    decoder?.close();
    shown?.bitmap.close();
    root.remove();
  }

  return { update, remove };
}
