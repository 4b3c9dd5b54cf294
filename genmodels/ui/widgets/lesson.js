// One step of a lesson: a figure whose parts are moved by hand, and its formula with the numbers of
// the moment. Everything happens in the browser. The steps are in the files of the families.

import { el, keepLook, readLook, rendering, show } from "./widget.js";

/** Shows the step of `steps` that the data name. */
export const lesson = (steps) => (component) => show(component, (place) => buildLesson(place, steps));

// What can be moved in the step that was built last: choices, then handles. `read` gives numbers
// that `write` takes.
let choices = [];
let grips = [];

function buildLesson(place, steps) {
  const root = el("div", { class: "genmodels-root genmodels-lesson" });
  place.append(root);
  let step = null;

  return {
    update({ data }) {
      if (step) return; // each step is a component of its own
      [choices, grips] = [[], []];
      step = steps[data.step](data);
      root.append(...step.nodes);
      step.paint();
      const parts = [...choices, ...grips];
      restore(data.step, parts);
      const look = () => [data.step, ...parts.map(({ read }) => read().map(short).join("_"))].join("!");
      let kept = look();
      for (const event of ["click", "pointerup", "keyup"]) {
        root.addEventListener(event, () => {
          if (kept !== look()) keepLook(kept = look());
        });
      }
    },
    remove() {
      step?.remove?.();
      root.remove();
    },
  };
}

const short = (value) => Number(value.toFixed(5));

/** Moves all parts to where the address says, if it is about this step. */
function restore(name, parts) {
  const [step, ...places] = readLook().split("!");
  if (step !== name || places.length !== parts.length) return;
  const numbers = places.map((text) => text.split("_").map(Number));
  if (numbers.flat().every(Number.isFinite)) parts.forEach(({ write }, at) => write(...numbers[at]));
}

export const fixed = (value, digits = 2) => {
  const text = Math.abs(value).toFixed(digits);
  return value < 0 && Number(text) ? `−${text}` : text;
};
export const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

// Formulas

/** Nodes of a formula: _{low} and ^{high}, single letters slanted. */
function math(text) {
  const parts = text.match(/_\{[^}]*\}|\^\{[^}]*\}|\p{L}+|[^\p{L}_^]+/gu) ?? [];
  return parts.map((part) => {
    if (part.startsWith("_{")) return el("sub", {}, ...math(part.slice(2, -1)));
    if (part.startsWith("^{")) return el("sup", {}, ...math(part.slice(2, -1)));
    return /^\p{L}$/u.test(part) && !/[ΣE]/.test(part) ? el("i", {}, part) : part;
  });
}

/**
 * A formula. Its parts are text, or terms [name, formula, what it is in words, style]. `set` gives
 * terms their numbers; those that changed light up, and so does in the figure what has the name of
 * the term that is pointed at or focused.
 */
export function formula(words, parts) {
  const note = el("p", { class: "genmodels-explained", "aria-hidden": "true" });
  const row = el("div", { class: "genmodels-formula", translate: "no", role: "group", "aria-label": `Formula: ${words}` });
  const terms = new Map();
  for (const part of parts) {
    if (typeof part === "string") {
      row.append(el("span", { class: "genmodels-between", "aria-hidden": "true" }, ...math(part)));
      continue;
    }
    const [name, text, say, style = "plain"] = part;
    const value = el("span", { class: "genmodels-value" });
    const node = el(
      "span",
      { class: `genmodels-term genmodels-${style}`, role: "img", tabindex: 0, "data-term": name },
      el("span", { class: "genmodels-symbol" }, ...math(text)),
      value,
    );
    const light = (on) => () => {
      const lesson = node.closest(".genmodels-lesson");
      for (const same of lesson.querySelectorAll(`[data-term~="${name}"]`)) {
        same.classList.toggle("genmodels-lit", on);
      }
      note.textContent = on ? say : note.textContent;
    };
    for (const event of ["pointerenter", "focus"]) node.addEventListener(event, light(true));
    for (const event of ["pointerleave", "blur"]) node.addEventListener(event, light(false));
    terms.set(name, { node, value, say, text: "" });
    row.append(node);
  }
  const hint = parts.find((part) => typeof part !== "string");
  note.textContent = hint[2];
  return {
    node: el("div", { class: "genmodels-formula-box" }, row, note),
    set(values) {
      for (const [name, number] of Object.entries(values)) {
        const term = terms.get(name);
        const { node, value, say } = term;
        const text = typeof number === "number" ? fixed(number) : number;
        node.classList.toggle("genmodels-lit", term.text !== "" && term.text !== text);
        if (term.text !== text) term.text = value.textContent = text; // else a translation stays
        node.setAttribute("aria-label", `${say}: ${text}`);
      }
    },
  };
}

// Figures

export function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

const MARGIN = { left: 14, right: 14, top: 14, bottom: 44 };
const LEAP = 10; // steps of Page Up and Page Down

/**
 * A figure from x[0] to x[1] and y[0] to y[1]. `draw(pen)` says what is to be seen, and is called
 * for each painting; handles stay. `ticks` are numbers of the x axis, or [number, text].
 */
export function figure({ x, y, draw, title = "", ticks = [], height = 280, square = false, moved }) {
  const shapes = svg("g", { "aria-hidden": "true" });
  const handholds = svg("g");
  const node = svg("svg", { class: `genmodels-figure${square ? " genmodels-square" : ""}`, role: "group" }, shapes, handholds);
  const handles = [];
  const size = { width: 0, height };
  const margin = ticks.length ? MARGIN : { ...MARGIN, bottom: 14 };

  const across = (value) =>
    margin.left + ((value - x[0]) / (x[1] - x[0])) * (size.width - margin.left - margin.right);
  const down = (value) =>
    size.height - margin.bottom - ((value - y[0]) / (y[1] - y[0])) * (size.height - margin.top - margin.bottom);

  function add(tag, attributes, style, term) {
    const shape = svg(tag, attributes);
    shape.setAttribute("class", `genmodels-shape genmodels-${style}`);
    if (term) shape.dataset.term = term;
    shapes.append(shape);
    return shape;
  }
  const trace = (points) => points.map(([px, py], at) => `${at ? "L" : "M"}${across(px)} ${down(py)}`).join("");

  const pen = {
    line(points, style, term) {
      return add("path", { d: trace(points), fill: "none" }, style, term);
    },
    curve(f, style, term, filled = false) {
      const points = Array.from({ length: 201 }, (_, at) => x[0] + (at / 200) * (x[1] - x[0]));
      const line = points.map((value) => [value, clamp(f(value), y[0], y[1])]);
      if (filled) {
        const whole = [[x[0], y[0]], ...line, [x[1], y[0]]];
        add("path", { d: `${trace(whole)}Z`, stroke: "none" }, `${style} genmodels-filled`, term);
      }
      return pen.line(line, style, term);
    },
    /** The places `factor` standard deviations from a mean; a covariance is [a, b, c]. */
    ellipse([mx, my], [a, b, c], factor, style, term) {
      // A root of the covariance carries the circle there (Cholesky).
      const first = Math.sqrt(a);
      const second = b / first;
      const rest = Math.sqrt(Math.max(c - second * second, 0));
      const points = Array.from({ length: 73 }, (_, at) => {
        const [u, v] = [Math.cos(at * Math.PI / 36) * factor, Math.sin(at * Math.PI / 36) * factor];
        return [mx + first * u, my + second * u + rest * v];
      });
      add("path", { d: `${trace(points)}Z` }, `${style} genmodels-filled genmodels-outlined`, term);
    },
    dot(px, py, style, term, radius = 5) {
      return add("circle", { cx: across(px), cy: down(py), r: radius }, `${style} genmodels-solid`, term);
    },
    text(px, py, text, style = "plain", anchor = "middle", dy = 0) {
      const shape = add("text", { x: across(px), y: down(py) + dy, "text-anchor": anchor }, `${style} genmodels-words`);
      shape.append(text);
    },
    picture(url, pixels) {
      const [width, tall] = [across(x[1]) - across(x[0]), down(y[0]) - down(y[1])];
      const shape = add("image", { href: url, x: across(x[0]), y: down(y[1]), width, height: tall, preserveAspectRatio: "none" }, "ground");
      shape.style.imageRendering = rendering(pixels, width);
    },
  };

  function paint() {
    size.width = node.clientWidth;
    if (!size.width) return;
    if (square) size.height = size.width - margin.left - margin.right + margin.top + margin.bottom;
    node.style.height = `${size.height}px`;
    shapes.replaceChildren();
    draw(pen);
    if (ticks.length) pen.line([[x[0], y[0]], [x[1], y[0]]], "axis");
    for (const tick of ticks) {
      const [value, text] = Array.isArray(tick) ? tick : [tick, fixed(tick, 0)];
      add("path", { d: `M${across(value)} ${down(y[0])}v5` }, "axis");
      pen.text(value, y[0], text, "quiet", "middle", 20);
    }
    if (title) pen.text((x[0] + x[1]) / 2, y[0], title, "quiet", "middle", 39);
    handles.forEach((handle) => handle.place());
  }

  /**
   * Something to drag, also by the arrow keys. `at()` is where it is, `move(x, y)` is told where it
   * is wanted, `say()` gives its value in words. `axis` is x, y or both.
   */
  function handle({ name, style, at, move, say, axis = "x", step = 0.05, term = "" }) {
    const rim = svg("circle", { r: 22, class: "genmodels-reach" });
    const grip = svg("g", { class: `genmodels-handle genmodels-${style}`, role: "slider", tabindex: 0, "aria-label": name }, rim, svg("circle", { r: 9, class: "genmodels-grip" }));
    grip.classList.add(`genmodels-axis-${axis}`);
    if (term) grip.dataset.term = term;
    let grabbed = null;
    const range = axis === "y" ? y : x;

    function go(px, py) {
      move(clamp(px, ...x), clamp(py, ...y));
      moved();
    }
    grip.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      event.preventDefault(); // no selection of text
      grip.setPointerCapture(event.pointerId);
      grip.focus({ preventScroll: true });
      const [px, py] = at();
      grabbed = [event.clientX - across(px), event.clientY - down(py)];
    });
    grip.addEventListener("pointermove", (event) => {
      if (!grabbed) return;
      const [wide, tall] = [across(x[1]) - across(x[0]), down(y[0]) - down(y[1])];
      const px = x[0] + ((event.clientX - grabbed[0] - across(x[0])) / wide) * (x[1] - x[0]);
      const py = y[1] - ((event.clientY - grabbed[1] - down(y[1])) / tall) * (y[1] - y[0]);
      go(px, py);
    });
    for (const end of ["pointerup", "pointercancel"]) grip.addEventListener(end, () => { grabbed = null; });
    grip.addEventListener("keydown", (event) => {
      const up = { ArrowUp: 1, ArrowDown: -1, PageUp: LEAP, PageDown: -LEAP }[event.key] ?? 0;
      const right = { ArrowRight: 1, ArrowLeft: -1 }[event.key] ?? 0;
      if (!up && !right) return;
      event.preventDefault(); // the page must not scroll as well
      const [px, py] = at();
      if (axis === "both") go(px + right * step, py + up * step);
      else if (axis === "x") go(px + (right + up) * step, py);
      else go(px, py + (right + up) * step);
    });
    grips.push({ read: at, write: go });
    handles.push({
      place() {
        const [px, py] = at();
        grip.setAttribute("transform", `translate(${across(px)} ${down(py)})`);
        const now = axis === "y" ? py : px;
        grip.setAttribute("aria-valuemin", range[0]);
        grip.setAttribute("aria-valuemax", range[1]);
        grip.setAttribute("aria-valuenow", Number(now.toFixed(3)));
        grip.setAttribute("aria-valuetext", say());
      },
    });
    handholds.append(grip);
  }

  const watcher = new ResizeObserver(() => paint());
  watcher.observe(node);
  return {
    node,
    handle,
    paint,
    describe: (text) => node.setAttribute("aria-label", text),
    remove: () => watcher.disconnect(),
  };
}

// Small parts

/** Buttons of which one is pressed; `choose(index)` is told. */
export function choice(label, texts, choose) {
  const buttons = texts.map((text, at) => {
    const button = el("button", { type: "button", class: "genmodels-button", "aria-pressed": at === 0 }, ...[text].flat());
    button.addEventListener("click", () => {
      buttons.forEach((other) => other.setAttribute("aria-pressed", other === button));
      choose(at);
    });
    return button;
  });
  choices.push({
    read: () => [buttons.findIndex((button) => button.getAttribute("aria-pressed") === "true")],
    write: (at) => buttons[at]?.click(),
  });
  return el("div", { class: "genmodels-picks", role: "group", "aria-label": label }, ...buttons);
}

export function press(text, hear) {
  const button = el("button", { type: "button", class: "genmodels-button" }, text);
  button.addEventListener("click", hear);
  return button;
}

/** A figure with a title above it. */
export const panel = (title, ...nodes) =>
  el("div", { class: "genmodels-panel" }, el("p", { class: "genmodels-title" }, title), ...nodes);

/** What is moved, and beside it the formula and what it means now. */
export const sides = (figures, words) =>
  el(
    "div",
    { class: "genmodels-sides" },
    el("div", { class: "genmodels-figures" }, ...figures),
    el("div", { class: "genmodels-beside" }, ...words),
  );

/** What should be in sight while something is moved: on a telephone it stands above all others. */
export const first = (style, ...nodes) => el("div", { class: `genmodels-first ${style}` }, ...nodes);

/** What is only looked at: on a telephone it comes last. */
export function later(node) {
  node.classList.add("genmodels-later");
  return node;
}

/** A sentence about the moment; it is read aloud when it changes, once the hand rests. */
export function telling() {
  const node = el("p", { class: "genmodels-telling" });
  const live = el("p", { class: "genmodels-live", "aria-live": "polite" });
  let waiting = 0;
  let said = ""; // what is to be read there may be a translation of it
  return {
    nodes: [node, live],
    say(text) {
      if (said === text) return;
      said = node.textContent = text;
      clearTimeout(waiting);
      waiting = setTimeout(() => { live.textContent = text; }, 700);
    },
  };
}

/** Numbers as bars, `most` as long as there is room: [title, [[value, style, term], …], words]. */
export function bars(rows, most, style = "") {
  const lines = rows.map(([title, parts, words]) => {
    const track = el("div", { class: "genmodels-track", "aria-hidden": "true" });
    for (const [value, style, term] of parts) {
      const part = el("div", { class: `genmodels-bar genmodels-${style}`, "data-term": term ?? "" });
      part.style.width = `${(100 * value) / most}%`;
      track.append(part);
    }
    return el("li", {}, el("span", { class: "genmodels-bar-title" }, title), track, el("span", { class: "genmodels-bar-words" }, words));
  });
  return el("ul", { class: `genmodels-bars ${style}` }, ...lines);
}
