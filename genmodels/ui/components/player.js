// Frames as a film. Everything is in the browser already: moving the handle only draws.

const PASS = 3000; // milliseconds from start to end at 1×
const FASTEST = 50;
const SPEEDS = [0.5, 1, 2];

export default (component) => show(component, buildPlayer);

function buildPlayer(place) {
  const canvas = el("canvas", { role: "img", class: "genmodels-frame" });
  const slider = stepSlider("");
  const label = el("p", { class: "genmodels-label", "aria-hidden": "true" });
  const [start, where, end] = ["start", "where", "end"].map(() => el("span"));
  const bounce = el(
    "button",
    { type: "button", class: "genmodels-button", "aria-pressed": "false" },
    "Back and forth",
  );
  const speed = el("select", { class: "genmodels-select", "aria-label": "Speed" });
  speed.append(...SPEEDS.map((factor) => el("option", { value: factor }, `${factor}×`)));
  speed.value = 1;
  const play = playButton({
    advance,
    pause: () => Math.max(FASTEST, PASS / (data.count - 1)) / Number(speed.value),
    stopped: report,
  });
  const root = el(
    "div",
    { class: "genmodels-root genmodels-player" },
    label,
    canvas,
    slider.input,
    el("div", { class: "genmodels-captions", "aria-hidden": "true" }, start, where, end),
    el("div", { class: "genmodels-controls" }, play.button, bounce, speed),
  );
  place.append(root);

  let component = null;
  let data = { count: 0 };
  let shown = null; // the sprite that is decoded, which may still be the one before
  let step = 1;
  let reporting = 0;

  const position = () => (data.count > 1 ? slider.index / (data.count - 1) : 0);

  function seek(index) {
    slider.set(Math.min(Math.max(index, 0), data.count - 1), data.count);
    draw();
  }

  /** Players of one group stand at the same part of their ways. */
  function tell() {
    if (!data.group) return;
    const detail = { from: root, group: data.group, position: position() };
    window.dispatchEvent(new CustomEvent("genmodels-seek", { detail }));
  }

  function hear({ detail }) {
    if (detail.group !== data.group || detail.from === root) return;
    play.stop();
    seek(Math.round(detail.position * (data.count - 1)));
  }

  function draw() {
    const number = `frame ${slider.index + 1} of ${data.count}`;
    const [from, to] = data.captions;
    const way = from && to ? `, ${Math.round(position() * 100)} % of the way from ${from} to ${to}` : "";
    slider.input.setAttribute("aria-valuetext", number + way);
    canvas.setAttribute("aria-label", `${data.label}: ${number}${way}`);
    where.textContent = `${slider.index + 1} / ${data.count}`;
    if (shown?.sprite !== data.sprite) return; // the old picture stays until the new one is there
    const { width, height } = data;
    if (canvas.width !== width) canvas.width = width;
    if (canvas.height !== height) canvas.height = height;
    const left = (slider.index % data.columns) * width;
    const top = Math.floor(slider.index / data.columns) * height;
    canvas.getContext("2d").drawImage(shown.bitmap, left, top, width, height, 0, 0, width, height);
  }

  function advance() {
    const last = data.count - 1;
    const swings = bounce.getAttribute("aria-pressed") === "true";
    if (last < 1) return false;
    if (swings && slider.index + step > last) step = -1;
    else if (!swings || slider.index + step < 0) step = 1;
    // Play at the end starts again.
    seek(slider.index + step > last ? 0 : slider.index + step);
    tell();
    return swings || slider.index < last;
  }

  function report() {
    if (!data.report) return;
    clearTimeout(reporting); // a held arrow key releases many times a second
    reporting = setTimeout(() => component.setStateValue("position", position()), 150);
  }

  async function decode(sprite) {
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
  slider.input.addEventListener("change", report);
  bounce.addEventListener("click", () => {
    bounce.setAttribute("aria-pressed", bounce.getAttribute("aria-pressed") !== "true");
  });

  const stopDragging = dragSideways(canvas, {
    seek(event) {
      play.stop();
      const box = canvas.getBoundingClientRect();
      seek(Math.round(((event.clientX - box.left) / box.width) * (data.count - 1)));
      tell();
    },
    done: report,
  });

  function update(next) {
    const kept = data.count ? position() : next.data.start;
    const changed = next.data.sprite !== data.sprite;
    component = next;
    data = next.data;
    root.style.maxWidth = `${data.display_width}px`;
    canvas.style.aspectRatio = `${data.width} / ${data.height}`;
    canvas.style.imageRendering = rendering(data.width, data.display_width);
    label.textContent = data.label;
    slider.input.setAttribute("aria-label", data.label);
    [start.textContent, end.textContent] = data.captions;
    play.button.disabled = data.count < 2;
    seek(Math.round(kept * (data.count - 1)));
    if (changed) decode(data.sprite);
  }

  function remove() {
    play.stop();
    stopDragging();
    window.removeEventListener("genmodels-seek", hear);
    clearTimeout(reporting);
    data = { count: 0 };
    shown?.bitmap.close();
    root.remove();
  }

  return { update, remove };
}
