// What more than one widget is moved with.

import { el } from "./widget.js";

const PLAY = "M8 5v14l11-7z";
const PAUSE = "M6 5h4v14H6zM14 5h4v14h-4z";

/**
 * Calls `advance` every `pause()` milliseconds until it says false, or the button is pressed.
 *
 * @param {{ advance: () => boolean, pause: () => number, stopped?: () => void }} hooks
 */
export function playButton({ advance, pause, stopped = () => {} }) {
  const space = "http://www.w3.org/2000/svg";
  const path = document.createElementNS(space, "path");
  const icon = document.createElementNS(space, "svg");
  icon.setAttribute("viewBox", "0 0 24 24");
  icon.setAttribute("aria-hidden", "true");
  icon.append(path);
  const button = el("button", { type: "button", class: "genmodels-button genmodels-play" }, icon);
  let timer = 0;

  function paint() {
    path.setAttribute("d", timer ? PAUSE : PLAY);
    button.setAttribute("aria-label", timer ? "Pause" : "Play");
    button.title = timer ? "Pause" : "Play";
  }
  function stop() {
    clearTimeout(timer);
    timer = 0;
    paint();
  }
  function tick() {
    if (advance()) timer = setTimeout(tick, pause());
    else finish();
  }
  function finish() {
    stop();
    stopped();
  }
  button.addEventListener("click", () => {
    if (timer) return finish();
    timer = setTimeout(tick, 0);
    paint();
  });
  paint();
  return { button, stop, playing: () => timer !== 0 };
}

/**
 * A slider over 0, 1, … ; `set` moves it without an event.
 *
 * @param {string} label
 */
export function stepSlider(label) {
  const input = el("input", {
    type: "range", class: "genmodels-slider", min: 0, step: 1, "aria-label": label,
  });
  function paint() {
    const last = Number(input.max);
    // The style sheet fills the track up to the handle.
    input.style.setProperty("--part", String(last ? input.valueAsNumber / last : 0));
  }
  input.addEventListener("input", paint);
  return {
    input,
    get index() { return input.valueAsNumber; },
    /**
     * @param {number} index
     * @param {number} count
     */
    set(index, count) {
      input.max = String(Math.max(0, count - 1));
      input.disabled = count < 2;
      input.value = String(index);
      paint();
    },
  };
}

/**
 * Calls `seek(event)` while `node` is dragged sideways, and `done()` afterwards. A finger that
 * moves up or down scrolls the page instead, so it only counts once it went sideways or let go.
 *
 * @param {HTMLElement} node
 * @param {{
 *   starts?: (event: PointerEvent) => boolean,
 *   seek: (event: PointerEvent) => void,
 *   done?: () => void,
 * }} hooks
 * @returns {() => void} what ends it
 */
export function dragSideways(node, { starts = () => true, seek, done = () => {} }) {
  /** @type {PointerEvent | null} */
  let pressed = null;
  let sought = false;

  function press(event) {
    pressed = event.button === 0 && event.isPrimary && starts(event) ? event : null;
    sought = false;
    if (pressed && event.pointerType === "mouse") move(event);
  }
  function move(event) {
    if (event.pointerId !== pressed?.pointerId) return;
    if (!sought && pressed.pointerType !== "mouse" && Math.abs(event.clientX - pressed.clientX) < 6) return;
    sought = true;
    seek(event);
  }
  function release(event) {
    if (event.pointerId !== pressed?.pointerId) return;
    if (!sought) seek(event);
    pressed = null;
    done();
  }
  function cancel(event) {
    if (event.pointerId !== pressed?.pointerId) return;
    pressed = null;
    if (sought) done();
  }
  // On the window, because the pointer may leave the node; on the way down, because Plotly stops
  // some events on their way up.
  node.addEventListener("pointerdown", press, true);
  const heard = { pointermove: move, pointerup: release, pointercancel: cancel };
  for (const [name, hear] of Object.entries(heard)) window.addEventListener(name, hear, true);
  return () => {
    for (const [name, hear] of Object.entries(heard)) window.removeEventListener(name, hear, true);
  };
}
