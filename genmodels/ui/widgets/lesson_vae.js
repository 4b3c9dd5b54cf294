// The five steps of the VAE.

import { openDecoder, tellDecoder } from "./decoder.js";
import { klParts, normal, reparametrised, squaredError } from "./formulas.js";
import {
  bars,
  choice,
  clamp,
  figure,
  first,
  fixed,
  formula,
  later,
  lesson,
  panel,
  press,
  sides,
  svg,
  telling,
} from "./lesson.js";
import { el } from "./widget.js";

const STEPS = {};

export default lesson(STEPS);

/**
 * Pictures of places of a plane: a tile at once, and the very place when the browser decodes.
 * `data` has `area` (left, bottom, size), `tiles` and `decoder`.
 */
function placePicture(data) {
  const { area, tiles } = data;
  const canvas = el("canvas", { role: "img", class: "genmodels-decoded", width: tiles.width, height: tiles.height });
  const trouble = el("p", { class: "genmodels-trouble", role: "status" });
  const sheet = new Image();
  const decoder = data.decoder ? openDecoder(data.decoder) : null;
  let place = null;
  let closed = false;

  function show(x, y) {
    place = [x, y];
    canvas.setAttribute("aria-label", `What the decoder makes of z = (${fixed(x)}, ${fixed(y)})`);
    if (decoder?.state === "ready") decode(x, y);
    else if (sheet.complete && sheet.naturalWidth) drawTile(x, y);
  }
  function drawTile(x, y) {
    const { columns, width, height } = tiles;
    const tile = (part) => clamp(Math.floor(part * columns), 0, columns - 1);
    const [column, row] = [tile((x - area[0]) / area[2]), tile(1 - (y - area[1]) / area[2])];
    canvas.getContext("2d").drawImage(sheet, column * width, row * height, width, height, 0, 0, width, height);
  }
  async function decode(x, y) {
    const frames = await decoder.decode([x, y], "place");
    if (frames && !closed) canvas.getContext("2d").putImageData(frames[0], 0, 0);
  }
  const again = () => {
    tellDecoder(trouble, decoder);
    if (place) show(...place);
  };
  sheet.addEventListener("load", again);
  sheet.src = tiles.url;
  decoder?.onChange(again);
  tellDecoder(trouble, decoder);
  return {
    canvas,
    trouble,
    show,
    remove() {
      closed = true;
      decoder?.close();
    },
  };
}

// 1. Where the encoder puts a picture.
STEPS.posterior = (data) => {
  const names = data.pictures.map(({ name }) => name);
  let chosen = 0;
  let z = [...data.pictures[0].mean];
  const decoded = placePicture(data);
  const input = el("img", { class: "genmodels-decoded" });
  const told = telling();
  const law = formula("q of z given x is a Gaussian with mean mu and standard deviation sigma", [
    ["q", "q(z|x)", "The posterior: where z may lie for this picture x", "made"],
    " = N(",
    ["mu", "μ(x)", "The mean: the encoder's best place for x", "made"],
    ", ",
    ["sigma", "σ(x)^{2}", "The spread: σ says how sure the encoder is, in each direction", "made"],
    ")",
  ]);
  const point = formula("z is a draw of q", [
    ["z", "z", "A draw: the place that the decoder is given", "extra"],
    " , ",
    ["off", "(z − μ) / σ", "How many standard deviations z lies from the mean", "extra"],
  ]);
  const [left, bottom, size] = data.area;
  const whole = figure({
    x: [left, left + size], y: [bottom, bottom + size], square: true, moved: paint,
    ticks: [-3, 0, 3], title: "first number of z, the second upwards",
    draw(pen) {
      pen.picture(data.tiles.url, data.tiles.width * data.tiles.columns);
      for (const [at, { name, mean }] of data.pictures.entries()) {
        pen.dot(...mean, at === chosen ? "made" : "veil", at === chosen ? "mu" : "", at === chosen ? 12 : 9);
        pen.text(...mean, name, at === chosen ? "on-ink" : "on-veil", "middle", 5);
      }
    },
  });
  // The same window for all of them: of the widest posterior four standard deviations to a side.
  const reach = 4 * Math.max(...data.pictures.flatMap(({ deviation }) => deviation));
  const near = figure({
    x: [-reach, reach], y: [-reach, reach], square: true, moved: paint,
    ticks: [[-reach / 2, `−${fixed(reach / 2)}`], [0, "μ"], [reach / 2, `+${fixed(reach / 2)}`]],
    draw(pen) {
      const { deviation: [a, b] } = data.pictures[chosen];
      for (const factor of [2, 1]) pen.ellipse([0, 0], [a * a, 0, b * b], factor, "made", "sigma q");
      pen.dot(0, 0, "made", "mu", 4);
      for (const factor of [1, 2]) pen.text(0, factor * b, `${factor}σ`, "made", "middle", -4);
    },
  });
  const away = () => data.pictures[chosen].mean.map((mean, at) => (z[at] - mean) / data.pictures[chosen].deviation[at]);
  const pair = (numbers) => numbers.map((number) => fixed(number)).join(", ");
  near.handle({
    name: "z, a draw of the posterior", style: "extra", axis: "both", step: reach / 40, term: "z off",
    at: () => z.map((value, at) => value - data.pictures[chosen].mean[at]),
    move: (x, y) => { z = data.pictures[chosen].mean.map((mean, at) => mean + [x, y][at]); },
    say: () => `z = ${pair(z)}`,
  });
  const pick = choice(
    "Picture x",
    data.pictures.map(({ name, url }) => el("img", { src: url, alt: `A ${name}` })),
    (at) => {
      chosen = at;
      z = [...data.pictures[at].mean];
      paint();
    },
  );

  function paint() {
    const { name, url, mean, deviation } = data.pictures[chosen];
    if (input.getAttribute("src") !== url) input.src = url;
    input.alt = `The picture x, a ${name}`;
    law.set({ q: `a ${name}`, mu: pair(mean), sigma: deviation.map((s) => `${fixed(s)}²`).join(", ") });
    point.set({ z: pair(z), off: pair(away()) });
    decoded.show(...z);
    const far = Math.hypot(...away());
    told.say(
      far < 0.01 ? "z is at the mean, in the middle of the ellipses."
        : far < 2 ? "z lies within 2σ: a usual draw. The decoder has to draw the same digit from it."
          : "z lies beyond 2σ: hardly ever drawn for this picture.",
    );
    whole.describe(`The plane of z, with ten pictures: ${data.pictures.map((p) => `${p.name} at ${pair(p.mean)}`).join("; ")}.`);
    near.describe(`Around ${pair(mean)}: ellipses of one and two standard deviations, ${pair(deviation)}. ${names[chosen]} is chosen.`);
    whole.paint();
    near.paint();
  }
  const zoom = `Around μ, ${fixed(size / (2 * reach), 0)} times larger: drag z`;
  return {
    nodes: [
      sides(
        [pick, later(panel("The whole plane", whole.node)), panel(zoom, near.node)],
        [
          first("genmodels-pair", panel("x", input), panel("decoded from z", decoded.canvas)),
          decoded.trouble, law.node, point.node, ...told.nodes,
        ],
      ),
    ],
    paint,
    remove() {
      whole.remove();
      near.remove();
      decoded.remove();
    },
  };
};

// 2. What the ELBO weighs.
STEPS.elbo = (data) => {
  let [mean, deviation] = [1.2, 0.5];
  const told = telling();
  const law = formula("The KL divergence is one half of mu squared plus sigma squared minus one minus the logarithm of sigma squared", [
    ["kl", "KL", "The price of this posterior, in nats: how far it is from the prior", "made"],
    " = ½ (",
    ["square", "μ^{2}", "Far from the middle costs", "made"],
    " + ",
    ["variance", "σ^{2}", "Wide costs", "extra"],
    " − 1 − ",
    ["log", "ln σ^{2}", "Narrow costs too: ln σ² is very negative for a small σ", "extra"],
    ")",
  ]);
  const bells = figure({
    x: [-4, 4], y: [0, 2], ticks: [-4, -2, 0, 2, 4], title: "one number of z", moved: paint, height: 320,
    draw(pen) {
      pen.curve((x) => normal(x, 0, 1), "real", "", true);
      pen.curve((x) => normal(x, mean, deviation), "made", "kl", true);
      pen.text(-1.3, 0.3, "prior N(0, 1)", "real", "end");
      pen.line([[mean, 0.06], [mean + deviation, 0.06]], "extra", "variance log");
      pen.line([[0, 0.02], [mean, 0.02]], "made", "square");
    },
  });
  bells.handle({
    name: "mu, the mean", style: "made", term: "square", at: () => [mean, normal(mean, mean, deviation)],
    move: (x) => { mean = clamp(x, -3, 3); }, say: () => `mu = ${fixed(mean)}`,
  });
  bells.handle({
    name: "sigma, the standard deviation", style: "extra", term: "variance log",
    at: () => [mean + deviation, normal(mean + deviation, mean, deviation)],
    move: (x) => { deviation = clamp(x - mean, 0.2, 2.5); }, say: () => `sigma = ${fixed(deviation)}`,
  });

  function paint() {
    const { kl, square, variance, log } = klParts(mean, deviation);
    law.set({ kl, square, variance, log });
    told.say(
      kl < 0.02 ? "The posterior is the prior: KL is 0, and z says nothing about the picture."
        : deviation < 0.3 ? "A narrow posterior says much about the picture, and pays for it by −ln σ²."
          : `With μ = ${fixed(mean)} and σ = ${fixed(deviation)} this number of z costs ${fixed(kl)} nats.`,
    );
    bells.describe(`Bells over one number of z: the prior with mean 0 and deviation 1, the posterior with mean ${fixed(mean)} and deviation ${fixed(deviation)}.`);
    bells.paint();
  }
  /** @type {HTMLElement[]} */
  const words = [law.node, ...told.nodes];
  if (data.models.length) {
    const most = Math.max(...data.models.map(({ loss }) => loss));
    const balance = formula("Minus ELBO is reconstruction plus KL", [
      ["elbo", "−ELBO", "The loss that training makes small, in nats for one picture"],
      " = ",
      ["reconstruction", "reconstruction", "How badly the picture is drawn again from z", "critic"],
      " + ",
      ["price", "KL", "What z costs: the sum over all its numbers", "made"],
    ]);
    const [first] = data.models;
    balance.set({ elbo: fixed(first.loss, 1), reconstruction: fixed(first.reconstruction, 1), price: fixed(first.kl, 1) });
    words.push(
      el("p", { class: "genmodels-title" }, `Trained: ${first.title}, in nats`),
      balance.node,
      bars(
        data.models.map(({ title, latentDim, loss, reconstruction, kl }) => [
          `${title}: z has ${latentDim} numbers`,
          [[reconstruction, "critic", "reconstruction"], [kl, "made", "price"]],
          `${fixed(reconstruction, 1)} + ${fixed(kl, 1)} = ${fixed(loss, 1)}`,
        ]),
        most,
      ),
    );
  }
  return {
    nodes: [sides([panel("Drag the bell by its top, and its width by its side", bells.node)], words)],
    paint,
    remove: () => bells.remove(),
  };
};

/** A draw of N(0, 1), where the figures show it. */
function gaussian() {
  const radius = Math.sqrt(-2 * Math.log(1 - Math.random()));
  return clamp(radius * Math.cos(2 * Math.PI * Math.random()), -3, 3);
}

// 3. How the gradient gets past a random draw.
STEPS.trick = () => {
  let [mean, deviation, epsilon, direct] = [0.5, 0.8, 1, true];
  const goal = 2;
  const told = telling();
  const drawn = formula("z is a draw of the Gaussian with mean mu and standard deviation sigma", [
    ["z", "z", "The draw that the decoder is given", "extra"],
    " ~ N(",
    ["mu", "μ", "The mean, from the encoder", "made"],
    ", ",
    ["sigma", "σ^{2}", "The standard deviation σ, from the encoder", "made"],
    ")",
  ]);
  const law = formula("z is mu plus sigma times epsilon", [
    ["z", "z", "The draw that the decoder is given", "extra"],
    " = ",
    ["mu", "μ", "The mean, from the encoder", "made"],
    " + ",
    ["sigma", "σ", "The standard deviation, from the encoder", "made"],
    " · ",
    ["epsilon", "ε", "Noise from N(0, 1): it depends on nothing", "critic"],
  ]);
  const slopes = formula("The slopes of z are 1 by mu and epsilon by sigma", [
    ["dmu", "∂z/∂μ", "If μ grows by a little, z grows by just as much", "made"],
    " , ",
    ["dsigma", "∂z/∂σ", "If σ grows by a little, z moves by ε times as much", "made"],
    " , ",
    ["dz", "∂L/∂z", "How the loss changes with z", "extra"],
  ]);
  const noise = figure({
    x: [-3, 3], y: [0, 0.5], ticks: [-3, -2, -1, 0, 1, 2, 3], title: "ε", moved: paint, height: 150,
    draw: (pen) => pen.curve((x) => normal(x, 0, 1), "critic", "epsilon", true),
  });
  noise.handle({
    name: "epsilon, the noise", style: "critic", term: "epsilon", step: 0.1,
    at: () => [epsilon, normal(epsilon, 0, 1)], move: (x) => { epsilon = x; }, say: () => `epsilon = ${fixed(epsilon)}`,
  });
  const draws = figure({
    x: [-4, 4], y: [0, 1], ticks: [-4, -2, 0, 2, 4], title: "z", moved: change, height: 190,
    draw(pen) {
      pen.curve((x) => normal(x, mean, deviation), "made", "mu sigma", true);
      const { z } = reparametrised(mean, deviation, epsilon, goal);
      pen.line([[goal, 0], [goal, 0.9]], "real genmodels-dashed");
      pen.text(goal, 0.93, "loss is 0 here", "real");
      pen.line([[z, 0], [z, normal(z, mean, deviation)]], "extra", "z");
      pen.dot(z, 0, "extra", "z", 8);
    },
  });
  draws.handle({
    name: "mu, the mean", style: "made", term: "mu", at: () => [mean, Math.min(normal(mean, mean, deviation), 1)],
    move: (x) => { mean = clamp(x, -2, 2); }, say: () => `mu = ${fixed(mean)}`,
  });
  draws.handle({
    name: "sigma, the standard deviation", style: "made", term: "sigma",
    at: () => [mean + deviation, normal(mean + deviation, mean, deviation)],
    move: (x) => { deviation = clamp(x - mean, 0.4, 1.5); }, say: () => `sigma = ${fixed(deviation)}`,
  });

  const graph = figure({
    x: [0, 10], y: [0, 6], height: 300, moved: paint,
    draw(pen) {
      const { z, loss, slope, toMean, toDeviation } = reparametrised(mean, deviation, epsilon, goal);
      /** @type {(from: number[], to: number[], dy: number, text: string, style: string, cut?: boolean) => void} */
      const arrow = (from, to, dy, text, style, cut) => {
        const [dx, ddy] = [to[0] - from[0], to[1] - from[1]];
        const length = Math.hypot(dx * 0.7, ddy);
        const trim = 0.62 / length;
        const start = [from[0] + dx * trim, from[1] + ddy * trim + dy];
        const end = [to[0] - dx * trim, to[1] - ddy * trim + dy];
        pen.line([start, end], style).setAttribute("marker-end", `url(#${style.includes("back") ? "genmodels-tip-back" : "genmodels-tip"})`);
        const middle = [(start[0] + end[0]) / 2, (start[1] + end[1]) / 2];
        if (cut) pen.text(...middle, "✕", "cut", "middle", 10);
        if (text) pen.text(...middle, text, style.includes("back") ? "back" : "plain", "middle", dy < 0 ? 22 : -10);
      };
      const places = { mu: [1, 4.9], sigma: [1, 2.7], epsilon: [1, 0.5], z: [5, 3], loss: [9, 3] };
      arrow(places.mu, places.z, 0.16, "", "flow");
      arrow(places.sigma, places.z, 0.16, "", "flow");
      if (!direct) arrow(places.epsilon, places.z, 0, "", "flow");
      arrow(places.z, places.loss, 0.2, "", "flow");
      arrow(places.loss, places.z, -0.2, fixed(slope), "back");
      arrow(places.z, places.mu, -0.26, direct ? "" : fixed(toMean), "back", direct);
      arrow(places.z, places.sigma, -0.26, direct ? "" : fixed(toDeviation), "back", direct);
      /** @type {(name: string, place: number[], text: string, value: string, style: string) => void} */
      const node = (name, [px, py], text, value, style) => {
        pen.dot(px, py, `${style} genmodels-node`, name, 25);
        pen.text(px, py, text, "on-ink", "middle", -2);
        pen.text(px, py, value, "on-ink genmodels-small", "middle", 14);
      };
      node("mu", places.mu, "μ", fixed(mean), "made");
      node("sigma", places.sigma, "σ", fixed(deviation), "made");
      if (!direct) node("epsilon", places.epsilon, "ε", fixed(epsilon), "critic");
      node("z", places.z, direct ? "z ~" : "z", fixed(z), direct ? "critic" : "extra");
      node("dz", places.loss, "L", fixed(loss), "real");
    },
  });
  const tip = (id) =>
    svg("marker", { id, viewBox: "0 0 8 8", refX: 6, refY: 4, markerWidth: 6, markerHeight: 6, orient: "auto" }, svg("path", { d: "M0 0L8 4L0 8z", class: id }));
  graph.node.prepend(svg("defs", {}, tip("genmodels-tip"), tip("genmodels-tip-back")));

  const pick = choice("How z is drawn", ["Draw z directly", "z = μ + σ · ε"], (at) => {
    direct = at === 0;
    paint();
  });
  const again = press("Draw again", change);
  const noisePanel = panel("Drag the noise ε", noise.node);

  function change() {
    if (direct) epsilon = gaussian();
    paint();
  }

  function paint() {
    const { z, slope, toMean, toDeviation } = reparametrised(mean, deviation, epsilon, goal);
    drawn.node.hidden = again.hidden = !direct;
    law.node.hidden = noisePanel.hidden = direct;
    drawn.set({ z, mu: mean, sigma: `${fixed(deviation)}²` });
    law.set({ z, mu: mean, sigma: deviation, epsilon });
    slopes.set({ dmu: direct ? "none" : 1, dsigma: direct ? "none" : epsilon, dz: slope });
    told.say(
      direct
        ? "Each move draws z anew, so nobody can say what a small change of μ did to it. The gradient stops at z, and the encoder learns nothing from the loss."
        : `The draw is ε now, off to the side. μ gets ${fixed(slope)} · 1 = ${fixed(toMean)}, and σ gets ${fixed(slope)} · ${fixed(epsilon)} = ${fixed(toDeviation)}.`,
    );
    graph.describe(
      direct
        ? `Graph: mu and sigma, a random draw z = ${fixed(z)}, the loss. The gradient ${fixed(slope)} reaches z and no further.`
        : `Graph: mu, sigma and epsilon lead to z = ${fixed(z)} and to the loss. The gradient reaches mu as ${fixed(toMean)} and sigma as ${fixed(toDeviation)}.`,
    );
    noise.describe(`The bell of the noise, with epsilon at ${fixed(epsilon)}.`);
    draws.describe(`The bell of z with mean ${fixed(mean)} and deviation ${fixed(deviation)}; z is ${fixed(z)}.`);
    for (const each of [graph, noise, draws]) each.paint();
  }
  return {
    nodes: [
      pick,
      sides(
        [
          panel("Numbers go right, the gradient comes back (dashed)", graph.node),
          el("div", { class: "genmodels-panel" }, panel("Drag μ and σ", draws.node), again, noisePanel),
        ],
        [drawn.node, law.node, slopes.node, ...told.nodes],
      ),
    ],
    paint,
    remove: () => [graph, noise, draws].forEach((each) => each.remove()),
  };
};

// 4. Pictures from the prior.
STEPS.sampling = (data) => {
  let z = [0, 0];
  const decoded = placePicture(data);
  const [left, bottom, size] = data.area;
  const draw = formula("z is a draw of the standard normal, and the picture is what the decoder makes of z", [
    ["z", "z", "A place on the plane. The prior N(0, 1) says which are likely", "extra"],
    " ~ N(0, 1) ,  x = decoder(z)",
  ]);
  const map = figure({
    x: [left, left + size], y: [bottom, bottom + size], square: true, moved: paint, ticks: [-3, 0, 3], title: "first number of z, the second upwards",
    draw(pen) {
      pen.picture(data.tiles.url, data.tiles.width * data.tiles.columns);
      for (const radius of [1, 2]) pen.ellipse([0, 0], [1, 0, 1], radius, "ring", "z");
    },
  });
  map.handle({
    name: "z, a place on the plane", style: "extra", axis: "both", step: 0.1, term: "z",
    at: () => z, move: (x, y) => { z = [x, y]; }, say: () => `z = ${fixed(z[0])}, ${fixed(z[1])}`,
  });

  function paint() {
    draw.set({ z: `${fixed(z[0])}, ${fixed(z[1])}` });
    decoded.show(...z);
    map.describe(`The plane of z as decoded pictures, with circles of one and two standard deviations of the prior. z is at ${fixed(z[0])}, ${fixed(z[1])}.`);
    map.paint();
  }
  return {
    nodes: [
      sides(
        [panel("Drag z over the plane; the rings are 1 and 2 standard deviations of the prior", map.node)],
        [first("genmodels-large", panel("decoded from z", decoded.canvas)), decoded.trouble, draw.node],
      ),
    ],
    paint,
    remove() {
      map.remove();
      decoded.remove();
    },
  };
};

// 5. Why they are soft.
STEPS.blur = () => {
  const values = [0.1, 0.6, 0.95];
  const weights = [0.8, 0.3, 0.5];
  let answer = 0.3;
  const told = telling();
  const law = formula("The expected squared error is the variance of x plus the square of the mean minus the answer", [
    ["error", "E(x − a)^{2}", "The error that the answer a makes on average", "made"],
    " = ",
    ["variance", "Var(x)", "What no single answer avoids: the possible values differ", "real"],
    " + ",
    ["miss", "(mean − a)^{2}", "What the answer loses by not being the mean", "extra"],
  ]);
  const toy = figure({
    x: [0, 1], y: [0, 1], ticks: [[0, "black"], [0.5, "grey"], [1, "white"]], title: "one pixel", moved: paint, height: 300,
    draw(pen) {
      const { mean } = squaredError(values, weights, answer);
      pen.curve((a) => 2 * squaredError(values, weights, a).error, "made", "error");
      pen.line([[mean, 0], [mean, 1]], "real genmodels-dashed", "miss");
      pen.text(mean, 1, "mean", "real", mean > 0.5 ? "end" : "start", 4);
      values.forEach((value, at) => pen.line([[value, 0], [value, weights[at]]], "critic", "variance"));
    },
  });
  values.forEach((value, at) => {
    toy.handle({
      name: `How often the pixel is ${fixed(value)}`, style: "critic", axis: "y", term: "variance",
      at: () => [value, weights[at]], move: (_, y) => { weights[at] = clamp(y, 0.02, 1); },
      say: () => `weight ${fixed(weights[at])}`,
    });
  });
  toy.handle({
    name: "a, the answer", style: "made", step: 0.02, term: "error miss",
    at: () => [answer, Math.min(2 * squaredError(values, weights, answer).error, 1)],
    move: (x) => { answer = x; }, say: () => `answer = ${fixed(answer)}`,
  });
  const patch = el("div", { class: "genmodels-patch" });

  function paint() {
    const { mean, variance, miss, error } = squaredError(values, weights, answer);
    law.set({ error: fixed(error, 3), variance: fixed(variance, 3), miss: fixed(miss, 3) });
    patch.style.background = `rgb(${Array(3).fill(Math.round(255 * answer)).join(" ")})`;
    told.say(
      Math.abs(mean - answer) < 0.015
        ? `The best answer is the mean, ${fixed(mean)}: a grey that none of the pictures has. This is blur.`
        : `The answer ${fixed(answer)} is not the best. Drag it to the lowest point of the curve.`,
    );
    toy.describe(`Three possible values of a pixel and their weights, and the squared error over the answer, lowest at the mean ${fixed(mean)}.`);
    toy.paint();
  }
  return {
    nodes: [
      sides(
        [panel("What to answer when several pictures are possible: drag the answer and the weights", toy.node)],
        [law.node, first("genmodels-small-picture", panel("the answer as a grey", patch)), ...told.nodes],
      ),
    ],
    paint,
    remove: () => toy.remove(),
  };
};
