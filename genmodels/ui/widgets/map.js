// A plane of the latent space: pictures of its places as tiles, points above them. Everything is
// in the browser already: moving the pointer only draws. Where the model's decoder is in the
// browser too, it decodes the very place under the pointer, and sliders lead beyond the plane.

import { stepSlider } from "./controls.js";
import { openDecoder, tellDecoder } from "./decoder.js";
import { onPlane } from "./latents.js";
import { el, rendering, show } from "./widget.js";

const NEAR = { mouse: 8, pen: 12, touch: 16 }; // pixels from which a point is meant
const BEYOND = 20; // steps of a slider beyond the plane, to either side
const STEPS = 40; // of the arrow keys across the map
const DIMMED = 0.15;
const LARGE = 224;
const DIGITS = 6; // of a coordinate that is reported
const AT_ONCE = 5; // tiles decoded together: the pointer does not wait long for them
const HERE = 0.5; // pixels that a coordinate may be off in an address

export default (component) => show(component, buildMap);

function buildMap(place) {
  const ground = el("canvas", { "aria-hidden": "true" });
  const above = el("canvas", { "aria-hidden": "true" });
  const plane = el(
    "div",
    { class: "genmodels-plane", role: "application", tabindex: 0, "aria-roledescription": "map" },
    ground,
    above,
  );
  const hint = el("p", { class: "genmodels-hint" }, "Tap a place, or drag sideways to look around. Swipe up or down to scroll.");
  const large = el("canvas", { role: "img", class: "genmodels-large" });
  const [name, where] = ["genmodels-name", "genmodels-where"].map((style) => el("p", { class: style }));
  const beyond = el("div", { class: "genmodels-beyond", role: "group", "aria-label": "Beyond the plane" });
  const trouble = el("p", { class: "genmodels-trouble", role: "status" });
  const live = el("p", { class: "genmodels-live", "aria-live": "polite" });
  const layers = { tiles: toggle("Pictures"), points: toggle("Points") };
  const layerRow = el("div", { class: "genmodels-row", role: "group", "aria-label": "Layers" });
  layerRow.append(layers.tiles, layers.points);
  const legend = el("div", { class: "genmodels-row", role: "group", "aria-label": "Classes" });
  const root = el(
    "div",
    { class: "genmodels-root genmodels-map" },
    el(
      "div",
      { class: "genmodels-sides" },
      el("div", { class: "genmodels-ground" }, plane, hint),
      el(
        "div",
        { class: "genmodels-look" },
        large,
        el("div", {}, name, where),
        live,
      ),
      el("div", { class: "genmodels-choices" }, layerRow, legend, beyond, trouble),
    ),
  );
  place.append(root);

  let component = null;
  let data = null;
  let hidden = new Set(); // classes
  let cross = null; // where the keys are, and what was chosen last
  let look = null;
  let pressed = null;
  const bitmaps = new Map(); // by address, once they are decoded
  let decoder = null;
  let offsets = []; // along the directions beyond the plane
  let moved = null; // the tiles of the plane moved by `offsets`
  let tiling = 0;

  const decodes = () => decoder?.state === "ready";

  const isOn = (button) => button.getAttribute("aria-pressed") === "true";
  const side = () => plane.clientWidth;
  const across = (x) => ((x - data.area[0]) / data.area[2]) * side();
  const down = (y) => side() - ((y - data.area[1]) / data.area[2]) * side();

  /**
   * @param {string} text
   * @param {(button: HTMLElement) => void} hear
   */
  function toggle(text, hear = paint) {
    const button = el("button", { type: "button", class: "genmodels-button", "aria-pressed": "true" }, text);
    button.addEventListener("click", () => {
      button.setAttribute("aria-pressed", String(!isOn(button)));
      hear(button);
    });
    return button;
  }

  /** The picture at a place: that of a point within `near` pixels, else that of the place. */
  function pictureAt(x, y, near) {
    const point = nearestPoint(x, y, near);
    if (point !== null) {
      const [left, bottom, label] = data.points[point];
      return { sheet: data.thumbnails, index: point, x: left, y: bottom, point, name: data.classes[label] };
    }
    const { columns } = data.tiles;
    const tile = (part) => Math.min(Math.max(Math.floor(part * columns), 0), columns - 1);
    const column = tile((x - data.area[0]) / data.area[2]);
    const row = tile(1 - (y - data.area[1]) / data.area[2]);
    return { sheet: data.tiles, index: row * columns + column, x, y, point: null, name: "Place" };
  }

  function nearestPoint(x, y, near) {
    if (!isOn(layers.points)) return null;
    let [nearest, least] = [null, near];
    data.points.forEach(([left, bottom, label], index) => {
      if (hidden.has(label)) return;
      const distance = Math.hypot(across(left) - across(x), down(bottom) - down(y));
      if (distance <= least) [nearest, least] = [index, distance];
    });
    return nearest;
  }

  function words({ x, y, point, name }) {
    const number = (value) => value.toFixed(Math.abs(value) < 100 ? 2 : 0).replace("-", "−");
    return [point === null ? name : `Point: ${name}`, `x ${number(x)} · y ${number(y)}`];
  }

  function paintGround() {
    const context = fit(ground);
    if (!context) return;
    const sheet = moved ?? bitmaps.get(data.tiles.url);
    if (sheet) {
      context.globalAlpha = isOn(layers.tiles) ? 1 : DIMMED;
      context.imageSmoothingQuality = "high";
      context.imageSmoothingEnabled = rendering(sheet.width, side()) === "auto";
      context.drawImage(sheet, 0, 0, side(), side());
    }
    if (!isOn(layers.points)) return;
    context.globalAlpha = 1;
    context.lineWidth = 1.5;
    context.strokeStyle = colour("--st-background-color");
    for (const [x, y, label] of data.points) {
      if (hidden.has(label)) continue;
      context.fillStyle = data.colours[label % data.colours.length];
      // Two shapes help where two colours look alike.
      if (label % 2) square(context, x, y, 7);
      else circle(context, x, y, 4);
      context.stroke();
      context.fill();
    }
  }

  function paintAbove() {
    const context = fit(above);
    if (!context) return;
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.font = `600 14px ${colour("--st-font")}`;
    for (const [letter, x, y] of data.marks) {
      circle(context, x, y, 12);
      context.fillStyle = colour("--st-background-color");
      context.fill();
      context.lineWidth = 2;
      context.strokeStyle = context.fillStyle = colour("--st-text-color");
      context.stroke();
      context.fillText(letter, across(x), down(y) + 1);
    }
    if (look.point !== null) {
      circle(context, look.x, look.y, 7);
      twice(context, 2, colour("--st-text-color"));
    }
    if (!cross) return;
    const [x, y] = [across(cross.x), down(cross.y)];
    context.beginPath();
    for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
      context.moveTo(x + 5 * dx, y + 5 * dy);
      context.lineTo(x + 15 * dx, y + 15 * dy);
    }
    twice(context, 3, colour("--st-primary-color"));
  }

  /** A stroke with a rim, which is seen on any picture. */
  function twice(context, width, inner) {
    context.lineWidth = width + 4;
    context.strokeStyle = colour("--st-background-color");
    context.stroke();
    context.lineWidth = width;
    context.strokeStyle = inner;
    context.stroke();
  }

  function circle(context, x, y, radius) {
    context.beginPath();
    context.arc(across(x), down(y), radius, 0, 2 * Math.PI);
  }

  function square(context, x, y, width) {
    context.beginPath();
    context.rect(across(x) - width / 2, down(y) - width / 2, width, width);
  }

  const colour = (name) => getComputedStyle(root).getPropertyValue(name).trim();

  /** Empties a canvas and makes it as fine as the screen; null where it is not shown now. */
  function fit(canvas) {
    const pixels = Math.round(side() * (window.devicePixelRatio || 1));
    if (!pixels || !data) return null;
    canvas.width = canvas.height = pixels;
    const context = canvas.getContext("2d");
    context.scale(pixels / side(), pixels / side());
    return context;
  }

  function paintLook() {
    const [title, coordinates] = words(look);
    name.textContent = title;
    where.textContent = coordinates;
    large.setAttribute("aria-label", `Decoded picture. ${title}, ${coordinates}`);
    if (look.point === null && decodes()) return decodeLook();
    const sheet = bitmaps.get(look.sheet.url);
    if (!sheet) return;
    const { width, height, columns } = look.sheet;
    if (large.width !== width) large.width = width;
    if (large.height !== height) large.height = height;
    const [left, top] = [(look.index % columns) * width, Math.floor(look.index / columns) * height];
    large.getContext("2d").drawImage(sheet, left, top, width, height, 0, 0, width, height);
  }

  /** The very place under the pointer; the picture before stays until it is there. */
  async function decodeLook() {
    const { x, y } = look;
    const frames = await decoder.decode(onPlane(data.space, x, y, offsets), "look");
    if (!frames || !data || look.point !== null) return;
    [large.width, large.height] = [frames[0].width, frames[0].height];
    large.getContext("2d").putImageData(frames[0], 0, 0);
    large.dataset.place = `${x},${y}`;
  }

  /** The tiles anew, as the sliders beyond the plane stand. */
  async function retile() {
    const turn = ++tiling;
    const { columns, width, height } = data.tiles;
    const [left, bottom, size] = data.area;
    const middle = (index) => ((index + 0.5) * size) / columns;
    const sheet = el("canvas", { width: columns * width, height: columns * height });
    const context = sheet.getContext("2d");
    const before = moved ?? bitmaps.get(data.tiles.url);
    if (before) context.drawImage(before, 0, 0, sheet.width, sheet.height);
    moved = sheet;
    for (let first = 0; first < columns * columns; first += AT_ONCE) {
      const tiles = Array.from({ length: AT_ONCE }, (_, index) => first + index);
      const places = tiles.map((tile) => [tile % columns, Math.floor(tile / columns)]);
      const latents = places.flatMap(([column, row]) =>
        onPlane(data.space, left + middle(column), bottom + size - middle(row), offsets),
      );
      const frames = await decoder.decode(latents, "tiles");
      if (!frames || !data || turn !== tiling) return; // the sliders moved on
      places.forEach(([column, row], index) => {
        context.putImageData(frames[index], column * width, row * height);
      });
      paintGround();
    }
  }

  /** A slider for each direction beyond the plane; without the decoder they could show nothing. */
  function fillBeyond() {
    const names = decodes() ? data.space.names : [];
    const rows = names.map((name, index) => {
      const slider = stepSlider(name);
      slider.set(BEYOND + Math.round(offsets[index] * BEYOND), 2 * BEYOND + 1);
      slider.input.addEventListener("input", () => {
        offsets[index] = (slider.index - BEYOND) / BEYOND;
        slider.input.setAttribute("aria-valuetext", offsets[index].toFixed(2));
        retile();
        if (look.point === null) decodeLook();
      });
      return el("label", {}, el("span", {}, name), slider.input);
    });
    const title = el("p", { class: "genmodels-name" }, "Beyond the plane");
    beyond.replaceChildren(...(rows.length ? [title, ...rows] : []));
  }

  function openSpace() {
    decoder?.close();
    decoder = data.decoder && openDecoder(data.decoder);
    decoder?.onChange(heardDecoder);
    heardDecoder();
  }

  function heardDecoder() {
    tellDecoder(trouble, decoder);
    if (beyond.childElementCount === 0 || !decodes()) fillBeyond();
    if (!decodes()) return;
    if (offsets.some(Boolean)) retile();
    paint();
  }

  function paint() {
    if (!data) return;
    paintGround();
    lookAt(pictureAt(look.x, look.y, look.point === null ? 0 : HERE));
  }

  function lookAt(next) {
    look = next;
    paintAbove();
    paintLook();
  }

  const home = () => cross ?? { x: data.area[0] + data.area[2] / 2, y: data.area[1] + data.area[2] / 2 };

  function choose(chosen) {
    cross = { x: chosen.x, y: chosen.y };
    lookAt(chosen);
    live.textContent = `Chosen: ${words(chosen).join(", ")}`;
    const exact = [chosen.x, chosen.y].map((value) => Number(value.toPrecision(DIGITS)));
    const place = chosen.point === null ? exact : [...exact, chosen.point];
    component.setStateValue("place", { place, offsets });
  }

  function under(event) {
    const box = plane.getBoundingClientRect();
    const part = (value) => Math.min(Math.max(value, 0), 1);
    const x = data.area[0] + part((event.clientX - box.left) / box.width) * data.area[2];
    const y = data.area[1] + part((box.bottom - event.clientY) / box.height) * data.area[2];
    return pictureAt(x, y, NEAR[event.pointerType] ?? NEAR.mouse);
  }

  plane.addEventListener("pointermove", (event) => event.isPrimary && lookAt(under(event)));
  plane.addEventListener("pointerdown", (event) => {
    pressed = event.button === 0 && event.isPrimary ? event.pointerId : null;
    if (pressed !== null) lookAt(under(event));
  });
  plane.addEventListener("pointerup", (event) => {
    if (event.pointerId === pressed) choose(under(event));
    pressed = null;
  });
  plane.addEventListener("pointercancel", () => { pressed = null; }); // the finger scrolls the page
  plane.addEventListener("pointerleave", () => {
    const { x, y } = home();
    lookAt(pictureAt(x, y, HERE));
  });

  plane.addEventListener("keydown", (event) => {
    const step = data.area[2] / STEPS;
    const [dx, dy] = {
      ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, step], ArrowDown: [0, -step],
    }[event.key] ?? [0, 0];
    const enters = event.key === "Enter" || event.key === " ";
    if (!dx && !dy && !enters) return;
    event.preventDefault(); // the page must not scroll as well
    const [left, bottom, size] = data.area;
    const { x, y } = home();
    cross = {
      x: Math.min(Math.max(x + dx, left), left + size),
      y: Math.min(Math.max(y + dy, bottom), bottom + size),
    };
    const there = pictureAt(cross.x, cross.y, NEAR.mouse);
    if (enters) return choose(there);
    lookAt(there);
    live.textContent = words(there).join(", ");
  });

  function fillLegend() {
    const present = [...new Set(data.points.map(([, , label]) => label))].sort((a, b) => a - b);
    const buttons = present.map((label) => {
      const button = toggle(data.classes[label], (pressed) => {
        if (isOn(pressed)) hidden.delete(label);
        else hidden.add(label);
        paint();
      });
      const dot = el("span", { class: label % 2 ? "genmodels-dot genmodels-square" : "genmodels-dot" });
      dot.style.background = data.colours[label % data.colours.length];
      button.prepend(dot);
      return button;
    });
    legend.replaceChildren(...(present.length > 1 ? buttons : []));
    layerRow.hidden = !present.length;
  }

  async function load(sheet) {
    if (!sheet || bitmaps.has(sheet.url)) return;
    const image = new Image();
    image.src = sheet.url;
    await image.decode();
    bitmaps.set(sheet.url, image);
    paint();
  }

  const watcher = new ResizeObserver(() => paint());
  watcher.observe(plane);

  function update(next) {
    const before = data;
    component = next;
    data = next.data;
    const changed = before?.tiles.url !== data.tiles.url || before?.thumbnails?.url !== data.thumbnails?.url;
    if (changed) {
      bitmaps.clear();
      hidden = new Set();
      cross = data.start && { x: data.start[0], y: data.start[1] };
      offsets = data.space.names.map((_, index) => data.offsets[index] ?? 0);
      moved = null;
      tiling += 1;
      fillLegend();
      look = { ...home(), point: 0 };
    }
    if (changed || before?.decoder?.model !== data.decoder?.model) openSpace();
    plane.setAttribute(
      "aria-label",
      `${data.label}. Arrow keys move the cross, Enter chooses the place.`,
    );
    const { width } = data.tiles;
    large.style.imageRendering = rendering(width, LARGE);
    paint();
    load(data.tiles);
    load(data.thumbnails);
  }

  function remove() {
    watcher.disconnect();
    data = null;
    decoder?.close();
    bitmaps.clear();
    root.remove();
  }

  return { update, remove };
}
