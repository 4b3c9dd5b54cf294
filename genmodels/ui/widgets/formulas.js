// The formulas of the lessons, as plain functions of numbers: nothing here touches the page.
// Densities come as logarithms, which do not run out of range where a bump is far away.

/**
 * ln N(x; mean, deviation²).
 *
 * @param {number} x
 * @param {number} mean
 * @param {number} deviation
 */
export function logNormal(x, mean, deviation) {
  const z = (x - mean) / deviation;
  return -0.5 * z * z - Math.log(deviation) - 0.5 * Math.log(2 * Math.PI);
}

/** @type {(x: number, mean: number, deviation: number) => number} */
export const normal = (x, mean, deviation) => Math.exp(logNormal(x, mean, deviation));

/**
 * ln of a mean of densities that are given as logarithms.
 *
 * @param {number[]} logs
 */
export function logMixture(logs) {
  const most = Math.max(...logs);
  const sum = logs.reduce((before, log) => before + Math.exp(log - most), 0);
  return most + Math.log(sum / logs.length);
}

/**
 * The parts of KL(N(mean, deviation²) || N(0, 1)) = ½ (mean² + variance - 1 - log), in nats.
 *
 * @param {number} mean
 * @param {number} deviation
 */
export function klParts(mean, deviation) {
  const [square, variance] = [mean * mean, deviation * deviation];
  const log = Math.log(variance);
  return { square, variance, log, kl: 0.5 * (square + variance - 1 - log) };
}

/**
 * A draw z of N(mean, deviation²), the loss (z - goal)², and its slopes.
 *
 * @param {number} mean
 * @param {number} deviation
 * @param {number} epsilon
 * @param {number} goal
 */
export function reparametrised(mean, deviation, epsilon, goal) {
  const z = mean + deviation * epsilon;
  const slope = 2 * (z - goal);
  return { z, loss: (z - goal) ** 2, slope, toMean: slope, toDeviation: slope * epsilon };
}

/**
 * The mean squared error of one answer to several possible values, and its parts.
 *
 * @param {number[]} values
 * @param {number[]} weights
 * @param {number} answer
 */
export function squaredError(values, weights, answer) {
  const total = weights.reduce((before, weight) => before + weight, 0);
  const average = (of) => values.reduce((sum, value, at) => sum + weights[at] * of(value), 0) / total;
  const mean = average((value) => value);
  const variance = average((value) => (value - mean) ** 2);
  return { mean, variance, miss: (mean - answer) ** 2, error: variance + (mean - answer) ** 2 };
}

/** @param {number[] | Float64Array} values */
export function average(values) {
  let sum = 0;
  for (const value of values) sum += value;
  return sum / values.length;
}

/**
 * log(1 + e^x) without overflow.
 *
 * @type {(x: number) => number}
 */
export const softplus = (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
/** @type {(x: number) => number} */
export const sigmoid = (x) => 1 / (1 + Math.exp(-x));

/**
 * The best discriminator p / (p + g): its logit (Goodfellow et al. 2014, proposition 1).
 *
 * @type {(logReal: number, logMade: number) => number}
 */
export const bestLogit = (logReal, logMade) => logReal - logMade;

/**
 * The sum of f(x) dx between `low` and `high`.
 *
 * @param {(x: number) => number} f
 * @param {number} low
 * @param {number} high
 * @param {number} steps
 */
export function integral(f, low, high, steps = 600) {
  const width = (high - low) / steps;
  let sum = 0;
  for (let step = 0; step < steps; step += 1) sum += f(low + (step + 0.5) * width);
  return sum * width;
}

/**
 * V(D, G) = E log D(x) + E log(1 - D(G(z))), and its parts, in nats. The densities are functions
 * of x that give logarithms, `logit` is D's.
 *
 * @param {(x: number) => number} logReal
 * @param {(x: number) => number} logMade
 * @param {(x: number) => number} logit
 * @param {number} low
 * @param {number} high
 */
export function gameValue(logReal, logMade, logit, low, high) {
  const real = integral((x) => -Math.exp(logReal(x)) * softplus(-logit(x)), low, high);
  const made = integral((x) => -Math.exp(logMade(x)) * softplus(logit(x)), low, high);
  return { real, made, value: real + made };
}

/**
 * What a generator is told of one picture with that logit: both losses, and their slopes.
 *
 * @param {number} logit
 */
export function generatorLosses(logit) {
  const d = sigmoid(logit);
  return { d, saturating: -softplus(logit), saturatingSlope: -d, usual: softplus(-logit), usualSlope: d - 1 };
}

/**
 * A covariance [[a, b], [b, c]] as [a, b, c]: of deviations along an axis at `angle`, and across.
 *
 * @param {number} along
 * @param {number} across
 * @param {number} angle
 * @returns {[number, number, number]}
 */
export function covarianceOf(along, across, angle) {
  const [cosine, sine] = [Math.cos(angle), Math.sin(angle)];
  return [
    (along * cosine) ** 2 + (across * sine) ** 2,
    (along ** 2 - across ** 2) * sine * cosine,
    (along * sine) ** 2 + (across * cosine) ** 2,
  ];
}

/**
 * The parts of |m1 - m2|² + Tr(C1 + C2 - 2 (C1 C2)^½) in two dimensions, covariances as above.
 * Of a 2×2 matrix Tr M^½ is the root of Tr M + 2 (det M)^½.
 *
 * @param {number[]} mean1
 * @param {number[]} covariance1
 * @param {number[]} mean2
 * @param {number[]} covariance2
 */
export function frechetParts(mean1, [a1, b1, c1], mean2, [a2, b2, c2]) {
  const means = (mean1[0] - mean2[0]) ** 2 + (mean1[1] - mean2[1]) ** 2;
  const determinants = Math.max((a1 * c1 - b1 * b1) * (a2 * c2 - b2 * b2), 0);
  const trace = a1 * a2 + 2 * b1 * b2 + c1 * c2;
  const root = Math.sqrt(Math.max(trace + 2 * Math.sqrt(determinants), 0));
  const parts = { means, trace1: a1 + c1, trace2: a2 + c2, root: -2 * root };
  return { ...parts, distance: Math.max(means + parts.trace1 + parts.trace2 + parts.root, 0) };
}
