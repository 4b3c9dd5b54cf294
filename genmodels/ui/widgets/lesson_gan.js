// The four steps of the GAN.

import {
  bestLogit,
  covarianceOf,
  frechetParts,
  gameValue,
  generatorLosses,
  logMixture,
  logNormal,
  normal,
  sigmoid,
} from "./formulas.js";
import {
  bars,
  choice,
  clamp,
  figure,
  fixed,
  formula,
  lesson,
  panel,
  press,
  sides,
  telling,
} from "./lesson.js";
import { el } from "./widget.js";

const STEPS = {};

export default lesson(STEPS);

/** Densities as logarithms: what is real, what is generated. */
const bump = ({ mean, deviation }) => (x) => logNormal(x, mean, deviation);
const density = (log) => (x) => Math.exp(log(x));
/** @type {[number, number]} beyond it no bump has any mass */
const WIDE = [-12, 12];

/** Handles of a bell: its top, and its side. */
function bell(chart, shape, style, name, { means, deviations, scale = 1, term = "" }) {
  const height = (x) => Math.min(scale * normal(x, shape.mean, shape.deviation), 1);
  chart.handle({
    name: `mean of ${name}`, style, term, at: () => [shape.mean, height(shape.mean)],
    move: (x) => { shape.mean = clamp(x, ...means); }, say: () => `mean ${fixed(shape.mean)}`,
  });
  chart.handle({
    name: `width of ${name}`, style, term,
    at: () => [shape.mean + shape.deviation, height(shape.mean + shape.deviation)],
    move: (x) => { shape.deviation = clamp(x - shape.mean, ...deviations); },
    say: () => `standard deviation ${fixed(shape.deviation)}`,
  });
}

/** Names D's curve at its right end, where it is `value`: beside the curve, inside the figure. */
const nameD = (pen, name, value) => pen.text(3.9, value, name, "critic", "end", value > 0.5 ? 20 : -8);

// 1. The game on a line.
STEPS.game = () => {
  const real = { mean: 1, deviation: 0.7 };
  const made = { mean: -1, deviation: 0.9 };
  let seen = { ...made }; // what g was at D's last turn
  let turns = 0;
  const told = telling();
  const logit = (x) => bestLogit(bump(real)(x), bump(seen)(x));
  const best = formula("The best D of x is p of x over p of x plus g of x", [
    ["best", "D^{*}(x)", "The best discriminator: the chance that a value at x is real", "critic"],
    " = ",
    ["p", "p(x)", "How often real values fall here", "real"],
    " / (p(x) + ",
    ["g", "g(x)", "How often generated values fall here", "made"],
    ")",
  ]);
  const game = formula("V is the mean of log D of x over real x plus the mean of log of one minus D of G of z", [
    ["value", "V", "The value of the game, in nats: D wants it large, G wants it small"],
    " = ",
    ["realPart", "E log D(x)", "The mean over real values: how well D knows them; 0 is best", "real"],
    " + ",
    ["madePart", "E log(1 − D(G(z)))", "The mean over generated values: how well D knows them; 0 is best", "made"],
  ]);
  let probe = 0;
  const line = figure({
    x: [-4, 4], y: [0, 1], ticks: [-4, -2, 0, 2, 4], title: "one value x", moved: paint, height: 340,
    draw(pen) {
      pen.line([[-4, 0.5], [4, 0.5]], "axis genmodels-dashed");
      pen.curve(density(bump(real)), "real", "p realPart", true);
      pen.curve(density(bump(made)), "made", "g madePart", true);
      pen.curve((x) => sigmoid(bestLogit(bump(real)(x), bump(made)(x))), "critic genmodels-dashed", "best");
      pen.curve((x) => sigmoid(logit(x)), "critic", "");
      pen.line([[probe, 0], [probe, 1]], "extra genmodels-dashed");
      pen.text(real.mean, density(bump(real))(real.mean), "real p", "real", "middle", -12);
      pen.text(made.mean, Math.min(density(bump(made))(made.mean), 0.9), "g", "made", "middle", -16);
      pen.text(-3.9, 0.5, "½", "quiet", "start", -5);
      nameD(pen, "D", sigmoid(logit(3.9)));
    },
  });
  bell(line, made, "made", "the generated values g", { means: [-3, 3], deviations: [0.45, 2], term: "g" });
  line.handle({
    name: "x, where the densities are read", style: "extra", term: "best", at: () => [probe, 0],
    move: (x) => { probe = x; }, say: () => `x = ${fixed(probe)}`,
  });
  const lossOf = ({ mean, deviation }) => gameValue(bump(real), bump({ mean, deviation }), logit, ...WIDE).made;

  function turnOfD() {
    seen = { ...made };
    turns += 1;
    paint();
  }
  function turnOfG() {
    // Downhill by the slopes of E log(1 - D), D as it is; width on a log scale, so it stays above 0.
    const small = 1e-3;
    const here = lossOf(made);
    const byMean = (lossOf({ ...made, mean: made.mean + small }) - here) / small;
    const byWidth = (lossOf({ ...made, deviation: made.deviation * Math.exp(small) }) - here) / small;
    const rate = Math.min(1, 0.4 / (Math.hypot(byMean, byWidth) || 1));
    made.mean = clamp(made.mean - rate * byMean, -3, 3);
    made.deviation = clamp(made.deviation * Math.exp(-rate * byWidth), 0.45, 2);
    turns += 1;
    paint();
  }
  const buttons = el("div", { class: "genmodels-picks" }, press("D’s turn", turnOfD), press("G’s turn", turnOfG));

  function paint() {
    const [p, g] = [bump(real)(probe), bump(made)(probe)];
    best.set({ best: sigmoid(bestLogit(p, g)), p: Math.exp(p), g: Math.exp(g) });
    const { value, real: realPart, made: madePart } = gameValue(bump(real), bump(made), logit, ...WIDE);
    game.set({ value, realPart, madePart });
    const stale = Math.abs(seen.mean - made.mean) + Math.abs(seen.deviation - made.deviation) > 0.01;
    told.say(
      stale ? "g has moved. D is as it was, and no longer the best: the dashed curve is. Give D its turn."
        : Math.abs(value + Math.log(4)) < 0.02 ? "g is p, nearly. The best D says ½ everywhere, and V is −log 4 = −1.39: the end of the game."
          : "D is the best one now. G’s turn: g goes where D calls its values real.",
    );
    line.describe(`Real values around ${fixed(real.mean)}, generated ones around ${fixed(made.mean)} with width ${fixed(made.deviation)}, and the discriminator's curve. ${turns} turns so far.`);
    line.paint();
  }
  return {
    nodes: [buttons, sides([panel("Drag the generated bell, or the place x where the curves are read", line.node)], [best.node, game.node, ...told.nodes])],
    paint,
    remove: () => line.remove(),
  };
};

// 2. What each loss says.
STEPS.losses = (data) => {
  let logit = -4;
  const told = telling();
  const one = formula("log of one minus D has the slope minus D", [
    ["d", "D(G(z))", "How real D finds a generated picture", "critic"],
    " : ",
    ["saturating", "log(1 − D)", "The loss of the game: G makes it small", "made"],
    ["slope", "slope −D", "What G hears of it, by the logit of D", "made"],
  ]);
  const other = formula("minus log D has the slope minus one minus D", [
    ["usual", "−log D", "The loss that is used: G makes this one small", "extra"],
    ["usualSlope", "slope −(1 − D)", "What G hears of it, by the logit of D", "extra"],
  ]);
  const ticks = [0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999].map((d) => [Math.log(d / (1 - d)), String(d)]);
  const chart = figure({
    x: [-7, 7], y: [-7.5, 7.5], ticks, title: "D(G(z)), on the scale of its logit", moved: paint, height: 400,
    draw(pen) {
      pen.line([[-7, 0], [7, 0]], "axis genmodels-dashed");
      pen.curve((x) => generatorLosses(x).saturating, "made", "saturating");
      pen.curve((x) => generatorLosses(x).usual, "extra", "usual");
      const now = generatorLosses(logit);
      const tangent = (value, slope, style, term) => {
        pen.line([[logit - 2, value - 2 * slope], [logit + 2, value + 2 * slope]], `${style} genmodels-thick`, term);
        pen.dot(logit, value, style, term, 7);
      };
      tangent(now.saturating, now.saturatingSlope, "made", "slope");
      tangent(now.usual, now.usualSlope, "extra", "usualSlope");
      pen.line([[logit, -7.5], [logit, 7.5]], "critic genmodels-dashed", "d");
      pen.text(-6, 6, "−log D", "extra", "start", -8);
      pen.text(5.6, -5.6, "log(1 − D)", "made", "end", 18);
    },
  });
  chart.handle({
    name: "D of the generated picture", style: "critic", step: 0.25, term: "d", at: () => [logit, -7.5],
    move: (x) => { logit = clamp(x, Math.log(0.001 / 0.999), Math.log(0.999 / 0.001)); },
    say: () => `D = ${fixed(sigmoid(logit), 3)}`,
  });

  function paint() {
    const now = generatorLosses(logit);
    one.set({ d: fixed(now.d, 3), saturating: now.saturating, slope: fixed(now.saturatingSlope, 3) });
    other.set({ usual: now.usual, usualSlope: fixed(now.usualSlope, 3) });
    const times = now.usualSlope / now.saturatingSlope;
    told.say(
      now.d < 0.1 ? `D knows the fake. log(1 − D) is flat here: it has saturated. −log D pulls ${fixed(times, 0)} times as hard.`
        : now.d > 0.9 ? "D takes the fake for real. −log D is flat here, which does no harm: nothing is left to mend."
          : "Both losses pull here. Go to the left, where training begins.",
    );
    chart.describe(`Two curves over D: log of 1 minus D is ${fixed(now.saturating)} with slope ${fixed(now.saturatingSlope, 3)}, minus log D is ${fixed(now.usual)} with slope ${fixed(now.usualSlope, 3)}.`);
    chart.paint();
  }
  const words = [one.node, other.node, ...told.nodes];
  if (data.models.length) {
    const buttons = data.models.map(({ title, d }) =>
      press(`${title}: ${fixed(d)}`, () => {
        logit = Math.log(d / (1 - d));
        paint();
      }),
    );
    words.push(
      el("p", {}, "Trained: how real D found the generated pictures at the end, on average. Press to go there."),
      el("div", { class: "genmodels-picks" }, ...buttons),
    );
  }
  return {
    nodes: [sides([panel("Drag D along the axis; the thick lines are the slopes", chart.node)], words)],
    paint,
    remove: () => chart.remove(),
  };
};

// 3. Mode collapse.
STEPS.collapse = (data) => {
  const made = { mean: -1.2, deviation: 0.6 };
  const told = telling();
  const real = (x) => logMixture([logNormal(x, -2, 0.5), logNormal(x, 2, 0.5)]);
  const valueOf = (shape) => {
    const log = bump(shape);
    return gameValue(real, log, (x) => bestLogit(real(x), log(x)), ...WIDE);
  };
  const law = formula("With the best D, V is minus log 4 plus two times the Jensen Shannon divergence of p and g", [
    ["value", "V", "The value of the game against the best D: G makes it small"],
    " = ",
    ["least", "−log 4", "As low as it gets, when g is p"],
    " + 2 ",
    ["js", "JSD(p‖g)", "The Jensen–Shannon divergence: how far g is from p, from 0 to log 2 = 0.69", "made"],
  ]);
  const chart = figure({
    x: [-4, 4], y: [0, 1], ticks: [-4, -2, 0, 2, 4], title: "one value x", moved: paint, height: 270,
    draw(pen) {
      pen.curve(density(real), "real", "", true);
      pen.curve(density(bump(made)), "made", "js", true);
      pen.curve((x) => sigmoid(bestLogit(real(x), bump(made)(x))), "critic genmodels-dashed", "");
      nameD(pen, "D*", sigmoid(bestLogit(real(3.9), bump(made)(3.9))));
      pen.text(2, 0.4, "real p", "real", "middle", -8);
      pen.text(made.mean, Math.min(density(bump(made))(made.mean), 0.9), "g", "made", "middle", -16);
    },
  });
  bell(chart, made, "made", "the generated values g", { means: [-3, 3], deviations: [0.4, 2.4], term: "js" });
  const low = -1.4;
  const hills = figure({
    x: [-4, 4], y: [low, 0.05], ticks: [-4, -2, 0, 2, 4], title: "mean of g", moved: paint, height: 190,
    draw(pen) {
      const points = Array.from({ length: 49 }, (_, at) => -3 + at / 8);
      pen.line(points.map((mean) => [mean, valueOf({ ...made, mean }).value]), "made", "value");
      pen.line([[-4, -Math.log(4)], [4, -Math.log(4)]], "axis genmodels-dashed", "least");
      pen.dot(made.mean, valueOf(made).value, "made", "value", 8);
      pen.text(0, -Math.log(4), "−log 4", "quiet", "middle", -6);
    },
  });

  function paint() {
    const { value } = valueOf(made);
    law.set({ value, least: -Math.log(4), js: (value + Math.log(4)) / 2 });
    const near = Math.min(Math.abs(made.mean - 2), Math.abs(made.mean + 2));
    told.say(
      near < 0.5 && made.deviation < 1 ? "g sits on one bump and leaves out the other. Small moves to either side make V larger: G stays. This is mode collapse."
        : made.deviation > 1.5 ? "Wide enough for both bumps, and much of it falls between them, where nothing real is."
          : "Push g to the other bump: V has to climb a hill on the way.",
    );
    chart.describe(`Two real bumps at minus 2 and 2, and one generated bump at ${fixed(made.mean)} with width ${fixed(made.deviation)}.`);
    hills.describe(`V over the mean of g: ${fixed(value)} at ${fixed(made.mean)}.`);
    chart.paint();
    hills.paint();
  }
  const nodes = [
    sides(
      [panel("Two kinds of real value; drag g", chart.node), panel("V against the best D, for each mean of g", hills.node)],
      [law.node, ...told.nodes],
    ),
  ];
  if (data.models.length) {
    const most = Math.max(...data.models.flatMap(({ shares }) => shares.map(([, share]) => share)));
    const lists = data.models.map(({ title, shares, words }, at) =>
      panel(
        `${title}: ${words}`,
        bars(shares.map(([name, share]) => [name, [[share, at ? "critic" : "made"]], `${fixed(100 * share, 1)} %`]), most, "genmodels-bars-short"),
      ),
    );
    nodes.push(
      el("p", { class: "genmodels-lead" }, "The trained models: how their samples fall into the classes. A tenth of each would be about right."),
      el("div", { class: "genmodels-columns" }, ...lists),
    );
  }
  return {
    nodes,
    paint,
    remove() {
      chart.remove();
      hills.remove();
    },
  };
};

// 4. The Fréchet distance.
STEPS.frechet = (data) => {
  const one = { mean: -1, deviation: 0.6 };
  const two = { mean: 1.2, deviation: 1.1 };
  const fixedOne = { mean: [-0.6, -0.4], covariance: covarianceOf(1.3, 0.6, 0.5) };
  const moved = { mean: [1, 0.8], along: 1.1, across: 0.7, angle: 2.2 };
  let plane = false;
  const told = telling();
  const law = formula("d squared is the squared distance of the means plus the trace of C1 plus C2 minus two times the root of their product", [
    ["distance", "d^{2}", "The squared Fréchet distance of two Gaussians; 0 when they are the same"],
    " = ",
    ["means", "|m_{1} − m_{2}|^{2}", "How far the middles are apart", "extra"],
    " + ",
    ["trace1", "Tr Σ_{1}", "The width of the first: the sum of its variances", "real"],
    " + ",
    ["trace2", "Tr Σ_{2}", "The width of the second", "made"],
    " ",
    ["root", "− 2 Tr (Σ_{1}Σ_{2})^{½}", "What they share. Equal shapes take all of the width away again", "critic"],
  ]);
  const line = figure({
    x: [-4, 4], y: [0, 1], ticks: [-4, -2, 0, 2, 4], title: "one feature", moved: paint, height: 300,
    draw(pen) {
      pen.curve((x) => normal(x, one.mean, one.deviation), "real", "trace1", true);
      pen.curve((x) => normal(x, two.mean, two.deviation), "made", "trace2", true);
      pen.line([[one.mean, 0.03], [two.mean, 0.03]], "extra genmodels-thick", "means");
    },
  });
  const limits = { means: [-3, 3], deviations: [0.4, 2] };
  bell(line, one, "real", "the first bell", { ...limits, term: "trace1" });
  bell(line, two, "made", "the second bell", { ...limits, term: "trace2" });
  const field = figure({
    x: [-4, 4], y: [-4, 4], square: true, ticks: [-4, -2, 0, 2, 4], title: "first of two features", moved: paint,
    draw(pen) {
      for (const factor of [2, 1]) {
        pen.ellipse(fixedOne.mean, fixedOne.covariance, factor, "real", "trace1");
        pen.ellipse(moved.mean, covariance(), factor, "made", "trace2");
      }
      pen.line([fixedOne.mean, moved.mean], "extra genmodels-thick", "means");
      pen.dot(...fixedOne.mean, "real", "means", 6);
    },
  });
  const covariance = () => covarianceOf(moved.along, moved.across, moved.angle);
  field.handle({
    name: "middle of the second Gaussian", style: "made", axis: "both", step: 0.1, term: "means", at: () => moved.mean,
    move: (x, y) => { moved.mean = [clamp(x, -2, 2), clamp(y, -2, 2)]; },
    say: () => `middle at ${fixed(moved.mean[0])}, ${fixed(moved.mean[1])}`,
  });
  /** The end of an axis of the ellipse: its distance is the deviation, its direction turns both. */
  function end(name, key, turned) {
    field.handle({
      name, style: "made", axis: "both", step: 0.1, term: "trace2",
      at: () => [
        moved.mean[0] + moved[key] * Math.cos(moved.angle + turned),
        moved.mean[1] + moved[key] * Math.sin(moved.angle + turned),
      ],
      move(x, y) {
        const [dx, dy] = [x - moved.mean[0], y - moved.mean[1]];
        moved[key] = clamp(Math.hypot(dx, dy), 0.3, 1.8);
        moved.angle = Math.atan2(dy, dx) - turned;
      },
      say: () => `standard deviation ${fixed(moved[key])}`,
    });
  }
  end("first axis of the second Gaussian", "along", 0);
  end("second axis of the second Gaussian", "across", Math.PI / 2);
  const views = [panel("Drag both bells: their tops and their sides", line.node), panel("Drag the second ellipse by its middle and its axes", field.node)];
  const pick = choice("Dimensions", ["One dimension", "Two dimensions"], (at) => {
    plane = at === 1;
    paint();
  });

  function paint() {
    views.forEach((view, at) => { view.hidden = plane !== (at === 1); });
    /** @type {(shape: typeof one) => [number[], number[]]} */
    const flat = ({ mean, deviation }) => [[mean, 0], [deviation ** 2, 0, 0]];
    const parts = plane
      ? frechetParts(fixedOne.mean, fixedOne.covariance, moved.mean, covariance())
      : frechetParts(...flat(one), ...flat(two));
    law.set(parts);
    const shape = parts.trace1 + parts.trace2 + parts.root;
    told.say(
      parts.distance < 0.02 ? "The two Gaussians are the same, nearly: the distance is 0."
        : `${fixed(parts.means)} comes from the middles, ${fixed(shape)} from the shapes.${plane ? "" : ` In one dimension the shapes give (σ₁ − σ₂)² = ${fixed((one.deviation - two.deviation) ** 2)}.`}`,
    );
    line.describe(`Two bells: mean ${fixed(one.mean)} and width ${fixed(one.deviation)}, mean ${fixed(two.mean)} and width ${fixed(two.deviation)}.`);
    field.describe(`Two ellipses: the second around ${fixed(moved.mean[0])}, ${fixed(moved.mean[1])} with deviations ${fixed(moved.along)} and ${fixed(moved.across)}.`);
    line.paint();
    field.paint();
  }
  const nodes = [pick, sides(views, [law.node, ...told.nodes])];
  if (data.groups.length) {
    const lists = data.groups.map(({ title, rows }) =>
      panel(title, bars(
        rows.map(([name, value, words], at) => [name, [[value, at === rows.length - 1 ? "real" : "made"]], words]),
        Math.max(...rows.map(([, value]) => value)),
      )),
    );
    nodes.push(
      el("p", { class: "genmodels-lead" }, "The trained models: the same formula on the features of a classifier, thousands of samples against real pictures. Compare only within a list."),
      el("div", { class: "genmodels-columns" }, ...lists),
    );
  }
  return {
    nodes,
    paint,
    remove() {
      line.remove();
      field.remove();
    },
  };
};
