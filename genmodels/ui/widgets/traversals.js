// The numbers of a latent as sliders. All frames are in the browser: moving a handle only draws.

import { dragSideways } from "./controls.js";
import { el, rendering, show } from "./widget.js";

const EVERY = 2; // of so many frames one is shown in the strip
const LEAP = 5; // frames that Page Up and Page Down go

export default (component) => show(component, buildTraversals);

const numbers = new Intl.NumberFormat("en", {
  minimumFractionDigits: 2, maximumFractionDigits: 2, signDisplay: "exceptZero",
});
const signed = (value) => numbers.format(value).replace("-", "−");

async function bitmapOf(address) {
  const image = new Image();
  image.src = address;
  await image.decode();
  return createImageBitmap(image);
}

/** The strip, slider and words of one number; `position` is a frame, or between two of them. */
function traversalRow() {
  const [name, carries, value] = [el("strong"), el("span"), el("output")];
  const strip = el("canvas", { class: "genmodels-strip", "aria-hidden": "true" });
  const input = el("input", { type: "range", class: "genmodels-slider", min: 0, step: "any" });
  const head = el("div", { class: "genmodels-row-head", "aria-hidden": "true" });
  head.append(name, carries, value);
  const node = el("div", { class: "genmodels-row" }, head, strip, input);
  let row = {};
  let size = {};
  let bitmap = null;

  function drawStrip() {
    const { width, height, frames } = size;
    const shown = Math.ceil(frames / EVERY);
    [strip.width, strip.height] = [shown * width, height];
    const context = strip.getContext("2d");
    for (let at = 0; at < shown; at += 1) {
      context.drawImage(bitmap, at * EVERY * width, 0, width, height, at * width, 0, width, height);
    }
  }

  return {
    node,
    input,
    strip,
    get dimension() { return row.dimension; },
    get name() { return row.name; },
    get position() { return input.valueAsNumber; },
    get frame() { return Math.round(input.valueAsNumber); },
    get values() { return row.values; },
    place(position, number) {
      input.value = String(position);
      input.style.setProperty("--part", String(input.valueAsNumber / Number(input.max)));
      value.textContent = signed(number);
      input.setAttribute("aria-valuetext", `${row.name} = ${signed(number)}`);
    },
    drawFrame(canvas) {
      const { width, height } = size;
      if (!bitmap) return;
      canvas.getContext("2d").drawImage(bitmap, this.frame * width, 0, width, height, 0, 0, width, height);
    },
    async fill(next, data, arrived) {
      const changed = row.strip !== next.strip;
      row = next;
      size = { width: data.width, height: data.height, frames: next.values.length };
      input.max = String(size.frames - 1);
      // The ends of the way of the handle lie below the middles of the first and the last picture.
      node.style.setProperty("--shown", String(Math.ceil(size.frames / EVERY)));
      name.textContent = row.name;
      carries.textContent = row.carries;
      input.setAttribute("aria-label", `${row.name}, ${row.carries}`);
      node.classList.toggle("genmodels-dead", row.dead);
      if (!changed) return;
      const loaded = await bitmapOf(next.strip);
      if (row.strip !== next.strip) return loaded.close(); // overtaken, or removed
      bitmap?.close();
      bitmap = loaded;
      drawStrip();
      arrived();
    },
    fit() {
      if (strip.clientWidth) strip.style.imageRendering = rendering(strip.width, strip.clientWidth);
    },
    remove() {
      row = {};
      bitmap?.close();
      node.remove();
    },
  };
}

function buildTraversals(place) {
  const canvas = el("canvas", { role: "img", class: "genmodels-frame" });
  const words = el("p", { class: "genmodels-words" });
  const now = el("div", { class: "genmodels-now" }, canvas, words);
  const list = el("div", { class: "genmodels-rows" });
  const note = el("p", { class: "genmodels-note" });
  const layout = el("div", { class: "genmodels-layout" }, now, list);
  const root = el("div", { class: "genmodels-root genmodels-traversals" }, layout);
  place.append(root);

  let component = null;
  let data = {};
  let rows = [];
  let latent = []; // with the numbers that the server does not know yet
  let sent = null; // how often it was told
  let touched = null; // the row whose frame is shown, until the server has decoded anew
  let moving = false; // its handle has not been let go
  let telling = 0;
  let picture = null;

  function draw() {
    const { width, height } = data;
    if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
    if (touched) touched.drawFrame(canvas);
    else if (picture) canvas.getContext("2d").drawImage(picture, 0, 0);
    const what = touched ? `${touched.name} = ${signed(touched.values[touched.frame])}` : data.label;
    words.textContent = what;
    canvas.setAttribute("aria-label", touched ? `${data.label}, ${what}` : data.label);
  }

  function move(row, position) {
    const last = row.values.length - 1;
    touched = row;
    moving = true;
    clearTimeout(telling);
    const within = Math.min(Math.max(position, 0), last);
    latent[row.dimension] = row.values[Math.round(within)];
    row.place(within, latent[row.dimension]);
    draw();
  }

  function release() {
    if (!moving) return;
    touched.place(touched.frame, touched.values[touched.frame]);
    clearTimeout(telling); // several presses of a key are one move
    telling = setTimeout(() => {
      moving = false;
      sent += 1;
      root.classList.add("genmodels-waiting");
      component.setTriggerValue("moved", { latent, number: sent });
    }, 150);
  }

  const rowOf = (node) => rows.find((row) => row.input === node || row.strip === node);

  list.addEventListener("input", ({ target }) => {
    const row = rowOf(target);
    move(row, row.position);
  });
  list.addEventListener("change", release);
  list.addEventListener("keyup", release);
  list.addEventListener("keydown", (event) => {
    const row = rowOf(event.target);
    const [before, after] = [Math.ceil(row.position) - 1, Math.floor(row.position) + 1];
    const goal = {
      ArrowLeft: before, ArrowDown: before, ArrowRight: after, ArrowUp: after,
      PageDown: row.frame - LEAP, PageUp: row.frame + LEAP, Home: 0, End: row.values.length - 1,
    }[event.key];
    if (goal === undefined) return;
    event.preventDefault(); // the browser's own step is not one of ours
    move(row, goal);
  });

  let dragged = null;
  const stopDragging = dragSideways(list, {
    starts(event) {
      const row = rowOf(event.target);
      if (row?.strip !== event.target) return false;
      dragged = row;
      return true;
    },
    seek(event) {
      const box = dragged.strip.getBoundingClientRect();
      const tile = box.width / Math.ceil(dragged.values.length / EVERY);
      move(dragged, Math.round(((event.clientX - box.left) / tile - 0.5) * EVERY));
    },
    done: release,
  });

  const watcher = new ResizeObserver(() => {
    if (canvas.clientWidth) canvas.style.imageRendering = rendering(data.width, canvas.clientWidth);
    rows.forEach((row) => row.fit());
  });
  watcher.observe(root);

  async function load(address) {
    const loaded = await bitmapOf(address);
    if (data.picture !== address) return loaded.close(); // overtaken, or removed
    picture?.close();
    picture = loaded;
    draw();
  }

  /** As many rows as there are numbers to show; those that stay keep the focus. */
  function count(wished) {
    while (rows.length > wished) {
      const row = rows.pop();
      if (row === touched) [touched, moving] = [null, false];
      row.remove();
    }
    while (rows.length < wished) {
      rows.push(traversalRow());
      list.append(rows.at(-1).node);
    }
  }

  function update(next) {
    const before = data.picture;
    component = next;
    data = next.data;
    sent ??= data.heard;
    const current = data.heard === sent; // else a later answer is under way
    count(data.rows.length);
    if (current) {
      root.classList.remove("genmodels-waiting");
      latent = data.latent.slice();
      if (moving) latent[touched.dimension] = touched.values[touched.frame];
      else touched = null;
    }
    data.rows.forEach((row, at) => {
      rows[at].fill(row, data, () => {
        rows[at].fit();
        if (touched === rows[at]) draw();
      });
      if (current && !(moving && touched === rows[at])) {
        rows[at].place(row.position, latent[row.dimension]);
      }
    });
    const dead = data.rows.findIndex((row) => row.dead);
    note.textContent = data.note;
    if (dead < 0) note.remove();
    else rows[dead].node.before(note);
    if (before !== data.picture) load(data.picture);
    draw();
  }

  function remove() {
    clearTimeout(telling);
    watcher.disconnect();
    stopDragging();
    data = {};
    rows.forEach((row) => row.remove());
    picture?.close();
    root.remove();
  }

  return { update, remove };
}
