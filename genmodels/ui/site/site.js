// A run's page without a server behind it. The components are the app's; this hands on to one what
// is chosen on another.

import showCurves from "./widgets/curves.js";
import { openDecoder } from "./widgets/decoder.js";
import showGrid from "./widgets/grid.js";
import { onPlane, plus } from "./widgets/latents.js";
import showMap from "./widgets/map.js";
import showPlayer from "./widgets/player.js";
import { el } from "./widgets/widget.js";

const at = (id) => document.getElementById(id);
const signed = (value) => value.toFixed(2).replace("-", "−");

/**
 * A component in its place; gives what shows it with other data.
 *
 * @template Data
 * @param {(component: import("./widgets/widget.js").Component<Data>) => void} show
 * @param {string} id
 * @param {Data} data
 * @param {(name: string, value: any) => void} setStateValue
 */
function mount(show, id, data, setStateValue = () => {}) {
  let current = data;
  const draw = (next = current) => {
    current = next;
    show({ parentElement: at(id), data: current, setStateValue });
  };
  draw();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => draw());
  return draw;
}

/** Where a latent falls upright onto a plane. */
function onto({ origin, axes: [u, v] }, latent) {
  const dot = (a, b) => a.reduce((sum, value, index) => sum + value * b[index], 0);
  const away = plus(latent, origin, -1);
  const [uu, uv, vv, du, dv] = [dot(u, u), dot(u, v), dot(v, v), dot(away, u), dot(away, v)];
  const area = uu * vv - uv * uv;
  return [(du * vv - dv * uv) / area, (dv * uu - du * uv) / area];
}

/** Buttons below `id` that make what was chosen there an end of the walk. */
function keepButtons(id, keep) {
  let chosen = null;
  let ready = false;
  const words = el("p", { role: "status" });
  const buttons = ["A", "B"].map((letter) => {
    const button = el("button", { type: "button", class: "genmodels-button" }, `Keep as ${letter}`);
    button.addEventListener("click", () => {
      keep(letter, chosen);
      words.textContent = `Kept ${chosen.name} as ${letter}.`;
    });
    return button;
  });
  at(id).append(
    el("div", { class: "genmodels-root" }, el("div", { class: "genmodels-row" }, ...buttons, words)),
  );
  function paint() {
    for (const button of buttons) button.disabled = !chosen || !ready;
  }
  paint();
  return {
    choose(latent, name) {
      chosen = { latent, name };
      words.textContent = `Chosen: ${name}.`;
      paint();
    },
    /** Another walk than the stored one has to be decoded here. */
    allow(decodes) {
      ready = decodes;
      paint();
    },
  };
}

function buildPage(run) {
  const { space } = run.map;
  let ends = run.ends;
  const marks = () => Object.entries(ends).map(([letter, { latent }]) => [letter, ...onto(space, latent)]);
  const walk = () => ({
    ...run.player,
    label: `From A, ${ends.A.name}, to B, ${ends.B.name}`,
    way: { ...run.player.way, start: ends.A.latent, end: ends.B.latent },
  });

  const mapKeep = keepButtons("map-keep", keep);
  const gridKeep = keepButtons("grid-keep", keep);
  const showWalk = mount(showPlayer, "player", walk());
  const showPlane = mount(showMap, "map", { ...run.map, marks: marks() }, (_, { place, offsets }) => {
    const [x, y, point] = place;
    if (point === undefined) {
      mapKeep.choose(onPlane(space, x, y, offsets), `the place ${signed(x)}, ${signed(y)}`);
    } else {
      mapKeep.choose(run.points[point], `a point of ${run.map.classes[run.map.points[point][2]]}`);
    }
  });
  mount(showGrid, "grid", run.grid, (_, { index }) => {
    gridKeep.choose(run.samples[index], `picture ${index + 1}`);
  });

  function keep(letter, chosen) {
    go({ ...ends, [letter]: chosen });
  }
  function go(next) {
    ends = next;
    showWalk(walk());
    showPlane({ ...run.map, marks: marks() });
  }

  const decoder = openDecoder(run.map.decoder);
  const hear = () => {
    for (const buttons of [mapKeep, gridKeep]) buttons.allow(decoder.state === "ready");
    if (decoder.state === "failed" && ends !== run.ends) go(run.ends); // of it there are pictures
  };
  decoder.onChange(hear);
  hear();
}

/** An address of a gzip file's content, of that type; the file's own where that cannot be had. */
async function unpacked(address, type) {
  try {
    const content = await (await fetch(address)).blob();
    const [first, second] = new Uint8Array(await content.slice(0, 2).arrayBuffer());
    const packed = first === 0x1f && second === 0x8b; // else the server unpacked it
    const stream = content.stream();
    const whole = packed ? stream.pipeThrough(new DecompressionStream("gzip")) : stream;
    return URL.createObjectURL(new Blob([await new Response(whole).blob()], { type }));
  } catch {
    return address; // Loading it again tells what is wrong, in place.
  }
}

async function buildCurves(run) {
  const names = Object.keys(run.curves);
  if (!names.length) return at("learning").remove();
  const plotly = await unpacked(run.curves[names[0]].plotly, "text/javascript");
  const data = (name) => ({ ...run.curves[name], plotly });
  const draw = mount(showCurves, "curves", data(names[0]));
  const select = el("select", { class: "genmodels-select" });
  select.append(...names.map((name) => el("option", { value: name }, run.quantities[name])));
  select.addEventListener("change", () => draw(data(select.value)));
  at("quantity").append(el("label", {}, "Quantity", select));
}

async function start() {
  const ids = document.body.dataset.runs.split(" ");
  const asked = new URLSearchParams(location.search).get("run");
  const id = ids.includes(asked) ? asked : ids[0];
  document.querySelectorAll("nav a")[ids.indexOf(id)]?.setAttribute("aria-current", "page");
  const answer = await fetch(`runs/${id}/run.json`, { cache: "no-cache" });
  if (!answer.ok) throw new Error(String(answer.status));
  const run = await answer.json();
  document.title = document.querySelector("h1").textContent = run.title;
  at("about").textContent = run.about;
  at("map-words").textContent = run.map_words;
  at("page").hidden = false;
  at("status").remove();
  buildPage(run);
  await buildCurves(run);
}

start().catch((error) => {
  const status = at("status");
  if (!status) throw error;
  status.textContent = "This model could not be loaded. Reload the page to try again.";
});
