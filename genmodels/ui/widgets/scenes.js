// What is painted: the plane with the points of a model, a VAE's latents, and the losses.

import { average } from "./formulas.js";
import { number } from "./learners.js";

export const REACH = 3; // the plane goes from -3 to 3
const HEAT = 32; // places of the discriminator's surface to a side
const ARROWS = 100;
const ARROW = 0.6; // of the plane, for a push of 1
const LONGEST = 0.9;
const LINES = [-2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2]; // of the net, in standard deviations
const ALONG = Array.from({ length: 25 }, (_, index) => (index - 12) / 5);
export const ELLIPSES = 40;
const BLUE = [0, 114, 178];
const ORANGE = [213, 94, 0];

/** A canvas as fine as the screen, in its own pixels; null while it is not shown. */
function prepare(canvas) {
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  if (!width) return null;
  const fine = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * fine);
  canvas.height = Math.round(height * fine);
  const context = canvas.getContext("2d");
  context.scale(fine, fine);
  return { context, width, height };
}

/** Marks of one shape and colour with a rim of the ground's. */
function marks({ context, width }, points, shape, radius, colours) {
  context.fillStyle = colours[shape];
  context.strokeStyle = colours.ground;
  context.lineWidth = 1;
  for (let index = 0; index < points.length; index += 2) {
    const [x, y] = onCanvas(width, points[index], points[index + 1]);
    context.beginPath();
    if (shape === "real") context.arc(x, y, radius, 0, 2 * Math.PI);
    else if (shape === "again") context.rect(x - radius, y - radius, 2 * radius, 2 * radius);
    else {
      const far = 1.4 * radius;
      for (const [dx, dy] of [[far, 0], [0, far], [-far, 0], [0, -far]]) context.lineTo(x + dx, y + dy);
      context.closePath();
    }
    context.fill();
    context.stroke();
  }
}

const onCanvas = (width, x, y) => [((x + REACH) / (2 * REACH)) * width, ((REACH - y) / (2 * REACH)) * width];

const heatSheet = document.createElement("canvas");
heatSheet.width = heatSheet.height = HEAT;
const heatPlaces = Float64Array.from(
  Array.from({ length: HEAT * HEAT }, (_, index) => [
    REACH * ((2 * (index % HEAT) + 1) / HEAT - 1), REACH * (1 - (2 * Math.floor(index / HEAT) + 1) / HEAT),
  ]).flat(),
);

/** D over the plane: blue where it says real, orange where it says generated, the ground at 0.5. */
function paintSurface({ context, width }, learner) {
  const image = new ImageData(HEAT, HEAT);
  learner.chances(heatPlaces).forEach((chance, index) => {
    image.data.set(chance > 0.5 ? BLUE : ORANGE, 4 * index);
    image.data[4 * index + 3] = Math.abs(2 * chance - 1) * 150;
  });
  heatSheet.getContext("2d").putImageData(image, 0, 0);
  context.imageSmoothingQuality = "high";
  context.drawImage(heatSheet, 0, 0, width, width);
}

function paintArrows({ context, width }, learner, made, settings, colours) {
  const first = made.subarray(0, 2 * ARROWS);
  const forces = learner.pushes(first, settings);
  context.strokeStyle = colours.text;
  context.lineWidth = 1.2;
  context.beginPath();
  for (let index = 0; index < first.length; index += 2) {
    const force = Math.hypot(forces[index], forces[index + 1]);
    const scale = Math.min(ARROW, LONGEST / force);
    const [dx, dy] = [scale * forces[index], scale * forces[index + 1]];
    const [x, y] = onCanvas(width, first[index], first[index + 1]);
    const [toX, toY] = onCanvas(width, first[index] + dx, first[index + 1] + dy);
    const length = Math.hypot(toX - x, toY - y);
    if (length < 2) continue;
    context.moveTo(x, y);
    context.lineTo(toX, toY);
    const [backX, backY] = [(4 * (toX - x)) / length, (4 * (toY - y)) / length];
    context.moveTo(toX - backX - backY / 2, toY - backY + backX / 2);
    context.lineTo(toX, toY);
    context.lineTo(toX - backX + backY / 2, toY - backY - backX / 2);
  }
  context.stroke();
}

export function paintGan(canvas, learner, real, settings, shown, colours) {
  const easel = prepare(canvas);
  if (!easel) return;
  const made = learner.made();
  if (shown.surface) paintSurface(easel, learner);
  if (shown.real) marks(easel, real, "real", 3, colours);
  if (shown.arrows) paintArrows(easel, learner, made, settings, colours);
  if (shown.made) marks(easel, made, "made", 3, colours);
}

/** Places of the latent space along lines: [[z, …], …], all lines of the same length. */
function netLines(count) {
  if (count === 1) return [Array.from({ length: 121 }, (_, index) => [(index - 60) / 20])];
  const upright = LINES.map((fixed) => ALONG.map((along) => [fixed, along]));
  return [...upright, ...upright.map((line) => line.map(([fixed, along]) => [along, fixed]))];
}

export function paintVae(canvas, learner, real, settings, shown, colours) {
  const easel = prepare(canvas);
  if (!easel) return;
  const { context, width } = easel;
  if (shown.net) {
    const lines = netLines(learner.count);
    const decoded = learner.decode(Float64Array.from(lines.flat(2)));
    context.strokeStyle = colours.quiet;
    context.lineWidth = learner.count === 1 ? 3 : 1;
    context.beginPath();
    for (let index = 0; index < decoded.length / 2; index++) {
      const place = onCanvas(width, decoded[2 * index], decoded[2 * index + 1]);
      if (index % lines[0].length) context.lineTo(...place);
      else context.moveTo(...place);
    }
    context.stroke();
  }
  if (shown.made) marks(easel, learner.made(settings), "made", 2.5, colours);
  if (shown.real) marks(easel, real, "real", 3, colours);
  if (!shown.again || !real.length) return;
  const decoded = learner.decode(learner.posteriors(real)[0]);
  context.strokeStyle = colours.again;
  context.beginPath();
  for (let index = 0; index < real.length; index += 2) {
    context.moveTo(...onCanvas(width, real[index], real[index + 1]));
    context.lineTo(...onCanvas(width, decoded[index], decoded[index + 1]));
  }
  context.stroke();
  marks(easel, decoded, "again", 2.5, colours);
}

/** The posteriors of some points, one deviation wide, over the prior's circles of 1 and 2. */
export function paintLatents(canvas, learner, real, colours) {
  const easel = prepare(canvas);
  if (!easel) return;
  const { context, width, height } = easel;
  const unit = Math.min(width, height) / (2 * REACH);
  const [means, logVariances] = learner.posteriors(real.subarray(0, 2 * ELLIPSES));
  context.translate(width / 2, height / 2);
  context.strokeStyle = colours.quiet;
  context.lineWidth = 1;
  for (const radius of [1, 2]) {
    context.beginPath();
    if (learner.count === 2) context.arc(0, 0, radius * unit, 0, 2 * Math.PI);
    else {
      for (const x of [-radius, radius]) {
        context.moveTo(x * unit, -height / 2);
        context.lineTo(x * unit, height / 2);
      }
    }
    context.stroke();
  }
  context.strokeStyle = context.fillStyle = colours.real;
  const count = means.length / learner.count;
  for (let point = 0; point < count; point++) {
    const at = point * learner.count;
    const [x, wide] = [means[at] * unit, Math.exp(logVariances[at] / 2) * unit];
    context.beginPath();
    if (learner.count === 2) {
      context.ellipse(x, -means[at + 1] * unit, wide, Math.exp(logVariances[at + 1] / 2) * unit, 0, 0, 2 * Math.PI);
    } else {
      const y = ((point + 0.5) / count - 0.5) * height;
      context.moveTo(x - wide, y);
      context.lineTo(x + wide, y);
    }
    context.stroke();
  }
}

const MOST = 300; // moments of a chart; then every second one goes

/** The losses over the steps. */
export function lossHistory() {
  let moments = []; // [step, first, second]
  let [every, waiting] = [1, []];
  return {
    add(step, losses) {
      waiting.push(losses);
      if (waiting.length < every) return;
      moments.push([step, average(waiting.map(([first]) => first)), average(waiting.map(([, second]) => second))]);
      waiting = [];
      if (moments.length < MOST) return;
      moments = moments.filter((_, index) => index % 2);
      every *= 2;
    },
    last: () => moments.at(-1)?.slice(1) ?? [],
    paint(canvas, colours) {
      const easel = prepare(canvas);
      if (!easel) return;
      const { context, width, height } = easel;
      // The first losses may be a hundred times the later ones: they leave the chart.
      const values = moments.slice(moments.length / 10).flatMap(([, ...losses]) => losses);
      const [low, high] = [Math.min(0, ...values), Math.max(0.1, ...values)];
      const down = (value) => 8 + (1 - (value - low) / (high - low)) * (height - 30);
      const end = moments.at(-1)?.[0] ?? 0;
      const across = (step) => 40 + (step / end) * (width - 48);
      context.font = `12px ${colours.font}`;
      context.fillStyle = colours.text;
      context.strokeStyle = colours.line;
      context.textAlign = "right";
      context.textBaseline = "middle";
      const far = (value) => !value || Math.abs(down(value) - down(0)) > 14; // or labels overlap
      for (const value of new Set([low, 0, high].filter(far))) {
        context.fillText(number(value), 34, down(value));
        context.beginPath();
        context.moveTo(40, down(value));
        context.lineTo(width - 8, down(value));
        context.stroke();
      }
      context.fillText(`step ${end.toLocaleString("en")}`, width - 8, height - 8);
      context.beginPath();
      context.rect(40, 4, width - 40, height - 22);
      context.clip();
      [colours.real, colours.made].forEach((colour, index) => {
        context.strokeStyle = colour;
        context.lineWidth = 2;
        context.setLineDash(index ? [5, 3] : []);
        context.beginPath();
        for (const moment of moments) context.lineTo(across(moment[0]), down(moment[1 + index]));
        context.stroke();
      });
    },
  };
}
