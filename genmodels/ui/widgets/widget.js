// What the components share. It is put before each of them, because Streamlit loads one script.

const views = new WeakMap();

/**
 * Streamlit calls a component again for new data or another theme, and tidies up at the end, or
 * early after a call that was overtaken by the next one. So: build once in a place, then update,
 * and let only the newest call remove what is there.
 */
function show(component, build) {
  const place = component.parentElement;
  const view = views.get(place) ?? build(place);
  views.set(place, view);
  const call = (view.calls = (view.calls ?? 0) + 1);
  view.update(component);
  return () => {
    if (view.calls !== call) return;
    views.delete(place);
    view.remove();
  };
}

/** A DOM element; text among the children stays text. */
function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/** Where the handles of the page stand, as a link or the browser's history keeps it; see page.js. */
const readLook = () => window.genmodelsLook?.read() ?? "";
const keepLook = (text) => window.genmodelsLook?.keep(text);

const PLAY = "M8 5v14l11-7z";
const PAUSE = "M6 5h4v14H6zM14 5h4v14h-4z";

/** Calls `advance` every `pause()` milliseconds until it says false, or the button is pressed. */
function playButton({ advance, pause, stopped = () => {} }) {
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

/** A slider over 0, 1, … ; `set` moves it without an event. */
function stepSlider(label) {
  const input = el("input", {
    type: "range", class: "genmodels-slider", min: 0, step: 1, "aria-label": label,
  });
  function paint() {
    const last = Number(input.max);
    // The style sheet fills the track up to the handle.
    input.style.setProperty("--part", last ? input.valueAsNumber / last : 0);
  }
  input.addEventListener("input", paint);
  return {
    input,
    get index() { return input.valueAsNumber; },
    set(index, count) {
      input.max = Math.max(0, count - 1);
      input.disabled = count < 2;
      input.value = index;
      paint();
    },
  };
}

/**
 * The greatest width up to `room` at which every pixel of a picture is the same square; all of
 * `room` where that would fill less than `least` of it.
 */
function crispWidth(pixels, room, least = 0.6) {
  const unit = pixels / (window.devicePixelRatio || 1);
  const crisp = Math.floor(room / unit) * unit;
  return crisp >= least * room ? crisp : room;
}

/** Enlarged pictures keep hard pixels; slightly scaled ones would look uneven with them. */
function rendering(pixels, shown) {
  const scale = (shown * (window.devicePixelRatio || 1)) / pixels;
  return scale >= 2 || scale === 1 ? "pixelated" : "auto";
}

/**
 * Calls `seek(event)` while `node` is dragged sideways, and `done()` afterwards. A finger that
 * moves up or down scrolls the page instead, so it only counts once it went sideways or let go.
 */
function dragSideways(node, { starts = () => true, seek, done = () => {} }) {
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
