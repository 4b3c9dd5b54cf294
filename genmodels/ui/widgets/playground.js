// A GAN and a VAE that learn points of the plane before one's eyes, in this browser alone.

import { stepSlider } from "./controls.js";
import { BLUR, DISTRIBUTIONS, normal, pointsOf, uniform } from "./distributions.js";
import { ganLearner, number, SHOWN, vaeLearner } from "./learners.js";
import { ELLIPSES, lossHistory, paintGan, paintLatents, paintVae, REACH } from "./scenes.js";
import { el, show } from "./widget.js";

const BUDGET = 12; // milliseconds of a frame for learning and painting
const STORED = 1024; // points to learn from
const FEWEST = 8;
const MOST_DRAWN = 2000;
const TELL = 12; // frames between two sets of numbers, so that one can read them

export default (component) => show(component, buildPlayground);

function buildPlayground(place) {
  const button = (text) => el("button", { type: "button", class: "genmodels-button" }, text);
  const play = button("Play");
  play.classList.add("genmodels-main");
  const turns = {
    step: button("Step"), discriminate: button("D’s turn"), generate: button("G’s turn"),
  };
  const [reset, clear] = [button("Reset"), button("Clear")];
  const speed = stepSlider("Steps a frame");
  speed.set(4, 50);
  const fast = el("output");
  const words = el("p", { class: "genmodels-words", role: "status" });
  const sides = el("div", { class: "genmodels-sides" });
  const root = el(
    "div",
    { class: "genmodels-root genmodels-playground" },
    el(
      "div",
      { class: "genmodels-controls", role: "group", "aria-label": "Training" },
      play, ...Object.values(turns), reset, clear,
      el("label", { class: "genmodels-speed" }, "Speed", speed.input, fast),
    ),
    words,
    sides,
  );
  place.append(root);

  let settings = null;
  let drawn = [];
  let points = new Float64Array();
  let shown = points; // the first of them
  let modes = [];
  let views = [];
  let running = false;
  let frame = 0;
  let frames = 0;
  let painting = 0; // milliseconds that the last one took

  /** Training goes by animation frames, which a hidden page does not get. */
  function run(on) {
    running = on && points.length >= 2 * FEWEST;
    play.textContent = running ? "Pause" : "Play";
    words.setAttribute("aria-live", running ? "off" : "polite");
    cancelAnimationFrame(frame);
    if (running) frame = requestAnimationFrame(tick);
    else tell();
  }

  function tick() {
    const started = performance.now();
    const until = started + Math.max(2, BUDGET - painting);
    for (let step = 0; step <= speed.index && performance.now() < until; step++) {
      for (const view of views) view.history.add(view.learner.steps + 1, view.learner.step(points, settings));
    }
    const learnt = performance.now();
    paint();
    painting = performance.now() - learnt;
    frames += 1;
    if (frames % TELL === 0) tell();
    frame = requestAnimationFrame(tick);
  }

  const colour = (node, name) => getComputedStyle(node).getPropertyValue(name);

  function colours() {
    const swatch = (name) => colour(root.querySelector(`.genmodels-${name}`) ?? root, "background-color");
    const style = (name) => colour(root, name).trim();
    return {
      real: swatch("real"), made: swatch("made"), again: swatch("again"), quiet: swatch("net"),
      ground: style("--st-background-color"), text: style("--st-text-color"),
      line: style("--st-border-color"), font: style("--st-font"),
    };
  }

  function paint() {
    const palette = colours();
    for (const view of views) view.paint(palette);
  }

  /** The numbers, the alternative texts, and where training stands. */
  function tell() {
    for (const view of views) view.tell();
    const [first] = views;
    if (points.length < 2 * FEWEST) words.textContent = "Paint some points on the picture first.";
    else if (!first.learner.steps) words.textContent = "Untrained. Press Play, or Step to go slowly.";
    else {
      const step = `Step ${first.learner.steps.toLocaleString("en")}: `;
      words.textContent = step + views.map((view) => view.learner.now(shown)).join(" ");
    }
    const few = points.length < 2 * FEWEST;
    for (const node of [play, ...Object.values(turns)]) node.disabled = few;
  }

  for (const [move, node] of Object.entries(turns)) {
    node.addEventListener("click", () => {
      run(false);
      const said = views
        .filter((view) => move in view.learner)
        .map(({ learner, history }) => {
          const [sentence, losses] = learner.explain(move, shown, points, settings);
          if (move === "step") history.add(learner.steps, losses);
          return sentence;
        });
      paint();
      tell();
      words.textContent = said.join(" ");
    });
  }
  play.addEventListener("click", () => run(!running));
  reset.addEventListener("click", () => {
    run(false);
    restart();
  });
  clear.addEventListener("click", () => {
    drawn = [];
    run(false);
    restart();
  });
  speed.input.addEventListener("input", sayFast);

  function sayFast() {
    fast.textContent = `${speed.index + 1} steps a frame`;
    speed.input.setAttribute("aria-valuetext", `${speed.index + 1} steps a frame`);
  }

  function restart() {
    const distribution = DISTRIBUTIONS[settings.points];
    modes = distribution?.modes ?? [];
    takePoints(distribution ? pointsOf(distribution, STORED, uniform(settings.seed + 1)) : Float64Array.from(drawn));
    views = [];
    if (settings.model !== "vae") views.push(modelView("gan", ganLearner(settings.seed)));
    if (settings.model !== "gan") views.push(modelView("vae", vaeLearner(settings.seed, settings.latents)));
    sides.replaceChildren(...views.map((view) => view.node));
    sides.classList.toggle("genmodels-two", views.length > 1);
    paint();
    tell();
  }

  function takePoints(taken) {
    points = taken;
    shown = points.subarray(0, 2 * SHOWN);
  }

  const NAMES = { gan: "GAN", vae: "VAE" };
  const LAYERS = {
    gan: { real: "Real points", made: "Generated points", surface: "What D says", arrows: "Where D pushes" },
    vae: { real: "Real points", again: "Reconstructions", net: "Decoded latents", made: "Samples" },
  };

  function modelView(kind, learner) {
    const canvas = el("canvas", { role: "img" });
    const stage = el(
      "div",
      { class: "genmodels-stage", tabindex: 0, role: "group", "aria-label": `${NAMES[kind]}. Space plays and pauses.` },
      canvas,
    );
    const on = Object.fromEntries(Object.keys(LAYERS[kind]).map((layer) => [layer, true]));
    const legend = el("div", { class: "genmodels-legend", role: "group", "aria-label": `${NAMES[kind]}: layers` });
    for (const [layer, text] of Object.entries(LAYERS[kind])) {
      const dot = el("span", { class: `genmodels-dot genmodels-${layer}` });
      const toggle = el("button", { type: "button", class: "genmodels-button", "aria-pressed": "true" }, dot, text);
      toggle.addEventListener("click", () => {
        on[layer] = !on[layer];
        toggle.setAttribute("aria-pressed", String(on[layer]));
        paint();
      });
      legend.append(toggle);
    }
    const scale = el(
      "p", { class: "genmodels-scale" }, "D says generated, 0", el("span", { "aria-hidden": "true" }), "1, real",
    );
    const numbers = el("dl", { class: "genmodels-numbers" });
    const chart = el("canvas", { class: "genmodels-chart", role: "img" });
    const latents = el("canvas", { class: "genmodels-latents", role: "img" });
    const history = lossHistory();
    const key = el("p", { class: "genmodels-key" }, "Losses in nats: ");
    learner.curves.forEach((name, index) => {
      key.append(el("span", { class: index ? "genmodels-dashed" : "genmodels-solid", "aria-hidden": "true" }), `${name} `);
    });
    const node = el(
      "section",
      { class: "genmodels-side", "aria-label": NAMES[kind] },
      el("div", {}, el("p", { class: "genmodels-name" }, NAMES[kind]), stage, ...(kind === "gan" ? [scale] : []), legend),
      el(
        "div",
        { class: "genmodels-facts" },
        numbers,
        el("div", {}, key, chart),
        ...(kind === "vae" ? [el("div", {}, el("p", { class: "genmodels-key" }, latentWords(learner)), latents)] : []),
      ),
    );
    stage.addEventListener("keydown", (event) => {
      if (event.key !== " ") return;
      event.preventDefault(); // the page must not scroll as well
      run(!running);
    });
    drawOn(stage);
    return {
      node,
      learner,
      history,
      paint(palette) {
        (kind === "gan" ? paintGan : paintVae)(canvas, learner, shown, settings, on, palette);
        history.paint(chart, palette);
        if (kind === "vae") paintLatents(latents, learner, shown, palette);
      },
      tell() {
        const facts = shown.length ? learner.facts(shown, modes, settings) : [];
        history.last().forEach((loss, index) => facts.push([`${learner.curves[index]}, loss`, number(loss)]));
        numbers.replaceChildren(
          ...facts.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))),
        );
        const said = facts.map(([name, value]) => `${name}: ${value}`).join(". ");
        canvas.setAttribute("aria-label", `${NAMES[kind]}, step ${learner.steps}. ${said || "No points yet"}.`);
        chart.setAttribute("aria-label", `Losses of ${learner.curves.join(" and ")} over the steps`);
        latents.setAttribute("aria-label", `Posteriors of ${ELLIPSES} points over the prior`);
      },
    };
  }

  const latentWords = ({ count }) =>
    count === 2
      ? "Latents: each point’s posterior. The circles are 1 and 2 deviations of the prior."
      : "Latents: each point’s posterior, from left to right. The lines are ±1 and ±2 deviations of the prior.";

  /** Painting points with a mouse, a finger or a pen, where the data are drawn by hand. */
  function drawOn(stage) {
    stage.classList.toggle("genmodels-paper", settings.points === "drawn");
    let pen = null;
    const random = uniform(settings.seed + drawn.length);
    function add(event) {
      const box = stage.getBoundingClientRect();
      const at = [
        REACH * ((2 * (event.clientX - box.left)) / box.width - 1),
        REACH * (1 - (2 * (event.clientY - box.top)) / box.height),
      ];
      if (at.some((part) => Math.abs(part) > REACH)) return;
      for (let count = 0; count < 4; count++) drawn.push(...at.map((part) => part + BLUR * normal(random)));
      // The newest are shown.
      drawn = drawn.slice(-2 * MOST_DRAWN);
      takePoints(Float64Array.from(drawn));
      shown = points.slice(-2 * SHOWN);
      paint();
    }
    stage.addEventListener("pointerdown", (event) => {
      if (settings.points !== "drawn" || event.button !== 0 || !event.isPrimary) return;
      pen = event.pointerId;
      stage.setPointerCapture(pen);
      add(event);
    });
    stage.addEventListener("pointermove", (event) => event.pointerId === pen && add(event));
    for (const name of ["pointerup", "pointercancel"]) {
      stage.addEventListener(name, (event) => {
        if (event.pointerId !== pen) return;
        pen = null;
        tell();
      });
    }
  }

  const watcher = new ResizeObserver(() => settings && !running && paint());
  watcher.observe(sides);

  function update({ data }) {
    const before = settings;
    settings = data;
    clear.hidden = data.points !== "drawn";
    turns.discriminate.hidden = turns.generate.hidden = data.model === "vae";
    sayFast();
    const anew = ["model", "points", "seed", "latents"].some((name) => before?.[name] !== data[name]);
    if (anew || before.turn !== data.turn) {
      run(false);
      restart();
    } else paint();
  }

  function remove() {
    cancelAnimationFrame(frame);
    watcher.disconnect();
    root.remove();
  }

  return { update, remove };
}
