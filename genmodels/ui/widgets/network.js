// Small networks that learn in the browser: forward, backward, Adam, and the steps of a GAN and a
// VAE. A batch is a Float64Array, row after row. A network's parameters are one Float64Array: layer
// after layer its weights [out, in] and then its biases, as torch has them.

import { average, sigmoid, softplus } from "./formulas.js";

/**
 * @typedef {{
 *   sizes: number[], weights: Float64Array, gradient: Float64Array,
 *   mean: Float64Array, square: Float64Array, steps: number,
 * }} Network
 * @typedef {{ generator: Network, discriminator: Network }} Gan
 * @typedef {{ encoder: Network, decoder: Network }} Vae
 */

const SLOPE = 0.2; // of a leaky ReLU below 0, as in DCGAN

/**
 * Fully connected layers of these sizes, leaky ReLU between them; its moments are Adam's.
 *
 * @param {number[]} sizes
 * @param {() => number} random
 * @returns {Network}
 */
export function network(sizes, random) {
  const weights = [];
  for (let layer = 1; layer < sizes.length; layer++) {
    const [inputs, outputs] = [sizes[layer - 1], sizes[layer]];
    const bound = Math.sqrt(6 / ((1 + SLOPE ** 2) * inputs)); // He et al. 2015
    for (let index = 0; index < inputs * outputs; index++) weights.push(bound * (2 * random() - 1));
    for (let index = 0; index < outputs; index++) weights.push(0);
  }
  const zeros = () => new Float64Array(weights.length);
  return {
    sizes, weights: Float64Array.from(weights), gradient: zeros(), mean: zeros(), square: zeros(), steps: 0,
  };
}

/**
 * What every layer gives for a batch, the input first and the output last.
 *
 * @param {Network} net
 * @param {Float64Array} input
 * @returns {Float64Array[]}
 */
export function forward({ sizes, weights }, input) {
  const count = input.length / sizes[0];
  const layers = [input];
  let start = 0;
  for (let layer = 1; layer < sizes.length; layer++) {
    const [inputs, outputs] = [sizes[layer - 1], sizes[layer]];
    const hidden = layer < sizes.length - 1;
    const [x, y] = [layers[layer - 1], new Float64Array(count * outputs)];
    const biases = start + inputs * outputs;
    for (let row = 0; row < count; row++) {
      for (let out = 0; out < outputs; out++) {
        let sum = weights[biases + out];
        const [from, at] = [start + out * inputs, row * inputs];
        for (let index = 0; index < inputs; index++) sum += weights[from + index] * x[at + index];
        y[row * outputs + out] = hidden && sum < 0 ? SLOPE * sum : sum;
      }
    }
    layers.push(y);
    start = biases + outputs;
  }
  return layers;
}

/**
 * Adds to the network's gradient, from that of the outputs of `layers`; returns the inputs'.
 *
 * @param {Network} net
 * @param {Float64Array[]} layers
 * @param {Float64Array} ofOutput
 * @returns {Float64Array}
 */
export function backward({ sizes, weights, gradient }, layers, ofOutput) {
  let [above, end] = [ofOutput, weights.length];
  for (let layer = sizes.length - 1; layer > 0; layer--) {
    const [inputs, outputs] = [sizes[layer - 1], sizes[layer]];
    const hidden = layer < sizes.length - 1;
    const [x, y] = [layers[layer - 1], layers[layer]];
    const below = new Float64Array(x.length);
    const biases = end - outputs;
    const start = biases - inputs * outputs;
    for (let row = 0; row < x.length / inputs; row++) {
      for (let out = 0; out < outputs; out++) {
        const place = row * outputs + out;
        const slope = hidden && y[place] < 0 ? SLOPE * above[place] : above[place];
        gradient[biases + out] += slope;
        const [from, at] = [start + out * inputs, row * inputs];
        for (let index = 0; index < inputs; index++) {
          gradient[from + index] += slope * x[at + index];
          below[at + index] += slope * weights[from + index];
        }
      }
    }
    [above, end] = [below, start];
  }
  return above;
}

/**
 * One step of Adam (Kingma and Ba 2015, algorithm 1) along the gradient, which it empties.
 *
 * @param {Network} net
 * @param {number} rate
 * @param {number[]} betas
 */
function adam(net, rate, [first, second]) {
  net.steps += 1;
  const [ofMean, ofSquare] = [1 - first ** net.steps, 1 - second ** net.steps];
  for (let index = 0; index < net.weights.length; index++) {
    const slope = net.gradient[index];
    net.mean[index] = first * net.mean[index] + (1 - first) * slope;
    net.square[index] = second * net.square[index] + (1 - second) * slope * slope;
    const step = net.mean[index] / ofMean / (Math.sqrt(net.square[index] / ofSquare) + 1e-8);
    net.weights[index] -= rate * step;
  }
  net.gradient.fill(0);
}

/** @type {(net: Network, input: Float64Array) => Float64Array} */
export const outputOf = (net, input) => forward(net, input).at(-1);

// A GAN: its discriminator gives a logit, whose sigmoid is D(x).

const GAN_BETAS = [0.5, 0.999]; // Radford et al. 2016

/**
 * How G's loss changes with each logit: -log D, or log(1 - D), which saturates, in nats.
 *
 * @param {Float64Array} logits
 * @param {boolean} saturating
 */
function generatorLoss(logits, saturating) {
  return saturating
    ? { loss: -average(logits.map(softplus)), slopes: logits.map((logit) => -sigmoid(logit)) }
    : { loss: average(logits.map((logit) => softplus(-logit))), slopes: logits.map((logit) => -sigmoid(-logit)) };
}

/**
 * D learns to tell real points from G's. Returns its loss before, -E log D(x) - E log(1 - D(G(z))).
 *
 * @param {Gan} gan
 * @param {Float64Array} real
 * @param {Float64Array} latents
 * @param {number} rate
 */
export function discriminatorStep({ generator, discriminator }, real, latents, rate) {
  const fake = outputOf(generator, latents);
  const ofReal = forward(discriminator, real);
  const ofFake = forward(discriminator, fake);
  const [realLogits, fakeLogits] = [ofReal.at(-1), ofFake.at(-1)];
  backward(discriminator, ofReal, realLogits.map((logit) => -sigmoid(-logit) / realLogits.length));
  backward(discriminator, ofFake, fakeLogits.map((logit) => sigmoid(logit) / fakeLogits.length));
  adam(discriminator, rate, GAN_BETAS);
  return average(realLogits.map((logit) => softplus(-logit))) + average(fakeLogits.map(softplus));
}

/**
 * G learns to please D, which stands still. Returns its loss before.
 *
 * @param {Gan} gan
 * @param {Float64Array} latents
 * @param {number} rate
 * @param {boolean} saturating
 */
export function generatorStep({ generator, discriminator }, latents, rate, saturating) {
  const made = forward(generator, latents);
  const judged = forward(discriminator, made.at(-1));
  const { loss, slopes } = generatorLoss(judged.at(-1), saturating);
  const ofPoints = backward(discriminator, judged, slopes.map((slope) => slope / slopes.length));
  discriminator.gradient.fill(0);
  backward(generator, made, ofPoints);
  adam(generator, rate, GAN_BETAS);
  return loss;
}

/**
 * Where each point would go to please D: minus the gradient of its own part of G's loss.
 *
 * @param {Network} discriminator
 * @param {Float64Array} points
 * @param {boolean} saturating
 */
export function pushes(discriminator, points, saturating) {
  const judged = forward(discriminator, points);
  const { slopes } = generatorLoss(judged.at(-1), saturating);
  const ofPoints = backward(discriminator, judged, slopes);
  discriminator.gradient.fill(0);
  return ofPoints.map((slope) => -slope);
}

// A VAE: its encoder gives means and log variances [n, 2 d], its decoder the mean of N(mean, variance).

const VAE_BETAS = [0.9, 0.999]; // Kingma and Ba 2015

/**
 * The posterior of each point: means and log variances [n, d].
 *
 * @param {Float64Array} encoded
 * @param {number} latents
 * @returns {[Float64Array, Float64Array]}
 */
export function split(encoded, latents) {
  const pick = (from) => Float64Array.from(
    { length: encoded.length / 2 },
    (_, index) => encoded[Math.floor(index / latents) * 2 * latents + from + (index % latents)],
  );
  return [pick(0), pick(latents)];
}

/**
 * KL(N(mean, variance) || N(0, 1)) of each number, in nats (Kingma and Welling 2014, appendix B).
 *
 * @type {(means: Float64Array, logVariances: Float64Array) => Float64Array}
 */
export const klTerms = (means, logVariances) =>
  means.map((mean, index) => (mean ** 2 + Math.exp(logVariances[index]) - 1 - logVariances[index]) / 2);

/**
 * -log N(x; decoded, variance) in nats, averaged over points of two numbers.
 *
 * @param {Float64Array} points
 * @param {Float64Array} decoded
 * @param {number} variance
 */
function reconstructionLoss(points, decoded, variance) {
  const squares = points.map((value, index) => (value - decoded[index]) ** 2);
  return average(squares) / variance + Math.log(2 * Math.PI * variance);
}

/**
 * One step of encoder and decoder on reconstruction + `klWeight` KL, `noise` [n, d] from N(0, 1)
 * being that of the posteriors. Returns both terms before, per point in nats.
 *
 * @param {Vae} vae
 * @param {Float64Array} points
 * @param {Float64Array} noise
 * @param {{ rate: number, variance: number, klWeight: number }} settings
 */
export function vaeStep({ encoder, decoder }, points, noise, { rate, variance, klWeight }) {
  const count = points.length / 2;
  const latents = decoder.sizes[0];
  const encoded = forward(encoder, points);
  const [means, logVariances] = split(encoded.at(-1), latents);
  const deviations = logVariances.map((value) => Math.exp(value / 2));
  const made = forward(decoder, means.map((mean, index) => mean + noise[index] * deviations[index]));
  const decoded = made.at(-1);
  const ofLatents = backward(decoder, made, decoded.map((value, index) => (value - points[index]) / variance / count));
  const ofEncoded = new Float64Array(encoded.at(-1).length);
  for (let row = 0; row < count; row++) {
    for (let number = 0; number < latents; number++) {
      const index = row * latents + number;
      const place = 2 * row * latents + number;
      ofEncoded[place] = ofLatents[index] + (klWeight * means[index]) / count;
      ofEncoded[place + latents] =
        (ofLatents[index] * noise[index] * deviations[index]) / 2 +
        (klWeight * (deviations[index] ** 2 - 1)) / 2 / count;
    }
  }
  backward(encoder, encoded, ofEncoded);
  adam(encoder, rate, VAE_BETAS);
  adam(decoder, rate, VAE_BETAS);
  return {
    reconstruction: reconstructionLoss(points, decoded, variance),
    kl: average(klTerms(means, logVariances)) * latents,
  };
}
