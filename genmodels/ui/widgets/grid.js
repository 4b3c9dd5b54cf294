// Pictures to pick one from: a listbox whose options are windows onto one sprite.

import { crispWidth, el, rendering, show } from "./widget.js";

const GAP = 4;
const SMALLEST = 40; // pixels that a finger can hit

export default (component) => show(component, buildGrid);

function buildGrid(place) {
  const label = el("p", { class: "genmodels-label", "aria-hidden": "true" });
  const list = el("div", { role: "listbox", class: "genmodels-grid" });
  const root = el("div", { class: "genmodels-root" }, label, list);
  place.append(root);

  let component = null;
  let data = { count: 0 };
  let selected = null;
  let columns = 1;
  let sheet = ""; // address of the sprite
  const tiles = () => /** @type {HTMLElement[]} */ ([...list.children]);

  /** Few pictures in one row, many as a square, and never smaller than a finger. */
  function layOut() {
    const room = list.clientWidth;
    if (!room) return; // not shown now, as in a closed tab
    const wished = data.count <= 10 ? data.count : Math.ceil(Math.sqrt(data.count));
    const fitting = Math.max(1, Math.floor((room + GAP) / (SMALLEST + GAP)));
    columns = Math.ceil(data.count / Math.ceil(data.count / Math.min(wished, fitting)));
    const most = Math.min(data.tile, Math.floor((room + GAP) / columns) - GAP);
    const crisp = crispWidth(data.width, most);
    const width = crisp >= SMALLEST ? crisp : most;
    const height = (width * data.height) / data.width;
    const rows = Math.ceil(data.count / data.columns);
    list.style.gridTemplateColumns = `repeat(${columns}, ${width}px)`;
    list.style.setProperty("--height", `${height}px`);
    list.style.setProperty("--rendering", rendering(data.width, width));
    list.style.setProperty("--sheet", `${width * data.columns}px ${height * rows}px`);
    tiles().forEach((tile, index) => {
      const left = (index % data.columns) * width;
      const top = Math.floor(index / data.columns) * height;
      tile.style.backgroundPosition = `${-left}px ${-top}px`;
    });
  }

  /** A style sheet refuses addresses of more than 2 MB, so the sprite gets a short one. */
  async function load(sprite) {
    const url = URL.createObjectURL(await (await fetch(sprite)).blob());
    const image = new Image();
    image.src = url;
    await image.decode(); // the old pictures stay until the new ones are there
    if (sprite !== data.sprite) return URL.revokeObjectURL(url); // overtaken, or removed
    list.style.setProperty("--sprite", `url("${url}")`);
    URL.revokeObjectURL(sheet);
    sheet = url;
  }

  function fill() {
    const name = (index) => `picture ${index + 1} of ${data.count}`;
    const made = Array.from({ length: data.count }, (_, index) =>
      el("button", {
        type: "button", role: "option", class: "genmodels-tile", "aria-label": name(index),
      }),
    );
    list.replaceChildren(...made);
  }

  function mark() {
    const focused = tiles().indexOf(/** @type {any} */ (list.getRootNode()).activeElement);
    const stop = focused >= 0 ? focused : Math.min(selected ?? 0, data.count - 1);
    tiles().forEach((tile, index) => {
      tile.setAttribute("aria-selected", String(index === selected));
      tile.tabIndex = index === stop ? 0 : -1;
    });
  }

  list.addEventListener("click", (event) => {
    const index = tiles().indexOf(/** @type {HTMLElement} */ (event.target));
    if (index < 0 || index === selected) return;
    selected = index;
    mark();
    component.setStateValue("pick", { index, turn: data.turn });
  });

  list.addEventListener("keydown", (event) => {
    const index = tiles().indexOf(/** @type {HTMLElement} */ (event.target));
    const last = data.count - 1;
    const goal = {
      ArrowLeft: index - 1, ArrowRight: index + 1,
      ArrowUp: index - columns, ArrowDown: index + columns,
      Home: 0, End: last,
    }[event.key];
    if (index < 0 || goal === undefined) return;
    event.preventDefault(); // the page must not scroll as well
    if (goal < 0 || goal > last) return;
    tiles()[goal].focus();
  });
  list.addEventListener("focusin", mark);

  const watcher = new ResizeObserver(layOut);
  watcher.observe(list);

  function update(next) {
    const before = data;
    component = next;
    data = next.data;
    if (before.turn !== data.turn) selected = data.selected;
    if (before.count !== data.count) fill();
    if (before.sprite !== data.sprite) load(data.sprite);
    if (selected !== null && selected >= data.count) selected = data.selected;
    label.textContent = data.label;
    list.setAttribute("aria-label", data.label);
    layOut();
    mark();
  }

  function remove() {
    watcher.disconnect();
    data = { count: 0 };
    URL.revokeObjectURL(sheet);
    root.remove();
  }

  return { update, remove };
}
